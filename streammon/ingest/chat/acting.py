"""What every platform's actor shares: who is meant, what was done before, how long it may take."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import (
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    ModerationAction,
)
from streammon.core.types import StreamId
from streammon.flow.channel import WhenFull
from streammon.ingest.chat.book import Book, Newest
from streammon.ingest.chat.feed import ChatConfig, ChatFeed, Connect
from streammon.ingest.chat.web_api import Answer

log = logging.getLogger(__name__)

ACT_WITHIN_S = 25.0
MOST_KEYS = 10_000
"""Decisions that were carried out and are not carried out again."""

DONE = ActionOutcome(ActionStatus.DONE)
ALREADY = ActionOutcome(ActionStatus.ALREADY)


def refused(cause: str) -> ActionOutcome:
    return ActionOutcome(ActionStatus.REFUSED, cause)


def failed(cause: str, *, retry_after_s: float | None = None) -> ActionOutcome:
    return ActionOutcome(ActionStatus.FAILED, cause, retry_after_s=retry_after_s)


class PlatformActor(Protocol):
    """Acts on one platform, over one connection."""

    name: str
    """As people call the platform."""
    lacking: str
    """Why an action may not be among `actions`."""

    @property
    def actions(self) -> frozenset[ModerationAction]: ...

    async def act(self, request: ActionRequest, account: str) -> ActionOutcome:
        """Do it. `account` is the platform's id of the author; empty for a delete.

        Raises `Retryable` and `Permanent` as connections do.
        """


class Acts:
    """The actor of a source: there while a connection is, and it does nothing twice.

    Every receipt is the platform's own id of the account.
    """

    def __init__(self, platform: str, book: Book) -> None:
        self.actor: PlatformActor | None = None
        """`None` while there is no connection."""
        self._platform = platform
        self._book = book
        self._done: Newest[str, ActionOutcome] = Newest(MOST_KEYS)

    @property
    def actions(self) -> frozenset[ModerationAction]:
        return frozenset() if self.actor is None else self.actor.actions

    async def act(self, request: ActionRequest) -> ActionOutcome:
        """See `moderation.ChatActor`."""
        if (before := self._done.get(request.key)) is not None:
            return before
        actor = self.actor
        if actor is None:
            return failed(f"{self._platform} is not connected")
        if request.action not in actor.actions:
            return refused(f"{actor.name}: no `{request.action}` here: {actor.lacking}")
        account = self._account(request)
        if account is None:
            return refused("the author has not written since the monitor began")
        outcome = await self._within_bounds(actor, request, account)
        if outcome.status in (ActionStatus.DONE, ActionStatus.ALREADY):
            self._done.put(request.key, outcome)
        return outcome

    def _account(self, request: ActionRequest) -> str | None:
        if request.action is ModerationAction.DELETE:
            return ""
        if request.receipt:
            return request.receipt
        author = self._book.author(request.author_id)
        return None if author is None else author.platform_id

    async def _within_bounds(
        self, actor: PlatformActor, request: ActionRequest, account: str
    ) -> ActionOutcome:
        try:
            async with asyncio.timeout(ACT_WITHIN_S):
                return await actor.act(request, account)
        except TimeoutError:
            return failed(f"{actor.name} did not answer within {ACT_WITHIN_S:g} s")
        except Retryable as error:
            return failed(str(error))
        except Permanent as error:
            return refused(str(error))


class ActingFeed(ChatFeed):
    """Satisfies `ports.Source` and `moderation.ChatActor`: it acts over the connection it reads.

    Whoever connects sets `acts.actor`, and takes it away with the connection.
    """

    def __init__(
        self,
        stream: StreamId,
        settings: ChatConfig,
        *,
        platform: str,
        connect: Connect,
        when_full: WhenFull = WhenFull.BLOCK,
    ) -> None:
        super().__init__(stream, settings, platform=platform, connect=connect, when_full=when_full)
        self.acts = Acts(platform.title(), self.book)

    @property
    def actions(self) -> frozenset[ModerationAction]:
        return self.acts.actions

    async def act(self, request: ActionRequest) -> ActionOutcome:
        """See `moderation.ChatActor`."""
        return await self.acts.act(request)


def outcome_of(name: str, answer: Answer, *, needs: str, wait_s: float | None) -> ActionOutcome:
    """What an answer means where the platform has no words of its own for it.

    `needs` is the right that a refusal is about; `wait_s` how long the platform asks to wait.
    """
    if answer.good:
        return DONE
    if answer.status == 429:
        return failed(f"{name} asks to wait", retry_after_s=wait_s)
    if answer.status >= 500 or answer.status == 408:
        return failed(f"{name} answered {answer.status}", retry_after_s=wait_s)
    if answer.status in (401, 403):
        return refused(f"{name} answered {answer.status}: give the account the right to {needs}")
    return refused(f"{name} answered {answer.status}")


def together(outcomes: Sequence[ActionOutcome]) -> ActionOutcome:
    """Of one delete of several messages: what went worst, unless all went well."""
    order = (ActionStatus.FAILED, ActionStatus.REFUSED, ActionStatus.DONE)
    for status in order:
        for outcome in outcomes:
            if outcome.status is status:
                return outcome
    return ALREADY
