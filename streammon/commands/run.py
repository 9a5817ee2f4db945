"""`streammon run`: watch streams until stopped."""

from __future__ import annotations

import argparse

from streammon.commands import live
from streammon.pipelines import presets


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when drained, 3 when not."""
    config = presets.load(
        arguments.config, sources=arguments.source, changes=live.changes(arguments)
    )
    takes_calls = any(getattr(source, "admits", 0) for source in config.sources.values())

    def announce(url: str) -> None:
        live.say(f"wall: {url}")
        if takes_calls:
            live.say(f"watch a call: {url}guard")

    return live.watch(config, arguments, announce=announce)
