"""The moderation sink: alerts in, decisions kept, deeds done by the sources they are about."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from streammon.config import state_folder
from streammon.core.clock import MonotonicClock
from streammon.core.moderation import AuthorBook, AuthorRole
from streammon.core.ports import Clock, StoredAlert
from streammon.core.types import Alert, Outgoing, StreamId
from streammon.sinks.moderation.desk import Desk
from streammon.sinks.moderation.docket import Docket
from streammon.sinks.moderation.evidence import accounts_heard
from streammon.sinks.moderation.hook import ModerationHook
from streammon.sinks.moderation.intake import Intake
from streammon.sinks.moderation.ledger import Ledger, sole_owner
from streammon.sinks.moderation.lines import Lines
from streammon.sinks.moderation.policy import proposals
from streammon.sinks.moderation.settings import ModerationConfig
from streammon.sinks.moderation.steward import Steward

T = TypeVar("T")


def nobody(stream: StreamId) -> AuthorBook | None:
    """The answer of a sink that was not introduced to any source."""
    return None


class ModerationSink:
    """Satisfies `ports.DurableSink` and `moderation.Moderating`.

    An alert is accepted once what follows from it is in the ledger; from then on neither a
    restart nor a platform that is away loses or repeats it.
    """

    def __init__(
        self,
        name: str,
        settings: ModerationConfig,
        *,
        clock: Clock | None = None,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self._settings = settings
        self._clock: Clock = MonotonicClock() if clock is None else clock
        self._wall_ns = wall_ns
        self._actor_of: Callable[[StreamId], AuthorBook | None] = nobody
        self._stack = AsyncExitStack()
        self._group: asyncio.TaskGroup | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._intake: Intake | None = None
        self._desk: Desk | None = None
        self._steward: Steward | None = None
        self._lines: Lines | None = None
        """The newest, also between two runs of the sink: what the disk refused is told later."""

    def meet(self, actor_of: Callable[[StreamId], AuthorBook | None]) -> None:
        """Who acts on which stream now; before the sink is entered."""
        self._actor_of = actor_of

    async def settle(self) -> None:
        """See `moderation.Moderating`. At once while the sink is down."""
        if self._steward is not None:
            await self._steward.settle()

    @property
    def desk(self) -> Desk | None:
        """Where people look and decide, while the sink is entered."""
        return self._desk

    async def __aenter__(self) -> Self:
        """Raises `Permanent` for a file that cannot be used, or that another monitor uses."""
        path = self._path()
        async with AsyncExitStack() as stack:
            self._thread = stack.enter_context(
                ThreadPoolExecutor(1, thread_name_prefix=f"sink:{self.name}")
            )
            stack.enter_context(sole_owner(path))
            ledger = await self._scribe(partial(Ledger, path, wall_ns=self._wall_ns))
            stack.push_async_callback(self._scribe, ledger.close)
            docket = Docket(self._settings, ledger)
            self._intake = Intake(self._settings, ledger)
            self._desk = Desk(docket, self._scribe, actor_of=self._actor_of)
            stack.callback(self._close)
            await self._start(docket, stack)
            self._stack = stack.pop_all()
        return self

    async def _start(self, docket: Docket, stack: AsyncExitStack) -> None:
        """Begin to work on what is open; leaving the stack ends it."""
        self._steward = Steward(
            docket,
            self._scribe,
            hook=await self._hook(stack),
            actor_of=self._actor_of,
            clock=self._clock,
        )
        work = [self._steward.run]
        if self._settings.out:
            self._lines = lines = Lines(
                self._settings.out,
                docket.ledger,
                self._scribe,
                clock=self._clock,
                told=None if self._lines is None else self._lines.told,
            )
            await lines.begin()
            stack.push_async_callback(lines.flush)
            work.append(lines.run)
        self._group = await stack.enter_async_context(asyncio.TaskGroup())
        for each in work:
            stack.callback(self._group.create_task(each(), name=f"sink:{self.name}").cancel)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """What is open stays in the ledger for the next run."""
        await self._stack.aclose()  # what the block raised comes out as it is

    def wants(self, item: Outgoing) -> bool:
        """Nothing: alerts come through `deliver_alerts`."""
        return False

    async def deliver(self, item: Outgoing) -> None:
        assert not isinstance(item, Alert), "alerts come from the outbox"

    async def deliver_alerts(self, batch: Sequence[StoredAlert]) -> None:
        """Decide what each alert asks for. The same alert again changes nothing."""
        assert self._intake is not None, "delivered outside of its context"
        for stored in batch:
            alert = json.loads(stored.body)
            found = list(proposals(alert, self._settings))
            if not found:
                continue
            book = self._actor_of(stored.stream)
            proposed = [(each, _roles(book, each.suspect.author_id)) for each in found]
            accounts = accounts_heard(alert)
            await self._scribe(partial(self._intake.consider, alert, proposed, accounts=accounts))

    async def _hook(self, stack: AsyncExitStack) -> ModerationHook | None:
        if self._settings.hook is None:
            return None
        client = await stack.enter_async_context(
            httpx.AsyncClient(follow_redirects=False, trust_env=False)
        )
        return ModerationHook(self._settings.hook, client, wall_ns=self._wall_ns)

    async def _scribe(self, work: Callable[[], T]) -> T:
        assert self._thread is not None
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _path(self) -> Path:
        return self._settings.path or state_folder() / f"{self.name}.db"

    def _close(self) -> None:
        self._desk = self._intake = self._steward = None


def _roles(book: AuthorBook | None, author_id: str) -> frozenset[AuthorRole]:
    known = None if book is None else book.author(author_id)
    return frozenset() if known is None else known.roles
