"""Settings of a detector on another machine: another streammon, or any JSON API.

What it looks at leaves this machine. Nothing does unless such a detector is configured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)

from streammon.core.ports import Detector
from streammon.core.types import WindowSpec, WindowUnit
from streammon.detectors.model_settings import Content, ModelConfig, WindowSettings, window_spec
from streammon.detectors.remote_settings import PollSettings, RequestSettings, ResponseSettings
from streammon.sections import is_loopback

if TYPE_CHECKING:
    from streammon.detectors.remote_said import Exchange

USUAL: Mapping[Content, WindowSettings] = {
    "image": WindowSettings(length=4.0, unit=WindowUnit.SECONDS, frame_interval_s=2.0),
    "video": WindowSettings(length=4.0, unit=WindowUnit.SECONDS, frame_interval_s=0.5),
    "audio": WindowSettings(length=4.0),
    "text": WindowSettings(length=600.0),
}
"""Every window is a request that someone pays for: they are not to overlap unless told."""


class RemoteConfig(ModelConfig):
    """A detector on another machine, asked over HTTP: what it looks at is sent there."""

    type: Literal["remote"] = "remote"
    url: str
    """Of another streammon, such as `https://gpu-host:8787`; of an API, without the path."""
    protocol: Literal["streammon", "template"] = "streammon"
    """`template`: any JSON API, as `request`, `response` and perhaps `poll` say."""
    modality: Content
    """What is sent: one picture, a clip of several, sound, or text."""
    token: SecretStr | None = None
    """Of the other streammon."""
    detector: tuple[str, ...] = Field((), max_length=16)
    """Which of its detectors are to judge, by their names there; unset: all that can."""
    request: RequestSettings | None = None
    poll: PollSettings | None = None
    response: ResponseSettings | None = None
    insecure: bool = False
    """Send it over plain HTTP to another machine, where anyone on the way can read it."""
    ca_file: Path | None = None
    """PEM file of the authority that signed the other side's certificate, instead of those that
    this system trusts."""
    frames: PositiveInt = Field(8, le=64)
    """Pictures of a clip at most, evenly spaced."""
    jpeg_quality: int = Field(95, ge=50, le=100)
    timeout_s: PositiveFloat = Field(10.0, le=600.0)
    """Of one try, from connecting to the last byte of the answer."""
    retries: NonNegativeInt = Field(2, le=10)
    """Of requests that were not judged: no connection, or busy (429, 502, 503, 504)."""
    longest_wait_s: PositiveFloat = Field(30.0, le=600.0)
    """Of a batch, with its retries, pauses and polling; then what is left abstains."""
    concurrency: PositiveInt = Field(4, le=32)
    """Requests, and connections, at a time."""
    failures: PositiveInt = 5
    """So many in a row and it is left alone for `rest_s`; windows then abstain at once."""
    rest_s: PositiveFloat = 30.0
    max_batch: PositiveInt = Field(8, le=64)

    @field_validator("detector", mode="before")
    @classmethod
    def one_is_enough(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given

    @field_validator("url")
    @classmethod
    def url_is_an_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            is_address = parts.port != 0 and bool(parts.hostname)
        except ValueError:  # a port or a bracket that is none
            is_address = False
        if not is_address or parts.scheme not in {"http", "https"}:
            raise ValueError("it has to be http://host:port or https://host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("it must hold no user and password: `token` or `headers` is for those")
        if parts.query or parts.fragment:
            raise ValueError("it must have no ? and no #: `request.query` is for those")
        return url.rstrip("/")

    @model_validator(mode="after")
    def nothing_is_sent_in_the_open(self) -> RemoteConfig:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or "") and not self.insecure:
            raise ValueError(
                "`url` has to be https: what is sent to another machine, the token included, "
                "could be read on the way (`insecure: true` sends it all the same)"
            )
        return self

    @model_validator(mode="after")
    def one_protocol(self) -> RemoteConfig:
        if self.protocol == "streammon" and (self.request or self.poll or self.response):
            raise ValueError("`request`, `poll` and `response` are for `protocol: template`")
        if self.protocol == "template" and (self.token is not None or self.detector):
            raise ValueError("`token` and `detector` are for another streammon: use `request`")
        if self.timeout_s > self.longest_wait_s:
            raise ValueError("`timeout_s` must not be longer than `longest_wait_s`")
        self.exchange()
        self.spec()
        return self

    def exchange(self) -> Exchange:
        """How it is asked. Raises `ValueError` for a template that cannot be filled in."""
        if self.protocol == "template":
            from streammon.detectors.remote_json_api import JsonApi

            if self.request is None or self.response is None:
                raise ValueError("`protocol: template` needs `request` and `response`")
            return JsonApi(self.modality, self.request, self.poll, self.response)
        from streammon.detectors.remote_streammon import Streammon

        token = None if self.token is None else self.token.get_secret_value()
        return Streammon(self.modality, self.detector, token)

    def spec(self) -> WindowSpec:
        """How the stream is cut for it. Raises `ValueError` when it cannot be."""
        return window_spec(self.modality, self.window or USUAL[self.modality], frames=self.frames)

    def build(self, name: str) -> Detector:
        from streammon.detectors.remote_detector import RemoteDetector

        return RemoteDetector(name, self)
