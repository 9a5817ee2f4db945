"""The small vocoders: spectra go there and back, each learns and speaks, copies pair with reals."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.voice_spoof.clips import RATE_HZ, Clip
from training.voice_spoof.vocoders.copies import UNTRAINED, copy_of, with_envelope_of
from training.voice_spoof.vocoders.likelihood import Flow, folded, unfolded
from training.voice_spoof.vocoders.recipes import RECIPES
from training.voice_spoof.vocoders.signal import (
    MelSetting,
    framed,
    log_mel,
    overlapped,
    pitch_hz,
    spoiled,
)
from training.voice_spoof.vocoders.train import fit

pytestmark = pytest.mark.usefixtures("one_thread")


def a_voice(*, pitch: float = 140.0, seconds: float = 1.5) -> NDArray[np.int16]:
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * pitch * k * at) / k for k in range(1, 25))
    noise = np.random.default_rng(0).normal(size=len(at))
    return (3_000 * tone * np.sin(2 * np.pi * 2 * at) ** 2 + 30 * noise).astype(np.int16)


def a_clip(pcm: NDArray[np.int16]) -> Clip:
    return Clip("train/real_voice_1.flac", False, "real", "s", "resemble-ai", "none", "train", pcm)


@pytest.mark.parametrize("setting", [MelSetting(80, 1024, 256, 8e3), MelSetting(64, 800, 200, 8e3)])
def test_spectra_go_there_and_back(setting: MelSetting) -> None:
    samples = torch.randn(2, 40 * setting.hop, generator=torch.Generator().manual_seed(0))
    spectra = framed(samples, setting)
    assert spectra.shape == (2, setting.fft // 2 + 1, 40)
    torch.testing.assert_close(overlapped(spectra, setting), samples, atol=1e-4, rtol=0)


@pytest.mark.parametrize("pitch", [90.0, 140.0, 230.0])
def test_pitch_is_found_where_there_is_one(pitch: float) -> None:
    samples = torch.from_numpy(a_voice(pitch=pitch)[None] / np.float32(32768))
    found = pitch_hz(samples[:, : 90 * 256], 256)[0]
    voiced = found[found > 0]
    assert len(voiced) > 45
    assert float(voiced.median()) == pytest.approx(pitch, rel=0.03)


def test_noise_has_no_pitch() -> None:
    noise = torch.randn(1, 16_384, generator=torch.Generator().manual_seed(0))
    assert float((pitch_hz(noise, 256) > 0).float().mean()) < 0.1


@pytest.mark.parametrize("name", RECIPES)
def test_each_vocoder_learns_and_speaks(name: str) -> None:
    recipe = RECIPES[name]
    vocoder = fit(recipe, [a_voice()], scale=0.001)
    again = copy_of(a_clip(a_voice()), name, vocoder)
    assert int(vocoder.steps) >= 1
    assert again.shape == a_voice().shape
    assert np.std(again) == pytest.approx(np.std(a_voice()), rel=0.1)
    assert np.array_equal(again, copy_of(a_clip(a_voice()), name, vocoder))


@pytest.mark.parametrize("name", UNTRAINED)
def test_magnitudes_alone_give_the_voice_back(name: str) -> None:
    vocoder = UNTRAINED[name]
    real = a_clip(a_voice())
    said, meant = (
        log_mel(
            torch.from_numpy(pcm[None, : 90 * 256] / np.float32(32768)),
            MelSetting(40, 1024, 256, 7e3),
        )
        for pcm in (copy_of(real, name, vocoder), real.pcm)
    )
    assert float((said - meant).abs().mean()) < 0.15  # 0.25 is one neper


def test_a_flow_can_be_walked_back() -> None:
    flow = RECIPES["flow"].build()
    assert isinstance(flow, Flow)
    samples = torch.randn(2, 512)
    torch.testing.assert_close(unfolded(folded(samples)), samples)
    voice = torch.from_numpy(a_voice()[None, : 60 * 256] / np.float32(32768))
    loss, _ = flow.loss(voice, random=torch.Generator().manual_seed(0))
    assert loss.isfinite()


def test_an_envelope_can_be_given_back() -> None:
    meant = torch.from_numpy(a_voice()[None] / np.float32(32768))
    tilted = torch.cumsum(meant, dim=1) * 0.2
    setting = MelSetting(30, 1024, 256, 8e3)
    length = 90 * 256
    before, after = (
        (log_mel(one[:, :length], setting) - log_mel(meant[:, :length], setting)).abs().mean()
        for one in (tilted, with_envelope_of(meant, tilted))
    )
    assert float(after) < 0.4 * float(before)


@pytest.mark.parametrize("kind", range(6))
def test_features_are_spoiled_but_little(kind: int) -> None:
    mel = torch.cumsum(torch.randn(1, 40, 50, generator=torch.Generator().manual_seed(1)), 2) * 0.1
    found = spoiled(mel, kind=kind, random=torch.Generator().manual_seed(0))
    assert found.shape == mel.shape
    assert bool((found != mel).any()) == (kind in {1, 2, 3, 4})
    assert float((found - mel).abs().mean()) < 0.5


def test_a_vocoder_hears_no_corpus_but_its_own() -> None:
    from training.voice_spoof.folds import FOLDS, trained_on

    for fold in FOLDS.values():
        assert set(trained_on(fold.sources)) <= set(fold.systems)
    assert sum(len(trained_on(fold.sources)) for fold in FOLDS.values()) == len(RECIPES)


def test_what_a_fold_holds_out_is_not_in_its_training() -> None:
    from training.voice_spoof.folds import FOLDS

    real = a_clip(a_voice())
    fake = replace(real, file="train/fake_copy-flow_voice_1.flac", fake=True, system="copy-flow")
    heard = replace(fake, file="train/fake_copy-gan-80_voice_1.flac", system="copy-gan-80")
    other = replace(real, file="train/real_prompt_1.flac", source="Debian asterisk-core-sounds")
    training, _, held = FOLDS["librispeech"].split([real, fake, heard, other])
    assert [clip.file for clip in training] == [other.file]
    assert [clip.file for clip in held] == [real.file, heard.file]
    training, _, held = FOLDS["prompts-and-digits"].split([real, fake, heard, other])
    assert [clip.file for clip in training] == [real.file, heard.file]
    assert [clip.file for clip in held] == [other.file]


def test_copies_are_written_beside_a_manifest_that_pairs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import soundfile

    from training.voice_spoof.clips import read_data
    from training.voice_spoof.vocoders import copies

    data, out = tmp_path / "data", tmp_path / "copies"
    (data / "train").mkdir(parents=True)
    rows = []
    for number in range(8):
        name = f"train/real_hum_{number}.flac"
        soundfile.write(data / name, a_voice(pitch=100.0 + number), RATE_HZ)
        rows.append((name, "real", "real", f"s{number}", "made up", "none", "train"))
    with (data / "manifest.csv").open("w", newline="") as lines:
        csv.writer(lines).writerows([copies.COLUMNS, *rows])
    arguments = ["copies", "--data", str(data), "--vocoders", str(tmp_path), "--out", str(out)]
    monkeypatch.setattr("sys.argv", arguments)
    copies.main()
    both = read_data([data, out])
    fakes = [clip for clip in both if clip.fake]
    assert {clip.system for clip in fakes} <= {f"copy-{name}" for name in UNTRAINED}
    assert fakes
    assert {clip.origin for clip in fakes} <= {clip.file for clip in both if not clip.fake}
