"""Events over WebSocket on a port of its own, for use without the wall.

The protocol is docs/wire-protocol.md; `websocket_hub.Hub` speaks it, here and under the wall.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, SecretStr, model_validator
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from streammon.config import OutboxConfig, is_loopback
from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.core.types import Alert, Outgoing, StreamId
from streammon.registry import AdapterConfig
from streammon.sinks.outbox import MEMORY, Outbox
from streammon.sinks.websocket_auth import (
    SUBPROTOCOL,
    bearer_token,
    origin_matches,
    token_matches,
)
from streammon.sinks.websocket_client import MOST_MESSAGE_BYTES, Connection, Message, PeerGone
from streammon.sinks.websocket_hub import BAD_TOKEN, Hub
from streammon.sinks.wire import WallClock

log = logging.getLogger(__name__)

__all__ = ["Connection", "Hub", "PeerGone", "WebSocketConfig", "WebSocketSink"]

STREAMS = 10_000
"""Stream names that the greeting lists at most."""


class WebSocketConfig(AdapterConfig):
    """A WebSocket server of its own; the wall has one already."""

    type: Literal["websocket"] = "websocket"
    host: str = "127.0.0.1"
    port: int = Field(8788, ge=0, le=65535)
    """0 takes a free port and logs it."""
    token: SecretStr | None = Field(None, min_length=1)
    """Bearer token; required when `host` is not a loopback address."""
    max_clients: PositiveInt = 200
    history: Path | None = None
    """SQLite file that keeps alerts for clients that resume; unset: only while it runs.

    While it cannot be written the sink is retrying and says why; alerts wait in the outbox.
    """
    history_mb: PositiveInt = 64

    @model_validator(mode="after")
    def token_off_loopback(self) -> WebSocketConfig:
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} can be reached from other machines: set `token` "
                "(for example token: ${STREAMMON_TOKEN}) or use 127.0.0.1"
            )
        return self

    def build(self, name: str) -> WebSocketSink:
        return WebSocketSink(name, self)


class WebSocketSink:
    """Serves one hub; satisfies `ports.Sink` and `ports.DurableSink`.

    Alerts are kept in a history of their own, so that clients can resume, and count as delivered
    once they are in it.
    """

    def __init__(self, name: str, config: WebSocketConfig) -> None:
        self.name = name
        self._config = config
        self._stack = AsyncExitStack()
        self._streams: set[StreamId] = set()
        self._clock = MonotonicClock()
        self._history, self._hub = self._begin()
        self.url = ""
        """Where clients connect, once entered."""

    def _begin(self) -> tuple[Outbox, Hub]:
        config = self._config
        settings = OutboxConfig(max_mb=config.history_mb)
        history = Outbox(settings, config.history or MEMORY, clock=self._clock)
        hub = Hub(
            history,
            wall=WallClock(self._clock),
            max_clients=config.max_clients,
            hello=self._hello,
        )
        return history, hub

    async def __aenter__(self) -> Self:
        """Raises `Permanent` when the address or the history cannot be had."""
        self._history, self._hub = self._begin()
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(self._history)
            except Permanent as error:
                raise Permanent(f"{self.name}: the history {error} (`history`)") from error
            server = await stack.enter_async_context(await self._listen())
            stack.callback(self._hub.close)
            self._stack = stack.pop_all()
        port = server.sockets[0].getsockname()[1]
        self.url = f"ws://{self._config.host}:{port}"
        log.info("websocket_listening", extra={"url": self.url})
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def wants(self, item: Outgoing) -> bool:
        return not isinstance(item, Alert)

    async def deliver(self, item: Outgoing) -> None:
        """Offer a live event to the clients; alerts come through `deliver_alerts`."""
        assert not isinstance(item, Alert)
        if item.stream is not None and len(self._streams) < STREAMS:
            self._streams.add(item.stream)
        self._hub.publish(item)

    async def deliver_alerts(self, batch: Sequence[StoredAlert]) -> None:
        """Keep them, then tell clients. Raises `Retryable` while the history cannot be written.

        Nobody is told of an alert that is not kept: its number would mean nothing after a restart.
        """
        try:
            numbers = await self._history.append_many(batch, waits=False)
        except Retryable as error:
            raise Retryable(
                f"the history {self._config.history or 'in memory'} cannot be written ({error}): "
                "alerts wait, everything else goes on to clients"
            ) from error
        for seq, alert in zip(numbers, batch, strict=True):
            self._hub.publish_alert(StoredAlert(seq, alert.alert_id, alert.stream, alert.body))
            await asyncio.sleep(0)  # a long batch to many clients leaves others their turn

    def _hello(self) -> dict[str, Any]:
        return {"monitor": self.name, "streams": sorted(self._streams)}

    async def _listen(self) -> Server:
        config = self._config
        try:
            return await serve(
                self._talk,
                config.host,
                config.port,
                process_request=_check_origin,
                select_subprotocol=_select_subprotocol,
                compression=None,  # a JPEG does not shrink, and 100 clients would each pay
                max_size=MOST_MESSAGE_BYTES,
                max_queue=4,
                ping_timeout=60,
                close_timeout=2,
                server_header=None,
            )
        except OSError as error:
            cause = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
            raise Permanent(
                f"{self.name}: cannot listen on {config.host}:{config.port}: {cause}; "
                "choose another `port`, or 0 for any"
            ) from error

    async def _talk(self, connection: ServerConnection) -> None:
        request, token = connection.request, self._config.token
        assert request is not None
        expected = None if token is None else token.get_secret_value()
        if not token_matches(expected, _token(request)):
            await connection.close(BAD_TOKEN, "bad token")
            return
        await self._hub.serve(_Peer(connection))


ROOM_BYTES = 64 * 1024
"""A client that is this far behind is waited for."""


class _Peer:
    """A `Connection` on the websockets library."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection

    def send_now(self, message: Message) -> bool:
        """Written while there is room, which takes a third of the time of a `send`."""
        if self._connection.transport.get_write_buffer_size() >= ROOM_BYTES:
            return False
        broadcast((self._connection,), message)
        return True

    async def send_text(self, text: str) -> None:
        await self._send(text)

    async def send_bytes(self, data: bytes) -> None:
        await self._send(data)

    async def _send(self, message: Message) -> None:
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise PeerGone from error

    async def receive(self) -> Message:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise PeerGone from error

    async def close(self, code: int, reason: str) -> None:
        await self._connection.close(code, reason)


def _first(request: Request, header: str) -> str | None:
    """A header that a hostile client may have sent twice."""
    return next(iter(request.headers.get_all(header)), None)


def _token(request: Request) -> str | None:
    values = request.headers.get_all("Sec-WebSocket-Protocol")
    offered = [name.strip() for value in values for name in value.split(",")]
    return bearer_token(_first(request, "Authorization"), offered)


def _check_origin(connection: ServerConnection, request: Request) -> Response | None:
    """Refuse pages of other sites, unless they bring a token: it is checked after this."""
    if _token(request) is not None:
        return None
    if origin_matches(_first(request, "Origin"), _first(request, "Host")):
        return None
    return connection.respond(HTTPStatus.FORBIDDEN, "this page's origin may not connect here\n")


def _select_subprotocol(
    connection: ServerConnection, offered: Sequence[Subprotocol]
) -> Subprotocol | None:
    return Subprotocol(SUBPROTOCOL) if SUBPROTOCOL in offered else None
