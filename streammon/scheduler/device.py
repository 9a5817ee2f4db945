"""Which device models run on, and what torch detectors need.

torch is imported only when something on this page is called.
"""

from __future__ import annotations

import logging
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streammon.core.errors import Permanent

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

Precision: TypeAlias = Literal["float32", "bfloat16"]
CPU = "cpu"
FEWER_THREADS_IF_WITHIN = 1.15
"""A second thread that gains less than this is better left to the decoders."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The device that models run on, and what people should know about it."""

    device: str
    cause: str = ""
    is_fallback: bool = False
    """Another device was asked for, or is there but does not work."""


def choose_device(wanted: str) -> Choice:
    """Settle `auto`, `cpu`, `cuda` or `cuda:<n>`; CUDA only if it really computes. Blocking."""
    if wanted == CPU:
        return Choice(CPU)
    import torch

    name = wanted if wanted.startswith("cuda:") else "cuda:0"
    if not torch.cuda.is_available():
        asked = wanted != "auto"
        cause = "no CUDA device can be used by this installation of torch; running on the CPU"
        return Choice(CPU, cause, is_fallback=asked)
    try:
        ones = torch.ones((64, 64), device=name)
        right = float((ones @ ones).sum()) == 64.0**3
    except RuntimeError as error:
        first_line = str(error).partition("\n")[0]
        return Choice(CPU, f"{name} failed ({first_line}); running on the CPU", is_fallback=True)
    if not right:
        return Choice(CPU, f"{name} computes wrongly; running on the CPU", is_fallback=True)
    return Choice(name)


def tune_threads(wanted: int | None) -> int:
    """Set how many CPU threads one model run uses: as told, or as measured. Blocking.

    Measured, one core is left to the event loop and the decoders: threads that work on one
    model wait for the slowest of them, so one that is interrupted holds up all. To be called on
    the thread that will run the models. Takes a fraction of a second.
    """
    import torch

    most = max(1, torch.get_num_threads() - 1)
    best = wanted or 1
    if wanted is None and most > 1:
        candidates = [1 << power for power in range(most.bit_length()) if 1 << power <= most]
        took_s = {threads: _probe_s(threads) for threads in sorted({*candidates, most})}
        enough_s = FEWER_THREADS_IF_WITHIN * min(took_s.values())
        best = min(threads for threads, one_s in took_s.items() if one_s <= enough_s)
    torch.set_num_threads(best)
    return best


def _probe_s(threads: int) -> float:
    """Best of five runs of a small convolution over a batch, in seconds."""
    import torch

    torch.set_num_threads(threads)
    layer = torch.nn.Conv2d(32, 32, 3, padding=1)
    batch = torch.zeros((8, 32, 64, 64))
    took_s: list[float] = []
    with torch.inference_mode():
        for _ in range(5):
            started_s = time.perf_counter()
            layer(batch)
            took_s.append(time.perf_counter() - started_s)
    return min(took_s)


def torch_device(device: str) -> torch.device:
    """The torch device of a name given to `Detector.load`."""
    import torch

    return torch.device(device)


def settle_cpu_precision(wanted: Literal["float32", "bfloat16", "auto"]) -> Precision:
    """What models on this CPU are computed in. Imports torch, unless float32 is wanted.

    Raises `Permanent` where bfloat16 is wanted and the processor does not compute in it: torch
    would emulate it, slower than float32.
    """
    if wanted == "float32":
        return "float32"
    import torch

    asked: Any = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch has no public one
    if asked is not None and asked():
        return "bfloat16"
    if wanted == "bfloat16":
        raise Permanent(
            "scheduler.cpu_precision: this processor does not compute in bfloat16 (AVX512-BF16); "
            "set it to float32, or to auto to have bfloat16 on processors that do"
        )
    log.info("cpu_precision", extra={"precision": "float32", "cause": "no AVX512-BF16"})
    return "float32"


def autocast(
    device: str, *, enabled: bool = True, cpu: Precision = "float32"
) -> AbstractContextManager[Any]:
    """Mixed precision: on CUDA if `enabled`, on the CPU if bfloat16 was settled for it.

    On CUDA bfloat16 where the device has it in hardware (no overflow), else float16.
    """
    if device == CPU and cpu == "bfloat16":
        import torch

        return torch.autocast("cpu", dtype=torch.bfloat16)
    if not enabled or not device.startswith("cuda"):
        return nullcontext()
    import torch

    hardware = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast("cuda", dtype=torch.bfloat16 if hardware else torch.float16)


def to_device(array: NDArray[Any], device: str) -> torch.Tensor:
    """A tensor on `device` with the array's values.

    On CUDA the copy goes through pinned memory and does not wait for the device; torch keeps the
    pinned buffer until the copy is done. On the CPU the memory is shared where it may be.
    """
    import torch

    tensor = torch.from_numpy(array if array.flags.writeable else np.array(array))
    if not device.startswith("cuda"):
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
