"""Values on their way out, for the tests of the sinks."""

from __future__ import annotations

from typing import Any

from streammon.core.ports import StoredAlert
from streammon.core.types import (
    Alert,
    AlertState,
    Health,
    HealthState,
    Meter,
    Modality,
    Overlay,
    Severity,
    StreamId,
)
from streammon.sinks import wire
from streammon.sinks.outbox import NewAlert
from tests.fakes import a_result

CAM = StreamId("cam")


def an_alert(number: int = 0, **more: Any) -> Alert:
    return Alert(
        **{
            "alert_id": f"alert-{number}",
            "incident_id": "incident-0",
            "stream": CAM,
            "kind": "freeze",
            "state": AlertState.OPENED,
            "severity": Severity.WARNING,
            "evidence_level": 1.25,
            "opened_s": 2.0,
            "media_s": 4.0,
            "epoch": 0,
            "captured_ns": 4_000_000_000,
            "why": "the picture has not changed for 2 s",
            "results": (a_result(),),
            **more,
        }
    )


def a_row(number: int = 0, **more: Any) -> NewAlert:
    """An alert as the pipeline gives it to the outbox."""
    alert = an_alert(number, **more)
    return NewAlert(alert.alert_id, alert.stream, wire.dumps(wire.to_wire(alert, wall=None)))


def stored(seq: int, **more: Any) -> StoredAlert:
    row = a_row(seq, **more)
    return StoredAlert(seq, row.alert_id, row.stream, row.body)


def an_overlay(seq: int = 0, **more: Any) -> Overlay:
    return Overlay(
        **{
            "stream": CAM,
            "seq": seq,
            "media_s": seq / 2,
            "captured_ns": seq * 500_000_000,
            "jpeg": b"\xff\xd8" + bytes(64) + b"\xff\xd9",
            "width": 640,
            "height": 360,
            "results": (a_result(),),
            **more,
        }
    )


def a_meter(**more: Any) -> Meter:
    return Meter(
        **{
            "stream": CAM,
            "modality": Modality.AUDIO,
            "media_s": 1.0,
            "captured_ns": 1_000_000_000,
            "level": -23.5,
            "columns": (bytes(range(32)), bytes(32)),
            **more,
        }
    )


def a_health(**more: Any) -> Health:
    return Health(
        **{
            "component": "stream:cam",
            "state": HealthState.UP,
            "cause": "",
            "since_ns": 0,
            "stream": CAM,
            **more,
        }
    )
