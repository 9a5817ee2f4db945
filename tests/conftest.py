"""What holds for every test: it leaves no task, thread or child process behind."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

GRACE_S = 10.0
"""How long what a test started may take to end by itself; nobody waits once it has ended."""

# Laws are tried on new examples at every run here, on the same ones in CI. No deadline: two
# cores may be shared with a browser and a broker.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests on an event loop also leave no task; the check needs the loop, so only they ask it.

    Set up before the test's own fixtures, it looks after they are gone; what tests share (a
    server of a module) is there before. Threads are looked for once the loop is closed too, with
    the threads it owns.
    """
    first = ["leaves_no_thread_or_process", "leaves_no_task"]
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("asyncio"):
            others = [name for name in item.fixturenames if name not in first]
            shared = [name for name in others if _is_shared(item, name)]
            own = [name for name in others if name not in shared]
            item.fixturenames[:] = [*shared, *first, *own]


def _is_shared(item: pytest.Function, name: str) -> bool:
    """Whether a fixture outlives the test."""
    definitions = item._fixtureinfo.name2fixturedefs.get(name, ())
    return bool(definitions) and definitions[-1].scope != "function"


@pytest.fixture(autouse=True)
def leaves_no_thread_or_process() -> Generator[None]:
    """Fails a test whose threads or child processes outlive it; daemon threads count too."""
    threads, children = set(threading.enumerate()), _children()
    yield
    left = _outlive(
        lambda: [thread.name for thread in threading.enumerate() if thread not in threads]
    )
    assert not left, f"threads left behind: {left}"
    left = _outlive(lambda: [_command(pid) for pid in sorted(_children() - children)])
    assert not left, f"child processes left behind: {left}"


@pytest.fixture
async def leaves_no_task() -> AsyncGenerator[None]:
    """Fails a test whose asyncio tasks, and those of its fixtures, outlive it."""
    before = asyncio.all_tasks()
    yield
    until_s = time.monotonic() + GRACE_S
    while left := asyncio.all_tasks() - before - {asyncio.current_task()}:
        if time.monotonic() > until_s:
            pytest.fail(f"tasks left behind: {[repr(task) for task in left]}")
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def one_thread() -> Generator[None]:
    """Torch on one thread: the batches of tests are small, and other tests share the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _outlive(running: Callable[[], list[str]]) -> list[str]:
    """What is still running after the grace; returns as soon as nothing is."""
    until_s = time.monotonic() + GRACE_S
    while (left := running()) and time.monotonic() < until_s:
        time.sleep(0.01)
    return left


def _children() -> set[int]:
    """Direct children of this process, also ended ones that nobody waited for (Linux)."""
    found: set[int] = set()
    for listing in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(map(int, listing.read_text().split()))
        except OSError:
            continue  # the thread ended while we looked
    return found


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        words = ""
    return f"{pid} {words or '(ended, but nobody waited for it)'}"
