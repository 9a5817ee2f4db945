"""Alerts to an MQTT broker at least once, and how each stream stands, retained.

After each connecting every stream's state is told anew, so that a broker that has forgotten
everything knows it again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.core.types import DetectionResult, Health, Outgoing
from streammon.sinks.mqtt import MqttConfig
from streammon.sinks.mqtt_link import MqttLink
from streammon.sinks.mqtt_states import RetainedStates, Topics
from streammon.sinks.wire import rfc3339

log = logging.getLogger(__name__)

ONLINE, OFFLINE = b"online", b"offline"


class MqttSink:
    """Satisfies `ports.Sink` and `ports.DurableSink`."""

    def __init__(
        self, name: str, config: MqttConfig, *, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.name = name
        self._config = config
        self._topics = Topics(config.topic_prefix.rstrip("/"))
        self._states = RetainedStates(config, self._topics)
        self._link: MqttLink | None = None
        self._is_up = False
        self._cause = "no broker answers"
        self._on_way: set[int] = set()
        """Numbers of the alerts that are sent and not accepted yet."""
        self._accepted: set[int] = set()
        """Of the batch that is being delivered."""
        self._stirred = asyncio.Event()
        self._born = rfc3339(wall_ns())
        """Alerts from before belong to an earlier run: their incidents are not open any more."""

    async def __aenter__(self) -> Self:
        """Returns at once: the broker may be away. Raises `Permanent` for certificates that
        cannot be read.
        """
        self._on_way.clear()
        self._accepted.clear()
        self._link = MqttLink(
            self._config,
            will=(self._topics.availability, OFFLINE),
            tls=_tls(self._config),
            up=self._connected,
            down=self._disconnected,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell what is left and say goodbye, if the broker still listens."""
        link, self._link = self._link, None
        if link is None:
            return
        try:
            if self._is_up:
                await self._say_goodbye(link, patient=error is None)
        finally:
            self._is_up = False
            self._states.disconnected()
            await link.close()

    async def _say_goodbye(self, link: MqttLink, *, patient: bool) -> None:
        said = asyncio.Event()
        self._states.finish()
        link.publish(self._topics.availability, OFFLINE, retain=True, accepted=said.set)
        if not patient:
            return
        try:
            await asyncio.wait_for(said.wait(), self._config.timeout_s)
        except TimeoutError:
            log.warning("mqtt_goodbye_unheard", extra={"sink": self.name})

    def wants(self, item: Outgoing) -> bool:
        """Results and the health of streams: they make up how a stream stands."""
        if isinstance(item, Health):
            return item.stream is not None
        return isinstance(item, DetectionResult)

    async def deliver(self, item: Outgoing) -> None:
        """Take note; never waits for the broker, which gets the newest state when it can."""
        if isinstance(item, DetectionResult):
            self._states.hear_result(item)
        elif isinstance(item, Health) and item.stream is not None:
            self._states.hear_health(item.stream, item)

    async def deliver_alerts(self, batch: Sequence[StoredAlert]) -> None:
        """Return once the broker has accepted every alert (QoS 1). Raises `Retryable`."""
        chosen: list[StoredAlert] = []
        for alert in batch:
            said: Mapping[str, Any] = json.loads(alert.body)
            if said.get("time", self._born) >= self._born:
                self._states.hear_alert(alert.stream, said)
            if self._config.choose.takes(said):
                chosen.append(alert)
        for alert in chosen:
            self._send(alert)
        wanted = {alert.seq for alert in chosen}
        try:
            async with asyncio.timeout(self._config.timeout_s):
                while not wanted <= self._accepted:
                    self._stirred.clear()
                    await self._stirred.wait()
        except TimeoutError:
            if waiting := len(wanted - self._accepted):  # none: we were held up, the broker was not
                cause = "the broker does not answer" if self._is_up else self._cause
                raise Retryable(
                    f"{self._config.host}:{self._config.port}: {waiting} alerts wait: {cause}"
                ) from None
        self._accepted.clear()

    def _send(self, alert: StoredAlert) -> None:
        """Once: what is on its way when its batch comes again is waited for."""
        assert self._link is not None, "delivered outside of its context"
        if alert.seq in self._on_way or alert.seq in self._accepted:
            return
        self._on_way.add(alert.seq)
        self._link.publish(
            self._topics.of(alert.stream, "alerts"),
            alert.body,
            accepted=partial(self._was_accepted, alert.seq),
        )

    def _was_accepted(self, seq: int) -> None:
        self._on_way.discard(seq)
        self._accepted.add(seq)
        self._stirred.set()

    # --- the connection ----------------------------------------------------------------------

    def _connected(self) -> None:
        if self._link is None:
            return
        self._is_up = True
        log.info("mqtt_connected", extra={"sink": self.name})
        self._link.publish(self._topics.availability, ONLINE, retain=True)
        self._states.connected(self._link)

    def _disconnected(self, cause: str) -> None:
        self._cause = cause
        if self._is_up:
            log.warning("mqtt_disconnected", extra={"sink": self.name, "cause": cause})
        self._is_up = False
        self._states.disconnected()


def _tls(config: MqttConfig) -> ssl.SSLContext | None:
    if not config.tls:
        return None
    try:
        return ssl.create_default_context(cafile=config.ca_file and str(config.ca_file))
    except (OSError, ssl.SSLError) as error:
        raise Permanent(f"ca_file {config.ca_file} cannot be used: {error}") from error
