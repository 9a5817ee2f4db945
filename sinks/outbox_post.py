"""Gives a sink its alerts one by one: those of a stream in order, several streams at once.

Each alert becomes a letter in the outbox (`outbox_letters`) and stays one until it is taken or
given up, so that tries, a closed address and dead letters outlive a killed process. A stream
whose alert is not taken waits; the others go on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Clock, StoredAlert
from streammon.core.types import HealthState, StreamId
from streammon.flow.supervise import Backoff, Report, until
from streammon.sinks.outbox import Outbox
from streammon.sinks.outbox_letters import Letter
from streammon.sinks.outbox_store import OutboxStore

log = logging.getLogger(__name__)

TAKEN = 500
"""Alerts that become letters in one commit."""
AHEAD = 50
"""Letters of one stream that are in memory."""


class Later(Retryable):
    """Not taken, and the other side says when it wants to be asked again: for all streams."""

    def __init__(self, cause: str, *, after_s: float) -> None:
        super().__init__(cause)
        self.after_s = after_s


class Refused(Retryable):
    """The other side is there and does not want this alert as it is: few more tries."""


class Gone(Permanent):
    """The other side says that it wants no more at this address, for ever."""


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """When an alert is tried again, and when no more."""

    backoff: Backoff
    most_tries: int
    refused_tries: int = 5
    """Where the alert itself is refused: it must not hold its stream up for hours."""

    @classmethod
    def over(cls, *, first_s: float, most_s: float, give_up_s: float) -> Self:
        """Pauses that double from `first_s` to `most_s`, for about `give_up_s` in all."""
        tries, pause_s, waited_s = 1, first_s, 0.0
        while waited_s < give_up_s:
            waited_s += 0.75 * min(pause_s, most_s)  # of the jitter's upper half, the middle
            pause_s *= 2.0
            tries += 1
        return cls(Backoff(first_s=first_s, most_s=most_s), tries)

    def tries_after(self, error: Retryable) -> int:
        """In all, where this was the newest answer."""
        return self.refused_tries if isinstance(error, Refused) else self.most_tries


@runtime_checkable
class PostalSink(Protocol):
    """A sink that is handed each alert by itself, and may refuse one without stopping others."""

    plan: RetryPlan
    most_at_once: int
    """Alerts on their way at a time, of as many streams."""
    address: str
    """Names where it posts to, without secrets: a closed one is closed until this changes."""

    def addresses(self, alert: StoredAlert) -> bool:
        """Whether this one is to be posted at all; cheap."""

    async def post(self, alert: StoredAlert) -> None:
        """Return once the other side has it. It may be called again with the same alert.

        Raises `Later`, `Refused` or another `Retryable`, or `Gone`.
        """


class Post:
    """One sink's letters, being posted."""

    def __init__(
        self,
        outbox: Outbox,
        name: str,
        sink: PostalSink,
        *,
        clock: Clock,
        report: Report,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._outbox = outbox
        self._name = name
        self._sink = sink
        self._clock = clock
        self._report = report
        self._wall_ns = wall_ns
        self._room = asyncio.Semaphore(sink.most_at_once)
        self._disturbed = asyncio.Event()
        self._serving: set[StreamId] = set()
        self._fresh: set[StreamId] = set()
        """Streams with letters since their task last looked."""
        self._ill: dict[StreamId, str] = {}
        """Why each stream that waits for its next try does."""
        self._hold_until_ns = 0
        self._begun = -1
        """Up to where alerts are letters, and their streams are being served."""
        self._said: tuple[HealthState, str] = (HealthState.UP, "")

    @property
    def resting(self) -> bool:
        """Whether everything there is was posted, or waits for its next try."""
        held = self._hold_until_ns > self._clock.now_ns()
        everything = self._begun >= self._outbox.last_seq
        return everything and (held or self._serving <= self._ill.keys())

    async def run(self) -> None:
        """Post for ever. May be cancelled at any point: what was on its way comes again."""
        self._serving.clear()
        self._ill.clear()
        self._begun = -1
        position = await self._outbox.join(self._name)
        async with asyncio.TaskGroup() as group:
            known = await self._heed(group)
            self._begun = position
            group.create_task(self._heed_people(group, known), name=f"{self._name}:heed")
            await self._take(group)

    async def _take(self, group: asyncio.TaskGroup) -> None:
        """Turn alerts into letters as they come."""
        while True:
            await self._outbox.grown_beyond(self._begun)
            newest, cursor = self._outbox.last_seq, self._outbox.stats().cursors[self._name]
            alerts = await self._outbox.after(max(self._begun, cursor), TAKEN)
            position = alerts[-1].seq if alerts else newest
            wanted = [alert for alert in alerts if self._sink.addresses(alert)]
            closed = await self._write(wanted, position)
            for stream in dict.fromkeys(alert.stream for alert in wanted):
                self._serve_soon(group, stream)
            self._begun = position
            if closed and wanted:
                await self._say()

    async def _write(self, alerts: Sequence[StoredAlert], upto: int) -> bool:
        """Letters of these, in one commit with the cursor; whether they are dead at once."""

        def write(store: OutboxStore) -> bool:
            store.letters.write(self._name, alerts)
            store.ack(self._name, upto)
            return store.letters.closed(self._name)[0] is not None

        return await self._outbox.change(write)

    async def _heed_people(self, group: asyncio.TaskGroup, known: int) -> None:
        """Whenever somebody has sent letters again or dropped them."""
        while True:
            await self._outbox.changed_outside(known)
            known = await self._heed(group)

    async def _heed(self, group: asyncio.TaskGroup) -> int:
        """Serve the letters that there are; the state of the outbox before it looked."""
        known = self._outbox.stats().outside
        address, _ = await self._outbox.look(lambda store: store.letters.closed(self._name))
        if address is not None and address != self._sink.address:
            await self._outbox.change(lambda store: store.letters.reopen(self._name))
        for stream in await self._outbox.look(lambda store: store.letters.streams(self._name)):
            self._serve_soon(group, stream)
        self._disturb()
        await self._say()
        return known

    def _disturb(self) -> None:
        """Have every stream look at its letters again."""
        disturbed, self._disturbed = self._disturbed, asyncio.Event()
        disturbed.set()

    def _serve_soon(self, group: asyncio.TaskGroup, stream: StreamId) -> None:
        self._fresh.add(stream)
        if stream not in self._serving:
            self._serving.add(stream)
            group.create_task(self._serve(stream), name=f"{self._name}:{stream}")

    async def _serve(self, stream: StreamId) -> None:
        """Post the letters of one stream, oldest first, until there are none."""
        while stream in self._fresh:
            self._fresh.discard(stream)
            disturbed = self._disturbed
            while letters := await self._outbox.look(
                lambda store: store.letters.of(self._name, stream, AHEAD)
            ):
                for letter in letters:
                    if not await self._post(letter) or disturbed.is_set():
                        break  # somebody has changed something: look again
                disturbed = self._disturbed
        self._serving.discard(stream)
        if self._ill.pop(stream, None) is not None:  # its letter was dropped
            await self._say()

    async def _post(self, letter: Letter) -> bool:
        """Until it is taken or given up; false where the letters have to be looked at again."""
        plan, tries = self._sink.plan, letter.tries
        while True:
            disturbed = self._disturbed
            error = await self._try(letter.alert)
            if error is None:
                return True
            if isinstance(error, Gone):
                await self._close(str(error))
                return False
            if disturbed.is_set():
                return False
            tries += 1
            if tries >= plan.tries_after(error):
                await self._give_up(letter.alert, tries, str(error))
                return True
            delay_s = plan.backoff.delay_s(tries - 1)
            if isinstance(error, Later):
                delay_s = max(delay_s, error.after_s)
                self._hold_until_ns = self._clock.now_ns() + int(error.after_s * 1e9)
            await self._note(letter.alert, tries, delay_s, str(error))
            await until(disturbed, self._clock.sleep(delay_s))
            if disturbed.is_set():
                return False

    async def _try(self, alert: StoredAlert) -> Retryable | Gone | None:
        """Post once, when it may be; why it was not taken."""
        async with self._room:
            while (wait_ns := self._hold_until_ns - self._clock.now_ns()) > 0:
                await self._clock.sleep(wait_ns / 1e9)
            try:
                await self._sink.post(alert)
            except (Retryable, Gone) as error:
                return error
        await self._outbox.change(lambda store: store.letters.done(self._name, [alert]))
        if self._ill.pop(alert.stream, None) is not None:
            await self._say()
        return None

    async def _note(self, alert: StoredAlert, tries: int, delay_s: float, error: str) -> None:
        at = self._wall_ns() / 1e9 + delay_s
        await self._outbox.change(
            lambda store: store.letters.tried(
                self._name, alert, tries=tries, next_try_at=at, error=error
            )
        )
        log.warning("letter_waits", extra={"sink": self._name, "tries": tries, "cause": error})
        self._ill[alert.stream] = error
        await self._say()

    async def _give_up(self, alert: StoredAlert, tries: int, error: str) -> None:
        log.error(
            "letter_given_up",
            extra={"sink": self._name, "alert": alert.alert_id, "tries": tries, "cause": error},
        )
        await self._outbox.change(
            lambda store: store.letters.bury(self._name, alert, tries=tries, error=error)
        )
        self._ill.pop(alert.stream, None)
        await self._say()

    async def _close(self, why: str) -> None:
        log.error("address_closed", extra={"sink": self._name, "cause": why})
        await self._outbox.change(
            lambda store: store.letters.close(self._name, address=self._sink.address, why=why)
        )
        self._ill.clear()
        self._disturb()
        await self._say()

    async def _say(self) -> None:
        """Report how it goes, where that has changed."""
        (_, closed), dead = await self._outbox.look(
            lambda store: (store.letters.closed(self._name), store.letters.dead(self._name))
        )
        said = _standing(self._name, closed, dead, ill=list(self._ill.values()))
        if said != self._said:
            self._said = said
            self._report(*said)


def _standing(name: str, closed: str, dead: int, *, ill: Sequence[str]) -> tuple[HealthState, str]:
    """What people are told. `ill`: why each stream that waits for its next try does."""
    again = f"streammon outbox retry --sink {name}"
    if closed:
        return HealthState.FAILED, f"{closed}; {dead} alerts were put aside; then: {again}"
    if ill:
        streams = "1 stream waits" if len(ill) == 1 else f"{len(ill)} streams wait"
        return HealthState.RETRYING, f"{streams}: {ill[0]}"
    if dead:
        return HealthState.DEGRADED, f"{dead} alerts were given up; to send them again: {again}"
    return HealthState.UP, ""
