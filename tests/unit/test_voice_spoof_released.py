"""Vocoders that others trained: their weights are read as their authors meant, features as ours."""

from __future__ import annotations

import math
import stat
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import Conv1d
from torch.nn.utils.parametrizations import weight_norm

from training.voice_spoof.vocoders import known, released

pytestmark = pytest.mark.usefixtures("one_thread")
NARROW = 6
PROGRAM = f"""#!{sys.executable}
import sys
import numpy as np

mode, source, out = sys.argv[1:]
if mode == "-features":
    frames = len(np.fromfile(source, "<i2")) // 160
    np.tile(np.linspace(-2.0, 2.0, 36), (frames, 1)).astype("<f4").tofile(out)
else:
    features = np.fromfile(source, "<f4").reshape(-1, 36)
    np.repeat(features[5:, :20].sum(axis=1) * 1_000, 160).round().astype("<i2").tofile(out)
"""
"""In the place of FARGAN's: what it says depends on features alone."""


def drawn(*sizes: int, seed: int) -> torch.Tensor:
    return 0.3 * torch.randn(*sizes, generator=torch.Generator().manual_seed(seed))


def normed(shapes: dict[str, tuple[int, int, int]]) -> dict[str, torch.Tensor]:
    """Weights by name as such files hold them."""
    stored = {}
    for seed, (name, shape) in enumerate(shapes.items()):
        stored[f"{name}.weight_v"] = drawn(*shape, seed=seed)
        stored[f"{name}.weight_g"] = drawn(shape[0], 1, 1, seed=seed).abs() + 0.1
        channels = shape[1] if name.startswith("ups.") else shape[0]
        stored[f"{name}.bias"] = drawn(channels, seed=seed)
    return stored


def a_hifigan() -> dict[str, torch.Tensor]:
    shapes = {"conv_pre": (NARROW, 80, 7), "conv_post": (1, NARROW, 7)}
    for number, rate in enumerate(released.RATES):
        shapes[f"ups.{number}"] = (NARROW, NARROW, 2 * rate)
        for n, width in enumerate(released.KERNELS):
            for part in (f"{row}.{column}" for row in (1, 2) for column in range(3)):
                name = f"resblocks.{3 * number + n}.convs{part}"
                shapes[name] = (NARROW, NARROW, width)
    return normed(shapes)


def a_cargan() -> dict[str, torch.Tensor]:
    shapes = {"gblocks.0": (NARROW, 80 + 4, 1), "last_conv.1": (1, NARROW, 3)}
    for number, factor in enumerate(released.SPREAD, 1):
        later, name = int(factor > 1), f"gblocks.{number}"
        parts = (f"conv1.{1 + later}", f"conv1.{3 + later}", "conv2.1", "conv2.3")
        shapes |= {f"{name}.{part}": (NARROW, NARROW, 3) for part in parts}
        shapes[f"{name}.res1.{later}"] = (NARROW, NARROW, 1)
    stored = normed(shapes)
    sizes = [released.KNOWN, 8, 8, 8, 8, 4]
    for index, (before, after) in enumerate(pairwise(sizes)):
        stored[f"ar_model.model.{2 * index}.weight"] = drawn(after, before, seed=index)
        stored[f"ar_model.model.{2 * index}.bias"] = drawn(after, seed=index)
    return stored


def test_weights_are_folded_as_their_norm_is_defined() -> None:
    layer = weight_norm(Conv1d(5, 4, 3))
    norm = layer.parametrizations.weight
    stored = {"x.weight_g": norm.original0, "x.weight_v": norm.original1, "x.bias": layer.bias}
    folded = released.folded({name: part.detach() for name, part in stored.items()})
    torch.testing.assert_close(folded["x.weight"], layer.weight.detach())
    assert folded.keys() == {"x.weight", "x.bias"}


def test_hifigan_says_256_samples_a_frame_and_looks_both_ways(tmp_path: Path) -> None:
    torch.save({"generator": a_hifigan()}, tmp_path / "v1.pth.tar")
    said = released.hifigan(tmp_path / "v1.pth.tar")
    mel = drawn(80, 60, seed=3).numpy()
    heard = said(mel)
    assert heard.shape == (60 * released.HOP,)
    assert np.abs(heard).max() <= 1.0
    mel[:, 30] += 1.0
    moved = np.flatnonzero(said(mel) != heard) / released.HOP
    assert 10 < moved.min() < 30 < 31 < moved.max() < 50


def test_cargan_says_chunks_each_told_of_the_one_before(tmp_path: Path) -> None:
    torch.save(a_cargan(), tmp_path / "cargan.pt")
    said = released.cargan(tmp_path / "cargan.pt")
    mel = drawn(80, 20, seed=4).numpy()
    heard = said(mel)
    assert heard.shape == (20 * released.HOP,)
    assert np.array_equal(said(mel[:, :8]), heard[: 8 * released.HOP])
    mel[:, 3] += 1.0
    moved = np.abs(said(mel) - heard)
    assert moved[: 8 * released.HOP].max() > 0
    assert moved[8 * released.HOP :].max() > 0
    mel[:, 3] -= 1.0
    mel[:, 17] += 1.0
    moved = np.abs(said(mel) - heard)
    assert np.all(moved[: 16 * released.HOP] < 1e-6)


@pytest.mark.parametrize("kind", range(6))
def test_features_are_spoiled_alike_whatever_their_logarithm(kind: int) -> None:
    draw = np.array([0, 0, kind, 0, 0, 0, 7, 0], np.uint16)
    mel = np.cumsum(drawn(40, 50, seed=1).numpy(), axis=1, dtype=np.float32)
    natural = known._spoiled(mel, draw, base=math.e)
    decimal = known._spoiled(mel / np.float32(math.log(10.0)), draw, base=10.0)
    np.testing.assert_allclose(decimal * math.log(10.0), natural, atol=1e-4)
    assert (np.abs(natural - mel).max() > 0.01) == (kind in {1, 2, 3, 4})


def test_a_program_is_given_features_and_its_delay_is_taken_off(tmp_path: Path) -> None:
    program = tmp_path / "fargan_demo"
    program.write_text(PROGRAM)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    samples = np.zeros(4_000, np.float32)
    unspoiled, noisy = (np.array([0, 0, kind, 0, 0, 0, 7, 0], np.uint16) for kind in (0, 3))
    say = known.fargan(program)
    heard = say(samples, unspoiled)
    meant = np.linspace(-2.0, 2.0, 36)[:20].sum() * 1_000 / 32_768
    assert len(heard) >= len(samples)
    np.testing.assert_allclose(heard, meant, atol=1e-4)
    assert np.std(say(samples, noisy)) > 0.001


def test_what_is_not_installed_is_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("pyworld", "tensorflow", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, package, None)
    assert list(known.voices({"tflite": tmp_path, "cargan": None})) == []
    said = capsys.readouterr().err
    assert all(f"{name}: " in said for name in ("world", "pwgan", "hifigan-v3"))
