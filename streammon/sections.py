"""The parts of a configuration that do not depend on adapters: closed, frozen, with defaults."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Name = Annotated[str, Field(pattern=NAME)]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Section(BaseModel):
    """A closed, frozen part of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CacheConfig(Section):
    """Results of content that was scored before, for detectors that say the same of the same."""

    entries: int = Field(4096, ge=0, le=1_000_000)
    """Results kept in memory, the least recently used one leaves first; 0 keeps none."""
    redis: SecretStr | None = None
    """Where they are kept behind that, shared with other monitors: `redis://127.0.0.1:6379/0`.

    Needs `pip install 'streammon[redis]'`. While it is away, everything is scored."""
    ttl_s: PositiveInt = 3600
    """How long Redis keeps a result."""

    @model_validator(mode="after")
    def redis_is_a_url(self) -> CacheConfig:
        url = "" if self.redis is None else self.redis.get_secret_value()
        if self.redis is not None and not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("redis must begin with redis://, rediss:// or unix://")
        if self.redis is not None and not self.entries:
            raise ValueError("redis stands behind the memory: entries must be at least 1")
        return self


class SchedulerConfig(Section):
    """Which window is looked at when, and on what."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """`auto` takes CUDA where it works and says so where it falls back to the CPU."""
    alert_within_s: PositiveFloat = 5.0
    """Target for p95 of the time from capture to alert; planned for, and reported when missed."""
    batch_wait_s: float = Field(0.05, ge=0.0, le=1.0)
    """How long an incomplete batch waits for company when its deadlines allow it."""
    idle_interval_s: PositiveFloat = 4.0
    """Longest time between two looks at a stream where nothing changes."""
    cpu_threads: PositiveInt | None = None
    """Threads of one model run on the CPU; unset: measured at start."""
    mixed_precision: bool = True
    """Of models on CUDA: half precision where it loses little."""
    cpu_precision: Literal["float32", "bfloat16", "auto"] = "float32"
    """Of models on the CPU. `bfloat16` is refused where the processor cannot compute in it; `auto`
    takes it where it can. Scores differ a little from those in float32: docs/adr/0009."""
    memory_mb: PositiveFloat | None = None
    """Most memory of a device that models which can be unloaded take together; unset: no limit."""
    hang_s: PositiveFloat = 30.0
    """A detector that takes longer over one batch is given up, and the others go on without it."""
    load_hang_s: PositiveFloat = 300.0
    """The same for loading a model."""
    cache: CacheConfig = CacheConfig()


class AlertsConfig(Section):
    """From evidence to incidents."""

    rule: Name = "default"
    """Which of `rules` judges kinds that name none of their own."""
    rules_by_kind: Mapping[str, Name] = {}
    hold_s: float = Field(0.0, ge=0.0)
    """How long the alarm must last before an incident opens."""
    clear_s: float = Field(4.0, ge=0.0)
    """How long the evidence must stay clear before the incident closes."""
    cool_down_s: float = Field(10.0, ge=0.0)
    """After closing, how long the same kind on the same stream cannot open again."""
    update_every_s: PositiveFloat = 5.0
    """An open incident is updated at most this often, unless its severity rises."""


class OverlayConfig(Section):
    """The pictures that people see."""

    fps: PositiveFloat = Field(2.0, le=30.0)
    """Most overlaid frames per second and stream."""
    width: PositiveInt = Field(640, ge=64, le=3840)
    jpeg_quality: int = Field(80, ge=20, le=95)


class ServerConfig(Section):
    """The wall, the WebSocket and the HTTP service."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(8787, ge=0, le=65535)
    """0 takes a free port and prints it."""
    token: SecretStr | None = None
    """Bearer token; required when `host` is not a loopback address."""
    max_clients: PositiveInt = 200
    detect: bool = True
    """Judge content that is sent to `/detect`; false: there is no such page, and no second set of
    models for it."""

    @model_validator(mode="after")
    def token_off_loopback(self) -> ServerConfig:
        if self.enabled and self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"host {self.host} can be reached from other machines: set `token` "
                "(for example token: ${STREAMMON_TOKEN}) or use 127.0.0.1"
            )
        return self


class OutboxConfig(Section):
    """Where alerts are kept until every durable sink has taken them."""

    path: Path | None = None
    """SQLite file; unset: `$XDG_STATE_HOME/streammon/<name>.outbox.db`.

    `:memory:` keeps alerts no longer than the process lives.
    """
    durable: Literal["process", "power"] = "process"
    """`process` survives a killed process; `power` also a power cut, at some cost."""
    max_mb: PositiveInt = 512
    max_age_h: PositiveFloat = 168.0
