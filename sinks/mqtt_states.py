"""How each stream stands, at an MQTT broker: told as retained messages, and cleared there again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from streammon.core.types import DetectionResult, Health, HealthState, StreamId
from streammon.sinks.home_assistant import discovery, discovery_topics
from streammon.sinks.mqtt import MqttConfig
from streammon.sinks.mqtt_link import MqttLink
from streammon.sinks.stream_standing import Standings
from streammon.sinks.wire import dumps


@dataclass(frozen=True, slots=True)
class Topics:
    """Where what is said of a stream goes, below one prefix."""

    prefix: str

    @property
    def availability(self) -> str:
        return f"{self.prefix}/availability"

    def of(self, stream: StreamId, kind: str) -> str:
        """A stream may be called anything: what topics cannot hold is percent-encoded."""
        return f"{self.prefix}/streams/{quote(stream, safe='', errors='replace')}/{kind}"


class RetainedStates:
    """What was heard is told at once, then at most every `state_every_s`, while there is a link.

    Of streams that are over only the newest stay: calls come for ever, each by a name of its own.
    """

    def __init__(self, config: MqttConfig, topics: Topics) -> None:
        self._config = config
        self._topics = topics
        self._streams = Standings()
        self._link: MqttLink | None = None
        self._changed: set[StreamId] = set()
        self._told: set[StreamId] = set()
        """What the broker keeps of us, whether or not it can be reached now."""
        self._introduced: set[StreamId] = set()
        self._next_tell: asyncio.TimerHandle | None = None

    # --- what is heard -----------------------------------------------------------------------

    def hear_result(self, result: DetectionResult) -> None:
        standing = self._streams.of(result.stream)
        if standing is not None and standing.hear_result(result):
            self._touch(result.stream)

    def hear_health(self, stream: StreamId, health: Health) -> None:
        if self._streams.hear_health(stream, health):
            self._touch(stream)

    def hear_alert(self, stream: StreamId, said: Mapping[str, Any]) -> None:
        """`said`: as it is on the wire."""
        standing = self._streams.of(stream)
        if standing is not None and standing.hear_alert(said):
            self._touch(stream)

    # --- the connection ----------------------------------------------------------------------

    def connected(self, link: MqttLink) -> None:
        """From now on they are told there; all of them at first: it may have forgotten them."""
        self._link = link
        self._introduced.clear()
        self._changed.update(self._streams)
        self._tell_changes()

    def disconnected(self) -> None:
        """Until it is there again nothing is told."""
        self._link = None
        self._tell_no_more()

    def finish(self) -> None:
        """Tell what is left, now, and nothing more."""
        self._tell_changes()
        self.disconnected()

    # --- telling -----------------------------------------------------------------------------

    def _touch(self, stream: StreamId) -> None:
        """Tell it now, or with others once the last telling is long enough ago."""
        self._changed.add(stream)
        while (surplus := self._streams.surplus()) is not None:
            self._forget(surplus)
        if self._next_tell is None:
            self._tell_changes()

    def _forget(self, stream: StreamId) -> None:
        """The broker is to keep nothing of it, once it can be told."""
        self._streams.forget(stream)
        self._introduced.discard(stream)
        if stream in self._told:
            self._changed.add(stream)
        else:
            self._changed.discard(stream)

    def _tell_changes(self) -> None:
        if self._link is None:
            return
        changed, self._changed = self._changed, set()
        for stream in changed:
            self._tell(self._link, stream)
        self._tell_no_more()
        if changed:
            loop = asyncio.get_running_loop()
            self._next_tell = loop.call_later(self._config.state_every_s, self._tell_again)

    def _tell_no_more(self) -> None:
        if self._next_tell is not None:
            self._next_tell.cancel()
        self._next_tell = None

    def _tell_again(self) -> None:
        self._next_tell = None
        self._tell_changes()

    def _tell(self, link: MqttLink, stream: StreamId) -> None:
        standing, topic = self._streams.known(stream), self._topics.of(stream, "state")
        hass = self._config.home_assistant
        ends = hass is not None and hass.forget_ended
        if standing is not None and ends and standing.health == HealthState.ENDED:
            self._streams.forget(stream)
            standing = None
        if standing is None:
            self._clear(link, stream)
            return
        self._told.add(stream)
        if hass is not None and stream not in self._introduced:
            self._introduced.add(stream)
            found = discovery(hass, stream, topic, self._topics.availability)
            for place, payload in found.items():
                link.publish(place, payload, retain=True)
        link.publish(topic, dumps(standing.told()), retain=True)

    def _clear(self, link: MqttLink, stream: StreamId) -> None:
        """An empty retained message takes away what was retained."""
        hass = self._config.home_assistant
        entities = () if hass is None else discovery_topics(hass, stream).values()
        for each in (*entities, self._topics.of(stream, "state")):
            link.publish(each, b"", retain=True)
        self._told.discard(stream)
        self._introduced.discard(stream)
