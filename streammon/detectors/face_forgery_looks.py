"""The faces of a window of pictures that can be judged, cut out for the network.

Each window is looked at on its own: faces are numbered anew in each, and nothing is remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streammon.core.types import Region, VideoFrame
from streammon.detectors.faces.anchors import Floats
from streammon.detectors.faces.crop import CropSpec, crop
from streammon.detectors.faces.quality import Gates, quality
from streammon.detectors.faces.tracker import Eyes, Tracker

CUT = CropSpec(side_px=128, eyes_share=0.45, eyes_at=0.37)
"""What the network is shown: the face with hair, cheeks and some background."""

SEARCH_EVERY_S = 1.0
"""For faces that have come; one that is lost is looked for at once."""


@dataclass(slots=True, eq=False)
class Look:
    """One face over the pictures of a window in which it can be judged."""

    number: int
    box: Floats
    """(4,): in the newest picture that it was followed in, as shares of it, 0..1."""
    cuts: list[NDArray[np.uint8]] = field(default_factory=list)
    """(CUT.side_px, CUT.side_px, 3) each"""
    eyes_px: list[float] = field(default_factory=list)

    def thinned(self, most: int) -> list[NDArray[np.uint8]]:
        """At most so many of its cuts, evenly over the window."""
        if len(self.cuts) <= most:
            return self.cuts
        chosen = np.linspace(0, len(self.cuts) - 1, most).round().astype(int)
        return [self.cuts[at] for at in chosen]

    def region(self, score: float | None) -> Region:
        x1, y1, x2, y2 = (float(edge) for edge in self.box)
        return Region(
            x1, y1, x2, y2, label="face", score=None if score is None else round(score, 3)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What a window shows of faces."""

    faces: Sequence[Look]
    reason: str | None
    """Why no face can be judged; `None`: one can, at least."""

    @property
    def judged(self) -> Sequence[Look]:
        return () if self.reason is not None else [one for one in self.faces if one.cuts]


def look(
    frames: Sequence[VideoFrame], eyes: Eyes, *, gates: Gates, least_pictures: int, most_faces: int
) -> Looked:
    """Follow the faces through the pictures, and cut out those that pass the gates.

    A face that passes in fewer than `least_pictures` is shown, not judged: its cuts are dropped.
    Pictures come in order of time; one that is out of order is passed over.
    """
    tracker = Tracker(eyes, most_faces=most_faces, search_every_s=SEARCH_EVERY_S)
    faces: dict[int, Look] = {}
    reasons: Counter[str] = Counter()
    for frame in frames:
        image = frame.image_rgb
        height, width = image.shape[:2]
        for track in tracker.observe(image, media_s=frame.media_s):
            box = np.clip(track.box / [width, height, width, height], 0.0, 1.0)
            face = faces.setdefault(track.number, Look(track.number, box))
            face.box = box
            seen = quality(image, track.mesh)
            reason = seen.reason(gates)
            if reason is not None:
                reasons[reason] += 1
                continue
            face.cuts.append(crop(image, track.mesh, CUT))
            face.eyes_px.append(seen.eyes_px)
    return _gated(list(faces.values()), reasons, least_pictures)


def _gated(faces: list[Look], reasons: Counter[str], least_pictures: int) -> Looked:
    """Without the cuts of those that are seen too rarely; with the reason if nobody is left."""
    most = max((len(face.cuts) for face in faces), default=0)
    for face in faces:
        if len(face.cuts) < least_pictures:
            face.cuts.clear()
    if not faces:
        return Looked(faces, "no face in the picture")
    if most >= least_pictures:
        return Looked(faces, None)
    if reasons.total() > most:
        return Looked(faces, reasons.most_common(1)[0][0])
    return Looked(faces, f"too few pictures of a face: {most} of {least_pictures}")
