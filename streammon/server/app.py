"""The application: the wall, the WebSocket, and what scripts and probes ask."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.routing import WebSocketRoute

from streammon import __version__
from streammon.config import ServerConfig
from streammon.pipelines.view import MonitorView
from streammon.server.acknowledging import Acknowledging
from streammon.server.answers import refuse_what_does_not_fit
from streammon.server.api import build_routes
from streammon.server.call_guard import CallGuard, build_guard_routes
from streammon.server.challenge import build_challenge_routes, challenge_socket
from streammon.server.challenging import Challenges
from streammon.server.chat_ingest import ChatIngest
from streammon.server.comments import build_comment_routes
from streammon.server.detect_api import build_detect_routes
from streammon.server.detecting import Detecting
from streammon.server.guard import Guard
from streammon.server.moderation import PATH as MODERATION
from streammon.server.moderation import FindDesk, build_moderation_routes
from streammon.server.sockets import Sockets
from streammon.server.whep import Whep
from streammon.server.whip import Whip
from streammon.sinks.websocket import Hub
from streammon.telemetry.metrics import Metrics

WALL = Path(__file__).with_name("wall")

_ABOUT = (
    "A monitor for synthetic media in live video, sound and chat. Data needs the bearer token "
    "of the configuration where one is set (else 401). What is refused says why in `detail`. "
    "Events come over the WebSocket at /ws."
)


def build_app(
    view: MonitorView,
    hub: Hub,
    metrics: Metrics,
    settings: ServerConfig,
    *,
    detecting: Detecting | None = None,
    publishing: Whip | None = None,
    watching: Whep | None = None,
    challenges: Challenges | None = None,
    calls: CallGuard | None = None,
    moderating: FindDesk | None = None,
    chats: ChatIngest | None = None,
    acknowledging: Acknowledging | None = None,
) -> FastAPI:
    """The ASGI application for `serving`; it asks `view` and holds no state of its own.

    With `detecting`, content is judged at `/detect`; with `publishing`, streams are taken at
    `/whip`; with `watching`, they are shown live at `/whep`; with `challenges`, callers are
    verified at `/challenge`; with `calls`, a person watches one at `/guard`; with `moderating`,
    moderators look and decide at `/moderation`; with `chats`, chat is pushed to `/ingest/chat`;
    with `acknowledging`, people say which incidents they have seen.
    """
    app = _bare_app()
    sockets = Sockets(hub, token=settings.token)
    app.state.sockets = sockets
    app.add_middleware(Guard, token=settings.token)
    refuse_what_does_not_fit(app)
    live = watching is not None and watching.ready
    data = build_routes(view, hub, metrics, settings.token, live=live, acknowledging=acknowledging)
    app.include_router(data)
    if detecting is not None:
        app.include_router(build_detect_routes(detecting, settings.token))
        app.include_router(build_comment_routes(detecting, settings.token))
    for door in (publishing, watching, chats):
        if door is not None:
            app.router.routes.extend(door.routes())
    if challenges is not None:
        app.include_router(build_challenge_routes(challenges, view))
        app.router.routes.append(challenge_socket(challenges))
    if calls is not None:
        app.include_router(build_guard_routes(calls))
    if moderating is not None:
        app.include_router(build_moderation_routes(moderating, settings.token))
    app.router.routes.append(WebSocketRoute("/ws", sockets.serve, name="events"))
    _add_pages(app)
    return app


def _bare_app() -> FastAPI:
    return FastAPI(
        title="streammon",
        version=__version__,
        description=_ABOUT,
        docs_url=None,  # FastAPI's pages come from a CDN; ours is in the wall's folder
        redoc_url=None,
    )


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def wall() -> FileResponse:
        return FileResponse(WALL / "index.html")

    @app.get(MODERATION, include_in_schema=False)
    async def moderation() -> FileResponse:
        return FileResponse(WALL / "moderation.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(WALL / "docs.html")

    app.mount("/static", StaticFiles(directory=WALL), name="static")
