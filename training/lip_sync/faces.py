"""How well the face path finds, meshes and follows, and what it costs.

    python -m training.lip_sync.faces --crops MANIFEST --clips FOLDER [--empty FILE ...]

MANIFEST: a CSV with a `file` of one face each, relative to it; beside it the landmarks, (468, 2) in
a .npy of the same name, that another finder led to. They are put into a grey picture of 640x360 at
several sizes. FOLDER: clips of one talker. `--empty`: recordings without a face. One core is used.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.core.types import VideoFrame
from streammon.detectors.faces.anchors import Floats, overlap
from streammon.detectors.faces.finder import Face
from streammon.detectors.faces.landmarks import LEFT_EYE_OUTER, RIGHT_EYE_OUTER, square_of
from streammon.detectors.faces.quality import quality
from streammon.detectors.faces.tracker import LEAST_PRESENCE, Eyes, Tracker, open_eyes
from training.lip_sync.clips import clips_in, items_of

SCALES = (1.0, 0.5, 0.35, 0.25, 0.18, 0.12)
Image = NDArray[np.uint8]


def confirmed(eyes: Eyes, image: Image) -> list[Face]:
    """Faces as the tracker would begin with them."""
    return [
        face
        for face in eyes.find(image)
        if eyes.presence(image, square_of(face.box, face.points[0], face.points[1]))
        >= LEAST_PRESENCE
    ]


def crops(manifest: Path) -> Iterator[tuple[Image, Floats]]:
    """Every picture that has landmarks beside it."""
    with manifest.open(newline="") as lines:
        for row in csv.DictReader(lines):
            path = manifest.parent / row["file"]
            marks, image = path.with_suffix(".npy"), cv2.imread(str(path))
            if image is not None and marks.exists():
                yield np.ascontiguousarray(image[..., ::-1]), np.load(marks).astype(np.float64)


def against_landmarks(eyes: Eyes, manifest: Path) -> None:
    print("eyes px  pictures  found  others  distance of landmarks, in eyes apart: median, 95 %")
    for scale in SCALES:
        count = found = others = 0
        far, apart = [], []
        for image, marks in crops(manifest):
            canvas, there = _placed(image, marks, scale)
            span = np.concatenate([there.min(axis=0), there.max(axis=0)])
            eyes_apart = float(np.linalg.norm(there[LEFT_EYE_OUTER] - there[RIGHT_EYE_OUTER]))
            faces = confirmed(eyes, canvas)
            right = [face for face in faces if overlap(face.box, span[None])[0] > 0.3]
            count, found, others = count + 1, found + bool(right), others + len(faces) - len(right)
            apart.append(eyes_apart)
            if right:
                box, points = right[0].box, right[0].points
                mesh = eyes.read(canvas, square_of(box, points[0], points[1]))[:, :2]
                far.append(float(np.linalg.norm(mesh - there, axis=1).mean()) / eyes_apart)
        middle, most = np.percentile(far, [50, 95]) if far else (np.nan, np.nan)
        share = found / count
        print(
            f"{np.mean(apart):7.1f}  {count:8d}  {share:5.1%}  {others:6d}"
            f"  {middle:.3f}, {most:.3f}"
        )


def _placed(image: Image, marks: Floats, scale: float) -> tuple[Image, Floats]:
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((360, 640, 3), 110, np.uint8)
    top, left = (360 - small.shape[0]) // 2, (640 - small.shape[1]) // 3
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas, marks * scale + [left, top]


def on_clips(eyes: Eyes, folder: Path) -> None:
    print("clip, frames, share with a face, tracks begun")
    for path in clips_in(folder):
        tracker, seen, frames, numbers = Tracker(eyes), 0, 0, set()
        for item in items_of(path):
            if isinstance(item, VideoFrame):
                tracks = tracker.observe(item.image_rgb, media_s=item.media_s)
                frames, seen = frames + 1, seen + bool(tracks)
                numbers |= {track.number for track in tracks}
        print(f"  {path.stem}: {frames}, {seen / frames:.1%}, {len(numbers)}")


def without_faces(eyes: Eyes, recordings: Sequence[Path]) -> None:
    random = np.random.default_rng(0)
    for name, pictures in _empty(recordings, random):
        raw = sum(len(eyes.find(picture)) for picture in pictures)
        kept = sum(len(confirmed(eyes, picture)) for picture in pictures)
        print(f"  {name}: {len(pictures)} pictures, candidates {raw}, faces {kept}")


def _empty(
    recordings: Sequence[Path], random: np.random.Generator
) -> Iterator[tuple[str, list[Image]]]:
    noise = [random.integers(0, 256, (360, 640, 3)).astype(np.uint8) for _ in range(100)]
    yield "noise", noise
    for blur in (4, 12, 30):
        soft = [
            _stretched(np.asarray(cv2.GaussianBlur(one, (0, 0), blur), np.uint8)) for one in noise
        ]
        yield f"noise blurred by {blur} px", soft
    for path in recordings:
        frames = [one.image_rgb for one in items_of(path) if isinstance(one, VideoFrame)]
        yield path.stem, frames[::25]


def _stretched(image: Image) -> Image:
    """The same from black to white."""
    low, high = float(image.min()), float(image.max())
    return np.asarray(255.0 * (image - low) / max(high - low, 1.0), np.uint8)


def costs(eyes: Eyes, manifest: Path) -> None:
    image, marks = next(crops(manifest))
    canvas, _ = _placed(image, marks, 0.5)
    face = confirmed(eyes, canvas)[0]
    square = square_of(face.box, face.points[0], face.points[1])
    mesh = eyes.read(canvas, square)
    tracker, clock = Tracker(eyes), iter(range(10**6))

    def follow() -> None:
        tracker.observe(canvas, media_s=next(clock) / 25)

    print("ms on one core: median, and of following the mean, at 25 pictures a second of 640x360")
    print(f"  find {_ms(lambda: eyes.find(canvas)):.1f}")
    print(f"  mesh {_ms(lambda: eyes.read(canvas, square)):.1f}")
    print(f"  quality {_ms(lambda: quality(canvas, mesh)):.2f}")
    follow()
    began_s = time.perf_counter()
    for _ in range(250):
        follow()
    print(
        f"  follow, all in: {(time.perf_counter() - began_s) / 250 * 1000:.1f} per face and picture"
    )


def _ms(work: Callable[[], object]) -> float:
    took = []
    for _ in range(60):
        began_s = time.perf_counter()
        work()
        took.append(time.perf_counter() - began_s)
    return float(np.median(took)) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--empty", type=Path, nargs="*", default=[])
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    eyes = open_eyes()
    costs(eyes, arguments.crops)
    without_faces(eyes, arguments.empty)
    on_clips(eyes, arguments.clips)
    against_landmarks(eyes, arguments.crops)


if __name__ == "__main__":
    main()
