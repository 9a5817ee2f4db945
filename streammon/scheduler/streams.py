"""The streams that are watched, and what is known of each. Pure."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Modality, StreamId, WindowSpec
from streammon.scheduler.batching import SlotKey
from streammon.scheduler.demand import StreamDemand, Track, frame_interval_s, urgency
from streammon.scheduler.slo import Load

FORGET_S = 300.0
MOST_TEXTS = 16
"""Windows of text that may wait of one stream before its reading waits, too."""
TEXT_ALONE = frozenset({Modality.TEXT})


@dataclass(slots=True)
class Watched:
    """One stream: what it brings, how much it counts, and the demand its source reads."""

    modalities: frozenset[Modality]
    weight: float
    demand: StreamDemand = field(default_factory=StreamDemand)
    viewer_interval_s: float | None = None
    risks: dict[str, float] = field(default_factory=dict)
    tracks: dict[SlotKey, Track] = field(default_factory=dict)

    @property
    def can_wait(self) -> bool:
        """Whether its reading may wait: of nothing but text. Sound and pictures would be lost."""
        return self.modalities == TEXT_ALONE

    def keeps_text(self, waiting: int) -> bool:
        """Whether one more window of text is kept behind so many that wait."""
        return self.can_wait or waiting < MOST_TEXTS

    @property
    def risk(self) -> float:
        """The highest of any kind: what one detector suspects, all should look at."""
        return max(self.risks.values(), default=0.0)

    @property
    def priority(self) -> float:
        """How much it counts: for its share of looks, and for how soon its windows are due."""
        return self.weight * urgency(self.risk)

    def track(self, key: SlotKey, spec: WindowSpec) -> Track:
        found = self.tracks.get(key)
        if found is None:
            found = self.tracks[key] = Track(spec)
        return found

    def inputs(self, detector: Detector) -> dict[Modality, WindowSpec]:
        """What `detector` looks at in this stream."""
        return {
            modality: spec
            for modality, spec in detector.inputs.items()
            if modality in self.modalities
        }

    def load(self, key: SlotKey, now_ns: int, *, idle_interval_s: float) -> Load:
        """What one of its tracks asks of a device."""
        track = self.tracks[key]
        rate_hz = track.rate_hz(now_ns)
        whole = key.modality is Modality.TEXT
        calm = track.calm and self.risk == 0 and not whole
        return Load(
            key=key,
            detector=key.detector,
            rate_hz=rate_hz,
            priority=self.priority,
            patience=max(1.0, idle_interval_s * rate_hz) if calm else 1.0,
            whole=whole,
        )

    def refresh(self, detectors: Mapping[str, Detector]) -> None:
        """Tell the source what these detectors, and people, want of it now."""
        intervals = [] if self.viewer_interval_s is None else [self.viewer_interval_s]
        audio = self.viewer_interval_s is not None
        for name, detector in detectors.items():
            inputs = self.inputs(detector)
            audio = audio or Modality.AUDIO in inputs
            if (spec := inputs.get(Modality.VIDEO)) is not None:
                if spec.calm_frame_interval_s is not None and self._calm_pictures(name):
                    intervals.append(spec.calm_frame_interval_s)
                else:
                    intervals.append(frame_interval_s(spec, self._least_stretch(name)))
        if Modality.VIDEO not in self.modalities:
            intervals = []
        self.demand.want(
            min(intervals, default=None), audio=audio and Modality.AUDIO in self.modalities
        )

    def _calm_pictures(self, detector: str) -> bool:
        """Whether nothing speaks against the stream, and its pictures have been calm for long."""
        tracks = [
            track
            for key, track in self.tracks.items()
            if key.detector == detector and key.modality is Modality.VIDEO
        ]
        return self.risk == 0 and bool(tracks) and all(track.calm for track in tracks)

    def _least_stretch(self, detector: str) -> float:
        """Of the participants that `detector` looks at; each needs its frames."""
        stretches = [
            track.stretch
            for key, track in self.tracks.items()
            if key.detector == detector and key.modality is Modality.VIDEO
        ]
        return min(stretches, default=1.0)


class StreamBook:
    """All watched streams by name."""

    def __init__(self, detectors: Mapping[str, Detector]) -> None:
        self._detectors = detectors
        """Shared with the owner, who takes out those that failed."""
        self._streams: dict[StreamId, Watched] = {}

    def get(self, stream: StreamId) -> Watched | None:
        return self._streams.get(stream)

    def watched(self, stream: StreamId) -> Watched:
        """Raises `KeyError` when it is not watched."""
        return self._streams[stream]

    def can_wait(self, stream: StreamId) -> bool:
        """Whether it is watched, and its reading may wait."""
        watched = self._streams.get(stream)
        return watched is not None and watched.can_wait

    def add(self, stream: StreamId, modalities: frozenset[Modality], *, weight: float) -> None:
        """Raises `ValueError` for a stream that is watched already or a weight of 0 or less."""
        if stream in self._streams:
            raise ValueError(f"stream {stream} is watched already")
        if not weight > 0:
            raise ValueError(f"stream {stream}: the weight must be positive, got {weight}")
        self._streams[stream] = Watched(modalities, weight)
        self.refresh(stream)

    def remove(self, stream: StreamId) -> None:
        watched = self._streams.pop(stream, None)
        if watched is not None:
            watched.demand.want(None, audio=False)

    def set_viewer_interval(self, stream: StreamId, interval_s: float | None) -> None:
        watched = self._streams.get(stream)
        if watched is not None and watched.viewer_interval_s != interval_s:
            watched.viewer_interval_s = interval_s
            self.refresh(stream)

    def set_risk(self, stream: StreamId, kind: str, level: float) -> None:
        watched = self._streams.get(stream)
        if watched is None:
            return
        if level > 0:
            watched.risks[kind] = level
        else:
            watched.risks.pop(kind, None)

    def refresh(self, stream: StreamId | None = None) -> None:
        """Bring the demand of one stream, or of all, up to date."""
        for name, watched in self._streams.items():
            if stream is None or name == stream:
                watched.refresh(self._detectors)

    def loads(
        self, detectors: Collection[str], now_ns: int, *, idle_interval_s: float
    ) -> list[Load]:
        """What all streams ask of these detectors."""
        return [
            watched.load(key, now_ns, idle_interval_s=idle_interval_s)
            for watched in self._streams.values()
            for key in watched.tracks
            if key.detector in detectors
        ]

    def stretch(self, factors: Mapping[Hashable, float]) -> None:
        """Put the intervals of a plan in force."""
        for key, track in self._tracks():
            track.stretch = factors.get(key, track.stretch)

    def longest_stretch(self, detector: str) -> float:
        return max(
            (track.stretch for key, track in self._tracks() if key.detector == detector),
            default=1.0,
        )

    def judged(self, key: SlotKey, result: DetectionResult) -> None:
        """A window of this slot was scored."""
        watched = self._streams.get(key.stream)
        track = watched.tracks.get(key) if watched is not None else None
        if track is not None:
            track.judged(result)

    def forget_silent(self, now_ns: int) -> None:
        """Drop the tracks of participants that have long said nothing: they may never be back."""
        for watched in self._streams.values():
            for key, track in list(watched.tracks.items()):
                if track.silent_s(now_ns) > FORGET_S:
                    del watched.tracks[key]

    def _tracks(self) -> Iterator[tuple[SlotKey, Track]]:
        for watched in self._streams.values():
            yield from watched.tracks.items()
