"""The newest health of every component, and who is told when it changes."""

from __future__ import annotations

from collections.abc import Callable

from streammon.core.ports import Clock
from streammon.core.types import Health, HealthState, StreamId
from streammon.flow.supervise import Report


class HealthBoard:
    """Used on the event loop only. Listeners hear of each change, never of a repeat."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listeners: list[Callable[[Health], None]] = []
        self._newest: dict[str, Health] = {}

    def listen(self, hear: Callable[[Health], None]) -> None:
        self._listeners.append(hear)

    def post(self, health: Health) -> None:
        before = self._newest.get(health.component)
        if before and (before.state, before.cause) == (health.state, health.cause):
            return
        self._newest[health.component] = health
        for hear in self._listeners:
            hear(health)

    def reporter(self, component: str, stream: StreamId | None = None) -> Report:
        """A function by which one component reports its state and cause."""

        def report(state: HealthState, cause: str) -> None:
            self.post(Health(component, state, cause, self._clock.now_ns(), stream))

        return report

    def forget(self, component: str) -> None:
        """It is no more; nobody is told."""
        self._newest.pop(component, None)

    def of(self, component: str) -> Health | None:
        return self._newest.get(component)

    def all(self) -> tuple[Health, ...]:
        return tuple(self._newest.values())
