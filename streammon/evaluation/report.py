"""What an evaluation found, as JSON: one flat object of figures, and the tables beside it.

The same input gives the same bytes, but for what is under `times`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streammon.core.types import Json
from streammon.evaluation import breakdown, streams
from streammon.evaluation.answers import Answers, Failure, counts
from streammon.evaluation.bootstrap import ROUNDS, Interval
from streammon.evaluation.breakdown import Figures, Part
from streammon.evaluation.measures import reliability
from streammon.evaluation.streams import Watched

VERSION = 1
MOST_FAILURES_LISTED = 100
MOST_DIGITS = 9
SEED = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """One detector's answers and what they come to."""

    answers: Answers
    whole: Figures
    systems: Sequence[Part]
    sources: Sequence[Part]

    @property
    def flat(self) -> dict[str, Json]:
        """The figures that scripts read."""
        scored = self.whole.reals + self.whole.fakes
        return {
            **{name: _rounded(value) for name, value in self.whole.values.items()},
            "scored": scored,
            "abstained": len(self.answers.given) - scored,
        }

    @property
    def window_ms(self) -> tuple[float, float] | None:
        """Median and 95th percentile of the time to score a window."""
        if not self.answers.window_s:
            return None
        median, late = np.percentile(np.asarray(self.answers.window_s) * 1e3, [50, 95])
        return float(median), float(late)


def judged(answers: Answers, *, rounds: int = ROUNDS) -> Judged:
    """Work out all figures and intervals; seconds for many rows."""
    return Judged(
        answers,
        breakdown.whole(answers.scored, seed=SEED, rounds=rounds),
        breakdown.by_system(answers.scored, seed=SEED, rounds=rounds),
        breakdown.by_source(answers.scored, seed=SEED, rounds=rounds),
    )


def main_of(found: Sequence[Judged]) -> Judged | None:
    """Whose figures stand for the whole evaluation: the first detector that scored anything."""
    return next((one for one in found if one.answers.scored), found[0] if found else None)


def document(
    found: Sequence[Judged], failures: Sequence[Failure], settings: Mapping[str, Json]
) -> dict[str, Json]:
    """The whole report; `settings` says what was asked for."""
    main = main_of(found)
    return {
        "v": VERSION,
        "settings": dict(settings),
        "figures_of": main.answers.detector if main else None,
        "figures": main.flat if main else {},
        "failed": len(failures),
        "failures": _failures(failures),
        "detectors": {one.answers.detector: _detector(one) for one in found},
        "times": {one.answers.detector: _times(one) for one in found},
    }


def streams_document(
    watched: Sequence[Watched],
    failures: Sequence[Failure],
    settings: Mapping[str, Json],
    *,
    beside: Sequence[Watched] = (),
) -> dict[str, Json]:
    """The report on long recordings; `beside`: what a second set of rules made of them."""
    other: dict[str, Json] = {"with_baseline": _of_streams(beside)} if beside else {}
    return {
        "v": VERSION,
        "settings": dict(settings),
        "failed": len(failures),
        "failures": _failures(failures),
        **_of_streams(watched),
        **other,
    }


def _of_streams(watched: Sequence[Watched]) -> dict[str, Json]:
    return {
        "figures": _rounded_all(streams.figures(watched)),
        "kinds": {kind: _rounded_all(one) for kind, one in streams.by_kind(watched).items()},
        "systems": {
            system: _rounded_all(_of_system(some))
            for system, some in streams.by_system(watched).items()
        },
        "sources": {
            source: _rounded_all(streams.figures(some))
            for source, some in streams.by_source(watched).items()
        },
        "recordings": [
            {
                "line": one.row.line,
                "fake": one.row.fake,
                "media_s": _rounded(one.media_s),
                "windows": one.windows,
                "first_alert_s": _rounded(one.first_alert_s),
                "false_alerts": len(one.false),
                "opened": [
                    {"media_s": _rounded(alert.media_s), "kind": alert.kind} for alert in one.opened
                ],
            }
            for one in watched
        ],
    }


def write(document: Mapping[str, Json], path: Path) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _of_system(watched: Iterable[Watched]) -> dict[str, Json]:
    found = streams.figures(watched)
    return {
        name: found[name]
        for name in ("fakes", "detected", "recall", "first_alert_s_median", "first_alert_s_p95")
    }


def _detector(one: Judged) -> Json:
    answers = one.answers
    fake_reasons: Counter[str] = Counter()
    real_reasons: Counter[str] = Counter()
    for (reason, fake), count in answers.reasons.items():
        (fake_reasons if fake else real_reasons)[reason] += count
    return {
        "models": dict(sorted(answers.models.items())),
        "figures": one.flat,
        **_figures(one.whole),
        "abstained_because": {
            reason: {"real": real_reasons[reason], "fake": fake_reasons[reason]}
            for reason in sorted({*real_reasons, *fake_reasons})
        },
        "windows": {
            "scored": answers.models.total() - answers.windows_abstained,
            "abstained": answers.windows_abstained,
        },
        "systems": [_part(part) for part in one.systems],
        "sources": [_part(part) for part in one.sources],
        "reliability": [
            {
                "from": _rounded(bin_.low),
                "to": _rounded(bin_.high),
                "count": bin_.count,
                "said": _rounded(bin_.said),
                "found": _rounded(bin_.found),
            }
            for bin_ in (reliability(counts(answers.scored)) if answers.scored else ())
        ],
    }


def _figures(figures: Figures) -> dict[str, Json]:
    return {
        "reals": figures.reals,
        "fakes": figures.fakes,
        "real_groups": figures.real_groups,
        "fake_groups": figures.fake_groups,
        "intervals": {name: _ends(ends) for name, ends in figures.intervals.items()},
    }


def _part(part: Part) -> Json:
    return {
        "name": part.name,
        "against": part.against,
        "false_alarms": _rounded(part.false_alarms),
        "hits": _rounded(part.hits),
        **{name: _rounded(value) for name, value in part.figures.values.items()},
        **_figures(part.figures),
    }


def _ends(interval: Interval | None) -> Json:
    return None if interval is None else [_rounded(interval.low), _rounded(interval.high)]


def _times(one: Judged) -> Json:
    if one.window_ms is None:
        return None
    median, late = one.window_ms
    return {"window_ms_median": round(median, 3), "window_ms_p95": round(late, 3)}


def _failures(failures: Sequence[Failure]) -> list[Json]:
    return [
        {"line": one.row.line, "name": one.row.name, "cause": one.cause}
        for one in failures[:MOST_FAILURES_LISTED]
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, MOST_DIGITS)


def _rounded_all(figures: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: _rounded(value) if isinstance(value, float) else value
        for name, value in figures.items()
    }
