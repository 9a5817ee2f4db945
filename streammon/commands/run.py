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
    return live.watch(config, arguments, announce=lambda url: live.say(f"wall: {url}"))
