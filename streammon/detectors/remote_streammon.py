"""Asks the `/detect` of another streammon; see docs/detect.md there."""

from __future__ import annotations

import math
from collections.abc import Mapping

from streammon.core.errors import Permanent
from streammon.core.types import Json, Window
from streammon.detectors.model_settings import MODALITY, Content
from streammon.detectors.remote_line import Away, Call, Line, Refused
from streammon.detectors.remote_said import NO_NUMBER, Said, bounded, confidence_of
from streammon.detectors.remote_template import Media

PATH = "/detect"
MOST_DETECTORS = 16
"""Detectors of the other streammon that a result tells of."""
NOT_ONE = "its answer is not that of a streammon: check `url`"


class Streammon:
    """Satisfies `remote_said.Exchange`."""

    decides = True

    def __init__(self, content: Content, detectors: tuple[str, ...], token: str | None) -> None:
        """`detectors`: those that are to judge, by their names over there; none: all of them."""
        self._content = content
        self._detectors = detectors
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def greet(self, line: Line, *, until_s: float) -> None:
        """Whether it knows the detectors by name, and has one for this content."""
        about = await line.ask(Call("GET", PATH, headers=self._headers), until_s=until_s)
        offered = about.get("detectors") if isinstance(about, dict) else None
        if not isinstance(offered, list):
            raise Away(NOT_ONE)
        looks = {
            bounded(one.get("detector")): one.get("modalities")
            for one in offered
            if isinstance(one, dict)
        }
        known = ", ".join(sorted(looks)[:MOST_DETECTORS]) or "none"
        unknown = [name for name in self._detectors if name not in looks]
        if unknown:
            raise Permanent(f"it has no detector {', '.join(unknown)}; it has: {known}")
        listed = [looks[name] for name in self._detectors or looks]
        wanted = MODALITY[self._content]
        if not any(isinstance(each, list) and wanted in each for each in listed):
            raise Permanent(f"none of its detectors looks at {self._content}; it has: {known}")

    async def judge(self, line: Line, window: Window, media: Media, *, until_s: float) -> Said:
        query = [("modality", self._content), *(("detector", name) for name in self._detectors)]
        try:
            call = Call("POST", PATH, query, self._headers, raw=media)
            return _said(await line.ask(call, until_s=until_s))
        except Refused as error:
            told = error.detail.get("detail") if isinstance(error.detail, dict) else None
            why = bounded(told)
            raise Refused(f"{error}: {why}" if why else str(error)) from error


def _said(answer: Json) -> Said:
    """Raises `Away` for what is no detection."""
    if not isinstance(answer, dict) or (answer.get("v"), answer.get("type")) != (1, "detection"):
        raise Away(NOT_ONE)
    verdicts = answer.get("detectors")
    listed = verdicts[:MOST_DETECTORS] if isinstance(verdicts, list) else []
    told: list[Json] = [_told(one) for one in listed if isinstance(one, dict)]
    confidence = confidence_of(answer.get("confidence"))
    generated = answer.get("is_ai_generated")
    return Said(
        confidence,
        (bounded(answer.get("abstained")) or NO_NUMBER) if confidence is None else None,
        generated if isinstance(generated, bool) and confidence is not None else None,
        bounded(answer.get("model_used")),
        {"detectors": told},
    )


def _told(verdict: Mapping[str, Json]) -> Json:
    """Of one detector over there: who, the number or the reason, and the model."""
    told: dict[str, Json] = {
        name: text
        for name in ("detector", "abstained", "model_used")
        if (text := bounded(verdict.get(name)))
    }
    number = verdict.get("confidence")
    if isinstance(number, float) and math.isfinite(number):
        told["confidence"] = round(number, 4)
    return told
