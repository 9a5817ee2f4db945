"""The synthetic-speech detector on real and synthetic speech, and on what it must not judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from streammon.core.errors import Permanent
from streammon.core.ports import Evictable, Repeatable
from streammon.core.types import AudioChunk, DetectionResult, Modality, StreamId, Window
from streammon.detectors.scale import Scale
from streammon.detectors.voice_spoof import SHIPPED, VoiceSpoof, VoiceSpoofConfig
from streammon.detectors.weights import read_weights

RATE_HZ = 16_000
DEMO = Path(__file__).parents[2] / "streammon" / "demo"
REAL, SYNTHETIC = DEMO / "studio_clean.mp4", DEMO / "studio_cloned_voice.mp4"
needs_demo = pytest.mark.skipif(
    not (REAL.exists() and SYNTHETIC.exists()), reason="the demo media are not installed"
)
Sound = NDArray[np.float32]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The batches here are small, and other tests share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def detector() -> VoiceSpoof:
    found = VoiceSpoofConfig().build("voice")
    found.load("cpu")
    return found


@cache
def speech(path: Path) -> Sound:
    """The sound of a file as the monitor hears it: 16 kHz, mono."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    parts: list[Any] = []
    with av.open(str(path), "r") as container:
        for frame in container.decode(audio=0):
            parts += resampler.resample(frame)
    parts += resampler.resample(None)
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def window(pcm: Sound, *, start_s: float = 0.0, source_rate_hz: int = 48_000) -> Window:
    stream, end_s = StreamId("call"), start_s + len(pcm) / RATE_HZ
    chunk = AudioChunk(stream, 0, start_s, round(end_s * 1e9), pcm, RATE_HZ, source_rate_hz)
    return Window(stream, Modality.AUDIO, 3, start_s, end_s, (chunk,), participant="ann")


def windows(path: Path, *, length_s: float = 2.0, gain: float = 1.0) -> list[Window]:
    pcm, size = speech(path) * np.float32(gain), round(length_s * RATE_HZ)
    hop = size - RATE_HZ // 2
    starts = range(0, len(pcm) - size + 1, hop)
    return [window(pcm[start : start + size], start_s=start / RATE_HZ) for start in starts]


def confidences(results: list[DetectionResult]) -> list[float]:
    return [result.confidence for result in results if result.confidence is not None]


def logits(results: list[DetectionResult]) -> list[float]:
    found = [result.details.get("logit") for result in results]
    return [logit for logit in found if isinstance(logit, float)]


# --- speech ----------------------------------------------------------------------------------


@needs_demo
def test_synthetic_speech_is_flagged_and_real_speech_is_not(detector: VoiceSpoof) -> None:
    real, synthetic = (list(detector.score(windows(path))) for path in (REAL, SYNTHETIC))
    assert len(confidences(real)) >= 0.9 * len(real)
    assert len(confidences(synthetic)) >= 0.9 * len(synthetic)
    flagged = [result.is_ai_generated for result in synthetic]
    assert flagged.count(True) >= 0.4 * len(flagged)  # a strict threshold: it adds up
    assert [result.is_ai_generated for result in real].count(True) <= 0.05 * len(real)
    assert np.median(confidences(synthetic)) > 0.8
    assert np.median(confidences(real)) < 0.5  # no trace that is known says little for a voice


@needs_demo
@pytest.mark.parametrize("gain", [0.1, 0.5, 3.0])
def test_the_level_of_the_speech_hardly_matters(detector: VoiceSpoof, gain: float) -> None:
    plain = logits(list(detector.score(windows(SYNTHETIC))))
    scaled = logits(list(detector.score(windows(SYNTHETIC, gain=gain))))
    np.testing.assert_allclose(plain, scaled, atol=0.02)


@needs_demo
def test_the_batch_changes_nothing_and_order_is_kept(detector: VoiceSpoof) -> None:
    asked = [*windows(SYNTHETIC)[:3], window(np.zeros(32_000, np.float32)), *windows(REAL)[:4]]
    together = list(detector.score(asked))
    alone = [detector.score([one])[0] for one in asked]
    assert [result.start_s for result in together] == [one.start_s for one in asked]
    assert [result.abstained for result in together] == [result.abstained for result in alone]
    np.testing.assert_allclose(logits(together), logits(alone), atol=1e-3)


@needs_demo
def test_a_result_says_what_it_rests_on(detector: VoiceSpoof) -> None:
    asked = windows(SYNTHETIC)[1]
    (result,) = detector.score([asked])
    assert (result.detector, result.kind, result.modality) == ("voice", "voice_spoof", "audio")
    assert (result.epoch, result.participant) == (3, "ann")
    assert (result.start_s, result.end_s) == (asked.start_s, asked.end_s)
    assert result.captured_ns == asked.captured_ns
    assert set(result.details) == {"logit", "speech_s", "level_dbfs", "band_limit_hz", "band"}
    assert result.details["band"] == "wide"
    assert result.confidence is not None
    assert 0.01 <= result.confidence <= 0.99
    assert result.model_used == "voice-spoof-6"


@needs_demo
def test_windows_of_four_seconds_are_judged_too() -> None:
    detector = VoiceSpoofConfig(window_s=4.0, overlap_s=1.0).build("voice")
    detector.load("cpu")
    results = list(detector.score(windows(SYNTHETIC, length_s=4.0)))
    assert np.median(confidences(results)) > 0.8


@needs_demo
def test_a_higher_threshold_flags_less() -> None:
    strict = VoiceSpoofConfig(threshold=0.99).build("strict")
    lax = VoiceSpoofConfig(threshold=0.01).build("lax")
    for detector in (strict, lax):
        detector.load("cpu")
    asked = windows(REAL)
    flagged = [
        sum(result.is_ai_generated is True for result in detector.score(asked))
        for detector in (strict, lax)
    ]
    assert flagged == [0, len(asked)]


