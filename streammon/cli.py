"""The command line. Reads arguments and sets exit codes; the work is in `streammon.commands`.

Exit codes: 0 fine, 2 bad usage or configuration, 3 could not drain in time, 1 otherwise.
"""

from __future__ import annotations

import argparse
import errno
import re
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from streammon import __version__
from streammon.commands import kept_arguments, model_arguments
from streammon.core.errors import ConfigError, Permanent, Retryable

EXIT_OK, EXIT_ERROR, EXIT_USAGE, EXIT_NOT_DRAINED = 0, 1, 2, 3

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:  # loading takes seconds, in which somebody may want to stop it
        command = import_module(f"streammon.commands.{arguments.command}")
        run: Callable[[argparse.Namespace], int] = command.run
        return run(arguments)
    except ConfigError as error:
        for line in str(error).splitlines():
            print(f"streammon: {line}", file=sys.stderr)
        return EXIT_USAGE
    except (Permanent, Retryable) as error:
        print(f"streammon: {error}", file=sys.stderr)
        return EXIT_ERROR
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left; nothing to add
        return EXIT_OK
    except KeyboardInterrupt:
        return EXIT_ERROR
    except OSError as error:
        if error.filename is None and error.errno not in _FULL:
            raise
        where = "" if error.filename is None else f"{error.filename}: "
        print(f"streammon: {where}{error.strerror}", file=sys.stderr)
        return EXIT_ERROR


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit 2 with the usage and where to read more."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\nSee `{self.prog} --help`.\n")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; importing nothing heavier than argparse."""
    parser = _Parser(
        prog="streammon",
        description="Watch live video, sound and chat for synthetic media.",
        epilog="Start here: `streammon demo`. Exit codes: 0 fine, 2 bad usage or config, "
        "3 could not drain in time, 1 otherwise.",
    )
    parser.add_argument("--version", action="version", version=f"streammon {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        _add_run,
        _add_demo,
        _add_check,
        _add_schema,
        _add_replay,
        _add_detect,
        _add_eval,
        _add_models,
        _add_kept,
        _add_doctor,
    ):
        add(commands)
    return parser


_Commands = argparse._SubParsersAction  # the only name argparse has for it


def _new(
    commands: _Commands[_Parser], name: str, *, text: str, more: str = ""
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_run(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "run",
        text="watch streams until stopped",
        more="ready-made monitors: call_guard, monitoring_wall, chat_moderation, demo\n\n"
        "examples:\n"
        "  streammon run call_guard\n"
        "  streammon run monitoring_wall --source rtsp://user:password@camera/stream\n"
        "  streammon run monitoring_wall --source lobby=rtsp://10.0.0.7/live --out alerts.jsonl\n"
        "  streammon run chat_moderation --source chat:messages.jsonl\n"
        "  streammon run my-monitor.yaml --duration 30s\n\n"
        "The first SIGINT or SIGTERM drains what is in flight and exits 0; a second exits at once.",
    )
    parser.add_argument("config", metavar="CONFIG|NAME", help="a YAML file, or a monitor of ours")
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="[NAME=]URL",
        help="add a stream: a URL or file that FFmpeg opens, lavfi:..., webcam:0, chat:FILE.jsonl",
    )
    _add_live_options(parser)


def _add_demo(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "demo",
        text="watch the bundled streams and open the wall",
        more="Plays short bundled recordings in real time, some of them forged, and judges them\n"
        "exactly as `run` judges live streams. Stop it with Ctrl-C.",
    )
    parser.add_argument("--headless", action="store_true", help="do not open a browser")
    _add_live_options(parser)


def _add_live_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration", type=_duration_s, metavar="TIME", help="stop after this long: 30s, 5m, 1h"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="also write every result, alert and health as JSONL",
    )
    parser.add_argument(
        "--outbox", type=Path, metavar="FILE.db", help="where alerts wait (default: by its name)"
    )
    parser.add_argument("--host", help="address of the wall (default: from the config, 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port of the wall; 0 takes a free one")
    parser.add_argument("--no-server", action="store_true", help="run without the wall")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--quiet", action="store_true", help="no table or lines on the terminal")
    _add_logging(parser)


def _add_check(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "check",
        text="check a configuration and say precisely what is wrong",
        more="Exit 0 when it is fine, 2 with one line per problem: field, value, what is allowed.",
    )
    parser.add_argument("config", metavar="CONFIG|NAME", nargs="+")


def _add_schema(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "schema",
        text="print the JSON Schema of the configuration",
        more="For an editor that knows YAML: `streammon schema --out streammon.schema.json`, and\n"
        "as the first line of a file  # yaml-language-server: $schema=streammon.schema.json",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write it there instead")


def _add_replay(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "replay",
        text="judge recordings faster than real time",
        more="Media files, and chat as JSONL with captured_s, author_id and text per line. The\n"
        "same input gives byte-equal results. Without --json a summary is printed.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path)
    parser.add_argument(
        "--pipeline",
        default="monitoring_wall",
        metavar="CONFIG|NAME",
        help="the monitor whose detectors and rules judge (default: monitoring_wall)",
    )
    parser.add_argument(
        "--json",
        metavar="OUT",
        help="write results, alerts and health there, one per line; - is stdout",
    )
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    _add_logging(parser)


def _add_detect(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "detect",
        text="judge images, recordings and texts, one by one",
        more="Any media file, PNG, JPEG, WebP, GIF and BMP images, text, and chat as JSON lines;\n"
        "- reads standard input. Exit 1 when one could not be read; the others still are.\n\n"
        "examples:\n"
        "  streammon detect call.mp4 portrait.jpg\n"
        "  curl -s https://example.org/clip.wav | streammon detect - --detector voice_spoof --json",
    )
    parser.add_argument("files", metavar="FILE|-", nargs="+")
    parser.add_argument(
        "--modality",
        default="auto",
        choices=["auto", "image", "video", "audio", "text"],
        help="what it has to be; of a film, video is its picture and audio its sound",
    )
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--pipeline",
        metavar="CONFIG|NAME",
        help="the monitor whose detectors judge (default: all that ship)",
    )
    chosen.add_argument(
        "--detector",
        action="append",
        default=[],
        metavar="TYPE",
        help="a type of detector with its default settings; may be given again",
    )
    parser.add_argument(
        "--pool",
        default="log_odds",
        choices=["log_odds", "mean", "max"],
        help="how windows become one verdict (default: the mean of their log-odds)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per file, on stdout")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    _add_logging(parser)


def _add_eval(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "eval",
        text="measure detectors on labelled files, texts or long recordings",
        more="The manifest is CSV or JSON lines with `label` (1/0, fake/real, ...) and `path` or\n"
        "`text` per row; docs/evaluation.md says what else it may hold and what each figure means."
        "\n\nexamples:\n"
        "  streammon eval calls.csv --detector voice_spoof --json figures.json --plots plots/\n"
        "  streammon eval calls.csv --split dev --pipeline my-monitor.yaml\n"
        "  streammon eval calls.csv --baseline audio_features --detector voice_spoof\n"
        "  streammon eval days.csv --streams --pipeline call_guard --clean-start 45\n\n"
        "A file that cannot be judged is named and skipped; exit 1 only if nothing was scored.",
    )
    parser.add_argument("manifest", metavar="MANIFEST", type=Path, help=".csv or .jsonl, or .gz")
    parser.add_argument(
        "--detector",
        metavar="NAME",
        help="a type of detector with its default settings, or one of --pipeline",
    )
    parser.add_argument(
        "--pipeline",
        metavar="CONFIG|NAME",
        help="a monitor, all of whose detectors are measured (default: all that ship)",
    )
    parser.add_argument(
        "--baseline",
        choices=["audio_features"],
        help="also measure plain classifiers on these features, each fitted on other groups",
    )
    parser.add_argument("--split", metavar="NAME", help="only rows whose `split` column says so")
    _add_streams(parser)
    parser.add_argument(
        "--pool",
        default="log_odds",
        choices=["log_odds", "mean", "max"],
        help="how the windows of a file become one confidence (default: mean log-odds)",
    )
    _add_reports(parser)
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    _add_logging(parser)


def _add_streams(parser: argparse.ArgumentParser) -> None:
    """How `eval` looks at long recordings."""
    parser.add_argument(
        "--streams",
        action="store_true",
        help="long recordings: seconds to the first alert, alerts per clean hour",
    )
    parser.add_argument(
        "--clean-start",
        type=float,
        metavar="SECONDS",
        help="with --streams: also judge each against its own first clean SECONDS, and compare",
    )


def _add_reports(parser: argparse.ArgumentParser) -> None:
    """Where `eval` leaves what it found."""
    parser.add_argument("--json", type=Path, metavar="OUT", help="write figures and tables there")
    parser.add_argument(
        "--scores",
        type=Path,
        metavar="FILE.jsonl",
        help="write what each detector says of each row there, as it is said",
    )
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw ROC, DET, ... as PNG there")


def _add_models(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "models",
        text="published models: list, fetch, check",
        more="Models are kept in $STREAMMON_MODELS, or ~/.local/share/streammon/models. A pull\n"
        "that was interrupted goes on where it was; a file of another hash is not kept.",
    )
    model_arguments.add(parser)


def _add_kept(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands,
        "outbox",
        text="alerts that a sink has not taken: list, send again, drop",
        more="An alert waits until its sink has taken it. One that was given up, after its last\n"
        "try or because its address is gone (410), is a dead letter until somebody sends it again\n"
        "or drops it. All of this works beside a running monitor and without one.\n\nexamples:\n"
        "  streammon outbox list --config my-monitor.yaml\n"
        "  streammon outbox retry --sink hooks\n"
        "  streammon outbox drop --sink hooks --stream lobby --dead\n"
        "  streammon outbox retry 3f0c1a52",
    )
    kept_arguments.add_outbox(parser)
    parser = _new(
        commands,
        "moderation",
        text="what is decided about chats, and your word on it",
        more="Ids may be cut short, as they are shown. A running monitor follows within a second."
        "\n\nexamples:\n"
        "  streammon moderation list --all\n"
        "  streammon moderation confirm 2a3c9890 --by ann\n"
        "  streammon moderation undo 0b189632",
    )
    kept_arguments.add_moderation(parser)


def _add_doctor(commands: _Commands[_Parser]) -> None:
    parser = _new(
        commands, "doctor", text="say what is installed, what is missing and what to do about it"
    )
    parser.add_argument("--json", action="store_true", help="for machines")


def _add_logging(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--log-level",
        default="warning",
        choices=["debug", "info", "warning", "error"],
        help="on stderr (default: warning)",
    )
    parser.add_argument("--log-json", action="store_true", help="log as JSON lines")


def _duration_s(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text.strip())
    if match is None or float(match.group(1)) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; write 30s, 5m or 1h")
    return float(match.group(1)) * _UNITS_S[match.group(2)]
