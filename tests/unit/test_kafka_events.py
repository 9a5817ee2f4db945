from __future__ import annotations

import json
from typing import Any

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.ports import StoredAlert
from streammon.core.types import StreamId
from streammon.sinks import wire
from streammon.sinks.kafka_events import (
    OVERLAY_HEADER,
    Record,
    alert_record,
    health_record,
    overlay_record,
    result_record,
)
from tests.fakes import FakeClock, a_result
from tests.outgoing import a_health, an_alert, an_overlay
from tests.wire_schema import checked

WALL = wire.WallClock(FakeClock(), wall_ns=lambda: 1_795_000_000_125_000_000)


def judged(record: Record) -> tuple[dict[str, Any], Any]:
    """What the CloudEvents library makes of it: attributes and data."""
    headers = {}
    for name, value in record.headers:
        assert isinstance(value, bytes)
        headers[name] = value
    assert len(headers) == len(record.headers)
    event = from_binary(KafkaMessage(headers, record.key, record.value), JSONFormat())
    return event.get_attributes(), event.get_data()


def an_alert_record(stream: str = "cam") -> Record:
    alert = an_alert(stream=StreamId(stream))
    body = wire.dumps(wire.to_wire(alert, wall=WALL))
    return alert_record(StoredAlert(7, alert.alert_id, alert.stream, body))


def test_an_alert_is_a_cloud_event_whose_id_is_the_alerts() -> None:
    attributes, data = judged(an_alert_record())
    assert attributes["specversion"] == "1.0"
    assert attributes["id"] == "alert-0"
    assert attributes["source"] == "/streams/cam"
    assert attributes["type"] == "io.streammon.alert.v1"
    assert attributes["datacontenttype"] == "application/json"
    assert attributes["partitionkey"] == "cam"
    assert attributes["time"].isoformat(timespec="milliseconds") == "2026-11-18T11:06:40.125+00:00"
    assert checked(json.dumps(data))["alert_id"] == "alert-0"


def test_an_alert_of_a_replay_has_no_time() -> None:
    alert = an_alert()
    body = wire.dumps(wire.to_wire(alert, wall=None))
    record = alert_record(StoredAlert(7, alert.alert_id, alert.stream, body))
    assert "ce_time" not in dict(record.headers)
    assert judged(record)[0]["id"] == alert.alert_id


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_odd_stream_names_make_good_cloud_events(stream: str) -> None:
    attributes, _ = judged(an_alert_record(stream))
    assert attributes["partitionkey"] == stream
    assert attributes["source"].isascii()
    assert attributes["source"].count("/") == 2


def test_results_and_health_are_cloud_events() -> None:
    attributes, data = judged(result_record(a_result(), WALL))
    assert attributes["type"] == "io.streammon.result.v1"
    assert checked(json.dumps(data))["detector"] == "brightness"
    attributes, data = judged(health_record(a_health(), WALL))
    assert attributes["type"] == "io.streammon.health.v1"
    assert checked(json.dumps(data))["component"] == "stream:cam"


def test_the_same_result_has_the_same_id_and_another_has_another() -> None:
    first, again = result_record(a_result(), WALL), result_record(a_result(), WALL)
    other = result_record(a_result(end_s=2.0), WALL)
    assert first == again
    assert dict(first.headers)["ce_id"] != dict(other.headers)["ce_id"]


def test_a_component_without_a_stream_is_its_own_key() -> None:
    assert health_record(a_health(component="scheduler", stream=None), WALL).key == b"scheduler"


def test_a_frame_carries_its_header_beside_the_picture() -> None:
    record = overlay_record(an_overlay(3), WALL)
    headers = dict(record.headers)
    assert record.value == an_overlay(3).jpeg
    assert headers["content-type"] == b"image/jpeg"
    header = headers[OVERLAY_HEADER]
    assert isinstance(header, bytes)
    assert checked(header)["seq"] == 3
