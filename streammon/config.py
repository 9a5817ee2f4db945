"""The one configuration tree: read once at start-up, checked whole, never changed.

YAML comes in through `load_config`; `${NAME}` and `${NAME:-default}` are filled from the
environment. Anything unknown is refused, and every error names the field, the value and what
is allowed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import (
    BaseModel,
    PositiveFloat,
    SecretStr,
    SerializeAsAny,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import ErrorDetails

from streammon.core.errors import ConfigError
from streammon.core.nearest import perhaps
from streammon.documents import read_document
from streammon.entry_schemas import with_entries_by_type
from streammon.registry import (
    DETECTORS,
    RULES,
    SINKS,
    SOURCES,
    AdapterConfig,
    adapter_class,
    adapter_union,
    known,
)
from streammon.sections import (
    NAME,
    NAME_IN_WORDS,
    AlertsConfig,
    CacheConfig,
    Name,
    OutboxConfig,
    OverlayConfig,
    SchedulerConfig,
    Section,
    ServerConfig,
    is_loopback,
)
from streammon.telemetry.redact import redact_url

__all__ = [  # what others take from here though it stands in `sections`, and the rest of it
    "GROUPS",
    "AlertsConfig",
    "CacheConfig",
    "MonitorConfig",
    "OutboxConfig",
    "OverlayConfig",
    "SchedulerConfig",
    "Section",
    "ServerConfig",
    "has_display",
    "is_loopback",
    "json_schema",
    "load_config",
    "models_folder",
    "outbox_path",
    "parse_config",
    "read_yaml",
    "state_folder",
]

GROUPS = {"sources": SOURCES, "detectors": DETECTORS, "sinks": SINKS, "rules": RULES}


class MonitorConfig(Section):
    """One monitor: what it watches, how it judges, where it tells."""

    name: Name = "monitor"
    description: str = ""
    sources: Mapping[Name, SerializeAsAny[AdapterConfig]] = {}
    detectors: Mapping[Name, SerializeAsAny[AdapterConfig]] = {}
    rules: Mapping[Name, SerializeAsAny[AdapterConfig]] = {}
    sinks: Mapping[Name, SerializeAsAny[AdapterConfig]] = {}
    scheduler: SchedulerConfig = SchedulerConfig()
    alerts: AlertsConfig = AlertsConfig()
    overlay: OverlayConfig = OverlayConfig()
    server: ServerConfig = ServerConfig()
    outbox: OutboxConfig = OutboxConfig()
    drain_s: PositiveFloat = 10.0
    """At the end: how long what is in flight may take to get out before exit code 3."""

    @model_validator(mode="after")
    def rules_exist(self) -> MonitorConfig:
        for rule in {self.alerts.rule, *self.alerts.rules_by_kind.values()}:
            if rule not in self.rules:
                raise ValueError(f"alerts names the rule {rule!r}; defined: {sorted(self.rules)}")
        return self


def state_folder() -> Path:
    """Where streammon keeps what must outlive it: `$XDG_STATE_HOME/streammon`."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "streammon"


def outbox_path(config: MonitorConfig) -> Path | None:
    """The file that a monitor keeps its alerts in; `None`: only in memory."""
    if config.outbox.path is None:
        return state_folder() / f"{config.name}.outbox.db"
    return None if str(config.outbox.path) == ":memory:" else config.outbox.path


def models_folder() -> Path:
    """Where pulled models are kept: `$STREAMMON_MODELS`, else `$XDG_DATA_HOME/streammon/models`."""
    chosen = os.environ.get("STREAMMON_MODELS")
    if chosen:
        return Path(chosen)
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "streammon" / "models"


def has_display() -> bool:
    """Whether a browser window could be shown to the person who runs this."""
    if sys.platform.startswith(("win", "darwin")):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def load_config(path: Path, *, environment: Mapping[str, str] | None = None) -> MonitorConfig:
    """Read and check a YAML file. Raises `ConfigError` with one line per problem."""
    document = read_yaml(path, environment=environment)
    try:
        return parse_config(document)
    except ConfigError as error:
        raise read_document(path).located(error) from None


