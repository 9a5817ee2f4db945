"""Runs `streammon` as a person would: its own process, its own state folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENDS_WITHIN_S = 30.0


@dataclass
class Program:
    """A running `streammon` and what it has written so far."""

    process: subprocess.Popen[str]
    out: Path
    said: list[str] = field(default_factory=list)

    def lines(self) -> list[dict[str, Any]]:
        """The complete JSON lines of `--out`."""
        whole = self.out.read_bytes() if self.out.exists() else b""
        return [json.loads(line) for line in whole.split(b"\n")[:-1]]  # the last may be growing

    def url(self) -> str:
        """Where the wall is, once it says so."""

        def look() -> str:
            found = re.search(r"http://\S+", "\n".join(self.said))
            return found.group(0).rstrip("/") if found else ""

        return str(self.wait_for(look))

    def wait_for(self, look: Callable[[], Any], *, within_s: float = 40.0) -> Any:
        """The first true thing that `look` returns; fails when the program ends or time is up."""
        until_s = time.monotonic() + within_s
        while time.monotonic() < until_s:
            over = self.process.poll() is not None  # asked first: its last words count, too
            if found := look():
                return found
            if over:
                raise AssertionError(f"ended with {self.process.returncode}: {self.tail()}")
            time.sleep(0.05)
        raise AssertionError(f"nothing within {within_s} s: {self.tail()}")

    def wait_for_line(self, within_s: float = 40.0, **fields: Any) -> dict[str, Any]:
        """The first line of `--out` with these fields."""

        def look() -> dict[str, Any] | None:
            for line in self.lines():
                if all(line.get(key) == value for key, value in fields.items()):
                    return line
            return None

        found: dict[str, Any] = self.wait_for(look, within_s=within_s)
        return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(ENDS_WITHIN_S)

    def tail(self) -> str:
        return "\n".join(self.said[-20:])


@contextmanager
def streammon(folder: Path, *arguments: str, stdin: int | None = None) -> Iterator[Program]:
    """`streammon ARGUMENTS --out FILE`, ended when the block is left."""
    out = folder / "out.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "streammon", *arguments, "--out", str(out)],
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state")},
    )
    program = Program(process, out)
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: program.said.extend(process.stderr or ()))
    reader.start()
    try:
        yield program
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(ENDS_WITHIN_S)
        reader.join(ENDS_WITHIN_S)
        process.stderr.close()
        if process.stdin is not None:
            process.stdin.close()
