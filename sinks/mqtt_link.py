"""One connection to an MQTT broker, kept by paho's own thread, told of on the event loop.

The library connects again by itself, with growing pauses, and sends again what the broker has not
accepted yet, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import Any, TypeAlias

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from streammon.flow.supervise import to_its_end
from streammon.sinks.mqtt import MqttConfig

CONNECT_WITHIN_S = 5.0
"""Also the longest that letting go of the link takes."""
FIRST_PAUSE_S, MOST_PAUSE_S = 1, 30
IN_FLIGHT = 100
"""Messages that are sent before the broker has accepted the first of them."""
LOGIN_REFUSED = frozenset({"Bad user name or password", "Not authorized"})

Accepted: TypeAlias = Callable[[], None]

_QUIET = logging.getLogger(f"{__name__}.paho")
_QUIET.setLevel(logging.ERROR)


class MqttLink:
    """Everything here is called on the event loop, and so are the callbacks."""

    def __init__(
        self,
        config: MqttConfig,
        *,
        will: tuple[str, bytes],
        tls: ssl.SSLContext | None,
        up: Callable[[], None],
        down: Callable[[str], None],
    ) -> None:
        """`up` after each connecting; `down` with the cause after each break, and each failure."""
        self._up = up
        self._down = down
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, Accepted] = {}
        self._early: set[int] = set()
        """Accepted before `publish` had said which message this is."""
        self._greeted = False
        """The broker has let us in; used on the library's thread alone."""
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=config.client_id or ""
        )
        if config.username is not None:
            secret = config.password
            client.username_pw_set(
                config.username, None if secret is None else secret.get_secret_value()
            )
        if tls is not None:
            client.tls_set_context(tls)
        topic, payload = will
        client.will_set(topic, payload, qos=1, retain=True)
        client.enable_logger(_QUIET)
        client.connect_timeout = CONNECT_WITHIN_S
        client.reconnect_delay_set(FIRST_PAUSE_S, MOST_PAUSE_S)
        client.max_inflight_messages_set(IN_FLIGHT)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.connect_async(config.host, config.port, keepalive=config.keepalive_s)
        client.loop_start()

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, accepted: Accepted | None = None
    ) -> None:
        """Send with QoS 1, now or after the next connecting; never waits."""
        message = self._client.publish(topic, payload, qos=1, retain=retain)
        if message.mid in self._early:
            self._early.discard(message.mid)
            if accepted is not None:
                accepted()
        else:
            self._waiting[message.mid] = accepted or _nothing

    async def close(self) -> None:
        """Say goodbye and end the thread; what was not accepted is forgotten here."""
        self._client.disconnect()
        await to_its_end(asyncio.to_thread(self._end_thread))

    def _end_thread(self) -> None:
        self._client.loop_stop()

    # --- on the library's thread -------------------------------------------------------------

    def _on_connect(
        self, client: paho.Client, data: Any, flags: Any, code: ReasonCode, properties: Any
    ) -> None:
        self._greeted = not code.is_failure
        if code.is_failure:
            self._tell(self._down, _refusal(code))
        else:
            self._tell(self._up)

    def _on_connect_fail(self, client: paho.Client, data: Any) -> None:
        self._tell(self._down, "the broker cannot be reached")

    def _on_disconnect(
        self, client: paho.Client, data: Any, flags: Any, code: ReasonCode, properties: Any
    ) -> None:
        if self._greeted:  # after a refusal, the cause is that
            self._greeted = False
            self._tell(self._down, "the connection is lost")

    def _on_publish(
        self, client: paho.Client, data: Any, mid: int, code: Any, properties: Any
    ) -> None:
        self._tell(self._settle, mid)

    def _tell(self, call: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left
            self._loop.call_soon_threadsafe(call, *arguments)

    # --- on the event loop -------------------------------------------------------------------

    def _settle(self, mid: int) -> None:
        accepted = self._waiting.pop(mid, None)
        if accepted is None:
            self._early.add(mid)
        else:
            accepted()


def _nothing() -> None:
    """Nobody asked."""


def _refusal(code: ReasonCode) -> str:
    if code.getName() in LOGIN_REFUSED:
        return "the broker refuses the login: check `username` and `password`"
    return f"the broker refuses the connection: {code.getName()}"