def read_yaml(
    path: Path,
    *,
    environment: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
    only: Collection[str] | None = None,
) -> dict[str, Any]:
    """The document as plain data, with variables filled in. Raises `ConfigError`.

    `environment` stands in for the process's own; `defaults` are used where it lacks a name.
    With `only`, nothing but these settings of the top is filled in and returned.
    """
    read = read_document(path)
    raw = read.data
    if not isinstance(raw, dict):
        found = "nothing" if raw is None else type(raw).__name__
        raise ConfigError(
            f"{path}: expected a mapping at the top (`name:`, `sources:`, ...), got {found}"
        )
    raw = {key: value for key, value in raw.items() if only is None or key in only}
    variables = {**(defaults or {}), **(os.environ if environment is None else environment)}
    missing: list[str] = []
    filled = _fill(raw, variables, where="", missing=missing)
    if missing:
        raise read.located(ConfigError("\n".join(missing)))
    assert isinstance(filled, dict)
    return filled


def parse_config(raw: Mapping[str, Any]) -> MonitorConfig:
    """Validate a parsed document. Raises `ConfigError` with one line per problem.

    A detector, sink or rule whose `type` is left out is of the type it is named after; where no
    rule is given, `default` is a `cusum` with its default settings.
    """
    document = dict(raw)
    document["rules"] = document.get("rules") or {"default": {"type": "cusum"}}
    for section in ("detectors", "rules", "sinks"):
        document[section] = _default_types(section, document.get(section) or {})
    document["sources"] = document.get("sources") or {}
    fields: dict[str, Any] = {}
    problems: list[str] = []
    for section, group in GROUPS.items():
        document[section], unknown = _of_known_types(section, document[section], group)
        problems += unknown
        tags = {entry["type"] for entry in document[section].values()}
        fields[section] = _section_of(adapter_union(group, tags))
    model: type[MonitorConfig] = create_model("Monitor", __base__=MonitorConfig, **fields)
    try:
        config = model.model_validate(document)
    except ValidationError as error:
        problems += _lines(error, document, model)
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def json_schema() -> dict[str, Any]:
    """JSON Schema of the whole tree with every installed adapter, for editors."""
    fields: dict[str, Any] = {
        section: _section_of(adapter_union(group, known(group)))
        for section, group in GROUPS.items()
    }
    model: type[MonitorConfig] = create_model("Monitor", __base__=MonitorConfig, **fields)
    return with_entries_by_type(model.model_json_schema())


def _section_of(union: Any) -> tuple[Any, Any]:
    """A field definition for `create_model`: names to adapters of this union."""
    return (Mapping[Name, SerializeAsAny[union]], {})


def _default_types(section: str, entries: Any) -> Any:
    if not isinstance(entries, Mapping):
        raise ConfigError(f"{section}: expected a mapping of names, got {type(entries).__name__}")
    return {
        name: {"type": name, **(entry or {})} if isinstance(entry, Mapping | None) else entry
        for name, entry in entries.items()
    }


def _of_known_types(section: str, entries: Any, group: str) -> tuple[dict[str, Any], list[str]]:
    """The entries whose `type` is an adapter, and a line for each of the others.

    In the place of a rule of an unknown type stands a plain one: what names it is no problem more.
    """
    if not isinstance(entries, Mapping):
        raise ConfigError(f"{section}: expected a mapping of names, got {type(entries).__name__}")
    fine: dict[str, Any] = {}
    problems: list[str] = []
    for name, entry in entries.items():
        where = f"{section}.{name}"
        if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
            problems.append(f"{where}: expected `type:`, one of: {', '.join(known(group))}")
            continue
        try:
            adapter_class(group, entry["type"])
        except ConfigError as error:
            problems.append(f"{where}.type: {error}")
            continue
        fine[name] = entry
    if group == RULES:
        fine = {name: fine.get(name, {"type": "cusum"}) for name in entries}
    return fine, problems


