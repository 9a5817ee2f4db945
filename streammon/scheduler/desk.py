"""All that the scheduler decides, as a function of what it was told and the time. Pure.

`runner` is the shell around it: it hands in windows, results and the time, and carries batches to
the devices. Models that share memory (load before a batch is taken), a cascade (submit a
result's window to the next detector) and a cache (answer instead of queueing) have their place
around `take`, `finished` and `submit`.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streammon.config import SchedulerConfig
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, StreamId, Window
from streammon.scheduler.batching import Batch, BatchQueue, SlotKey
from streammon.scheduler.slo import CostModel, Load, Planner
from streammon.scheduler.streams import StreamBook
from streammon.scheduler.tally import (
    Busyness,
    DetectorStats,
    DeviceStats,
    SchedulerStats,
    Tally,
    percentiles,
)

log = logging.getLogger(__name__)

MOST_FAILURES = 3
BATCH_SHARE = 0.1
"""A batch may take this share of the time within which people are to be alerted."""
HALF_BUSY = 0.5
"""A device less busy than this need not wait for larger batches: it would save idle time."""
WORTH_SHARING = 0.1
"""A fixed cost below this share of a window's own is not worth waiting for company."""


@dataclass(slots=True)
class _Device:
    """What waits for one device, and its plan."""

    planner: Planner
    queue: BatchQueue = field(default_factory=BatchQueue)
    waited_s: list[float] = field(default_factory=list)
    """Of the windows scored since the last plan."""
    waited_p95_s: float = 0.0
    busyness: Busyness = field(default_factory=Busyness)

    def stats(self) -> DeviceStats:
        plan = self.planner.plan
        return DeviceStats(
            asked=plan.asked,
            planned=plan.planned,
            busy=self.busyness.share,
            longest_wait_s=plan.longest_wait_s,
            waited_p95_s=self.waited_p95_s,
        )


