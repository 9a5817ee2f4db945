"""The folder where pulled models are kept: `<folder>/<model>/<file>`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from streammon.catalogue.entries import Entry, ModelFile, read_catalogue
from streammon.core.errors import Permanent

CHUNK_BYTES = 1 << 20


class State(StrEnum):
    ABSENT = "absent"
    PARTIAL = "partial"
    """A pull was interrupted: the next one goes on from there."""
    PRESENT = "present"
    DAMAGED = "damaged"
    """Another size or hash than the catalogue's."""
    ON_HUB = "hub"
    """Fetched by its detector, by the revision that the configuration names."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A file of a model on this machine, and the hash that whoever reads it has to check."""

    path: Path
    sha256: str


class Store:
    """What of the catalogue is on this machine."""

    def __init__(self, folder: Path, *, catalogue: Mapping[str, Entry] | None = None) -> None:
        self.folder = folder
        self.catalogue = read_catalogue() if catalogue is None else catalogue

    def entry(self, name: str) -> Entry:
        """Raises `Permanent` for a model that the catalogue does not have."""
        if name not in self.catalogue:
            raise Permanent(
                f"no model {name!r} in the catalogue; known: {', '.join(sorted(self.catalogue))}"
            )
        return self.catalogue[name]

    def place_of(self, entry: Entry, file: ModelFile) -> Path:
        """Where the file is, or would be."""
        return self.folder / entry.name / file.name

    def path_of(self, name: str) -> Pulled:
        """The weights of a model of one file. Raises `Permanent` when it has to be pulled first.

        Only its size is looked at here: hashing is for whoever reads it.
        """
        entry = self.entry(name)
        if self.state_of(entry) is not State.PRESENT or len(entry.files) != 1:
            raise Permanent(
                f"{name} is not on this machine; fetch its {entry.bytes / 1e6:.1f} MB once with: "
                f"streammon models pull {name}"
            )
        (file,) = entry.files
        return Pulled(self.place_of(entry, file), file.sha256)

    def state_of(self, entry: Entry, *, hashing: bool = False) -> State:
        """How much of it is here; with `hashing`, whether every byte is right. Blocking."""
        if entry.hub:
            return State.ON_HUB
        places = [(file, self.place_of(entry, file)) for file in entry.files]
        if all(place.is_file() for _, place in places):
            whole = all(is_right(file, place, hashing=hashing) for file, place in places)
            return State.PRESENT if whole else State.DAMAGED
        begun = any(place.is_file() or part_of(place).is_file() for _, place in places)
        return State.PARTIAL if begun else State.ABSENT


def part_of(place: Path) -> Path:
    """Where a file lies while it is on its way."""
    return place.with_name(place.name + ".part")


def is_right(file: ModelFile, place: Path, *, hashing: bool) -> bool:
    """Whether the file is there and of the right size; with `hashing`, byte for byte. Blocking."""
    if not place.is_file() or place.stat().st_size != file.bytes:
        return False
    return not hashing or hash_of(place) == file.sha256


def hash_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal. Blocking."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
