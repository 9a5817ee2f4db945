"""Lists of labelled content: CSV or JSON lines, read row by row and never kept whole.

Each row says what to look at (`path` or `file`, relative to the manifest, or the `text` itself)
and its `label`; everything else is optional. Columns that are not known are passed over.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from streammon.core.errors import ConfigError

LABELS: Mapping[str, bool] = {
    "1": True, "fake": True, "synthetic": True, "ai": True, "spoof": True,
    "0": False, "real": False, "genuine": False, "human": False, "bonafide": False,
}  # fmt: skip
"""What a label may say, and whether it means fake."""

SYSTEM = ("system", "method", "generator")
"""The column that names what made a fake goes by these names; the first one filled counts."""
GROUPS = ("identity", "speaker", "source")
"""What rows are grouped by for intervals and folds; the first one filled counts."""

MOST_LINE_CHARACTERS = 16 * 2**20
MOST_PROBLEMS = 8

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled piece of content: either a file or a text."""

    line: int
    """Where it begins in the manifest, from 1: its name in reports."""
    fake: bool
    path: Path | None = None
    text: str | None = None
    system: str = ""
    source: str = ""
    group: str = ""
    """Rows with the same group stand or fall together: `identity:ann`, `source:librispeech`."""
    from_s: float | None = None
    to_s: float | None = None
    """In a long recording, where the fake begins and ends; unset: from and to its ends."""

    @property
    def name(self) -> str:
        """The file's name as people know it, or where the text stands; never the text itself."""
        return str(self.path) if self.path is not None else f"text of line {self.line}"


class Manifest:
    """A checked manifest. Each reading of its rows opens the file again."""

    def __init__(self, path: Path, *, split: str | None = None) -> None:
        """Read it once from end to end. `split` keeps the rows whose `split` column says so.

        Raises `ConfigError` with a line per problem, each with the manifest's line, for a file
        that cannot be read, for rows that make no sense, and when no row is left.
        """
        self.path = path
        self._split = split
        self._count = 0
        problems: list[str] = []
        for line, fields in self._lines():
            try:
                if self._wanted(fields):
                    _row(line, fields, path.parent)
                    self._count += 1
            except ValueError as error:
                problems.append(f"{path}:{line}: {error}")
                if len(problems) == MOST_PROBLEMS:
                    break
        if problems:
            raise ConfigError("\n".join(problems))
        if not self._count:
            of_split = "" if split is None else f" whose split is {split!r}"
            raise ConfigError(f"{path}: holds no rows{of_split}")

    def __len__(self) -> int:
        return self._count

    def rows(self) -> Iterator[Row]:
        """Its rows in order, made as they are taken."""
        for line, fields in self._lines():
            if self._wanted(fields):
                yield _row(line, fields, self.path.parent)

    def _wanted(self, fields: Fields) -> bool:
        return self._split is None or fields.get("split", "") == self._split

    def _lines(self) -> Iterator[tuple[int, Fields]]:
        names = [suffix.lower() for suffix in self.path.suffixes[-2:]]
        packed = names[-1:] == [".gz"]
        form = names[-2 if packed else -1] if len(names) > packed else ""
        readers = {".csv": _csv_lines, ".jsonl": _json_lines}
        if form not in readers:
            allowed = ".csv, .jsonl, .csv.gz or .jsonl.gz"
            raise ConfigError(f"{self.path}: a manifest's name ends in {allowed}")
        with _opened(self.path, packed=packed) as file:
            yield from readers[form](self.path, file)


@contextmanager
def _opened(path: Path, *, packed: bool) -> Iterator[TextIO]:
    """Its text; whatever goes wrong while it is read is a `ConfigError`."""
    try:
        with (
            gzip.open(path) if packed else path.open("rb") as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file,
        ):
            yield file
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    except (gzip.BadGzipFile, EOFError) as error:
        raise ConfigError(f"{path}: not a whole gzip file: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error


def _csv_lines(path: Path, file: TextIO) -> Iterator[tuple[int, Fields]]:
    reader = csv.reader(file, strict=True)
    before = 0
    header: list[str] | None = None
    try:
        for cells in reader:
            line, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip().lower() for cell in cells]
                _check_header(path, header)
                continue
            if len(cells) != len(header):
                raise ConfigError(
                    f"{path}:{line}: {len(cells)} cells under {len(header)} column names"
                )
            yield line, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise ConfigError(f"{path}:{before + 1}: not valid CSV: {error}") from None


def _check_header(path: Path, header: list[str]) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise ConfigError(f"{path}:1: the column {twice[0]!r} is there twice")
    if "label" not in header or not {"path", "file", "text"} & set(header):
        raise ConfigError(
            f"{path}:1: needs a column `label` and one of `path`, `file` or `text`; "
            f"has: {', '.join(header)}"
        )


def _json_lines(path: Path, file: TextIO) -> Iterator[tuple[int, Fields]]:
    number = 0
    while line := file.readline(MOST_LINE_CHARACTERS + 1):
        number += 1
        if len(line) > MOST_LINE_CHARACTERS:
            raise ConfigError(f"{path}:{number}: longer than {MOST_LINE_CHARACTERS} characters")
        if not line.strip():
            continue
        try:
            found: Any = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            cause = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            raise ConfigError(f"{path}:{number}: not valid JSON: {cause}") from None
        if not isinstance(found, dict):
            raise ConfigError(f"{path}:{number}: expected an object, got {type(found).__name__}")
        yield (
            number,
            {name.lower(): str(value) for name, value in found.items() if _is_plain(value)},
        )


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _row(line: int, fields: Fields, folder: Path) -> Row:
    """The row these fields say. Raises `ValueError` for what makes no sense."""
    path, text = _first(fields, ("path", "file")), fields.get("text", "")
    if bool(path) == bool(text.strip()):
        raise ValueError("either `path` (or `file`) or `text` has to be filled, and not both")
    if "\0" in path:
        raise ValueError("path: holds a null character")
    group = next((name for name in GROUPS if fields.get(name, "").strip()), "")
    from_s, to_s = _seconds(fields, "from_s"), _seconds(fields, "to_s")
    if to_s is not None and to_s <= (from_s or 0.0):
        raise ValueError(f"to_s: {to_s:g} is not after from_s")
    return Row(
        line=line,
        fake=_label(fields.get("label", "")),
        path=folder / path if path else None,
        text=None if path else text,
        system=_first(fields, SYSTEM),
        source=fields.get("source", "").strip(),
        group=f"{group}:{fields[group].strip()}" if group else f"line:{line}",
        from_s=from_s,
        to_s=to_s,
    )


def _first(fields: Fields, names: tuple[str, ...]) -> str:
    return next((fields[name].strip() for name in names if fields.get(name, "").strip()), "")


def _label(given: str) -> bool:
    label = LABELS.get(given.strip().lower())
    if label is None:
        shown = given if len(given) <= 40 else given[:37] + "..."
        raise ValueError(f"label: {shown!r} is none of {', '.join(LABELS)}")
    return label


def _seconds(fields: Fields, name: str) -> float | None:
    given = fields.get(name, "").strip()
    if not given:
        return None
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name}: {given[:40]!r} is not a time in seconds, 0 or more")
    return value
