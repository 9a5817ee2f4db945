"""Who is who from one picture to the next: meshes that are followed, and numbered.

A face that was found is followed by its mesh, which is read where the mesh of the picture before,
moved on, says; the finder looks only now and then, for who has come and who has gone. Nobody is
recognised: a face that leaves and comes back has another number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.faces.anchors import Floats, overlap
from streammon.detectors.faces.finder import Face, Finder
from streammon.detectors.faces.landmarks import (
    LEFT_EYE_OUTER,
    RIGHT_EYE_OUTER,
    Mesher,
    Square,
    square_around,
    square_of,
)

Image = NDArray[np.uint8]

LEAST_OVERLAP = 0.3
"""Of a face that was found with one that is followed, for both to be the same."""
SAME_FACE = 0.6
"""Two that are followed and overlap by so much are one; the later one ends."""
LEAST_PRESENCE = 0.5
MOST_JUMP = 0.6
"""In distances between the eyes, from picture to picture: more is another face, or a cut."""
LONGEST_GAP_S = 0.5
"""Between two pictures; after a longer one all faces are new."""
LEAST_EYES_PX = 4.0


@dataclass(frozen=True, slots=True)
class Eyes:
    """The networks, as functions: the tracker itself is arithmetic."""

    find: Callable[[Image], Sequence[Face]]
    read: Callable[[Image, Square], Floats]
    presence: Callable[[Image, Square], float]


def open_eyes() -> Eyes:
    """Load the networks that ship. Blocking. Raises `Permanent` when a file is not as it was."""
    finder, mesher = Finder(), Mesher()
    return Eyes(finder.find, mesher.read, mesher.presence)


@dataclass(slots=True, eq=False)
class Track:
    """One face that is being followed."""

    number: int
    """Counts up over the tracker's life; never used twice."""
    mesh: Floats
    """(468, 3), pixels of the newest picture."""
    confirmed_s: float
    """When the finder last saw it."""
    motion: Floats = field(default_factory=lambda: np.zeros(2))
    """Pixels that the mesh moved from the last picture but one to the last."""

    @property
    def box(self) -> Floats:
        """(4,): around the mesh."""
        return np.concatenate([self.mesh[:, :2].min(axis=0), self.mesh[:, :2].max(axis=0)])


class Tracker:
    """The faces of one unbroken stretch of one participant's pictures. Not thread-safe."""

    def __init__(
        self, eyes: Eyes, *, most_faces: int = 4, search_every_s: float = 0.5,
        lost_after_s: float = 1.5,
    ) -> None:  # fmt: skip
        """`lost_after_s`: a face is followed so long without the finder seeing it again."""
        self._eyes = eyes
        self._most_faces = most_faces
        self._search_every_s = search_every_s
        self._lost_after_s = lost_after_s
        self._tracks: list[Track] = []
        self._numbers = count(1)
        self._searched_s = self._seen_s = -np.inf
        self._size = (0, 0)

    def observe(self, image_rgb: Image, *, media_s: float) -> Sequence[Track]:
        """The faces in the next picture, those followed longest first.

        Pictures come in order of time; one that is not later than the last changes nothing. The
        tracks are the tracker's own, and change with the next picture.
        """
        if media_s <= self._seen_s:
            return self._tracks
        if media_s - self._seen_s > LONGEST_GAP_S or self._size != image_rgb.shape[:2]:
            self._tracks = []
            self._searched_s = -np.inf
        self._seen_s, self._size = media_s, image_rgb.shape[:2]
        before = len(self._tracks)
        self._tracks = [track for track in self._tracks if self._follow(track, image_rgb)]
        lost_one = len(self._tracks) < before
        if lost_one or media_s - self._searched_s >= self._search_every_s:
            self._searched_s = media_s
            self._search(image_rgb, media_s)
        return self._tracks

    @property
    def searched_s(self) -> float:
        """When the finder last looked."""
        return self._searched_s

    def _follow(self, track: Track, image_rgb: Image) -> bool:
        """Read the face where it should be now; whether it is still one."""
        expected = track.mesh.copy()
        expected[:, :2] += track.motion
        mesh = self._eyes.read(image_rgb, square_around(expected))
        if not _sound(mesh, image_rgb):
            return False
        moved = (mesh - track.mesh)[:, :2].mean(axis=0)
        if np.abs(moved - track.motion).max() > MOST_JUMP * eyes_px(track.mesh):
            return False
        track.mesh, track.motion = mesh, moved
        return True

    def _search(self, image_rgb: Image, media_s: float) -> None:
        faces = self._eyes.find(image_rgb)
        matched = match([track.box for track in self._tracks], [face.box for face in faces])
        for at, track in enumerate(self._tracks):
            if at in matched:
                track.confirmed_s = media_s
        self._tracks = [track for track in self._tracks if self._stays(track, image_rgb, media_s)]
        self._tracks = _distinct(self._tracks)
        for at, face in enumerate(faces):
            if at not in matched.values() and len(self._tracks) < self._most_faces:
                self._begin(face, image_rgb, media_s)
        self._tracks = _distinct(self._tracks)

    def _stays(self, track: Track, image_rgb: Image, media_s: float) -> bool:
        if media_s - track.confirmed_s > self._lost_after_s:
            return False
        return self._eyes.presence(image_rgb, square_around(track.mesh)) >= LEAST_PRESENCE

    def _begin(self, face: Face, image_rgb: Image, media_s: float) -> None:
        square = square_of(face.box, face.points[0], face.points[1])
        if self._eyes.presence(image_rgb, square) < LEAST_PRESENCE:
            return
        mesh = self._eyes.read(image_rgb, square)
        if _sound(mesh, image_rgb):
            self._tracks.append(Track(next(self._numbers), mesh, media_s))


def eyes_px(mesh: Floats) -> float:
    """How far apart the outer corners of the eyes are, in pixels, however the face is turned."""
    return float(np.linalg.norm(mesh[RIGHT_EYE_OUTER] - mesh[LEFT_EYE_OUTER]))


def match(tracked: Sequence[Floats], found: Sequence[Floats]) -> dict[int, int]:
    """Which box (4,) that was found belongs to which that is tracked, by index.

    Greedy: the pair that overlaps most comes first. Each box is in one pair at most.
    """
    if not tracked or not found:
        return {}
    shared = np.stack([overlap(box, np.stack(found)) for box in tracked])
    pairs: dict[int, int] = {}
    for place in np.argsort(-shared, axis=None, kind="stable"):
        at, other = divmod(int(place), len(found))
        if shared[at, other] < LEAST_OVERLAP:
            break
        if at not in pairs and other not in pairs.values():
            pairs[at] = other
    return pairs


def _distinct(tracks: Sequence[Track]) -> list[Track]:
    """Without those that have come to lie on one that was there before."""
    kept: list[Track] = []
    for track in tracks:
        if not kept or overlap(track.box, np.stack([one.box for one in kept])).max() < SAME_FACE:
            kept.append(track)
    return kept


def _sound(mesh: Floats, image_rgb: Image) -> bool:
    """Whether this can be the mesh of a face whose middle is in the picture."""
    if not np.isfinite(mesh).all() or eyes_px(mesh) < LEAST_EYES_PX:
        return False
    height, width = image_rgb.shape[:2]
    x, y = mesh[:, :2].mean(axis=0)
    return bool(0 <= x < width and 0 <= y < height)
