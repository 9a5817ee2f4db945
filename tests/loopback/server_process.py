"""A real server program that tests may freeze, kill and start again on its port."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

LAST_WORDS = 2_000
FIRST_PORT, PORTS_EACH, MOST_WORKERS = 12_000, 1_000, 16


@cache
def _ports() -> Iterator[int]:
    """Those of this worker, round and round, from where another run is unlikely to be.

    They lie below the ports that systems give to connections: until a server listens on one, and
    while it is down, nobody is given it by chance.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % MOST_WORKERS
    begin = os.getpid() % PORTS_EACH
    first = FIRST_PORT + worker * PORTS_EACH
    return itertools.cycle(first + (begin + n) % PORTS_EACH for n in range(PORTS_EACH))


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    found: list[int] = []
    for port in itertools.islice(_ports(), PORTS_EACH):
        with socket.socket() as held, contextlib.suppress(OSError):
            held.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"fewer than {count} of {PORTS_EACH} ports are free")


class ServerProcess(ABC):
    """One process, started in the foreground; what it prints is kept in its folder."""

    def __init__(
        self, command: Sequence[str | Path], *, folder: Path, within_s: float = 10.0
    ) -> None:
        """It has to answer `within_s` of being started."""
        self._command = [str(word) for word in command]
        self._folder = folder
        self._within_s = within_s
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes requests."""

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = self._run()
        until_s = time.monotonic() + self._within_s
        while not self.answers():
            assert self._process.poll() is None, f"it ended: {self._said()}"
            assert time.monotonic() < until_s, f"not up in {self._within_s} s: {self._said()}"
            time.sleep(0.02)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """It answers nothing, and its connections stay up."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _run(self, *more: str) -> subprocess.Popen[bytes]:
        with self._printed.open("ab") as output:
            return subprocess.Popen(
                [*self._command, *more], cwd=self._folder, stdout=output, stderr=output
            )

    def _said(self) -> str:
        return self._printed.read_text(errors="replace")[-LAST_WORDS:]

    @property
    def _printed(self) -> Path:
        return self._folder / "output.log"
