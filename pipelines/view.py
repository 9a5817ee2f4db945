"""What a running monitor shows of itself: all that the server may ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from streammon.core.ports import Clip, LinkStats
from streammon.core.types import Alert, Health, Modality, StreamId


@dataclass(frozen=True, slots=True)
class StreamView:
    stream: StreamId
    modalities: tuple[Modality, ...]
    detectors: tuple[str, ...]
    """Names of the detectors that look at it."""
    health: Health
    epoch: int
    media_s: float
    """Media time of the newest item; 0 before the first."""
    can_clip: bool
    link: LinkStats | None = None
    """How its media come in, while somebody publishes it to us."""


class MonitorView(Protocol):
    """Read-only; every method is quick and called on the monitor's event loop."""

    name: str
    description: str

    def streams(self) -> tuple[StreamView, ...]: ...

    def health(self) -> tuple[Health, ...]:
        """The newest health of every component, streams included."""

    def not_ready(self) -> str:
        """Why the monitor cannot do its work yet (models loading, ...); empty when it can."""

    def open_incidents(self) -> tuple[Alert, ...]:
        """The newest alert of each incident that is open now."""

    def snapshot(self, incident_id: str) -> bytes | None:
        """The overlaid JPEG that was shown when the incident opened, while it is kept."""

    async def clip(self, stream: StreamId, epoch: int, start_s: float, end_s: float) -> Clip | None:
        """A remuxed stretch of the recent past; `None` when it is gone or there is no ring."""
