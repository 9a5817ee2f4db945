"""Model files that take seconds to make, made in a process of its own while nothing is timed."""

from __future__ import annotations

import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import torch

from benchmarks.of_detectors import models
from tests.tiny_models import exported, traced

SIDE = 224


def begin(folder: Path, *, most: int) -> subprocess.Popen[bytes]:
    """Begin to make them; wait for the end before anything is timed."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder), str(most)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def look_files(folder: Path, *, most: int) -> tuple[Path, Path]:
    """One network as TorchScript and as an exported program; made once for a folder."""
    script, program = folder / "look.pt", folder / "look.pt2"
    if not (script.exists() and program.exists()):
        network, example = models.quietly(models.Look), torch.zeros(2, 3, SIDE, SIDE)
        traced(network, example, script)
        exported(network, example, program, most=most)
    return script, program


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    look_files(Path(sys.argv[1]), most=int(sys.argv[2]))
    with suppress(ImportError):  # without the package that writes such files
        models.voice_onnx(Path(sys.argv[1]))
