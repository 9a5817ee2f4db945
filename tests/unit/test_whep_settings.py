"""What a config may say of watching live."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from streammon.sections import ServerConfig, WhepConfig


def test_it_is_on_and_bounded_unless_told_otherwise() -> None:
    settings = ServerConfig().whep
    assert settings.enabled
    assert settings.viewers > 0
    assert settings.streams > 0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"origins": ["example.org"]}, "an origin is a site"),
        ({"origins": ["*"]}, "needs a token of its own"),
        ({"addresses": ["0.0.0.0"]}, "name the ones to use"),
        ({"width": 1920}, "less than or equal to 1280"),
        ({"fps": 60}, "less than or equal to 30"),
        ({"viewers": 0}, "greater than or equal to 1"),
        ({"ice_servers": [{"url": "http://example.org"}]}, "pattern"),
        ({"bitrate": 5}, "Extra inputs"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        WhepConfig.model_validate(settings)


def test_secrets_are_not_repeated() -> None:
    servers = [{"url": "turn:192.0.2.9", "username": "ann", "credential": "s3cret"}]
    settings = WhepConfig.model_validate({"token": "t0ken", "ice_servers": servers})
    assert "t0ken" not in repr(settings)
    assert "s3cret" not in repr(settings)
