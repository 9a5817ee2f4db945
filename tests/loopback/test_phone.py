"""Phone calls over real WebSockets.

The peer is a fake written from the providers' documents (`tests/phone_calls.py`): that a real
Twilio or Telnyx talks like it was not tried.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent
from streammon.core.ports import Source, SourceContext
from streammon.core.types import AudioChunk, StreamId
from streammon.detectors.voice_spoof import VoiceSpoofConfig
from streammon.ingest.calls import phone
from streammon.ingest.calls.phone import PhoneConfig, PhoneLine
from tests.fakes import Reports, WantAll, a_window
from tests.phone_calls import (
    CALL,
    PUBLIC_URL,
    TOKEN,
    Telnyx,
    Twilio,
    both_tracks,
    swapped,
    tone,
    without,
)
from tests.speech import speech

SOON_S = 20.0
INBOUND = StreamId(f"phone.{CALL}.inbound")


def a_line(**settings: object) -> PhoneLine:
    given = {
        "provider": "twilio",
        "public_url": PUBLIC_URL,
        "auth_token": TOKEN,
        "port": 0,
        **settings,
    }
    return PhoneConfig.model_validate(given).build(StreamId("phone"))


@asynccontextmanager
async def opened(line: PhoneLine) -> AsyncGenerator[AsyncIterator[Source]]:
    async with asyncio.timeout(SOON_S), line.arrivals() as arriving:
        yield arriving


@asynccontextmanager
async def calling(line: PhoneLine, peer: Twilio) -> AsyncGenerator[ClientConnection]:
    url = f"ws://127.0.0.1:{line.port}/calls"
    async with connect(url, additional_headers=peer.headers()) as connection:
        yield connection


async def say(connection: ClientConnection, messages: Iterable[str | bytes]) -> None:
    for message in messages:
        await connection.send(message)


async def heard(source: Source) -> list[AudioChunk]:
    """All of it, to the end of the call."""
    context = SourceContext(WantAll(), MonotonicClock(), Reports())
    async with source.open(context) as items:
        return [item async for item in items if isinstance(item, AudioChunk)]


async def the_call(line: PhoneLine, peer: Twilio, messages: Iterable[str]) -> list[AudioChunk]:
    """The inbound track of one whole call."""
    async with opened(line) as arriving:
        async with calling(line, peer) as connection:
            await say(connection, [*peer.opening(), *messages])
        source = await anext(arriving)
        chunks = await heard(source)
        line.left(source.stream)
        return chunks


@pytest.mark.parametrize(("provider", "peer"), [("twilio", Twilio()), ("telnyx", Telnyx())])
async def test_what_the_caller_says_is_heard_as_a_telephone_has_it(
    provider: str, peer: Twilio
) -> None:
    said = tone(2.0)
    messages = [*peer.media(said), peer.dtmf("5"), peer.mark(), peer.stop()]
    chunks = await the_call(a_line(provider=provider), peer, messages)
    pcm = np.concatenate([chunk.pcm for chunk in chunks])
    assert len(pcm) == pytest.approx(2 * 16_000, abs=40)
    assert {chunk.stream for chunk in chunks} == {INBOUND}
    assert {(chunk.rate_hz, chunk.source_rate_hz) for chunk in chunks} == {(16_000, 8_000)}
    assert [chunk.seq for chunk in chunks] == list(range(len(chunks)))
    spectrum = np.abs(np.fft.rfft(pcm[:16_000]))
    assert np.argmax(spectrum) == 440
    assert np.abs(pcm).max() == pytest.approx(8_000 / 32_768, rel=0.05)


async def test_each_track_is_a_stream_on_the_calls_one_clock() -> None:
    line, peer = a_line(), Twilio()
    both = both_tracks(peer.media(tone(1.0, 300.0)), peer.media(tone(1.0, 900.0), "outbound"))
    async with opened(line) as arriving:
        async with calling(line, peer) as connection:
            await say(connection, [*peer.opening(), *both, peer.stop()])
        sources = [await anext(arriving), await anext(arriving)]
        assert [source.stream for source in sources] == [INBOUND, f"phone.{CALL}.outbound"]
        for source, pitch_hz in zip(sources, (300.0, 900.0), strict=True):
            chunks = await heard(source)
            assert chunks[0].media_s == 0.0
            pcm = np.concatenate([chunk.pcm for chunk in chunks])
            assert np.argmax(np.abs(np.fft.rfft(pcm[:16_000]))) == pytest.approx(pitch_hz, abs=2)


async def test_a_track_that_nobody_listens_to_is_no_stream() -> None:
    line, peer = a_line(tracks=["outbound"]), Twilio()
    both = both_tracks(peer.media(tone(0.2)), peer.media(tone(0.2), "outbound"))
    async with opened(line) as arriving:
        async with calling(line, peer) as connection:
            await say(connection, [*peer.opening(), *both, peer.stop()])
        assert (await anext(arriving)).stream == f"phone.{CALL}.outbound"


async def test_pieces_that_changed_places_are_put_back() -> None:
    peer = Twilio()
    straight = await the_call(a_line(), peer, [*peer.media(tone(1.0)), peer.stop()])
    peer = Twilio()
    mixed = swapped(peer.media(tone(1.0)), range(1, 40, 5))
    again = await the_call(a_line(), peer, [*mixed, peer.stop()])
    assert np.array_equal(
        np.concatenate([chunk.pcm for chunk in straight]),
        np.concatenate([chunk.pcm for chunk in again]),
    )


async def test_what_the_network_lost_is_a_gap_in_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    peer = Twilio()
    lossy = without(peer.media(tone(2.0)), range(30, 55))
    chunks = await the_call(a_line(), peer, [*lossy, peer.stop()])
    total_s = sum(chunk.duration_s for chunk in chunks)
    assert total_s == pytest.approx(1.5, abs=0.02)
    assert chunks[-1].media_s + chunks[-1].duration_s == pytest.approx(2.0, abs=0.02)
    (ended,) = [each for each in caplog.records if each.message == "call_track_ended"]
    assert ended.__dict__["lost"] == 25


async def test_pieces_that_come_twice_are_heard_once() -> None:
    peer = Twilio()
    messages = [each for each in peer.media(tone(1.0)) for _ in range(2)]
    chunks = await the_call(a_line(), peer, [*messages, peer.stop()])
    assert sum(chunk.duration_s for chunk in chunks) == pytest.approx(1.0, abs=0.02)


async def test_a_call_that_stops_without_media_is_no_stream() -> None:
    line, peer = a_line(), Twilio()
    async with opened(line) as arriving:
        async with calling(line, peer) as connection:
            await say(connection, [*peer.opening(), peer.stop()])
            await connection.wait_closed()
        await say_one_whole_call(line, other := Twilio("CA1"))
        assert (await anext(arriving)).stream == f"phone.{other.call}.inbound"


async def say_one_whole_call(line: PhoneLine, peer: Twilio) -> None:
    async with calling(line, peer) as connection:
        await say(connection, [*peer.opening(), *peer.media(tone(0.2)), peer.stop()])
        await connection.wait_closed()


async def test_a_connection_that_breaks_ends_the_stream_with_what_came() -> None:
    line, peer = a_line(), Twilio()
    async with opened(line) as arriving:
        async with calling(line, peer) as connection:
            await say(connection, [*peer.opening(), *peer.media(tone(1.0))])
            source = await anext(arriving)
            connection.transport.abort()
        chunks = await heard(source)
    assert 0 < sum(chunk.duration_s for chunk in chunks) <= 1.01


async def test_a_call_that_comes_twice_at_once_is_refused_and_again_later_is_taken() -> None:
    line, peer = a_line(), Twilio()
    async with opened(line) as arriving:
        async with calling(line, peer) as first:
            await say(first, [*peer.opening(), *peer.media(tone(0.4))])
            source = await anext(arriving)
            async with calling(line, peer) as second:
                await say(second, peer.opening())
                await second.wait_closed()
                assert (second.close_code, second.close_reason) == (
                    1008, "this call is streamed already",
                )  # fmt: skip
            await say(first, [peer.stop()])
            await first.wait_closed()
        await heard(source)
        line.left(source.stream)
        await say_one_whole_call(line, Twilio())
        assert (await anext(arriving)).stream == INBOUND


async def test_one_call_too_many_is_told_to_come_later() -> None:
    line = a_line(most_calls=2)
    async with opened(line), calling(line, Twilio("CA1")) as first, calling(line, Twilio("CA2")):
        with pytest.raises(InvalidStatus) as caught:
            async with calling(line, Twilio("CA3")):
                pass
        assert caught.value.response.status_code == 503
        await say(first, [Twilio("CA1").stop()])
        await first.wait_closed()
        async with calling(line, Twilio("CA3")) as third:
            await third.ping()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/calls", {}, 403),
        ("/calls", {"X-Twilio-Signature": "forged"}, 403),
        ("/calls", Twilio().headers(token="another token"), 403),
        ("/calls", Twilio().headers(url="wss://other.example.org/calls"), 403),
        ("/", Twilio().headers(), 404),
        ("/calls/../x", Twilio().headers(), 404),
    ],
)
async def test_whoever_proves_nothing_brings_no_call(
    path: str, headers: dict[str, str], status: int
) -> None:
    line = a_line()
    async with opened(line):
        with pytest.raises(InvalidStatus) as caught:
            async with connect(f"ws://127.0.0.1:{line.port}{path}", additional_headers=headers):
                pass
    assert caught.value.response.status_code == status


async def test_telnyx_brings_its_token_in_the_url_too() -> None:
    line, peer = a_line(provider="telnyx"), Telnyx()
    async with opened(line) as arriving:
        async with connect(f"ws://127.0.0.1:{line.port}/calls?token={TOKEN}") as connection:
            await say(connection, [*peer.opening(), *peer.media(tone(0.2)), peer.stop()])
        assert await heard(await anext(arriving))


async def test_garbage_is_borne_a_few_times_and_then_not() -> None:
    line, peer = a_line(), Twilio()
    async with opened(line) as arriving, calling(line, peer) as connection:
        await say(connection, [*peer.opening(), "{", b"\xff", *peer.media(tone(0.4)), "[]", "7"])
        source = await anext(arriving)
        await say(connection, ['{"event": "media", "media": 5}'] * 4)
        await connection.wait_closed()
        assert connection.close_code == 1008
        assert await heard(source)


async def test_a_message_that_is_too_long_ends_the_call() -> None:
    line, peer = a_line(), Twilio()
    async with opened(line), calling(line, peer) as connection:
        await say(connection, [*peer.opening(), "x" * (phone.MOST_MESSAGE_BYTES + 1)])
        await connection.wait_closed()
        assert connection.close_code == 1009


async def test_times_that_cannot_be_are_passed_over() -> None:
    peer = Twilio()
    liar = peer.piece(51, b"\x00" * 160).replace('"timestamp": "1000"', '"timestamp": "90000000"')
    assert "90000000" in liar
    chunks = await the_call(a_line(), peer, [*peer.media(tone(1.0)), liar, peer.stop()])
    assert chunks[-1].media_s < 1.0


async def test_a_call_that_falls_silent_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    line, peer = a_line(silent_s=0.2), Twilio()
    async with opened(line) as arriving, calling(line, peer) as connection:
        await say(connection, [*peer.opening(), *peer.media(tone(0.4))])
        source = await anext(arriving)
        await connection.wait_closed()
        assert connection.close_code == 1001
        assert await heard(source)
    monkeypatch.setattr(phone, "START_WITHIN_S", 0.1)
    async with opened(line), calling(line, peer) as connection:
        await connection.wait_closed()


async def test_leaving_ends_the_calls_and_frees_the_port() -> None:
    line, peer = a_line(), Twilio()
    async with opened(line) as arriving:
        url = f"ws://127.0.0.1:{line.port}/calls"
        connection = await connect(url, additional_headers=peer.headers())
        await say(connection, [*peer.opening(), *peer.media(tone(0.4))])
        source = await anext(arriving)
    with pytest.raises(ConnectionClosed):
        await connection.recv()
    assert connection.close_code == 1001
    assert await heard(source)
    taken = a_line(port=line.port)
    async with opened(taken):
        with pytest.raises(Permanent, match="it is in use; choose another"):
            async with opened(a_line(port=line.port)):
                pass


async def test_voice_spoof_says_that_it_judged_a_telephone() -> None:
    said = (speech()[: 4 * 16_000 : 2] * 32_767).astype(np.int16)
    peer = Twilio()
    chunks = await the_call(a_line(), peer, [*peer.media(said), peer.stop()])
    pcm = np.concatenate([chunk.pcm for chunk in chunks])[:32_000]
    chunk = AudioChunk(INBOUND, 0, 0.0, 0, pcm, 16_000, chunks[0].source_rate_hz)
    detector = VoiceSpoofConfig().build("voice_spoof")
    detector.load("cpu")
    (result,) = detector.score([a_window(chunk, end_s=2.0)])
    assert result.details["band"] == "telephone"
    assert result.details["band_limit_hz"] <= 4_000  # type: ignore[operator]


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "carrier pigeon"},
        {"public_url": "https://voice.example.org/calls"},
        {"public_url": "wss:///calls"},
        {"public_url": f"{PUBLIC_URL}?token=1"},
        {"auth_token": ""},
        {"most_calls": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        a_line(**change)
    assert TOKEN not in str(caught.value)
