"""Chat from the channels of an IRC network, or of Twitch by IRC."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Literal

from streammon.core.errors import StreammonError
from streammon.core.moderation import (
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    KnownAuthor,
    ModerationAction,
)
from streammon.core.ports import SourceContext
from streammon.core.types import Item, StreamId
from streammon.flow.channel import WhenFull
from streammon.ingest.chat.feed import ChatFeed, Desk
from streammon.ingest.chat.irc.acting import ACTIONS, Acting
from streammon.ingest.chat.irc.line import parse
from streammon.ingest.chat.irc.link import Link, linked
from streammon.ingest.chat.irc.session import Session
from streammon.ingest.chat.irc.settings import IrcSettings
from streammon.ingest.chat.lines import BadLine
from streammon.ingest.chat.said import Said


class IrcConfig(IrcSettings):
    """Channels of one IRC network, or of Twitch as far as it speaks IRC."""

    type: Literal["irc"] = "irc"

    def build(self, stream: StreamId) -> IrcSource:
        return IrcSource(stream, self)


class IrcSource:
    """Satisfies `ports.Source`, `ports.RealTime` and `moderation.ChatActor`.

    On Twitch it reads only: there, actions go over another interface.
    """

    modalities = ChatFeed.modalities
    real_time = ChatFeed.real_time

    def __init__(self, stream: StreamId, settings: IrcSettings) -> None:
        self.stream = stream
        self._settings = settings
        self._twitch = settings.dialect == "twitch"
        platform = "twitch" if self._twitch else f"irc:{settings.server.lower()}"
        self._feed = ChatFeed(
            stream,
            settings,
            platform=platform,
            connect=self._connect,
            when_full=WhenFull.DROP_NEWEST,
        )
        self._live: tuple[Session, Acting] | None = None

    def open(self, context: SourceContext) -> AbstractAsyncContextManager[AsyncIterator[Item]]:
        return self._feed.open(context)

    @property
    def actions(self) -> frozenset[ModerationAction]:
        return frozenset() if self._twitch else ACTIONS

    def author(self, author_id: str) -> KnownAuthor | None:
        """See `moderation.AuthorBook`. Whoever is an operator now counts, said or not."""
        known, author = self._feed.author(author_id), self._feed.book.author(author_id)
        if known is None or author is None or self._live is None:
            return known
        rooms = self._live[0].rooms
        nick = author.address.partition("!")[0]
        held = (rooms.roles(name, nick) for name in rooms.names.values())
        return replace(known, roles=known.roles.union(*held))

    async def act(self, request: ActionRequest) -> ActionOutcome:
        """See `moderation.ChatActor`."""
        if request.action not in self.actions:
            cause = "Twitch takes no actions over IRC" if self._twitch else "IRC has no such action"
            return ActionOutcome(ActionStatus.REFUSED, cause)
        if self._live is None or not self._live[0].rooms.joined:
            return ActionOutcome(ActionStatus.FAILED, "not connected")
        return await self._live[1].act(request, self._feed.book.author(request.author_id))

    @asynccontextmanager
    async def _connect(self, desk: Desk) -> AsyncGenerator[AsyncIterator[Said]]:
        failed: list[StreammonError] = []
        async with linked(self._settings, worked_before=desk.worked_before) as link:

            def fail(error: StreammonError) -> None:
                failed.append(error)
                link.abort()

            session = Session(
                self._settings,
                send=link.send,
                later=link.later,
                stands=desk.degraded,
                fail=fail,
                worked_before=desk.worked_before,
            )
            session.deleted = self._feed.book.forget_message
            acting = Acting(session, link.send, ban_by=self._settings.ban_by)
            self._live = session, acting
            try:
                async with aclosing(self._said(link, desk, failed)) as said:
                    session.begin()
                    yield said
            finally:
                self._live = None
                acting.end()

    async def _said(
        self, link: Link, desk: Desk, failed: list[StreammonError]
    ) -> AsyncGenerator[Said]:
        assert self._live is not None
        session, acting = self._live
        async with aclosing(link.lines(silent_s=self._settings.silent_s)) as lines:
            async for raw in lines:
                if raw is None:
                    desk.lost("a line that is too long")
                    continue
                if not raw.strip():
                    continue
                try:
                    line = parse(raw)
                except BadLine as error:
                    desk.lost(str(error))
                    continue
                acting.heard(line)
                said = session.take(line)
                if said is not None:
                    yield said
        if failed:
            raise failed[0]
