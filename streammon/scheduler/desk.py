"""All that the scheduler decides, as a function of what it was told and the time. Pure.

`runner` is the shell around it: it hands in windows, results and the time, and carries batches to
the devices, with what has to be loaded for them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from streammon.config import SchedulerConfig
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Modality, StreamId, Window
from streammon.scheduler.batching import Batch, SlotKey
from streammon.scheduler.residency import MEGABYTE, Residency
from streammon.scheduler.slo import CostModel, Load, Planner
from streammon.scheduler.station import Station
from streammon.scheduler.streams import StreamBook
from streammon.scheduler.tally import CacheStats, DetectorStats, SchedulerStats, Tally

log = logging.getLogger(__name__)

MOST_FAILURES = 3
BATCH_SHARE = 0.1
"""A batch may take this share of the time within which people are to be alerted."""


class Desk:
    """Takes windows in, gives batches out, keeps the plan and the counts."""

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        settings: SchedulerConfig,
        *,
        texts_left: Callable[[Collection[StreamId]], None] = lambda streams: None,
    ) -> None:
        """`texts_left` is told of streams of whose windows of text fewer wait now."""
        self.detectors = dict(detectors)
        self.able = dict(detectors)
        """Detectors that have not failed."""
        self.streams = StreamBook(self.able)
        self._settings = settings
        self._texts_left = texts_left
        self._tallies = {name: Tally() for name in detectors}
        self._most = {name: detector.max_batch for name, detector in detectors.items()}
        self._sizes = dict(self._most)
        """The largest batch of each detector that is worth making now."""
        self._costs: Mapping[str, CostModel] = {
            name: tally.cost for name, tally in self._tallies.items()
        }
        self.stations: dict[str, Station] = {}
        """By device."""
        self._placed: dict[str, str] = {}

    def open_device(self, device: str) -> Station:
        """Detectors may be placed there from now on."""
        planner = Planner(
            alert_within_s=self._settings.alert_within_s,
            batch_wait_s=self._settings.batch_wait_s,
        )
        most_mb = self._settings.memory_mb
        residency = Residency(None if most_mb is None else round(most_mb * MEGABYTE))
        station = self.stations[device] = Station(planner, residency)
        return station

    def place(self, name: str, device: str) -> None:
        """The detector is loaded there: from now on its windows are queued."""
        self._placed[name] = device

    def is_placed(self, name: str) -> bool:
        return name in self._placed

    def drop(self, name: str) -> None:
        """The detector failed for good: what waits for it is lost, and nobody asks for it."""
        self.able.pop(name, None)
        if (device := self._placed.get(name)) is not None:
            lost = self.stations[device].queue.withdraw(name)
            self._tallies[name].failed += lost.total()
            self._texts_left(lost)
        self.streams.refresh()

    def submit(self, name: str, window: Window, now_ns: int) -> bool:
        """Queue a window if it is due, as text always is; returns whether it was."""
        tally = self._tallies[name]
        tally.submitted += 1
        watched = self.streams.get(window.stream)
        device = self._placed.get(name)
        spec = self.able[name].inputs.get(window.modality) if name in self.able else None
        if watched is None or device is None or spec is None:
            tally.not_due += 1
            return False
        key = SlotKey(window.stream, window.participant, name, window.modality)
        station, track = self.stations[device], watched.track(key, spec)
        is_text = window.modality is Modality.TEXT
        if is_text:
            track.came(now_ns)
        elif not track.lets_in(window, now_ns, waiting=key in station.queue):
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
        expected_ns = station.expected_ns(name, self._costs[name])
        wait_ns = station.wait_ns(self._costs[name], self._settings.batch_wait_s)
        due_ns = min(now_ns + wait_ns, deadline_ns - expected_ns)
        keep = is_text and watched.keeps_text(station.queue.texts(window.stream))
        tally.replaced += station.queue.put(
            key, bucket, window, now_ns=now_ns, deadline_ns=deadline_ns, due_ns=due_ns, keep=keep
        )
        return True

    def take(
        self, device: str, now_ns: int, *, all_due: bool = False, only_full: bool = False
    ) -> Batch | None:
        """The next batch for a device, or `None` while nothing is due."""
        batch = self.stations[device].take(
            now_ns, self._sizes, self._costs, all_due=all_due, only_full=only_full
        )
        if batch is not None:
            self._tallies[batch.detector].running += len(batch.windows)
        if batch is not None and batch.modality is Modality.TEXT:
            self._texts_left([window.stream for window in batch.windows])
        return batch

    def next_due_ns(self, device: str) -> int | None:
        """When something becomes due at the latest; `None` when nothing waits."""
        return self.stations[device].next_due_ns()

    def finished(
        self,
        batch: Batch,
        results: Sequence[DetectionResult],
        *,
        took_s: float,
        ended_ns: int,
        cached: int = 0,
    ) -> None:
        """A batch came back; `results` belong to its windows, in order.

        `cached` of them were not scored but known: costs are learnt from the others, which took
        `took_s`, and every window is planned for as if it had to be scored.
        """
        tally = self._tallies[batch.detector]
        tally.running -= len(batch.windows)
        tally.scored += len(batch.windows)
        tally.batches += 1
        tally.scoring_s += took_s
        tally.failures_in_row = 0
        tally.cached += cached
        if cached < len(batch.windows):
            tally.cost.learn(len(batch.windows) - cached, took_s)
        device = self.stations[self._placed[batch.detector]]
        device.busyness.ended(ended_ns)
        device.waited_s += [(ended_ns - queued_ns) / 1e9 for queued_ns in batch.queued_ns]
        for window, result in zip(batch.windows, results, strict=True):
            tally.abstained += result.confidence is None
            tally.ages_s.append((ended_ns - window.captured_ns) / 1e9)
            key = SlotKey(window.stream, window.participant, batch.detector, batch.modality)
            self.streams.judged(key, result)

    def failed(self, batch: Batch, *, ended_ns: int) -> bool:
        """A batch was lost; returns whether its detector has failed too often in a row."""
        self.stations[self._placed[batch.detector]].busyness.ended(ended_ns)
        tally = self._tallies[batch.detector]
        tally.running -= len(batch.windows)
        tally.failed += len(batch.windows)
        tally.failures_in_row += 1
        return tally.failures_in_row >= MOST_FAILURES

    def pending(self, stream: StreamId) -> int:
        """How many windows of a stream wait for their turn."""
        return sum(device.queue.waiting(stream=stream) for device in self.stations.values())

    def texts(self, stream: StreamId) -> int:
        """How many windows of a stream wait for which its reading may wait, too."""
        devices = self.stations.values() if self.streams.can_wait(stream) else ()
        return sum(device.queue.texts(stream) for device in devices)

    def replan(self, now_ns: int) -> str:
        """Plan anew; returns why people should know that not all can be looked at, or ''."""
        self.streams.forget_silent(now_ns)
        for name, device in self.stations.items():
            here = {detector for detector in self.able if self._placed.get(detector) == name}
            loads = self.streams.loads(here, now_ns, idle_interval_s=self._settings.idle_interval_s)
            self._size_batches(loads)
            device.replan(loads, self._costs, self._sizes, now_ns)
            self.streams.stretch(device.planner.plan.stretch)
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
        reasons = [device.degraded(name) for name, device in self.stations.items()]
        return "; ".join(reason for reason in reasons if reason)

    def stats(self, cache: CacheStats | None = None) -> SchedulerStats:
        return SchedulerStats(
            detectors={name: self._detector_stats(name) for name in self._tallies},
            devices={name: device.stats() for name, device in self.stations.items()},
            cache=cache,
            alert_within_s=self._settings.alert_within_s,
            degraded=self.degraded(),
        )

    def _detector_stats(self, name: str) -> DetectorStats:
        device = self._placed.get(name, "") if name in self.able else ""
        waiting = self.stations[device].queue.waiting(detector=name) if device else 0
        models = [station.residency.models.get(name) for station in self.stations.values()]
        return self._tallies[name].stats(
            device=device,
            waiting=waiting,
            stretch=self.streams.longest_stretch(name),
            model=next((model for model in models if model is not None), None),
        )
