"""Makes the parts that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from streammon.config import MonitorConfig
from streammon.core.errors import ConfigError
from streammon.core.ports import Admitting, Detector, Prefixing, Rule, Sink, Source
from streammon.core.types import StreamId
from streammon.registry import AdapterConfig


class _SourceSettings(Protocol):
    def build(self, stream: StreamId) -> Source | Admitting: ...


class _DetectorSettings(Protocol):
    def build(self, name: str) -> Detector: ...


@runtime_checkable
class _CombinatorSettings(Protocol):
    @property
    def members(self) -> tuple[str, ...]: ...

    def build(self, name: str, members: Mapping[str, Detector]) -> Detector: ...


@runtime_checkable
class _ComparesStreams(Protocol):
    @property
    def streams(self) -> tuple[tuple[str, str], ...]: ...


class _RuleSettings(Protocol):
    def build(self, name: str) -> Rule: ...


class _SinkSettings(Protocol):
    def build(self, name: str) -> Sink: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a monitor is put together from; nothing is open or loaded yet."""

    sources: tuple[Source, ...]
    detectors: Mapping[str, Detector]
    rules: Mapping[str, Rule]
    sinks: tuple[Sink, ...]
    entrances: tuple[Admitting, ...] = ()
    """Where streams come in that no config names."""


def build_sources(config: MonitorConfig) -> tuple[Source, ...]:
    """The streams that the config names, without those that it only admits."""
    return _build_sources(config)[0]


def _build_sources(config: MonitorConfig) -> tuple[tuple[Source, ...], tuple[Admitting, ...]]:
    sources: list[Source] = []
    entrances: dict[str, Admitting] = {}
    for name, settings in config.sources.items():
        built = cast(_SourceSettings, settings).build(StreamId(name))
        if isinstance(built, Admitting):
            entrances[name] = built
        else:
            sources.append(built)
    unbound = [name for name, each in entrances.items() if not isinstance(each, Prefixing)]
    if len(unbound) > 1:
        several = " and ".join(unbound)
        raise ConfigError(f"sources: {several} admit streams of any name: only one may")
    return tuple(sources), tuple(entrances.values())


def build_detectors(config: MonitorConfig) -> dict[str, Detector]:
    """The detectors that the scheduler calls. One that another names as its member is not among
    them: it is loaded and scored through that one alone.

    Raises `ConfigError` that names the field, for a member that does not exist, that has another
    combinator already, that leads back to its own, or whose windows do not fit.
    """
    built = _Assembly(config.detectors)
    for name in config.detectors:
        built.detector(name, ())
    return {name: each for name, each in built.done.items() if name not in built.taken}


def check_streams(config: MonitorConfig) -> None:
    """Raises `ConfigError` when a detector names a stream that is not among the sources.

    A config without any is a part of one: its sources come from the command line.
    """
    for name, settings in config.detectors.items():
        for where, stream in settings.streams if isinstance(settings, _ComparesStreams) else ():
            if config.sources and stream not in config.sources:
                known = ", ".join(sorted(config.sources))
                raise ConfigError(
                    f"detectors.{name}.{where}: no source is called {stream!r}; defined: {known}"
                )


class _Assembly:
    """Detectors in the making, members before those that hold them."""

    def __init__(self, settings: Mapping[str, AdapterConfig]) -> None:
        self._settings = settings
        self.done: dict[str, Detector] = {}
        self.taken: dict[str, str] = {}
        """Which combinator each member belongs to."""

    def detector(self, name: str, within: tuple[str, ...]) -> Detector:
        """Build one, and its members first; `within` is the way here from the outside."""
        if name in self.done:
            return self.done[name]
        settings = self._settings[name]
        if not isinstance(settings, _CombinatorSettings):
            self.done[name] = cast(_DetectorSettings, settings).build(name)
            return self.done[name]
        path = (*within, name)
        members = {each: self._member(each, path) for each in settings.members}
        try:
            detector = settings.build(name, members)
        except ConfigError as error:
            raise ConfigError(f"detectors.{name}.{error}") from error
        self.done[name] = detector
        return detector

    def _member(self, member: str, path: tuple[str, ...]) -> Detector:
        owner = path[-1]
        where = f"detectors.{owner}.{_field(self._settings[owner], member)}"
        if member not in self._settings:
            known = ", ".join(sorted(set(self._settings) - {owner})) or "none"
            raise ConfigError(f"{where}: no detector is called {member!r}; defined: {known}")
        if member in path:
            round_trip = " -> ".join((*path[path.index(member) :], member))
            raise ConfigError(f"{where}: {member!r} would hold itself: {round_trip}")
        holder = self.taken.setdefault(member, owner)
        if holder != owner:
            raise ConfigError(
                f"{where}: {member!r} is a member of {holder!r} already; give this one its own, "
                "under another name"
            )
        return self.detector(member, path)


def _field(settings: AdapterConfig, member: str) -> str:
    """The setting that names the member: `then`, `members.1`."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value == member and name != "type":
            return name
        if isinstance(value, tuple) and member in value:
            return f"{name}.{value.index(member)}"
    return "members"


def build_rules(config: MonitorConfig) -> dict[str, Rule]:
    return {
        name: cast(_RuleSettings, settings).build(name) for name, settings in config.rules.items()
    }


def build(config: MonitorConfig) -> Parts:
    """All parts of a live monitor. Raises `ConfigError` when there is nothing to watch or do, or
    when detectors that hold others do not fit them.
    """
    if not config.sources:
        raise ConfigError(
            "sources: nothing to watch; add `sources:` to the file or --source URL to the command"
        )
    if not config.detectors:
        raise ConfigError("detectors: name at least one, for example `freeze: {}`")
    check_streams(config)
    sinks = tuple(
        cast(_SinkSettings, settings).build(name) for name, settings in config.sinks.items()
    )
    sources, entrances = _build_sources(config)
    return Parts(sources, build_detectors(config), build_rules(config), sinks, entrances)
