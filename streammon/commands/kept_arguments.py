"""What the commands take that look into files which a monitor keeps: `outbox`, `moderation`."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_outbox(parser: argparse.ArgumentParser) -> None:
    """The options of `streammon outbox`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what waits and why, and what was given up")
    retry = actions.add_parser("retry", help="send dead letters again; try what waits now")
    drop = actions.add_parser("drop", help="remove for good what waits or was given up")
    for action in (retry, drop):
        action.add_argument(
            "ids", metavar="ID", nargs="*", help="alert ids, or how they begin (default: see --all)"
        )
        action.add_argument("--all", action="store_true", help="of every sink")
    drop.add_argument("--yes", action="store_true", help="do not ask")
    for action in (listing, retry, drop):
        place = action.add_mutually_exclusive_group()
        place.add_argument("--config", "--pipeline", metavar="CONFIG|NAME", help="whose outbox")
        place.add_argument("--file", type=Path, metavar="FILE.db", help="the outbox itself")
        action.add_argument("--sink", metavar="NAME", help="only what is for this sink")
        action.add_argument("--stream", metavar="NAME", help="only what is about this stream")
        action.add_argument("--dead", action="store_true", help="only what was given up")
        action.add_argument("--json", action="store_true", help="for machines")


def add_moderation(parser: argparse.ArgumentParser) -> None:
    """The options of `streammon moderation`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="what waits for a person")
    listing.add_argument("--all", action="store_true", help="everything that was decided")
    audit = actions.add_parser("audit", help="who did what, when and why")
    words = [
        actions.add_parser("confirm", help="let it be done"),
        actions.add_parser("veto", help="let it not be done"),
        actions.add_parser("undo", help="take back a timeout or a ban"),
    ]
    for action in words:
        action.add_argument("ids", metavar="ID", nargs="+")
        action.add_argument("--by", default="cli", metavar="NAME", help="for the audit log")
    for action in (listing, audit):
        action.add_argument("--limit", type=int, default=200, metavar="N", help="(default: 200)")
        action.add_argument("--json", action="store_true", help="one object per line")
    for action in (listing, audit, *words):
        action.add_argument(
            "--file", type=Path, help="(default: $XDG_STATE_HOME/streammon/moderation.db)"
        )
