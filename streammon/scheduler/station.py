"""One device as the desk sees it: what waits for it, its plan, its models in memory. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from streammon.scheduler.batching import NO_SWITCH, Batch, BatchQueue, Switch
from streammon.scheduler.residency import Residency
from streammon.scheduler.slo import CostModel, Load, Planner
from streammon.scheduler.tally import Busyness, DeviceStats, percentiles

HALF_BUSY = 0.5
"""A device less busy than this need not wait for larger batches: it would save idle time."""
WORTH_SHARING = 0.1
"""A fixed cost below this share of a window's own is not worth waiting for company."""


@dataclass(slots=True)
class Station:
    planner: Planner
    residency: Residency
    queue: BatchQueue = field(default_factory=BatchQueue)
    busyness: Busyness = field(default_factory=Busyness)
    waited_s: list[float] = field(default_factory=list)
    """Of the windows scored since the last plan."""
    waited_p95_s: float = 0.0

    def take(
        self,
        now_ns: int,
        sizes: Mapping[str, int],
        costs: Mapping[str, CostModel],
        *,
        all_due: bool = False,
        only_full: bool = False,
    ) -> Batch | None:
        """The next batch, with what has to be loaded for it; `only_full` loads nothing."""
        due = self.queue.due(now_ns, sizes, all_due=all_due, only_full=only_full)
        chosen = self.residency.choose(
            due,
            now_ns,
            expected_ns=lambda name: self.expected_ns(name, costs[name]),
            only_loaded=only_full,
            at_once=all_due,
        )
        if chosen is None:
            return None
        batch = self.queue.cut(chosen.group, sizes[chosen.detector], now_ns)
        self.busyness.given(now_ns)
        return replace(batch, switch=self.residency.use(batch.detector, now_ns))

    def expected_ns(self, name: str, cost: CostModel) -> int:
        """How long one window takes, with loading the model where that has to be."""
        return round(1e9 * (self.residency.load_s(name) + cost.expected_s(1)))

    def wait_ns(self, cost: CostModel, batch_wait_s: float) -> int:
        """How long a window may wait for company; 0 when that would gain nothing."""
        if self.busyness.share < HALF_BUSY or cost.fixed_s < WORTH_SHARING * cost.per_window_s:
            return 0
        return round(1e9 * batch_wait_s)

    def next_due_ns(self) -> int | None:
        """When something can be taken at the latest; `None` when nothing waits."""
        return self.queue.next_due_ns(self.residency.ready_ns)

    def switched(self, switch: Switch, sizes: Mapping[str, int | None], *, took_s: float) -> str:
        """Models were loaded and unloaded: see `Residency.switched`.

        Returns why what was loaded cannot stay, or ''.
        """
        if switch == NO_SWITCH:
            return ""
        self.residency.switched(switch, sizes, took_s=took_s)
        self.busyness.loaded(took_s)
        return self.residency.too_large(switch.load) if switch.load else ""

    def lose(self, name: str) -> dict[str, str]:
        """It hangs here for good. Returns those that have no room any more, and why."""
        self.residency.lose(name)
        too_large = {other: self.residency.too_large(other) for other in self.residency.models}
        return {other: why for other, why in too_large.items() if why}

    def replan(
        self,
        loads: Sequence[Load],
        costs: Mapping[str, CostModel],
        sizes: Mapping[str, int],
        now_ns: int,
    ) -> None:
        """A new plan for these loads, from what was measured since the last one."""
        p95_s = percentiles(self.waited_s, (95,))[0] if self.waited_s else None
        self.waited_p95_s = p95_s or 0.0
        self.busyness.planned(now_ns)
        self.planner.update(
            loads,
            costs,
            sizes,
            waited_p95_s=p95_s,
            busy=self.busyness.share,
            loading=self.busyness.loading,
            reload_s=self.residency.reload_s(),
        )
        self.waited_s.clear()
        rates_hz: dict[str, float] = {}
        for load in loads:
            rate_hz = load.rate_hz / self.planner.plan.stretch[load.key]
            rates_hz[load.detector] = rates_hz.get(load.detector, 0.0) + rate_hz
        self.residency.rates_hz = rates_hz

    def degraded(self, name: str) -> str:
        """Why not everything is looked at in time; empty when it is."""
        plan = self.planner.plan
        if not plan.degraded:
            return ""
        return (
            f"{name} is asked for {plan.asked:.1f} times what it can do: the least served "
            f"stream has {plan.least_served:.0%} of its windows looked at and results take "
            f"{self.waited_p95_s:.1f} s (p95); "
            "use fewer streams or detectors, or a faster device"
        )

    def stats(self) -> DeviceStats:
        plan = self.planner.plan
        return DeviceStats(
            asked=plan.asked,
            planned=plan.planned,
            busy=self.busyness.share,
            longest_wait_s=plan.longest_wait_s,
            waited_p95_s=self.waited_p95_s,
            loading=self.busyness.loading,
            resident_bytes=self.residency.resident_bytes,
        )
