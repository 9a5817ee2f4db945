from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from streammon.detectors.picture_causes import (
    MOST_IF_NEVER_ALIVE,
    PictureTimes,
    picture_findings,
)
from streammon.detectors.picture_history import Moment, PictureHistory
from streammon.detectors.recurrence import Recurrence
from tests.scenes import HEIGHT, WIDTH, Picture, frames, room, traffic

TIMES = PictureTimes(black_s=4.0, slate_s=5.0, frozen_s=4.0, loop_shortest_s=1.4, camera=False)


def history(pictures: list[Picture]) -> PictureHistory:
    kept = PictureHistory(keep_s=90.0, gap_s=8.0)
    kept.add(frames((number * 0.5, picture) for number, picture in enumerate(pictures)))
    return kept


def flat(level: int) -> Picture:
    return np.full((HEIGHT, WIDTH, 3), level, np.uint8)


def moving(count: int) -> list[Picture]:
    return [traffic(number * 0.5) for number in range(count)]


def test_movement_alone_is_no_cause() -> None:
    assert picture_findings(history(moving(12)), TIMES) == []


@pytest.mark.parametrize(
    ("picture", "cause"), [(flat(2), "black"), (flat(120), "slate"), (traffic(4.5), "frozen")]
)
def test_a_still_picture_has_one_cause_and_black_and_slate_come_first(
    picture: Picture, cause: str
) -> None:
    found = picture_findings(history(moving(10) + [picture] * 17), TIMES)
    assert [each.cause for each in found] == [cause]
    assert found[0].confidence > 0.7
    assert found[0].details["for_s"] in {7.5, 8.0, 8.5}


def test_a_still_picture_that_never_lived_counts_only_where_a_camera_is_promised() -> None:
    kept = history([room()] * 60)
    (any_content,) = picture_findings(kept, TIMES)
    (camera,) = picture_findings(kept, replace(TIMES, camera=True))
    assert any_content.confidence <= MOST_IF_NEVER_ALIVE
    assert camera.confidence > 0.9
    assert any_content.details["lived_before"] is False


def test_who_stood_still_for_long_before_is_given_twice_as_long() -> None:
    stop, last = [moving(10)[-1]], moving(17) + [moving(17)[-1]] * 13
    once = picture_findings(history(moving(10) + stop * 20 + last), TIMES)[0]
    habit = (moving(10) + stop * 20) * 2 + last
    twice = picture_findings(history(habit), TIMES)[0]
    assert once.cause == twice.cause == "frozen"
    assert twice.confidence < 0.1 < once.confidence
    assert twice.details["longest_still_before_s"] == pytest.approx(10.0)


def test_a_picture_that_was_put_up_proves_little_however_long_it_stands() -> None:
    found = picture_findings(history(moving(20) + [room()] * 60), TIMES)[0]
    assert found.confidence <= MOST_IF_NEVER_ALIVE
    assert found.details["lived_before"] is False


def test_after_a_camera_moved_stillness_takes_longer_to_count() -> None:
    panned = [np.roll(room(), 5 * number, axis=1) for number in range(16)]
    after = picture_findings(history(panned + [panned[-1]] * 12), TIMES)[0]
    without = picture_findings(history(moving(16) + [moving(16)[-1]] * 12), TIMES)[0]
    assert after.details["camera_moved"]
    assert after.confidence < 0.5 < 0.7 < without.confidence
    longer = picture_findings(history(panned + [panned[-1]] * 40), TIMES)[0]
    assert longer.confidence > 0.8


