"""Settings of the sink for people's own channels. The library is imported only when it is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from streammon.core.errors import ConfigError
from streammon.core.types import AlertState
from streammon.registry import AdapterConfig
from streammon.sinks.alert_choice import AlertChoice

if TYPE_CHECKING:
    from streammon.sinks.apprise_sink import AppriseSink


class AppriseConfig(AdapterConfig):
    """One channel that Apprise knows: mail, Slack, Telegram, ... Several are several sinks."""

    type: Literal["apprise"] = "apprise"
    url: SecretStr
    """As Apprise has it, `tgram://TOKEN/CHAT`; it holds keys, so it is not shown."""
    choose: AlertChoice = AlertChoice(states=frozenset({AlertState.OPENED, AlertState.CLOSED}))
    most_per_minute: PositiveInt = Field(6, le=600)
    """Messages. What comes faster is told of together: "and 12 more alerts"."""
    picture: bool = False
    """Attach the newest picture of the stream, where the channel takes one: faces leave here."""
    timeout_s: PositiveFloat = Field(30.0, le=300.0)
    """For one message."""

    def build(self, name: str) -> AppriseSink:
        try:
            from streammon.sinks.apprise_sink import AppriseSink
        except ImportError as error:
            raise ConfigError(
                f"'apprise' needs {error.name or error}, which is not installed; "
                "try: pip install 'streammon[apprise]'"
            ) from error
        return AppriseSink(name, self)
