"""Chat sources in tests: opened, read a message at a time, asked to act."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from streammon.core.clock import MonotonicClock
from streammon.core.moderation import (
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    ChatActor,
    ModerationAction,
)
from streammon.core.ports import Source, SourceContext
from streammon.core.types import ChatMessage, HealthState, Item, StreamId
from tests.fakes import Reports, WantAll

SOON_S = 20.0
STREAM = StreamId("chat")


class ActingSource(Source, ChatActor, Protocol):
    """A chat source that can act where it reads."""


@dataclass(slots=True)
class Chat:
    """An open chat, message by message."""

    source: ActingSource
    items: AsyncIterator[Item]
    reports: Reports = field(default_factory=Reports)

    async def next(self) -> ChatMessage:
        item = await anext(self.items)
        assert isinstance(item, ChatMessage)
        return item

    async def to_the_end(self) -> None:
        async for _ in self.items:
            pass

    async def texts(self, count: int) -> list[str]:
        return [(await self.next()).text for _ in range(count)]

    async def act(
        self, action: ModerationAction, message: ChatMessage, **more: Any
    ) -> ActionOutcome:
        return await self.source.act(a_request(action, message, **more))


@asynccontextmanager
async def reading(source: ActingSource) -> AsyncGenerator[Chat]:
    """The source, open; everything in the block has to be over soon."""
    reports = Reports()
    context = SourceContext(WantAll(), MonotonicClock(), reports)
    async with asyncio.timeout(SOON_S), source.open(context) as items:
        yield Chat(source, items, reports)


async def take(chat: Chat, count: int) -> list[ChatMessage]:
    """So many messages; on a task of its own it keeps the connection going meanwhile."""
    return [await chat.next() for _ in range(count)]


def a_request(action: ModerationAction, message: ChatMessage, **more: Any) -> ActionRequest:
    """`action` against this message's author, or against it."""
    fields: dict[str, Any] = {
        "key": f"{action}-{message.message_id}",
        "stream": message.stream,
        "action": action,
        "author_id": message.author_id,
        "room": message.room,
        "message_ids": (message.message_id,),
        "duration_s": 60.0 if action is ModerationAction.TIMEOUT else None,
        "reason": "Too many links.",
    }
    return ActionRequest(**{**fields, **more})


def is_done(outcome: ActionOutcome) -> bool:
    return outcome.status is ActionStatus.DONE


async def told(reports: Reports, state: HealthState) -> str:
    """The cause that came with this state, once it was reported."""
    while True:
        for reported, cause in reports:
            if reported is state and cause:
                return cause
        await asyncio.sleep(0.01)
