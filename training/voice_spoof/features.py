"""What the frozen layers hear of every clip, worked out once and kept: the bank.

    python -m training.voice_spoof.features --data DIR COPIES --whisper WHEEL --out BANK

A bank is a folder of rounds, `NAME.npy` with `NAME.json`; what is there is not made again, and
clips that a round lacks are added to it. The
round `plain` has all windows of all clips as they are, `telephone` the same through G.711 at 8 kHz,
`draw-K` one crop of each training clip, through a codec three times in eight and distorted by the
law of `augment`. A real clip and all copies of it are cut, coded and distorted by the same draw.
Rows are float16, (rows, LAYERS + 1, 2, WIDTH): after the stem and after each layer, mean and
deviation over the time of speech.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from streammon.detectors.models.speech_layers import SpeechLayers
from streammon.detectors.models.voice_judge import LAYERS
from streammon.scheduler.device import autocast, settle_cpu_precision
from training.voice_spoof.augment import Distortion
from training.voice_spoof.clips import CODECS, OPUS, Clip, cut, read_data, through_codec
from training.voice_spoof.whisper import read_layers
from training.voice_spoof.windows import windows_of

DRAWS = 2
AT_ONCE = 16
CODED = 3 / 8
CALLED = 1 / 3
"""The share of what goes through a codec that goes through Opus, beside its share of the rest."""
TELEPHONE = ("pcm_mulaw", "wav", 8_000, 0)
Crops = NDArray[np.float32]
Halves = NDArray[np.float16]
Parts = Iterator[tuple[list[str], Crops]]
"""Some rows at a time: the file of each, and its samples."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a bank: the statistics, and of which clip each row is."""

    rows: Halves
    files: list[str]

    def by_file(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for at, file in enumerate(self.files):
            found.setdefault(file, []).append(at)
        return found


def read_round(bank: Path, name: str) -> Round:
    """Rows stay on disk until they are asked for."""
    files = json.loads((bank / f"{name}.json").read_text(encoding="utf-8"))
    return Round(np.load(bank / f"{name}.npy", mmap_mode="r"), files)


def draws(bank: Path) -> list[Round]:
    """The rounds to train on."""
    return [read_round(bank, path.stem) for path in sorted(bank.glob("draw-*.json"))]


def heard(layers: SpeechLayers, crops: torch.Tensor) -> Halves:
    """(n, layers + 1, 2, WIDTH) of crops (n, samples); in bfloat16 where that is faster."""
    with torch.inference_mode():
        with autocast("cpu", cpu=settle_cpu_precision("auto")):
            states, share = layers(crops)
        both = [torch.stack(moments(x.float(), share), dim=1) for x in states]
        halves: Halves = torch.stack(both, dim=1).half().numpy()
    return halves


def moments(x: torch.Tensor, share: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and deviation of x (n, t, WIDTH) over time; `share` (n, t): how much a frame counts."""
    mean = share[:, None] @ x
    return mean[:, 0], (share[:, None] @ (x - mean).square()).sqrt()[:, 0]


def as_they_are(clips: Sequence[Clip], *, telephone: bool) -> Parts:
    """The windows of some clips at a time, with the file of each."""
    files, crops = list[str](), list[Crops]()
    for at, clip in enumerate(clips, start=1):
        found = windows_of(through_codec(clip.pcm, TELEPHONE) if telephone else clip.pcm)
        files += [clip.file] * len(found)
        crops += [*found]
        if len(crops) >= AT_ONCE or at == len(clips):
            yield files, np.stack(crops)
            files, crops = [], []


def drawn(clips: Sequence[Clip], *, number: int) -> Parts:
    """One distorted crop of each clip; families (a real clip and its copies) together."""
    families: dict[str, list[Clip]] = {}
    for clip in clips:
        families.setdefault(clip.origin or clip.file, []).append(clip)
    names = sorted(families, key=lambda name: _seed(name, number))
    distort = Distortion(seed=number, device=torch.device("cpu"))
    files, crops, shared = list[str](), list[Crops](), list[int]()
    for at, name in enumerate(names):
        rng = np.random.default_rng(_seed(name, number))
        place, coded = rng.random(), rng.random() < CODED
        codecs = OPUS if rng.random() < CALLED else CODECS
        codec = codecs[int(rng.integers(len(codecs)))]
        for clip in families[name]:
            files.append(clip.file)
            crops.append(cut(through_codec(clip.pcm, codec) if coded else clip.pcm, place))
            shared.append(at)
        if len(crops) >= AT_ONCE or at == len(names) - 1:
            draw = torch.from_numpy(np.array(shared) - shared[0])
            yield files, distort(torch.from_numpy(np.stack(crops)), draw).numpy()
            files, crops, shared = [], [], []


def _seed(name: str, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{number} {name}".encode()).digest()[:8])


def make(layers: SpeechLayers, parts: Parts, out: Path, *, of: int) -> None:
    """One round, all or nothing: its `.json` is written last. `of`: clips, for the progress.

    What the round already holds stays in front.
    """
    files, rows, seen = list[str](), list[Halves](), set[str]()
    if out.with_suffix(".json").exists():
        there = read_round(out.parent, out.name)
        files, rows = list(there.files), [np.array(there.rows)]
    for names, crops in parts:
        files += names
        rows.append(heard(layers, torch.from_numpy(crops)))
        if len(seen | set(names)) // 240 > len(seen) // 240:
            print(f"{out.name}: {len(seen | set(names))}/{of} clips", file=sys.stderr, flush=True)
        seen |= set(names)
    out.with_suffix(".json").unlink(missing_ok=True)
    np.save(out.with_suffix(".npy"), np.concatenate(rows))
    out.with_suffix(".json").write_text(json.dumps(files), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, nargs="+", help="manifest.csv or its folder"
    )
    parser.add_argument("--whisper", type=Path, required=True, help="the wheel, or its model.bin")
    parser.add_argument("--out", type=Path, default=Path("bench-out/voice_spoof-bank"))
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    clips = read_data(settings.data)
    training = [clip for clip in clips if clip.split == "train"]
    layers = read_layers(settings.whisper, layers=LAYERS)
    rounds: dict[str, tuple[Sequence[Clip], Callable[[Sequence[Clip]], Parts]]] = {
        "plain": (clips, partial(as_they_are, telephone=False)),
        "telephone": (clips, partial(as_they_are, telephone=True)),
    }
    for number in range(settings.draws):
        rounds[f"draw-{number}"] = (training, partial(drawn, number=number))
    settings.out.mkdir(parents=True, exist_ok=True)
    for name, (wanted, parts) in rounds.items():
        had = settings.out / f"{name}.json"
        held = set(json.loads(had.read_text(encoding="utf-8"))) if had.exists() else set()
        missing = [clip for clip in wanted if clip.file not in held]
        if missing:
            make(layers, parts(missing), settings.out / name, of=len(missing))


if __name__ == "__main__":
    main()
