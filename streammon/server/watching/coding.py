"""Draws pictures and codes pictures and sound, on a thread; each only once for all viewers."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, TypeAlias

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from numpy.typing import NDArray

from streammon.core.types import Alert, DetectionResult, VideoFrame
from streammon.media.tracks import MediaPacket
from streammon.overlay.draw import draw
from streammon.sections import WhepConfig

VideoCodec: TypeAlias = Literal["H264", "VP8"]
Said: TypeAlias = tuple[tuple[DetectionResult, ...], tuple[Alert, ...]]
"""What is drawn into a picture: results, and open incidents."""

VIDEO_HZ, SOUND_HZ = 90_000, 16_000
SOUND_S = 0.02
SOUND_BITS_S = 40_000
KEYFRAME_S = 10.0
"""One is made at least so often; whoever needs one sooner asks."""
MOST_PIXELS = 1280 * 720
"""At 30 a second the most that level 3.1 of H.264 has, which every offer allows."""
PAST_STEP_S, PAST_STEPS = 0.5, 60
"""The scores of the recent past that are drawn: one each half second, for half a minute."""
REGION_LIFE_S = 2.0
"""How long after its window a box is still drawn: things move, and scores less so."""
GAP_S = 0.03
"""Sound whose time differs by more than this from what was expected is a gap."""

_CODERS: dict[VideoCodec, tuple[str, dict[str, str]]] = {
    "H264": (
        "libx264",
        {
            "preset": "superfast",
            "tune": "zerolatency",
            "profile": "baseline",
            "level": "31",
            "crf": "25",
            "forced-idr": "1",
            "sc_threshold": "0",
        },
    ),
    "VP8": (
        "libvpx",
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "crf": "20"},
    ),
}


@dataclass(frozen=True, slots=True)
class Coded:
    """One coded picture, or 20 ms of coded sound, shared by all viewers. Nobody changes it."""

    packet: MediaPacket
    at_s: float
    """On the stream's live clock."""
    is_keyframe: bool = True


class PictureCoder:
    """Draws what was said into frames, and codes each for the codecs that viewers have.

    For one thread at a time. A change of size, or a codec that nobody had before, begins with a
    keyframe.
    """

    def __init__(self, settings: WhepConfig) -> None:
        self._settings = settings
        self._coders: dict[VideoCodec, VideoCodecContext] = {}
        self._last_ticks = -1
        self._past: deque[float | None] = deque(maxlen=PAST_STEPS)
        self._past_s = float("-inf")

    def code(
        self,
        frame: VideoFrame,
        said: Said,
        at_s: float,
        *,
        codecs: Collection[VideoCodec],
        keyframes: Collection[VideoCodec],
    ) -> dict[VideoCodec, Coded]:
        """The frame in each of `codecs`, as a keyframe where one is wanted.

        Empty for a moment that is not after the one before, or a picture too small to code.
        """
        ticks = round(at_s * VIDEO_HZ)
        image_rgb = self._drawn(frame, said, at_s)
        if ticks <= self._last_ticks or min(image_rgb.shape[:2]) < 2:
            return {}
        self._last_ticks = ticks
        picture = av.VideoFrame.from_ndarray(image_rgb, format="rgb24").reformat(format="yuv420p")
        picture.pts, picture.time_base = ticks, Fraction(1, VIDEO_HZ)
        self._coders = {name: one for name, one in self._coders.items() if name in codecs}
        coded: dict[VideoCodec, Coded] = {}
        for name in codecs:
            coder = self._coder(name, picture.width, picture.height)
            wanted = name in keyframes
            picture.pict_type = PictureType.I if wanted else PictureType.NONE
            for packet in coder.encode(picture):
                coded[name] = Coded(packet, at_s, packet.is_keyframe)
        return coded

    def _drawn(self, frame: VideoFrame, said: Said, at_s: float) -> NDArray[np.uint8]:
        """The frame with what was said of it, with sides that are even."""
        results, incidents = tuple(_without_old_boxes(said[0], frame.media_s)), said[1]
        if at_s - self._past_s >= PAST_STEP_S:
            self._past_s = at_s
            scores = [one.confidence for one in results if one.confidence is not None]
            self._past.append(max(scores, default=None))
        high, wide = frame.image_rgb.shape[:2]
        width = min(self._settings.width, wide, int((MOST_PIXELS * wide / high) ** 0.5))
        drawn = draw(
            frame, results=results, history=tuple(self._past), incidents=incidents, width=width
        )
        return np.ascontiguousarray(drawn[: drawn.shape[0] & ~1, : drawn.shape[1] & ~1])

    def _coder(self, name: VideoCodec, width: int, height: int) -> VideoCodecContext:
        coder = self._coders.get(name)
        if coder is None or (coder.width, coder.height) != (width, height):
            coder = self._coders[name] = _new_coder(name, (width, height), self._settings)
        return coder


