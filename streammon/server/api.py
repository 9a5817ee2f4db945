"""What scripts, probes and the wall ask over HTTP."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, Field, SecretStr

from streammon import __version__
from streammon.core.clock import MonotonicClock
from streammon.core.types import HealthState, Modality, StreamId
from streammon.pipelines.view import MonitorView, StreamView
from streammon.server.acknowledging import (
    AcknowledgedOut,
    Acknowledging,
    build_acknowledge_route,
)
from streammon.server.auth import bearer_allowed
from streammon.sinks.websocket import Hub
from streammon.sinks.wire import WallClock, to_wire
from streammon.telemetry.metrics import Metrics

LONGEST_CLIP_S = 120.0
MOST_SNAPSHOTS = 40

IncidentId = Annotated[str, Path(max_length=200)]
StreamName = Annotated[str, Path(max_length=200)]
Seconds = Annotated[float, Query(ge=0.0, le=1e9, allow_inf_nan=False)]


class HealthOut(BaseModel):
    component: str = Field(description="`stream:<id>`, `detector:<name>`, `sink:<name>`, ...")
    stream: str | None
    state: HealthState
    cause: str = Field(description="What a person can act on; empty when up.")
    time: str = Field(description="Since when, RFC 3339.")


class LinkOut(BaseModel):
    codecs: list[str]
    kbit_s: float
    frames_per_s: float = Field(description="Encoded pictures, over the last seconds.")
    lost_share: float = Field(description="0..1 of the packets that were sent.")
    jitter_s: float
    frame_age_s: float | None = Field(description="Since the newest frame arrived.")
    clock: str = Field(
        description="What aligns picture and sound: `arrival`, the `sender`, or a `broken` sender."
    )
    skew_s: float | None = Field(
        description="How far the picture lies from where the sender's clock has it."
    )


class StreamOut(BaseModel):
    stream: str
    modalities: list[Modality]
    detectors: list[str]
    health: HealthOut
    epoch: int = Field(description="Grows with every reconnect or change of format.")
    media_s: float = Field(description="Media time of the newest item in this epoch.")
    can_clip: bool
    link: LinkOut | None = Field(description="While somebody publishes it to us, else null.")


class StreamsOut(BaseModel):
    streams: list[StreamOut]


class StatusOut(BaseModel):
    name: str
    description: str
    version: str
    not_ready: str = Field(description="Why the monitor cannot work yet; empty when it can.")
    live: bool = Field(description="Whether streams can be watched at `/whep`.")
    components: list[HealthOut]


class IncidentsOut(BaseModel):
    incidents: list[dict[str, Any]] = Field(
        description="The newest alert of each open incident, as the WebSocket sends alerts."
    )
    acknowledged: list[AcknowledgedOut] | None = Field(
        description="What somebody has seen, the newest first; null where nobody can say so."
    )


class SnapshotsOut(BaseModel):
    available: list[str] = Field(description="Ids of those incidents that have a picture.")


class LiveOut(BaseModel):
    status: str
    token_needed: bool


class ReadyOut(BaseModel):
    ready: bool
    cause: str = Field(description="Told only to those who may see data.")


def build_routes(
    view: MonitorView,
    hub: Hub,
    metrics: Metrics,
    token: SecretStr | None,
    *,
    live: bool = False,
    acknowledging: Acknowledging | None = None,
) -> APIRouter:
    """Every route that gives data rather than pages; `live`: streams can be watched at `/whep`."""
    router = APIRouter()
    _add_probes(router, view, token)
    _add_metrics(router, hub, metrics)
    _add_streams(router, view, live=live)
    _add_incidents(router, view, acknowledging)
    if acknowledging is not None:
        router.include_router(build_acknowledge_route(acknowledging, token))
    return router


def _add_probes(router: APIRouter, view: MonitorView, token: SecretStr | None) -> None:
    @router.get("/health", summary="Whether the process answers at all. Open to everyone.")
    async def health() -> LiveOut:
        return LiveOut(status="ok", token_needed=token is not None)

    @router.get(
        "/ready",
        summary="Whether the monitor does its work: 200, or 503 with the cause. Open to everyone.",
        responses={503: {"model": ReadyOut, "description": "Not yet, or not any more."}},
    )
    async def ready(request: Request, response: Response) -> ReadyOut:
        cause = view.not_ready()
        response.status_code = 503 if cause else 200
        told = cause if bearer_allowed(token, request.headers) else ""
        return ReadyOut(ready=not cause, cause=told)


def _add_metrics(router: APIRouter, hub: Hub, metrics: Metrics) -> None:
    @router.get(
        "/metrics",
        summary="Metrics for Prometheus; OpenMetrics when `Accept` asks for it.",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
    )
    async def metrics_page(request: Request) -> Response:
        metrics.viewers(hub.stats().clients)
        page, media_type = metrics.render(request.headers.get("accept", ""))
        return Response(page, headers={"Content-Type": media_type})


def _add_streams(router: APIRouter, view: MonitorView, *, live: bool) -> None:
    wall = WallClock(MonotonicClock())

    @router.get("/api/status", summary="The monitor and the health of all its parts.")
    async def status() -> StatusOut:
        return StatusOut(
            name=view.name,
            description=view.description,
            version=__version__,
            not_ready=view.not_ready(),
            live=live,
            components=[HealthOut(**to_wire(part, wall=wall)) for part in view.health()],
        )

    @router.get("/api/streams", summary="Every stream that is watched.")
    async def streams() -> StreamsOut:
        return StreamsOut(streams=[_stream_out(stream, wall) for stream in view.streams()])

    @router.get(
        "/api/streams/{stream}/clip",
        summary=f"A stretch of the recent past as it came in, at most {LONGEST_CLIP_S:g} s.",
        response_class=Response,
        responses={
            200: {"content": {"video/mp4": {}}, "description": "Whole groups of pictures."},
            404: {"description": "No such stream, or the stretch is not kept."},
        },
    )
    async def clip(
        stream: StreamName, epoch: Annotated[int, Query(ge=0)], start_s: Seconds, end_s: Seconds
    ) -> Response:
        if not start_s < end_s <= start_s + LONGEST_CLIP_S:
            raise HTTPException(422, f"end_s must be up to {LONGEST_CLIP_S:g} s after start_s")
        if not any(known.stream == stream and known.can_clip for known in view.streams()):
            raise HTTPException(404, "no such stream, or it keeps no packets")
        cut = await view.clip(StreamId(stream), epoch, start_s, end_s)
        if cut is None:
            raise HTTPException(404, "that stretch is not kept any more")
        covers = {"X-Clip-Start-S": f"{cut.start_s:.3f}", "X-Clip-End-S": f"{cut.end_s:.3f}"}
        return Response(cut.data, headers={"Content-Type": cut.media_type, **covers})


def _add_incidents(
    router: APIRouter, view: MonitorView, acknowledging: Acknowledging | None
) -> None:
    wall = WallClock(MonotonicClock())

    @router.get(
        "/api/incidents", summary="The incidents that are open now, and who has seen which."
    )
    async def incidents() -> IncidentsOut:
        return IncidentsOut(
            incidents=[to_wire(one, wall=wall) for one in view.open_incidents()],
            acknowledged=None if acknowledging is None else acknowledging.newest(),
        )

    @router.get(
        "/api/snapshots", summary=f"Which of up to {MOST_SNAPSHOTS} incidents have a picture."
    )
    async def snapshots(
        incident: Annotated[list[str], Query(max_length=MOST_SNAPSHOTS)],
    ) -> SnapshotsOut:
        return SnapshotsOut(available=[one for one in incident if view.snapshot(one) is not None])

    @router.get(
        "/api/incidents/{incident_id}/snapshot.jpg",
        summary="The overlaid picture that was shown when the incident opened.",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {}}},
            404: {"description": "No such incident, or its picture is not kept."},
        },
    )
    async def snapshot(incident_id: IncidentId) -> Response:
        picture = view.snapshot(incident_id)
        if picture is None:
            raise HTTPException(404, "no picture of that incident is kept")
        return Response(picture, media_type="image/jpeg")


def _stream_out(stream: StreamView, wall: WallClock) -> StreamOut:
    return StreamOut(
        stream=stream.stream,
        modalities=list(stream.modalities),
        detectors=list(stream.detectors),
        health=HealthOut(**to_wire(stream.health, wall=wall)),
        epoch=stream.epoch,
        media_s=stream.media_s,
        can_clip=stream.can_clip,
        link=None if stream.link is None else LinkOut(**asdict(stream.link)),
    )
