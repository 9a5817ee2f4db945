"""Settings of the Kafka sink. The client library is imported only when the sink is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator

from streammon.core.errors import ConfigError
from streammon.registry import AdapterConfig

if TYPE_CHECKING:
    from streammon.sinks.kafka_sink import KafkaSink

OURS = frozenset(
    {
        "acks",
        "bootstrap.servers",
        "delivery.timeout.ms",
        "enable.gapless.guarantee",
        "enable.idempotence",
        "message.timeout.ms",
        "metadata.broker.list",
        "partitioner",
        "request.required.acks",
        "transactional.id",
    }
)
"""What the sink's promises rest on."""


class KafkaConfig(AdapterConfig):
    """Events to Kafka: alerts through the outbox, live events when the broker is there."""

    type: Literal["kafka"] = "kafka"
    bootstrap: str = Field("127.0.0.1:9092", min_length=1)
    """`host:port` of one or more brokers, with commas between."""
    topic_prefix: str = Field("streammon", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    """Topics: `<prefix>.alerts.v1`, `.results.v1`, `.health.v1`, `.frames.v1`."""
    alerts: bool = True
    results: bool = True
    health: bool = True
    overlays: bool = False
    overlay_fps: PositiveFloat = Field(1.0, le=30.0)
    """Most frames per second and stream that go to Kafka."""
    max_frame_kb: PositiveInt = Field(900, le=10_000)
    """Larger frames are dropped and counted; brokers refuse 1 MB by default."""
    on_missing: Literal["create", "fail"] = "create"
    """What to do when a topic is not there."""
    partitions: PositiveInt = Field(4, le=10_000)
    """Of topics that are created."""
    replication: PositiveInt | None = None
    """Of topics that are created; unset: the broker's default."""
    frames_kept_min: PositiveFloat = 10.0
    """Retention of the frames topic when it is created."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "zstd"
    """Of alerts; frames are JPEG and never compressed again."""
    properties: Mapping[str, SecretStr] = {}
    """More librdkafka settings (`security.protocol`, `sasl.password`, ...), for all clients."""

    @field_validator("properties")
    @classmethod
    def leave_promises_alone(cls, value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        taken = sorted(OURS & set(value))
        if taken:
            raise ValueError(
                f"{', '.join(taken)}: set by the sink itself, so that no alert is lost"
            )
        return value

    def topic(self, events: str) -> str:
        return f"{self.topic_prefix}.{events}.v1"

    def topics(self) -> list[str]:
        """Those that this configuration writes to."""
        switches = {
            "alerts": self.alerts,
            "results": self.results,
            "health": self.health,
            "frames": self.overlays,
        }
        return [self.topic(events) for events, wanted in switches.items() if wanted]

    def build(self, name: str) -> KafkaSink:
        """Raises `ConfigError` when the client library is not installed."""
        try:
            from streammon.sinks.kafka_sink import KafkaSink
        except ImportError as error:
            raise ConfigError(
                f"sinks.{name}: kafka needs a package that is missing ({error.name}); "
                "try: pip install 'streammon[kafka]'"
            ) from error
        return KafkaSink(name, self)
