"""The sound of the cases: speech-like, a street, music; silent and stuck in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from training.cases.draw import Draw

Sound = NDArray[np.float32]
RATE_HZ = 16_000
HARMONICS = 24


def _noise(draw: Draw, duration_s: float, *, low_hz: float, high_hz: float) -> Sound:
    """Noise of unit power that falls by 6 dB an octave between two frequencies."""
    count = int(duration_s * RATE_HZ)
    frequency_hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    inside = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    gain = np.where(inside, low_hz / np.maximum(frequency_hz, low_hz), 0.0)
    spectrum = gain * np.exp(2j * np.pi * draw.rng.random(len(gain)))
    sound = np.fft.irfft(spectrum, count)
    return np.asarray(sound / max(sound.std(), 1e-12), np.float32)


def _room(draw: Draw, duration_s: float) -> Sound:
    """The floor of a room and a microphone, -70 to -50 dBFS."""
    level = 10 ** (draw.between((-65, -52), (-70, -48)) / 20)
    return level * _noise(draw, duration_s, low_hz=50, high_hz=6_000)


def talk(draw: Draw, duration_s: float, *, longest_pause_s: float = 1.2) -> Sound:
    """Syllables of a buzzing voice with moving formants, in phrases with pauses between them."""
    rng, count = draw.rng, int(duration_s * RATE_HZ)
    loud = np.zeros(count, np.float32)
    at_s = float(rng.uniform(0, 0.5))
    while at_s < duration_s:
        for _ in range(int(rng.integers(4, 16))):
            long_s = float(rng.uniform(0.09, 0.26))
            start, end = int(at_s * RATE_HZ), min(count, int((at_s + long_s) * RATE_HZ))
            if end > start:
                loud[start:end] = np.sin(np.pi * np.linspace(0, 1, end - start)) ** 0.7
            at_s += long_s + float(rng.uniform(0.0, 0.06))
        at_s += float(rng.uniform(0.2, longest_pause_s))
    knots = np.linspace(0, count, max(4, int(duration_s * 5)))
    pitch = np.interp(np.arange(count), knots, rng.uniform(0.8, 1.25, len(knots)))
    pitch_hz = draw.between((95, 220), (85, 260)) * pitch
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    formants = [
        np.interp(np.arange(count), knots, rng.uniform(low, high, len(knots)))
        for low, high in ((300, 800), (900, 2200))
    ]
    sound = np.zeros(count, np.float32)
    for number in range(1, HARMONICS + 1):
        hz = number * pitch_hz
        gain = sum(1 / (1 + ((hz - formant) / 130) ** 2) for formant in formants)
        sound += (gain * np.sin(number * phase) / np.sqrt(number)).astype(np.float32)
    sound *= loud
    return np.asarray(0.25 * sound / np.abs(sound).max() + _room(draw, duration_s), np.float32)


def town(draw: Draw, duration_s: float) -> Sound:
    """A street: a rush that swells and falls."""
    swell = 1 + 0.6 * _noise(draw, duration_s, low_hz=0.05, high_hz=0.5).clip(-1.4, 2)
    rush = _noise(draw, duration_s, low_hz=80, high_hz=3_000)
    return np.asarray(draw.between((0.02, 0.08), (0.01, 0.1)) * swell * rush, np.float32)


def music(draw: Draw, duration_s: float) -> Sound:
    """Plucked notes of a scale over a beat, the same bars again as in songs; with a bass."""
    rng, count = draw.rng, int(duration_s * RATE_HZ)
    beat_s = 60 / draw.between((80, 140), (60, 170))
    bar = rng.integers(0, 7, 16)
    scale_hz = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11]) / 12)
    sound = np.zeros(count, np.float32)
    for step in range(int(duration_s / (beat_s / 2))):
        start = int(step * beat_s / 2 * RATE_HZ)
        time_s = np.arange(min(count - start, int(1.2 * RATE_HZ))) / RATE_HZ
        for hz, fade_s in (
            (scale_hz[bar[step % 16]], 0.25),
            (scale_hz[bar[step // 4 % 16]] / 4, 0.5),
        ):
            pluck = np.exp(-time_s / fade_s) * np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6))
            sound[start : start + len(time_s)] += (pluck * rng.uniform(0.6, 1)).astype(np.float32)
    return np.asarray(0.3 * sound / np.abs(sound).max() + _room(draw, duration_s), np.float32)


def _alive(draw: Draw, duration_s: float) -> Sound:
    return draw.one_of((talk, town, music), (talk, town, music))(draw, duration_s)


def silent(draw: Draw, duration_s: float, from_s: float, to_s: float) -> Sound:
    """Sound that drops to digital zero."""
    sound = _alive(draw, duration_s)
    sound[int(from_s * RATE_HZ) : int(to_s * RATE_HZ)] = 0
    return sound


def stuck(draw: Draw, duration_s: float, from_s: float, to_s: float) -> Sound:
    """A player that repeats its last buffer; perhaps a tone in its place."""
    sound = _alive(draw, duration_s)
    start, end = int(from_s * RATE_HZ), int(to_s * RATE_HZ)
    if draw.perhaps(0.2):
        hz = draw.one_of((440.0, 1000.0), (400.0, 1000.0, 1800.0))
        sound[start:end] = 0.2 * np.sin(2 * np.pi * hz * np.arange(end - start) / RATE_HZ)
        return sound
    size = int(draw.log_between((0.01, 0.3), (0.007, 0.34)) * RATE_HZ)
    # A buffer of a pause is as good as silence: take the loudest of the last seconds.
    last = sound[start - 4 * RATE_HZ : start]
    loudest = int(np.argmax(np.convolve(last**2, np.ones(size), "valid")))
    sound[start:end] = np.resize(last[loudest : loudest + size], end - start)
    return sound


def pauses(draw: Draw, duration_s: float) -> Sound:
    """Somebody who thinks for seconds between sentences, perhaps behind a gate that mutes them."""
    sound = talk(draw, duration_s, longest_pause_s=draw.between((4, 7), (3, 9)))
    if draw.perhaps(0.5):
        quiet = np.convolve(np.abs(sound), np.ones(1600) / 1600, "same") < 0.008
        sound[quiet] = 0
    return sound


FAULTS: Mapping[str, Callable[[Draw, float, float, float], Sound]] = {
    "silent": silent,
    "stuck": stuck,
}
CLEAN: Mapping[str, Callable[[Draw, float], Sound]] = {
    "pauses": pauses,
    "talk": talk,
    "music": music,
    "town": town,
}


def any_clean(draw: Draw, duration_s: float) -> Sound:
    """What is heard under pictures."""
    return _alive(draw, duration_s)