# --- what is not judged ----------------------------------------------------------------------


def low_passed(pcm: Sound, *, at_hz: float) -> Sound:
    spectrum = np.fft.rfft(pcm)
    spectrum[round(at_hz * len(pcm) / RATE_HZ) :] = 0.0
    return np.fft.irfft(spectrum, n=len(pcm)).astype(np.float32)


def abstention(detector: VoiceSpoof, pcm: Sound) -> str:
    (result,) = detector.score([window(pcm)])
    assert result.confidence is None
    assert result.is_ai_generated is None
    assert result.abstained is not None
    return result.abstained


def test_silence_and_tones_are_not_judged(detector: VoiceSpoof) -> None:
    at = np.arange(32_000) / RATE_HZ
    tone = np.sin(2 * np.pi * 440 * at).astype(np.float32) * np.float32(0.2)
    assert abstention(detector, np.zeros(32_000, np.float32)) == "no speech: silence"
    assert abstention(detector, tone) == "music or noise, not speech"


@needs_demo
def test_speech_that_cannot_be_judged_is_named(detector: VoiceSpoof) -> None:
    pcm = speech(REAL)[RATE_HZ : 3 * RATE_HZ]
    clipped = np.clip(pcm * 200, -1, 1).astype(np.float32)
    short = np.where(np.arange(len(pcm)) < 5_000, pcm, 0).astype(np.float32)
    broken = pcm.copy()
    broken[100] = np.nan
    assert abstention(detector, pcm * np.float32(1e-3)).startswith(("level too low", "no speech"))
    assert abstention(detector, clipped) == "damaged sound: clipped"
    assert abstention(detector, broken) == "damaged sound: samples that are not numbers"
    assert "speech" in abstention(detector, short)
    assert abstention(detector, low_passed(pcm, at_hz=2_700)) == "band too narrow to judge"


@needs_demo
def test_a_telephone_is_named_and_judged(detector: VoiceSpoof) -> None:
    pcm = speech(SYNTHETIC)[RATE_HZ : 3 * RATE_HZ]
    by_rate = window(pcm, source_rate_hz=8_000)
    by_ear = window(low_passed(pcm, at_hz=3_600))
    for result in detector.score([by_rate, by_ear]):
        assert result.details["band"] == "telephone"
        assert result.confidence is not None


def test_half_a_window_is_taken_and_an_empty_batch_too(detector: VoiceSpoof) -> None:
    (result,) = detector.score([window(np.zeros(16_000, np.float32))])
    assert result.abstained == "no speech: silence"
    assert list(detector.score([])) == []


def test_sound_at_another_rate_is_a_defect_of_the_caller(detector: VoiceSpoof) -> None:
    asked = window(np.zeros(32_000, np.float32))
    chunk = asked.items[0]
    assert isinstance(chunk, AudioChunk)
    with pytest.raises(ValueError, match="16000 Hz"):
        detector.score([replace(asked, items=(replace(chunk, rate_hz=44_100),))])


# --- settings and weights --------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"window_s": 1.0},
        {"window_s": 5.0},
        {"window_s": 2.0, "overlap_s": 2.0},
        {"threshold": 1.0},
        {"least_speech_s": 3.0},
        {"weights_sha256": "0" * 64},
        {"max_batch": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        VoiceSpoofConfig(**settings)


def test_other_weights_can_be_named_and_pinned(tmp_path: Path) -> None:
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(SHIPPED.read_bytes())
    VoiceSpoofConfig(weights=copy).build("voice").load("cpu")
    pinned = VoiceSpoofConfig(weights=copy, weights_sha256="0" * 64).build("voice")
    with pytest.raises(Permanent, match="SHA-256"):
        pinned.load("cpu")
    with pytest.raises(Permanent, match="set `weights` to a file that exists"):
        VoiceSpoofConfig(weights=tmp_path / "none").build("voice").load("cpu")


def test_scoring_before_loading_says_so() -> None:
    with pytest.raises(Permanent, match="load"):
        VoiceSpoofConfig().build("voice").score([])


def test_the_shipped_file_is_small_and_says_how_it_was_made() -> None:
    weights = read_weights(SHIPPED, sha256=None)
    assert SHIPPED.stat().st_size < 10_000_000
    assert 0.5 < weights.number("threshold") < 0.99
    assert Scale.stored(weights).nats[-1] > 3.0
    assert weights.number("training_draws") > 0


def test_it_gives_its_memory_back_and_says_the_same_again() -> None:
    detector = VoiceSpoof("voice_spoof", VoiceSpoofConfig())
    assert isinstance(detector, Evictable)
    assert isinstance(detector, Repeatable)
    assert detector.resident_bytes == 0
    detector.load("cpu")
    before, named = detector.resident_bytes, detector.fingerprint
    assert before > 100_000
    assert named
    detector.unload()
    assert detector.resident_bytes == 0
    assert detector.fingerprint == named
    with pytest.raises(Permanent):
        detector.score([])
    detector.load("cpu")
    assert (detector.resident_bytes, detector.fingerprint) == (before, named)


def test_other_settings_have_another_fingerprint_and_the_size_of_batches_does_not() -> None:
    def fingerprint(**settings: float) -> str:
        detector = VoiceSpoofConfig.model_validate(settings).build("voice_spoof")
        detector.load("cpu")
        return detector.fingerprint

    assert fingerprint() == fingerprint(max_batch=4)
    assert fingerprint() != fingerprint(threshold=0.7)
