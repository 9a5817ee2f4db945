"""Detectors inside a detector: asked one by one, and none of them can take the others with it.

A member may raise, give the wrong count, answer for other windows or not answer at all. Each is
caught here, named in the answer, counted, and after several in a row the member rests for a
while before it is tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from inspect import getattr_static
from threading import Thread
from typing import TypeVar

from streammon.core.errors import Permanent, StreammonError
from streammon.core.ports import Detector, Evictable
from streammon.core.types import DetectionResult, Json, Window, WindowSpec
from streammon.detectors.breaker import Breaker, State
from streammon.detectors.shared_cut import newest_part
from streammon.telemetry.redact import redact_url

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_CAUSE = 200
LOCAL_CALL_S = 30.0
"""What a member on this machine may take where the whole has to say how long it may."""


class How(StrEnum):
    """What came of asking a member."""

    SPOKE = "spoke"
    ABSTAINED = "abstained"
    FAILED = "failed"
    RESTING = "resting"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one member says of one window, or why it says nothing."""

    member: str
    how: How
    why: str = ""
    result: DetectionResult | None = None

    @property
    def confidence(self) -> float | None:
        return None if self.result is None else self.result.confidence

    def told(self) -> dict[str, Json]:
        """For `details`: who, how, and the number or the reason."""
        said: dict[str, Json] = {"member": self.member, "said": self.how.value}
        if self.result is not None and self.confidence is not None:
            said |= {"confidence": round(self.confidence, 4), "model": self.result.model_used}
        return said | ({"why": self.why} if self.why else {})


@dataclass(frozen=True, slots=True)
class Patience:
    """When a member is no longer asked."""

    failures: int = 3
    rest_s: float = 30.0
    answer_within_s: float | None = None
    """Unset: it is waited for on the caller's thread, however long it takes."""


