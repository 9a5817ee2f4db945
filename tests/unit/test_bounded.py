"""Calls that may take so long and no longer, one at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from pathlib import Path

import pytest

from streammon.catalogue.store import Store
from streammon.core.errors import Permanent
from streammon.scheduler import bounded
from streammon.scheduler.bounded import BoundedCalls, Hangs

LIMIT_S = 10.0


@pytest.fixture
def release() -> Generator[threading.Event]:
    """Set at the end of the test: then what hangs comes back, and its thread ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "SECOND_LOOK_S", 0.05)


def test_calls_come_back_with_what_they_return_from_one_other_thread() -> None:
    calls = BoundedCalls()
    idents = {calls.call("d", "score", LIMIT_S, threading.get_ident) for _ in range(3)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents


FAULTS: dict[type[Exception], Callable[[], object]] = {
    ValueError: lambda: int("x"),
    TimeoutError: lambda: Future[int]().result(timeout=0),
    Permanent: lambda: Store(Path("nowhere"), catalogue={}).entry("x"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_a_call_raises_comes_through_and_the_next_call_is_made(
    kind: type[Exception],
) -> None:
    calls = BoundedCalls()
    with pytest.raises(kind):
        calls.call("d", "score", LIMIT_S, FAULTS[kind])
    assert calls.call("d", "score", LIMIT_S, lambda: 7) == 7


def test_a_call_that_hangs_is_left_behind_by_name_and_the_next_one_is_made(
    release: threading.Event,
) -> None:
    calls = BoundedCalls()
    began_s = time.monotonic()
    with pytest.raises(
        Hangs, match=r"^deep: score did not come back for 0\.1 s.*scheduler\.hang_s"
    ):
        calls.call("deep", "score", 0.1, lambda: release.wait(LIMIT_S))
    assert time.monotonic() - began_s < LIMIT_S / 2
    assert calls.call("other", "score", LIMIT_S, lambda: 7) == 7


def test_one_that_hangs_while_it_loads_is_told_which_limit_to_raise(
    release: threading.Event,
) -> None:
    with pytest.raises(Hangs, match=r"load did not come back .* raise scheduler\.load_hang_s"):
        BoundedCalls().call("deep", "load", 0.1, lambda: release.wait(LIMIT_S))


def test_one_that_is_late_by_less_than_a_second_look_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bounded, "SECOND_LOOK_S", LIMIT_S)

    def late() -> str:
        time.sleep(0.1)
        return "late"

    assert BoundedCalls().call("slow", "score", 0.01, late) == "late"


def ends(thread: threading.Thread) -> bool:
    thread.join(LIMIT_S)
    return not thread.is_alive()


def test_the_thread_ends_with_its_owner() -> None:
    calls = BoundedCalls()
    thread = calls.call("d", "score", LIMIT_S, threading.current_thread)
    assert thread.is_alive()
    del calls
    assert ends(thread)


def test_once_closed_its_thread_ends_and_the_next_call_has_another() -> None:
    calls = BoundedCalls()
    first = calls.call("d", "score", LIMIT_S, threading.current_thread)
    calls.close()
    assert ends(first)
    assert calls.call("d", "score", LIMIT_S, threading.current_thread) is not first
