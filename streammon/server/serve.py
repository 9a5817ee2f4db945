"""Runs the application on a socket, from bound to cleanly closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from streammon.config import ServerConfig
from streammon.core.errors import Permanent
from streammon.server.patience import PatientProtocol
from streammon.server.sockets import Sockets
from streammon.sinks.websocket_client import MOST_MESSAGE_BYTES

PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 20.0
MAX_PLAIN_REQUESTS = 100
"""Connections beside the WebSockets; one more is answered with 503."""


@asynccontextmanager
async def serving(
    app: FastAPI, settings: ServerConfig, *, close_within_s: int = 3
) -> AsyncGenerator[str]:
    """Serve `app` (of `build_app`) while the block runs; yields the URL of the wall.

    The socket is bound and accepting before the URL is yielded. Leaving closes every WebSocket
    with 1001, waits `close_within_s` for answers in flight and then cuts them. Raises
    `Permanent` when the address cannot be bound. Installs no signal handlers.
    """
    listening = await _bind(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    server = _QuietServer(_configured(app, settings, close_within_s=close_within_s))
    sockets: Sockets = app.state.sockets
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listening]), name="server")
            try:
                await server.accepting.wait()
                yield _url(host, port)
            finally:
                await sockets.close(within_s=close_within_s)
                server.should_exit = True
                await server.ended.wait()  # the group would cut it short after an error
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) == 1:  # what the block raised is raised as it was
            raise failures.exceptions[0] from None
        raise
    finally:
        listening.close()
        await _end_requests(server)


class _QuietServer(uvicorn.Server):
    """uvicorn that tells when it is up and down, and leaves signals to `flow.signals`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()
        self.ended = asyncio.Event()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            self.ended.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _configured(app: FastAPI, settings: ServerConfig, *, close_within_s: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PatientProtocol,  # bounds the size of a request's head, and its time
        ws="websockets-sansio",
        ws_max_size=MOST_MESSAGE_BYTES,
        ws_ping_interval=PING_INTERVAL_S,
        ws_ping_timeout=PING_TIMEOUT_S,
        ws_per_message_deflate=False,  # most bytes are JPEG already
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.max_clients + MAX_PLAIN_REQUESTS,
        timeout_graceful_shutdown=close_within_s,
    )


async def _bind(host: str, port: int) -> socket.socket:
    """A listening socket on the first address of `host`."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise Permanent(f"server.host {host}: no such address: {error.strerror}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen()
    except OSError as error:
        listening.close()
        raise Permanent(
            f"server.port {port} on {host}: {error.strerror}: "
            "end the program that has it, or give another `server.port` or `--port` "
            "(0 takes a free one)"
        ) from error
    listening.setblocking(False)
    return listening


def _url(host: str, port: int) -> str:
    """What a person on this machine opens; a wildcard address is no address to open."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound
    return f"http://[{reachable}]:{port}/" if ":" in reachable else f"http://{reachable}:{port}/"


async def _end_requests(server: uvicorn.Server) -> None:
    """Wait for the requests that uvicorn has cancelled: it does not."""
    if tasks := set(server.server_state.tasks):
        await asyncio.wait(tasks, timeout=1.0)
