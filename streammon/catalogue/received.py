"""What came from a hub: hashes written down when it came, and held against it ever after.

A commit of a hub names its files, but nobody here has hashed them before. So the first time counts:
what came then is what has to be there later, byte for byte (trust on first use).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from streammon.catalogue.hashes import hash_of
from streammon.core.errors import Permanent

RECORD = "received.json"
SHA256 = r"^[0-9a-f]{64}$"


class ReceivedFile(BaseModel):
    """One file as it came."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    bytes: NonNegativeInt
    sha256: str = Field(pattern=SHA256)


class Received(BaseModel):
    """The files of one commit of one repository as they came to this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    v: Literal[1] = 1
    repository: str
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    on: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    """The day, UTC, on which this was written down."""
    seal: str = Field(pattern=SHA256)
    """Over all files together, as their detector works it out when it loads them."""
    files: tuple[ReceivedFile, ...]

    def wrong(self, folder: Path, *, hashing: bool) -> list[str]:
        """Files that are missing or others than came; by size, or with `hashing` every byte."""
        return [file.name for file in self.files if not _is_same(folder / file.name, file, hashing)]


def folder_of(models: Path, repository: str, revision: str) -> Path:
    """Where the files of a commit are kept."""
    return models / "huggingface" / repository.replace("/", "--") / revision


def write_down(
    folder: Path, repository: str, revision: str, paths: Sequence[Path], *, seal: str
) -> Received:
    """Hash what came and keep the hashes beside it. Blocking; raises `OSError`."""
    files = tuple(
        ReceivedFile(name=path.name, bytes=path.stat().st_size, sha256=hash_of(path))
        for path in sorted(paths)
    )
    today = datetime.now(UTC).date().isoformat()
    found = Received(repository=repository, revision=revision, on=today, seal=seal, files=files)
    begun = folder / f"{RECORD}.part"
    begun.write_text(found.model_dump_json(indent=1) + "\n", encoding="utf-8")
    begun.replace(folder / RECORD)
    return found


def read(folder: Path) -> Received | None:
    """What was written down there, if anything. Raises `Permanent` when it cannot be read."""
    try:
        return Received.model_validate_json((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise Permanent(
            f"{folder / RECORD} is damaged, so nothing says whether these files are those that "
            "came; delete the folder, and they are fetched again"
        ) from error


def everything(models: Path) -> Iterator[tuple[Path, Received]]:
    """Every folder with files of a hub that were written down. Raises `Permanent` as `read`."""
    for record in sorted(models.glob(f"huggingface/*/*/{RECORD}")):
        found = read(record.parent)
        if found is not None:
            yield record.parent, found


def _is_same(path: Path, file: ReceivedFile, hashing: bool) -> bool:
    if not path.is_file() or path.stat().st_size != file.bytes:
        return False
    return not hashing or hash_of(path) == file.sha256
