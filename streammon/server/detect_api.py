"""`/detect`: content in the body of a request, judged by the monitor's detectors."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, Field, SecretStr

from streammon.core.errors import Permanent, TooLarge, Undecodable
from streammon.core.types import Modality
from streammon.pipelines.content import Asked, ContentKind, Limits
from streammon.pipelines.detect import Detection
from streammon.server.auth import origin_allowed
from streammon.server.detecting import JUDGED_WITHIN_S, RUNNING, WAITING, Busy, Detecting

PATH = "/detect"
RECEIVED_WITHIN_S = 30.0
RETRY_AFTER_S = 5
MOST_NAMED = 16

HINTS: dict[str, Asked] = {"image": "image", "audio": "audio", "text": "text", "video": "auto"}
"""What the first half of a Content-Type says; a video may have sound, which is judged as well."""
UNKNOWN = frozenset({"", "application/octet-stream", "image/gif", "application/ogg"})
TEXTS = frozenset({"application/json", "application/jsonl", "application/x-ndjson"})
HEARS: dict[ContentKind, frozenset[Modality]] = {
    ContentKind.IMAGE: frozenset({Modality.VIDEO}),
    ContentKind.VIDEO: frozenset({Modality.VIDEO, Modality.AUDIO}),
    ContentKind.AUDIO: frozenset({Modality.AUDIO}),
    ContentKind.TEXT: frozenset({Modality.TEXT}),
}
"""What detectors are given of each kind of content."""

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The bytes of one file. Its type is a hint; application/octet-stream "
        "leaves it to the bytes themselves.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/*", "audio/*", "video/*", "text/plain", "application/octet-stream")
        },
    }
}

DetectorName = Annotated[str, Field(max_length=64)]


class VerdictOut(BaseModel):
    detector: str
    kind: str
    modality: Modality
    confidence: float | None = Field(description="0..1; null when it abstained.")
    is_ai_generated: bool | None = Field(description="null: the detector does not say.")
    abstained: str | None = Field(description="Why it abstained.")
    windows: int
    scored: int = Field(description="Windows that it did not abstain from.")
    model_used: str
    details: dict[str, Any] = Field(description="Reasons to abstain; the strongest window.")
    experimental: bool = Field(description="Told, and decides nothing.")


class DetectionOut(BaseModel):
    v: Literal[1]
    type: Literal["detection"]
    modality: ContentKind
    confidence: float | None = Field(
        description="Probability, 0..1, that it is synthetic or manipulated; null when all abstain."
    )
    is_ai_generated: bool | None
    abstained: str | None
    detectors: list[VerdictOut]
    processing_time_s: float
    model_used: str


class DetectorOut(BaseModel):
    detector: str
    kind: str
    modalities: list[Modality]


class LimitsOut(BaseModel):
    bytes: int
    pixels: int = Field(description="Of one picture.")
    duration_s: float
    characters: int
    judged_within_s: float
    running: int = Field(description="Requests judged at a time.")
    waiting: int = Field(description="Requests that may wait; one more is answered with 503.")


class DetectOut(BaseModel):
    v: Literal[1] = 1
    detectors: list[DetectorOut]
    modalities: list[ContentKind] = Field(description="Content that a detector looks at.")
    limits: LimitsOut


def build_detect_routes(detecting: Detecting, token: SecretStr | None) -> APIRouter:
    router = APIRouter()
    about = _about(detecting)

    @router.get(PATH, summary="Which detectors judge what, and within what limits.")
    async def ask() -> DetectOut:
        return about

    @router.post(
        PATH,
        summary="Judge the body: an image, a recording or a text.",
        openapi_extra=_BODY,
        responses={
            403: {"description": "Sent by a page of another site."},
            413: {"description": "Too large, too long, or too long to judge."},
            415: {"description": "Not what it was said to be, or not decodable."},
            422: {"description": "No detector to judge it, or none of that name."},
            503: {"description": "Busy; Retry-After says when to try again."},
        },
    )
    async def detect(
        request: Request,
        modality: Annotated[Asked, Query()] = "auto",
        detector: Annotated[list[DetectorName] | None, Query(max_length=MOST_NAMED)] = None,
    ) -> DetectionOut:
        if not origin_allowed(token, request.headers):
            raise HTTPException(403, "only pages of this server may ask for this")
        try:
            found = await _judged(detecting, request, modality, detector)
        except HTTPException as refusal:
            detecting.count({503: "busy", 500: "failed"}.get(refusal.status_code, "refused"))
            raise
        detecting.count("abstained" if found.confidence is None else "judged")
        return DetectionOut.model_validate(found.to_json())

    return router


async def _judged(
    detecting: Detecting, request: Request, modality: Asked, detectors: list[str] | None
) -> Detection:
    """The detection, or an `HTTPException` that says what is in its way."""
    known = detecting.panel.inputs
    unknown = [name for name in detectors or () if name not in known]
    if unknown:
        raise HTTPException(422, f"no such detector; there are: {', '.join(known)}")
    wanted = _hinted(request.headers.get("content-type", "")) if modality == "auto" else modality
    try:
        with detecting.place():
            content = await _body(request, detecting.panel.limits)
            found = await detecting.judge(content, wanted, only=detectors)
    except Busy:
        wait = {"Retry-After": str(RETRY_AFTER_S)}
        raise HTTPException(503, "as many requests as may wait are waiting", wait) from None
    except TooLarge as error:
        raise HTTPException(413, str(error)) from None
    except Undecodable as error:
        raise HTTPException(415, str(error)) from None
    except Permanent as error:
        raise HTTPException(500, str(error)) from None
    if not found.detectors:
        raise HTTPException(422, found.abstained)
    return found


def _hinted(content_type: str) -> Asked:
    """What a Content-Type says of the body; raises 415 for one that no content has."""
    essence = content_type.partition(";")[0].strip().lower()
    if essence in UNKNOWN:
        return "auto"
    if essence in TEXTS:
        return "text"
    hint = HINTS.get(essence.partition("/")[0])
    if hint is None:
        raise HTTPException(
            415, "send the bytes of the file themselves, as application/octet-stream"
        )
    return hint


async def _body(request: Request, limits: Limits) -> bytes:
    """The whole body, as it comes; given up as soon as it is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(RECEIVED_WITHIN_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.bytes:
                    raise HTTPException(413, f"the body is longer than {limits.bytes} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body took longer than {RECEIVED_WITHIN_S:g} s") from None
    return bytes(body)


def _about(detecting: Detecting) -> DetectOut:
    panel = detecting.panel
    looked_at = {modality for inputs in panel.inputs.values() for modality in inputs}
    limits = panel.limits
    return DetectOut(
        detectors=[
            DetectorOut(detector=name, kind=panel.kinds[name], modalities=list(inputs))
            for name, inputs in panel.inputs.items()
        ],
        modalities=[kind for kind, given in HEARS.items() if given & looked_at],
        limits=LimitsOut(
            bytes=limits.bytes,
            pixels=limits.pixels,
            duration_s=limits.duration_s,
            characters=limits.characters,
            judged_within_s=JUDGED_WITHIN_S,
            running=RUNNING,
            waiting=WAITING,
        ),
    )
