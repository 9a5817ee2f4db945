"""One cut of a stream for several detectors, each of which is given the length it asked for. Pure.

Detectors that answer together must look at the same windows. The shared window is as long as the
longest that any of them wants and comes as often as the most frequent; each detector is then
handed the newest part of it, in its own length. So nobody sees a longer or a shorter window than
on its own, and nobody sees one less often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from streammon.core.errors import ConfigError
from streammon.core.types import AudioChunk, Modality, Window, WindowSpec, WindowUnit
from streammon.windows.cut import EDGE_S


@dataclass(frozen=True, slots=True)
class Wanted:
    """A length and overlap that a person asks for, in the unit of the members' windows."""

    length: float
    overlap: float


def shared_modalities(
    looks: Mapping[str, Mapping[Modality, WindowSpec]], *, only: Modality | None = None
) -> tuple[Modality, ...]:
    """What all of them look at; they must look at the same, or all at least at `only`.

    Raises `ConfigError` that names the two that differ.
    """
    if only is not None:
        for name, inputs in looks.items():
            if only not in inputs:
                raise ConfigError(f"modality: {name!r} looks at {_named(inputs)}, not at {only}")
        return (only,)
    first, *rest = looks
    for name in rest:
        if set(looks[name]) != set(looks[first]):
            raise ConfigError(
                f"{first!r} looks at {_named(looks[first])} and {name!r} at {_named(looks[name])}; "
                "members must look at the same: name one `modality` that both look at, or use "
                "`multimodal`, which joins different ones"
            )
    return tuple(looks[first])


def shared_cut(specs: Mapping[str, WindowSpec], *, wanted: Wanted | None = None) -> WindowSpec:
    """The window that serves all members, named, of one modality.

    Raises `ConfigError` when they count in different units, when text is cut into different
    numbers of characters, or when `wanted` is too short for one of them.
    """
    first, *_ = specs
    unit = specs[first].unit
    for name, spec in specs.items():
        if spec.unit is not unit:
            raise ConfigError(
                f"{first!r} is cut in {unit} and {name!r} in {spec.unit}: they share no window"
            )
        if unit is WindowUnit.CHARACTERS and spec.length != specs[first].length:
            raise ConfigError(
                f"{first!r} wants {specs[first].length:g} characters and {name!r} "
                f"{spec.length:g}: text is not cut again, so set the same length for both"
            )
    longest = max(specs, key=lambda name: specs[name].length)
    length = specs[longest].length
    overlap = length - min(spec.hop for spec in specs.values())
    if wanted is not None:
        if wanted.length < length:
            raise ConfigError(
                f"window.length: {longest!r} needs {length:g} {unit}, got {wanted.length:g}"
            )
        if unit is WindowUnit.CHARACTERS and wanted.length != length:
            raise ConfigError(f"window.length: text is not cut again; only {length:g} is possible")
        length, overlap = wanted.length, wanted.overlap
    intervals = [each.frame_interval_s for each in specs.values() if each.frame_interval_s]
    calm = [each.calm_frame_interval_s for each in specs.values()]
    return WindowSpec(
        length,
        overlap,
        unit,
        frame_interval_s=min(intervals, default=None),
        calm_frame_interval_s=None if None in calm else min(each for each in calm if each),
    )


def newest_part(window: Window, spec: WindowSpec) -> Window | None:
    """The end of `window` in the length of `spec`; the window itself when it is no longer.

    `None` when nothing lies in that part: a chat may be silent.
    """
    if spec.unit is WindowUnit.CHARACTERS:
        return window
    if spec.unit is not WindowUnit.SECONDS:
        newest = window.items[-round(spec.length) :]
        if len(newest) == len(window.items):
            return window
        return replace(window, items=newest, start_s=newest[0].media_s)
    if window.end_s - window.start_s <= spec.length + EDGE_S:
        return window
    start_s = window.end_s - spec.length
    first = window.items[0]
    if isinstance(first, AudioChunk):
        samples = round(spec.length * first.rate_hz)
        if len(first.pcm) <= samples:
            return window
        chunk = replace(first, pcm=first.pcm[-samples:], media_s=start_s)
        return replace(window, items=(chunk,), start_s=start_s)
    inside = tuple(item for item in window.items if item.media_s >= start_s - EDGE_S)
    return replace(window, items=inside, start_s=start_s) if inside else None


def _named(inputs: Mapping[Modality, WindowSpec]) -> str:
    return " and ".join(sorted(inputs))
