"""A conversation with an IRC server, line by line: login, channels, and what ends it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from streammon.core.errors import Permanent, Retryable, StreammonError
from streammon.core.moderation import AuthorRole
from streammon.ingest.chat.irc.line import build, parse
from streammon.ingest.chat.irc.session import JOINED_WITHIN_S, REJOIN_S, Session
from streammon.ingest.chat.irc.settings import IrcSettings
from streammon.ingest.chat.said import Said

WELCOME = (":irc 001 me :Welcome", ":irc 376 me :End of MOTD")


class Talk:
    """A session, what it sends, and the time that passes for it."""

    def __init__(self, *, worked_before: bool = False, **settings: Any) -> None:
        given = {"host": "127.0.0.1", "tls": False, "channels": ["#test"], **settings}
        self.sent: list[str] = []
        self.stands: list[str] = []
        self.failed: list[StreammonError] = []
        self._timers: list[tuple[float, Callable[[], None]]] = []
        self.session = Session(
            IrcSettings.model_validate(given),
            send=lambda *words: self.sent.append(build(*words).decode().rstrip()),
            later=lambda delay_s, call: self._timers.append((delay_s, call)),
            stands=self.stands.append,
            fail=self.failed.append,
            worked_before=worked_before,
        )
        self.session.begin()

    def hears(self, *lines: str) -> list[Said]:
        """Let these lines come; what was said in them."""
        said = [self.session.take(parse(line.encode())) for line in lines]
        return [each for each in said if each is not None]

    def answers(self, *lines: str) -> list[str]:
        """Let these lines come; what was sent since."""
        before = len(self.sent)
        self.hears(*lines)
        return self.sent[before:]

    def pass_s(self, seconds: float) -> None:
        """Let timers of up to so long fire."""
        due = [call for delay_s, call in self._timers if delay_s <= seconds]
        self._timers = [timer for timer in self._timers if timer[0] > seconds]
        for call in due:
            call()


def joined(**settings: Any) -> Talk:
    talk = Talk(**settings)
    talk.hears(*WELCOME, ":me!u@h JOIN #test")
    return talk


# --- login -----------------------------------------------------------------------------------


def test_a_login_asks_for_what_is_offered_and_joins_once_all_is_told() -> None:
    talk = Talk(password="pw", real_name="A Bot")
    assert talk.sent == ["CAP LS 302", "PASS pw", "NICK streammon", "USER streammon 0 * :A Bot"]
    assert talk.answers(":irc CAP * LS * :multi-prefix away-notify") == []
    asked = talk.answers(":irc CAP * LS :server-time echo-message sasl=PLAIN")
    assert asked == ["CAP REQ :multi-prefix server-time"]
    assert talk.answers(":irc CAP me ACK :multi-prefix server-time") == ["CAP END"]
    assert talk.answers(*WELCOME) == ["JOIN #test"]
    talk.hears(":me!u@h JOIN #test")
    assert talk.stands == [""]


def test_sasl_plain_sends_user_and_password_in_pieces() -> None:
    password = "x" * 295
    talk = Talk(sasl="plain", sasl_user="ann", sasl_password=password)
    assert talk.answers("CAP * LS :sasl=EXTERNAL,PLAIN") == ["CAP REQ sasl"]
    assert talk.answers("CAP * ACK sasl") == ["AUTHENTICATE PLAIN"]
    pieces = [each.removeprefix("AUTHENTICATE ") for each in talk.answers("AUTHENTICATE +")]
    assert pieces[-1] == "+"
    assert [len(piece) for piece in pieces] == [400, 1]
    said = base64.b64decode("".join(pieces[:-1]))
    assert said == b"\0ann\0" + password.encode()
    assert talk.answers(":irc 903 me :ok") == ["CAP END"]


def test_sasl_external_says_nothing_but_shows_the_certificate(tmp_path: object) -> None:
    talk = Talk(sasl="external", tls=True, tls_certificate=f"{tmp_path}/me.pem")
    talk.hears("CAP * LS :sasl")
    assert talk.answers("CAP * ACK sasl") == ["AUTHENTICATE EXTERNAL"]
    assert talk.answers("AUTHENTICATE +") == ["AUTHENTICATE +"]


@pytest.mark.parametrize(
    "lines",
    [
        ("CAP * LS :multi-prefix",),
        ("CAP * LS :sasl=EXTERNAL",),
        ("CAP * LS :sasl", "CAP * NAK :sasl"),
        (":irc 001 me :Welcome",),
        ("CAP * LS :sasl", "CAP * ACK :sasl", ":irc 904 me :failed"),
    ],
)
def test_without_the_login_that_was_asked_for_there_is_no_connection(lines: tuple[str]) -> None:
    wanted: dict[str, Any] = {"sasl": "plain", "sasl_password": "secret"}
    with pytest.raises(Permanent, match=r"SASL") as caught:
        Talk(**wanted).hears(*lines)
    assert "secret" not in str(caught.value)
    with pytest.raises(Retryable):
        Talk(worked_before=True, **wanted).hears(*lines)


def test_a_taken_nick_is_replaced_by_ones_that_every_server_allows() -> None:
    talk = Talk(nick="monitoring-bot")
    nicks = set()
    for _ in range(5):
        (answer,) = talk.answers(":irc 433 * monitoring-bot :in use")
        nicks.add(answer)
        assert answer.startswith("NICK monit")
        assert len(answer.removeprefix("NICK ")) <= 9
    with pytest.raises(Retryable, match="taken"):
        talk.hears(":irc 433 * monitoring-bot :in use")


def test_a_nick_that_is_none_needs_a_person() -> None:
    with pytest.raises(Permanent, match="nick"):
        Talk().hears(":irc 432 * streammon :erroneous")


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("ERROR :Closing Link: me[10.0.0.9] (Bad Password)", Permanent, "password"),
        ("ERROR :K-lined: spam from 10.0.0.9", Permanent, "banned"),
        ("ERROR :Trying to reconnect too fast.", Retryable, "too many connections"),
        ("ERROR :Server going down", Retryable, "going down"),
        ("ERROR :Killed (oper (10.0.0.9))", Retryable, "operator"),
        ("ERROR :10.0.0.9 whatever", Retryable, "ended the connection"),
        (":irc 464 * :Password incorrect", Permanent, "password"),
        (":irc 465 * :banned", Permanent, "banned"),
    ],
)
def test_a_goodbye_is_put_in_our_own_words(line: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        Talk().hears(line)
    assert "10.0.0.9" not in str(caught.value)


def test_a_server_that_never_welcomes_is_given_up() -> None:
    talk = Talk()
    talk.pass_s(30.0)
    assert "no welcome" in str(talk.failed[0])
    greeted = joined()
    greeted.pass_s(30.0)
    assert greeted.failed == []


def test_a_ping_is_answered_at_any_time() -> None:
    assert Talk().answers("PING :cookie") == ["PONG cookie"]


# --- channels --------------------------------------------------------------------------------


def test_many_channels_are_joined_a_few_at_a_time() -> None:
    talk = Talk(channels=[f"#c{number}" for number in range(10)], channel_keys={"#c0": "key"})
    assert talk.answers(*WELCOME) == ["JOIN #c0 key", "JOIN #c1", "JOIN #c2", "JOIN #c3"]
    talk.pass_s(6.0)
    talk.pass_s(6.0)
    assert talk.sent[-1] == "JOIN #c9"


def test_channels_of_twitch_are_joined_in_small_letters() -> None:
    talk = Talk(dialect="twitch", nick="justinfan1", channels=["#Dallas"])
    assert talk.answers(*WELCOME) == ["JOIN #dallas"]
    talk.hears(":me!me@me JOIN #dallas")
    assert talk.stands == [""]


def test_a_join_that_nobody_answers_is_told() -> None:
    talk = Talk(channels=["#test", "#silent"])
    talk.hears(*WELCOME, ":me!u@h JOIN #test")
    talk.pass_s(JOINED_WITHIN_S)
    assert talk.stands[-1] == "not in #silent: the server does not answer the join: is it there?"
    alone = Talk()
    alone.hears(*WELCOME)
    alone.pass_s(JOINED_WITHIN_S)
    assert isinstance(alone.failed[0], Retryable)


def test_kicked_out_of_one_channel_of_two_the_other_is_read_and_a_way_back_tried() -> None:
    talk = Talk(channels=["#test", "#other"])
    talk.hears(*WELCOME, ":me!u@h JOIN #test", ":me!u@h JOIN #other", ":op!o@h KICK #test me :out")
    assert talk.stands[-1] == "not in #test: we were kicked out"
    talk.pass_s(REJOIN_S)
    assert talk.sent[-1] == "JOIN #test"
    talk.hears(":irc 474 me #test :banned")
    assert talk.stands[-1] == "not in #test: we are banned from it"
    talk.hears(":me!u@h JOIN #test")
    assert talk.stands[-1] == ""


def test_roles_follow_names_modes_nicks_and_departures() -> None:
    talk = Talk()
    talk.hears(
        ":irc 001 me :hi",
        ":irc 005 me CHANTYPES=# PREFIX=(ov)@+ CHANMODES=beI,k,l,imnst CASEMAPPING=ascii :are",
        ":irc 376 me :End",
        ":me!u@h JOIN #test",
        ":irc 353 me = #test :me @ann +@bob cat",
        ":ann!a@h MODE #test +kl-o+v key 5 ann cat",
        ":bob!b@h NICK Bobby",
    )
    roles = {nick: talk.session.rooms.roles("#test", nick) for nick in ("ann", "bobby", "cat")}
    assert roles == {
        "ann": frozenset(),
        "bobby": {AuthorRole.MODERATOR, AuthorRole.VIP},
        "cat": {AuthorRole.VIP},
    }
    talk.hears(":Bobby!b@h QUIT :irc.a irc.b", ":cat!c@h PART #test")
    assert not talk.session.rooms.roles("#test", "bobby")
    assert not talk.session.rooms.roles("#test", "cat")


def test_modes_without_the_arguments_they_need_are_no_surprise() -> None:
    talk = joined()
    talk.hears(":x!y@z MODE #test +ooo a", ":x MODE", ":irc 353 me", ":irc 005 me PREFIX=(", "KICK")
    assert talk.session.rooms.roles("#test", "a") == {AuthorRole.MODERATOR}


def test_tags_give_account_id_and_time() -> None:
    tags = "@account=Ann[];msgid=m1;time=2026-11-22T07:20:00.500Z;bot"
    (said,) = joined().hears(f"{tags} :ann!a@host PRIVMSG #test :hi")
    assert (said.author_id, said.message_id, said.name) == ("account:ann{}", "m1", "ann")
    assert said.sent_unix_s == 1795332000.5
    assert said.roles == {AuthorRole.BOT}
    (odd,) = joined().hears("@time=soonZ;msgid= :ann!a@host PRIVMSG #test :hi")
    assert (odd.sent_unix_s, odd.message_id, odd.author_id) == (None, None, "nick:ann")


def test_what_is_not_said_in_our_channels_by_people_is_passed_over() -> None:
    talk = joined()
    assert not talk.hears(
        ":ann!a@h PRIVMSG me :private",
        ":ann!a@h PRIVMSG #elsewhere :hi",
        ":irc.server NOTICE #test :of the server",
        ":me!u@h PRIVMSG #test :our own",
        "PRIVMSG #test",
    )


# --- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"host": ""}, "name the server"),
        ({"host": "irc.example.org", "password": "hunter2"}, "without TLS"),
        ({"sasl": "plain"}, "sasl_password"),
        ({"sasl": "external"}, "tls_certificate"),
        ({"channels": ["test"]}, "pattern"),
        ({"channels": ["#a b"]}, "pattern"),
        ({"nick": "two words"}, "pattern"),
        ({"password": "hunter2 \r\n"}, "spaces"),
        ({"channel_keys": {"#other": "k"}}, "#other"),
        ({"dialect": "twitch"}, "token"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], words: str) -> None:
    given = {"host": "127.0.0.1", "tls": False, "channels": ["#test"], **settings}
    with pytest.raises(ValidationError, match=words):
        IrcSettings.model_validate(given)
