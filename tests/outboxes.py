"""Outboxes for tests."""

from __future__ import annotations

from pathlib import Path

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.sinks.outbox import MEMORY, Outbox

CLOCK = MonotonicClock()


def an_outbox(path: Path | str = MEMORY, **settings: object) -> Outbox:
    return Outbox(OutboxConfig.model_validate(settings), path, clock=CLOCK)
