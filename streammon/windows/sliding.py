"""Sliding windows of one modality of one stream, as one detector wants them.

Each unit has its own way of cutting (`sound`, `timed`, `counted`, `characters`); the laws are
the same for all: a window never spans two epochs nor a gap, each stretch of time (or each
item, or each character) lies in exactly one window per hop, what comes out does not depend on
how the input was chunked, and no more is kept than one window needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from streammon.core.types import Item, Modality, StreamId, Window, WindowSpec, WindowUnit
from streammon.windows.characters import CharacterWindower
from streammon.windows.counted import CountWindower
from streammon.windows.cut import Lane
from streammon.windows.sound import SoundWindower
from streammon.windows.timed import TimedWindower


class Windower(Protocol):
    """Items in, windows out. A new epoch starts it afresh by itself."""

    def push(self, item: Item) -> list[Window]:
        """The windows that `item` completes, oldest first. Damaged frames are passed over."""

    def advance(self, media_s: float) -> list[Window]:
        """The windows that are complete because the stream's time has come to `media_s`.

        For text, which may be silent for long. Sound and pictures bring their own time, and
        answer with nothing.
        """

    def flush(self, *, least: float = 0.5) -> list[Window]:
        """At the end of the stream: the last, partial window, or nothing.

        It goes out if at least the share `least` of it is there and it holds something that no
        window before it held. What was kept is forgotten.
        """


_CUTTERS: Mapping[tuple[Modality, WindowUnit], Callable[[Lane, WindowSpec], Windower]] = {
    (Modality.AUDIO, WindowUnit.SECONDS): SoundWindower,
    (Modality.VIDEO, WindowUnit.SECONDS): TimedWindower,
    (Modality.VIDEO, WindowUnit.FRAMES): CountWindower,
    (Modality.TEXT, WindowUnit.SECONDS): TimedWindower,
    (Modality.TEXT, WindowUnit.MESSAGES): CountWindower,
    (Modality.TEXT, WindowUnit.CHARACTERS): CharacterWindower,
}


def make_windower(
    stream: StreamId, modality: Modality, spec: WindowSpec, *, participant: str = ""
) -> Windower:
    """A windower for the items of one modality of one participant.

    Raises `ValueError` when the unit does not fit the modality, or the hop is too small.
    """
    cutter = _CUTTERS.get((modality, spec.unit))
    if cutter is None:
        units = ", ".join(unit for known, unit in _CUTTERS if known is modality)
        raise ValueError(f"{modality} cannot be cut in {spec.unit}; allowed: {units}")
    return cutter(Lane(stream, modality, participant), spec)
