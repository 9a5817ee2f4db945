"""Verdicts of calls, posted to an HTTP server that takes them, refuses them, or is away."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest
from pydantic import ValidationError

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.core.signatures import webhook_signature
from streammon.core.types import DetectionResult, Health, HealthState, StreamId
from streammon.sinks.verdict_webhook import VerdictWebhook, VerdictWebhookConfig
from streammon.sinks.wire import dumps, to_wire
from tests.answering import Answer, Answering, answering
from tests.fakes import a_result
from tests.outgoing import an_alert

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STREAM = StreamId("phone.CA1.inbound")
NOW_NS = 1_614_265_330 * 10**9


@pytest.fixture
def peer() -> Generator[Answering]:
    with answering(lambda asked: Answer()) as server:
        yield server


def a_sink(peer: Answering, **settings: object) -> VerdictWebhook:
    given = {"url": peer.url + "/verdicts", "after_windows": 4, **settings}
    config = VerdictWebhookConfig.model_validate(given)
    return VerdictWebhook("verdicts", config, wall_ns=lambda: NOW_NS)


def window(confidence: float | None, **more: object) -> DetectionResult:
    said = {"confidence": None, "abstained": "music"} if confidence is None else {
        "confidence": confidence, "is_ai_generated": confidence > 0.8,
    }  # fmt: skip
    return a_result(
        **{"stream": STREAM, "kind": "voice_spoof", "details": {"band": "telephone"}} | said | more
    )


def ended(stream: StreamId = STREAM) -> Health:
    return Health(f"stream:{stream}", HealthState.ENDED, "read to its end", 0, stream)


def opened(number: int = 0) -> StoredAlert:
    alert = an_alert(number, stream=STREAM, kind="voice_spoof")
    return StoredAlert(number + 1, alert.alert_id, STREAM, dumps(to_wire(alert, wall=None)))


async def test_a_verdict_has_the_words_that_call_flows_expect(peer: Answering) -> None:
    async with a_sink(peer, secret=SECRET) as sink:
        for confidence in (0.95, None, 0.9, 0.85, 0.5):
            await sink.deliver(window(confidence))
    (asked,) = peer.asked
    said = asked.json()["data"]
    assert said["event_type"] == "call.deepfake_detection.result"
    assert said["occurred_at"] == "2021-02-25T15:02:10.000Z"
    assert said["payload"] == {
        "call_id": "CA1",
        "track": "inbound",
        "stream": STREAM,
        "result": "fake",
        "score": 0.8,
        "consistency": 75.0,
        "windows": 4,
        "band": "telephone",
    }
    ours = webhook_signature(
        SECRET,
        message_id=said["id"],
        timestamp=asked.headers["webhook-timestamp"],
        body=asked.body,
    )
    assert asked.headers["webhook-id"] == said["id"]
    assert asked.headers["webhook-signature"] == ours


async def test_a_verdict_is_told_once_and_again_when_it_changes(peer: Answering) -> None:
    async with a_sink(peer) as sink:
        for _ in range(8):
            await sink.deliver(window(0.1))
        await sink.deliver_alerts([opened()])
        await sink.deliver_alerts([opened(), opened()])
        await sink.deliver(ended())
    told = [asked.json()["data"]["payload"]["result"] for asked in peer.asked]
    assert told == ["real", "fake"]


async def test_a_call_of_which_nothing_could_be_judged_is_inconclusive(peer: Answering) -> None:
    async with a_sink(peer) as sink:
        await sink.deliver(window(0.1))
        await sink.deliver(window(None))
        await sink.deliver(ended())
        await sink.deliver(ended(StreamId("phone.CA2.inbound")))
    payloads = [asked.json()["data"]["payload"] for asked in peer.asked]
    assert [each["result"] for each in payloads] == ["inconclusive", "inconclusive"]
    assert [each["score"] for each in payloads] == [0.1, None]


async def test_windows_that_are_judged_after_the_end_still_count(peer: Answering) -> None:
    async with a_sink(peer, least_windows=2) as sink:
        await sink.deliver(window(0.95))
        await sink.deliver(ended())
        await sink.deliver(window(0.95))
        starting = Health(f"stream:{STREAM}", HealthState.STARTING, "", 0, STREAM)
        assert sink.wants(starting)
        await sink.deliver(starting)
        await sink.deliver(ended())
    told = [asked.json()["data"]["payload"] for asked in peer.asked]
    assert [each["result"] for each in told] == ["inconclusive", "fake", "inconclusive"]
    assert [each["windows"] for each in told] == [1, 2, 0]


def test_only_calls_of_the_named_sources_are_wanted(peer: Answering) -> None:
    sink = a_sink(peer, streams=["phone"])
    assert sink.wants(window(0.5))
    assert sink.wants(ended())
    assert not sink.wants(window(0.5, stream=StreamId("phones.CA1.inbound")))
    assert not sink.wants(window(0.5, kind="freeze"))
    assert not sink.wants(Health("scheduler", HealthState.UP, "", 0))
    assert not sink.wants(Health(f"stream:{STREAM}", HealthState.UP, "", 0, STREAM))


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(status=503), Answer(status=429), Answer(closes=True), Answer(hangs=True),
        Answer(trickles=True),
    ],
)  # fmt: skip
async def test_a_peer_that_is_away_is_tried_again_with_the_same_letter(
    peer: Answering, trouble: Answer
) -> None:
    peer.answer = lambda asked: trouble
    item = ended()
    sink = a_sink(peer, timeout_s=1.0 if trouble.hangs or trouble.trickles else 20.0)
    for _ in range(2):
        with pytest.raises(Retryable) as caught:
            async with sink:
                await sink.deliver(item)
        assert "verdicts" not in str(caught.value)
    async with asyncio.timeout(10.0):
        while len(peer.asked) < 2:  # noqa: ASYNC110 - what was given up may be read late there
            await asyncio.sleep(0.01)
    peer.answer = lambda asked: Answer()
    async with sink:
        await sink.deliver(item)
    assert len({asked.body for asked in peer.asked}) == 1
    assert len(peer.asked) == 3


async def test_a_letter_that_is_never_taken_is_given_up_after_stated_tries(
    peer: Answering, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answer = lambda asked: Answer(status=500)
    item = ended()
    async with a_sink(peer, most_tries=3) as sink:
        for _ in range(2):
            with pytest.raises(Retryable):
                await sink.deliver(item)
        await sink.deliver(item)
        peer.answer = lambda asked: Answer()
        await sink.deliver(ended(StreamId("phone.CA2.inbound")))
    assert len(peer.asked) == 4
    assert [each.message for each in caplog.records] == ["verdict_given_up"]


async def test_windows_and_alerts_that_come_at_once_lose_no_letter_and_send_none_twice(
    peer: Answering,
) -> None:
    """A monitor delivers both from tasks of their own."""
    other, calls = StreamId("phone.CA2.inbound"), StreamId("phone.CA3.inbound")
    peer.answer = lambda asked: Answer(after_s=0.1)
    async with a_sink(peer) as sink, asyncio.TaskGroup() as group:
        group.create_task(sink.deliver(ended(other)))
        group.create_task(sink.deliver_alerts([opened()]))
        group.create_task(sink.deliver(ended(calls)))
    told = [asked.json()["data"]["payload"]["stream"] for asked in peer.asked]
    assert sorted(told) == [STREAM, other, calls]
    assert peer.most_at_once == 1


@pytest.mark.parametrize("status", [301, 401, 404, 410])
async def test_a_peer_that_refuses_needs_a_person(peer: Answering, status: int) -> None:
    peer.answer = lambda asked: Answer(status=status)
    async with asyncio.timeout(20.0), a_sink(peer) as sink:
        with pytest.raises(Permanent, match=f"answered {status}: check"):
            await sink.deliver(ended())


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://example.org/x"}, {"url": "ftp://127.0.0.1/"}, {"url": "x"},
        {"secret": "whsec_hunter2!"}, {"streams": []}, {"most_tries": 0},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        VerdictWebhookConfig.model_validate({"url": "https://example.org/k3y", **change})
    told = " ".join(problem["msg"] for problem in caught.value.errors())  # all that config shows
    assert "k3y" not in told
    assert "hunter2" not in told
