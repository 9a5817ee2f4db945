"""Paths end to end against what they are made of: sound's features and its gate, and faces.

`audio_features_over_librosa`: `streammon.evaluation.audio_features` over the same features asked
of librosa one by one, as its documentation shows them, each from the samples.
`voice_gate_over_librosa`: the gate that every window of speech passes over librosa's log mel
spectrogram of that window. `face_path_ms`: `lip_sync` on windows of pictures, per face and picture,
all in (one drawn face in 640x360, 25 pictures a second). `face_path_over_parts`: the same over its
bare networks, the finder twice a second and the mesh for each picture. `forgery_path_ms` and
`forgery_path_over_parts`: the same for `face_forgery`, whose pictures are 0.4 s apart, with every
face found, gated, cut out and judged; its bare parts are the finder for every third picture, the
mesh and the network for each. One core, processor time.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import librosa
import numpy as np
import torch

from benchmarks.of_detectors.contestants import a_detector
from benchmarks.of_detectors.models import face_network
from benchmarks.of_detectors.reels import recorded
from benchmarks.of_detectors.speed import Clock
from streammon.core.types import AudioChunk, Modality, StreamId, VideoFrame, Window
from streammon.detectors.faces.landmarks import square_of
from streammon.detectors.faces.tracker import open_eyes
from streammon.detectors.models.lite_cnn import SIDE_PX as CUT_PX
from streammon.detectors.voice_activity import RATE_HZ, listen
from streammon.evaluation import audio_features
from streammon.evaluation.audio_features import CHROMA, CONTRAST_BANDS, HOP, MEL_BANDS, MFCC, N_FFT
from tests.drawn_face import wandering

SEARCHES_PER_S, PICTURES_PER_S, SAMPLED_PER_S = 2.0, 25, 2.5
Floats = audio_features.Floats


def measure(*, rounds: int) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures, and the milliseconds behind them."""
    figures, details = dict[str, float](), dict[str, Any]()
    for part in (sound, faces, forgeries):
        found, ms = part(rounds)
        figures |= found
        details |= ms
    return figures, details


