"""Signals as they really arrive: in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest

from streammon.flow.signals import stop_on_signals

DRAINS = """
import asyncio
from streammon.flow import signals
from streammon.flow.signals import stop_on_signals

signals.PATIENCE_S = {patience_s}

async def main():
    stop = asyncio.Event()
    with stop_on_signals(stop, still_here=lambda: print("still here", flush=True)):
        print("ready", flush=True)
        await stop.wait()
        print("draining", flush=True)
        await asyncio.sleep({drain_s})
        print("drained", flush=True)

asyncio.run(main())
"""


@contextmanager
def monitor(
    *, drain_s: float, patience_s: float = 60.0
) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    """A process that drains for so long once it is asked to stop; it is ready to be asked."""
    command = [sys.executable, "-c", DRAINS.format(drain_s=drain_s, patience_s=patience_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process, process.stdout
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_drains(number: signal.Signals) -> None:
    with monitor(drain_s=0.05) as (process, out):
        process.send_signal(number)
        assert out.read() == "draining\ndrained\n"
        assert process.wait(10) == 0


def test_whoever_waits_for_it_is_told_that_it_goes_on() -> None:
    with monitor(drain_s=0.2, patience_s=0.1) as (process, out):
        process.send_signal(signal.SIGINT)
        assert out.read() == "draining\nstill here\ndrained\n"
        assert process.wait(10) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once(second: signal.Signals) -> None:
    with monitor(drain_s=60) as (process, out):
        process.send_signal(signal.SIGTERM)
        assert out.readline() == "draining\n"
        process.send_signal(second)
        assert process.wait(10) == 1
        assert out.read() == ""


async def test_a_signal_reaches_what_waits_for_it() -> None:
    stop = asyncio.Event()
    with stop_on_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(5):
            await stop.wait()


async def test_handlers_are_gone_afterwards() -> None:
    with stop_on_signals(asyncio.Event()):
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
