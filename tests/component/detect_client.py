"""What tests of `/detect` ask it with: a client of the real application and a small detector."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import cv2
import httpx
import numpy as np
from pydantic import SecretStr

from streammon.config import ServerConfig
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Modality, Window, WindowSpec, WindowUnit
from streammon.pipelines.detect import Panel
from streammon.server.app import build_app
from streammon.server.detecting import LIMITS, Detecting
from streammon.telemetry.metrics import Metrics
from tests.browser.scripted_monitor import ScriptedMonitor

TOKEN = "a-long-secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
RAW = {"Content-Type": "application/octet-stream"}
SOON_S = 20.0


class Reader:
    """Says of every text how much of it is in capitals; can be made to wait."""

    name = "capitals"
    kind = "shouting"
    inputs: Mapping[Modality, WindowSpec] = {Modality.TEXT: WindowSpec(1, 0, WindowUnit.MESSAGES)}
    on_device = False
    max_batch = 1

    def __init__(self) -> None:
        self.loads = 0
        self.scoring = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def load(self, device: str) -> None:
        self.loads += 1

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.scoring.set()
        assert self.go_on.wait(SOON_S)
        return [self._judge(window) for window in batch]

    def _judge(self, window: Window) -> DetectionResult:
        text = getattr(window.items[0], "text", "")
        share = sum(letter.isupper() for letter in text) / len(text)
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used="capitals-1",
            confidence=share,
            is_ai_generated=share >= 0.5,
        )


@asynccontextmanager
async def asking(
    *detectors: Detector, token: str | None = None, metrics: Metrics | None = None
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the real application, whose detectors are these."""
    figures = metrics or Metrics()
    settings = ServerConfig(token=None if token is None else SecretStr(token))
    panel = Panel({one.name: one for one in detectors}, device="cpu", limits=LIMITS)
    async with ScriptedMonitor([]) as monitor, Detecting(panel, figures) as detecting:
        app = build_app(monitor, monitor.hub, figures, settings, detecting=detecting)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


def grey_png(level: int, width: int = 40) -> bytes:
    return bytes(cv2.imencode(".png", np.full((30, width, 3), level, np.uint8))[1])
