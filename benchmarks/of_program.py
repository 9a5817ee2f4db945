"""The program itself, run beside a benchmark that talks to it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def streammon_run(
    config: Mapping[str, Any], folder: Path
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`streammon run` with this configuration while the block runs: the process and its URL."""
    path = folder / "benchmark.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "streammon", "run", str(path), "--quiet"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        said = next((line for line in process.stderr if "http://" in line), "")
        found = re.search(r"http://\S+", said)
        assert found is not None, "it did not start"
        yield process, found.group(0).rstrip("/")
    finally:
        process.terminate()
        process.communicate(timeout=30)
