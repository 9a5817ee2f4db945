"""A fake meeting bot, written from Recall.ai's documents: no real meeting was recorded."""

from __future__ import annotations

import base64
import json
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.core.signatures import webhook_signature

RATE_HZ = 16_000
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BOT = "b0b0b0b0-0000-4000-8000-000000000001"


def signed(now_s: int, secret: str = SECRET) -> dict[str, str]:
    """The headers of a WebSocket's upgrade."""
    signature = webhook_signature(secret, message_id="msg_1", timestamp=str(now_s), body=b"")
    return {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(now_s),
        "Webhook-Signature": signature,
    }


def sound(samples: NDArray[np.int16], at_s: float, person: int = 100, *, bot: str = BOT) -> str:
    buffer = base64.b64encode(samples.astype("<i2").tobytes()).decode()
    return _message("audio_separate_raw.data", buffer, at_s, person, bot)


def picture(
    level: int, at_s: float, person: int = 100, *, shows: str = "webcam", bot: str = BOT
) -> str:
    image = np.full((36, 64, 3), level, np.uint8)
    buffer = base64.b64encode(cv2.imencode(".png", image)[1].tobytes()).decode()
    return _message("video_separate_png.data", buffer, at_s, person, bot, type=shows)


def joined(person: int, at_s: float) -> str:
    return _message("participant_events.join", "", at_s, person, BOT)


def _message(event: str, buffer: str, at_s: float, person: int, bot: str, **more: Any) -> str:
    inner = {
        "buffer": buffer,
        "timestamp": {"relative": at_s, "absolute": "2026-11-22T04:00:00Z"},
        "participant": {"id": person, "name": f"Ann{person}", "is_host": False, "extra_data": {}},
        **more,
    }
    outer = {
        "data": inner,
        "realtime_endpoint": {"id": "e", "metadata": {}},
        "recording": {"id": "r", "metadata": {}},
        "bot": {"id": bot, "metadata": {}},
    }
    return json.dumps({"event": event, "data": outer})
