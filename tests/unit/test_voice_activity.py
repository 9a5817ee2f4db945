"""Speech passes the gate; silence, tones, chords, beats and noise do not, each with its reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.detectors.voice_activity import RATE_HZ, listen

AT = np.arange(2 * RATE_HZ) / RATE_HZ
RNG_SEED = 5


def noise(*, colour: float = 0.0) -> NDArray[np.float32]:
    white = np.random.default_rng(RNG_SEED).normal(size=len(AT))
    spectrum = np.fft.rfft(white)
    spectrum *= np.maximum(np.arange(len(spectrum)), 1.0) ** -colour
    shaped = np.fft.irfft(spectrum, n=len(AT))
    return np.asarray(shaped / shaped.std() * 0.05, dtype=np.float32)


def chord(*pitches_hz: float) -> NDArray[np.float32]:
    """Each with six partials, as a held organ chord has."""
    sound = sum(np.sin(2 * np.pi * k * pitch * AT) / k for pitch in pitches_hz for k in range(1, 7))
    return np.asarray(sound * 0.03, dtype=np.float32)


def plucked(*, beats_per_s: float) -> NDArray[np.float32]:
    """A chord that is struck again and again: a steady beat at the pace of syllables."""
    return (chord(220.0, 277.2, 329.6) * np.exp(-5 * ((AT * beats_per_s) % 1.0))).astype(np.float32)


def reason(sound: NDArray[np.float32]) -> str | None:
    return listen(sound, least_speech_s=0.6).reason


@pytest.mark.parametrize(
    ("sound", "why"),
    [
        (np.zeros(len(AT), dtype=np.float32), "silence"),
        (noise() * 1e-3, "silence"),
        (noise(), "not speech"),
        (noise(colour=0.5), "not speech"),
        (noise(colour=1.0), "not speech"),
        (noise() * np.float32(0.5) * (1 + np.sin(2 * np.pi * 4 * AT)).astype(np.float32), "voice"),
        (np.sin(2 * np.pi * 440 * AT).astype(np.float32) * np.float32(0.3), "not speech"),
        (chord(220.0, 277.2, 329.6), "music"),
        (chord(130.8), "music"),
        (plucked(beats_per_s=2.0), "music"),
        (plucked(beats_per_s=4.0), "music"),
        (np.where(np.arange(len(AT)) % 4000 < 20, 0.5, 0.0).astype(np.float32), "voice"),
    ],
)
def test_what_is_not_speech_is_turned_away(sound: NDArray[np.float32], why: str) -> None:
    found = reason(sound)
    assert found is not None
    assert why in found


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_damage(bad: float) -> None:
    sound = noise()
    sound[1234] = bad
    assert reason(sound) == "damaged sound: samples that are not numbers"


@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([0.0, 1e-9, 1e-4, 0.1, 1.0, 1e4]),
    seconds=st.floats(0.5, 4.0),
)
def test_any_sound_gets_an_answer_in_range(seed: int, scale: float, seconds: float) -> None:
    rng = np.random.default_rng(seed)
    sound = (rng.standard_t(2, size=int(seconds * RATE_HZ)) * scale).astype(np.float32)
    heard = listen(sound, least_speech_s=0.6)
    assert 0.0 <= heard.speech_s <= seconds + 0.1
    assert 0.0 <= heard.band_limit_hz <= RATE_HZ / 2
    assert np.isfinite(heard.level_dbfs)