class Member:
    """One detector of a combinator. Not thread-safe; never raises in `ask`."""

    def __init__(self, detector: Detector, patience: Patience) -> None:
        self.detector = detector
        self.name = detector.name
        self.patience = patience
        self._breaker = Breaker(failures=patience.failures, rest_s=patience.rest_s)
        self._last_cause = ""
        self._is_loaded = False
        self._left_behind: Thread | None = None
        """The thread of a call that was given up and may still be running."""

    @property
    def most(self) -> int:
        """Windows in one call."""
        return max(1, self.detector.max_batch)

    @property
    def longest_call_s(self) -> float:
        """How long one call may take: as it says itself, or as the scheduler allows."""
        own_s = LOCAL_CALL_S
        if offers(self.detector, "longest_wait_s"):
            own_s = float(self.detector.longest_wait_s)  # type: ignore[attr-defined]
        return min(own_s, self.patience.answer_within_s or own_s)

    @property
    def resident_bytes(self) -> int:
        evictable = self._is_loaded and isinstance(self.detector, Evictable)
        return self.detector.resident_bytes if evictable else 0  # type: ignore[attr-defined]

    def load(self, device: str) -> str:
        """Load it unless it is loaded; returns why that failed, or nothing."""
        if self._is_loaded:
            return ""
        try:
            self.detector.load(device if self.detector.on_device else "cpu")
        except Exception as error:  # a border: one member must not stop the others
            self._last_cause = f"not loaded: {_cause(error)}"
            log.exception("member_load_failed", extra={"member": self.name})
            return self._last_cause
        self._is_loaded = True
        return ""

    def unload(self) -> None:
        """Take its weights off the device, if it can do that."""
        if self._is_loaded and isinstance(self.detector, Evictable):
            self.detector.unload()
            self._is_loaded = False

    def bucket(self, window: Window, spec: WindowSpec) -> str:
        """The bucket of its part of the window; one it chokes on has one of its own."""
        part = newest_part(window, spec)
        try:
            return "" if part is None else self.detector.bucket(part)
        except Exception:  # noqa: BLE001 - a border: it fails again in `ask`, and counts there
            return "?"

    def ask(self, windows: Sequence[Window], spec: WindowSpec) -> list[Answer]:
        """One answer per window, in order, about its newest part in the member's own length."""
        parts = [newest_part(window, spec) for window in windows]
        whole = [part for part in parts if part is not None]
        answers: list[Answer] = []
        for at in range(0, len(whole), self.most):
            answers += self._ask(whole[at : at + self.most])
        waiting = iter(answers)
        empty = Answer(self.name, How.ABSTAINED, f"nothing in the last {spec.length:g} {spec.unit}")
        return [empty if part is None else next(waiting) for part in parts]

    def _ask(self, windows: Sequence[Window]) -> list[Answer]:
        now_ns = max(window.captured_ns for window in windows)
        silent = self._why_not_asked(now_ns)
        if silent is not None:
            return [silent] * len(windows)
        answers = self._try(windows)
        if len(windows) > 1 and isinstance(answers, Exception) and _is_of_a_window(answers):
            each = [self._one(window, now_ns) for window in windows]
            if any(answer.how in (How.SPOKE, How.ABSTAINED) for answer in each):
                self._breaker.succeeded()
                return each
        if isinstance(answers, Exception):
            failure = self._failed(answers)
            if isinstance(answers, Permanent | TimeoutError):
                self._breaker.trip(now_ns)
            else:
                self._breaker.failed(now_ns)
            return [failure] * len(windows)
        self._breaker.succeeded()
        return answers

    def _one(self, window: Window, now_ns: int) -> Answer:
        """A window of a batch that failed, alone: what is wrong with it is its own loss."""
        silent = self._why_not_asked(now_ns)
        if silent is not None:
            return silent
        answers = self._try([window])
        return self._failed(answers) if isinstance(answers, Exception) else answers[0]

    def _why_not_asked(self, now_ns: int) -> Answer | None:
        if not self._is_loaded:
            return Answer(self.name, How.FAILED, self._last_cause or "not loaded")
        if self._left_behind is not None and self._left_behind.is_alive():
            return Answer(self.name, How.RESTING, "still busy with a call that was given up")
        if self._breaker.state(now_ns) is State.OPEN:
            left_s = self._breaker.rest_left_s(now_ns)
            return Answer(self.name, How.RESTING, f"for {left_s:.0f} s more: {self._last_cause}")
        return None

    def _try(self, windows: Sequence[Window]) -> list[Answer] | Exception:
        try:
            results = self._score(windows)
            _check(windows, results)
        except Exception as error:  # noqa: BLE001 - a border: contained, named, counted
            return error
        return [_answer(self.name, result) for result in results]

    def _failed(self, error: Exception) -> Answer:
        self._last_cause = _cause(error)
        log.warning("member_failed", extra={"member": self.name}, exc_info=error)
        return Answer(self.name, How.FAILED, self._last_cause)

    def _score(self, windows: Sequence[Window]) -> Sequence[DetectionResult]:
        limit_s = self.patience.answer_within_s
        if limit_s is None:
            return self.detector.score(windows)
        outcome: Future[Sequence[DetectionResult]] = Future()
        thread = Thread(
            target=_settle,
            args=(outcome, lambda: self.detector.score(windows)),
            name=f"member-{self.name}",
            daemon=True,
        )
        thread.start()
        thread.join(limit_s)
        if thread.is_alive():
            self._left_behind = thread
            raise TimeoutError(f"no answer within {limit_s:g} s")
        return outcome.result()


def offers(detector: Detector, attribute: str) -> bool:
    """Whether it has an optional part of the port, without asking it for the value."""
    missing = object()
    return getattr_static(detector, attribute, missing) is not missing


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - the asking thread gets it
        outcome.set_exception(error)


def _answer(member: str, result: DetectionResult) -> Answer:
    if result.confidence is None:
        return Answer(member, How.ABSTAINED, result.abstained or "", result)
    return Answer(member, How.SPOKE, result=result)


def _is_of_a_window(error: Exception) -> bool:
    """Whether one window of the batch may be to blame: not a peer that is away, nor a hang."""
    return not isinstance(error, StreammonError | TimeoutError | MemoryError)


def _cause(error: Exception) -> str:
    return redact_url(f"{type(error).__name__}: {error}".strip())[:LONGEST_CAUSE]


def _check(windows: Sequence[Window], results: Sequence[DetectionResult]) -> None:
    """Raises `ValueError` unless there is one result for each window, in order."""
    if len(results) != len(windows):
        raise ValueError(f"{len(windows)} windows gave {len(results)} results")
    for window, result in zip(windows, results, strict=True):
        if not isinstance(result, DetectionResult):
            raise ValueError(f"a {type(result).__name__} stands where a result belongs")
        asked = (window.stream, window.participant, window.epoch, window.start_s)
        if (result.stream, result.participant, result.epoch, result.start_s) != asked:
            raise ValueError(f"a result for {result.stream} stands where {window.stream} belongs")
