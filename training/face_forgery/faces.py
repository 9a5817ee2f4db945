"""Real faces to forge and to compare with: aligned pictures with their mesh, in folds of people.

A manifest's stills come with their landmarks (a .npy of the same name beside each); its clips are
read with the face path that ships. Pictures of one person are always in one fold.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.detectors.faces.anchors import Floats
from streammon.detectors.faces.crop import CropSpec, alignment
from streammon.detectors.faces.quality import quality
from streammon.detectors.faces.tracker import Tracker, open_eyes

Image = NDArray[np.uint8]

SIDE_PX = 224
KEPT = CropSpec(side_px=SIDE_PX, eyes_share=0.45, eyes_at=0.37)
"""As much around a face as the detector sees of it."""
FOLDS = 3
EVERY_S = 0.16
"""Between two pictures of a clip that are kept."""
SAME_PERSON = {"grid_pwij3p": "grid_id2_vcd_swwp2s"}
"""Identities of the manifest that are one person, as anybody sees who looks at the clips."""


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Aligned pictures of real people."""

    images: NDArray[np.uint8]
    """(n, SIDE_PX, SIDE_PX, 3), RGB"""
    meshes: NDArray[np.float32]
    """(n, 468, 2), pixels of the picture"""
    identities: NDArray[np.str_]
    sources: NDArray[np.str_]
    eyes_px: NDArray[np.float32]
    """Between the outer corners of the eyes where the picture came from."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def folds(self) -> NDArray[np.intp]:
        """(n,): 0..FOLDS - 1, the same for all pictures of a person, even within each source."""
        place: dict[str, int] = {}
        for source in np.unique(self.sources):
            people = np.unique(self.identities[self.sources == source])
            ranked = sorted(people, key=lambda name: hashlib.sha256(name.encode()).digest())
            place.update({str(name): at % FOLDS for at, name in enumerate(ranked)})
        return np.array([place[str(name)] for name in self.identities], np.intp)

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Faces:
        return Faces(
            self.images[which],
            self.meshes[which],
            self.identities[which],
            self.sources[which],
            self.eyes_px[which],
        )


def faces_of(manifest: Path, cache: Path) -> Faces:
    """The real faces of a manifest; kept in `cache` for the next time, by the manifest's bytes."""
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()[:12]
    kept = cache / f"faces-{digest}.npz"
    if not kept.exists():
        rows = list(_read(manifest))
        images, meshes, identities, sources, eyes = zip(*rows, strict=True)
        cache.mkdir(parents=True, exist_ok=True)
        np.savez(
            kept,
            images=np.stack(images),
            meshes=np.stack(meshes).astype(np.float32),
            identities=np.array(identities),
            sources=np.array(sources),
            eyes_px=np.array(eyes, np.float32),
        )
    with np.load(kept) as held:
        return Faces(**{name: held[name] for name in Faces.__dataclass_fields__})


def _read(manifest: Path) -> Iterator[tuple[Image, Floats, str, str, float]]:
    """Stills of people of whom there is no clip, and pictures of the clips."""
    with manifest.open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["label"] == "0"]
    clips = [row for row in rows if row["file"].endswith(".mp4")]
    filmed = {row["identity"] for row in clips}
    for row in rows:
        path = manifest.parent / row["file"]
        if row in clips or row["identity"] in filmed or not path.with_suffix(".npy").exists():
            continue
        stored = cv2.imread(str(path))
        if stored is None:
            raise ValueError(f"{path}: not a picture")
        image = np.ascontiguousarray(stored[..., ::-1], np.uint8)
        yield (
            *aligned(image, np.load(path.with_suffix(".npy"))),
            row["identity"],
            row["source"],
            72.0,
        )
    for row in clips:
        person = SAME_PERSON.get(row["identity"], row["identity"])
        for image, mesh, eyes in clip_faces(manifest.parent / row["file"]):
            yield image, mesh, person, row["source"], eyes


def aligned(image: Image, mesh: Floats) -> tuple[Image, Floats]:
    """The face cut as `KEPT` says, and its mesh there."""
    how = alignment(mesh, KEPT)
    side = (SIDE_PX, SIDE_PX)
    cut = cv2.warpAffine(image, how, side, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8), moved(mesh[:, :2], how)


def moved(points: Floats, how: Floats) -> Floats:
    """Points (n, 2) after a (2, 3) affine map."""
    return np.asarray(points @ how[:, :2].T + how[:, 2])


def clip_faces(path: Path) -> Iterator[tuple[Image, Floats, float]]:
    """The first face that is followed, every EVERY_S: picture, mesh in it, eyes in pixels."""
    import av

    tracker, next_s = Tracker(open_eyes(), most_faces=1), 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            image = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            tracks = tracker.observe(image, media_s=float(frame.time or 0.0))
            if tracks and (frame.time or 0.0) >= next_s:
                next_s = float(frame.time or 0.0) + EVERY_S - 1e-3
                mesh = tracks[0].mesh
                yield *aligned(image, mesh), quality(image, mesh).eyes_px
