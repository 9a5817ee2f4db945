"""What is done on a device's thread, and what each part of it is said to have taken."""

from __future__ import annotations

from collections.abc import Sequence

from streammon.config import SchedulerConfig
from streammon.core.types import DetectionResult, Modality, Window
from streammon.scheduler.batching import Batch, Switch
from streammon.scheduler.thread import DeviceThread
from streammon.scheduler.work import Job, Work
from tests.fakes import Brightness, FakeClock, a_window


class Timed(Brightness):
    """Takes 5 s to load, and 2 s to score a batch, on a clock of its own."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def load(self, device: str) -> None:
        self._clock.pass_s(5.0)
        super().load(device)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self._clock.pass_s(2.0)
        return super().score(batch)


def test_loading_is_no_part_of_what_scoring_costs() -> None:
    clock = FakeClock()
    timed = Timed(clock)
    work = Work("cpu", {timed.name: timed}, SchedulerConfig(), clock=clock, cache=None)
    window = a_window()
    batch = Batch(timed.name, Modality.VIDEO, (window,), (0,))
    job = work.do(DeviceThread("cpu"), Job(Switch(load=timed.name), batch))
    assert (job.switch_s, job.took_s) == (5.0, 2.0)
    assert [result.processing_time_s for result in job.results] == [2.0]
    assert not job.errors
