"""The figures of one detector, whole and broken down by what made the fakes and whence rows come.

A system's fakes are compared with the reals of the sources that they come from, where there are
any; otherwise with all reals. So a detector gets no credit for hearing the difference between
two recording rooms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streammon.evaluation.answers import Answer, counts, table
from streammon.evaluation.bootstrap import Interval, Redrawn
from streammon.evaluation.measures import MEASURES, NEED_BOTH, Measure, figures

OF_PARTS: Mapping[str, Measure] = {name: MEASURES[name] for name in ("auc", "eer")}
"""The figures of a part of the rows that get an interval."""
UNNAMED = "(not named)"


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of some answers, with their intervals."""

    reals: int
    fakes: int
    values: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    real_groups: int
    fake_groups: int


@dataclass(frozen=True, slots=True)
class Part:
    """Some fakes and the reals they are compared with."""

    name: str
    against: str
    """`same source`, `all reals` or, where the part has no fakes, `no fakes`."""
    figures: Figures
    false_alarms: float | None
    hits: float | None
    """Shares of its reals and of its fakes with a confidence of 0.5 or more."""


def whole(answers: Iterable[Answer], *, seed: int, rounds: int) -> Figures:
    """All figures of all scored answers."""
    return _figures(list(answers), MEASURES, seed=seed, rounds=rounds)


def by_system(answers: Iterable[Answer], *, seed: int, rounds: int) -> list[Part]:
    """One part per system of fakes, by name."""
    reals, fakes = _apart(answers)
    parts = []
    for system in sorted({answer.row.system for answer in fakes}):
        made = [answer for answer in fakes if answer.row.system == system]
        sources = {answer.row.source for answer in made} - {""}
        parts.append(_part(system, made, reals, sources, seed=seed, rounds=rounds))
    return parts


def by_source(answers: Iterable[Answer], *, seed: int, rounds: int) -> list[Part]:
    """One part per source of reals or fakes, by name; those of real rows only have no curve."""
    reals, fakes = _apart(answers)
    parts = []
    for source in sorted({answer.row.source for answer in (*reals, *fakes)} - {""}):
        made = [answer for answer in fakes if answer.row.source == source]
        parts.append(_part(source, made, reals, {source}, seed=seed, rounds=rounds))
    return parts


def _apart(answers: Iterable[Answer]) -> tuple[list[Answer], list[Answer]]:
    reals: list[Answer] = []
    fakes: list[Answer] = []
    for answer in answers:
        (fakes if answer.row.fake else reals).append(answer)
    return reals, fakes


def _part(
    name: str,
    fakes: list[Answer],
    reals: list[Answer],
    sources: set[str],
    *,
    seed: int,
    rounds: int,
) -> Part:
    alike = [answer for answer in reals if answer.row.source in sources]
    against = "same source" if fakes and alike else "all reals" if fakes else "no fakes"
    chosen = alike if alike or not fakes else reals
    return Part(
        name=name or UNNAMED,
        against=against,
        figures=_figures([*chosen, *fakes], OF_PARTS, seed=seed, rounds=rounds),
        false_alarms=_called_fake(chosen),
        hits=_called_fake(fakes),
    )


def _called_fake(answers: list[Answer]) -> float | None:
    called = [answer.confidence is not None and answer.confidence >= 0.5 for answer in answers]
    return sum(called) / len(called) if called else None


def _figures(
    answers: list[Answer], measures: Mapping[str, Measure], *, seed: int, rounds: int
) -> Figures:
    found = counts(answers)
    wanted = {
        name: measure
        for name, measure in measures.items()
        if answers and (found.has_both or name not in NEED_BOTH)
    }
    drawn = Redrawn(*table(answers), seed=seed, rounds=rounds)
    values = figures(found)
    return Figures(
        reals=round(found.real.sum()),
        fakes=round(found.fake.sum()),
        values={name: values[name] for name in measures},
        intervals=dict.fromkeys(measures) | drawn.intervals(wanted),
        real_groups=drawn.real_groups,
        fake_groups=drawn.fake_groups,
    )
