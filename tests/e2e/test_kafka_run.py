"""The whole monitor with a real broker: incidents and overlaid pictures reach their topics."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from tests.e2e.program import streammon
from tests.loopback.kafka_broker import Broker, kafka_broker

__all__ = ["kafka_broker"]

DEMO = Path(str(files("streammon.demo")))

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


def test_alerts_and_pictures_of_a_frozen_camera_reach_kafka(
    kafka_broker: Broker, tmp_path: Path
) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(
        f"sources: {{cam: {{type: av_url, url: '{DEMO / 'camera_frozen.mp4'}'}}}}\n"
        "detectors: {freeze: {}}\n"
        f"sinks: {{kafka: {{bootstrap: '127.0.0.1:{kafka_broker.port}', overlays: true}}}}\n"
        "server: {enabled: false}\n"
    )
    with streammon(tmp_path, "run", str(config), "--quiet") as program:
        program.wait_for_line(within_s=60, type="alert", state="opened", kind="freeze")
        assert program.stop() == 0
        lines = program.lines()
    expected = [line["alert_id"] for line in lines if line["type"] == "alert"]
    messages = kafka_broker.read(
        "streammon.alerts.v1", until=lambda found: len(found) >= len(expected)
    )
    bodies = [json.loads(message.value() or b"") for message in messages]
    assert [body["alert_id"] for body in bodies] == expected
    assert {message.key() for message in messages} == {b"cam"}
    assert dict(messages[0].headers() or [])["ce_type"] == b"io.streammon.alert.v1"
    (frame, *_) = kafka_broker.read("streammon.frames.v1", until=lambda found: len(found) >= 1)
    assert (frame.value() or b"")[:2] == b"\xff\xd8"
