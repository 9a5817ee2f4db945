"""Names the detectors that did not come back, when a command has done what it could without."""

from __future__ import annotations

import sys
from collections.abc import Mapping


def named(given_up: Mapping[str, str]) -> bool:
    """Say on stderr of each what is known; returns whether there are any: then it exits with 1."""
    for cause in given_up.values():
        print(f"streammon: {cause}", file=sys.stderr, flush=True)
    return bool(given_up)
