"""Outside packages for tests: real modules and real entry points, in a folder of their own."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def installed(
    folder: Path,
    name: str,
    *,
    source: str,
    entry_points: Mapping[str, Mapping[str, str]],
    extras: Sequence[str] = (),
) -> Generator[None]:
    """Have the module `name` importable, its entry points known; both are gone afterwards.

    `entry_points`: group to entry name to target, as in `pyproject.toml`.
    """
    (folder / f"{name}.py").write_text(textwrap.dedent(source))
    described = folder / f"{name}-1.0.dist-info"
    described.mkdir(parents=True)
    head = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    offers = [f"Provides-Extra: {extra}" for extra in extras]
    (described / "METADATA").write_text("\n".join([*head, *offers, ""]))
    lines = [
        line
        for group, entries in entry_points.items()
        for line in (f"[{group}]", *(f"{entry} = {target}" for entry, target in entries.items()))
    ]
    (described / "entry_points.txt").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        try:
            yield
        finally:
            sys.modules.pop(name, None)
