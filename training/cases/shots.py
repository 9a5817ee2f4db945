"""The picture cases: what a recording shows at each moment, and between when it is at fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from training.cases import restless, scenes
from training.cases.camera import Camera, Overlay, bars, clock, logo, plate, ticker
from training.cases.draw import Draw
from training.cases.scenes import Picture, Size


@dataclass(frozen=True, slots=True)
class Shot:
    """The pictures of a recording and the truth about them."""

    pictures: Iterator[Picture]
    duration_s: float
    from_s: float | None = None
    """When the fault begins; `None`: there is none."""
    to_s: float | None = None
    """When it ends; `None`: with the recording."""


Showing = Callable[[float], tuple[float, float, float]]
"""At a time of the recording: two moments of the scene and the share of the second in the mix."""

LIVELY = (scenes.presenter, scenes.street, scenes.pan, scenes.night)
RICHER = (*LIVELY, restless.waves, restless.crowd, restless.fountain)
REPLAYED = (scenes.presenter, scenes.street, scenes.pan)
ALSO_REPLAYED = (*REPLAYED, restless.crowd, restless.aquarium)
OVERLAYS = (clock, ticker, logo)


def _live(time_s: float) -> tuple[float, float, float]:
    return time_s, time_s, 0.0


def _filmed(
    camera: Camera, showing: Showing, *, duration_s: float, fps: int
) -> Iterator[tuple[float, Picture]]:
    """Each picture with its time. A moment is always that of one picture, so that it repeats."""
    for number in range(int(duration_s * fps)):
        one_s, other_s, share = showing(number / fps)
        at = round(one_s * fps)
        picture = camera.take(at / fps, number=at)
        if share > 0:
            at = round(other_s * fps)
            picture = picture + np.float32(share) * (camera.take(at / fps, number=at) - picture)
        yield number / fps, picture


def _camera(draw: Draw, size: Size) -> Camera:
    return Camera(draw, draw.one_of(LIVELY, RICHER)(draw, size), size)


def frozen(draw: Draw, size: Size, fps: int) -> Shot:
    """A moving picture stops, and perhaps goes on later."""
    return _standing(draw, size, fps, overlays=[])


def frozen_overlay(draw: Draw, size: Size, fps: int) -> Shot:
    """It stops under a clock, a ticker or a turning mark that runs on."""
    kinds = [draw.one_of(OVERLAYS, OVERLAYS)]
    if draw.perhaps(0.3):
        kinds = [clock, ticker]
    return _standing(draw, size, fps, overlays=[kind(draw, size) for kind in kinds])


def _standing(draw: Draw, size: Size, fps: int, *, overlays: list[Overlay]) -> Shot:
    from_s, lasts_s = draw.between((15, 30), (12, 40)), draw.between((16, 30), (14, 40))
    camera, to_s = _camera(draw, size), from_s + lasts_s

    def showing(time_s: float) -> tuple[float, float, float]:
        return _live(from_s if from_s <= time_s < to_s else time_s)

    def pictures() -> Iterator[Picture]:
        for time_s, picture in _filmed(camera, showing, duration_s=duration_s, fps=fps):
            for overlay in overlays:
                overlay(picture, time_s)
            yield picture

    duration_s = to_s + draw.between((8, 16), (6, 20))
    return Shot(pictures(), duration_s, from_s, to_s)


def frozen_dimmed(draw: Draw, size: Size, fps: int) -> Shot:
    """It stops, and within some seconds darkens or brightens to a level that it keeps."""
    shot = _standing(draw, size, fps, overlays=[])
    from_s, to_s = shot.from_s or 0.0, shot.to_s or 0.0
    fade_s = draw.between((0.5, 3.0), (0.3, 5.0))
    gain = draw.one_of((0.5, 0.65, 0.8), (0.4, 0.6, 0.75, 1.2))

    def pictures() -> Iterator[Picture]:
        for number, picture in enumerate(shot.pictures):
            into = np.clip((number / fps - from_s) / fade_s, 0, 1) if number / fps < to_s else 0.0
            yield picture * np.float32(1 + (gain - 1) * into)

    return Shot(pictures(), shot.duration_s, from_s, to_s)


def empty(draw: Draw, size: Size, fps: int) -> Shot:
    """Black, one colour, or colour bars in place of the picture."""
    black = np.full((size[1], size[0], 3), draw.between((0, 12), (0, 16)), np.float32)
    kind = draw.one_of(("black", "plate", "bars"), ("black", "plate", "bars"))
    instead = {"black": black, "plate": plate(draw, size), "bars": bars(size)}[kind]
    from_s = draw.between((12, 25), (10, 30))
    to_s = from_s + draw.between((18, 30), (16, 40))
    duration_s, camera = to_s + draw.between((8, 14), (6, 18)), _camera(draw, size)
    noise = draw.one_of((0.0, 0.0, 0.8), (0.0, 0.5, 1.2))
    grain = draw.rng.normal(0, 1, (size[1], size[0], 1)).astype(np.float32)

    def pictures() -> Iterator[Picture]:
        for time_s, picture in _filmed(camera, _live, duration_s=duration_s, fps=fps):
            if not from_s <= time_s < to_s:
                yield picture
                continue
            yield instead + np.float32(noise) * np.roll(grain, int(time_s * fps) * 37, (0, 1))

    return Shot(pictures(), duration_s, from_s, to_s)


def looped(draw: Draw, size: Size, fps: int) -> Shot:
    """What was live a moment ago is shown again and again, with a hard cut."""
    return _replayed(draw, size, fps, fade_s=0.0)


def looped_faded(draw: Draw, size: Size, fps: int) -> Shot:
    """The same, with a cross-fade over each seam."""
    return _replayed(draw, size, fps, fade_s=draw.between((0.3, 1.0), (0.2, 1.5)))


def _replayed(
    draw: Draw, size: Size, fps: int, *, fade_s: float, overlays: tuple[Overlay, ...] = ()
) -> Shot:
    long_s = draw.log_between((4.0, 14.0), (3.5, 22.0))
    from_s = long_s + draw.between((6, 14), (5, 18))
    begin_s = from_s - long_s
    scene = draw.one_of(REPLAYED, ALSO_REPLAYED)(draw, size)
    duration_s = from_s + 3 * long_s + 15.0

    def showing(time_s: float) -> tuple[float, float, float]:
        if time_s < from_s:
            return _live(time_s)
        into_s = (time_s - begin_s) % long_s
        share = 1 - into_s / fade_s if into_s < fade_s else 0.0
        return begin_s + into_s, begin_s + into_s + long_s, share

    camera = Camera(draw, scene, size)

    def pictures() -> Iterator[Picture]:
        for time_s, picture in _filmed(camera, showing, duration_s=duration_s, fps=fps):
            for overlay in overlays:
                overlay(picture, time_s)
            yield picture

    return Shot(pictures(), duration_s, from_s)


def looped_overlay(draw: Draw, size: Size, fps: int) -> Shot:
    """A replay under a clock that runs on."""
    return _replayed(draw, size, fps, fade_s=0.0, overlays=(clock(draw, size),))


def looped_always(draw: Draw, size: Size, fps: int) -> Shot:
    """A recorded stretch over and over, from the first picture on."""
    long_s = draw.between((11, 16), (11, 22))
    scene = draw.one_of(REPLAYED, ALSO_REPLAYED)(draw, size)
    camera, duration_s = Camera(draw, scene, size), 4 * long_s + 20.0

    def showing(time_s: float) -> tuple[float, float, float]:
        return _live(time_s % long_s)

    filmed = _filmed(camera, showing, duration_s=duration_s, fps=fps)
    return Shot((picture for _, picture in filmed), duration_s, 0.0)


def _clean(scene: Callable[[Draw, Size], scenes.Scene], *, overlaid: float = 0.0) -> Make:
    def make(draw: Draw, size: Size, fps: int) -> Shot:
        duration_s = draw.between((100, 140), (120, 180))
        camera = Camera(draw, scene(draw, size), size)
        overlay = draw.one_of(OVERLAYS, OVERLAYS)(draw, size) if draw.perhaps(overlaid) else None

        def pictures() -> Iterator[Picture]:
            for time_s, picture in _filmed(camera, _live, duration_s=duration_s, fps=fps):
                if overlay is not None:
                    overlay(picture, time_s)
                yield picture

        return Shot(pictures(), duration_s)

    return make


def _screen(scene: Callable[[Draw, Size], scenes.Scene]) -> Make:
    """A screen without a camera's noise."""

    def make(draw: Draw, size: Size, fps: int) -> Shot:
        duration_s = draw.between((100, 140), (120, 180))
        shown = scene(draw, size)
        return Shot((shown(at / fps) for at in range(int(duration_s * fps))), duration_s)

    return make


