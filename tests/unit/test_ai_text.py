"""Chat and texts as `ai_text` judges them: by author, in bounds, and discreetly."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from streammon.core.errors import Permanent
from streammon.core.types import (
    ChatMessage,
    DetectionResult,
    Json,
    Modality,
    StreamId,
    Window,
)
from streammon.detectors.ai_text import EVIDENCE_MOST, AiText, AiTextConfig
from streammon.windows.sliding import make_windower
from tests.ai_texts import ASSISTANT, VIEWERS
from tests.fakes import a_message, a_window


def detector(**settings: Any) -> AiText:
    made = AiTextConfig(**settings).build("ai_text")
    made.load("cpu")
    return made


@cache
def shared() -> AiText:
    """For texts of nobody: nothing is remembered of these."""
    return detector()


def judged(text: str, *, by: AiText | None = None) -> DetectionResult:
    (result,) = (by or shared()).score([a_window(a_message(text=text, author_id=""))])
    return result


def lines(*said: tuple[str, str], first: int = 0) -> list[ChatMessage]:
    return [a_message(first + n, author_id=who, text=text) for n, (who, text) in enumerate(said)]


def windows(messages: Sequence[ChatMessage], made: AiText) -> list[Window]:
    windower = make_windower(StreamId("chat"), Modality.TEXT, made.inputs[Modality.TEXT])
    cut = [window for message in messages for window in windower.push(message)]
    return cut + windower.flush()


def test_an_assistant_s_text_is_flagged_and_viewers_are_not() -> None:
    machine, people = judged(ASSISTANT[:500]), judged(VIEWERS[:500])
    assert machine.confidence is not None
    assert people.confidence is not None
    assert machine.confidence > 0.6 > people.confidence
    assert machine.is_ai_generated is True
    assert people.is_ai_generated is False


@pytest.mark.parametrize("size", [250, 300, 470])
def test_short_texts_are_evidence_that_cannot_raise_an_alert(size: int) -> None:
    result = judged(ASSISTANT[:size])
    assert result.confidence is not None
    assert result.confidence <= EVIDENCE_MOST
    assert result.is_ai_generated is None


def test_five_hundred_characters_with_some_unseen_are_enough() -> None:
    text = ASSISTANT[:480] + "\u2764\ufe0f\u200d" * 6 + "\n" * 5
    assert judged(text).is_ai_generated is True
    assert judged(ASSISTANT[:300] + "\u200b" * 500).is_ai_generated is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ASSISTANT[:249], "fewer than 250 characters"),
        ("no hablo de eso pero la verdad es que no sé qué decir de lo que pasa con los " * 8,
         "not in English"),
        ("KEKW KEKW LUL PogChamp KEKW LUL PogChamp gg PogChamp LUL " * 12,
         "mostly emotes, links or code"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused_in_words(text: str, reason: str) -> None:
    result = judged(text)
    assert result.confidence is None
    assert result.abstained == reason


def test_lines_of_one_author_are_judged_together() -> None:
    made = detector()
    pieces = [("bot", ASSISTANT[at : at + 50]) for at in range(0, 600, 50)]
    (first,) = made.score([a_window(*lines(*pieces[:6]))])
    (second,) = made.score([a_window(*lines(*pieces[6:], first=6))])
    assert [first.is_ai_generated, second.is_ai_generated] == [None, True]
    assert [told_of(first)["evidence_only"], told_of(second)["evidence_only"]] == [True, False]
    assert told_of(second)["windows"] == 1


def told_of(result: DetectionResult) -> dict[str, Json]:
    """What is told of the likeliest author."""
    authors = result.details["authors"]
    assert isinstance(authors, list)
    assert isinstance(authors[0], dict)
    return authors[0]


def test_a_bot_among_viewers_is_named_by_its_sources_id_and_the_viewers_are_not() -> None:
    made = detector()
    said: list[tuple[str, str]] = []
    for at in range(0, 1_000, 100):
        said.append(("bot", ASSISTANT[at : at + 100]))
        said += [(f"v{n}", VIEWERS[at + 20 * n : at + 20 * n + 20]) for n in range(5)]
    results = [result for window in windows(lines(*said), made) for result in made.score([window])]
    best = max(results, key=lambda result: result.confidence or 0.0)
    assert best.is_ai_generated is True
    assert told_of(best)["level"] in {"review", "strict"}
    assert told_of(best)["author_id"] == "bot"  # sources hash the ids of people
    assert told_of(best)["message_ids"]
    assert ASSISTANT[:30] not in json.dumps(best.details)
    named = [authors for each in results if (authors := each.details["authors"])]
    assert '"author_id": "v' not in json.dumps(named)


def test_the_names_of_authors_depend_on_the_key() -> None:
    window = a_window(*lines(("ann", ASSISTANT[:600])))
    keys = ("one", "two", "one", None)
    names = [told_of(detector(author_key=key).score([window])[0])["author"] for key in keys]
    assert names[0] == names[2]
    assert len(set(map(str, names))) == 3


def test_a_window_of_many_authors_is_evidence_only() -> None:
    pieces = [ASSISTANT[at : at + 40] for at in range(0, 800, 40)]
    (result,) = detector().score(
        [a_window(*lines(*[(f"v{n}", piece) for n, piece in enumerate(pieces)]))]
    )
    assert result.confidence is not None
    assert result.confidence <= EVIDENCE_MOST
    assert result.is_ai_generated is None
    assert result.details["authors"] == []


def test_one_window_of_an_author_is_not_counted_twice() -> None:
    made = detector()
    (first,) = made.score([a_window(*lines(("bot", ASSISTANT[:600])))])
    (second,) = made.score([a_window(*lines(("bot", "ok"), ("v", "hello there"), first=1))])
    (third,) = made.score([a_window(*lines(("bot", ASSISTANT[600:1_200]), first=3))])
    (fourth,) = made.score([a_window(*lines(("bot", "ok"), first=4))])
    assert first.is_ai_generated is True
    assert second.confidence is not None
    assert second.confidence <= EVIDENCE_MOST
    assert second.is_ai_generated is None
    assert third.is_ai_generated is fourth.is_ai_generated is True
    assert third.confidence == fourth.confidence


def test_streams_are_kept_apart_and_texts_of_nobody_are_not_remembered() -> None:
    made = detector()
    half = ASSISTANT[:300]
    one = a_window(*lines(("ann", half)))
    other = replace(one, stream=StreamId("other"))
    made.score([one])
    (result,) = made.score([other])
    assert result.details["characters"] == 300
    assert result.is_ai_generated is None
    for _ in range(3):
        assert judged(half, by=made).is_ai_generated is None


def test_the_same_history_gives_the_same_results_in_any_batch() -> None:
    texts = [ASSISTANT[:700], VIEWERS[:700], ASSISTANT[:300], "hi", VIEWERS[:260]]
    each = [
        replace(a_window(a_message(text=text, author_id="ann")), stream=StreamId(f"s{n}"))
        for n, text in enumerate(texts)
    ]
    together = detector().score(each)
    made = detector()
    alone = [result for window in each for result in made.score([window])]
    assert [r.confidence for r in together] == [r.confidence for r in alone]
    assert [r.details for r in together] == [r.details for r in alone]


@pytest.mark.parametrize(
    "text",
    [
        "spam and eggs " * 75_000, "a​" * 500_000, "‮" + ASSISTANT, "👩‍👩‍👧" * 50_000,
        "\ud800" * 5_000, "\udfff" + VIEWERS, "", "\x00" * 1_000, "á́́́" * 10_000,
    ],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_hostile_texts_are_judged_or_refused(text: str) -> None:
    made = detector()
    for author in ("", "ann", "\ud800"):
        (result,) = made.score([a_window(a_message(text=text, author_id=author))])
        assert result.confidence is not None or result.abstained
        json.dumps(result.details, allow_nan=False)


def test_no_text_is_told_or_logged_and_no_author_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made = detector()
    (result,) = made.score([a_window(a_message(text=ASSISTANT[:800], author_id="ann-of-kent"))])
    told = f"{result!r} {caplog.text}"
    assert "ann-of-kent" not in caplog.text
    assert not any(word in told for word in ASSISTANT[:800].split() if len(word) > 7)


@pytest.mark.parametrize(
    "wrong",
    [{"least_characters": 200}, {"full_characters": 300, "least_characters": 400},
     {"weights_sha256": "0" * 64}, {"decide": "never"}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        AiTextConfig(**wrong)


def test_it_has_to_be_loaded_first() -> None:
    with pytest.raises(Permanent, match="load"):
        AiTextConfig().build("ai_text").score([a_window(a_message())])
