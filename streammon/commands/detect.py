"""`streammon detect`: one piece of content after another, judged and explained."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from streammon.commands import hanging
from streammon.core.errors import ConfigError, Permanent
from streammon.core.files import why_no_file, why_not_there
from streammon.core.types import Json, Modality
from streammon.pipelines.content import Limits
from streammon.pipelines.detect import Detection, Detectors, Panel
from streammon.pipelines.verdict import Verdict
from streammon.sinks.console import printable
from streammon.sinks.wire import dumps
from streammon.telemetry.logs import setup_logging

STDIN = "-"
SEEN = {Modality.VIDEO: "picture", Modality.AUDIO: "sound", Modality.TEXT: "text"}


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0, or 1 when something could not be judged at all, or a detector did not come
    back from it; the others still are.

    Content that every detector abstains from was judged: that nothing can be said of it.
    """
    setup_logging(arguments.log_level, as_json=arguments.log_json)
    _must_exist(arguments.files)
    panel = Panel.of(_detectors(arguments), device=arguments.device, pool=arguments.pool)
    errors = Console(stderr=True)
    failed = False
    for file in arguments.files:
        name = "stdin" if file == STDIN else file
        try:
            given = _stdin(panel.limits) if file == STDIN else Path(file)
            found = panel.detect(given, arguments.modality, name=name)
        except Permanent as error:
            failed = True
            said = printable(f"{name}: {str(error).removeprefix(f'{name}: ')}")
            errors.print(said, style="red", markup=False, highlight=False, soft_wrap=True)
            continue
        if arguments.json:
            fields: dict[str, Json] = {"content": name, **found.to_json()}
            print(dumps(fields).decode(), flush=True)
        else:
            print("\n".join(map(printable, told(name, found))), flush=True)
    return 1 if hanging.named(panel.given_up) or failed else 0


def _must_exist(files: list[str]) -> None:
    if files.count(STDIN) > 1:
        raise ConfigError("standard input can be read once only")
    missing = {file: why_not_there(file) for file in files if file != STDIN}
    if any(missing.values()):
        raise ConfigError("\n".join(f"{file}: {why}" for file, why in missing.items() if why))


def _detectors(arguments: argparse.Namespace) -> Detectors:
    if arguments.detector:
        return list(dict.fromkeys(arguments.detector))
    if arguments.pipeline is None:
        return None
    return arguments.pipeline if why_no_file(arguments.pipeline) else Path(arguments.pipeline)


def _stdin(limits: Limits) -> bytes:
    return sys.stdin.buffer.read(limits.bytes + 1)


def told(name: str, found: Detection) -> list[str]:
    """What was found, in lines for people: the verdict, then each detector with its reasons."""
    lines = [f"{name}: {found.modality}, {_headline(found)}"]
    wide = max((len(verdict.detector) for verdict in found.detectors), default=0)
    for one in found.detectors:
        shown = "  -  " if one.confidence is None else f"{one.confidence:5.2f}"
        seen = SEEN[one.modality]
        lines.append(f"  {one.detector:{wide}}  {seen:7}  {shown}  {_explained(one)}")
    return lines


def _headline(found: Detection) -> str:
    if found.confidence is None:
        return f"not judged: {found.abstained}"
    verdict = {
        True: "AI-generated or manipulated",
        False: "nothing found",
        None: "no detector that decides on AI generation could judge it",
    }[found.is_ai_generated]
    return f"{verdict} (confidence {found.confidence:.2f}, {found.processing_time_s:.1f} s)"


def _explained(verdict: Verdict) -> str:
    if verdict.confidence is None:
        return f"abstained: {verdict.abstained}"
    said = {True: "generated; ", False: "not generated; ", None: ""}[verdict.is_ai_generated]
    weak = "experimental, decides nothing; " if verdict.experimental else ""
    windows = "1 window" if verdict.windows == 1 else f"{verdict.windows} windows"
    if verdict.scored < verdict.windows:
        windows = f"{verdict.scored} of {windows}"
    return f"{weak}{said}{windows}{_peak(verdict)}"


def _peak(verdict: Verdict) -> str:
    """The strongest window, where there is more than one, and what was seen in it."""
    peak = verdict.details.get("peak")
    if not isinstance(peak, dict) or verdict.scored < 2:
        return ""
    details = peak["details"]
    cause = details.get("cause") if isinstance(details, dict) else None
    what = f", {cause}" if isinstance(cause, str) else ""
    return f", strongest at {peak['start_s']:.1f} s ({peak['confidence']:.2f}{what})"
