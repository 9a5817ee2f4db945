"""`streammon demo`: the bundled recordings, judged as live streams, on the wall."""

from __future__ import annotations

import argparse
import webbrowser

from streammon.commands import live
from streammon.config import has_display
from streammon.pipelines import presets


def run(arguments: argparse.Namespace) -> int:
    """Exit code as of `run`."""
    config = presets.load("demo", changes=live.changes(arguments))

    def announce(url: str) -> None:
        live.say(f"The wall is at {url}\nStop with Ctrl-C.")
        if not arguments.headless and has_display():
            webbrowser.open(url)

    return live.watch(config, arguments, announce=announce)
