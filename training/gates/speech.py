"""The gate of `voice_spoof`: speech as it is and mistreated, both classes alike, and no speech."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.voice_activity import RATE_HZ, listen
from streammon.detectors.voice_spoof import VoiceSpoof, VoiceSpoofConfig, logits_of
from training.cases import sounds
from training.cases.draw import Draw
from training.gates.table import Asked
from training.voice_spoof.clips import manifest_of, read_clips
from training.voice_spoof.windows import windows_of

Sound = NDArray[np.float32]
Numbers = NDArray[Any]
Treat = Callable[[Sound, np.random.Generator], Numbers]
SECONDS = 2.0
SAMPLES = round(SECONDS * RATE_HZ)
NUISANCES = 150
"""Windows of each kind that holds no speech."""
BATCH = 64


def asked(data: Path, *, seed: int, each: int = NUISANCES) -> Iterator[Asked]:
    """Every window of the dev split, each way, and windows without speech, which are all real."""
    detector = VoiceSpoofConfig().build("voice_spoof")
    detector.load("cpu")
    rng = np.random.default_rng(seed)
    clips = read_clips(manifest_of(data), splits=["dev"])
    windows = [(clip.fake, one) for clip in clips for one in windows_of(clip.pcm)]
    for family, treat in TREATMENTS.items():
        treated = [(fake, treat(one, rng).astype(np.float32)) for fake, one in windows]
        yield from _asked(detector, family, treated)
    for family, make in NOTHING_SAID.items():
        made = [(False, make(Draw("test", seed, family, at))) for at in range(each)]
        yield from _asked(detector, family, made)


def _asked(detector: VoiceSpoof, family: str, windows: list[tuple[bool, Sound]]) -> Iterator[Asked]:
    """What the gate says and, past it, what the network says."""
    loaded, least_s = detector._loaded, detector._settings.least_speech_s
    assert loaded is not None
    for at in range(0, len(windows), BATCH):
        some = windows[at : at + BATCH]
        logits = logits_of(loaded, [one for _, one in some])
        for (fake, one), logit in zip(some, logits, strict=True):
            reason = listen(one, least_speech_s=least_s).reason
            yield Asked(family, fake, reason, loaded.confidence(logit))


def _level(sound: Sound) -> float:
    return float(np.sqrt(np.mean(np.square(sound)))) + 1e-9


def _faint(sound: Sound, rng: np.random.Generator) -> Numbers:
    """Speech at -58 dBFS in 16 bits."""
    quiet = sound / _level(sound) * 10 ** (-58 / 20)
    coded: Numbers = np.round(quiet * 32768.0 + rng.uniform(-0.5, 0.5, len(sound))) / 32768.0
    return coded


def _overdriven(sound: Sound, rng: np.random.Generator) -> Numbers:
    limit = np.quantile(np.abs(sound), rng.uniform(0.85, 0.95))
    cut: Numbers = np.clip(sound, -limit, limit)
    return cut


def _dull(sound: Sound, rng: np.random.Generator) -> Numbers:
    """Nothing above 1.8 to 2.8 kHz."""
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    gain = 1.0 / (1.0 + np.exp((hz - rng.uniform(1_800, 2_800)) / 40.0))
    dull: Numbers = np.fft.irfft(np.fft.rfft(sound) * gain, n=len(sound))
    return dull


def _scrap(sound: Sound, rng: np.random.Generator) -> Numbers:
    """A third of a second of it, and the noise of a room."""
    size = round(0.35 * RATE_HZ)
    energy = np.convolve(np.square(sound), np.ones(size), mode="valid")
    begin, scrap = int(energy.argmax()), np.zeros_like(sound)
    scrap[begin : begin + size] = sound[begin : begin + size]
    return scrap + rng.normal(size=len(sound)) * _level(sound) * 0.01


def _over(sound: Sound, other: Sound, ratio_db: float) -> Numbers:
    return sound + other * (_level(sound) / _level(other)) * 10 ** (-ratio_db / 20)


def _noisy(sound: Sound, rng: np.random.Generator) -> Numbers:
    return _over(sound, rng.normal(size=len(sound)).astype(np.float32), rng.uniform(0.0, 6.0))


def _over_music(sound: Sound, rng: np.random.Generator) -> Numbers:
    draw = Draw("test", int(rng.integers(1 << 30)), "music under speech", 0)
    return _over(sound, _music(draw), rng.uniform(-6.0, 3.0))


TREATMENTS: Mapping[str, Treat] = {
    "speech as it is": lambda sound, rng: sound,
    "speech, faint": _faint,
    "speech, overdriven": _overdriven,
    "speech, nothing above 1.8 to 2.8 kHz": _dull,
    "a scrap of speech": _scrap,
    "speech in noise, 0 to 6 dB": _noisy,
    "speech under music, -6 to 3 dB": _over_music,
}


def _music(draw: Draw) -> Sound:
    whole = sounds.music(draw, 4.0 * SECONDS)
    begin = int(draw.rng.integers(len(whole) - SAMPLES))
    return np.asarray(whole[begin : begin + SAMPLES], np.float32)


def _street(draw: Draw) -> Sound:
    return np.asarray(sounds.town(draw, SECONDS)[:SAMPLES], np.float32)


def _noise(draw: Draw) -> Sound:
    """White to brown, -50 to -10 dBFS."""
    spectrum = np.fft.rfft(draw.rng.normal(size=SAMPLES))
    hz = np.fft.rfftfreq(SAMPLES, 1 / RATE_HZ)
    noise = np.fft.irfft(spectrum * np.maximum(hz, 40.0) ** -draw.rng.uniform(0.0, 1.0), SAMPLES)
    return _at_level(noise, draw)


def _tones(draw: Draw) -> Sound:
    """One to four tones, steady, sliding or beating: beeps, hum, dialling."""
    at_s, sound = np.arange(SAMPLES) / RATE_HZ, np.zeros(SAMPLES)
    for _ in range(int(draw.rng.integers(1, 5))):
        hz, slide = np.exp(draw.rng.uniform(np.log(50), np.log(4_000))), draw.rng.uniform(-200, 200)
        beat = 1.0 + np.sin(2 * np.pi * draw.rng.uniform(0.2, 8.0) * at_s)
        sound += np.sin(2 * np.pi * (hz + slide * at_s / 2) * at_s) * beat
    return _at_level(sound, draw)


def _knocks(draw: Draw) -> Sound:
    """Bursts that die away: drums, steps, doors, typing."""
    sound, burst = np.zeros(SAMPLES), np.exp(-np.arange(4_000) / draw.rng.uniform(80, 900))
    for begin in draw.rng.integers(0, SAMPLES - 4_000, size=int(draw.rng.integers(3, 16))):
        sound[begin : begin + 4_000] += draw.rng.normal(size=4_000) * burst
    return _at_level(sound, draw)


def _silence(draw: Draw) -> Sound:
    """Digital, or the floor of a converter."""
    floor = draw.rng.normal(size=SAMPLES) * draw.rng.choice([0.0, 2e-5, 1e-4])
    return np.asarray(floor, np.float32)


def _at_level(sound: NDArray[np.float64], draw: Draw) -> Sound:
    level = 10 ** (draw.rng.uniform(-50.0, -10.0) / 20)
    scaled = sound / (np.sqrt(np.mean(sound**2)) + 1e-12) * level
    return np.asarray(np.clip(scaled, -1.0, 1.0), np.float32)


NOTHING_SAID: Mapping[str, Callable[[Draw], Sound]] = {
    "silence": _silence,
    "noise": _noise,
    "a street": _street,
    "tones": _tones,
    "knocks and drums": _knocks,
    "music": _music,
}