class Desk:
    """Takes windows in, gives batches out, keeps the plan and the counts."""

    def __init__(self, detectors: Mapping[str, Detector], settings: SchedulerConfig) -> None:
        self.detectors = dict(detectors)
        self.able = dict(detectors)
        """Detectors that have not failed."""
        self.streams = StreamBook(self.able)
        self._settings = settings
        self._tallies = {name: Tally() for name in detectors}
        self._most = {name: detector.max_batch for name, detector in detectors.items()}
        self._sizes = dict(self._most)
        """The largest batch of each detector that is worth making now."""
        self._costs: Mapping[str, CostModel] = {
            name: tally.cost for name, tally in self._tallies.items()
        }
        self._devices: dict[str, _Device] = {}
        self._placed: dict[str, str] = {}

    def open_device(self, device: str) -> None:
        """Detectors may be placed there from now on."""
        planner = Planner(
            alert_within_s=self._settings.alert_within_s,
            batch_wait_s=self._settings.batch_wait_s,
        )
        self._devices[device] = _Device(planner)

    def place(self, name: str, device: str) -> None:
        """The detector is loaded there: from now on its windows are queued."""
        self._placed[name] = device

    def drop(self, name: str) -> None:
        """The detector failed for good: what waits for it is lost, and nobody asks for it."""
        self.able.pop(name, None)
        device = self._placed.get(name)
        if device is not None:
            self._tallies[name].failed += self._devices[device].queue.withdraw(name)
        self.streams.refresh()

    def submit(self, name: str, window: Window, now_ns: int) -> bool:
        """Queue a window if it is due; returns whether it was."""
        tally = self._tallies[name]
        tally.submitted += 1
        watched = self.streams.get(window.stream)
        device = self._placed.get(name)
        spec = self.able[name].inputs.get(window.modality) if name in self.able else None
        if watched is None or device is None or spec is None:
            tally.not_due += 1
            return False
        key = SlotKey(window.stream, window.participant, name, window.modality)
        waiting = key in self._devices[device].queue
        if not watched.track(key, spec).lets_in(window, now_ns, waiting=waiting):
            tally.not_due += 1
            return False
        try:
            bucket = self.able[name].bucket(window)
        except Exception:  # the worker border: a window that a detector chokes on is its loss
            log.exception("detector_bucket_failed", extra={"detector": name})
            tally.failed += 1
            return False
        budget_ns = round(1e9 * self._settings.alert_within_s / watched.priority)
        deadline_ns = window.captured_ns + budget_ns
        due_ns = min(now_ns + self._wait_ns(name, device), deadline_ns - self._expected_ns(name))
        tally.replaced += self._devices[device].queue.put(
            key, bucket, window, now_ns=now_ns, deadline_ns=deadline_ns, due_ns=due_ns
        )
        return True

    def take(
        self, device: str, now_ns: int, *, all_due: bool = False, only_full: bool = False
    ) -> Batch | None:
        """The next batch for a device, or `None` while nothing is due."""
        queue = self._devices[device].queue
        batch = queue.take(now_ns, self._sizes, all_due=all_due, only_full=only_full)
        if batch is not None:
            self._devices[device].busyness.given(now_ns)
            self._tallies[batch.detector].running += len(batch.windows)
        return batch

    def next_due_ns(self, device: str) -> int | None:
        """When something becomes due at the latest; `None` when nothing waits."""
        return self._devices[device].queue.next_due_ns()

    def finished(
        self, batch: Batch, results: Sequence[DetectionResult], *, took_s: float, ended_ns: int
    ) -> None:
        """A batch came back; `results` belong to its windows, in order."""
        tally = self._tallies[batch.detector]
        tally.running -= len(batch.windows)
        tally.scored += len(batch.windows)
        tally.batches += 1
        tally.failures_in_row = 0
        tally.cost.learn(len(batch.windows), took_s)
        device = self._devices[self._placed[batch.detector]]
        device.busyness.ended(ended_ns)
        device.waited_s += [(ended_ns - queued_ns) / 1e9 for queued_ns in batch.queued_ns]
        for window, result in zip(batch.windows, results, strict=True):
            tally.abstained += result.confidence is None
            tally.ages_s.append((ended_ns - window.captured_ns) / 1e9)
            key = SlotKey(window.stream, window.participant, batch.detector, batch.modality)
            self.streams.judged(key, result)

    def failed(self, batch: Batch, *, ended_ns: int) -> bool:
        """A batch was lost; returns whether its detector has failed too often in a row."""
        self._devices[self._placed[batch.detector]].busyness.ended(ended_ns)
        tally = self._tallies[batch.detector]
        tally.running -= len(batch.windows)
        tally.failed += len(batch.windows)
        tally.failures_in_row += 1
        return tally.failures_in_row >= MOST_FAILURES

    def pending(self, stream: StreamId) -> int:
        """How many windows of a stream wait for their turn."""
        return sum(device.queue.waiting(stream=stream) for device in self._devices.values())

    def replan(self, now_ns: int) -> str:
        """Plan anew; returns why people should know that not all can be looked at, or ''."""
        self.streams.forget_silent(now_ns)
        for name, device in self._devices.items():
            here = {detector for detector in self.able if self._placed.get(detector) == name}
            loads = self.streams.loads(here, now_ns, idle_interval_s=self._settings.idle_interval_s)
            waited = device.waited_s
            p95_s = percentiles(waited, (95,))[0] if waited else None
            device.waited_p95_s = p95_s or 0.0
            self._size_batches(loads)
            device.busyness.planned(now_ns)
            plan = device.planner.update(
                loads,
                self._costs,
                self._sizes,
                waited_p95_s=p95_s,
                busy=device.busyness.share,
            )
            waited.clear()
            self.streams.stretch(plan.stretch)
        self.streams.refresh()
        return self.degraded()

    def _size_batches(self, loads: Sequence[Load]) -> None:
        """Settle how large batches may be: no larger than useful, nor than can ever be full."""
        within_s = BATCH_SHARE * self._settings.alert_within_s
        for name, count in Counter(load.detector for load in loads).items():
            most = min(self._most[name], count)
            self._sizes[name] = self._costs[name].most_useful(most, within_s=within_s)

    def degraded(self) -> str:
        """Why not everything is looked at in time; empty when it is."""
        reasons: list[str] = []
        for name, device in self._devices.items():
            plan = device.planner.plan
            if plan.degraded:
                reasons.append(
                    f"{name} is asked for {plan.asked:.1f} times what it can do: the least served "
                    f"stream has {plan.least_served:.0%} of its windows looked at and results take "
                    f"{device.waited_p95_s:.1f} s (p95); "
                    "use fewer streams or detectors, or a faster device"
                )
        return "; ".join(reasons)

    def stats(self) -> SchedulerStats:
        return SchedulerStats(
            detectors={name: self._detector_stats(name) for name in self._tallies},
            devices={name: device.stats() for name, device in self._devices.items()},
            alert_within_s=self._settings.alert_within_s,
            degraded=self.degraded(),
        )

    def _detector_stats(self, name: str) -> DetectorStats:
        device = self._placed.get(name, "") if name in self.able else ""
        waiting = self._devices[device].queue.waiting(detector=name) if device else 0
        stretch = self.streams.longest_stretch(name)
        return self._tallies[name].stats(device=device, waiting=waiting, stretch=stretch)

    def _expected_ns(self, name: str) -> int:
        return round(1e9 * self._costs[name].expected_s(1))

    def _wait_ns(self, name: str, device: str) -> int:
        """How long a window may wait for company; 0 when that would gain nothing."""
        cost = self._costs[name]
        if self._devices[device].busyness.share < HALF_BUSY:
            return 0
        if cost.fixed_s < WORTH_SHARING * cost.per_window_s:
            return 0
        return round(1e9 * self._settings.batch_wait_s)
