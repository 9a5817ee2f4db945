"""Detectors that fail, lie or would end the process, in a real scheduler: contained and named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, HealthState, Modality, StreamId, Window
from tests.fakes import Brightness
from tests.watch import Watch, running, seen, until


class Failing(Brightness):
    """Raises, or answers wrongly, as often as told."""

    def __init__(self, *wrong: str) -> None:
        super().__init__("failing")
        self.wrong = list(wrong)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        results = list(super().score(batch))
        match self.wrong.pop(0) if self.wrong else "":
            case "raises":
                raise RuntimeError("no such kernel")
            case "stops":
                raise StopIteration
            case "permanent":
                raise Permanent("the weights are gone: install them again")
            case "too few":
                return results[1:]
            case "another's":
                return [replace(result, stream=StreamId("other")) for result in results]
            case _:
                return results


async def score_one_by_one(watch: Watch, count: int) -> None:
    for number in range(count):
        done = watch.scheduler.stats().detectors["failing"]
        watch.scheduler.submit("failing", seen("s", number))
        await until(
            lambda done=done: (  # type: ignore[misc]
                (now := watch.scheduler.stats().detectors["failing"]).scored + now.failed
                > done.scored + done.failed
            )
        )


@pytest.mark.parametrize("wrong", ["raises", "stops", "too few", "another's"])
async def test_a_batch_that_fails_is_counted_told_and_forgiven(wrong: str) -> None:
    watch = Watch(Failing(wrong, wrong, "", wrong))
    async with running(watch):
        await score_one_by_one(watch, 5)
    stats = watch.scheduler.stats().detectors["failing"]
    assert (stats.failed, stats.scored) == (3, 2)
    assert watch.states("detector:failing") == [
        HealthState.STARTING,
        HealthState.UP,
        HealthState.DEGRADED,
        HealthState.UP,
        HealthState.DEGRADED,
        HealthState.UP,
    ]


async def test_after_three_failures_in_a_row_a_detector_is_given_up_and_the_others_go_on() -> None:
    watch = Watch(Failing(*["raises"] * 3), Brightness())
    async with running(watch):
        await score_one_by_one(watch, 3)
        assert watch.states("detector:failing")[-1] is HealthState.FAILED
        assert "no such kernel" in watch.cause("failing")
        assert [name for name, *_ in watch.scheduler.wants(StreamId("s"))] == ["brightness"]
        watch.scheduler.submit("failing", seen("s", 9))
        watch.scheduler.submit("brightness", seen("s", 9))
        (result,) = await watch.results(1)
    assert result.detector == "brightness"
    assert watch.scheduler.stats().detectors["failing"].not_due == 1


async def test_a_permanent_failure_ends_a_detector_at_once() -> None:
    watch = Watch(Failing("permanent"))
    async with running(watch):
        await score_one_by_one(watch, 1)
    assert watch.states("detector:failing")[-1] is HealthState.FAILED
    assert "install them again" in watch.cause("failing")


class Unloadable(Brightness):
    def __init__(self, error: Exception) -> None:
        super().__init__("unloadable")
        self.error = error

    def load(self, device: str) -> None:
        raise self.error


@pytest.mark.parametrize("error", [Permanent("weights missing"), OSError("disk on fire")])
async def test_a_detector_that_cannot_be_loaded_fails_alone(error: Exception) -> None:
    watch = Watch(Unloadable(error), Brightness())
    async with running(watch):
        watch.scheduler.submit("unloadable", seen("s"))
        watch.scheduler.submit("brightness", seen("s"))
        (result,) = await watch.results(1)
    assert result.detector == "brightness"
    assert watch.states("detector:unloadable") == [HealthState.STARTING, HealthState.FAILED]
    assert str(error) in watch.cause("unloadable")


class Wrong(Brightness):
    """Answers as told; named after what is wrong with it."""

    def __init__(self, answer: Callable[[Sequence[DetectionResult]], object]) -> None:
        super().__init__("wrong")
        self.answer = answer

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return cast(Sequence[DetectionResult], self.answer(super().score(batch)))


def raising(error: BaseException) -> Callable[[Sequence[DetectionResult]], object]:
    def answer(results: Sequence[DetectionResult]) -> object:
        raise error

    return answer


def with_(**fields: Any) -> Callable[[Sequence[DetectionResult]], object]:
    return lambda results: [replace(each, **fields) for each in results]


WRONG: dict[str, tuple[Callable[[Sequence[DetectionResult]], object], str]] = {
    "nan": (with_(confidence=float("nan")), "confidence nan is not in 0..1"),
    "infinity": (with_(confidence=float("inf")), "confidence inf is not in 0..1"),
    "neither": (with_(confidence=None), "either a confidence or a reason"),
    "nothing": (lambda results: None, "gave a NoneType, not a sequence"),
    "a generator": (lambda results: (each for each in results), "gave a generator"),
    "too few": (lambda results: results[1:], "1 windows gave 0 results"),
    "too many": (lambda results: [*results, *results], "1 windows gave 2 results"),
    "numbers": (lambda results: [0.5 for _ in results], "gave a float where a result belongs"),
    "another stream": (with_(stream=StreamId("x")), "a result for x stands where s belongs"),
    "another time": (with_(start_s=99.0), "stands where s belongs"),
    "another modality": (with_(modality=Modality.AUDIO), "stands where s belongs"),
    "another's name": (with_(detector="brightness"), "in the name of brightness"),
    "endless": (with_(processing_time_s=float("inf")), "processing_time_s is inf"),
    "exit": (raising(SystemExit(7)), "SystemExit: 7"),
    "cancelled": (raising(asyncio.CancelledError("mine")), "CancelledError: mine"),
    "memory": (raising(MemoryError("no more")), "MemoryError: no more"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_an_answer_that_cannot_be_is_contained_named_and_stops_nobody_else(
    wrong: str,
) -> None:
    answer, cause = WRONG[wrong]
    watch = Watch(Wrong(answer), Brightness())
    async with running(watch):
        for number in range(3):
            watch.submit("wrong", number)
            watch.submit("brightness", number)
            result = await watch.result()
            assert result.detector == "brightness"
            if not number:
                await until(lambda: watch.cause("wrong", HealthState.DEGRADED))
                assert cause in watch.cause("wrong", HealthState.DEGRADED)
            await until(lambda: watch.scheduler.stats().detectors["wrong"].queued == 0)
        await until(lambda: watch.cause("wrong"))
        assert cause in watch.cause("wrong")
        stats = watch.scheduler.stats().detectors
        assert (stats["wrong"].failed, stats["brightness"].scored) == (3, 3)


class Exiting(Brightness):
    def load(self, device: str) -> None:
        raise SystemExit("no licence")


async def test_a_detector_that_would_end_the_process_while_it_loads_fails_alone() -> None:
    exiting = Exiting("exiting")
    watch = Watch(exiting, Brightness())
    async with running(watch):
        watch.submit("brightness")
        assert (await watch.result()).detector == "brightness"
    assert watch.cause("exiting") == "defect while loading: SystemExit: no licence"
