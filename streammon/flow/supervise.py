"""Runs one task per component and decides what a failure means."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Clock
from streammon.core.types import HealthState

log = logging.getLogger(__name__)

Report = Callable[[HealthState, str], None]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Doubling pauses with jitter. A run of `healthy_after_s` starts the count again."""

    first_s: float = 0.5
    most_s: float = 30.0
    healthy_after_s: float = 60.0

    def delay_s(self, attempt: int) -> float:
        """A random pause in the upper half of `first_s * 2**attempt`, at most `most_s`."""
        ceiling_s = min(self.most_s, self.first_s * 2.0 ** min(attempt, 16))
        return random.uniform(ceiling_s / 2, ceiling_s)  # noqa: S311 - jitter, not a secret


@dataclass(frozen=True, slots=True)
class Supervision:
    """How one component is brought back."""

    backoff: Backoff = Backoff()
    most_defects: int = 3
    """Unexpected exceptions in a row (each within `healthy_after_s`) that end the component."""


async def keep_running(
    name: str,
    run_once: Callable[[], Coroutine[None, None, None]],
    *,
    clock: Clock,
    report: Report,
    supervision: Supervision = Supervision(),
) -> None:
    """Run until it returns, is cancelled, or fails for good.

    `Retryable` waits and runs again, for ever. `Permanent` reports failed and returns: siblings
    go on. Any other exception is a defect: it is logged with its traceback and run again, but
    after `most_defects` in a row the component is reported failed and stays down.
    """
    attempt = defects = 0
    while True:
        started_ns = clock.now_ns()
        try:
            await run_once()
            return
        except Exception as raised:  # noqa: BLE001 - the worker border: it ends here
            error = _sole(raised)
        if (clock.now_ns() - started_ns) / 1e9 >= supervision.backoff.healthy_after_s:
            attempt = defects = 0
        if isinstance(error, Permanent):
            log.error("component_failed", extra={"component": name, "cause": str(error)})
            report(HealthState.FAILED, str(error))
            return
        if isinstance(error, Retryable):
            defects = 0
            log.warning("component_retrying", extra={"component": name, "cause": str(error)})
            report(HealthState.RETRYING, str(error))
        else:
            defects += 1
            cause = f"defect: {type(error).__name__}: {error}"
            log.error("component_defect", exc_info=error, extra={"component": name})
            if defects >= supervision.most_defects:
                report(HealthState.FAILED, f"{cause} (gave up after {defects})")
                return
            report(HealthState.RETRYING, cause)
        await clock.sleep(supervision.backoff.delay_s(attempt))
        attempt += 1


def _sole(error: Exception) -> Exception:
    """What a task group's exception means: its `Permanent`, else its only or first cause."""
    if not isinstance(error, ExceptionGroup):
        return error
    causes = [_sole(cause) for cause in error.exceptions]
    defects = [cause for cause in causes if not isinstance(cause, Permanent | Retryable)]
    permanent = [cause for cause in causes if isinstance(cause, Permanent)]
    return (defects or permanent or causes)[0]


async def to_its_end(work: Coroutine[None, None, None]) -> None:
    """Run `work` to its end even if this is cancelled meanwhile; then it is cancelled.

    For letting go of what would leak if it were let go of by halves. `work` must end by itself,
    and soon.
    """
    ended = asyncio.get_running_loop().create_future()

    async def run() -> None:
        try:
            await work
        finally:
            if not ended.done():
                ended.set_result(None)

    running = asyncio.shield(run())
    try:
        await running
    except asyncio.CancelledError:
        await ended
        raise


async def until(
    stop: asyncio.Event,
    work: Coroutine[None, None, None],
    *,
    first: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run `work` to its end, or until `stop`; then cancel it and wait for its clean-up.

    `first` is awaited between the stop and the cancelling, while `work` goes on.
    """
    async with asyncio.TaskGroup() as group:
        running = group.create_task(work)
        stopping = group.create_task(stop.wait())
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if first is not None and not running.done():
            await first()
        running.cancel()
        stopping.cancel()
