"""`streammon eval`: what detectors are worth on labelled files, texts or long recordings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from streammon.alerts.incidents import IncidentBook
from streammon.commands import hanging
from streammon.config import MonitorConfig
from streammon.core.errors import ConfigError
from streammon.core.types import Json
from streammon.evaluation import chosen, plots, report, terminal
from streammon.evaluation.answers import Answers, Failure, counts
from streammon.evaluation.manifest import Manifest
from streammon.evaluation.scores import scores_in
from streammon.evaluation.scoring import Scoring
from streammon.evaluation.streams import Watching
from streammon.pipelines import building
from streammon.pipelines.replay import Replay
from streammon.telemetry.logs import setup_logging

if TYPE_CHECKING:
    from streammon.evaluation.baseline import PlainClassifiers


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0, or 1 when not one row could be scored or a detector did not come back."""
    setup_logging(arguments.log_level, as_json=arguments.log_json)
    _must_fit(arguments)
    manifest = Manifest(arguments.manifest, split=arguments.split)
    return _streams(arguments, manifest) if arguments.streams else _clips(arguments, manifest)


def _must_fit(arguments: argparse.Namespace) -> None:
    """Find out what cannot work before hours are spent."""
    for name in ("baseline", "plots", "scores"):
        value = getattr(arguments, name)
        if arguments.streams and value:
            raise ConfigError(f"--{name} is for clips and texts, not for --streams")
    if arguments.clean_start is not None and not arguments.streams:
        raise ConfigError("--clean-start is for --streams")
    if arguments.plots:
        plots.must_be_there()
    if arguments.json and not arguments.json.absolute().parent.is_dir():
        raise ConfigError(f"--json: {arguments.json.parent} is not a folder")


def _clips(arguments: argparse.Namespace, manifest: Manifest) -> int:
    baseline = _baseline(arguments, manifest)
    scoring = _scoring(arguments)
    with scores_in(arguments.scores) as scores, _until_stopped(), _progress(len(manifest)) as step:
        for row in manifest.rows():
            said = [] if scoring is None else scoring.take(row)
            if scores is not None:
                scores.add(said)
            if baseline is not None:
                baseline.take(row)
            step()
    answers: list[Answers] = [] if scoring is None else scoring.answers
    failures: list[Failure] = [] if scoring is None else scoring.failures
    if baseline is not None:
        answers += baseline.answers()
        failures = failures or baseline.failures
    found = [report.judged(one) for one in answers]
    console = terminal.table_console()
    terminal.print_report(console, found, failures)
    if arguments.json:
        settings = _settings(arguments, manifest) | {"pool": arguments.pool}
        report.write(report.document(found, failures, settings), arguments.json)
    if arguments.plots:
        drawn = {one.detector: counts(one.scored) for one in answers if one.scored}
        plots.draw(arguments.plots, drawn)
    nothing = not any(one.scored for one in answers)
    if nothing:
        console.print("nothing could be scored", style="red")
    return 1 if hanging.named({} if scoring is None else scoring.given_up) or nothing else 0


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Ctrl-C ends the asking; what was answered until then is still reported."""
    try:
        yield
    except KeyboardInterrupt:
        console = Console(stderr=True)
        console.print("stopped: the figures are of the rows until here", style="yellow")


def _scoring(arguments: argparse.Namespace) -> Scoring | None:
    """What asks detectors; `None` where only the baseline is wanted."""
    if arguments.baseline and not (arguments.detector or arguments.pipeline):
        return None
    config = chosen.monitor(arguments.detector, arguments.pipeline)
    return Scoring(
        building.build_detectors(config),
        device=arguments.device,
        pool=arguments.pool,
        limits=config.scheduler,
    )


def _baseline(arguments: argparse.Namespace, manifest: Manifest) -> PlainClassifiers | None:
    if not arguments.baseline:
        return None
    from streammon.evaluation.baseline import PlainClassifiers, must_have_groups

    must_have_groups(manifest.rows())
    return PlainClassifiers()


def _streams(arguments: argparse.Namespace, manifest: Manifest) -> int:
    config = chosen.monitor(arguments.detector, arguments.pipeline)
    watching = Watching(
        Replay(
            config,
            building.build_detectors(config),
            building.build_rules(config),
            device=arguments.device,
        ),
        beside=_with_baseline(config, arguments.clean_start),
    )
    with _until_stopped(), _progress(len(manifest)) as step:
        for row in manifest.rows():
            watching.take(row)
            step()
    console = terminal.table_console()
    watched, beside, failures = watching.watched, watching.watched_beside, watching.failures
    if watched:
        terminal.print_streams(console, watched)
    if beside:
        title = f"with a clean start of {arguments.clean_start:g} s"
        terminal.print_streams(console, beside, title=title)
    terminal.print_failures(console, failures)
    if arguments.json:
        settings = _settings(arguments, manifest) | {"clean_start": arguments.clean_start}
        found = report.streams_document(watched, failures, settings, beside=beside)
        report.write(found, arguments.json)
    lost = hanging.named(watching.given_up)
    return 1 if lost or not any(one.windows for one in watched) else 0


def _with_baseline(
    config: MonitorConfig, learn_s: float | None
) -> Callable[[], IncidentBook] | None:
    """What makes books that judge with a baseline; `None` where none is asked for."""
    if learn_s is None:
        return None
    rules = building.build_rules(chosen.with_baseline(config, learn_s))
    return lambda: IncidentBook(config.alerts, rules, origin=f"eval/{config.name}")


def _settings(arguments: argparse.Namespace, manifest: Manifest) -> dict[str, Json]:
    return {
        "manifest": manifest.path.name,
        "rows": len(manifest),
        "split": arguments.split,
        "detector": arguments.detector,
        "pipeline": arguments.pipeline,
        "baseline": arguments.baseline,
    }


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr where that is a terminal; call what it gives once per row."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("rows", total=total)
        yield lambda: bar.advance(task)
