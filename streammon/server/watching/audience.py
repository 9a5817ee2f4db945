"""Everybody who watches a stream live, and what is kept up for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from streammon.core.ports import Clock
from streammon.core.types import HealthState, Modality, StreamId, VideoFrame
from streammon.flow.supervise import keep_running
from streammon.ingest.webrtc.offer import Offer
from streammon.pipelines.attention import Attention
from streammon.pipelines.view import MonitorView, StreamView
from streammon.sections import WhepConfig
from streammon.server.watching.broadcast import Broadcast
from streammon.server.watching.coding import Said
from streammon.server.watching.viewing import Viewing

log = logging.getLogger(__name__)

TEND_EVERY_S = 0.5
THREADS = 2
"""That draw and code, for all streams together."""
SHOWN = frozenset({HealthState.UP, HealthState.DEGRADED})
OVER = frozenset({HealthState.FAILED, HealthState.ENDED})


class NoStream(Exception):
    """There is none of this name, or none with a picture or sound."""


class NothingToSee(Exception):
    """The stream gives nothing now. The text says why; later it may."""


class Full(Exception):
    """As many watch as may. The text says what."""


@dataclass(eq=False, slots=True)
class _Stage:
    """A stream that is watched."""

    broadcast: Broadcast
    task: asyncio.Task[None]
    viewings: dict[str, Viewing] = field(default_factory=dict)
    broken: str = ""


class Audience:
    """Lets viewers in, keeps one broadcast for all of a stream, and sees who has left.

    On the event loop, inside `audience`.
    """

    def __init__(
        self,
        view: MonitorView,
        attention: Attention,
        *,
        said_of: Callable[[VideoFrame], Said],
        settings: WhepConfig,
        clock: Clock,
        executor: ThreadPoolExecutor,
        group: asyncio.TaskGroup,
    ) -> None:
        self.settings = settings
        self._view = view
        self._attention = attention
        self._said_of = said_of
        self._clock = clock
        self._executor = executor
        self._group = group
        self._stages: dict[StreamId, _Stage] = {}
        self._open = True

    def broadcast(self, stream: StreamId) -> Broadcast | None:
        """What is made of a stream while somebody watches it."""
        stage = self._stages.get(stream)
        return None if stage is None else stage.broadcast

    def viewers(self) -> dict[StreamId, int]:
        """How many watch each stream that is watched."""
        return {name: len(stage.viewings) for name, stage in self._stages.items()}

    async def admit(
        self, stream: StreamId, offer: Offer, *, addresses: tuple[str, ...]
    ) -> tuple[Viewing, str]:
        """A session of a new viewer, and the answer to its offer.

        Raises `NoStream`, `NothingToSee`, `Full`, and what `Viewing.answer` raises.
        """
        found = self._found(stream)
        stage = self._stages.get(stream)
        if stage is not None and len(stage.viewings) >= self.settings.viewers:
            raise Full(f"{self.settings.viewers} watch this stream already")
        if stage is None:
            if len(self._stages) >= self.settings.streams:
                raise Full(f"{self.settings.streams} streams are watched already")
            stage = self._stages[stream] = self._begin(stream)
        viewing = Viewing(stage.broadcast, found.modalities, self.settings, self._clock)
        stage.viewings[viewing.id] = viewing
        try:
            answer = await viewing.answer(offer, addresses=addresses)
        except BaseException:
            self._forget(stage, viewing)
            raise
        if not self._open:
            await viewing.close("the server is stopping")
            raise NothingToSee("the server is stopping")
        log.info("viewer_joined", extra={"stream": stream, "viewers": len(stage.viewings)})
        return viewing, answer

    def viewing(self, stream: StreamId, session_id: str) -> Viewing | None:
        """The session of this id, while it lives."""
        stage = self._stages.get(stream)
        found = None if stage is None else stage.viewings.get(session_id)
        return found if found is not None and found.over is None else None

    async def dismiss(self, viewing: Viewing, cause: str) -> None:
        """End a session; with the last one of a stream, all that was kept up for it."""
        await viewing.close(cause)
        stage = self._stages.get(viewing.broadcast.stream)
        if stage is None or viewing.id not in stage.viewings:
            return
        self._forget(stage, viewing)
        said = {"stream": viewing.broadcast.stream, "viewers": len(stage.viewings)}
        log.info("viewer_left", extra={**said, "cause": viewing.over})

    async def tend(self) -> None:
        """Until cancelled: sees who has gone, and which streams are over."""
        while True:
            for name in tuple(self._stages):
                await self._tend(name)
            await self._clock.sleep(TEND_EVERY_S)

    async def close(self) -> None:
        """Send everybody away, and admit nobody any more."""
        self._open = False
        for stage in tuple(self._stages.values()):
            for viewing in tuple(stage.viewings.values()):
                await self.dismiss(viewing, "the server is stopping")

    async def _tend(self, stream: StreamId) -> None:
        stage = self._stages.get(stream)
        if stage is None:
            return
        over = stage.broken or self._why_over(stream)
        for viewing in [one for one in stage.viewings.values() if one.answered]:
            viewing.tend()
            if over or viewing.over is not None:
                await self.dismiss(viewing, over)

    def _found(self, stream: StreamId) -> StreamView:
        found = next((one for one in self._view.streams() if one.stream == stream), None)
        if found is None or not {Modality.VIDEO, Modality.AUDIO} & set(found.modalities):
            raise NoStream
        if not self._open:
            raise NothingToSee("the server is stopping")
        if found.health.state not in SHOWN:
            raise NothingToSee(found.health.cause or f"the stream is {found.health.state}")
        return found

    def _why_over(self, stream: StreamId) -> str:
        found = next((one for one in self._view.streams() if one.stream == stream), None)
        return "the stream ended" if found is None or found.health.state in OVER else ""

    def _begin(self, stream: StreamId) -> _Stage:
        broadcast = Broadcast(
            stream,
            self._attention,
            said_of=self._said_of,
            settings=self.settings,
            executor=self._executor,
            clock=self._clock,
        )

        def report(state: HealthState, cause: str) -> None:
            if state is HealthState.FAILED:
                stage.broken = f"it cannot be shown: {cause}"

        task = self._group.create_task(
            keep_running(f"whep:{stream}", broadcast.run, clock=self._clock, report=report)
        )
        stage = _Stage(broadcast, task)
        return stage

    def _forget(self, stage: _Stage, viewing: Viewing) -> None:
        stage.viewings.pop(viewing.id, None)
        if not stage.viewings and self._stages.get(stage.broadcast.stream) is stage:
            del self._stages[stage.broadcast.stream]
            stage.task.cancel()


@asynccontextmanager
async def audience(
    view: MonitorView,
    attention: Attention,
    *,
    said_of: Callable[[VideoFrame], Said],
    settings: WhepConfig,
    clock: Clock,
) -> AsyncGenerator[Audience]:
    """Viewers may come while this is open; leaving it sends them away."""
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="whep")
    try:
        async with asyncio.TaskGroup() as group:
            here = Audience(
                view,
                attention,
                said_of=said_of,
                settings=settings,
                clock=clock,
                executor=executor,
                group=group,
            )
            tending = group.create_task(here.tend(), name="whep:tend")
            try:
                yield here
            finally:
                tending.cancel()
                await here.close()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) == 1:  # what the block raised is raised as it was
            raise failures.exceptions[0] from None
        raise
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
