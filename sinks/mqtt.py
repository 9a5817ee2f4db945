"""Settings of the MQTT sink. The client library is imported only when the sink is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, SecretStr, model_validator

from streammon.core.errors import ConfigError
from streammon.registry import AdapterConfig
from streammon.sections import Section
from streammon.sinks.alert_choice import AlertChoice

if TYPE_CHECKING:
    from streammon.sinks.mqtt_sink import MqttSink

TOPIC = r"^[^+#/\x00$][^+#\x00]{0,199}$"


class HomeAssistantConfig(Section):
    """Entities that Home Assistant makes by itself: docs/mqtt.md says which."""

    discovery_prefix: str = Field("homeassistant", pattern=TOPIC)
    node: str = Field("streammon", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """Tells this monitor's entities from those of another one at the same broker."""
    forget_ended: bool = False
    """Remove the entities of a stream that has ended, as calls do; else they are unavailable."""


class MqttConfig(AdapterConfig):
    """Alerts at least once, and how each stream stands, to an MQTT broker (3.1.1)."""

    type: Literal["mqtt"] = "mqtt"
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(1883, ge=1, le=65535)
    username: str | None = None
    password: SecretStr | None = None
    tls: bool = False
    """The usual port is then 8883."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the public ones."""
    client_id: str | None = Field(None, pattern=r"^[ -~]{1,64}$")
    """Unset: a new one for each connection."""
    topic_prefix: str = Field("streammon", pattern=TOPIC)
    choose: AlertChoice = AlertChoice()
    """Which alerts go out. How a stream stands always counts all of its incidents."""
    timeout_s: PositiveFloat = Field(10.0, le=60.0)
    """How long the broker may take to connect, and to accept alerts."""
    keepalive_s: int = Field(30, ge=5, le=3600)
    state_every_s: PositiveFloat = Field(1.0, le=60.0)
    """How stream states are told: at once when they change, then at most this often."""
    home_assistant: HomeAssistantConfig | None = None

    @model_validator(mode="after")
    def fits_together(self) -> MqttConfig:
        if self.password is not None and self.username is None:
            raise ValueError("password: needs `username`")
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file: needs `tls: true`")
        return self

    def build(self, name: str) -> MqttSink:
        try:
            from streammon.sinks.mqtt_sink import MqttSink
        except ImportError as error:
            raise ConfigError(
                f"'mqtt' needs {error.name or error}, which is not installed; "
                "try: pip install 'streammon[mqtt]'"
            ) from error
        return MqttSink(name, self)
