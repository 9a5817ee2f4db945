"""Tells people how components are, each state and cause once."""

from __future__ import annotations

from collections.abc import Callable

from streammon.core.ports import Ailing, Clock, Detector
from streammon.core.types import Health, HealthState


class News:
    """Reports the health of components, each state and cause once."""

    def __init__(self, report: Callable[[Health], None], clock: Clock) -> None:
        self._report = report
        self._clock = clock
        self._told: dict[str, tuple[HealthState, str]] = {}

    def tell(self, component: str, state: HealthState, cause: str = "") -> None:
        if self._told.get(component) != (state, cause):
            self._told[component] = (state, cause)
            self._report(Health(component, state, cause, self._clock.now_ns()))

    def works(self, name: str, detector: Detector) -> None:
        """Tell that a detector is up, or degraded while it says that something ails it."""
        trouble = detector.trouble if isinstance(detector, Ailing) else ""
        self.tell(f"detector:{name}", HealthState.DEGRADED if trouble else HealthState.UP, trouble)
