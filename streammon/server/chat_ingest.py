"""`/ingest/chat/{stream}`: programs push chat to us, by POST or over a WebSocket.

A batch is an object, an array, or one object a line; it is taken as a whole or, with 429, not at
all, and what was taken before counts as a duplicate. So whoever is in doubt sends it again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from streammon.core.ports import Source
from streammon.core.types import Json, StreamId
from streammon.ingest.chat.fields import objects
from streammon.ingest.chat.lines import BadLine
from streammon.ingest.chat.push import PREFIX, Busy, ChatPush, Pushed, TooMany
from streammon.server.auth import bearer_allowed, cross_origin_allowed, socket_allowed
from streammon.sinks.websocket_auth import SUBPROTOCOL
from streammon.sinks.websocket_hub import BAD_TOKEN

MOST_BYTES = 1 << 20
"""Of one request."""
JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json")
LINES_TYPE = re.compile(r"application/(?:x-)?(?:ndjson|jsonl(?:ines)?)")
BAD_DATA, NOT_FOUND = 1007, 4404


@dataclass(frozen=True, slots=True)
class Answer:
    """What a pusher is told."""

    status: int
    body: dict[str, Json]
    retry_after_s: int | None = None


class ChatIngest:
    """Every stream that chat may be pushed to. On the event loop only."""

    def __init__(self, sources: Iterable[Source], *, token: SecretStr | None) -> None:
        """`token`: the server's own, for streams that have none."""
        self._sources = {item.stream: item for item in sources if isinstance(item, ChatPush)}
        self._token = token

    def routes(self) -> list[BaseRoute]:
        path = f"{PREFIX}{{stream:str}}"
        return [
            Route(path, self._post, methods=["POST"], name="chat"),
            WebSocketRoute(path, self._socket, name="chat_socket"),
        ]

    async def _post(self, request: Request) -> JSONResponse:
        source = self._sources.get(StreamId(request.path_params["stream"]))
        if not bearer_allowed(self._token_of(source), request.headers):
            challenge = {"WWW-Authenticate": 'Bearer realm="streammon"'}
            return JSONResponse({"detail": "a bearer token is needed"}, 401, challenge)
        if not _same_site(request.headers):
            return JSONResponse({"detail": "pages of other sites may not push"}, 403)
        if source is None:
            return JSONResponse({"detail": "no chat is pushed to a stream of this name"}, 404)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        in_lines = LINES_TYPE.fullmatch(kind) is not None
        if not in_lines and not JSON_TYPE.fullmatch(kind):
            cause = "send application/json or application/x-ndjson"
            return JSONResponse({"detail": cause}, 415)
        answer = taken(source, await request.body(), in_lines=in_lines)
        later = {} if answer.retry_after_s is None else {"Retry-After": str(answer.retry_after_s)}
        return JSONResponse(answer.body, answer.status, later)

    async def _socket(self, socket: WebSocket) -> None:
        """Each message is a batch and gets its answer, with the status that HTTP would have."""
        source = self._sources.get(StreamId(socket.path_params["stream"]))
        if not _same_site(socket.headers):
            await socket.close()  # before it was accepted: HTTP 403
            return
        offered: list[str] = socket.scope["subprotocols"]
        try:
            await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
            token = self._token_of(source)
            if not socket_allowed(token, socket.headers, subprotocols=offered):
                await socket.close(BAD_TOKEN, "bad token")
            elif source is None:
                await socket.close(NOT_FOUND, "no chat is pushed to a stream of this name")
            else:
                await self._talk(socket, source)
        except WebSocketDisconnect:
            return

    async def _talk(self, socket: WebSocket, source: ChatPush) -> None:
        while True:
            try:
                raw = await socket.receive_text()
            except KeyError:
                await socket.close(BAD_DATA, "send text")
                return
            answer = taken(source, raw, in_lines=False)
            told: dict[str, Json] = {"status": answer.status, **answer.body}
            if answer.retry_after_s is not None:
                told["retry_after_s"] = answer.retry_after_s
            await socket.send_json(told)

    def _token_of(self, source: ChatPush | None) -> SecretStr | None:
        return (source.token if source else None) or self._token


def taken(source: ChatPush, raw: bytes | str, *, in_lines: bool) -> Answer:
    """Hand a body to its stream; the answer to whoever sent it."""
    try:
        pushed = source.push(list(objects(raw, in_lines=in_lines)))
    except BadLine as error:
        return Answer(400, {"detail": f"the body is {error}"})
    except TooMany as error:
        return Answer(413, {"detail": str(error)})
    except Busy as error:
        status = 429 if source.is_open else 503
        return Answer(status, {"detail": str(error)}, error.retry_after_s)
    return Answer(202, _counted(pushed))


def _counted(pushed: Pushed) -> dict[str, Json]:
    counts = asdict(pushed)
    rejected: list[Json] = [{"index": at, "reason": why} for at, why in pushed.rejected]
    return {**counts, "rejected": rejected}


def _same_site(headers: Headers) -> bool:
    """Whether it comes from a program or from a page of ours: any page can post to localhost."""
    return cross_origin_allowed(
        headers.get("origin"), headers.get("host"), sites=(), open_to_all=False
    )
