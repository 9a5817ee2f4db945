"""Fakes are compared with reals of where they come from, and reports say what was compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from streammon.core.types import Json
from streammon.evaluation import breakdown, report
from streammon.evaluation.answers import Answer, Answers, Failure
from streammon.evaluation.breakdown import Part
from streammon.evaluation.manifest import Row

_lines = iter(range(1, 10_000))


def answer(
    confidence: float | None, *, fake: bool = False, system: str = "", source: str = "",
    group: str | None = None,
) -> Answer:  # fmt: skip
    line = next(_lines)
    row = Row(
        line=line, fake=fake, path=Path(f"{line}.wav"), system=system, source=source,
        group=group or f"line:{line}",
    )  # fmt: skip
    return Answer(row, confidence, None if confidence is not None else "too short")


def parts(found: list[Part]) -> dict[str, Part]:
    return {part.name: part for part in found}


SOME = [
    # A quiet room where everything scores low, and a loud one where everything scores high.
    *(answer(score, source="quiet") for score in (0.1, 0.2, 0.3)),
    *(answer(score, source="loud") for score in (0.7, 0.8)),
    *(answer(score, fake=True, system="parrot", source="quiet") for score in (0.4, 0.6)),
    *(answer(score, fake=True, system="mynah", source="web") for score in (0.75, 0.9)),
]


def test_a_systems_fakes_meet_the_reals_of_their_own_source() -> None:
    found = parts(breakdown.by_system(SOME, seed=0, rounds=50))
    parrot, mynah = found["parrot"], found["mynah"]
    assert (parrot.against, parrot.figures.reals, parrot.figures.fakes) == ("same source", 3, 2)
    assert parrot.figures.values["auc"] == 1.0  # against all reals it would be 0.6
    assert (mynah.against, mynah.figures.reals) == ("all reals", 5)
    assert mynah.figures.values["auc"] == pytest.approx((4 + 5) / 10)
    assert (parrot.hits, parrot.false_alarms) == (0.5, 0.0)
    assert (mynah.hits, mynah.false_alarms) == (1.0, 0.4)


def test_a_source_of_reals_alone_has_false_alarms_and_no_curve() -> None:
    found = parts(breakdown.by_source(SOME, seed=0, rounds=50))
    assert list(found) == ["loud", "quiet", "web"]
    loud = found["loud"]
    assert (loud.against, loud.false_alarms, loud.hits) == ("no fakes", 1.0, None)
    assert loud.figures.values["auc"] is None
    assert found["quiet"].against == "same source"
    assert found["web"].figures.reals == 5


def test_an_interval_needs_two_groups_of_each_class() -> None:
    one_voice = [
        *(answer(0.1 * n, group=f"speaker:{n}") for n in range(5)),
        *(answer(0.2 * n, fake=True, system="parrot", group="speaker:polly") for n in range(5)),
    ]
    whole = breakdown.whole(one_voice, seed=0, rounds=50)
    assert (whole.real_groups, whole.fake_groups) == (5, 1)
    assert whole.values["auc"] is not None
    assert set(whole.intervals.values()) == {None}


def answers() -> Answers:
    found = Answers("ear")
    found.given += [*SOME, answer(None), answer(None, fake=True), answer(None, fake=True)]
    found.window_s.extend([0.001, 0.002, 0.009])
    return found


def test_the_report_has_flat_figures_and_the_tables_beside_them(tmp_path: Path) -> None:
    failures = [Failure.of(SOME[0].row, ValueError("cut short"))]
    found = [report.judged(answers(), rounds=50)]
    report.write(report.document(found, failures, {"manifest": "m.csv"}), tmp_path / "out.json")
    read: dict[str, Json] = json.loads((tmp_path / "out.json").read_text())
    figures = read["figures"]
    assert isinstance(figures, dict)
    assert list(figures) == [
        "auc", "eer", "tpr_at_1", "tpr_at_5", "brier", "ece", "scored", "abstained",
    ]  # fmt: skip
    assert (figures["scored"], figures["abstained"]) == (9, 3)
    assert figures["auc"] == pytest.approx((3 + 3 + 4 + 5) / 20)
    assert read["figures_of"] == "ear"
    assert read["failed"] == 1
    assert read["failures"] == [
        {"line": SOME[0].row.line, "name": SOME[0].row.name, "cause": "cut short"}
    ]
    ear = read["detectors"]["ear"]  # type: ignore[index, call-overload]
    assert ear["abstained_because"] == {"too short": {"real": 1, "fake": 2}}  # type: ignore[index, call-overload]
    times = read["times"]["ear"]  # type: ignore[index, call-overload]
    assert times == {"window_ms_median": 2.0, "window_ms_p95": pytest.approx(8.3)}


def test_the_same_answers_give_the_same_report() -> None:
    one, other = (report.document([report.judged(answers(), rounds=50)], [], {}) for _ in range(2))
    assert json.dumps(one) == json.dumps(other)


def test_a_detector_that_scored_nothing_still_has_a_report() -> None:
    silent, heard = Answers("silent"), answers()
    silent.given.append(answer(None))
    found = [report.judged(one, rounds=20) for one in (silent, heard)]
    read = report.document(found, [], {})
    assert read["figures_of"] == "ear"  # the first that scored anything
    assert found[0].flat["auc"] is None
    assert found[0].flat["abstained"] == 1
    assert report.document([], [], {})["figures"] == {}
