"""The training scripts on a handful of made-up clips: they run, repeat, and measure rightly."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from streammon.detectors.models.vocoder_cnn import BANDS, BandPower
from training.voice_spoof.augment import MASKED_BANDS, MASKED_FRAMES, Distortion, Masks
from training.voice_spoof.calibration import platt
from training.voice_spoof.clips import (
    CODECS,
    OPUS,
    RATE_HZ,
    WINDOW,
    Sampler,
    read_clips,
    through_codec,
    with_codec_copies,
)
from training.voice_spoof.contestants import NETWORKS
from training.voice_spoof.fit import fit
from training.voice_spoof.windows import windows_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four speakers who hum, and copies of them with a buzz in it; the last one is for dev."""
    rng = np.random.default_rng(0)
    at = np.arange(3 * RATE_HZ) / RATE_HZ
    rows = []
    for speaker in range(4):
        hum = np.sin(2 * np.pi * (100 + 20 * speaker) * at) * np.sin(2 * np.pi * 3 * at) * 0.1
        hum += rng.normal(size=len(at)) * 0.005
        buzz = np.sign(np.sin(2 * np.pi * 3_000 * at)) * 0.02
        for name, sound, label, system in (
            (f"real_hum_{speaker}.flac", hum, "real", "real"),
            (f"fake_copy-buzz_hum_{speaker}.flac", hum + buzz, "fake", "copy-buzz"),
        ):
            soundfile.write(tmp_path / name, sound, RATE_HZ)
            split = "dev" if speaker == 3 else "train"
            rows.append([name, label, system, f"s{speaker}", "made up", "none", split])
    path = tmp_path / "manifest.csv"
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["file", "label", "system", "speaker", "source", "licence", "split"])
        writer.writerows(rows)
    return path


def test_a_network_is_fitted_and_the_same_each_time(manifest: Path, tmp_path: Path) -> None:
    training = with_codec_copies(
        read_clips(manifest, splits=["train"]), count=1, cache=tmp_path / "cache"
    )
    assert all(len(clip.variants) == 2 for clip in training)  # and one through Opus
    model = fit(training, NETWORKS["cnn"], steps=3, batch=8, seed=1)
    again = fit(training, NETWORKS["cnn"], steps=3, batch=8, seed=1)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_half_of_a_batch_is_pairs_that_share_their_distortion(manifest: Path) -> None:
    sampler = Sampler(read_clips(manifest), batch=16, rng=np.random.default_rng(0))
    crops, labels, shared = sampler.draw()
    assert crops.shape == (16, WINDOW)
    assert labels.mean() == 0.5
    assert shared.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, *range(4, 12)]
    assert labels[:8].tolist() == [0, 1] * 4
    heard = Distortion(seed=0, device=torch.device("cpu"))(
        torch.from_numpy(crops), torch.from_numpy(shared)
    )
    assert heard.shape == (16, WINDOW)
    assert heard.isfinite().all()


@pytest.mark.parametrize(
    "codec", sorted({*CODECS, *OPUS}), ids=lambda codec: "-".join(map(str, codec))
)
def test_codec_copies_are_in_place_and_alike(codec: tuple[str, str, int, int]) -> None:
    at = np.arange(RATE_HZ * 2) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * 130 * k * at) / k for k in range(1, 20))
    pcm = (voice * np.square(np.sin(2 * np.pi * 1.5 * at)) * 6_000).astype(np.int16)
    copy = through_codec(pcm, codec)
    assert abs(len(copy) - len(pcm)) <= 2_048
    frames = min(len(copy), len(pcm)) // 320
    loud, coded = (
        np.square(one[: frames * 320].astype(float)).reshape(frames, 320).mean(axis=1) ** 0.5
        for one in (pcm, copy)
    )
    late = [np.corrcoef(loud[4:-4], coded[4 + at : frames - 4 + at])[0, 1] for at in range(-1, 5)]
    assert max(late) > 0.95  # AAC without a container comes one frame of 64 ms late


def test_calibration_finds_the_law_that_made_the_scores() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(-1, 1, size=4_000), rng.normal(1, 1, size=1_000)
    found = platt(real, fake)  # log-odds of N(1, 1) against N(-1, 1) are 2 x
    assert found.slope == pytest.approx(2.0, abs=0.15)
    assert found.offset == pytest.approx(0.0, abs=0.15)


def test_calibration_shrinks_scores_that_are_far_out_and_often_wrong() -> None:
    real = np.array([-9.0] * 6 + [9.0] * 4)
    found = platt(real, -real)
    assert 0.0 < found.slope < 0.1  # right six times in ten: log-odds of 0.4 at a score of 9
    assert found.slope * 9.0 == pytest.approx(np.log(0.6 / 0.4), abs=0.05)


@pytest.mark.parametrize(("seconds", "count"), [(1.5, 1), (2.0, 1), (3.0, 2), (5.0, 3)])
def test_windows_cover_a_clip_to_its_end(seconds: float, count: int) -> None:
    pcm = np.arange(int(seconds * RATE_HZ)).astype(np.int16)
    found = windows_of(pcm)
    assert found.shape == (count, WINDOW)
    if seconds >= 2.0:
        assert found[-1, -1] == np.float32(pcm[-1]) / 32768


def test_masks_hide_one_stretch_of_bands_and_of_frames_and_only_while_training() -> None:
    front = BandPower()
    front.register_forward_hook(Masks(seed=0))
    samples = torch.randn(64, WINDOW, generator=torch.Generator().manual_seed(0))
    whole = front.eval()(samples)
    heard = front.train()(samples)
    hidden = heard != whole
    assert torch.equal(heard[~hidden], whole[~hidden])
    assert not heard[hidden].any()
    bands, frames = hidden.all(dim=2).sum(dim=1), hidden.all(dim=1).sum(dim=1)
    assert heard.shape[1] == BANDS
    assert 0 < int(bands.max()) <= MASKED_BANDS
    assert 0 < int(frames.max()) <= MASKED_FRAMES
    assert len(set(bands.tolist())) > 8  # of all sizes
