"""Hand-made features of sound, as librosa works them out: one vector per piece of sound.

Means and deviations over time of MFCC and their first and second deltas, spectral centroid,
roll-off and contrast, zero crossings, log mel bands, chroma and a variable-Q transform (in
octaves), with the tempo. What a plain classifier makes of them is the floor that a detector has
to be above (`streammon eval --baseline audio_features`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
LONGEST_S = 30.0
"""No more of a recording is looked at."""
LEAST_S = 1.0
"""Shorter sound is repeated up to this: the lowest tones of the transform need so much."""
N_FFT, HOP = 1024, 256
MFCC, MEL_BANDS, CHROMA, OCTAVES = 20, 40, 12, 7
CONTRAST_BANDS = 6
FLOOR = 1e-10

Floats = NDArray[np.float32]
Curves = NDArray[np.floating]


def is_sound(pcm: NDArray[np.float32]) -> bool:
    """Whether there is anything in it to work features out of."""
    return bool(len(pcm) and np.isfinite(pcm).all() and np.abs(pcm).max() > 0)


def features(pcm: NDArray[np.float32]) -> Floats:
    """The vector, (len(NAMES),), of mono sound at `RATE_HZ` in [-1, 1].

    Raises `ValueError` for sound that is empty, silent throughout or not finite.
    """
    sound = np.asarray(pcm[: int(LONGEST_S * RATE_HZ)], dtype=np.float32)
    if not is_sound(sound):
        raise ValueError("holds no sound")
    if len(sound) < LEAST_S * RATE_HZ:
        sound = np.resize(sound, int(LEAST_S * RATE_HZ))
    values = [
        statistic
        for curves in _tracks(sound)
        for statistic in (curves.mean(axis=1), curves.std(axis=1))
    ]
    return np.concatenate([*values, [_tempo(sound)]]).astype(np.float32)


def names() -> list[str]:
    """What each place of the vector holds: `mfcc.3.mean`, `vqt.0.std`, ..., `tempo`."""
    rows = {
        "mfcc": MFCC, "mfcc_delta": MFCC, "mfcc_delta2": MFCC, "centroid": 1, "rolloff": 1,
        "contrast": CONTRAST_BANDS + 1, "zero_crossings": 1, "mel": MEL_BANDS, "chroma": CHROMA,
        "vqt": OCTAVES,
    }  # fmt: skip
    found = [
        f"{name}.{row}.{statistic}"
        for name, count in rows.items()
        for statistic in ("mean", "std")
        for row in range(count)
    ]
    return [*found, "tempo"]


def _tracks(sound: Floats) -> Iterator[Curves]:
    """Each feature over time, (rows, frames), in the order of `names`."""
    import librosa

    spectrum = np.abs(librosa.stft(sound, n_fft=N_FFT, hop_length=HOP))
    power = spectrum**2
    mel = librosa.feature.melspectrogram(S=power, sr=RATE_HZ, n_mels=MEL_BANDS)
    log_mel = librosa.power_to_db(mel, amin=FLOOR, top_db=None)
    mfcc = librosa.feature.mfcc(S=log_mel, n_mfcc=MFCC)
    yield mfcc
    yield librosa.feature.delta(mfcc)
    yield librosa.feature.delta(mfcc, order=2)
    yield librosa.feature.spectral_centroid(S=spectrum, sr=RATE_HZ)
    yield librosa.feature.spectral_rolloff(S=spectrum, sr=RATE_HZ)
    yield librosa.feature.spectral_contrast(
        S=spectrum, sr=RATE_HZ, n_bands=CONTRAST_BANDS, fmin=100.0
    )
    yield librosa.feature.zero_crossing_rate(sound, frame_length=N_FFT, hop_length=HOP)
    yield log_mel
    yield librosa.feature.chroma_stft(S=power, sr=RATE_HZ, n_fft=N_FFT, tuning=0.0)
    bands = np.abs(librosa.vqt(sound, sr=RATE_HZ, hop_length=HOP, n_bins=12 * OCTAVES))
    octaves = (bands**2).reshape(OCTAVES, 12, -1).sum(axis=1)
    yield librosa.power_to_db(octaves, amin=FLOOR, top_db=None)


def _tempo(sound: Floats) -> float:
    import librosa

    return float(librosa.feature.tempo(y=sound, sr=RATE_HZ, hop_length=HOP)[0])


def joined(pieces: Iterable[NDArray[np.float32]]) -> Floats:
    """The beginning of the sound in these pieces: at most `LONGEST_S` of it."""
    kept: list[NDArray[np.float32]] = []
    missing = int(LONGEST_S * RATE_HZ)
    for piece in pieces:
        kept.append(piece[:missing])
        missing -= len(kept[-1])
        if missing <= 0:
            break
    return np.concatenate(kept) if kept else np.zeros(0, dtype=np.float32)
