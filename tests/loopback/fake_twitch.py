"""A fake of Twitch's IRC for tests: it speaks the lines that dev.twitch.tv/docs/chat/irc documents.

Nothing of Twitch was recorded or runs here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.answering_here import let_in

TOKEN = "oauth:hunter2"
TAGS = (
    "badge-info=;badges={badges};client-nonce=c;color=#0D4200;display-name={name};emotes=;"
    "first-msg=0;flags=;id={id};mod=0;returning-chatter=0;room-id=1337;subscriber=0;"
    "tmi-sent-ts=1507246572675;turbo=0;user-id={user};user-type="
)


class FakeTwitch:
    """Welcomes whoever is anonymous or has the token, and lets them into every channel."""

    def __init__(self) -> None:
        self.port = 0
        self.heard: list[str] = []
        self.joined = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    def say(self, line: str) -> None:
        for writer in self._writers:
            writer.write(line.encode() + b"\r\n")

    def message(self, text: str, *, id: str, user: str = "7", badges: str = "") -> None:
        """What `Ronni` says in #dallas, with an account's number and badges."""
        tags = TAGS.format(badges=badges, name="Ronni", id=id, user=user)
        self.say(f"@{tags} :ronni!ronni@ronni.tmi.twitch.tv PRIVMSG #dallas :{text}")

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        password = ""
        try:
            while line := (await reader.readline()).decode().rstrip():
                self.heard.append(line)
                command, _, rest = line.partition(" ")
                if command == "CAP" and rest.startswith("LS"):
                    offered = "twitch.tv/tags twitch.tv/commands twitch.tv/membership"
                    self.say(f":tmi.twitch.tv CAP * LS :{offered}")
                elif command == "CAP" and rest.startswith("REQ"):
                    self.say(f":tmi.twitch.tv CAP * ACK {rest[4:]}")
                elif command == "PASS":
                    password = rest
                elif command == "NICK":
                    self._welcome(rest, password)
                elif command == "JOIN":
                    self.say(f":me!me@me.tmi.twitch.tv JOIN {rest}")
                    self.say(f"@room-id=1337;slow=0 :tmi.twitch.tv ROOMSTATE {rest}")
                    self.joined.set()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    def _welcome(self, nick: str, password: str) -> None:
        if not nick.startswith("justinfan") and password != TOKEN:
            self.say(":tmi.twitch.tv NOTICE * :Login authentication failed")
            return
        for number in ("001", "002", "003", "004", "375", "372", "376"):
            self.say(f":tmi.twitch.tv {number} {nick} :text")


@asynccontextmanager
async def fake_twitch(port: int = 0) -> AsyncGenerator[FakeTwitch]:
    fake = FakeTwitch()
    server = await asyncio.start_server(fake.talk, "127.0.0.1", port)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        await let_in()
        server.close()
        for writer in tuple(fake._writers):
            writer.transport.abort()
        await asyncio.wait_for(server.wait_closed(), 5)