def _lines(error: ValidationError, document: Any, model: type[BaseModel]) -> Iterable[str]:
    """One line per problem: where, what is wrong, what was given, what is allowed."""
    for problem in error.errors(include_url=False):
        path, given = _path(problem["loc"], document), problem["input"]
        where = ".".join(str(part) for part in path) or "config"
        fields = _fields_beside(model, path)
        if problem["type"] == "extra_forbidden":  # a secret may stand under a mistyped name
            shown = HIDDEN if any(map(_is_secret, fields, fields.values())) else _shown(given)
            shown = HIDDEN if _is_secret(path[-1]) else shown
            near = perhaps(str(path[-1]), fields)
            allowed = ", ".join(sorted(fields))
            yield f"{where}: no such setting (given: {shown}){near}; allowed: {allowed}"
        elif isinstance(given, Mapping | BaseModel):
            yield f"{where}: {_said(problem)}"
        else:
            secret = any(_is_secret(part, fields.get(str(part))) for part in path[2:] or path)
            shown = HIDDEN if secret else _shown(given)
            yield f"{where}: {_said(problem)} (given: {shown})"


def _said(problem: ErrorDetails) -> str:
    """What pydantic says is wrong, or what a check of ours says, without more before it."""
    if problem["type"] == "too_short" and isinstance(
        problem["input"], str
    ):  # a secret, to pydantic
        return f"should have at least {problem['ctx']['min_length']} characters"
    if problem["type"] == "string_pattern_mismatch" and problem["ctx"]["pattern"] == NAME:
        return NAME_IN_WORDS
    return _without_secrets(problem["msg"].removeprefix("Value error, "))


def _path(loc: tuple[int | str, ...], document: Any) -> tuple[int | str, ...]:
    """Where it stands in the file: the error's place without the union's tag."""
    if loc[-1:] == ("[key]",):  # pydantic's word for a name itself
        return loc[:-1]
    if len(loc) > 2 and loc[0] in GROUPS and loc[2] == document[loc[0]][loc[1]]["type"]:
        return (*loc[:2], *loc[3:])
    return loc


def _fields_beside(model: type[BaseModel], path: tuple[int | str, ...]) -> dict[str, Any]:
    """The settings that exist where `path` ends, with their types."""
    models, named = [model], False
    for part in path[:-1]:
        if named:  # this part is the name of an entry, not of a setting
            named = False
            continue
        types = [one.model_fields[part].annotation for one in models if part in one.model_fields]
        named = any(get_origin(kind) is Mapping for kind in types)
        models = [one for kind in types for one in _parts(kind) if _is_model(one)]
    return {name: field.annotation for one in models for name, field in one.model_fields.items()}


def _parts(annotation: Any) -> Iterable[Any]:
    """A type and every type it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


HIDDEN = "***"
_SECRET = re.compile(
    r"token|secret|pass|pwd|credential|auth(?!or)|cookie|header|private|api_?key|(?:^|[._-])key$",
    re.IGNORECASE,
)


def _is_secret(name: object, annotation: Any = None) -> bool:
    return SecretStr in _parts(annotation) or _SECRET.search(str(name)) is not None


def _shown(given: object) -> str:
    """What was given, for an error message: short, and without what may be secret in it."""
    if isinstance(given, _FromEnvironment):
        return "a value from the environment"
    text = _without_secrets(repr(given))
    return text if len(text) <= 60 else text[:57] + "..."


def _without_secrets(text: str) -> str:
    """Text without the user parts of URLs, also where a password breaks the URL's syntax."""
    return re.sub(r"://[^\n]*@", f"://{HIDDEN}@", redact_url(text))


class _FromEnvironment(str):
    """A value that a variable went into: it may be a secret, so no message repeats it."""

    __slots__ = ()


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def _fill(value: Any, environment: Mapping[str, str], *, where: str, missing: list[str]) -> Any:
    """`${NAME}` replaced everywhere in a document; a line for each variable that is `missing`."""
    if isinstance(value, dict):
        return {
            key: _fill(item, environment, where=f"{where}.{key}".lstrip("."), missing=missing)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _fill(item, environment, where=f"{where}.{at}", missing=missing)
            for at, item in enumerate(value)
        ]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        found = environment.get(name, default)
        if found is None:
            missing.append(f"{where}: the environment variable {name} is not set")
            return ""
        return found

    filled = _VARIABLE.sub(replaced, value)
    return value if filled == value else _FromEnvironment(filled)
