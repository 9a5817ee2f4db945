"""Meetings over real WebSockets. The bot is a fake written from documents (`tests/meetings.py`)."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from streammon.core.clock import MonotonicClock
from streammon.core.ports import Source, SourceContext
from streammon.core.types import AudioChunk, Item, StreamId, VideoFrame
from streammon.ingest.calls import meeting_bot
from streammon.ingest.calls.meeting_bot import MeetingBotConfig, MeetingBots
from tests.fakes import Reports, WantAll
from tests.meetings import BOT, RATE_HZ, SECRET, joined, picture, signed, sound

SOON_S = 20.0
STREAM = StreamId(f"meet.{BOT}")


def bots(**settings: object) -> MeetingBots:
    given = {"secret": SECRET, "port": 0, **settings}
    return MeetingBotConfig.model_validate(given).build(StreamId("meet"))


@asynccontextmanager
async def opened(entry: MeetingBots) -> AsyncGenerator[AsyncIterator[Source]]:
    async with asyncio.timeout(SOON_S), entry.arrivals() as arriving:
        yield arriving


@asynccontextmanager
async def sending(
    entry: MeetingBots, *, query: str = "", headers: dict[str, str] | None = None
) -> AsyncGenerator[ClientConnection]:
    proof = signed(int(time.time())) if headers is None else headers
    url = f"ws://127.0.0.1:{entry.port}/meetings{query}"
    async with connect(url, additional_headers=proof) as connection:
        yield connection


async def say(connection: ClientConnection, messages: Iterable[str | bytes]) -> None:
    for message in messages:
        await connection.send(message)


async def everything(source: Source) -> list[Item]:
    context = SourceContext(WantAll(), MonotonicClock(), Reports())
    async with source.open(context) as items:
        return [item async for item in items]


async def the_meeting(entry: MeetingBots, messages: Iterable[str | bytes]) -> list[Item]:
    async with opened(entry) as arriving:
        async with sending(entry) as connection:
            await say(connection, messages)
        source = await anext(arriving)
        assert source.stream == STREAM
        items = await everything(source)
        entry.left(source.stream)
        return items


def talk(person: int, pitch_hz: float, seconds: float = 1.0, *, jitter: bool = False) -> list[str]:
    """What one says, a tenth of a second per message, beginning at 100 s."""
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tone = (8_000 * np.sin(2 * np.pi * pitch_hz * t)).astype(np.int16)
    late_s = [0.0, 0.07, 0.0, 0.11] if jitter else [0.0]
    pieces = np.split(tone, round(seconds * 10))
    return [
        sound(piece, 100.0 + number / 10 + late_s[number % len(late_s)], person)
        for number, piece in enumerate(pieces)
    ]


def voice(items: list[Item], participant: str) -> NDArray[np.float32]:
    chunks = [each for each in items if isinstance(each, AudioChunk)]
    return np.concatenate([each.pcm for each in chunks if each.participant == participant])


async def test_each_participant_is_heard_and_seen_apart_on_one_clock() -> None:
    both = zip(talk(100, 300.0), talk(200, 900.0), strict=True)
    messages = [joined(100, 99.0)]
    for number, pair in enumerate(both):
        messages += [*pair, picture(number, 100.0 + number / 10, 200)]
    items = await the_meeting(bots(), messages)
    for participant, pitch_hz in (("100", 300.0), ("200", 900.0)):
        pcm = voice(items, participant)
        assert len(pcm) == RATE_HZ
        assert np.argmax(np.abs(np.fft.rfft(pcm))) == pitch_hz
    frames = [item for item in items if isinstance(item, VideoFrame)]
    assert {frame.participant for frame in frames} == {"200"}
    assert [round(frame.media_s, 3) for frame in frames] == [n / 10 for n in range(10)]
    assert [int(frame.image_rgb[0, 0, 0]) for frame in frames] == list(range(10))
    assert min(item.media_s for item in items) == 0.0


async def test_jitter_in_the_times_of_sound_makes_no_holes() -> None:
    items = await the_meeting(bots(), talk(100, 440.0, 2.0, jitter=True))
    pcm = voice(items, "100")
    assert len(pcm) == 2 * RATE_HZ
    assert np.argmax(np.abs(np.fft.rfft(pcm))) == 880


async def test_a_pause_of_a_participant_is_a_pause() -> None:
    later = [sound(np.full(1_600, 500, np.int16), 105.0 + number / 10) for number in range(5)]
    items = await the_meeting(bots(), [*talk(100, 440.0), *later])
    assert items[-1].media_s + 0.2 >= 5.0
    assert len(voice(items, "100")) == 1.5 * RATE_HZ


async def test_names_are_shown_only_where_they_are_asked_for() -> None:
    (first, *_) = await the_meeting(bots(names=True), talk(100, 440.0))
    assert first.participant == "Ann100 (100)"


async def test_shared_screens_are_left_out_unless_asked_for() -> None:
    shown = [picture(5, 100.0), picture(6, 101.0, shows="screenshare")]
    items = await the_meeting(bots(), shown)
    assert [item.participant for item in items] == ["100"]
    items = await the_meeting(bots(screens=True), shown)
    assert [item.participant for item in items] == ["100", "100 (screen)"]


async def test_participants_beyond_the_bound_are_not_judged() -> None:
    crowd = [message for person in range(9) for message in talk(person, 440.0, 0.4)]
    items = await the_meeting(bots(most_participants=3), crowd)
    assert {item.participant for item in items} == {"0", "1", "2"}


async def test_damaged_pictures_impossible_times_and_foreign_meetings_are_passed_over() -> None:
    damaged = picture(5, 100.2).replace(base64.b64encode(b"\x89PNG\r\n").decode(), "AAAAAAAA")
    assert "iVBORw0K" not in damaged
    messages = [
        picture(4, 100.0),
        damaged,
        picture(6, 9_000.0),
        picture(7, 100.4, bot="another"),
        picture(8, 100.6),
    ]
    items = await the_meeting(bots(), messages)
    frames = [item for item in items if isinstance(item, VideoFrame)]
    assert [int(frame.image_rgb[0, 0, 0]) for frame in frames] == [4, 8]


async def test_garbage_is_borne_for_a_while() -> None:
    entry = bots()
    async with opened(entry) as arriving, sending(entry) as connection:
        await say(connection, ["{", b"\xff", *talk(100, 440.0)])
        source = await anext(arriving)
        await say(connection, ["[]"] * meeting_bot.MOST_BAD)
        await connection.wait_closed()
        assert connection.close_code == 1008
        assert await everything(source)


async def test_a_message_that_is_too_long_ends_the_meeting() -> None:
    entry = bots()
    async with opened(entry), sending(entry) as connection:
        await say(connection, ["x" * (meeting_bot.MOST_MESSAGE_BYTES + 1)])
        await connection.wait_closed()
        assert connection.close_code == 1009


async def test_a_meeting_that_goes_on_is_not_taken_twice() -> None:
    entry = bots()
    async with opened(entry) as arriving, sending(entry) as first, sending(entry) as second:
        await say(first, talk(100, 440.0)[:1])
        await anext(arriving)
        await say(second, talk(100, 440.0)[:1])
        await second.wait_closed()
        assert second.close_code == 1008


async def test_one_meeting_too_many_is_told_to_come_later() -> None:
    entry = bots(most_meetings=1)
    async with opened(entry), sending(entry):
        with pytest.raises(InvalidStatus) as caught:
            async with sending(entry):
                pass
    assert caught.value.response.status_code == 503


async def test_a_meeting_that_falls_silent_ends() -> None:
    entry = bots(silent_s=0.2)
    async with opened(entry), sending(entry) as connection:
        await connection.wait_closed()
        assert connection.close_code == 1001


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(1_600_000_000),
        signed(int(time.time()), "whsec_YW5vdGhlciBzZWNyZXQgb2YgbWluZQ=="),
        {**signed(int(time.time())), "Webhook-Id": "msg_2"},
    ],
)
async def test_whoever_proves_nothing_brings_no_meeting(headers: dict[str, str]) -> None:
    entry = bots()
    async with opened(entry):
        with pytest.raises(InvalidStatus) as caught:
            async with sending(entry, headers=headers):
                pass
    assert caught.value.response.status_code == 403


async def test_a_token_serves_where_nothing_is_signed_and_both_where_both_are_set() -> None:
    token = "a token of mine"
    entry = bots(secret=None, token=token)
    mine = "?token=a%20token%20of%20mine"
    async with opened(entry), sending(entry, query=mine, headers={}) as connection:
        await connection.ping()
    entry = bots(token=token)
    async with opened(entry):
        with pytest.raises(InvalidStatus):
            async with sending(entry, query=mine, headers={}):
                pass
        with pytest.raises(InvalidStatus):
            async with sending(entry):
                pass
        async with sending(entry, query=mine) as connection:
            await connection.ping()


@pytest.mark.parametrize(
    "change", [{"secret": None}, {"secret": "whsec_x!"}, {"path": "meetings"}, {"token": "short"}]
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        bots(**change)
