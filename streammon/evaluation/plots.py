"""Draws curves as PNG files, with matplotlib and without a display."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from streammon.core.errors import ConfigError
from streammon.evaluation.measures import Counts, Floats, reliability, roc

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TICKS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
INCHES, DPI = (6.0, 5.0), 120
HISTOGRAM_BINS = 50


def must_be_there() -> None:
    """Raises `ConfigError` with what to install when matplotlib is not there."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise ConfigError(
            "--plots needs matplotlib, which is not installed; try: pip install 'streammon[eval]'"
        ) from None


def draw(folder: Path, counts: Mapping[str, Counts]) -> list[Path]:
    """Write the plots of these detectors; those without reals or without fakes have no curve.

    Returns the files: roc.png, det.png, reliability.png and one scores-NAME.png each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    both = {name: found for name, found in counts.items() if found.has_both}
    drawn = [
        _saved(_roc(both), folder / "roc.png"),
        _saved(_det(both), folder / "det.png"),
        _saved(_reliability(both), folder / "reliability.png"),
    ]
    for name, found in both.items():
        file_name = f"scores-{name.replace('/', '-')}.png"
        drawn.append(_saved(_histogram(name, found), folder / file_name))
    return drawn


def _sheet(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _saved(figure: Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Software": None})
    return path


def _diagonal(axes: Axes, ends: list[float]) -> None:
    axes.plot(ends, ends, color="0.7", linewidth=1, linestyle="--")


_Corner: TypeAlias = Literal["lower right", "upper right", "upper left", "upper center"]


def _legend(axes: Axes, place: _Corner) -> None:
    """Where the curves of a good detector are not; a search for the best place is slow."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="small", loc=place)


def _roc(counts: Mapping[str, Counts]) -> Figure:
    figure, axes = _sheet("ROC", "reals called fake", "fakes found")
    _diagonal(axes, [0.0, 1.0])
    for name, found in counts.items():
        curve = roc(found)
        axes.plot(curve.false_alarms, curve.hits, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    _legend(axes, "lower right")
    return figure


def _det(counts: Mapping[str, Counts]) -> Figure:
    """Detection error trade-off: both error rates on the scale of normal deviates."""
    figure, axes = _sheet("DET", "reals called fake", "fakes missed")
    _diagonal(axes, _deviates((TICKS[0], TICKS[-1])))
    for name, found in counts.items():
        curve = roc(found)
        axes.plot(_deviates(curve.false_alarms), _deviates(1.0 - curve.hits), label=name)
    places, words = _deviates(TICKS), [f"{tick:.1%}" for tick in TICKS]
    axes.set_xticks(places, words, rotation=45)
    axes.set_yticks(places, words)
    axes.set(xlim=(places[0], places[-1]), ylim=(places[0], places[-1]))
    _legend(axes, "upper right")
    return figure


def _deviates(shares: Floats | tuple[float, ...]) -> list[float]:
    """The normal deviates of shares; 0 and 1 are drawn at 1e-4 from the end."""
    return [NormalDist().inv_cdf(min(max(float(one), 1e-4), 1.0 - 1e-4)) for one in shares]


def _reliability(counts: Mapping[str, Counts]) -> Figure:
    figure, axes = _sheet("Reliability", "mean confidence of the bin", "share of fakes in it")
    _diagonal(axes, [0.0, 1.0])
    for name, found in counts.items():
        bins = reliability(found)
        axes.plot([one.said for one in bins], [one.found for one in bins], "o-", label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    _legend(axes, "upper left")
    return figure


def _histogram(name: str, counts: Counts) -> Figure:
    figure, axes = _sheet(f"Scores of {name}", "confidence", "share of the class")
    edges = np.linspace(0.0, 1.0, HISTOGRAM_BINS + 1)
    for weights, label in ((counts.real, "real"), (counts.fake, "fake")):
        shares = weights / weights.sum()
        axes.hist(counts.scores, bins=list(edges), weights=shares, alpha=0.6, label=label)
    _legend(axes, "upper center")
    return figure
