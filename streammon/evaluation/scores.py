"""What was said of each row, one line each, written as it is said: a run cut short loses none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from streammon.core.errors import ConfigError
from streammon.evaluation.answers import Answer


class Scores:
    """Lines of JSON with the detector, the row (never its text) and the confidence, or why none."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def add(self, said: Iterable[tuple[str, Answer]]) -> None:
        for detector, answer in said:
            row = answer.row
            line = {
                "detector": detector,
                "line": row.line,
                "row": row.name,
                "fake": row.fake,
                "system": row.system,
                "source": row.source,
                "group": row.group,
                "confidence": answer.confidence,
                "abstained": answer.abstained,
            }
            self._out.write(json.dumps(line, ensure_ascii=False) + "\n")


@contextmanager
def scores_in(path: Path | None) -> Iterator[Scores | None]:
    """A file for the lines, or nothing. Raises `ConfigError` where none can be written."""
    if path is None:
        yield None
        return
    try:
        file = path.open("w", encoding="utf-8", buffering=1)
    except OSError as error:
        raise ConfigError(f"--scores: {path}: {error.strerror}") from error
    with file:
        yield Scores(file)
