"""What is known of each published model."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from streammon.core.errors import ConfigError

COMMIT_OF = re.compile(r"<commit of ([^>]+)>")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class ModelFile(BaseModel):
    """One file of a model: these bytes and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    url: str
    bytes: PositiveInt
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def safe_way(self) -> ModelFile:
        if not is_safe(self.url):
            raise ValueError(f"url: {self.url} is not https (http is for this machine only)")
        return self


class HubFile(BaseModel):
    """One file of a repository on a hub, whose hash the hub itself states."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repository: str
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    stated: str
    """The page of the hub that states it."""


class Entry(BaseModel):
    """A published model: its files, or where it lives on a hub."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    summary: str
    modality: Literal["audio", "video", "text"]
    kind: str
    detector: str
    """The detector type that loads it."""
    paper: str = ""
    licence: str
    home: str
    reported: str = ""
    """What its authors say of its skill, with where."""
    ours: str = ""
    """What we measured, with how."""
    needs: str = ""
    """The extra of streammon that its detector needs."""
    use: tuple[str, ...] = ()
    """Settings with which its detector uses it, a line of YAML each; `<commit of REPOSITORY>`
    stands for one."""
    hub: tuple[str, ...] = ()
    """Repositories on the Hugging Face hub, in the order that the detector names them."""
    hub_files: tuple[HubFile, ...] = ()
    """Of these, those whose hash is known before they come."""
    labels: str = ""
    """What its outputs mean, and who says so."""
    files: tuple[ModelFile, ...] = ()

    @model_validator(mode="after")
    def somewhere(self) -> Entry:
        if bool(self.files) == bool(self.hub):
            raise ValueError("a model has either `files` or `hub`")
        if any(file.repository not in self.hub for file in self.hub_files):
            raise ValueError("`hub_files` are of the repositories that `hub` names")
        if set(COMMIT_OF.findall("\n".join(self.use))) - set(self.hub):
            raise ValueError("`use` has commits of repositories that `hub` does not name")
        if len({file.name for file in self.files}) < len(self.files):
            raise ValueError("two files have the same name")
        return self

    @property
    def bytes(self) -> int:
        """Of all its files; 0 for one on a hub."""
        return sum(file.bytes for file in self.files)

    @property
    def pinned(self) -> dict[str, str]:
        """The commit of each repository whose files the catalogue knows by hash."""
        return {file.repository: file.revision for file in self.hub_files}

    def settings(self, commits: Mapping[str, str]) -> list[str]:
        """`use` with these commits of its repositories; what they lack stays as it is written."""
        return [
            COMMIT_OF.sub(lambda found: commits.get(found[1], found[0]), line) for line in self.use
        ]


def read_catalogue(extra: Path | None = None) -> dict[str, Entry]:
    """The models by name: ours, with those of `extra` beside or over them.

    Raises `ConfigError` naming the entry and the field of `extra` that cannot be used.
    """
    found = _parse(files("streammon.catalogue").joinpath("models.toml").read_text("utf-8"), "")
    if extra is not None:
        try:
            text = extra.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{extra}: the catalogue cannot be read: {error}") from error
        found |= _parse(text, f"{extra}: ")
    return found


def _parse(text: str, where: str) -> dict[str, Entry]:
    try:
        tables: Mapping[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}not valid TOML: {error}") from error
    return {name: _entry(name, table, where) for name, table in tables.items()}


def _entry(name: str, table: object, where: str) -> Entry:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}{name}: expected a table")
    try:
        return Entry.model_validate({**table, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (name, *first["loc"])))
        raise ConfigError(f"{where}{place}: {first['msg']}") from None


def is_safe(url: str) -> bool:
    """Whether nobody on the way can change what comes: https, or this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
