"""What a calm stream is asked for, and what brings it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from streammon.core.types import Modality, StreamId, WindowSpec
from streammon.scheduler.batching import SlotKey
from streammon.scheduler.demand import CALM_AFTER_S
from streammon.scheduler.streams import Watched
from tests.fakes import Brightness, a_result

SPEC = WindowSpec(2.0, 1.0, frame_interval_s=0.5, calm_frame_interval_s=4.0)
KEY = SlotKey(StreamId("cam"), "", "brightness", Modality.VIDEO)


class Resting(Brightness):
    inputs: Mapping[Modality, WindowSpec] = {Modality.VIDEO: SPEC}


def calm_for(watched: Watched, seconds: float) -> None:
    track = watched.track(KEY, SPEC)
    for start in range(int(seconds)):
        track.judged(a_result(start_s=float(start), end_s=start + 1.0, confidence=0.1))


def wanted(watched: Watched) -> float | None:
    watched.refresh({"brightness": Resting()})
    return watched.demand.frame_interval_s


def test_a_stream_is_looked_at_closely_until_it_has_been_calm_for_long() -> None:
    watched = Watched(frozenset({Modality.VIDEO}), 1.0)
    assert wanted(watched) == 0.5
    calm_for(watched, CALM_AFTER_S - 1)
    assert wanted(watched) == 0.5
    calm_for(watched, CALM_AFTER_S)
    assert wanted(watched) == 4.0


def test_the_first_doubt_brings_it_back() -> None:
    watched = Watched(frozenset({Modality.VIDEO}), 1.0)
    calm_for(watched, CALM_AFTER_S)
    watched.tracks[KEY].judged(a_result(start_s=40.0, end_s=41.0, confidence=0.4))
    assert wanted(watched) == 0.5


def test_evidence_of_any_kind_brings_it_back() -> None:
    watched = Watched(frozenset({Modality.VIDEO}), 1.0)
    calm_for(watched, CALM_AFTER_S)
    watched.risks["voice_spoof"] = 0.2
    assert wanted(watched) == 0.5


def test_a_viewer_gets_pictures_as_often_as_asked_for() -> None:
    watched = Watched(frozenset({Modality.VIDEO}), 1.0)
    calm_for(watched, CALM_AFTER_S)
    watched.viewer_interval_s = 0.25
    assert wanted(watched) == 0.25


def test_windows_may_hold_frames_as_far_apart_as_a_calm_stream_gives_them() -> None:
    assert SPEC.gap_limit_s >= 4.0
    assert replace(SPEC, calm_frame_interval_s=None).gap_limit_s == 1.5
