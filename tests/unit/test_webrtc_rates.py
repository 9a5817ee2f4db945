"""Figures of a link, of what was counted between two looks."""

from __future__ import annotations

import pytest

from streammon.ingest.webrtc.rates import LinkTally
from streammon.ingest.webrtc.tap import Reception


def test_rates_are_of_the_last_seconds() -> None:
    tally = LinkTally()
    tally.look(0.0, [Reception()], clock="arrival", skew_s=None)
    tally.bytes, tally.frames, tally.frame_s, tally.video = 250_000, 60, 1.9, "VP8"
    first = tally.look(2.0, [Reception(100, 0, 0.004)], clock="sender", skew_s=0.01)
    assert (first.kbit_s, first.frames_per_s) == (1000.0, 30.0)
    assert first.frame_age_s == pytest.approx(0.1)
    assert (first.codecs, first.clock, first.jitter_s) == (("VP8",), "sender", 0.004)
    for now_s in (3.0, 4.0, 5.0):
        last = tally.look(now_s, [Reception(100, 0)], clock="sender", skew_s=None)
    assert (last.kbit_s, last.frames_per_s) == (0.0, 0.0)


def test_loss_is_a_share_of_what_was_sent_meanwhile() -> None:
    tally = LinkTally()
    tally.look(0.0, [Reception(1000, 500)], clock="arrival", skew_s=None)
    now = tally.look(1.0, [Reception(1090, 510)], clock="arrival", skew_s=None)
    assert now.lost_share == pytest.approx(0.1)


def test_packets_that_come_after_all_are_not_negative_loss() -> None:
    tally = LinkTally()
    tally.look(0.0, [Reception(100, 10)], clock="arrival", skew_s=None)
    assert tally.look(1.0, [Reception(110, 4)], clock="arrival", skew_s=None).lost_share == 0.0


def test_before_anything_came_there_is_no_age() -> None:
    link = LinkTally().look(1.0, [], clock="arrival", skew_s=None)
    assert (link.codecs, link.frame_age_s, link.lost_share) == ((), None, 0.0)
