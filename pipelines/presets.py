"""Finds a monitor by name or path, and adds to it what the command line names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from streammon.config import MonitorConfig, outbox_path, parse_config, read_yaml
from streammon.core.errors import ConfigError
from streammon.core.files import why_no_file
from streammon.core.nearest import perhaps
from streammon.documents import read_document
from streammon.sections import NAME_IN_WORDS

FILES: Mapping[str, str] = {
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp", ".bmp"), "still"),
    ".txt": "text",
}
"""Which adapter opens a file that ends so; any other is for FFmpeg."""

JUDGES = ("monitoring_wall", "call_guard", "chat_moderation")
"""The ready-made monitors whose detectors judge single pieces of content, most general first."""


def names() -> list[str]:
    """The ready-made monitors, sorted."""
    folder = files("streammon.pipelines")
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def load(
    name_or_path: str,
    *,
    sources: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> MonitorConfig:
    """The monitor with this name or in this file, with sources and changes laid over it.

    `sources` are URLs, each optionally with a name before it: `lobby=rtsp://...`. They join the
    sources of a file, and stand in for the sources of a ready-made monitor. `changes` is a tree
    merged into the document. Raises `ConfigError`.
    """
    document = _document(name_or_path, environment)
    document.setdefault("name", Path(name_or_path).stem)
    for key, value in (changes or {}).items():
        document[key] = _merged(document.get(key), value)
    if sources:
        kept = dict(document.get("sources") or {}) if _is_file(name_or_path) else {}
        document["sources"] = kept | dict(named(sources))
    try:
        return parse_config(document)
    except ConfigError as error:
        if _is_file(name_or_path):
            raise read_document(Path(name_or_path)).located(error, over=changes) from None
        raise


def shipped_detectors() -> MonitorConfig:
    """Every detector of the ready-made monitors with its rule, for content of any kind.

    No sources. Where two monitors set a detector up differently, the earlier of `JUDGES` stands.
    """
    first, *others = [load(name, changes={"sources": None}) for name in JUDGES]
    detectors, rules = dict(first.detectors), dict(first.rules)
    by_kind = dict(first.alerts.rules_by_kind)
    for other in others:
        detectors = {**other.detectors, **detectors}
        rules = {**other.rules, **rules}
        by_kind = {**other.alerts.rules_by_kind, **by_kind}
    alerts = first.alerts.model_copy(update={"rules_by_kind": by_kind})
    changes = {"name": "shipped", "detectors": detectors, "rules": rules, "alerts": alerts}
    return first.model_copy(update=changes)


def named(urls: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """A stream name and the settings of its source for each URL of the command line.

    A URL without a name is named after its last part, made unique. Raises `ConfigError`.
    """
    taken: set[str] = set()
    result: list[tuple[str, dict[str, Any]]] = []
    for text in urls:
        match = re.match(r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})=(.+)$", text)
        name, url = (match.group(1), match.group(2)) if match else (_name_of(text), text)
        if not match and (meant := re.match(r"^([^=:/?]+)=[a-z][a-z0-9+.-]*://", text)):
            raise ConfigError(f"--source: {NAME_IN_WORDS} (given: {meant.group(1)!r})")
        if match and name in taken:
            raise ConfigError(f"--source: the name {name!r} is given twice")
        unique, count = name, 2
        while unique in taken:
            unique, count = f"{name}-{count}", count + 1
        taken.add(unique)
        result.append((unique, source_settings(url)))
    return result


def source_settings(url: str) -> dict[str, Any]:
    """Which adapter opens this URL, with its settings."""
    scheme, _, rest = url.partition(":")
    if scheme == "webcam":
        return {"type": "webcam", "device": int(rest) if rest.isdigit() else rest}
    if scheme == "chat":
        return {"type": "chat_jsonl", "path": rest}
    if url == "-" or url.endswith(".jsonl"):
        return {"type": "chat_jsonl", "path": url}
    if "://" not in url and (tag := FILES.get(PurePosixPath(url).suffix.lower())) is not None:
        return {"type": tag, "path": url}
    return {"type": "av_url", "url": url}


def _name_of(url: str) -> str:
    """A name for people out of a URL that may carry a password: host and path only."""
    if url == "-":
        return "stdin"
    if url.startswith("lavfi:"):
        return "pattern"
    parts = urlsplit(url)
    path = PurePosixPath(parts.path if parts.scheme else url)
    stem = path.stem if path.name else (parts.hostname or "")
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:48] or "stream"


def outbox_file(name_or_path: str) -> Path:
    """Where the monitor with this name or in this file keeps its alerts.

    Nothing else of it is looked at, so variables that its secrets come from need not be set.
    Raises `ConfigError`, also where it keeps them in memory alone.
    """
    document = _document(name_or_path, None, only={"name", "outbox"})
    document.setdefault("name", Path(name_or_path).stem)
    path = outbox_path(parse_config(document))
    if path is None:
        raise ConfigError(f"{name_or_path} keeps its alerts in memory alone")
    return path


def _document(
    name_or_path: str,
    environment: Mapping[str, str] | None,
    *,
    only: Collection[str] | None = None,
) -> dict[str, Any]:
    if _is_file(name_or_path):
        return read_yaml(Path(name_or_path), environment=environment, only=only)
    if name_or_path not in names():
        raise ConfigError(
            f"{name_or_path!r} is neither a file nor a ready-made monitor"
            f"{perhaps(name_or_path, names())}; ready-made: {', '.join(names())}"
        )
    bundled = {"STREAMMON_DEMO": str(files("streammon.demo"))}
    with as_file(files("streammon.pipelines") / f"{name_or_path}.yaml") as found:
        return read_yaml(found, environment=environment, defaults=bundled, only=only)


def _is_file(name_or_path: str) -> bool:
    return Path(name_or_path).suffix in {".yaml", ".yml"} or not why_no_file(name_or_path)


def _merged(old: object, new: object) -> object:
    """`new` over `old`; two mappings are merged key by key."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return dict(old) | {key: _merged(old.get(key), value) for key, value in new.items()}
    return new


def recordings(sources: Mapping[str, Mapping[str, Any]]) -> MonitorConfig:
    """A monitor of these sources only, each read once and as fast as it is taken."""
    return parse_config(
        {"name": "replay", "sources": {name: {**s, "pace": "fast"} for name, s in sources.items()}}
    )
