"""Write recordings of unseen forgeries and their originals, with a manifest for `streammon eval`.

    python -m training.face_forgery.clips --data DIR --cache DIR --how frozen --out OUT
    streammon eval OUT/manifest.csv --split round-0 --pipeline OUT/round-0.yaml

Of each round of `leaveout`, people and swappers that its network has not seen: filmed people with
their face forged in every picture, and portraits under a slowly moving camera; each recording at
the bitrate of a call or of a broadcast. The recordings are for measuring, and are not shared.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from streammon.detectors.faces.anchors import Floats
from streammon.detectors.faces.crop import alignment
from streammon.detectors.faces.tracker import Tracker, open_eyes
from training.face_forgery.faces import (
    KEPT,
    SAME_PERSON,
    SIDE_PX,
    Faces,
    Image,
    aligned,
    faces_of,
)
from training.face_forgery.film import REPEATABLE
from training.face_forgery.finish import LOOSE, SHARP
from training.face_forgery.forgeries import TAUGHT, family, forge, is_sharp
from training.face_forgery.leaveout import ROUNDS
from training.face_forgery.meshes import partners
from training.face_forgery.recipes import groups_of, load_swappers

RATE = Fraction(25, 2)
PICTURES = 40
KBITS = {"call": 260, "broadcast": 1400}
"""Of a picture of 640x360, at RATE."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one recording is made of: pictures, and where the face is aligned in each."""

    frames: Sequence[Image]
    meshes: Sequence[Floats]
    identity: str
    source: str


class Forger:
    """Puts the same face into every picture of a recording, the same way."""

    def __init__(self, faces: Faces, cache: Path) -> None:
        self._faces, self._groups = faces, groups_of(faces)
        self._swappers = load_swappers(cache)

    def __call__(
        self, taken: Taken, method: str, source: int, seed: int, *, sharp: bool = False
    ) -> list[Image]:
        """`sharp`: the face has as much detail as what it covers."""
        made, finish = [], SHARP[seed % len(SHARP)] if sharp and not is_sharp(method) else LOOSE
        for frame, mesh in zip(taken.frames, taken.meshes, strict=True):
            cut, inside = aligned(frame, mesh)
            pair = Faces(
                np.stack([cut, self._faces.images[source]]),
                np.stack([inside.astype(np.float32), self._faces.meshes[source]]),
                np.array([taken.identity, self._faces.identities[source]]),
                np.array([taken.source, self._faces.sources[source]]),
                np.ones(2, np.float32),
            )
            (forged,) = forge(
                method,
                pair,
                np.array([0]),
                np.array([1]),
                groups=self._groups[[0, source]],
                swappers=self._swappers,
                finishes=[finish],
                rng=np.random.default_rng(seed),
                live=is_sharp(method),
            )
            made.append(_put_back(frame, mesh, forged.astype(np.float64) - cut))
        return made


def _put_back(frame: Image, mesh: Floats, change: Floats) -> Image:
    """The frame with what was changed in the aligned cut."""
    back = cv2.invertAffineTransform(alignment(mesh, KEPT))
    height, width = frame.shape[:2]
    there = cv2.warpAffine(np.asarray(change, np.float32), back, (width, height))
    return np.asarray(np.clip(frame + there, 0, 255), np.uint8)


def filmed(path: Path, identity: str, source: str) -> Taken:
    """A clip of one person, at RATE; pictures without a face are left out."""
    tracker, frames, meshes, next_s = Tracker(open_eyes(), most_faces=1), [], [], 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            at_s = float(frame.time or 0.0)
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            tracks = tracker.observe(image, media_s=at_s)
            if tracks and at_s >= next_s:
                next_s = at_s + float(1 / RATE) - 1e-3
                frames.append(image)
                meshes.append(tracks[0].mesh[:, :2].copy())
    return Taken(frames[:PICTURES], meshes[:PICTURES], identity, source)


