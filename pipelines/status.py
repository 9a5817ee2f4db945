"""What a running monitor shows of itself; satisfies `pipelines.view.MonitorView`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from streammon.alerts.incidents import IncidentBook
from streammon.core.ports import Clip, ClipSource, Linked
from streammon.core.types import Alert, Health, HealthState, StreamId
from streammon.evidence.store import SnapshotStore
from streammon.pipelines.health import HealthBoard
from streammon.pipelines.streams import Stream
from streammon.pipelines.view import StreamView


class Status:
    """Read-only; on the event loop."""

    def __init__(
        self,
        name: str,
        description: str,
        *,
        streams: Mapping[StreamId, Stream],
        board: HealthBoard,
        book: IncidentBook,
        snapshots: SnapshotStore,
    ) -> None:
        self.name = name
        self.description = description
        self.busy_with = "loading models"
        """Why the monitor is not ready; empty once it is."""
        self._streams = streams
        self._board = board
        self._book = book
        self._snapshots = snapshots

    def streams(self) -> tuple[StreamView, ...]:
        return tuple(self._view(stream) for stream in self._streams.values())

    def health(self) -> tuple[Health, ...]:
        return self._board.all()

    def not_ready(self) -> str:
        return self.busy_with

    def open_incidents(self) -> tuple[Alert, ...]:
        return self._book.open_incidents()

    def snapshot(self, incident_id: str) -> bytes | None:
        return self._snapshots.get(incident_id)

    async def clip(self, stream: StreamId, epoch: int, start_s: float, end_s: float) -> Clip | None:
        known = self._streams.get(stream)
        if known is None or not isinstance(known.source, ClipSource):
            return None
        return await asyncio.to_thread(known.source.clip, epoch, start_s, end_s)

    def _view(self, stream: Stream) -> StreamView:
        name = stream.stream
        health = self._board.of(f"stream:{name}") or Health(
            f"stream:{name}", HealthState.STARTING, "waiting for the models", 0, name
        )
        return StreamView(
            stream=name,
            modalities=tuple(sorted(stream.modalities)),
            detectors=tuple(dict.fromkeys(look.detector for look in stream.looks)),
            health=health,
            epoch=stream.epoch,
            media_s=stream.media_s,
            can_clip=isinstance(stream.source, ClipSource),
            link=stream.source.link() if isinstance(stream.source, Linked) else None,
        )
