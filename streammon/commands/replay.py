"""`streammon replay`: recordings through a monitor's detectors and rules, faster than real time."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from streammon.commands import hanging
from streammon.core.errors import ConfigError, Permanent, Retryable
from streammon.core.files import why_no_file
from streammon.core.types import Alert, AlertState, DetectionResult
from streammon.pipelines import building, presets
from streammon.pipelines.replay import Line, Replay
from streammon.sinks.wire import dumps, to_wire
from streammon.telemetry.logs import setup_logging


@dataclass
class Tally:
    """What was found in one recording."""

    scored: int = 0
    abstained: int = 0
    media_s: float = 0.0
    opened: list[Alert] = field(default_factory=list)

    def count(self, line: Line) -> None:
        if isinstance(line, DetectionResult):
            self.scored += line.confidence is not None
            self.abstained += line.confidence is None
            self.media_s = max(self.media_s, line.end_s)
        elif isinstance(line, Alert) and line.state is AlertState.OPENED:
            self.opened.append(line)


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0, or 1 when a file could not be judged or a detector did not come back; the
    others still are judged, and judge.
    """
    setup_logging(arguments.log_level, as_json=arguments.log_json)
    named = presets.named([str(path) for path in arguments.files])
    for _, settings in named:
        _must_exist(settings)
    config = presets.load(arguments.pipeline, changes={"sources": None})
    recordings = presets.recordings(dict(named))
    replay = Replay(
        config,
        building.build_detectors(config),
        building.build_rules(config),
        device=arguments.device,
    )
    errors = Console(stderr=True)
    tallies: dict[str, Tally] = {}
    failed: list[str] = []
    began_s = time.monotonic()
    with _output(arguments.json) as out, _bar(errors) as bar:
        for source in building.build_sources(recordings):
            tally = tallies[source.stream] = Tally()
            task = bar.add_task(source.stream, total=None)
            try:
                for line in replay.judge(source, progress=partial(_advance, bar, task)):
                    tally.count(line)
                    if out is not None:
                        out.write(dumps(to_wire(line, wall=None)) + b"\n")
            except (Permanent, Retryable) as error:
                failed.append(source.stream)
                errors.print(f"{source.stream}: {error}", style="red", markup=False, soft_wrap=True)
            bar.update(task, total=tally.media_s, completed=tally.media_s)
    if arguments.json is None:
        _summary(tallies, failed, spent_s=time.monotonic() - began_s)
    return 1 if hanging.named(replay.given_up) or failed else 0


def _advance(bar: Progress, task: TaskID, media_s: float) -> None:
    bar.update(task, completed=media_s)


def _must_exist(settings: dict[str, object]) -> None:
    path = str(settings.get("url", settings.get("path", "")))
    a_file = "://" not in path and not path.startswith("lavfi:") and path != "-"
    if a_file and (why := why_no_file(path)):
        raise ConfigError(f"{path}: {why}")


@contextmanager
def _output(target: str | None) -> Iterator[BinaryIO | None]:
    """Where the lines go: nowhere, stdout for `-`, or a file."""
    if target is None:
        yield None
    elif target == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with Path(target).open("wb") as file:
            yield file


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f} s of media"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _summary(tallies: dict[str, Tally], failed: list[str], *, spent_s: float) -> None:
    for name, tally in tallies.items():
        if name in failed:
            continue
        kinds = Counter(alert.kind for alert in tally.opened)
        found = ", ".join(f"{count} x {kind}" for kind, count in kinds.items()) or "no incidents"
        print(
            f"{name}: {found} in {tally.media_s:.1f} s of media "
            f"({tally.scored} windows scored, {tally.abstained} abstained)"
        )
        for alert in tally.opened:
            print(f"  {alert.media_s:7.1f} s  {alert.kind}  {alert.severity.value}  {alert.why}")
    media_s = sum(tally.media_s for tally in tallies.values())
    print(f"{media_s:.1f} s of media judged in {spent_s:.1f} s")