def portrait(faces: Faces, at: int, rng: np.random.Generator, *, blurred: bool) -> Taken:
    """A still, 640x360, under a slowly moving camera.

    Its edges are carried on; `blurred`: it stands before a blurred copy of itself instead.
    """
    image, mesh = faces.images[at], faces.meshes[at].astype(np.float64)
    scale = rng.uniform(28, 64) / (KEPT.eyes_share * SIDE_PX)
    start, drift = rng.uniform([40, 10], [380, 90]), rng.normal(0, 0.7, 2)
    behind = cv2.GaussianBlur(cv2.resize(image, (640, 360)), (0, 0), 14)
    frames, meshes = [], []
    for number in range(PICTURES):
        x, y = start + drift * number
        view = np.array([[scale, 0.0, x], [0.0, scale, y]])
        flags = cv2.INTER_AREA if scale < 0.7 else cv2.INTER_LINEAR
        frame = np.asarray(behind, np.uint8).copy()
        edge = cv2.BORDER_TRANSPARENT if blurred else cv2.BORDER_REPLICATE
        cv2.warpAffine(image, view, (640, 360), frame, flags, edge)
        frames.append(frame)
        meshes.append(mesh * scale + [x, y])
    return Taken(frames, meshes, str(faces.identities[at]), str(faces.sources[at]))


def write(frames: Sequence[Image], path: Path, carrier: str) -> None:
    """Encode as a call or a broadcast would, at a bitrate that goes with the size."""
    height, width = frames[0].shape[:2]
    options = {"preset": "veryfast", "tune": "zerolatency"} if carrier == "call" else REPEATABLE
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options=options | {"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = round(1000 * KBITS[carrier] * width * height / (640 * 360))
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def people(faces: Faces, data: Path, turn: int, stills: int, *, blurred: bool) -> Iterator[Taken]:
    """The filmed people of a round's fold, then so many portraits of it."""
    rng = np.random.default_rng(turn)
    fold = dict(zip(faces.identities.tolist(), faces.folds.tolist(), strict=True))
    with (data / "manifest.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            person = SAME_PERSON.get(row["identity"], row["identity"])
            if row["file"].endswith(".mp4") and fold.get(person) == turn:
                yield filmed(data / row["file"], person, row["source"])
    alone = [
        at
        for at, name in enumerate(faces.identities)
        if faces.folds[at] == turn and np.sum(faces.identities == name) == 1
    ]
    for at in rng.permutation(alone)[:stills]:
        yield portrait(faces, int(at), rng, blurred=blurred)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of manifest.csv")
    parser.add_argument("--cache", type=Path, default=Path("bench-out/face_forgery-cache"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--how", choices=["frozen", "tuned"], default="frozen")
    parser.add_argument("--stills", type=int, default=16, help="portraits in each round")
    parser.add_argument(
        "--sharp", action="store_true", help="forgeries as sharp as what they cover"
    )
    parser.add_argument("--blurred", action="store_true", help="portraits before a blurred ground")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    faces = faces_of(settings.data / "manifest.csv", settings.cache)
    forger, others = Forger(faces, settings.cache), partners(faces, np.random.default_rng(1))
    settings.out.mkdir(parents=True, exist_ok=True)
    rows = [["path", "label", "system", "source", "identity", "split"]]
    for turn, left in enumerate(ROUNDS):
        weights = (settings.cache / f"round-{settings.how}-{turn}.safetensors").resolve()
        config = f"detectors:\n  face_forgery: {{weights: {weights}}}\n"
        (settings.out / f"round-{turn}.yaml").write_text(config)
        methods = [method for method in TAUGHT if family(method) in left.kinds]
        for number, taken in enumerate(
            people(faces, settings.data, left.fold, settings.stills, blurred=settings.blurred)
        ):
            target = int(np.flatnonzero(faces.identities == taken.identity)[0])
            carrier = ("call", "broadcast")[number % 2]
            for method in ("", *methods):
                name = f"{turn}-{number:02d}-{method or 'original'}.mp4"
                seed = 1000 * turn + number
                source = int(others[target])
                frames = (
                    forger(taken, method, source, seed, sharp=settings.sharp)
                    if method
                    else taken.frames
                )
                write(frames, settings.out / name, carrier)
                where = f"{taken.source}, {carrier}"
                rows.append(
                    [name, str(int(bool(method))), method, where, taken.identity, f"round-{turn}"]
                )
        print(f"round {turn + 1}/{len(ROUNDS)} written", file=sys.stderr, flush=True)
    with (settings.out / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    main()
