"""The report as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streammon.core.types import Json
from streammon.evaluation import streams
from streammon.evaluation.answers import Failure
from streammon.evaluation.bootstrap import Interval
from streammon.evaluation.breakdown import Part
from streammon.evaluation.report import Judged
from streammon.evaluation.streams import Watched

NAMES = {
    "auc": "AUC",
    "eer": "equal error rate",
    "tpr_at_1": "fakes found at 1 % false alarms",
    "tpr_at_5": "fakes found at 5 % false alarms",
    "brier": "Brier score",
    "ece": "calibration error",
}
AGAINST = {"same source": "same", "all reals": "all", "no fakes": "-"}
NEEDED_WIDTH = 120
MOST_LINES = 10
"""Failures and reasons that are listed; the JSON report holds more."""


def table_console() -> Console:
    """stdout, as wide as the terminal; where it is none, as wide as the tables need."""
    console = Console()
    return console if console.is_terminal else Console(width=NEEDED_WIDTH)


def print_report(console: Console, found: Sequence[Judged], failures: Sequence[Failure]) -> None:
    """All tables; a detector that scored nothing is only named, with its reasons."""
    scored = [one for one in found if one.answers.scored]
    if scored:
        console.print(_overview(scored))
        if any(None in one.whole.intervals.values() for one in scored):
            console.print(
                "no interval: a class is missing, or all of it is of one group", style="dim"
            )
    for one in scored:
        for title, parts in (("system", one.systems), ("source", one.sources)):
            if parts:
                console.print(_parts(f"{one.answers.detector} per {title}", title, parts))
    for one in found:
        _print_reasons(console, one)
    print_failures(console, failures)


def print_streams(
    console: Console, watched: Sequence[Watched], *, title: str = "long recordings"
) -> None:
    """What long recordings came to."""
    figures, kinds = streams.figures(watched), streams.by_kind(watched)
    table = Table("figure", title=title, title_justify="left")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        if not name.endswith(("_low", "_high")):
            low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
            ends = f" ({_short(low)}-{_short(high)})" if high is not None else ""
            table.add_row(name.replace("_", " "), _short(value) + ends)
    console.print(table)
    if kinds:
        of_kinds = Table("alerts of kind", "within a fake", "false", "clean hours", "per hour")
        for kind, one in kinds.items():
            ends = f"{_short(one['alerts_per_hour_low'])}-{_short(one['alerts_per_hour_high'])}"
            per_hour = f"{_short(one['alerts_per_hour'])} ({ends})"
            cells = (_short(one[name]) for name in ("right", "false", "clean_hours"))
            of_kinds.add_row(kind, *cells, per_hour)
        console.print(of_kinds)
    for column, parts in (
        ("source", streams.by_source(watched)),
        ("system", streams.by_system(watched)),
    ):
        if parts:
            console.print(_stream_parts(column, parts))


def _stream_parts(title: str, parts: Mapping[str, Sequence[Watched]]) -> Table:
    table = Table(title=f"per {title}", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(title, no_wrap=True, overflow="ellipsis", max_width=36)
    columns = {
        "fakes": "fakes",
        "detected": "detected",
        "recall": "recall",
        "precision": "precision",
        "f1": "F1",
        "first_alert_s_median": "alert after s",
        "false_alerts": "false",
        "clean_hours": "clean hours",
    }
    for words in columns.values():
        table.add_column(words, justify="right")
    for name, some in parts.items():
        figures = streams.figures(some)
        table.add_row(escape(name), *(_short(figures[column]) for column in columns))
    return table


def _short(value: Json) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def print_failures(console: Console, failures: Sequence[Failure]) -> None:
    for one in failures[:MOST_LINES]:
        console.print(
            f"line {one.row.line}, {one.row.name}: {one.cause}", style="red", markup=False
        )
    if failures:
        rows = "row was" if len(failures) == 1 else "rows were"
        console.print(f"{len(failures)} {rows} skipped", style="red")


def _overview(found: Sequence[Judged]) -> Table:
    table = Table("", title="figures with 95 % intervals", title_justify="left")
    for one in found:
        table.add_column(escape(one.answers.detector), justify="right")
    for name, words in NAMES.items():
        table.add_row(
            words,
            *(_with_ends(one.whole.values[name], one.whole.intervals[name]) for one in found),
        )
    table.add_section()
    table.add_row("reals scored", *(_of_groups(one, fake=False) for one in found))
    table.add_row("fakes scored", *(_of_groups(one, fake=True) for one in found))
    table.add_row("abstained", *(str(one.flat["abstained"]) for one in found))
    table.add_row("ms per window, median / p95", *(_ms(one) for one in found))
    return table


def _of_groups(one: Judged, *, fake: bool) -> str:
    rows = one.whole.fakes if fake else one.whole.reals
    groups = one.whole.fake_groups if fake else one.whole.real_groups
    return f"{rows} in {groups} groups"


def _ms(one: Judged) -> str:
    return "-" if one.window_ms is None else "{:.1f} / {:.1f}".format(*one.window_ms)


def _parts(title: str, column: str, parts: Sequence[Part]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column(column, no_wrap=True, overflow="ellipsis", max_width=36)
    for name in ("fakes", "reals", "against", "AUC", "EER", "reals >= 0.5", "fakes >= 0.5"):
        table.add_column(name, justify="right", no_wrap=name in {"AUC", "EER"})
    for part in parts:
        figures = part.figures
        table.add_row(
            escape(part.name),
            str(figures.fakes),
            str(figures.reals),
            AGAINST[part.against],
            _with_ends(figures.values["auc"], figures.intervals["auc"]),
            _with_ends(figures.values["eer"], None),
            _share(part.false_alarms),
            _share(part.hits),
        )
    return table


def _with_ends(value: float | None, interval: Interval | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({interval.low:.3f}-{interval.high:.3f})" if interval else "")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _print_reasons(console: Console, one: Judged) -> None:
    reasons = one.answers.reasons
    if not reasons:
        return
    console.print(f"{one.answers.detector} abstained on {reasons.total()} rows:")
    for (reason, fake), count in reasons.most_common(MOST_LINES):
        console.print(f"  {count} {'fake' if fake else 'real'}: {reason}", markup=False)