def sound(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    voice = a_detector("voice_spoof", device="cpu")
    cuts = recorded("studio_clean.mp4", voice, most=8).cuts[Modality.AUDIO]
    chunks = [cut.items[0] for cut in cuts]
    windows = [chunk.pcm for chunk in chunks if isinstance(chunk, AudioChunk)]
    speech = np.concatenate(windows[:2])
    figures, ms = dict[str, float](), dict[str, float]()
    for name, own, other in (
        ("audio_features", lambda: audio_features.features(speech), lambda: one_by_one(speech)),
        (
            "voice_gate",
            lambda: [listen(window, least_speech_s=0.6) for window in windows],
            lambda: [log_mel(window) for window in windows],
        ),
    ):
        own_ms, other_ms, ratio = in_turn(own, other, rounds)
        figures[f"{name}_over_librosa"] = ratio
        ms |= {f"{name}_ms": own_ms, f"{name}_of_librosa_ms": other_ms}
    return figures, ms


def one_by_one(pcm: Floats) -> list[Any]:
    """What `audio_features` holds, from the samples each time."""
    cut: dict[str, Any] = {"y": pcm, "sr": RATE_HZ, "n_fft": N_FFT, "hop_length": HOP}
    of, mfcc = librosa.feature, librosa.feature.mfcc(n_mfcc=MFCC, n_mels=MEL_BANDS, **cut)
    return [
        mfcc,
        of.delta(mfcc),
        of.delta(mfcc, order=2),
        of.spectral_centroid(**cut),
        of.spectral_rolloff(**cut),
        of.spectral_contrast(n_bands=CONTRAST_BANDS, fmin=100.0, **cut),
        of.zero_crossing_rate(pcm, frame_length=N_FFT, hop_length=HOP),
        librosa.power_to_db(of.melspectrogram(n_mels=MEL_BANDS, **cut)),
        of.chroma_stft(n_chroma=CHROMA, tuning=0.0, **cut),
        np.abs(librosa.vqt(pcm, sr=RATE_HZ, hop_length=HOP, n_bins=12 * audio_features.OCTAVES)),
        of.tempo(y=pcm, sr=RATE_HZ, hop_length=HOP),
    ]


def log_mel(pcm: Floats) -> Any:
    return librosa.power_to_db(librosa.feature.melspectrogram(y=pcm, sr=RATE_HZ))


def faces(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    cv2.setNumThreads(1)
    lips, eyes = a_detector("lip_sync", device="cpu"), open_eyes()
    pictures = [np.repeat(np.repeat(one, 2, axis=0), 2, axis=1) for one in wandering(75, step_px=1)]
    (face, *_) = eyes.find(pictures[0])
    square = square_of(face.box, face.points[0], face.points[1])
    clock, took, parts = Clock("cpu"), list[float](), list[float]()
    lips.score([a_window(pictures, 0)])
    for turn in range(1, rounds + 1):
        window = a_window(pictures, turn)
        took.append(clock.of(lambda window=window: lips.score([window])) / len(pictures))  # type: ignore[misc]
        found_s = clock.of(lambda: eyes.find(pictures[0]))
        read_s = clock.of(lambda: [eyes.read(one, square) for one in pictures]) / len(pictures)
        parts.append(read_s + found_s * SEARCHES_PER_S / PICTURES_PER_S)
    ratio = statistics.median(own / bare for own, bare in zip(took, parts, strict=True))
    ms = 1000 * statistics.median(took)
    figures = {"face_path_ms": ms, "face_path_over_parts": ratio}
    return figures, {"face_path_parts_ms": 1000 * statistics.median(parts)}


def forgeries(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    cv2.setNumThreads(1)
    detector, eyes = a_detector("face_forgery", device="cpu", most_pictures=64), open_eyes()
    pictures = [np.repeat(np.repeat(one, 2, axis=0), 2, axis=1) for one in wandering(15, step_px=1)]
    (face, *_) = eyes.find(pictures[0])
    square = square_of(face.box, face.points[0], face.points[1])
    network, cuts = face_network(), torch.rand(len(pictures), 3, CUT_PX, CUT_PX) * 255
    clock, took, parts = Clock("cpu"), list[float](), list[float]()
    detector.score([a_window(pictures, 0, rate_hz=SAMPLED_PER_S)])
    for turn in range(1, rounds + 1):
        window = a_window(pictures, turn, rate_hz=SAMPLED_PER_S)
        took.append(clock.of(lambda window=window: detector.score([window])) / len(pictures))  # type: ignore[misc]
        found_s = clock.of(lambda: eyes.find(pictures[0]))
        read_s = clock.of(lambda: [eyes.read(one, square) for one in pictures]) / len(pictures)
        eights = torch.split(cuts, 8)
        judged_s = clock.of(lambda: [network(some) for some in eights]) / len(pictures)  # noqa: B023
        parts.append(found_s / 3 + read_s + judged_s)
    ratio = statistics.median(own / bare for own, bare in zip(took, parts, strict=True))
    ms = 1000 * statistics.median(took)
    figures = {"forgery_path_ms": ms, "forgery_path_over_parts": ratio}
    return figures, {"forgery_path_parts_ms": 1000 * statistics.median(parts)}


def a_window(pictures: Sequence[Any], turn: int, *, rate_hz: float = PICTURES_PER_S) -> Window:
    """The pictures as the window of a stream that has not been seen before."""
    stream = StreamId(f"face-{turn}")
    frames = tuple(
        VideoFrame(stream, at, at / rate_hz, 0, picture) for at, picture in enumerate(pictures)
    )
    return Window(stream, Modality.VIDEO, 0, 0.0, len(frames) / rate_hz, frames)


def in_turn(
    own: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Median milliseconds of both, and the median of the rounds' ratios."""
    clock = Clock("cpu")
    own()
    other()
    pairs = [(clock.of(own), clock.of(other)) for _ in range(rounds)]
    return (
        1000 * statistics.median(one for one, _ in pairs),
        1000 * statistics.median(two for _, two in pairs),
        statistics.median(one / two for one, two in pairs),
    )
