"""A camera of this machine, or a test pattern in its place."""

from __future__ import annotations

import sys
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from streammon.core.types import StreamId
from streammon.ingest.av_input import Input
from streammon.ingest.av_source import AvSource, Reading
from streammon.ingest.causes import Place
from streammon.registry import AdapterConfig

PATTERN = "lavfi:"


class WebcamConfig(AdapterConfig):
    """A Video4Linux camera by path or number. Its pictures are not kept for clips when raw."""

    type: Literal["webcam"] = "webcam"
    device: str | int = 0
    """`/dev/video0`, its number, or `lavfi:` and a pattern."""
    size: str | None = Field(None, pattern=r"^\d{2,5}x\d{2,5}$")
    """Such as `1280x720`; unset: what the camera prefers."""
    fps: PositiveFloat | None = None
    input_format: str | None = Field(None, pattern=r"^[a-z0-9]+$")
    """Such as `mjpeg` or `yuyv422`; unset: what the camera prefers."""
    audio: str | None = None
    """Sound for a pattern, as `lavfi:` and a pattern; for a camera use a microphone source."""
    stall_s: PositiveFloat = 5.0
    open_timeout_s: PositiveFloat = 10.0
    pre_roll_s: float = Field(10.0, ge=0.0, le=600.0)
    max_ring_mb: PositiveInt = 32
    width: int = Field(640, ge=64, le=3840)
    """Pictures wider than this are scaled down."""

    @model_validator(mode="after")
    def possible(self) -> WebcamConfig:
        if self.audio is not None and not (
            self._pattern is not None and self.audio.startswith(PATTERN)
        ):
            raise ValueError("audio needs `lavfi:` patterns for both the device and the sound")
        if self._pattern is None and sys.platform != "linux":
            raise ValueError("cameras are read through Video4Linux, which only Linux has")
        return self

    @property
    def _pattern(self) -> str | None:
        device = str(self.device)
        return device.removeprefix(PATTERN) if device.startswith(PATTERN) else None

    def build(self, stream: StreamId) -> AvSource:
        reading = Reading(
            audio=self.audio is not None,
            width=self.width,
            paced=self._pattern is not None,
            pre_roll_s=self.pre_roll_s,
            max_ring_bytes=self.max_ring_mb * 2**20,
        )
        return AvSource(stream, self._input(), reading)

    def _input(self) -> Input:
        options = {
            name: str(value)
            for name, value in (
                ("video_size", self.size),
                ("framerate", self.fps),
                ("input_format", self.input_format),
            )
            if value is not None
        }
        device = str(self.device)
        if self._pattern is None:
            url = f"/dev/video{device}" if device.isdigit() else device
        elif self.audio is None:
            url, options = self._pattern, {}
        else:
            url, options = f"{self._pattern}[out0];{self.audio.removeprefix(PATTERN)}[out1]", {}
        return Input(
            url,
            Place.DEVICE if self._pattern is None else Place.PATTERN,
            format="v4l2" if self._pattern is None else "lavfi",
            options=options,
            open_timeout_s=self.open_timeout_s,
            stall_s=self.stall_s,
            live=True,
        )
