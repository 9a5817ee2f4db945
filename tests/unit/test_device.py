"""Choosing a device, and what torch detectors are given. CUDA itself needs a machine with it."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import pytest
import torch

from streammon.scheduler.device import (
    autocast,
    choose_device,
    to_device,
    torch_device,
    tune_threads,
)

needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def test_the_cpu_is_taken_as_told() -> None:
    choice = choose_device("cpu")
    assert (choice.device, choice.cause, choice.is_fallback) == ("cpu", "", False)


@needs_no_cuda
@pytest.mark.parametrize(
    ("wanted", "is_fallback"), [("auto", False), ("cuda", True), ("cuda:1", True)]
)
def test_without_cuda_the_cpu_is_taken_and_the_cause_is_told(
    wanted: str, is_fallback: bool
) -> None:
    choice = choose_device(wanted)
    assert choice.device == "cpu"
    assert "no CUDA device" in choice.cause
    assert choice.is_fallback is is_fallback


@needs_cuda
def test_a_cuda_device_that_works_is_taken() -> None:
    assert choose_device("auto").device == "cuda:0"
    missing = choose_device(f"cuda:{torch.cuda.device_count()}")
    assert missing.device == "cpu"
    assert missing.is_fallback


@needs_cuda
def test_on_cuda_matrices_are_multiplied_in_half_precision() -> None:
    ones = to_device(np.ones((8, 8), np.float32), "cuda:0")
    assert ones.device == torch.device("cuda:0")
    with autocast("cuda:0"):
        assert (ones @ ones).dtype in {torch.bfloat16, torch.float16}


@pytest.fixture
def threads_as_before() -> Generator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_as_before")
def test_threads_are_set_as_told_or_as_measured() -> None:
    assert tune_threads(1) == 1
    assert torch.get_num_threads() == 1
    assert tune_threads(None) == 1
    torch.set_num_threads(2)
    assert tune_threads(None) == 1, "one core is left to others"
    torch.set_num_threads(4)
    measured = tune_threads(None)
    assert measured in {1, 2, 3}
    assert torch.get_num_threads() == measured


def test_the_values_arrive_also_from_arrays_that_must_not_be_written() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    array.flags.writeable = False
    tensor = to_device(array, "cpu")
    tensor += 1
    assert array[0, 0] == 0
    assert tensor.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert to_device(np.ones(3), "cpu").device == torch_device("cpu")


@pytest.mark.parametrize(("device", "enabled"), [("cpu", True), ("cuda:0", False)])
def test_precision_is_mixed_on_cuda_only(device: str, enabled: bool) -> None:
    with autocast(device, enabled=enabled):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
