"""A monitor that says what a test wants said: a real hub and outbox, no detectors."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from streammon.config import OutboxConfig, ServerConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Clip, StoredAlert
from streammon.core.types import (
    Alert,
    AlertState,
    DetectionResult,
    Health,
    HealthState,
    Json,
    Meter,
    Modality,
    Overlay,
    Region,
    Severity,
    StreamId,
)
from streammon.overlay.encode import encode_jpeg
from streammon.pipelines.view import StreamView
from streammon.server.acknowledging import Acknowledging
from streammon.server.app import build_app
from streammon.server.serve import serving
from streammon.sinks.outbox import MEMORY, NewAlert, Outbox
from streammon.sinks.websocket import Hub
from streammon.sinks.wire import WallClock, dumps, to_wire
from streammon.telemetry.metrics import Metrics

VIDEO, AUDIO, TEXT = Modality.VIDEO, Modality.AUDIO, Modality.TEXT
BANDS = 48
WIDTH, HEIGHT = 320, 180


def stream_view(
    name: str,
    *modalities: Modality,
    detectors: Sequence[str] = (),
    state: HealthState = HealthState.UP,
    cause: str = "",
) -> StreamView:
    health = Health(f"stream:{name}", state, cause, time.monotonic_ns(), StreamId(name))
    return StreamView(
        stream=StreamId(name),
        modalities=modalities,
        detectors=tuple(detectors),
        health=health,
        epoch=0,
        media_s=0.0,
        can_clip=VIDEO in modalities,
    )


def picture(stream: str, step: int) -> NDArray[np.uint8]:
    """A scene of its own per stream, in which a box moves with `step`."""
    shade = sum(stream.encode()) % 128
    across, down = np.meshgrid(np.linspace(0, 90, WIDTH), np.linspace(30, 90, HEIGHT))
    image = np.stack([across + down, across * 0.3 + down + shade, across + shade + 40], axis=-1)
    left = 10 + (step * 23) % (WIDTH - 80)
    top = 60 + round(30 * math.sin(step / 3))
    image[top : top + 60, left : left + 60] = (235, 225, 200)
    return image.clip(0, 255).astype(np.uint8)


def spectrum(step: int) -> bytes:
    """One spectrogram column: a wandering voice over a quiet floor."""
    bands = np.arange(BANDS)
    voice = sum(
        190 * np.exp(-((bands - centre) ** 2) / 6)
        for centre in (6 + 3 * math.sin(step / 9), 15 + 5 * math.sin(step / 14), 28)
    )
    talking = 0.5 + 0.5 * math.sin(step / 11) if step % 90 < 66 else 0.05
    return bytes(
        (25 + (bands * 7 + step * 13) % 17 + voice * talking).clip(0, 255).astype(np.uint8)
    )


@dataclass(eq=False)
class ScriptedMonitor:
    """Satisfies `MonitorView`. An async context manager, on the loop of the server."""

    views: Sequence[StreamView]
    name: str = "night-desk"
    description: str = "Scripted streams."
    cause_not_ready: str = ""
    components: tuple[Health, ...] = ()
    snapshots: dict[str, bytes] = field(default_factory=dict)
    clips: dict[str, Clip] = field(default_factory=dict)
    sent: list[Alert] = field(default_factory=list)
    outbox_path: str = MEMORY
    max_clients: int = 50
    pages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = MonotonicClock()
        self.wall = WallClock(self.clock)
        self.outbox = Outbox(OutboxConfig(), self.outbox_path, clock=self.clock)
        self.hub = Hub(
            self.outbox,
            wall=self.wall,
            max_clients=self.max_clients,
            hello=lambda: {
                "monitor": self.name,
                "streams": [view.stream for view in self.views],
                "pages": self.pages,
            },
        )
        self._started_s = time.monotonic()
        self._open: dict[str, Alert] = {}
        self._muted: set[str] = set()

    async def __aenter__(self) -> Self:
        await self.outbox.__aenter__()
        for view in self.views:
            self.hub.publish(view.health)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.hub.close()
        await self.outbox.__aexit__(kind, error, traceback)

    # --- MonitorView ---

    def streams(self) -> tuple[StreamView, ...]:
        return tuple(replace(view, media_s=self.media_s) for view in self.views)

    def health(self) -> tuple[Health, ...]:
        return (*self.components, *(view.health for view in self.views))

    def not_ready(self) -> str:
        return self.cause_not_ready

    def open_incidents(self) -> tuple[Alert, ...]:
        return tuple(self._open.values())

    def snapshot(self, incident_id: str) -> bytes | None:
        return self.snapshots.get(incident_id)

    async def clip(self, stream: StreamId, epoch: int, start_s: float, end_s: float) -> Clip | None:
        return self.clips.get(stream) if epoch == 0 else None

    # --- what a test lets happen ---

    @property
    def media_s(self) -> float:
        return time.monotonic() - self._started_s

    def change_health(self, stream: str, state: HealthState, cause: str = "") -> None:
        now_ns = self.clock.now_ns()
        health = Health(f"stream:{stream}", state, cause, now_ns, StreamId(stream))
        self.views = [
            replace(view, health=health) if view.stream == stream else view for view in self.views
        ]
        self.hub.publish(health)

    def tell(self, part: Health) -> None:
        """How a part of the monitor is, from now on: as an event, and to whoever asks."""
        others = [each for each in self.components if each.component != part.component]
        self.components = (*others, part)
        self.hub.publish(part)

    async def followed(self, stream: str = "any") -> None:
        """Returns once somebody takes the results of this stream: those of before are not kept."""
        while not self.hub.viewers(StreamId(stream), "result"):  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.02)

    def mute(self, stream: str) -> None:
        """From now on nothing of it is played, though it counts as up."""
        self._muted.add(stream)

    def show(self, stream: str, step: int) -> None:
        """Publish one overlaid picture."""
        self.hub.publish(
            Overlay(
                stream=StreamId(stream),
                seq=step,
                media_s=self.media_s,
                captured_ns=self.clock.now_ns(),
                jpeg=encode_jpeg(picture(stream, step), quality=70),
                width=WIDTH,
                height=HEIGHT,
            )
        )

    def sound(self, stream: str, step: int) -> None:
        """Publish half a second of sound."""
        columns = tuple(spectrum(10 * step + at) for at in range(10))
        level = -45 + 30 * abs(math.sin(step / 3))
        self.hub.publish(self._meter(stream, AUDIO, level, columns))

    def chatter(self, stream: str, rate: float) -> None:
        self.hub.publish(self._meter(stream, TEXT, rate, ()))

    def score(
        self,
        stream: str,
        kind: str,
        confidence: float | None,
        *,
        abstained: str | None = None,
        modality: Modality = VIDEO,
        details: Mapping[str, Json] | None = None,
        regions: Sequence[Region] = (),
    ) -> None:
        result = self.result(
            stream, kind, confidence, abstained=abstained, modality=modality, details=details
        )
        self.hub.publish(replace(result, regions=tuple(regions)))

    def result(
        self,
        stream: str,
        kind: str,
        confidence: float | None,
        *,
        abstained: str | None = None,
        modality: Modality = VIDEO,
        details: Mapping[str, Json] | None = None,
    ) -> DetectionResult:
        end_s = self.media_s
        return DetectionResult(
            stream=StreamId(stream),
            detector=kind,
            kind=kind,
            modality=modality,
            epoch=0,
            start_s=max(0.0, end_s - 2.0),
            end_s=end_s,
            captured_ns=self.clock.now_ns(),
            confidence=confidence,
            model_used=f"{kind}-1",
            is_ai_generated=None if confidence is None else confidence > 0.5,
            abstained=abstained,
            details=details or {},
            processing_time_s=0.012,
        )

    async def alert(
        self,
        stream: str,
        kind: str,
        state: AlertState = AlertState.OPENED,
        *,
        severity: Severity = Severity.CRITICAL,
        incident: str = "1",
        why: str = "",
        with_picture: bool = False,
    ) -> Alert:
        """Store and publish one alert, as the pipeline does."""
        incident_id = f"{stream}-{kind}-{incident}"
        before = self._open.get(incident_id)
        alert = Alert(
            alert_id=f"{incident_id}-{len(self.sent)}",
            incident_id=incident_id,
            stream=StreamId(stream),
            kind=kind,
            state=state,
            severity=severity,
            evidence_level=1.2,
            opened_s=before.opened_s if before else self.media_s,
            media_s=self.media_s,
            epoch=0,
            captured_ns=self.clock.now_ns(),
            why=why or f"{kind} was found in 3 windows within 4 s",
            results=(self.result(stream, kind, 0.97),),
        )
        if state is AlertState.CLOSED:
            self._open.pop(incident_id, None)
        else:
            self._open[incident_id] = alert
        if with_picture and incident_id not in self.snapshots:
            self.snapshots[incident_id] = encode_jpeg(picture(stream, 4), quality=70)
        body = dumps(to_wire(alert, wall=self.wall))
        seq = await self.outbox.append(NewAlert(alert.alert_id, alert.stream, body))
        self.hub.publish_alert(StoredAlert(seq, alert.alert_id, alert.stream, body))
        self.sent.append(alert)
        return alert

    async def play(self, *, every_s: float = 0.2) -> None:
        """Live pictures, sound, chat and calm scores on every stream that is up, for ever."""
        step = 0
        while True:
            for view in self.views:
                if view.health.state is HealthState.UP and view.stream not in self._muted:
                    self._play_one(view, step)
            step += 1
            await asyncio.sleep(every_s)

    def _play_one(self, view: StreamView, step: int) -> None:
        name = view.stream
        if VIDEO in view.modalities:
            self.show(name, step)
        if AUDIO in view.modalities and step % 2 == 0:
            self.sound(name, step)
        if TEXT in view.modalities and step % 5 == 0:
            self.chatter(name, 3.0 + 2.0 * math.sin(step / 8))
        if step % 5 == 0:
            for kind in view.detectors:
                self._play_score(name, kind, step)

    def _play_score(self, name: str, kind: str, step: int) -> None:
        modality: dict[str, Modality] = {"voice_spoof": AUDIO, "chat_flood": TEXT}
        told: dict[str, Any] = {"modality": modality.get(kind, VIDEO)}
        if kind == "voice_spoof" and step % 60 > 40:
            self.score(name, kind, None, abstained="no speech", **told)
        elif StreamId(name) in {
            alert.stream for alert in self._open.values() if alert.kind == kind
        }:
            self.score(name, kind, 0.93 + 0.05 * math.sin(step), **told)
        else:
            self.score(name, kind, 0.06 + 0.05 * abs(math.sin(step / 7)), **told)

    def _meter(
        self, stream: str, modality: Modality, level: float, columns: tuple[bytes, ...]
    ) -> Meter:
        return Meter(
            stream=StreamId(stream),
            modality=modality,
            media_s=self.media_s,
            captured_ns=self.clock.now_ns(),
            level=level,
            columns=columns,
        )


@asynccontextmanager
async def played(
    monitor: ScriptedMonitor, *, port: int = 0, token: str | None = None
) -> AsyncGenerator[str]:
    """Serve the wall of a monitor whose streams play; yields the URL."""
    secret = None if token is None else SecretStr(token)
    settings = ServerConfig(port=port, token=secret)
    async with monitor:
        acknowledging = Acknowledging(monitor.outbox, monitor)
        await acknowledging.load()
        app = build_app(monitor, monitor.hub, Metrics(), settings, acknowledging=acknowledging)
        async with serving(app, settings) as url, asyncio.TaskGroup() as group:
            playing = group.create_task(monitor.play())
            yield url
            playing.cancel()
