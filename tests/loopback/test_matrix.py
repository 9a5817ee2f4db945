"""Matrix, against a real homeserver."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import ActionStatus, AuthorRole, ModerationAction
from streammon.core.types import HealthState
from streammon.ingest.chat import matrix
from streammon.ingest.chat.matrix import MatrixChat, MatrixConfig
from tests.answering import Answer, Asked, as_json
from tests.answering_here import answering_here
from tests.chat_sources import STREAM, Chat, a_request, is_done, reading, told
from tests.contract.source_laws import SourceCase
from tests.line_sources import each_law
from tests.loopback.matrix_town import Room, Town
from tests.loopback.synapse import SERVER_NAME, Person, needs_synapse

pytestmark = needs_synapse


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Generator[Town]:
    town = Town(tmp_path_factory.mktemp("synapse"))
    yield town
    town.server.close()


def a_source(folder: Path, *rooms: Room, **more: Any) -> MatrixChat:
    town = rooms[0].town
    settings = {
        "homeserver": town.server.url,
        "token": town.bot.token,
        "rooms": tuple(room.name for room in rooms),
        "author_key_file": folder / "authors.key",
        **more,
    }
    return MatrixConfig(**settings).build(STREAM)


async def said_by(chat: Chat, person: Person, room: Room, text: str) -> Any:
    """A message of this person, as the source has it."""
    person.say(room.room_id, text)
    message = await chat.next()
    assert message.text == text
    return message


async def test_messages_come_with_the_roles_of_their_authors(town: Town, tmp_path: Path) -> None:
    room = town.room()
    room.give_power(town.guest, 50)
    source = a_source(tmp_path, room)
    async with reading(source) as chat:
        messages = {
            person: await said_by(chat, person, room, f"hello from {person.user_id}")
            for person in (town.owner, town.guest, town.other)
        }
        assert [message.seq for message in messages.values()] == [0, 1, 2]
        assert {message.room for message in messages.values()} == {room.name}
        known = {person: source.author(message.author_id) for person, message in messages.items()}
        assert {person: each.roles for person, each in known.items() if each} == {
            town.owner: {AuthorRole.BROADCASTER},
            town.guest: {AuthorRole.MODERATOR},
            town.other: frozenset(),
        }
        assert all(person.user_id not in message.author_id for person, message in messages.items())

        room.give_power(town.guest, 0)
        room.give_power(town.other, 10)
        await said_by(chat, town.owner, room, "changed")
        roles = {person: source.author(messages[person].author_id) for person in messages}
        assert roles[town.guest].roles == frozenset()  # type: ignore[union-attr]
        assert roles[town.other].roles == {AuthorRole.VIP}  # type: ignore[union-attr]


async def test_only_text_is_read_and_as_people_see_it(town: Town, tmp_path: Path) -> None:
    room = town.room()
    async with reading(a_source(tmp_path, room)) as chat:
        town.guest.say(room.room_id, "photo.jpg", msgtype="m.image", url="mxc://chat.test/1")
        town.bot.say(room.room_id, "a warning of our own")
        html = {"format": "org.matrix.custom.html", "formatted_body": "<b>shown</b> &amp; seen"}
        town.guest.say(room.room_id, "harmless", **html)
        first = town.guest.say(room.room_id, "before")
        edit = {"msgtype": "m.text", "body": "after"}
        relation = {"rel_type": "m.replace", "event_id": first}
        town.guest.say(room.room_id, "* after", **{"m.new_content": edit, "m.relates_to": relation})
        assert await chat.texts(3) == ["shown & seen", "before", "after"]


async def test_nothing_said_while_away_is_lost_or_comes_twice(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "TIMELINE", 5)
    monkeypatch.setattr(matrix, "PAGE", 10)
    room = town.room()
    source = a_source(tmp_path, room)
    async with reading(source) as chat:
        before = await said_by(chat, town.guest, room, "before")
        town.guest.say(room.room_id, "unread")
    spoken = [f"line {number}" for number in range(29)]  # a timeline, and two pages and a half
    for text in spoken:
        town.guest.say(room.room_id, text)
    async with reading(source) as chat:
        messages = [await chat.next() for _ in range(30)]
        assert [message.text for message in messages] == ["unread", *spoken]
        assert [message.seq for message in messages] == list(range(1, 31))
        assert {message.epoch for message in messages} == {before.epoch + 1}
        await said_by(chat, town.guest, room, "and on it goes")


@pytest.mark.timeout(120)  # it is started twice
async def test_a_killed_homeserver_costs_no_message(tmp_path: Path) -> None:
    (tmp_path / "synapse").mkdir()
    town = Town(tmp_path / "synapse")
    try:
        room = town.room()
        source = a_source(tmp_path, room)
        async with reading(source) as chat:
            await said_by(chat, town.guest, room, "before")
            town.server.kill()
            with pytest.raises(Retryable, match="Matrix"):
                await chat.next()
        with pytest.raises(Retryable, match="connection refused"):
            async with reading(source):
                raise AssertionError("there is nobody to talk to")
        town.server.start()
        town.guest.say(room.room_id, "while away")
        async with reading(source) as chat:
            assert await chat.texts(1) == ["while away"]
            await said_by(chat, town.guest, room, "after")
    finally:
        town.server.close()


async def test_a_wrong_token_needs_a_person_and_is_not_told(town: Town, tmp_path: Path) -> None:
    source = a_source(tmp_path, town.room(), token="a-token-that-is-wrong")
    with pytest.raises(Permanent, match="set `token`") as caught:
        async with reading(source):
            raise AssertionError("came in with a wrong token")
    assert "a-token-that-is-wrong" not in str(caught.value)


async def test_a_room_that_may_not_be_joined_is_named(town: Town, tmp_path: Path) -> None:
    room = town.room()
    source = a_source(tmp_path, room, rooms=(room.name, f"#nowhere:{SERVER_NAME}"))
    with pytest.raises(Permanent, match=r"#nowhere:.* cannot be joined"):
        async with reading(source):
            raise AssertionError("there is no such room")


async def test_a_server_that_keeps_asking_to_wait_is_left_alone(tmp_path: Path) -> None:
    asked: list[Asked] = []

    def busy(question: Asked) -> Answer:
        asked.append(question)
        return as_json({"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 20}, status=429)

    async with answering_here(busy) as url:
        with pytest.raises(Retryable, match="keeps asking to wait"):
            await opened(MatrixConfig(homeserver=url, token="token", rooms=("#a:b",)), tmp_path)
    assert len(asked) == matrix.MOST_WAITS
    assert {each.headers["authorization"] for each in asked} == {"Bearer token"}
    assert not [each for each in asked if "token" in each.path or each.query]


async def test_what_is_no_homeserver_needs_a_person(tmp_path: Path) -> None:
    async with answering_here(lambda asked: Answer(b"<html>", 200)) as url:
        with pytest.raises(Permanent, match="is it a homeserver"):
            await opened(MatrixConfig(homeserver=url, token="token", rooms=("#a:b",)), tmp_path)


async def opened(settings: MatrixConfig, folder: Path) -> None:
    keyed = settings.model_copy(update={"author_key_file": folder / "authors.key"})
    async with reading(keyed.build(STREAM)):
        raise AssertionError("it was opened")


@pytest.mark.parametrize(
    "settings",
    [{"homeserver": "http://matrix.example.org"}, {"rooms": ("lobby",)}, {"rooms": ()}],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any]) -> None:
    good = {"homeserver": "https://matrix.example.org", "token": "token", "rooms": ("#a:b",)}
    with pytest.raises(ValidationError):
        MatrixConfig(**{**good, **settings})


async def test_an_encrypted_message_is_told_of(town: Town, tmp_path: Path) -> None:
    room = town.room()
    async with reading(a_source(tmp_path, room)) as chat:
        town.guest.send(room.room_id, "m.room.encrypted", {"algorithm": "x", "ciphertext": "y"})
        await said_by(chat, town.guest, room, "in the clear")
        assert "is encrypted" in await told(chat.reports, HealthState.DEGRADED)


async def test_removed_from_every_room_needs_a_person(town: Town, tmp_path: Path) -> None:
    here, there = town.room(), town.room()
    async with reading(a_source(tmp_path, here, there)) as chat:
        here.throw_out(town.bot)
        await said_by(chat, town.guest, there, "still here")
        there.throw_out(town.bot)
        with pytest.raises(Permanent, match="invite it again"):
            await chat.next()
        assert here.name in await told(chat.reports, HealthState.DEGRADED)


# --- acting ----------------------------------------------------------------------------------


async def test_messages_are_redacted_once(town: Town, tmp_path: Path) -> None:
    room = town.room()
    async with reading(a_source(tmp_path, room)) as chat:
        message = await said_by(chat, town.guest, room, "spam")
        assert is_done(await chat.act(ModerationAction.DELETE, message))
        assert town.other.body_of(room.room_id, message.message_id) is None
        assert is_done(await chat.act(ModerationAction.DELETE, message))


async def test_a_warning_is_written_once_and_not_read_back(town: Town, tmp_path: Path) -> None:
    room = town.room()
    source = a_source(tmp_path, room)
    async with reading(source) as chat:
        message = await said_by(chat, town.guest, room, "spam")
        assert is_done(await chat.act(ModerationAction.WARN, message))
    again = a_source(tmp_path, room)  # as after a restart: what was done is not remembered here
    async with reading(again) as chat:
        known = await said_by(chat, town.guest, room, "more spam")
        request = a_request(ModerationAction.WARN, message, author_id=known.author_id)
        assert is_done(await again.act(request))
    page = town.guest.do("GET", f"/rooms/{room.room_id}/messages?dir=b&limit=20")["chunk"]
    assert isinstance(page, list)
    warnings = [event for event in page if event["sender"] == town.bot.user_id]
    bodies = [event["content"].get("body") for event in warnings if event["type"][7:] == "message"]
    assert bodies == [f"{town.guest.user_id}: Too many links."]


async def test_a_mute_takes_the_voice_until_it_is_lifted(town: Town, tmp_path: Path) -> None:
    room = town.room()
    async with reading(a_source(tmp_path, room)) as chat:
        message = await said_by(chat, town.guest, room, "spam")
        outcome = await chat.act(ModerationAction.TIMEOUT, message)
        assert is_done(outcome)
        assert outcome.lasts_until_undone
        path = f"/rooms/{room.room_id}/send/m.room.message/1"
        assert town.guest.ask("PUT", path, {"msgtype": "m.text", "body": "x"}).status_code == 403
        lifting = {"receipt": outcome.receipt, "author_id": "forgotten"}
        assert is_done(await chat.act(ModerationAction.UNTIMEOUT, message, **lifting))
        again = await chat.act(ModerationAction.UNTIMEOUT, message, key="another", **lifting)
        assert again.status is ActionStatus.ALREADY
        await said_by(chat, town.guest, room, "sorry")


async def test_two_muted_at_once_are_both_muted(town: Town, tmp_path: Path) -> None:
    room = town.room()
    async with reading(a_source(tmp_path, room)) as chat:
        spammers = (town.guest, town.other)
        messages = [await said_by(chat, each, room, f"spam of {each.user_id}") for each in spammers]
        muting = [chat.act(ModerationAction.TIMEOUT, message) for message in messages]
        assert all(map(is_done, await asyncio.gather(*muting)))
        levels = town.owner.do("GET", f"/rooms/{room.room_id}/state/m.room.power_levels")["users"]
        assert isinstance(levels, dict)
        assert [levels.get(each.user_id) for each in spammers] == [-1, -1]


async def test_whoever_has_a_level_of_their_own_is_not_muted(town: Town, tmp_path: Path) -> None:
    room = town.room()
    room.give_power(town.guest, 10)
    async with reading(a_source(tmp_path, room)) as chat:
        message = await said_by(chat, town.guest, room, "trusted")
        outcome = await chat.act(ModerationAction.TIMEOUT, message)
        assert outcome.status is ActionStatus.REFUSED
        assert "power level of their own" in outcome.cause


async def test_a_ban_is_lifted_by_its_receipt_after_a_restart(town: Town, tmp_path: Path) -> None:
    room = town.room()
    async with reading(a_source(tmp_path, room)) as chat:
        message = await said_by(chat, town.guest, room, "spam")
        banned = await chat.act(ModerationAction.BAN, message)
        assert is_done(banned)
        assert town.owner.membership(room.room_id, town.guest.user_id) == "ban"
    after = a_source(tmp_path, room)
    async with reading(after):
        request = a_request(ModerationAction.UNBAN, message, receipt=banned.receipt)
        assert is_done(await after.act(request))
        assert town.owner.membership(room.room_id, town.guest.user_id) == "leave"
        again = a_request(ModerationAction.UNBAN, message, receipt=banned.receipt, key="again")
        assert (await after.act(again)).status is ActionStatus.ALREADY
        stranger = a_request(ModerationAction.BAN, message, key="unseen")
        assert (await after.act(stranger)).status is ActionStatus.REFUSED


async def test_a_ban_may_be_set_to_kick(town: Town, tmp_path: Path) -> None:
    room = town.room()
    async with reading(a_source(tmp_path, room, ban_as="kick")) as chat:
        message = await said_by(chat, town.guest, room, "spam")
        assert is_done(await chat.act(ModerationAction.BAN, message))
        assert town.owner.membership(room.room_id, town.guest.user_id) == "leave"
        again = await chat.act(ModerationAction.BAN, message, key="another")
        assert again.status is ActionStatus.ALREADY
        town.guest.join(room.room_id)


async def test_without_the_power_to_it_is_refused(town: Town, tmp_path: Path) -> None:
    room = town.room()
    room.give_power(town.bot, 0)
    async with reading(a_source(tmp_path, room)) as chat:
        message = await said_by(chat, town.guest, room, "spam")
        for action in (ModerationAction.BAN, ModerationAction.DELETE, ModerationAction.TIMEOUT):
            outcome = await chat.act(action, message)
            assert outcome.status is ActionStatus.REFUSED
            assert "give the account the right to" in outcome.cause


async def test_asked_to_wait_it_says_for_how_long(town: Town, tmp_path: Path) -> None:
    room = town.room()
    async with reading(a_source(tmp_path, room)) as chat:
        messages = [await said_by(chat, town.guest, room, f"spam {n}") for n in range(4)]
        with town.server.slowed(town.bot, burst=1):
            outcomes = [await chat.act(ModerationAction.DELETE, each) for each in messages]
            slowed = [each for each in outcomes if each.status is ActionStatus.FAILED]
            assert slowed
            wait_s = slowed[-1].retry_after_s
            assert wait_s is not None
            assert 0.0 < wait_s <= 5.0
            await asyncio.sleep(wait_s + 0.2)
            assert is_done(await chat.act(ModerationAction.DELETE, messages[-1]))


async def test_nothing_is_done_while_not_connected(town: Town, tmp_path: Path) -> None:
    room = town.room()
    source = a_source(tmp_path, room)
    async with reading(source) as chat:
        message = await said_by(chat, town.guest, room, "spam")
    assert source.actions == frozenset()
    outcome = await source.act(a_request(ModerationAction.BAN, message))
    assert outcome.status is ActionStatus.FAILED


# --- what every source promises ---------------------------------------------------------------

SPOKEN = {"seq_grows_and_time_goes_on": 40, "items_are_what_was_announced": 20}


@each_law
async def test_it_keeps_the_promises_of_sources(law: Any, town: Town, tmp_path: Path) -> None:
    """People speak on: what was said before a source was there, or was read and taken by nobody,
    does not come.
    """
    room = town.room()

    async def speak() -> None:
        while True:
            await asyncio.sleep(0.6)
            for number in range(SPOKEN.get(law.__name__, 3)):
                town.guest.say(room.room_id, f"line {number}")

    def absent() -> MatrixChat:
        return a_source(tmp_path, room, homeserver="http://127.0.0.1:9", token="not-told")

    async with asyncio.TaskGroup() as group:
        speaking = group.create_task(speak())
        await law(SourceCase(lambda: a_source(tmp_path, room), absent, secrets=("not-told",)))
        speaking.cancel()
