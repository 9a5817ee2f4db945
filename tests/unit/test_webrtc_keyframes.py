"""When a keyframe is asked for: at once, by the interval of looks, or by the length of groups."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streammon.ingest.webrtc.keyframes import MOST_AGAIN_S, KeyframeWish

TICK_S = 0.1


def asked_at(wish: KeyframeWish, interval_s: float | None, *, until_s: float) -> list[float]:
    """When it asks of a sender that never answers."""
    ticks = [round(TICK_S * number, 1) for number in range(round(until_s / TICK_S))]
    return [now_s for now_s in ticks if wish.due(now_s, interval_s)]


def keyframes_at(
    wish: KeyframeWish, interval_s: float | None, *, until_s: float, after_s: float = 0.1
) -> list[float]:
    """When keyframes come from a sender that answers after `after_s`."""
    came: list[float] = []
    due_s: float | None = None
    for number in range(round(until_s / TICK_S)):
        now_s = round(TICK_S * number, 1)
        if due_s is not None and now_s >= due_s:
            wish.came(now_s)
            came.append(now_s)
            due_s = None
        if wish.due(now_s, interval_s):
            due_s = now_s + after_s
    return came


def test_the_first_is_asked_for_at_once_and_again_ever_more_patiently() -> None:
    asked = asked_at(KeyframeWish(most_s=10.0), None, until_s=40.0)
    pauses = [after - before for before, after in pairwise(asked)]
    assert asked[0] == 0.0
    assert pauses[:4] == pytest.approx([0.5, 1.0, 2.0, 4.0])
    assert max(pauses) == pytest.approx(MOST_AGAIN_S)


def test_pictures_wanted_every_two_seconds_are_keyframes() -> None:
    came = keyframes_at(KeyframeWish(most_s=10.0), 2.0, until_s=30.0)
    pauses = [after - before for before, after in pairwise(came)]
    assert all(1.5 < pause_s <= 2.0 for pause_s in pauses)


@pytest.mark.parametrize("interval_s", [None, 0.04, 0.5])
def test_pictures_wanted_closely_or_not_at_all_cost_few_keyframes(interval_s: float | None) -> None:
    came = keyframes_at(KeyframeWish(most_s=10.0), interval_s, until_s=41.0)
    assert came == pytest.approx([0.1, 10.2, 20.3, 30.4, 40.5], abs=0.11)


def test_after_a_loss_one_is_asked_for_at_once() -> None:
    wish = KeyframeWish(most_s=10.0)
    wish.came(0.0)
    assert not wish.due(1.0, None)
    wish.need()
    assert wish.due(1.1, None)
    wish.came(1.2)
    assert not wish.due(1.3, None)
