from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

import streammon.demo
from streammon.core.types import DetectionResult, Modality, StreamId
from streammon.detectors.freeze import CAUSES, FreezeConfig
from tests import scenes
from tests.fakes import a_window
from tests.scenes import RATE_HZ, chunks, coded, frames, judged, most, shot, watched

DEMO = Path(streammon.demo.__file__).parent
LIKELY = 0.5


def when(results: list[DetectionResult], *, at_least: float = LIKELY) -> list[float]:
    return [result.end_s for result in results if (result.confidence or 0.0) >= at_least]


# --- frozen ----------------------------------------------------------------------------------


@pytest.mark.parametrize("crf", [20, 28, 33])
def test_a_picture_that_lived_and_stands_still_is_frozen(crf: int) -> None:
    scene = scenes.frozen(scenes.traffic, from_s=6.0, to_s=16.0)
    results = watched(scene, 20.0, crf=crf)
    certain = when(results, at_least=0.8)
    assert certain
    assert 9.0 <= certain[0] <= 11.0, "between three and five seconds after it stopped"
    assert 15.0 <= certain[-1] <= 17.0
    assert all(result.details["cause"] == "frozen" for result in results if result.end_s in certain)
    assert when(results[-2:]) == [], "it moves again, and at once nothing is said against it"


def test_confidence_grows_with_the_time_it_lasts() -> None:
    results = watched(scenes.frozen(scenes.traffic, from_s=5.0, to_s=30.0), 17.0)
    frozen = [result.confidence or 0.0 for result in results if result.details.get("for_s")]
    assert frozen == sorted(frozen)
    assert frozen[0] < 0.2
    assert frozen[-1] > 0.9


def test_a_short_hitch_is_not_a_freeze() -> None:
    assert most(watched(scenes.frozen(scenes.traffic, from_s=6.0, to_s=8.0), 12.0)) < 0.3


@pytest.mark.parametrize(("crf", "noise"), [(20, 3.0), (28, 2.0), (33, 1.0)])
def test_a_still_room_is_not_frozen_though_the_codec_takes_its_noise(
    crf: int, noise: float
) -> None:
    assert most(watched(scenes.STILL, 20.0, crf=crf, noise=noise)) < LIKELY


def test_a_camera_must_never_stand_still_when_we_are_told_that_it_is_one() -> None:
    results = watched(scenes.STILL, 24.0, noise=0.0, content="camera")
    assert most(results, cause="frozen") > 0.9


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_a_talking_head_before_a_still_wall_is_alive(noise: float) -> None:
    assert most(watched(scenes.head, 20.0, noise=noise)) < 0.1


@pytest.mark.parametrize("fade_s", [0.05, 1.0])
def test_slides_are_not_a_freeze(fade_s: float) -> None:
    def show(time_s: float) -> scenes.Picture:
        return scenes.slides(time_s, fade_s=fade_s)

    assert most(watched(show, 30.0, noise=0.0)) < LIKELY


