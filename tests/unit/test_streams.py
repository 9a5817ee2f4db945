"""What each source is asked for, and who is watched."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from streammon.core.ports import Demand, Detector
from streammon.core.types import Modality, StreamId, WindowSpec
from streammon.scheduler.streams import StreamBook
from tests.virtual_device import Timed

S = StreamId("s")
AUDIO, VIDEO, TEXT = Modality.AUDIO, Modality.VIDEO, Modality.TEXT


class Watching(Timed):
    """A detector of pictures, sampled at an interval."""

    def __init__(self, name: str, interval_s: float) -> None:
        super().__init__(name)
        self.inputs = {VIDEO: WindowSpec(4.0, 3.0, frame_interval_s=interval_s)}


def book(*detectors: Timed, modalities: set[Modality]) -> tuple[StreamBook, Demand]:
    named: Mapping[str, Detector] = {each.name: each for each in detectors}
    streams = StreamBook(named)
    streams.add(S, frozenset(modalities), weight=1.0)
    return streams, streams.watched(S).demand


def test_the_tightest_wish_of_any_detector_or_viewer_counts() -> None:
    streams, demand = book(Watching("slow", 1.0), Watching("quick", 0.4), modalities={VIDEO})
    assert demand.frame_interval_s == 0.4
    streams.set_viewer_interval(S, 0.1)
    assert demand.frame_interval_s == 0.1
    streams.set_viewer_interval(S, 2.0)
    assert demand.frame_interval_s == 0.4
    streams.set_viewer_interval(S, None)
    assert demand.frame_interval_s == 0.4


def test_when_nobody_wants_pictures_none_are_asked_for() -> None:
    streams, demand = book(Timed(), modalities={AUDIO, VIDEO})
    assert (demand.frame_interval_s, demand.audio) == (None, True)
    streams.set_viewer_interval(S, 0.5)
    assert demand.frame_interval_s == 0.5
    streams.set_viewer_interval(S, None)
    assert demand.frame_interval_s is None


def test_a_stream_is_only_asked_for_what_it_has() -> None:
    _, demand = book(Timed(), Watching("eyes", 0.5), modalities={VIDEO})
    assert (demand.frame_interval_s, demand.audio) == (0.5, False)
    streams, demand = book(Timed(), Watching("eyes", 0.5), modalities={AUDIO})
    streams.set_viewer_interval(S, 0.2)
    assert (demand.frame_interval_s, demand.audio) == (None, True)
    _, demand = book(Timed(), Watching("eyes", 0.5), modalities={TEXT})
    assert (demand.frame_interval_s, demand.audio) == (None, False)


def test_people_who_look_also_want_to_see_the_sound() -> None:
    streams, demand = book(Watching("eyes", 0.5), modalities={AUDIO, VIDEO})
    assert not demand.audio
    streams.set_viewer_interval(S, 0.5)
    assert demand.audio


def test_a_removed_stream_is_asked_for_nothing() -> None:
    streams, demand = book(Timed(), Watching("eyes", 0.5), modalities={AUDIO, VIDEO})
    streams.remove(S)
    streams.remove(S)
    assert (demand.frame_interval_s, demand.audio) == (None, False)
    with pytest.raises(KeyError):
        streams.watched(S)
    streams.set_viewer_interval(S, 0.1)
    streams.set_risk(S, "kind", 1.0)


def test_the_highest_risk_of_any_kind_counts() -> None:
    streams, _ = book(Timed(), modalities={AUDIO})
    watched = streams.watched(S)
    streams.set_risk(S, "freeze", 0.5)
    streams.set_risk(S, "voice_spoof", 0.8)
    assert watched.risk == 0.8
    streams.set_risk(S, "voice_spoof", 0.0)
    assert watched.risk == 0.5
    streams.set_risk(S, "freeze", 0.0)
    assert watched.risk == 0.0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan")])
def test_a_weight_that_means_nothing_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        StreamBook({}).add(S, frozenset({AUDIO}), weight=weight)


def test_a_stream_is_watched_once() -> None:
    streams, _ = book(Timed(), modalities={AUDIO})
    with pytest.raises(ValueError, match="watched already"):
        streams.add(S, frozenset({AUDIO}), weight=1.0)
