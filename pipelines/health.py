"""The newest health of every component, and who is told when it changes."""

from __future__ import annotations

from collections.abc import Callable

from streammon.core.ports import Clock
from streammon.core.types import Health, HealthState, StreamId
from streammon.flow.supervise import Report


class HealthBoard:
    """Used on the event loop only. `tell` is called for each change, never for a repeat."""

    def __init__(self, clock: Clock, tell: Callable[[Health], None]) -> None:
        self._clock = clock
        self._tell = tell
        self._newest: dict[str, Health] = {}

    def post(self, health: Health) -> None:
        before = self._newest.get(health.component)
        if before and (before.state, before.cause) == (health.state, health.cause):
            return
        self._newest[health.component] = health
        self._tell(health)

    def reporter(self, component: str, stream: StreamId | None = None) -> Report:
        """A function by which one component reports its state and cause."""

        def report(state: HealthState, cause: str) -> None:
            self.post(Health(component, state, cause, self._clock.now_ns(), stream))

        return report

    def of(self, component: str) -> Health | None:
        return self._newest.get(component)

    def all(self) -> tuple[Health, ...]:
        return tuple(self._newest.values())
