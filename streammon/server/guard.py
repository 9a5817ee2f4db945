"""What every request passes first: host, size, token. And what every answer carries."""

from __future__ import annotations

from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streammon.ingest.chat.push import PREFIX as CHAT_PREFIX
from streammon.server import (
    call_guard,
    challenge,
    chat_ingest,
    comments,
    detect_api,
    moderation,
    whep,
    whip,
)
from streammon.server.auth import bearer_allowed, host_allowed
from streammon.server.detecting import LIMITS

MAX_BODY_BYTES = 64 * 1024
MAX_QUERY_BYTES = 4 * 1024
CONTENT_BODIES = {("POST", detect_api.PATH): LIMITS.bytes}
"""Requests that bring content, and how much of it."""
OPEN_PATHS = frozenset(
    {"/", call_guard.PATH, moderation.PATH, "/health", "/ready", "/docs", "/openapi.json"}
)
"""Hold no data of the streams. Everything else needs the token, new routes included."""
OPEN_FOLDER = "/static/"

_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_MAY_SHARE = "camera=(self), microphone=(self), display-capture=(self), geolocation=()"


class Guard:
    """ASGI middleware. A WebSocket's token and origin are checked by its own route."""

    def __init__(self, app: ASGIApp, *, token: SecretStr | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                _secure(MutableHeaders(scope=message), path=scope["path"])
            await send(message)

        await (refusal or self._app)(scope, receive, send_secured)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """The answer to a request that may go no further."""
        headers = Headers(scope=scope)
        if not host_allowed(self._token, headers):
            return _refused(421, "ask for this server as localhost, or give it a token")
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            return _refused(414, f"the query is longer than {MAX_QUERY_BYTES} bytes")
        if scope["type"] == "websocket":
            return None
        length = headers.get("content-length", "0")
        if "transfer-encoding" in headers or not length.isdecimal():
            return _refused(411, "a body needs its length")
        most = _most_bytes(scope["method"], scope["path"])
        if len(length) > len(str(most)) or int(length) > most:
            return _refused(413, f"the body is longer than {most} bytes")
        path = scope["path"]
        if _is_open(path) or _checks_itself(path):
            return None
        if not bearer_allowed(self._token, headers):
            refused = _refused(401, "a bearer token is needed")
            refused.headers["WWW-Authenticate"] = 'Bearer realm="streammon"'
            return refused
        return None


def _most_bytes(method: str, path: str) -> int:
    """How long a body may be."""
    if method == "POST" and path.startswith(CHAT_PREFIX):
        return chat_ingest.MOST_BYTES
    return CONTENT_BODIES.get((method, path), MAX_BODY_BYTES)


def _refused(status: int, why: str) -> JSONResponse:
    return JSONResponse({"detail": why}, status_code=status)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _checks_itself(path: str) -> bool:
    """Publishers and viewers may have tokens of their own, and browsers ask first without any; a
    caller has nothing but the link; clients of the Perspective API have the token as `?key=`.
    """
    return path == comments.PATH or path.startswith(
        (whip.PREFIX, whep.PREFIX, challenge.PREFIX, CHAT_PREFIX)
    )


def _secure(headers: MutableHeaders, *, path: str) -> None:
    for name, value in _SECURITY.items():
        headers[name] = value
    if path == call_guard.PATH:
        headers["Permissions-Policy"] = _MAY_SHARE
    # The page's files are asked for again each time, and answered "not modified" by their ETag.
    headers.setdefault("Cache-Control", "no-cache" if _is_open(path) else "no-store")
