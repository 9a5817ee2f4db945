"""The WebSocket of the application: who may have it, and its way to the hub."""

from __future__ import annotations

import asyncio
import contextlib

from pydantic import SecretStr
from starlette.websockets import WebSocket, WebSocketDisconnect

from streammon.server.auth import origin_allowed, socket_allowed
from streammon.sinks.websocket import Hub, PeerGone
from streammon.sinks.websocket_auth import SUBPROTOCOL
from streammon.sinks.websocket_hub import BAD_TOKEN


class Sockets:
    """All WebSockets of the application, so that shutdown can wait for their farewell."""

    def __init__(self, hub: Hub, *, token: SecretStr | None) -> None:
        self._hub = hub
        self._token = token
        self._talking = 0
        self._silence = asyncio.Event()
        self._silence.set()

    async def serve(self, socket: WebSocket) -> None:
        """Talk to one client until it leaves. One without the token is closed with 4401:
        browsers let a page see a close code, but not why a handshake was refused.
        """
        if not origin_allowed(self._token, socket.headers):
            await socket.close()  # before it was accepted: HTTP 403
            return
        offered: list[str] = socket.scope["subprotocols"]
        self._talking += 1
        self._silence.clear()
        try:
            await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
            if socket_allowed(self._token, socket.headers, subprotocols=offered):
                await self._hub.serve(_Peer(socket))
            else:
                await socket.close(BAD_TOKEN, "bad token")
        except WebSocketDisconnect:
            return  # gone before the conversation began
        finally:
            self._talking -= 1
            if self._talking == 0:
                self._silence.set()

    async def close(self, *, within_s: float) -> None:
        """Close every client with 1001 and wait until each was told."""
        self._hub.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._silence.wait()


class _Peer:
    """A `Connection` of the hub on Starlette."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    def send_now(self, message: str | bytes) -> bool:
        return False  # ASGI has no way to send without waiting

    async def send_text(self, text: str) -> None:
        await self._send({"type": "websocket.send", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        await self._send({"type": "websocket.send", "bytes": data})

    async def receive(self) -> str | bytes:
        try:
            message = await self._socket.receive()
        except RuntimeError as error:  # asked again after the disconnect
            raise PeerGone from error
        if message["type"] == "websocket.disconnect":
            raise PeerGone
        text: str | None = message.get("text")
        return message["bytes"] if text is None else text

    async def close(self, code: int, reason: str) -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _send(self, message: dict[str, object]) -> None:
        try:
            await self._socket.send(message)
        except (WebSocketDisconnect, RuntimeError) as error:
            raise PeerGone from error
