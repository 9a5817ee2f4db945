"""Makes the parts that a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, cast

from streammon.config import MonitorConfig
from streammon.core.errors import ConfigError
from streammon.core.ports import Detector, Rule, Sink, Source
from streammon.core.types import StreamId


class _SourceSettings(Protocol):
    def build(self, stream: StreamId) -> Source: ...


class _DetectorSettings(Protocol):
    def build(self, name: str) -> Detector: ...


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


def build_sources(config: MonitorConfig) -> tuple[Source, ...]:
    return tuple(
        cast(_SourceSettings, settings).build(StreamId(name))
        for name, settings in config.sources.items()
    )


def build_detectors(config: MonitorConfig) -> dict[str, Detector]:
    return {
        name: cast(_DetectorSettings, settings).build(name)
        for name, settings in config.detectors.items()
    }


def build_rules(config: MonitorConfig) -> dict[str, Rule]:
    return {
        name: cast(_RuleSettings, settings).build(name) for name, settings in config.rules.items()
    }


def build(config: MonitorConfig) -> Parts:
    """All parts of a live monitor. Raises `ConfigError` when there is nothing to watch or do."""
    if not config.sources:
        raise ConfigError(
            "sources: nothing to watch; add `sources:` to the file or --source URL to the command"
        )
    if not config.detectors:
        raise ConfigError("detectors: name at least one, for example `freeze: {}`")
    sinks = tuple(
        cast(_SinkSettings, settings).build(name) for name, settings in config.sinks.items()
    )
    return Parts(build_sources(config), build_detectors(config), build_rules(config), sinks)
