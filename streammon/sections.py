"""The parts of a configuration that do not depend on adapters: closed, frozen, with defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
NAME_IN_WORDS = (
    "a name has up to 64 letters (A to Z, a to z), digits, '.', '_' and '-', "
    "and begins with a letter or digit"
)
Name = Annotated[str, Field(pattern=NAME)]
Token = Annotated[SecretStr | None, BeforeValidator(lambda given: given or None)]
"""A bearer token. An empty one, from a variable that is set and empty, counts as none: it would let
nobody in."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _sites(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", origin):
            raise ValueError(f"an origin is a site like https://example.org, not {origin!r}")
    return origins


def _own_addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        if ip_address(address).is_unspecified:
            raise ValueError(f"{address} is no address of this machine: name the ones to use")
    return addresses


Sites = Annotated[tuple[str, ...], AfterValidator(_sites)]
"""Each a site, as browsers write an origin (`https://example.org`), or `*` for any."""
OwnAddresses = Annotated[tuple[str, ...], AfterValidator(_own_addresses)]
"""Each the number of one address of this machine."""


class Section(BaseModel):
    """A closed, frozen part of the tree."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IceServerConfig(Section):
    """A STUN or TURN server; the other side is told of it, and streammon uses it itself."""

    url: str = Field(pattern=r"^(stuns?|turns?):[A-Za-z0-9.:\[\]-]+(\?transport=(udp|tcp))?$")
    """`stun:stun.example.org`, `turn:turn.example.org:3478?transport=udp`."""
    username: str = Field("", max_length=200, pattern=r'^[^"\\\x00-\x1f]*$')
    credential: SecretStr = SecretStr("")


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


class WhepConfig(Section):
    """Single streams shown live, with what is said of them, to browsers and players (WHEP)."""

    enabled: bool = True
    viewers: int = Field(8, ge=1, le=100)
    """Of one stream at once; one more is told to try later."""
    streams: int = Field(4, ge=1, le=100)
    """Watched so at once: each is decoded, drawn and encoded for its viewers, once for all."""
    fps: PositiveFloat = Field(25.0, le=30.0)
    """Most pictures a second."""
    width: int = Field(640, ge=64, le=1280)
    """Pictures wider than this are scaled down. A source scales them before, to its own `width`."""
    kbps: int = Field(1500, ge=100, le=10_000)
    """Most that the pictures take; those in which little happens take less."""
    token: Token = None
    """Bearer token that viewers show; unset: the server's own, if it has one."""
    origins: Sites = ()
    """Sites whose pages may show it (`https://example.org`); `*`: any, where a token is needed."""
    addresses: OwnAddresses = ()
    """Where media go out from; unset: from the address at which the viewer reached the server."""
    ice_servers: tuple[IceServerConfig, ...] = Field((), max_length=8)
    connect_timeout_s: PositiveFloat = 15.0
    silent_s: PositiveFloat = 15.0
    """A viewer that says nothing for so long of what it is sent counts as gone."""

    @model_validator(mode="after")
    def any_site_needs_a_token(self) -> WhepConfig:
        if "*" in self.origins and self.token is None:
            raise ValueError("origins: '*' lets any page watch: it needs a token of its own")
        return self


class ServerConfig(Section):
    """The wall, the WebSocket and the HTTP service."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(8787, ge=0, le=65535)
    """0 takes a free port and prints it."""
    token: Token = None
    """Bearer token; required when `host` is not a loopback address."""
    max_clients: PositiveInt = 200
    detect: bool = True
    """Judge content that is sent to `/detect`; false: there is no such page, and no second set of
    models for it."""
    whep: WhepConfig = WhepConfig()

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
