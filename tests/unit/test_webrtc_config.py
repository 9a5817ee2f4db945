"""The settings of published streams, and what is said when they do not fit."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest

from streammon.config import parse_config
from streammon.core.errors import ConfigError
from streammon.core.types import Modality, StreamId
from streammon.ingest.webrtc import tap
from streammon.ingest.webrtc.config import WebRtcConfig
from streammon.ingest.webrtc.entrance import Entrance
from streammon.ingest.webrtc.source import WebRtcSource
from streammon.pipelines.building import build, build_sources

CALL = StreamId("call")


def test_one_entry_is_one_stream_and_with_admits_many() -> None:
    one = WebRtcConfig(audio=False).build(CALL)
    assert isinstance(one, WebRtcSource)
    assert one.modalities == {Modality.VIDEO}
    many = WebRtcConfig(admits=3).build(CALL)
    assert isinstance(many, Entrance)
    assert many.sources == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"video": False, "audio": False}, "video and audio are both off"),
        ({"start_kbps": 100}, "start_kbps must lie between"),
        ({"origins": ["*"]}, "needs a token of its own"),
        ({"origins": ["calls.example.org"]}, "a site like https://example.org"),
        ({"addresses": ["0.0.0.0"]}, "no address of this machine"),
        ({"addresses": ["localhost"]}, "does not appear to be an IPv4 or IPv6 address"),
        ({"ice_servers": [{"url": "https://turn.example.org"}]}, "ice_servers.0.url"),
        ({"ice_servers": [{"url": "stun:x", "username": 'a"b'}]}, "ice_servers.0.username"),
        ({"admits": 1000}, "admits"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_config({"sources": {"call": {"type": "webrtc", **settings}}})
    assert "sources.call" in str(caught.value)


def test_secrets_are_not_repeated() -> None:
    config = WebRtcConfig.model_validate(
        {
            "token": "publish-t0ken",
            "ice_servers": [{"url": "turn:x", "username": "u", "credential": "turn-s3cret"}],
        }
    )
    source = config.build(CALL)
    assert "t0ken" not in repr(config) + repr(source.door)
    assert "s3cret" not in repr(config) + repr(source.door)


def test_only_one_entry_may_admit_streams_of_any_name() -> None:
    admits: dict[str, Any] = {"type": "webrtc", "admits": 2}
    freeze: dict[str, Any] = {"freeze": {}}
    with pytest.raises(ConfigError, match="a and b admit streams of any name: only one may"):
        build(parse_config({"sources": {"a": admits, "b": admits}, "detectors": freeze}))
    config = parse_config({"sources": {"a": admits, "b": {"type": "webrtc"}}, "detectors": freeze})
    parts = build(config)
    assert [source.stream for source in parts.sources] == ["b"]
    assert len(parts.entrances) == 1
    assert [source.stream for source in build_sources(config)] == ["b"]


@pytest.mark.parametrize("found", ["1.15.0", "1.17.0", "2.0.0", None])
def test_another_aiortc_or_none_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, found: str | None
) -> None:
    def version(name: str) -> str:
        if found is None:
            raise PackageNotFoundError(name)
        return found

    monkeypatch.setattr(tap, "version", version)
    with pytest.raises(ConfigError, match=f"try: {re.escape(tap.INSTALL)}$"):
        WebRtcConfig().build(CALL)
