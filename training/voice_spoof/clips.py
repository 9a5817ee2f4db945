"""Reads the labelled clips, makes their codec copies, and draws balanced batches.

A manifest is a CSV with `file,label,system,speaker,source,licence,split`: label `real` or `fake`,
split `train` or `dev`, files relative to the manifest. A fake made from a real clip is named
`fake_<system>_<rest>` and its origin `real_<rest>`; the two are paired in training.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

RATE_HZ = 16_000
WINDOW = 2 * RATE_HZ
CODECS = (
    # encoder, container, rate, bit rate: what calls, broadcasts and web players put speech through
    ("libmp3lame", "mp3", 16_000, 32_000),
    ("libmp3lame", "mp3", 16_000, 64_000),
    ("libopus", "ogg", 8_000, 12_000),
    ("libopus", "ogg", 16_000, 16_000),
    ("libopus", "ogg", 48_000, 32_000),
    ("aac", "adts", 16_000, 32_000),
    ("aac", "adts", 44_100, 96_000),
    ("g722", "wav", 16_000, 0),
    ("adpcm_ima_wav", "wav", 16_000, 0),
    ("pcm_mulaw", "wav", 8_000, 0),
    ("pcm_alaw", "wav", 8_000, 0),
    ("g726", "wav", 8_000, 32_000),
    ("libopencore_amrnb", "amr", 8_000, 7_400),
    ("libopencore_amrnb", "amr", 8_000, 12_200),
)
OPUS = (
    # what a call comes down to where the way is narrow; of all codecs this is the likeliest here
    ("libopus", "ogg", 16_000, 12_000),
    ("libopus", "ogg", 16_000, 16_000),
    ("libopus", "ogg", 16_000, 20_000),
    ("libopus", "ogg", 48_000, 16_000),
    ("libopus", "ogg", 48_000, 24_000),
)


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    file: str
    fake: bool
    system: str
    speaker: str
    source: str
    licence: str
    split: str
    pcm: NDArray[np.int16]
    variants: tuple[NDArray[np.int16], ...] = ()

    @property
    def origin(self) -> str | None:
        """The file of the real clip that this one is a copy of, by its name."""
        name = Path(self.file).name
        if not name.startswith("fake_copy-"):
            return None
        return str(Path(self.file).with_name("real_" + name.split("_", 2)[2]))


def read_clips(manifest: Path, *, splits: Iterable[str] = ("train", "dev")) -> list[Clip]:
    """All clips of these splits, decoded; at 16 kHz mono or a `ValueError` names the file."""
    wanted = set(splits)
    with manifest.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["split"] in wanted]
    clips = []
    for row in rows:
        pcm, rate_hz = soundfile.read(manifest.parent / row["file"], dtype="int16")
        if rate_hz != RATE_HZ or pcm.ndim != 1:
            raise ValueError(f"{row['file']}: expected 16 kHz mono, got {rate_hz} Hz {pcm.shape}")
        clips.append(
            Clip(
                file=row["file"],
                fake=row["label"] == "fake",
                system=row["system"],
                speaker=row["speaker"],
                source=row["source"].removeprefix("self-made from "),
                licence=row["licence"],
                split=row["split"],
                pcm=pcm,
            )
        )
    return clips


def read_data(data: Sequence[Path], *, splits: Iterable[str] = ("train", "dev")) -> list[Clip]:
    """The clips of several manifests (or their folders); a pair may lie in two of them."""
    wanted = tuple(splits)
    return [clip for one in data for clip in read_clips(manifest_of(one), splits=wanted)]


def manifest_of(data: Path) -> Path:
    """`--data` may name the manifest or the folder that holds it."""
    return data / "manifest.csv" if data.is_dir() else data


def with_codec_copies(clips: Sequence[Clip], *, count: int, cache: Path) -> list[Clip]:
    """Each clip with `count` copies through codecs and one through Opus; kept under `cache`.

    The codecs are drawn by the clip's name, or its origin's: a pair goes through the same ones.
    """
    cache.mkdir(parents=True, exist_ok=True)

    def copied(clip: Clip) -> Clip:
        drawn = hashlib.sha256((clip.origin or clip.file).encode()).digest()
        rng = np.random.default_rng(list(drawn[:8]))
        picks = [CODECS[at] for at in rng.permutation(len(CODECS))[:count]]
        picks.append(OPUS[int(rng.integers(len(OPUS)))])
        named = hashlib.sha256(clip.file.encode()).hexdigest()[:24]
        stored = cache / f"{named}-{count}-of-{len(CODECS)}-and-opus.npz"
        if not stored.exists():
            partial = stored.with_suffix(f".{os.getpid()}.partial.npz")  # another may read here
            np.savez(partial, *(through_codec(clip.pcm, codec) for codec in picks))
            partial.replace(stored)
        with np.load(stored) as arrays:
            variants = tuple(arrays[name] for name in arrays.files)
        return replace(clip, variants=variants)

    with ThreadPoolExecutor(1) as pool:
        done = []
        for index, clip in enumerate(pool.map(copied, clips), start=1):
            done.append(clip)
            if index % 200 == 0 or index == len(clips):
                print(f"codec copies {index}/{len(clips)}", file=sys.stderr, flush=True)
    return done


def through_codec(pcm: NDArray[np.int16], codec: tuple[str, str, int, int]) -> NDArray[np.int16]:
    """The clip after encoding and decoding, back at 16 kHz and (to one frame) in place."""
    encoder, container, rate_hz, bit_rate = codec
    packed = io.BytesIO()
    with av.open(packed, "w", format=container) as out:
        stream = out.add_stream(encoder, rate=rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.codec_context.layout = "mono"
        if bit_rate:
            stream.codec_context.bit_rate = bit_rate
        formats = stream.codec_context.codec.audio_formats
        assert formats
        frame = av.AudioFrame.from_ndarray(pcm[None, :], format="s16", layout="mono")
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler(
            format=formats[0].name,
            layout="mono",
            rate=rate_hz,
            frame_size=stream.codec_context.frame_size or 1024,
        )
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    packed.seek(0)
    back = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    pieces = []
    with av.open(packed, "r") as source:
        for decoded in source.decode(audio=0):
            pieces += [part.to_ndarray()[0] for part in back.resample(decoded)]
    pieces += [part.to_ndarray()[0] for part in back.resample(None)]
    return np.concatenate(pieces)[: len(pcm)].astype(np.int16)


class Sampler:
    """Draws batches of crops: half of each is pairs (a real clip, its own copy), half is balanced.

    The balanced half is half real, half fake; within each, a system (for reals: a source) is drawn
    with weight n ** 0.5, so that one of n clips is drawn with weight n ** -0.5. With `engines` no
    copy is in it: those are most of the fakes, and in the other half anyway.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        *,
        batch: int,
        rng: np.random.Generator,
        engines: bool = False,
    ) -> None:
        if batch % 8:
            raise ValueError(f"batch must be a multiple of 8, got {batch}")
        self.clips = list(clips)
        self.rng = rng
        self.quarter = batch // 4
        place = {clip.file: index for index, clip in enumerate(self.clips)}
        self.pairs = [
            (place[clip.origin], index)
            for index, clip in enumerate(self.clips)
            if clip.origin in place
        ]
        self.pair_weights = self._weights([fake for _, fake in self.pairs])
        self.real = [index for index, clip in enumerate(self.clips) if not clip.fake]
        self.fake = [
            index
            for index, clip in enumerate(self.clips)
            if clip.fake and not (engines and clip.origin in place)
        ]
        self.real_weights = self._weights(self.real)
        self.fake_weights = self._weights(self.fake)

    def _weights(self, indices: Sequence[int]) -> NDArray[np.float64]:
        groups = [
            self.clips[index].system if self.clips[index].fake else self.clips[index].source
            for index in indices
        ]
        weights: NDArray[np.float64] = np.array([groups.count(group) ** -0.5 for group in groups])
        return weights / float(weights.sum())

    def draw(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
        """Crops (n, WINDOW), labels (n,), 1 = fake, and which rows share their distortion (n,)."""
        quarter = self.quarter
        chosen = self.rng.choice(len(self.pairs), quarter, p=self.pair_weights)
        rows = [self.pairs[pair] for pair in chosen]
        crops, labels = [], []
        places = self.rng.random(quarter)
        for at, (real, fake) in zip(places, rows, strict=True):
            variant = int(self.rng.integers(8))
            crops += [self.crop(real, at, variant), self.crop(fake, at, variant)]
            labels += [0.0, 1.0]
        shared = np.repeat(np.arange(quarter), 2)
        for indices, weights, label in (
            (self.real, self.real_weights, 0.0),
            (self.fake, self.fake_weights, 1.0),
        ):
            for index in self.rng.choice(indices, quarter, p=weights):
                crops.append(self.crop(int(index), self.rng.random(), int(self.rng.integers(8))))
                labels.append(label)
        shared = np.concatenate([shared, np.arange(quarter, 3 * quarter)])
        return np.stack(crops), np.array(labels, dtype=np.float32), shared

    def crop(self, index: int, at: float, variant: int) -> NDArray[np.float32]:
        """Two seconds of a clip, or of a codec copy of it (three draws in eight), padded around."""
        clip = self.clips[index]
        pcm = clip.pcm
        if clip.variants and variant < 3:
            pcm = clip.variants[variant % len(clip.variants)]
        return cut(pcm, at)


def cut(pcm: NDArray[np.int16], at: float) -> NDArray[np.float32]:
    """A window that begins at the fraction `at` of what can be moved; short clips are padded."""
    room = len(pcm) - WINDOW
    if room >= 0:
        begin = int(at * room)
        return pcm[begin : begin + WINDOW].astype(np.float32) / 32768.0
    before = int(at * -room)
    padded = np.zeros(WINDOW, dtype=np.float32)
    padded[before : before + len(pcm)] = pcm.astype(np.float32) / 32768.0
    return padded
