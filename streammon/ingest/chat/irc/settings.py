"""Settings of an IRC source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, SecretStr, field_validator, model_validator

from streammon.ingest.chat.feed import ChatConfig
from streammon.sections import is_loopback

TWITCH_HOST = "irc.chat.twitch.tv"
TLS_PORT, PLAIN_PORT = 6697, 6667
MOST_CHANNELS = 200
ANONYMOUS = re.compile(r"justinfan\d+")
"""Twitch lets anybody read under such a name, without a token."""

Channel = Annotated[str, Field(pattern=r"^[#&+!][^\s,:\x00-\x1f]{1,199}$")]


class IrcSettings(ChatConfig):
    """What is said of a network and of who we are there."""

    dialect: Literal["plain", "twitch"] = "plain"
    host: str = Field("", max_length=253)
    """Unset: `irc.chat.twitch.tv` of the `twitch` dialect."""
    port: int | None = Field(None, ge=1, le=65535)
    """Unset: 6697 with TLS, 6667 without."""
    channels: tuple[Channel, ...] = Field(min_length=1, max_length=MOST_CHANNELS)
    """With their sign: `#streammon`."""
    channel_keys: Mapping[str, SecretStr] = {}
    """Passwords of channels, by their names."""
    nick: str = Field("streammon", pattern=r"^[A-Za-z\[\]\\`_^{|}][A-Za-z0-9\[\]\\`_^{|}-]{0,62}$")
    """Taken: another that begins like it. On Twitch the account's name, or `justinfan` and digits
    to read without an account."""
    real_name: str = Field("streammon", pattern=r"^[^\x00-\x1f]{1,100}$")
    password: SecretStr | None = None
    """The server's; of Twitch the account's token, `oauth:` and all."""
    sasl: Literal["plain", "external"] | None = None
    sasl_user: str = Field("", max_length=200)
    """Unset: the nick."""
    sasl_password: SecretStr | None = None
    tls: bool = True
    tls_verify: bool = True
    """False: anyone between here and the server can read along and answer in its place."""
    tls_ca: Path | None = None
    """Certificates to trust instead of the system's, PEM: for a server with its own."""
    tls_certificate: Path | None = None
    """Our own certificate and its key, in one PEM file; what SASL EXTERNAL shows."""
    silent_s: PositiveFloat = 60.0
    """A server that says nothing for so long is asked whether it is there; after as long again the
    connection is given up."""
    ban_by: Literal["user", "host"] = "user"
    """What a ban's mask holds: `*!user@host`, which others at the same host do not feel, or
    `*!*@host`, which another user name does not get around."""

    @field_validator("password", "sasl_password")
    @classmethod
    def fits_a_line(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[^\s\x00]{1,400}", value.get_secret_value()):
            raise ValueError("1 to 400 characters, without spaces")
        return value

    @model_validator(mode="after")
    def can_log_in(self) -> Self:
        if not self.server:
            raise ValueError("host: name the server")
        secret = self.sasl == "plain" or self.password is not None
        if secret and not self.tls and not is_loopback(self.server):
            raise ValueError("a password is not sent without TLS: set tls: true")
        if self.sasl == "plain" and self.sasl_password is None:
            raise ValueError("sasl: plain needs sasl_password")
        if self.sasl == "external" and (self.tls_certificate is None or not self.tls):
            raise ValueError("sasl: external needs tls and tls_certificate")
        if self.dialect == "twitch" and self.password is None and not self.anonymous:
            raise ValueError(
                "twitch needs password (the account's token), or nick: justinfan12345 to read only"
            )
        strangers = {name.lower() for name in self.channel_keys} - {
            name.lower() for name in self.channels
        }
        if strangers:
            raise ValueError(f"channel_keys: not among channels: {', '.join(sorted(strangers))}")
        return self

    @property
    def server(self) -> str:
        return self.host or (TWITCH_HOST if self.dialect == "twitch" else "")

    @property
    def port_used(self) -> int:
        return self.port or (TLS_PORT if self.tls else PLAIN_PORT)

    @property
    def anonymous(self) -> bool:
        return self.dialect == "twitch" and ANONYMOUS.fullmatch(self.nick) is not None
