"""Alerts and states at a real MQTT broker that is killed, frozen, restarted, or shuts us out."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.core.types import AlertState, Health, HealthState, StreamId
from streammon.flow.supervise import Backoff
from streammon.sinks.mqtt import MqttConfig
from streammon.sinks.mqtt_sink import MqttSink
from streammon.sinks.outbox import MEMORY, Outbox, pump
from streammon.sinks.stream_standing import MOST_OVER
from tests.fakes import Reports, a_result
from tests.loopback.mosquitto import PASSWORD, USER, Broker, Listener, a_broker, needs_mosquitto
from tests.outgoing import a_row, stored

pytestmark = needs_mosquitto
CLOCK = MonotonicClock()
CAM = StreamId("cam")
STATE, ALERTS = "streammon/streams/cam/state", "streammon/streams/cam/alerts"
AVAILABLE = "streammon/availability"
CALL = "phone.CA1%2F%2B%23%C3%A9"
"""A stream of an odd name as a topic has it."""
BLANK = b'{"health":"up","kinds":[],"problem":"OFF","score":null,"scores":{},"severity":"none"}'


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with a_broker(tmp_path) as running:
        yield running


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    with Listener(broker) as listening:
        yield listening


def a_sink(broker: Broker, **settings: Any) -> MqttSink:
    given = {"port": broker.port, "username": USER, "password": PASSWORD, "state_every_s": 0.05}
    return MqttConfig.model_validate({**given, **settings}).build("mqtt")


def health(state: HealthState, stream: StreamId = CAM) -> Health:
    return Health(f"stream:{stream}", state, "", 0, stream)


@asynccontextmanager
async def pumping(sink: MqttSink, reports: Reports) -> AsyncGenerator[Outbox]:
    """An outbox whose alerts go to the sink; ends when all are accepted."""
    async with (
        asyncio.timeout(50.0),
        Outbox(OutboxConfig(), MEMORY, clock=CLOCK) as outbox,
        sink,
        asyncio.TaskGroup() as group,
    ):
        await outbox.join("mqtt")
        backoff = Backoff(first_s=0.05, most_s=0.1)
        task = group.create_task(
            pump(outbox, "mqtt", sink, clock=CLOCK, report=reports, backoff=backoff)
        )
        yield outbox
        await outbox.settled()
        task.cancel()


async def test_alerts_come_in_order_and_a_stream_stands_retained(
    broker: Broker, listener: Listener
) -> None:
    async with a_sink(broker) as sink:
        await listener.until(AVAILABLE, b"online")
        await sink.deliver(health(HealthState.UP))
        await sink.deliver(a_result(stream=CAM, kind="freeze", confidence=0.934))
        await sink.deliver_alerts([stored(number) for number in range(1, 300)])
        await listener.until(
            STATE,
            b'{"health":"up","kinds":["freeze"],"problem":"ON","score":0.93,'
            b'"scores":{"freeze":0.93},"severity":"warning"}',
        )
        await sink.deliver_alerts([stored(300, state=AlertState.CLOSED)])
        await listener.until(
            STATE,
            b'{"health":"up","kinds":[],"problem":"OFF","score":0.93,'
            b'"scores":{"freeze":0.93},"severity":"none"}',
        )
        await sink.deliver(health(HealthState.ENDED))
    await listener.until(AVAILABLE, b"offline")
    said = [json.loads(body)["alert_id"] for body in listener.at(ALERTS)]
    assert said == [f"alert-{number}" for number in range(1, 301)]
    assert json.loads(listener.at(STATE)[-1])["health"] == "ended"
    with Listener(broker, name="late") as late:
        await late.until(AVAILABLE, b"offline")
        await late.until(STATE, listener.at(STATE)[-1])
        assert len(late.at(STATE)) == 1
        assert late.at(ALERTS) == []


async def test_a_killed_monitor_is_offline_by_its_last_will(
    broker: Broker, listener: Listener
) -> None:
    async with a_sink(broker) as sink:
        await listener.until(AVAILABLE, b"online")
        await _break_off(sink, listener)


async def _break_off(sink: Any, listener: Listener) -> None:
    """Returns once it is there again."""
    before = len(listener.heard)
    sink._link._client.socket().shutdown(2)  # as the kernel does for a dead process
    await listener.in_turn(AVAILABLE, b"offline", b"online", since=before)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_broker_that_goes_and_comes_back_gets_everything(
    broker: Broker, listener: Listener, how: signal.Signals
) -> None:
    reports = Reports()
    async with pumping(a_sink(broker, timeout_s=0.5), reports) as outbox:
        for number in range(60):
            if number in {20, 40}:
                if how is signal.SIGKILL:  # what it accepted and told nobody dies with it
                    await _until_heard(listener, number)
                broker.stop(how)
            if number in {30, 50}:
                broker.start()
            await outbox.append(a_row(number))
            await asyncio.sleep(0.01)
    await _until_heard(listener, 60)
    firsts = list(dict.fromkeys(json.loads(body)["alert_id"] for body in listener.at(ALERTS)))
    assert firsts == [f"alert-{number}" for number in range(60)], "each, in order"
    await listener.until(AVAILABLE, b"offline")


async def _until_heard(listener: Listener, count: int) -> None:
    async with asyncio.timeout(20.0):
        while len(set(listener.at(ALERTS))) < count:  # noqa: ASYNC110 - on another thread
            await asyncio.sleep(0.01)


async def test_a_frozen_broker_is_waited_for(broker: Broker, listener: Listener) -> None:
    reports = Reports()
    async with pumping(a_sink(broker, timeout_s=0.3), reports) as outbox:
        await listener.until(AVAILABLE, b"online")
        broker.freeze()
        for number in range(30):
            await outbox.append(a_row(number))
        async with asyncio.timeout(10.0):
            while not reports:  # noqa: ASYNC110 - no event tells this
                await asyncio.sleep(0.01)
        broker.thaw()
    assert reports[0][0] is HealthState.RETRYING
    assert "the broker does not answer" in reports[0][1]
    await _until_heard(listener, 30)


async def test_a_broker_that_shuts_us_out_says_what_to_check(broker: Broker) -> None:
    async with a_sink(broker, password="wrong", timeout_s=0.5) as sink:
        cause = await _until_told(sink, "check `username` and `password`", stored(1))
    assert "wrong" not in cause


async def _until_told(sink: MqttSink, words: str, *alerts: StoredAlert) -> str:
    """The cause that holds these words, once it is the one that is given."""
    async with asyncio.timeout(20.0):
        while True:
            with pytest.raises(Retryable) as caught:
                await sink.deliver_alerts(alerts)
            if words in str(caught.value):
                return str(caught.value)


async def test_nobody_there_is_said(broker: Broker) -> None:
    broker.stop()
    async with a_sink(broker, timeout_s=0.5) as sink:
        await sink.deliver(health(HealthState.UP))
        cause = await _until_told(sink, "the broker cannot be reached", stored(1), stored(2))
    assert cause.startswith(f"127.0.0.1:{broker.port}: 2 alerts wait: ")


# The library leaves the socket of a handshake that failed to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_tls_is_checked(broker: Broker, listener: Listener, tmp_path: Path) -> None:
    secured = {"host": "localhost", "port": broker.tls_port, "tls": True}
    async with a_sink(broker, **secured, ca_file=broker.certificate) as sink:
        await sink.deliver_alerts([stored(1)])
    await _until_heard(listener, 1)
    async with a_sink(broker, **secured, timeout_s=0.5) as sink:
        await _until_told(sink, "cannot be reached", stored(2))
    with pytest.raises(Permanent, match="ca_file"):
        async with a_sink(broker, **secured, ca_file=tmp_path / "none.pem"):
            pass


async def test_incidents_of_an_earlier_run_do_not_stand(broker: Broker, listener: Listener) -> None:
    old = stored(1)
    body = old.body[:-1] + b',"time":"2001-01-01T00:00:00.000Z"}'
    async with a_sink(broker) as sink:
        await sink.deliver(health(HealthState.UP))
        await sink.deliver_alerts([type(old)(1, old.alert_id, CAM, body)])
        await _until_heard(listener, 1)
    await listener.until(AVAILABLE, b"offline")
    assert json.loads(listener.newest()[STATE])["problem"] == "OFF"


async def test_home_assistant_finds_each_stream_and_forgets_calls_that_ended(
    broker: Broker, listener: Listener
) -> None:
    call = StreamId("phone.CA1/+#\u00e9")
    async with a_sink(broker, home_assistant={"forget_ended": True}) as sink:
        await sink.deliver(health(HealthState.UP))
        await sink.deliver(health(HealthState.UP, call))
        await listener.until(AVAILABLE, b"online")
        problem = "homeassistant/binary_sensor/streammon/cam/config"
        async with asyncio.timeout(10.0):
            while len(listener.newest()) < 7:  # noqa: ASYNC110 - on another thread
                await asyncio.sleep(0.01)
        configs = {
            topic: json.loads(payload)
            for topic, payload in listener.newest().items()
            if topic.startswith("homeassistant/")
        }
        assert configs[problem]["state_topic"] == STATE
        assert configs[problem]["availability"][0] == {"topic": AVAILABLE}
        assert len({each["unique_id"] for each in configs.values()}) == 4
        await sink.deliver(health(HealthState.ENDED, call))
        async with asyncio.timeout(10.0):
            while sum(not payload for payload in listener.newest().values()) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        # Windows that were begun before are judged after the end, and incidents are closed then.
        await sink.deliver(a_result(stream=call, kind="freeze", confidence=0.9))
        await sink.deliver_alerts([stored(7, state=AlertState.CLOSED, stream=call)])
        await _break_off(sink, listener)
        await sink.deliver(health(HealthState.DEGRADED))
        await listener.until(STATE, BLANK.replace(b"up", b"degraded"))
        gone_now = {topic for topic, payload in listener.newest().items() if not payload}
        assert len(gone_now) == 3
        await sink.deliver(health(HealthState.UP, call))  # the same name calls again
        async with asyncio.timeout(10.0):
            while any(not payload for payload in listener.newest().values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await sink.deliver(health(HealthState.ENDED, call))
    await listener.until(f"streammon/streams/{CALL}/state", b"")
    gone = {topic for topic, payload in listener.newest().items() if not payload}
    assert gone == {
        f"streammon/streams/{CALL}/state",
        *(topic for topic in configs if "phone" in topic),
    }


async def test_of_calls_that_are_over_the_broker_keeps_the_newest(
    broker: Broker, listener: Listener
) -> None:
    async with a_sink(broker, home_assistant={}) as sink:
        await listener.until(AVAILABLE, b"online")
        await sink.deliver(health(HealthState.UP))
        await _calls(sink, range(3))
        await listener.until("streammon/streams/call-2/state", BLANK.replace(b"up", b"ended"))
        broker.stop(signal.SIGTERM)  # it keeps what is retained, and cannot be told
        async with asyncio.timeout(10.0):
            while sink._is_up:  # noqa: ASYNC110 - on another thread
                await asyncio.sleep(0.01)
        await _calls(sink, range(3, MOST_OVER + 2))
        broker.start()
        await listener.until("streammon/streams/call-0/state", b"")
        await _calls(sink, [MOST_OVER + 2])
        await listener.until("streammon/streams/call-2/state", b"")
    await listener.until(AVAILABLE, b"offline")
    with Listener(broker, name="late") as late:
        async with asyncio.timeout(10.0):  # each with its two entities
            while len(late.newest()) < 3 * (MOST_OVER + 1) + 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        kept = {topic for topic in late.newest() if "call-" in topic}
        assert json.loads(late.newest()[STATE])["health"] == "up"
    assert len(kept) == 3 * MOST_OVER
    assert not any(f"call-{number}/" in topic for topic in kept for number in range(3))


async def _calls(sink: MqttSink, numbers: Iterable[int]) -> None:
    for number in numbers:
        call = StreamId(f"call-{number}")
        await sink.deliver(health(HealthState.UP, call))
        await sink.deliver(health(HealthState.ENDED, call))
