"""What of a window is sent to another machine: one file, or a text."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from streammon.core.types import AudioChunk, VideoFrame, Window
from streammon.detectors import model_pictures, model_sound, model_text
from streammon.detectors.model_settings import Content
from streammon.detectors.remote_template import Media

TICKS_PER_S = 1000
"""Matroska counts milliseconds."""


def refusal(window: Window, content: Content) -> str | None:
    """Why there is nothing in it that could be sent, or `None`."""
    if content == "audio":
        return model_sound.refusal(window)
    if content == "text":
        return model_text.refusal(window)
    frames = model_pictures.frames_of(window)
    if not frames:
        return "no undamaged picture"
    return "a picture too large for JPEG" if max(frames[-1].image_rgb.shape) > 65_535 else None


def media_of(window: Window, content: Content, *, frames: int, jpeg_quality: int) -> Media:
    """The window as a file; see `refusal` for those that cannot be. A few ms per picture.

    Sound is WAV, 16 bit, mono, at the monitor's rate, or at the rate it came with where that was
    lower, so that the other side knows its band as well as we do. An image is the picture in the
    middle, as JPEG. A video is up to `frames` pictures, evenly spaced, at the times they have in
    the window: Motion JPEG in Matroska. Text is UTF-8, a line for each message.
    """
    if content == "audio":
        return Media(_wav(model_sound.chunk_of(window)), "audio/wav", "window.wav")
    if content == "text":
        text = model_text.text_of(window).encode()
        return Media(text, "text/plain; charset=utf-8", "window.txt")
    pictures = model_pictures.frames_of(window)
    if content == "image":
        (middle,) = model_pictures.spread(pictures, 1)
        return Media(_jpeg(middle, jpeg_quality), "image/jpeg", "window.jpg")
    size = pictures[-1].image_rgb.shape
    alike = [picture for picture in pictures if picture.image_rgb.shape == size]
    chosen = model_pictures.spread(alike, frames) if len(alike) > frames else alike
    return Media(_matroska(chosen, window, jpeg_quality), "video/x-matroska", "window.mkv")


def _wav(chunk: AudioChunk) -> bytes:
    pcm, rate_hz = chunk.pcm, chunk.rate_hz
    if 0 < chunk.source_rate_hz < rate_hz and rate_hz % chunk.source_rate_hz == 0:
        pcm = pcm[:: rate_hz // chunk.source_rate_hz]  # nothing above the lower band to alias
        rate_hz = chunk.source_rate_hz
    samples = np.rint(np.clip(pcm, -1.0, 1.0) * 32_767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(rate_hz)
        output.writeframes(samples.tobytes())
    return file.getvalue()


def _jpeg(frame: VideoFrame, quality: int) -> bytes:
    from streammon.overlay.encode import encode_jpeg

    return encode_jpeg(frame.image_rgb, quality=quality)


def _matroska(frames: Sequence[VideoFrame], window: Window, quality: int) -> bytes:
    """The pictures as they are coded by `_jpeg`, none of them coded a second time."""
    import av

    ticks = [round((frame.media_s - frames[0].media_s) * TICKS_PER_S) for frame in frames]
    end = max(round((window.end_s - frames[0].media_s) * TICKS_PER_S), ticks[-1] + 1)
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream("mjpeg", rate=Fraction(len(frames) * TICKS_PER_S, end))
        stream.height, stream.width = frames[0].image_rgb.shape[:2]
        stream.pix_fmt = "yuvj420p"
        stream.time_base = Fraction(1, TICKS_PER_S)
        at = -1
        for frame, tick, until in zip(frames, ticks, [*ticks[1:], end], strict=True):
            at = max(tick, at + 1)  # two pictures of one moment: the second a tick later
            packet = av.Packet(_jpeg(frame, quality))
            packet.stream = stream
            packet.time_base = Fraction(1, TICKS_PER_S)
            packet.pts = packet.dts = at
            packet.duration = max(until - at, 1)
            packet.is_keyframe = True
            output.mux_one(packet)
    return file.getvalue()