REPLAY = Recurrence(
    lag_s=6.0, matched_s=12.0, distance=0.1, exact=False, onset_seen=True, seamed=False,
    evenness=0.3, retraces=False, pauses=False, round_share=1.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "likely"),
    [
        (REPLAY, True),
        (replace(REPLAY, evenness=0.8), True),
        (replace(REPLAY, retraces=True), True),
        (replace(REPLAY, retraces=True, evenness=0.8), False),
        (replace(REPLAY, onset_seen=False), True),
        (replace(REPLAY, onset_seen=False, evenness=0.5), False),
        (replace(REPLAY, onset_seen=False, evenness=0.5, exact=True), True),
        (replace(REPLAY, onset_seen=False, evenness=0.7, exact=True), False),
        (replace(REPLAY, onset_seen=False, evenness=0.7, seamed=True), True),
        (replace(REPLAY, onset_seen=False, retraces=True), False),
        (replace(REPLAY, pauses=True), False),
        (replace(REPLAY, pauses=True, exact=True), True),
        (replace(REPLAY, retraces=True, evenness=0.8, exact=True), True),
        (replace(REPLAY, round_share=0.5), False),
        (replace(REPLAY, round_share=0.8), True),
        (replace(REPLAY, round_share=0.8, evenness=0.6), False),
        (replace(REPLAY, round_share=0.95, evenness=0.6), True),
        (replace(REPLAY, round_share=0.8, evenness=0.5, exact=True), True),
    ],
    ids=[
        "began in sight", "at one pace", "to and fro", "began to swing", "always, but uneven",
        "a turntable", "even, but exactly as it was", "a drawn machine", "even, with a seam",
        "a pendulum", "passes by once a round", "pauses, but exactly as it was",
        "to and fro, but exactly as it was", "only a part of the round",
        "uneven, most of the round", "even, most of the round", "even, all of the round",
        "even, most of the round exactly",
    ],
)  # fmt: skip
def test_what_speaks_for_a_replay_and_what_for_a_machine_or_a_swing(
    monkeypatch: pytest.MonkeyPatch, found: Recurrence, *, likely: bool
) -> None:
    monkeypatch.setattr(
        "streammon.detectors.picture_causes.recurrence_in", lambda moments, shortest_s: found
    )
    (looped,) = picture_findings(history(moving(12)), TIMES)
    assert looped.cause == "looped"
    assert (looped.confidence > 0.8) is likely
    assert (looped.confidence < 0.5) is not likely


def grainy(pictures: list[Picture], *, noise: float) -> list[Picture]:
    rng = np.random.default_rng(4)
    return [
        np.asarray(np.clip(each + rng.normal(0, noise, each.shape), 0, 255), np.uint8)
        for each in pictures
    ]


@pytest.mark.parametrize("noise", [3.0, 8.0])
def test_a_picture_that_stands_still_under_fresh_noise_is_frozen_after_a_longer_while(
    noise: float,
) -> None:
    stop = moving(24)[-1]
    (short,) = picture_findings(history(grainy(moving(24) + [stop] * 8, noise=noise)), TIMES)
    (long,) = picture_findings(history(grainy(moving(24) + [stop] * 60, noise=noise)), TIMES)
    assert short.cause == long.cause == "frozen"
    assert short.confidence < 0.1 < 0.8 < long.confidence
    assert long.details["noisy"]


def test_a_quiet_room_under_sensor_noise_is_not_frozen() -> None:
    found = picture_findings(history(grainy([room()] * 80, noise=4.0)), TIMES)
    assert all(each.confidence < 0.5 for each in found)


def test_a_replay_is_looked_for_through_a_moment_of_stillness_and_not_through_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def search(moments: Sequence[Moment], *, shortest_s: float) -> None:
        asked.append(len(moments))

    monkeypatch.setattr("streammon.detectors.picture_causes.recurrence_in", search)
    stop = moving(20)[-1]
    picture_findings(history(moving(20) + [stop] * 3), TIMES)
    picture_findings(history(moving(20) + [stop] * 4), TIMES)
    assert asked == [23]


def test_under_noise_a_camera_that_moved_is_given_longer_than_another() -> None:
    panned = [np.roll(room(), 5 * number, axis=1) for number in range(24)]
    after_pan, after_walk = (
        picture_findings(history(grainy([*each, *[each[-1]] * 20], noise=4.0)), TIMES)[0]
        for each in (panned, moving(24))
    )
    assert after_pan.cause == after_walk.cause == "frozen"
    assert after_pan.confidence < after_walk.confidence


def test_over_a_still_picture_nothing_is_searched_for_replays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A ticker along the margin comes round again, exactly."""

    def search(moments: Sequence[Moment], *, shortest_s: float) -> None:
        raise AssertionError(f"asked about {len(moments)} pictures")

    def with_ticker(number: int) -> Picture:
        picture = room()
        across = 20 * number % WIDTH
        picture[-HEIGHT // 8 :, across : across + WIDTH // 6] = 255
        return picture

    monkeypatch.setattr("streammon.detectors.picture_causes.recurrence_in", search)
    found = picture_findings(history([with_ticker(number) for number in range(60)]), TIMES)
    assert [each.cause for each in found] == ["frozen"]
    with pytest.raises(AssertionError, match="asked about 60 pictures"):
        picture_findings(history(moving(60)), TIMES)
