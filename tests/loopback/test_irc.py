"""IRC against a real ngIRCd: read, act, and come back from all that ends a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path

import pytest

from streammon.core.moderation import (
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    AuthorRole,
    ChatActor,
    ModerationAction,
)
from streammon.core.types import HealthState, StreamId
from streammon.ingest.chat.irc.source import IrcConfig, IrcSource
from tests.loopback.irc_server import IrcServer, needs_ngircd, person
from tests.loopback.watched_chat import watched

pytestmark = needs_ngircd

SECRET = "hunter2"
STREAM = StreamId("irc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ngircd")


@pytest.fixture(scope="module")
def server(folder: Path) -> Generator[IrcServer]:
    running = IrcServer(folder)
    yield running
    running.kill()


def a_source(server: IrcServer, folder: Path, **settings: object) -> IrcSource:
    given = {
        "host": "127.0.0.1",
        "port": server.port,
        "tls": False,
        "channels": ["#test"],
        "author_key_file": folder / "authors.key",
        **settings,
    }
    return IrcConfig.model_validate(given).build(STREAM)


async def test_what_people_say_comes_with_pseudonyms_and_rooms(
    server: IrcServer, folder: Path
) -> None:
    source = a_source(server, folder, channels=["#test", "#Other"])
    async with watched(source) as seen, person(server, "ann", "#test", "#other") as ann:
        await seen.up()
        ann.send("PRIVMSG #test :hello \x02you\x02").send("NOTICE #other :take note")
        ann.send("PRIVMSG #test :\x01ACTION waves\x01").send("PRIVMSG #test :\x01VERSION\x01")
        ann.send("PRIVMSG #test :bye")
        got = [await seen.next() for _ in range(4)]
    assert [(each.room.lower(), each.text) for each in got] == [
        ("#test", "hello you"),
        ("#other", "take note"),
        ("#test", "waves"),
        ("#test", "bye"),
    ]
    assert len({each.author_id for each in got}) == 1
    assert "ann" not in repr(got)
    known = source.author(got[0].author_id)
    assert known is not None
    assert known.name == "ann"


async def test_a_server_that_is_killed_and_comes_back_is_read_again(folder: Path) -> None:
    server = IrcServer(folder / "killed")
    try:
        async with watched(a_source(server, folder)) as seen:
            await seen.up()
            async with person(server, "ann", "#test") as ann:
                ann.send("PRIVMSG #test :before")
                before = await seen.next()
            server.kill()
            cause = await seen.told(HealthState.RETRYING)
            assert cause in ("the server ended the connection", "connection lost")
            while "is the server running" not in cause:
                cause = await seen.told(HealthState.RETRYING)
            server.start()
            await seen.up()
            async with person(server, "ann", "#test") as ann:
                ann.send("PRIVMSG #test :after")
                after = await seen.next()
    finally:
        server.kill()
    assert (before.text, after.text) == ("before", "after")
    assert after.epoch > before.epoch
    assert after.seq == before.seq + 1
    assert after.author_id == before.author_id


async def test_a_frozen_server_is_noticed_by_its_silence(server: IrcServer, folder: Path) -> None:
    async with watched(a_source(server, folder, silent_s=0.5)) as seen:
        await seen.up()
        with server.frozen():
            assert await seen.told(HealthState.RETRYING) == "the server has said nothing for 1 s"
        await seen.up()


async def test_a_quiet_channel_is_no_silence(server: IrcServer, folder: Path) -> None:
    async with watched(a_source(server, folder, silent_s=0.6)) as seen:
        await seen.up()
        async with asyncio.timeout(20.0):
            quiet = False
            while not quiet:  # a server that is held up is silent too, but not for ever
                await asyncio.sleep(2.0)
                quiet = not seen.reports.drain()


async def test_a_wrong_password_needs_a_person(folder: Path) -> None:
    server = IrcServer(folder / "guarded", password="sesame")
    try:
        async with watched(a_source(server, folder, password=SECRET)) as seen:
            cause = await seen.told(HealthState.FAILED)
            assert cause == "the server's password was refused: check `password`"
        async with watched(a_source(server, folder, password="sesame")) as seen:
            await seen.up()
    finally:
        server.kill()


async def test_a_nick_that_is_taken_is_no_obstacle(server: IrcServer, folder: Path) -> None:
    async with (
        person(server, "streammon", "#test") as squatter,
        watched(a_source(server, folder)) as seen,
    ):
        await seen.up()
        squatter.send("PRIVMSG #test :mine")
        assert (await seen.next()).text == "mine"


async def test_a_key_opens_a_channel_and_without_it_the_cause_is_named(
    server: IrcServer, folder: Path
) -> None:
    keyed = {"channels": ["#locked"], "channel_keys": {"#locked": "sesame"}}
    async with watched(a_source(server, folder, **keyed)) as seen:
        await seen.up()
    async with watched(a_source(server, folder, channels=["#locked"])) as seen:
        cause = await seen.told(HealthState.FAILED)
    assert cause == "not in #locked: its key is wrong or missing: see `channel_keys`"
    async with watched(a_source(server, folder, channels=["#locked", "#test"])) as seen:
        assert await seen.told(HealthState.DEGRADED) == cause


async def test_being_kicked_out_is_told_and_the_way_back_is_found(
    server: IrcServer, folder: Path
) -> None:
    async with (
        person(server, "boss", "#kicks") as boss,
        watched(a_source(server, folder, channels=["#kicks"])) as seen,
    ):
        await seen.up()
        boss.send("KICK #kicks streammon :out")
        assert await seen.told(HealthState.RETRYING) == "not in #kicks: we were kicked out"
        await seen.up()
        boss.send("MODE #kicks +b streammon!*@*").send("KICK #kicks streammon :and stay out")
        await seen.told(HealthState.RETRYING)
        cause = await seen.told(HealthState.RETRYING)
        assert cause == "not in #kicks: we are banned from it"
        boss.send("MODE #kicks -b streammon!*@*")
        await seen.up()


@pytest.fixture
def over_tls(server: IrcServer) -> dict[str, object]:
    return {"port": server.tls_port, "tls": True}


async def test_over_tls_a_certificate_of_its_own_is_trusted_only_when_told(
    server: IrcServer, folder: Path, over_tls: dict[str, object]
) -> None:
    async with watched(a_source(server, folder, **over_tls)) as seen:
        cause = await seen.told(HealthState.FAILED)
        assert cause.startswith("the server's certificate is not to be trusted")
    trusted = {**over_tls, "tls_ca": server.certificate}
    async with (
        watched(a_source(server, folder, **trusted)) as seen,
        person(server, "ann", "#test") as ann,
    ):
        await seen.up()
        ann.send("PRIVMSG #test :over TLS")
        assert (await seen.next()).text == "over TLS"
    async with watched(a_source(server, folder, **over_tls, tls_verify=False)) as seen:
        await seen.up()


async def test_tls_where_there_is_none_is_named(
    server: IrcServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streammon.ingest.chat.irc.link.HANDSHAKE_WITHIN_S", 0.3)
    async with watched(a_source(server, folder, tls=True)) as seen:
        assert "TLS" in await seen.told(HealthState.RETRYING)


# --- acting ----------------------------------------------------------------------------------


def asked(action: ModerationAction, author_id: str, **more: object) -> ActionRequest:
    fields = {"key": "k", "stream": STREAM, "action": action, "author_id": author_id, **more}
    return ActionRequest(**fields)  # type: ignore[arg-type]


async def done(actor: ChatActor, request: ActionRequest) -> ActionOutcome:
    outcome = await actor.act(request)
    assert outcome.status is ActionStatus.DONE, outcome
    return outcome


async def test_an_operator_warns_mutes_bans_and_takes_it_back(
    server: IrcServer, folder: Path
) -> None:
    source = a_source(server, folder, channels=["#acts"], nick="keeper")
    assert isinstance(source, ChatActor)
    async with (
        person(server, "owner", "#acts") as owner,
        watched(source) as seen,
        person(server, "troll", "#acts") as troll,
    ):
        await seen.up()
        troll.send("PRIVMSG #acts :spam")
        author = (await seen.next()).author_id
        warn = asked(ModerationAction.WARN, author, reason="enough\r\nQUIT")
        outcome = await source.act(asked(ModerationAction.BAN, author, duration_s=None))
        assert (outcome.status, "operator" in outcome.cause) == (ActionStatus.REFUSED, True)

        owner.send("MODE #acts +o keeper")
        await troll.hears("MODE #acts +o keeper")
        await done(source, warn)
        assert (await troll.hears("NOTICE troll")).endswith("enough QUIT")

        muted = await done(source, asked(ModerationAction.TIMEOUT, author, duration_s=60.0))
        assert muted.lasts_until_undone
        await troll.hears("MODE #acts +b")
        troll.send("PRIVMSG #acts :unheard")
        await troll.hears(" 404 ")
        unmute = asked(ModerationAction.UNTIMEOUT, author, receipt=muted.receipt)
        await done(source, unmute)
        await troll.hears("MODE #acts -b")
        troll.send("PRIVMSG #acts :heard again")
        assert (await seen.next()).text == "heard again"

        banned = await done(source, asked(ModerationAction.BAN, author, reason="flood"))
        assert "KICK #acts troll :flood" in await troll.hears("KICK")
        troll.send("JOIN #acts")
        await troll.hears(" 474 ")
        await done(source, asked(ModerationAction.BAN, author))
        await done(source, asked(ModerationAction.UNBAN, author, receipt=banned.receipt))
        troll.send("JOIN #acts")
        await troll.hears(" 366 ")


async def test_roles_are_known_and_what_cannot_be_done_is_refused_with_the_cause(
    server: IrcServer, folder: Path
) -> None:
    source = a_source(server, folder, channels=["#roles"])
    ban = asked(ModerationAction.BAN, "unknown")
    assert (await source.act(ban)).status is ActionStatus.FAILED
    async with person(server, "owner", "#roles") as owner, watched(source) as seen:
        await seen.up()
        owner.send("PRIVMSG #roles :mine")
        author = (await seen.next()).author_id
        known = source.author(author)
        assert known is not None
        assert AuthorRole.MODERATOR in known.roles
        assert (await source.act(ban)).status is ActionStatus.REFUSED
        delete = asked(ModerationAction.DELETE, author, message_ids=("m",))
        assert (await source.act(delete)).status is ActionStatus.REFUSED
        async with person(server, "ally", "#roles") as ally:
            ally.send("PRIVMSG #roles :hi")
            other = (await seen.next()).author_id
            owner.send("MODE #roles +v ally")
            await ally.hears("MODE #roles +v")
            ally.send("PRIVMSG #roles :voiced")
            await seen.next()
            known = source.author(other)
            assert known is not None
            assert known.roles == {AuthorRole.VIP}
