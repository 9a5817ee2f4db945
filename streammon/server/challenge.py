"""`/challenge/{token}`: the page a caller opens to be verified, and what the other side asks."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, HTTPException
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from streammon.core.types import Modality, StreamId
from streammon.detectors.challenge.scoring import Answer
from streammon.pipelines.view import MonitorView
from streammon.server.challenging import LASTS_S, Busy, Challenge, Challenges, State, Unusable
from streammon.sinks.websocket_auth import origin_matches

PREFIX = "/challenge/"
MOST_MESSAGE = 200
UNUSABLE, BUSY, TOO_SLOW = 4404, 4409, 4408
PAGE = Path(__file__).with_name("wall") / "challenge.html"


class Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    stream: str = Field(max_length=200, description="Where the caller's face is seen.")
    transcript: str | None = Field(
        None, max_length=200, description="The chat stream that has the call's words, if one does."
    )


class Made(BaseModel):
    challenge_id: str
    path: str = Field(description="What the caller opens, behind this server's address.")
    expires_in_s: float


class Found(BaseModel):
    challenge_id: str
    stream: str
    state: State
    answer: Answer | None = Field(description="null until it is done.")
    confidence: float | None = Field(description="0..1, that the face follows the screen.")
    why: str = Field(description="A sentence for people.")
    delay_s: float | None
    correlation: float | None
    change: float | None = Field(description="Of the face's colour, root mean square, in nats.")
    gesture: str = Field(description="What was asked for; judged by whoever looks.")
    phrase: str
    phrase_share: float | None = Field(description="Of its words, heard in the transcript.")


def build_challenge_routes(challenges: Challenges, view: MonitorView) -> APIRouter:
    """What needs the token: to make a challenge, and to see what came of it."""
    router = APIRouter()

    @router.post("/api/challenges", status_code=201, summary="Make a link for a caller.")
    async def make(wanted: Wanted) -> Made:
        _check(view, wanted.stream, Modality.VIDEO)
        if wanted.transcript is not None:
            _check(view, wanted.transcript, Modality.TEXT)
        words = None if wanted.transcript is None else StreamId(wanted.transcript)
        challenge, token = challenges.make(StreamId(wanted.stream), words)
        path = f"{PREFIX}{token}"
        return Made(challenge_id=challenge.challenge_id, path=path, expires_in_s=LASTS_S)

    @router.get("/api/challenges/{challenge_id}", summary="What came of it so far.")
    async def get(challenge_id: Annotated[str, InPath(max_length=64)]) -> Found:
        challenge = challenges.get(challenge_id)
        if challenge is None:
            raise HTTPException(404, "no such challenge is kept")
        return _found(challenge)

    @router.get(f"{PREFIX}{{token}}", include_in_schema=False)
    async def page(token: Annotated[str, InPath(max_length=64)]) -> FileResponse:
        return FileResponse(PAGE)  # the same for every token: the page itself asks about it

    @router.get(f"{PREFIX}{{token}}/link", include_in_schema=False)
    async def link(token: Annotated[str, InPath(max_length=64)]) -> dict[str, str]:
        """Why it cannot be begun, or "": so that nobody dims the room for a link too old."""
        try:
            challenges.waiting(token)
        except Unusable as error:
            return {"refused": str(error)}
        return {"refused": ""}

    return router


def challenge_socket(challenges: Challenges) -> WebSocketRoute:
    """The page's way here. Whoever has the link may use it: it names no stream and shows none."""

    async def serve(socket: WebSocket) -> None:
        if not origin_matches(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close()  # before it was accepted: HTTP 403
            return
        await socket.accept()
        try:
            page = _Page(socket, painted_s=challenges.pace.painted_s)
            await challenges.run(socket.path_params["token"], page)
            await socket.send_json({"done": True})
            await socket.close()
        except* Unusable as refused:
            await socket.close(UNUSABLE, str(refused.exceptions[0]))
        except* Busy as refused:
            await socket.close(BUSY, str(refused.exceptions[0]))
        except* TimeoutError:
            await socket.close(TOO_SLOW, "the page does not answer")
        except* (WebSocketDisconnect, RuntimeError):
            pass  # the page has gone: Starlette says so by either

    return WebSocketRoute(f"{PREFIX}{{token:str}}/light", serve, name="challenge")


class _Page:
    """Satisfies `challenging.Screen`."""

    def __init__(self, socket: WebSocket, *, painted_s: float) -> None:
        self._socket = socket
        self._painted_s = painted_s
        self._step = 0

    async def show(self, colour: str) -> float:
        """Painting lies between sending and the page's word: the middle is taken."""
        self._step += 1
        sent_s = time.monotonic()
        await self._socket.send_json({"show": colour, "step": self._step})
        async with asyncio.timeout(self._painted_s):
            while not _painted(await self._socket.receive_text(), self._step):
                continue
        return (sent_s + time.monotonic()) / 2

    async def ask(self, gesture: str, phrase: str) -> None:
        await self._socket.send_json({"gesture": gesture, "phrase": phrase})


def _painted(text: str, step: int) -> bool:
    """Whether this is the page's word for the step; anything else is passed over."""
    if len(text) > MOST_MESSAGE:
        return False
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("painted") == step


def _check(view: MonitorView, stream: str, modality: Modality) -> None:
    known = {each.stream: each.modalities for each in view.streams()}
    if modality not in known.get(StreamId(stream), ()):
        raise HTTPException(404, f"no stream {stream!r} with {modality} is watched")


def _found(challenge: Challenge) -> Found:
    judged = challenge.judgement
    return Found(
        challenge_id=challenge.challenge_id,
        stream=challenge.stream,
        state=challenge.state,
        answer=None if judged is None else judged.answer,
        confidence=None if judged is None else judged.confidence,
        why="" if judged is None else judged.why,
        delay_s=None if judged is None else judged.delay_s,
        correlation=None if judged is None else judged.correlation,
        change=None if judged is None else judged.change,
        gesture=challenge.asked.gesture,
        phrase=challenge.asked.phrase,
        phrase_share=challenge.phrase_share,
    )
