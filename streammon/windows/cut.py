"""What all ways of cutting share: whose windows they are, the grid, and checks of the spec."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from streammon.core.types import Item, Modality, StreamId, Window, WindowSpec

EDGE_S = 1e-6
"""Times this close below an edge count as on it: 25 * 0.04 and 1.0 are one instant."""
LEAST_HOP_S = 0.01
"""A smaller hop would make more than a hundred windows a second: a mistake in the settings."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Whose windows these are."""

    stream: StreamId
    modality: Modality
    participant: str = ""

    def window(self, start_s: float, end_s: float, items: Sequence[Item]) -> Window:
        return Window(
            stream=self.stream,
            modality=self.modality,
            epoch=items[-1].epoch,
            start_s=start_s,
            end_s=end_s,
            items=tuple(items),
            participant=self.participant,
        )


@dataclass(frozen=True, slots=True)
class Grid:
    """Windows `[origin + k * hop, ... + length)` of one epoch, for k = 0, 1, 2, ..."""

    origin_s: float
    hop_s: float
    length_s: float

    def start_s(self, k: int) -> float:
        return self.origin_s + k * self.hop_s

    def end_s(self, k: int) -> float:
        return self.start_s(k) + self.length_s

    def first_from(self, media_s: float) -> int:
        """The first window that starts at `media_s` or later."""
        return math.ceil((media_s - EDGE_S - self.origin_s) / self.hop_s)

    def first_over(self, media_s: float) -> int:
        """The first window that ends after `media_s`."""
        beyond = (media_s + EDGE_S - self.origin_s - self.length_s) / self.hop_s
        return math.floor(beyond) + 1


def hop_seconds(spec: WindowSpec) -> float:
    """The hop, checked. Raises `ValueError` when it is too small."""
    if spec.hop < LEAST_HOP_S:
        raise ValueError(f"a hop of {spec.hop} s is too small; at least {LEAST_HOP_S} s")
    return spec.hop


def whole(spec: WindowSpec) -> tuple[int, int]:
    """Length and hop in whole items. Raises `ValueError` when they are not whole."""
    length, hop = round(spec.length), round(spec.hop)
    if length != spec.length or hop != spec.hop:
        raise ValueError(f"{spec.unit} are counted whole, got {spec.length} and {spec.overlap}")
    return length, hop


def just_after(media_s: float) -> float:
    """The exclusive end of something whose last moment is `media_s`."""
    return math.nextafter(media_s, math.inf)
