"""Which detectors an evaluation asks: a monitor's own, one of them, or a type by its name."""

from __future__ import annotations

from typing import Any

from streammon.config import MonitorConfig, parse_config
from streammon.core.errors import ConfigError
from streammon.pipelines import presets
from streammon.registry import DETECTORS, known


def monitor(detector: str | None, pipeline: str | None) -> MonitorConfig:
    """The monitor to evaluate, without sources. Raises `ConfigError`.

    `detector` alone is a type, with its default settings and the default rule; within a
    `pipeline` it is one of that monitor's detectors, and only it and its members are kept.
    """
    if detector is not None and pipeline is None:
        if detector not in known(DETECTORS):
            raise ConfigError(
                f"--detector: {detector!r} is not a type of detector; "
                f"allowed: {', '.join(known(DETECTORS))}; or name the --pipeline that has it"
            )
        return parse_config({"name": detector, "detectors": {detector: {}}})
    if pipeline is None:
        return presets.shipped_detectors()
    config = presets.load(pipeline, changes={"sources": None})
    if detector is None:
        return config
    if detector not in config.detectors:
        raise ConfigError(
            f"--detector: {config.name} has no detector {detector!r}; "
            f"it has: {', '.join(config.detectors)}"
        )
    kept = {name: config.detectors[name] for name in _with_members(config, detector)}
    return config.model_copy(update={"detectors": kept})


def with_baseline(config: MonitorConfig, learn_s: float) -> MonitorConfig:
    """The monitor with rules that learn each source's own level from `learn_s` of it.

    Rules that say how to learn keep what they say but for that; a rule of a type that cannot
    stays as it is. Raises `ConfigError` for a time that cannot be, and where no rule can learn.
    """
    rules: dict[str, Any] = {}
    for name, rule in config.rules.items():
        settings = rule.model_dump()
        if "baseline" in settings:
            settings["baseline"] = {**(settings["baseline"] or {}), "learn_s": learn_s}
        rules[name] = settings
    if not any("baseline" in settings for settings in rules.values()):
        raise ConfigError("--clean-start: none of the monitor's rules learns from a clean start")
    parsed = parse_config({"name": config.name, "rules": rules, "alerts": config.alerts})
    return config.model_copy(update={"rules": parsed.rules})


def _with_members(config: MonitorConfig, detector: str) -> list[str]:
    """A detector and those that it is combined from, and theirs."""
    found = [detector]
    for name in found:
        members = getattr(config.detectors.get(name), "members", ())
        found += [member for member in members if member not in found]
    return [name for name in found if name in config.detectors]
