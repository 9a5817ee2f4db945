"""Looks at single streams for a while, beside the detectors: pictures as often as are needed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from streammon.core.ports import Demand
from streammon.core.types import Item, StreamId
from streammon.flow.channel import Channel, WhenFull

MOST_WAITING = 64


@dataclass(frozen=True, slots=True)
class _Look:
    interval_s: float
    items: Channel[Item]


class Attention:
    """On the event loop; only what `demand` gives is read from any thread."""

    def __init__(self) -> None:
        self._looks: dict[StreamId, tuple[_Look, ...]] = {}

    @contextmanager
    def to(self, stream: StreamId, *, interval_s: float) -> Generator[Channel[Item]]:
        """Every item of the stream while the block runs, with a picture each `interval_s` at
        least. A reader that is late loses the oldest.
        """
        items: Channel[Item] = Channel(f"look:{stream}", MOST_WAITING, WhenFull.DROP_OLDEST)
        look = _Look(interval_s, items)
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

    def demand(self, stream: StreamId, usual: Demand) -> Demand:
        """What the detectors want of the stream, and whoever looks at it."""
        return _Attended(self, stream, usual)

    def saw(self, item: Item) -> None:
        for look in self._looks.get(item.stream, ()):
            look.items.offer(item)

    def interval_s(self, stream: StreamId) -> float | None:
        """The shortest interval that is wanted beside the detectors. From any thread."""
        looks = self._looks.get(stream, ())
        return min((look.interval_s for look in looks), default=None)


class _Attended:
    """Satisfies `ports.Demand`."""

    def __init__(self, attention: Attention, stream: StreamId, usual: Demand) -> None:
        self._attention = attention
        self._stream = stream
        self._usual = usual

    @property
    def frame_interval_s(self) -> float | None:
        usual_s, wanted_s = self._usual.frame_interval_s, self._attention.interval_s(self._stream)
        if usual_s is None or wanted_s is None:
            return wanted_s if usual_s is None else usual_s
        return min(usual_s, wanted_s)

    @property
    def audio(self) -> bool:
        return self._usual.audio
