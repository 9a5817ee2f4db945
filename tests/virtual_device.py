"""The scheduler's decisions on a virtual clock: streams that send, and a device that takes time."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from streammon.config import SchedulerConfig
from streammon.core.types import DetectionResult, Modality, StreamId, Window, WindowSpec
from streammon.scheduler.batching import Batch, Switch
from streammon.scheduler.desk import Desk
from tests.fakes import a_chunk, a_window

DEVICE = "cpu"
PLAN_EVERY_NS = 10**9
SOUND = WindowSpec(2.0, 1.0)


class Timed:
    """A detector that takes `fixed_s + n * each_s` of virtual time and is never sure."""

    on_device = True

    def __init__(
        self,
        name: str = "timed",
        *,
        fixed_s: float = 0.01,
        each_s: float = 0.01,
        max_batch: int = 8,
        spec: WindowSpec = SOUND,
    ) -> None:
        self.name = self.kind = name
        self.fixed_s, self.each_s = fixed_s, each_s
        self.max_batch = max_batch
        self.inputs: Mapping[Modality, WindowSpec] = {Modality.AUDIO: spec}
        self.confidence = 0.5

    def __repr__(self) -> str:
        return f"Timed({self.name}, {self.fixed_s}, {self.each_s}, {self.max_batch})"

    def load(self, device: str) -> None:
        return

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [result_of(window, self.name, self.confidence) for window in batch]

    def takes_s(self, windows: int) -> float:
        return self.fixed_s + windows * self.each_s


class Heavy(Timed):
    """One that takes memory while it is loaded, and time to load."""

    def __init__(
        self, name: str = "heavy", *, load_s: float = 0.5, size_bytes: int = 1, **more: Any
    ) -> None:
        super().__init__(name, **more)
        self.load_s, self.size_bytes = load_s, size_bytes

    def __repr__(self) -> str:
        return f"Heavy({super().__repr__()}, {self.load_s}, {self.size_bytes})"


def result_of(window: Window, detector: str, confidence: float | None = 0.5) -> DetectionResult:
    return DetectionResult.of(
        window,
        detector=detector,
        kind=detector,
        model_used="virtual@1",
        confidence=confidence,
        abstained="nothing to judge" if confidence is None else None,
    )


def window_of(stream: str, number: int, now_ns: int, *, hop_s: float = 1.0) -> Window:
    """The `number`th window of a stream; its items are not what is tested here."""
    at_s = number * hop_s
    chunk = a_chunk(
        number, stream=StreamId(stream), duration_s=0.001, captured_ns=now_ns, media_s=at_s
    )
    return a_window(chunk, start_s=at_s, end_s=at_s + 2.0)


@dataclass(frozen=True)
class Sends:
    """A stream that sends a window every `every_s` of virtual time, between two times."""

    stream: str
    every_s: float
    phase_s: float = 0.0
    weight: float = 1.0
    until_s: float = 1e9


@dataclass
class Simulation:
    """One device, all detectors on it, all streams to all detectors."""

    detectors: Sequence[Timed]
    streams: Sequence[Sends]
    settings: SchedulerConfig = field(default_factory=lambda: SchedulerConfig(device="cpu"))
    scored: list[tuple[int, Window, str]] = field(default_factory=list)
    """(when, what, by which detector)."""
    plans: list[tuple[int, str]] = field(default_factory=list)
    loaded: dict[str, int] = field(default_factory=dict)
    """Bytes that each model takes now."""
    loading_s: float = 0.0
    waiting_ns: dict[tuple[str, str], int] = field(default_factory=dict)
    """Since when something of each stream waits for each detector."""
    longest_wait_s: float = 0.0
    """Of all that had their turn."""
    batches: list[Batch] = field(default_factory=list)
    now_ns: int = 0

    def __post_init__(self) -> None:
        self.desk = Desk({each.name: each for each in self.detectors}, self.settings)
        self.station = self.desk.open_device(DEVICE)
        for detector in self.detectors:
            self._switch(self.station.residency.first(detector.name))
            self.desk.place(detector.name, DEVICE)
        for sends in self.streams:
            self.desk.streams.add(
                StreamId(sends.stream), frozenset({Modality.AUDIO}), weight=sends.weight
            )
        self._order = 0
        self._running: Batch | None = None
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        for sends in self.streams:
            self._at(sends.phase_s, self._sender(sends))
        self._at(1.0, self._plan)

    def run(self, until_s: float, check: Callable[[Simulation], None] | None = None) -> None:
        """Let time pass to `until_s`; `check` is called after everything that happens."""
        while self._events and self._events[0][0] <= until_s * 1e9:
            self.now_ns, _, event = heapq.heappop(self._events)
            event()
            self._work()
            if check is not None:
                check(self)

    def busy(self) -> bool:
        return self._running is not None

    def ages_s(self, *, since_s: float = 0.0) -> list[float]:
        return [
            (at_ns - window.captured_ns) / 1e9
            for at_ns, window, _ in self.scored
            if at_ns >= since_s * 1e9
        ]

    def shares(self, *, since_s: float = 0.0) -> Counter[str]:
        """How many windows of each stream were scored."""
        found = Counter({sends.stream: 0 for sends in self.streams})
        for at_ns, window, _ in self.scored:
            found[str(window.stream)] += at_ns >= since_s * 1e9
        return found

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        self._order += 1
        heapq.heappush(self._events, (max(self.now_ns, round(at_s * 1e9)), self._order, event))

    def _sender(self, sends: Sends) -> Callable[[], None]:
        sent = 0

        def send() -> None:
            nonlocal sent
            if self.now_ns >= sends.until_s * 1e9:
                return
            window = window_of(sends.stream, sent, self.now_ns)
            for detector in self.detectors:
                if self.desk.submit(detector.name, window, self.now_ns):
                    self.waiting_ns.setdefault((sends.stream, detector.name), self.now_ns)
            sent += 1
            self._at(sends.phase_s + sent * sends.every_s, send)

        return send

    def _plan(self) -> None:
        self.plans.append((self.now_ns, self.desk.replan(self.now_ns)))
        self._at(self.now_ns / 1e9 + 1.0, self._plan)

    def _work(self) -> None:
        """What the loop of a lane does: a batch if one is due, else wake when one will be."""
        if self._running is not None:
            return
        batch = self.desk.take(DEVICE, self.now_ns)
        if batch is None:
            due_ns = self.desk.next_due_ns(DEVICE)
            if due_ns is not None:
                self._at(due_ns / 1e9, lambda: None)
            return
        self._running = batch
        self.batches.append(batch)
        for window in batch.windows:
            since_ns = self.waiting_ns.pop((str(window.stream), batch.detector))
            self.longest_wait_s = max(self.longest_wait_s, (self.now_ns - since_ns) / 1e9)
        detector = self._named(batch.detector)
        assert (
            batch.switch.load is not None
            or not isinstance(detector, Heavy)
            or (batch.detector in self.loaded)
        ), "it scores without its model"
        switch_s = self._switch(batch.switch)
        took_s = detector.takes_s(len(batch.windows))
        self._at(self.now_ns / 1e9 + switch_s + took_s, lambda: self._end(batch, detector, took_s))

    def _switch(self, switch: Switch) -> float:
        """Load and unload models, told at once though it takes time; returns how much."""
        loading = None if switch.load is None else self._named(switch.load)
        if not isinstance(loading, Heavy) and not switch.unload:
            return 0.0
        sizes: dict[str, int | None] = dict.fromkeys(switch.unload)
        for name in switch.unload:
            del self.loaded[name]
        took_s = 0.0
        if isinstance(loading, Heavy):
            self.loaded[loading.name] = sizes[loading.name] = loading.size_bytes
            took_s = loading.load_s
        self.loading_s += took_s
        self.station.switched(switch, sizes, took_s=took_s)
        return took_s

    def _named(self, name: str) -> Timed:
        return next(each for each in self.detectors if each.name == name)

    def _end(self, batch: Batch, detector: Timed, took_s: float) -> None:
        self._running = None
        results = detector.score(batch.windows)
        self.desk.finished(batch, results, took_s=took_s, ended_ns=self.now_ns)
        self.scored += [(self.now_ns, window, detector.name) for window in batch.windows]
