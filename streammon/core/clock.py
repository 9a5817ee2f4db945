"""The monitor's own time. Wall time is added only at the border (`sinks.wire`)."""

from __future__ import annotations

import asyncio
import time


class MonotonicClock:
    """The process's monotonic clock; satisfies `ports.Clock`."""

    def now_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
