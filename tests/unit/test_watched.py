"""Which alerts on a long recording belong to its fake, and what the figures make of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streammon.evaluation.manifest import Row
from streammon.evaluation.streams import (
    Opened,
    Watched,
    by_kind,
    by_source,
    by_system,
    figures,
)


def watched(
    media_s: float, *at_s: float, fake: bool = True, from_s: float | None = None,
    to_s: float | None = None, system: str = "", source: str = "",
) -> Watched:  # fmt: skip
    row = Row(
        line=2, fake=fake, path=Path("long.mp4"), from_s=from_s, to_s=to_s, system=system,
        source=source,
    )  # fmt: skip
    opened = tuple(Opened(at, "voice_spoof") for at in at_s)
    return Watched(row, media_s, 10, opened, frozenset({"voice_spoof"}))


def test_an_alert_before_the_fake_is_false_and_one_within_counts_from_its_beginning() -> None:
    one = watched(600.0, 50.0, 130.0, 150.0, from_s=100.0, to_s=200.0)
    assert [alert.media_s for alert in one.false] == [50.0]
    assert [alert.media_s for alert in one.right] == [130.0, 150.0]
    assert one.first_alert_s == 30.0
    assert one.clean_s == 600.0 - 110.0  # and ten seconds in which a late alert is still right


def test_a_late_alert_belongs_to_the_fake_and_a_later_one_does_not() -> None:
    one = watched(600.0, 209.0, 211.0, from_s=100.0, to_s=200.0)
    assert one.first_alert_s == 109.0
    assert [alert.media_s for alert in one.false] == [211.0]


@pytest.mark.parametrize(
    ("one", "clean_s", "first_s"),
    [
        (watched(60.0, 5.0), 0.0, 5.0),  # fake from beginning to end
        (watched(60.0, 5.0, fake=False), 60.0, None),
        (watched(60.0, from_s=20.0), 20.0, None),  # missed
        (watched(60.0, to_s=20.0), 30.0, None),
        (watched(60.0, from_s=90.0, to_s=95.0), 60.0, None),  # the recording ends before
        (watched(60.0, from_s=50.0, to_s=90.0), 50.0, None),
    ],
)
def test_how_much_of_a_recording_is_clean(
    one: Watched, clean_s: float, first_s: float | None
) -> None:
    assert one.clean_s == pytest.approx(clean_s)
    assert one.first_alert_s == first_s


def test_the_figures_add_recordings_up() -> None:
    some = [
        watched(7200.0, 3.0, fake=False),
        watched(1800.0, 40.0, from_s=30.0, system="parrot"),
        watched(1800.0, 50.0, from_s=30.0, system="parrot"),
        watched(1800.0, from_s=30.0, system="mynah"),
    ]
    found = figures(some)
    assert (found["recordings"], found["fakes"], found["detected"]) == (4, 3, 2)
    assert found["first_alert_s_median"] == 15.0
    assert found["first_alert_s_p95"] == pytest.approx(19.5)
    assert found["clean_hours"] == pytest.approx(2.025)
    assert found["false_alerts"] == 1
    assert found["alerts_per_hour"] == pytest.approx(1 / 2.025)
    low, high = found["alerts_per_hour_low"], found["alerts_per_hour_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert low < 1 / 2.025 < high
    kind = by_kind(some)["voice_spoof"]
    assert (kind["right"], kind["false"]) == (2, 1)
    assert kind["alerts_per_hour"] == found["alerts_per_hour"]
    assert {name: len(part) for name, part in by_system(some).items()} == {"mynah": 1, "parrot": 2}


def test_the_hours_of_a_kind_are_those_in_which_it_was_looked_for() -> None:
    row = Row(line=2, fake=False, path=Path("long.mp4"))
    some = [
        Watched(row, 3600.0, 10, (Opened(9.0, "freeze"),), frozenset({"freeze", "voice_spoof"})),
        Watched(row, 1800.0, 10, (), frozenset({"voice_spoof"})),
    ]
    found = by_kind(some)
    assert found["freeze"]["clean_hours"] == 1.0
    assert found["freeze"]["alerts_per_hour"] == 1.0
    assert found["voice_spoof"]["clean_hours"] == 1.5
    assert found["voice_spoof"]["alerts_per_hour"] == 0.0
    assert found["voice_spoof"]["alerts_per_hour_high"] == pytest.approx(3.689 / 1.5, abs=1e-3)


def test_what_nothing_was_there_to_measure_is_none() -> None:
    found = figures([watched(60.0)])
    assert found["first_alert_s_median"] is None
    assert found["alerts_per_hour"] is None
    assert found["detected"] == 0


def test_a_fake_counts_once_and_every_false_alert_counts() -> None:
    some = [
        watched(60.0, 35.0, 45.0, from_s=30.0),
        watched(60.0, 10.0, 12.0, 40.0, from_s=30.0),
        watched(60.0, from_s=30.0),
        watched(60.0, 50.0, fake=False),
    ]
    found = figures(some)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 5)
    assert found["f1"] == pytest.approx(2 * (2 / 3) * (2 / 5) / (2 / 3 + 2 / 5))
    # Wilson's interval of 2 of 3 and 2 of 5, worked out by hand.
    ends = [found[f"{name}_{end}"] for name in ("recall", "precision") for end in ("low", "high")]
    assert ends == pytest.approx([0.2077, 0.9385, 0.1176, 0.7693], abs=1e-3)


def test_without_fakes_there_is_neither_recall_nor_f1() -> None:
    found = figures([watched(60.0, fake=False)])
    assert (found["recall"], found["precision"], found["f1"]) == (None, None, None)
    assert found["recall_low"] is None


def test_a_source_holds_its_fakes_and_its_clean_recordings() -> None:
    some = [
        watched(60.0, 40.0, from_s=30.0, source="yard"),
        watched(60.0, 5.0, fake=False, source="yard"),
        watched(60.0, fake=False, source="hall"),
        watched(60.0, fake=False),
    ]
    found = {name: figures(one) for name, one in by_source(some).items()}
    assert list(found) == ["hall", "yard"]
    assert found["yard"]["precision"] == 0.5
    assert found["hall"]["f1"] is None