def _without_old_boxes(
    results: Sequence[DetectionResult], media_s: float
) -> Iterator[DetectionResult]:
    for result in results:
        old = bool(result.regions) and result.end_s < media_s - REGION_LIFE_S
        yield replace(result, regions=()) if old else result


def _new_coder(name: VideoCodec, size: tuple[int, int], settings: WhepConfig) -> VideoCodecContext:
    program, options = _CODERS[name]
    coder = av.CodecContext.create(program, "w")
    assert isinstance(coder, VideoCodecContext)
    bits_s = settings.kbps * 1000
    (coder.width, coder.height), coder.pix_fmt = size, "yuv420p"
    coder.time_base = Fraction(1, VIDEO_HZ)
    coder.framerate = Fraction(settings.fps).limit_denominator(1000)
    coder.bit_rate, coder.thread_count = bits_s, 1
    coder.gop_size = max(1, round(KEYFRAME_S * settings.fps))
    coder.options = {**options, "maxrate": str(bits_s), "bufsize": str(bits_s // 2)}
    return coder


class SoundCoder:
    """Codes mono sound of 16 kHz as Opus, 20 ms at a time. For one thread at a time."""

    def __init__(self) -> None:
        coder = av.CodecContext.create("libopus", "w")
        assert isinstance(coder, AudioCodecContext)
        coder.sample_rate, coder.layout, coder.format = SOUND_HZ, "mono", "s16"
        coder.bit_rate = SOUND_BITS_S
        coder.options = {"application": "audio"}
        self._coder = coder
        self._rest: NDArray[np.int16] = np.empty(0, np.int16)
        self._next = self._coded = 0

    def code(self, pcm: NDArray[np.float32], at_s: float) -> Sequence[Coded]:
        """What is complete with these samples, the first of which is of `at_s`.

        After a gap it goes on with the samples behind it; what lies before what is coded
        already is left out.
        """
        samples = (np.clip(pcm, -1.0, 1.0) * 32_767).astype(np.int16)
        expected = self._next + len(self._rest)
        first = round(at_s * SOUND_HZ)
        if abs(first - expected) > GAP_S * SOUND_HZ:
            late = max(0, self._next - first)
            samples, self._rest = samples[late:], self._rest[:0]
            self._next = max(self._next, first)
        samples = np.concatenate((self._rest, samples))
        size = round(SOUND_S * SOUND_HZ)
        whole = len(samples) // size * size
        self._rest = samples[whole:]
        coded: list[Coded] = []
        for begin in range(0, whole, size):
            frame = av.AudioFrame.from_ndarray(
                samples[None, begin : begin + size], format="s16", layout="mono"
            )
            frame.sample_rate, frame.pts = SOUND_HZ, self._coded
            frame.time_base = Fraction(1, SOUND_HZ)
            for packet in self._coder.encode(frame):  # one for each; it counts without gaps
                packet.pts = (packet.pts or 0) + self._next - self._coded
                coded.append(Coded(packet, packet.pts / SOUND_HZ))
            self._next += size
            self._coded += size
        return coded