def _slides(draw: Draw, size: Size) -> scenes.Scene:
    return scenes.slides(draw, size)


def _slides_and_speaker(draw: Draw, size: Size) -> scenes.Scene:
    return scenes.slides(draw, size, inset=True)


Make = Callable[[Draw, Size, int], Shot]
FAULTS: Mapping[str, Mapping[str, Make]] = {
    "freeze": {
        "frozen": frozen,
        "frozen_overlay": frozen_overlay,
        "frozen_dimmed": frozen_dimmed,
        "empty": empty,
    },
    "loop": {
        "looped": looped,
        "looped_faded": looped_faded,
        "looped_overlay": looped_overlay,
        "looped_always": looped_always,
    },
}
"""Families of cases, and their kinds."""
CLEAN: Mapping[str, Mapping[str, Make]] = {
    "freeze": {
        "still_room": _clean(scenes.still_room, overlaid=0.4),
        "presenter": _clean(scenes.presenter, overlaid=0.5),
        "night": _clean(scenes.night, overlaid=0.3),
        "slides": _screen(_slides),
        "slides_and_speaker": _screen(_slides_and_speaker),
        "lecture": _clean(scenes.lecture, overlaid=0.3),
        "changing_light": _clean(restless.changing_light, overlaid=0.3),
        "night_noise": _clean(restless.night_noise, overlaid=0.3),
        "resting_pan": _clean(restless.resting_pan),
        "slide_and_cursor": _screen(restless.slide_and_cursor),
        "dashboard": _screen(restless.dashboard),
    },
    "loop": {
        "pan": _clean(scenes.pan),
        "street": _clean(scenes.street, overlaid=0.3),
        "pendulum": _clean(scenes.swinging),
        "flag": _clean(scenes.waving),
        "waves": _clean(restless.waves),
        "crowd": _clean(restless.crowd),
        "aquarium": _clean(restless.aquarium),
        "fountain": _clean(restless.fountain),
        "clock_face": _clean(restless.clock_face),
        "turntable": _clean(restless.turntable),
        "screensaver": _screen(restless.screensaver),
    },
}
"""What is easily taken for the faults of the family."""
