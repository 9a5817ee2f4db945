"""`streammon models pull` of models that live on a hub: at a commit, which is then kept to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from streammon.catalogue.entries import Entry, is_safe
from streammon.catalogue.pull import Progress
from streammon.catalogue.store import Store
from streammon.core.errors import ConfigError, Permanent

COMMIT = re.compile(r"[0-9a-f]{40}")
NEWEST = "main"


@dataclass(frozen=True, slots=True)
class Hub:
    """Where to fetch from, as whom, and which state of the repositories."""

    endpoint: str
    token: str | None
    revisions: Mapping[str, str]
    """A commit, branch or tag by repository; that of `""` goes for all others."""

    @classmethod
    def of(cls, endpoint: str, token_file: Path | None, revisions: Sequence[str]) -> Self:
        """What the command line says. Raises `ConfigError` for what cannot be meant."""
        if not is_safe(endpoint):
            raise ConfigError(f"--endpoint {endpoint}: not https (http is for this machine only)")
        try:
            token = token_file.read_text("utf-8").strip() if token_file is not None else None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--token-file {token_file}: cannot be read: {error}") from error
        named: dict[str, str] = {}
        for text in revisions:
            repository, _, revision = text.rpartition("=")
            named[repository] = revision
        return cls(endpoint, token or None, named)


def pull_from_hub(entry: Entry, store: Store, hub: Hub, *, progress: Progress) -> list[str]:
    """Fetch what is missing of each repository; `REPOSITORY at COMMIT in FOLDER` of each.

    Which commit: the one asked for; or that of the catalogue; or the one that is here; or else
    what the hub calls its newest now. Blocking. Raises `Permanent` with what to do.
    """
    if find_spec("huggingface_hub") is None or find_spec("transformers") is None:
        raise Permanent(
            f"{entry.name} needs transformers, which is not installed; try: "
            "pip install 'streammon[huggingface]'"
        )
    strange = sorted(set(hub.revisions) - {"", *entry.hub})
    if strange:
        raise Permanent(
            f"{entry.name} has no repository {strange[0]}; it has: {', '.join(entry.hub)}"
        )
    from streammon.detectors.huggingface_hub_folder import commit_of, hub_folder

    known, lines = store.commits_of(entry), []
    for name in entry.hub:
        wanted = hub.revisions.get(name) or hub.revisions.get("") or known.get(name, NEWEST)
        if not COMMIT.fullmatch(wanted):
            wanted = commit_of(name, wanted, endpoint=hub.endpoint, token=hub.token)
        folder = hub_folder(
            store.folder,
            name,
            wanted,
            endpoint=hub.endpoint,
            token=hub.token,
            progress=progress,
        )
        lines.append(f"{name} at {wanted} in {folder}")
    return lines
