"""The audit log as lines: a full disk spoils none, and none is written twice."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Retryable
from streammon.sinks.moderation.lines import Lines
from streammon.sinks.moderation.settings import ModerationConfig
from tests.moderating import Court, an_alert, named


async def test_half_a_batch_of_lines_is_taken_back(tmp_path: Path) -> None:
    out, court = tmp_path / "actions.jsonl", Court(ModerationConfig(dry_run=False))
    out.write_bytes(b"{}\n")
    court.hear(an_alert(named("a", "m1"), named("b", "m2")))

    async def scribe(work: Callable[[], Any]) -> Any:
        return work()

    lines = Lines(str(out), court.ledger, scribe, clock=MonotonicClock(), told=0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(Retryable, match="No space left"):
            await lines.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert out.read_bytes() == b"{}\n"
    await lines.flush()
    assert [json.loads(line).get("seq") for line in out.read_text().splitlines()][:2] == [None, 1]


async def test_who_is_cancelled_while_a_line_is_written_does_not_write_it_again(
    tmp_path: Path,
) -> None:
    out, court = tmp_path / "actions.jsonl", Court(ModerationConfig(dry_run=False))
    court.hear(an_alert(named("a", "m1"), named("b", "m2")))
    cancelled: list[bool] = []

    async def scribe(work: Callable[[], Any]) -> Any:
        done = work()
        if out.exists() and not cancelled:
            cancelled.append(True)
            raise asyncio.CancelledError
        return done

    lines = Lines(str(out), court.ledger, scribe, clock=MonotonicClock(), told=0)
    with pytest.raises(asyncio.CancelledError):
        await lines.flush()
    written = out.read_bytes()
    await lines.flush()
    assert out.read_bytes() == written
    assert len(written.splitlines()) >= 2
