"""Looks at single streams for a while, beside the detectors: pictures as often as are needed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

from streammon.core.ports import Demand
from streammon.core.types import AudioChunk, Item, StreamId, VideoFrame
from streammon.flow.channel import Channel, WhenFull
from streammon.media.decode import Sampler

MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class _Look:
    interval_s: float
    audio: bool
    items: Channel[Item]


class _Usual:
    """What of one stream would have come without anybody looking."""

    def __init__(self, demand: Demand) -> None:
        self._demand = demand
        self._epoch = -1
        self._sampler = Sampler()

    def has(self, item: Item) -> bool:
        if isinstance(item, AudioChunk):
            return self._demand.audio
        if not isinstance(item, VideoFrame):
            return True
        interval_s = self._demand.frame_interval_s
        if interval_s is None:
            return False
        if item.epoch != self._epoch:
            self._epoch, self._sampler = item.epoch, Sampler()
        if not self._sampler.due(item.media_s, interval_s):
            return False
        self._sampler.take(item.media_s)
        return True


class Attention:
    """On the event loop; only what `demand` gives is read from any thread."""

    def __init__(self) -> None:
        self._looks: dict[StreamId, tuple[_Look, ...]] = {}
        self._demands: WeakValueDictionary[StreamId, _Attended] = WeakValueDictionary()
        self._usual: dict[StreamId, _Usual] = {}

    @contextmanager
    def to(
        self, stream: StreamId, *, interval_s: float, audio: bool = False
    ) -> Generator[Channel[Item]]:
        """Every item of the stream while the block runs, with a picture each `interval_s` at
        least and, if so told, its sound. A reader that is late loses the oldest.
        """
        items: Channel[Item] = Channel(f"look:{stream}", MOST_WAITING, WhenFull.DROP_OLDEST)
        look = _Look(interval_s, audio, items)
        self._looks[stream] = (*self._looks.get(stream, ()), look)
        try:
            yield items
        finally:
            items.close()
            left = tuple(each for each in self._looks[stream] if each is not look)
            if left:
                self._looks[stream] = left
            else:
                del self._looks[stream]
                self._usual.pop(stream, None)

    def demand(self, stream: StreamId, usual: Demand) -> Demand:
        """What the detectors want of the stream, and whoever looks at it."""
        attended = self._demands[stream] = _Attended(self, stream, usual)
        return attended

    def usual(self, item: Item) -> bool:
        """Whether an item is for the detectors, too, and not only there because somebody looks.

        Asked once for each: what they are given is as far apart as they want it, however often
        somebody wants pictures beside them.
        """
        name = item.stream
        attended = self._demands.get(name)
        if name not in self._looks or attended is None:
            return True
        if name not in self._usual:
            self._usual[name] = _Usual(attended.usual)
        return self._usual[name].has(item)

    def saw(self, item: Item) -> None:
        for look in self._looks.get(item.stream, ()):
            look.items.offer(item)

    def interval_s(self, stream: StreamId) -> float | None:
        """The shortest interval that is wanted beside the detectors. From any thread."""
        looks = self._looks.get(stream, ())
        return min((look.interval_s for look in looks), default=None)

    def audio(self, stream: StreamId) -> bool:
        """Whether sound is wanted beside the detectors. From any thread."""
        return any(look.audio for look in self._looks.get(stream, ()))


class _Attended:
    """Satisfies `ports.Demand`."""

    def __init__(self, attention: Attention, stream: StreamId, usual: Demand) -> None:
        self._attention = attention
        self._stream = stream
        self.usual = usual

    @property
    def frame_interval_s(self) -> float | None:
        usual_s, wanted_s = self.usual.frame_interval_s, self._attention.interval_s(self._stream)
        if usual_s is None or wanted_s is None:
            return wanted_s if usual_s is None else usual_s
        return min(usual_s, wanted_s)

    @property
    def audio(self) -> bool:
        return self.usual.audio or self._attention.audio(self._stream)
