"""What people read in their own channels."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streammon.sinks.alert_text import alert_text, summary_text


def said(**more: Any) -> dict[str, Any]:
    return {
        "stream": "lobby", "participant": "", "kind": "voice_spoof", "state": "opened",
        "severity": "critical", "why": "Speech carries vocoder artefacts: 6 of 7 windows.",
        "time": "2026-11-22T07:07:05.125Z", "results": [{"details": {"text": "my secret"}}], **more,
    }  # fmt: skip


def test_one_alert_is_two_lines_under_a_title() -> None:
    title, text = alert_text(said())
    assert title == "lobby: voice spoof [critical]"
    assert text == "Speech carries vocoder artefacts: 6 of 7 windows.\n2026-11-22T07:07:05.125Z"
    assert alert_text(said(state="closed"))[0] == "lobby: voice spoof, over"
    assert alert_text(said(state="updated", participant="p7"))[0] == (
        "lobby (p7): voice spoof, goes on [critical]"
    )


def test_many_are_counted_by_place_and_kind() -> None:
    alerts = [said()] * 8 + [said(stream="door", kind="freeze", state="closed")]
    assert summary_text(alerts) == (
        "and 9 more alerts",
        "lobby: voice spoof opened (8 times)\ndoor: freeze closed",
    )
    many = [said(stream=f"cam-{number}") for number in range(25)]
    assert len(summary_text(many)[1].splitlines()) == 11
    assert summary_text(many)[1].endswith("... and 15 others")


@given(stream=st.text(min_size=1), why=st.text(), kind=st.text(min_size=1))
def test_whatever_a_stream_is_called_the_text_stays_short_and_holds_no_chat(
    stream: str, why: str, kind: str
) -> None:
    alert = said(stream=stream, why=why, kind=kind)
    for title, text in (alert_text(alert), summary_text([alert, alert])):
        assert len(title.splitlines()) == 1
        assert len(title) < 200
        assert len(text) < 600
        assert len(text.splitlines()) <= 3
        assert "my secret" not in title + text
