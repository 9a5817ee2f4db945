"""`streammon schema`: the configuration's JSON Schema, for editors."""

from __future__ import annotations

import argparse
import json

from streammon.config import json_schema


def run(arguments: argparse.Namespace) -> int:
    """Print it, or write it to `--out`."""
    text = json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.write_text(text, encoding="utf-8")
    return 0
