"""Arguments of `models`; argparse alone, so that help is quick."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """The actions of `streammon models` and their options."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every known model, and whether it is here")
    info = actions.add_parser("info", help="paper, licence, figures, hashes, and how to use it")
    info.add_argument("name", metavar="NAME")
    fetch = actions.add_parser("pull", help="fetch models, checking their hashes")
    fetch.add_argument("names", metavar="NAME", nargs="+")
    _add_hub(fetch)
    verify = actions.add_parser("verify", help="hash what is here against the catalogue")
    verify.add_argument("names", metavar="NAME", nargs="*", help="(default: all that are here)")
    for action in (listing, info):
        action.add_argument("--json", action="store_true", help="for machines")
    for action in (listing, info, fetch, verify):
        action.add_argument("--folder", type=Path, help="where models are kept")
        action.add_argument(
            "--catalogue", type=Path, metavar="FILE.toml", help="more models beside ours"
        )


def _add_hub(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("models that live on a hub")
    group.add_argument(
        "--revision",
        action="append",
        default=[],
        metavar="[REPOSITORY=]COMMIT",
        help="a commit, branch or tag (default: that of the catalogue, the one that is here, "
        "or what is newest now)",
    )
    group.add_argument("--endpoint", default="https://huggingface.co", help="the hub or a mirror")
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help="a file that holds your token for the hub"
    )
