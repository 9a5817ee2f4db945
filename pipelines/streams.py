"""One stream on its way from the source to the scheduler."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from streammon.core.ports import Answering, RealTime, Source
from streammon.core.types import (
    AudioChunk,
    Item,
    Modality,
    StreamId,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.windows.live_time import LiveTime
from streammon.windows.sliding import Windower, make_windower

log = logging.getLogger(__name__)

KEPT_FRAMES = 8
"""Newest pictures kept for the overlay; the windows in flight hold the same arrays anyway."""


@dataclass(frozen=True, slots=True)
class Look:
    """One detector's interest in one modality of a stream."""

    detector: str
    modality: Modality
    spec: WindowSpec


def modality_of(item: Item) -> Modality:
    if isinstance(item, VideoFrame):
        return Modality.VIDEO
    return Modality.AUDIO if isinstance(item, AudioChunk) else Modality.TEXT


class Stream:
    """Cuts the items of one stream into windows for every detector that looks at it.

    Looks that want the same cut share one windower, so a window is cut once and submitted to each.
    """

    def __init__(
        self,
        source: Source,
        looks: Iterable[Look],
        *,
        submit: Callable[[str, Window], None],
    ) -> None:
        self.source = source
        self.stream: StreamId = source.stream
        self.modalities: frozenset[Modality] = source.modalities
        self.looks = tuple(look for look in looks if look.modality in source.modalities)
        self.opens = 0
        """Connections tried so far."""
        self.epoch = 0
        self.media_s = 0.0
        self.captured_ns = 0
        self.participants: set[str] = set()
        self.frames: deque[VideoFrame] = deque(maxlen=KEPT_FRAMES)
        self._submit = submit
        self.real_time = isinstance(source, RealTime) and source.real_time
        self._held_back = False
        self._live_time: LiveTime | None = None
        self._windowers: dict[tuple[str, Modality, WindowSpec], Windower] = {}

    @property
    def has_video_detector(self) -> bool:
        return any(look.modality is Modality.VIDEO for look in self.looks)

    def take(self, item: Item, *, now_ns: int | None = None) -> None:
        """Note the item and submit every window that it completes.

        `now_ns`: when it is read, if it may have waited since it came.
        """
        if self.real_time:
            self._note_time(item, item.captured_ns if now_ns is None else now_ns)
        self.epoch, self.media_s, self.captured_ns = item.epoch, item.media_s, item.captured_ns
        if isinstance(item, VideoFrame):
            self.frames.append(item)
        for names, windower in self._interested(item):
            self._hand_over(names, windower.push(item))

    def advance(self, now_ns: int) -> None:
        """Submit every window of text that is complete because the clock has come to `now_ns`.

        For a source whose media time is real time; of any other, nothing, and nothing while it
        is held back: what came meanwhile has yet to be read.
        """
        if self._live_time is None or self._held_back:
            return
        media_s = self._live_time.now_s(now_ns)
        for (_, modality, spec), windower in self._windowers.items():
            self._hand_over(self._names(modality, spec), windower.advance(media_s))

    @contextmanager
    def held_back(self) -> Generator[None]:
        """Nothing of it is read while the block runs."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False

    def finish(self) -> None:
        """Submit what is begun and at least half full: nothing more will come.

        Of a source that answers for what it took, all that is begun.
        """
        least = 0.0 if isinstance(self.source, Answering) else 0.5
        for (participant, modality, spec), windower in self._windowers.items():
            windows = windower.flush(least=least)
            assert all(window.participant == participant for window in windows)
            self._hand_over(self._names(modality, spec), windows)

    def _note_time(self, item: Item, read_ns: int) -> None:
        if self._live_time is None:
            self._live_time = LiveTime(item.media_s, read_ns)
        self._live_time.saw(item.media_s, read_ns)

    def _hand_over(self, names: Iterable[str], windows: Iterable[Window]) -> None:
        for window in windows:
            for name in names:
                self._submit(name, window)

    def _interested(self, item: Item) -> Iterable[tuple[tuple[str, ...], Windower]]:
        modality = modality_of(item)
        for spec in dict.fromkeys(look.spec for look in self.looks if look.modality is modality):
            key = (item.participant, modality, spec)
            if key not in self._windowers:
                self._windowers[key] = make_windower(
                    self.stream, modality, spec, participant=item.participant
                )
            yield self._names(modality, spec), self._windowers[key]

    def _names(self, modality: Modality, spec: WindowSpec) -> tuple[str, ...]:
        return tuple(
            look.detector for look in self.looks if look.modality is modality and look.spec == spec
        )


def source_of(streams: Mapping[StreamId, Stream], name: StreamId) -> Source | None:
    """The source behind a stream, while it is watched."""
    stream = streams.get(name)
    return None if stream is None else stream.source
