"""A fake provider of phone calls, written from the providers' documents: no real call was recorded.

Twilio's message shapes and the order of its messages are those of
twilio.com/docs/voice/media-streams/websocket-messages, Telnyx's those of
developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from streammon.ingest.calls.proofs import twilio_signature

RATE_HZ = 8_000
CHUNK = 160
TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC_URL = "wss://voice.example.org/calls"
CALL = "CA0123456789abcdef0123456789abcdef"


def tone(seconds: float, pitch_hz: float = 440.0) -> NDArray[np.int16]:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (8_000 * np.sin(2 * np.pi * pitch_hz * t)).astype(np.int16)


def coded(samples: NDArray[np.int16], coding: str = "pcm_mulaw") -> bytes:
    """G.711 by FFmpeg."""
    encoder = av.CodecContext.create(coding, "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = RATE_HZ
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


class Twilio:
    """One call as Twilio streams it: every number is text."""

    def __init__(self, call: str = CALL) -> None:
        self.call = call
        self._sequence = 0

    def headers(self, token: str = TOKEN, url: str = PUBLIC_URL) -> dict[str, str]:
        return {"X-Twilio-Signature": twilio_signature(url, token)}

    def opening(self, **shape: Any) -> list[str]:
        shaped = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1, **shape}
        start = {
            "accountSid": "AC0",
            "callSid": self.call,
            "streamSid": "MZ0",
            "tracks": ["inbound", "outbound"],
            "mediaFormat": shaped,
            "customParameters": {},
        }
        connected = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        return [connected, self._message("start", start=start)]

    def media(
        self, samples: NDArray[np.int16], track: str = "inbound", *, first: int = 1
    ) -> list[str]:
        """20 ms in each; `first` is the number of the first."""
        payload = coded(samples)
        pieces = [payload[at : at + CHUNK] for at in range(0, len(payload), CHUNK)]
        return [self.piece(number, piece, track) for number, piece in enumerate(pieces, first)]

    def piece(self, chunk: int, payload: bytes, track: str = "inbound") -> str:
        media = {
            "track": track,
            "chunk": str(chunk),
            "timestamp": str((chunk - 1) * 20),
            "payload": base64.b64encode(payload).decode(),
        }
        return self._message("media", media=media)

    def dtmf(self, digit: str) -> str:
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def mark(self) -> str:
        return self._message("mark", mark={"name": "said it"})

    def stop(self) -> str:
        return self._message("stop", stop={"accountSid": "AC0", "callSid": self.call})

    def _message(self, event: str, **more: Any) -> str:
        self._sequence += 1
        said = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": "MZ0"}
        return json.dumps({**said, **more})


class Telnyx(Twilio):
    """The same call as Telnyx streams it."""

    def headers(self, token: str = TOKEN, url: str = PUBLIC_URL) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    def opening(self, **shape: Any) -> list[str]:
        shaped = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1, **shape}
        start = {"user_id": "u0", "call_control_id": "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZ"}
        connected = json.dumps({"event": "connected", "version": "1.0.0"})
        return [connected, self._message("start", start={**start, "media_format": shaped})]

    def stop(self) -> str:
        return self._message("stop", stop={"user_id": "u0", "call_control_id": "v3:MdI91X4l"})

    def _message(self, event: str, **more: Any) -> str:
        self._sequence += 1
        said = {"event": event, "sequence_number": str(self._sequence), "stream_id": self.call}
        return json.dumps({**said, **more})


def without(messages: Sequence[str], lost: Iterable[int]) -> list[str]:
    """The network lost these."""
    gone = set(lost)
    return [message for at, message in enumerate(messages) if at not in gone]


def swapped(messages: Sequence[str], pairs: Iterable[int]) -> list[str]:
    """Each of these came after its successor."""
    mixed = list(messages)
    for at in pairs:
        mixed[at], mixed[at + 1] = mixed[at + 1], mixed[at]
    return mixed


def both_tracks(first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    """In turn, as both sides of a call come."""
    for pair in zip(first, second, strict=True):
        yield from pair