def test_who_often_stands_still_is_given_more_time() -> None:
    """A corridor: somebody walks by, then nothing for 8 s, again and again."""

    def corridor(time_s: float) -> scenes.Picture:
        return scenes.traffic(min(time_s % 13.0, 5.0) + 50 * (time_s // 13.0))

    results = watched(corridor, 52.0, noise=0.0)
    assert most(results[-12:]) < LIKELY
    assert most(results[:12]) > LIKELY, "the first time it cannot be told from a freeze"


def test_frames_at_keyframes_only_still_show_a_freeze() -> None:
    """Two seconds apart, within one window that is long enough for them."""
    scene = scenes.frozen(scenes.traffic, from_s=8.0, to_s=30.0)
    sparse = frames(coded(shot(scene, 26.0)))[::8]
    detector = FreezeConfig().build("freeze")
    results = [
        detector.score([a_window(*sparse[max(0, at - 2) : at + 1])])[0] for at in range(len(sparse))
    ]
    assert [result.abstained for result in results[:3]] == ["fewer than 3 frames"] * 2 + [None]
    assert most(results, cause="frozen") > 0.9


# --- black and slate -------------------------------------------------------------------------


def black(time_s: float) -> scenes.Picture:
    del time_s
    return np.full((scenes.HEIGHT, scenes.WIDTH, 3), 4, np.uint8)


def grey(time_s: float) -> scenes.Picture:
    del time_s
    return np.full((scenes.HEIGHT, scenes.WIDTH, 3), (90, 110, 120), np.uint8)


def bars(time_s: float) -> scenes.Picture:
    del time_s
    colours = [(192, 192, 192), (192, 192, 0), (0, 192, 192), (0, 192, 0), (192, 0, 192),
               (192, 0, 0), (0, 0, 192)]  # fmt: skip
    wide = np.repeat(np.array(colours, np.uint8), scenes.WIDTH // 7 + 1, axis=0)[: scenes.WIDTH]
    return np.ascontiguousarray(np.broadcast_to(wide, (scenes.HEIGHT, scenes.WIDTH, 3)))


@pytest.mark.parametrize(
    ("scene", "noise", "cause"),
    [(black, 0.0, "black"), (black, 2.0, "black"), (grey, 0.0, "slate"), (bars, 0.0, "slate")],
)
def test_a_picture_that_shows_nothing_is_named(
    scene: scenes.Scene, noise: float, cause: str
) -> None:
    results = watched(scene, 12.0, noise=noise)[1:]
    assert most(results) > 0.8
    assert {result.details["cause"] for result in results} == {cause}


def test_a_fade_to_black_between_two_clips_is_no_fault() -> None:
    def cut(time_s: float) -> scenes.Picture:
        bright = min(1.0, abs(time_s - 8.0) / 1.5) if abs(time_s - 8.0) > 0.5 else 0.0
        return np.asarray(scenes.traffic(time_s) * bright, np.uint8)

    assert most(watched(cut, 14.0)) < 0.2


# --- looped ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("lag_s", "within_s"), [(4.0, 15.0), (5.3, 15.0)])
def test_a_replayed_loop_is_found_though_samples_fall_elsewhere_each_round(
    lag_s: float, within_s: float
) -> None:
    results = watched(scenes.looped(scenes.head, from_s=12.0, lag_s=lag_s), 12.0 + within_s)
    assert most(results, cause="looped") > LIKELY
    last = [result for result in results if result.details.get("cause") == "looped"][-1]
    found_s = float(str(last.details["lag_s"]))
    rounds = max(1, round(found_s / lag_s))
    assert abs(found_s - rounds * lag_s) < 0.3, "the lag is a multiple of the loop's length"


def test_where_only_long_loops_are_asked_for_a_young_stream_is_judged_all_the_same() -> None:
    results = watched(scenes.traffic, 12.0, loop_shortest_s=30.0)
    assert all(result.abstained is None for result in results[1:])
    assert most(results) < LIKELY


@pytest.mark.parametrize(
    ("scene", "noise"),
    [
        (scenes.traffic, 2.0),
        (scenes.head, 2.0),
        (scenes.flag, 2.0),
        (scenes.pendulum(1.0), 2.0),
        (scenes.pendulum(1.7), 0.0),
        (scenes.pendulum(2.0), 2.0),
        (scenes.STILL, 3.0),
    ],
)
def test_what_moves_by_nature_is_not_a_replay(scene: scenes.Scene, noise: float) -> None:
    assert most(watched(scene, 32.0, noise=noise)) < LIKELY


def test_pure_noise_is_not_a_replay() -> None:
    rng = np.random.default_rng(3)
    snow = [
        (at * 0.5, rng.integers(0, 255, (scenes.HEIGHT, scenes.WIDTH, 3), dtype=np.uint8))
        for at in range(80)
    ]
    assert most(judged(frames(snow))) < 0.1


def test_the_next_round_of_a_looping_file_is_another_epoch_and_not_a_replay() -> None:
    seen = coded(shot(scenes.traffic, 9.0))
    results = [result for epoch in range(3) for result in judged(frames(seen, epoch=epoch))]
    assert most(results) < 0.1


# --- sound -----------------------------------------------------------------------------------


def noise(duration_s: float, *, level: float = 0.05, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.normal(0, level, int(duration_s * RATE_HZ)).astype(np.float32)


def zero(duration_s: float) -> NDArray[np.float32]:
    return np.zeros(int(duration_s * RATE_HZ), np.float32)


def tone(duration_s: float, *, pitch_hz: float = 437.0) -> NDArray[np.float32]:
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


def test_sound_that_drops_to_digital_zero_for_long_is_evidence() -> None:
    results = judged(chunks(np.concatenate([noise(6.0), zero(40.0)])))
    assert most(results[:6], cause="silent") < 0.2, "people pause, and so do noise gates"
    assert most(results, cause="silent") > 0.8


def test_a_microphone_that_was_never_on_is_hardly_evidence() -> None:
    results = judged(chunks(zero(60.0)))
    assert {result.details["cause"] for result in results[5:]} == {"silent"}
    assert most(results) <= 0.1


def test_silence_can_be_left_out() -> None:
    quiet = chunks(np.concatenate([noise(6.0), zero(60.0)]))
    assert most(judged(quiet, causes=("frozen", "stuck"))) < 0.1


@pytest.mark.parametrize("buffer_s", [0.01, 0.02, 0.0437, 0.1, 0.3])
def test_a_player_that_repeats_one_buffer_is_stuck(buffer_s: float) -> None:
    buffer = noise(buffer_s, level=0.1)
    again = np.tile(buffer, int(10.0 / buffer_s) + 1)
    results = judged(chunks(np.concatenate([noise(6.0), again])))
    assert most(results[:3]) < 0.1
    assert most(results, cause="stuck") > 0.9


@pytest.mark.parametrize(
    "stuck",
    [tone(14.0), tone(14.0, pitch_hz=1000.0), np.full(14 * RATE_HZ, 0.25, np.float32)],
    ids=["tone", "line-up tone", "constant"],
)
def test_a_constant_tone_or_value_is_stuck(stuck: NDArray[np.float32]) -> None:
    assert most(judged(chunks(stuck)), cause="stuck") > 0.9


def beat(duration_s: float) -> NDArray[np.float32]:
    """Drums at exactly 120 a minute with a bass under them."""
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    kick = np.sin(2 * np.pi * 60 * time_s) * np.exp(-12 * (time_s % 0.5))
    hat = noise(duration_s, level=0.2) * np.exp(-60 * (time_s % 0.25))
    bass = 0.3 * np.sin(2 * np.pi * np.where(time_s % 4 < 2, 55.0, 65.4) * time_s)
    return (0.3 * (kick + hat + bass)).astype(np.float32)


def hum(duration_s: float) -> NDArray[np.float32]:
    """A quiet room with mains hum."""
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    return (0.002 * np.sin(2 * np.pi * 50 * time_s)).astype(np.float32) + noise(
        duration_s, level=0.0005
    )


def vowel(duration_s: float) -> NDArray[np.float32]:
    """A sung note: harmonics with vibrato, and the unsteadiness that every throat has."""
    time_s = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    knots_s = np.arange(0, duration_s + 0.1, 0.05)
    unsteady = np.random.default_rng(5).normal(0, 0.005, len(knots_s))
    vibrato = 0.02 * np.sin(2 * np.pi * 5.3 * time_s) + np.interp(time_s, knots_s, unsteady)
    phase = 2 * np.pi * np.cumsum(180 * (1 + vibrato)) / RATE_HZ
    return np.asarray(0.1 * sum(np.sin(k * phase) / k for k in range(1, 8)), np.float32)


@pytest.mark.parametrize("sound", [noise, beat, hum, vowel])
def test_music_noise_hum_and_song_are_not_stuck(
    sound: Callable[[float], NDArray[np.float32]],
) -> None:
    assert most(judged(chunks(sound(16.0)))) < 0.1


# --- the demo's media, and the contract --------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cause", "from_s", "to_s"),
    [("camera_frozen.mp4", "frozen", 8.0, 22.0), ("camera_looped.mp4", "looped", 9.0, 34.0)],
)
def test_the_demo_has_a_frozen_and_a_looped_camera(
    name: str, cause: str, from_s: float, to_s: float
) -> None:
    results = judged(frames(scenes.decoded(DEMO / name)))
    assert most(results, cause=cause) > 0.9
    hits = when(results)
    assert from_s + 2.0 <= hits[0] <= from_s + 8.0
    assert hits[-1] <= to_s + 1.0


@pytest.mark.parametrize("name", ["camera_clean.mp4", "studio_clean.mp4"])
def test_the_clean_media_of_the_demo_stay_clean(name: str) -> None:
    assert most(judged(frames(scenes.decoded(DEMO / name)))) < 0.1


def test_results_carry_what_the_window_says_and_details_are_json() -> None:
    detector = FreezeConfig().build("my_freeze")
    assert (detector.kind, detector.on_device, set(detector.inputs)) == (
        "freeze",
        False,
        {Modality.VIDEO, Modality.AUDIO},
    )
    window = a_window(*frames([(at * 0.5, black(0.0)) for at in range(8)]), participant="ann")
    result = detector.score([window])[0]
    assert (result.detector, result.kind, result.participant) == ("my_freeze", "freeze", "ann")
    assert (result.start_s, result.end_s) == (window.start_s, window.end_s)
    assert result.is_ai_generated is None
    assert result.details["cause"] == "black"
    again = detector.score([window])[0]
    assert replace(again, processing_time_s=0) == replace(result, processing_time_s=0)


def test_streams_do_not_disturb_each_other() -> None:
    detector = FreezeConfig(most_streams=2).build("freeze")
    seen = frames([(at * 0.5, black(0.0)) for at in range(8)])
    for name in ("one", "two", "three", "one"):
        window = replace(a_window(*seen), stream=StreamId(name))
        assert detector.score([window])[0].details["cause"] == "black"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_sound_that_is_not_numbers_is_not_judged(bad: float) -> None:
    pcm = noise(2.0)
    pcm[100] = bad
    results = judged(chunks(pcm, chunk_s=2.0) + chunks(noise(0.0)))
    assert [result.abstained for result in results] == ["the sound has values that are not numbers"]


def test_sound_that_is_not_judged_ends_no_silence() -> None:
    quiet = chunks(np.concatenate([noise(6.0), zero(12.0)]), chunk_s=2.0)
    broken = chunks(np.full(2 * RATE_HZ, np.nan, np.float32), chunk_s=2.0)[0]
    unheard = replace(broken, media_s=quiet[6].media_s)
    results = judged([*quiet[:6], unheard, *quiet[7:]])
    assert None in [result.confidence for result in results]
    assert results[-1].details == judged(quiet)[-1].details
    assert results[-1].details["for_s"] == 12.0


def test_less_than_half_a_second_of_sound_is_not_judged() -> None:
    window = a_window(chunks(noise(0.4))[0])
    assert FreezeConfig().build("freeze").score([window])[0].abstained == "less than 0.5 s of sound"


def test_unknown_causes_are_refused_and_all_are_known() -> None:
    assert FreezeConfig().causes == CAUSES
    with pytest.raises(ValidationError, match="causes"):
        FreezeConfig.model_validate({"causes": ["melted"]})
