"""Active checks of callers: drawn, run against a screen and a stream, judged, kept for a while."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from streammon.core.ports import Clock
from streammon.core.types import ChatMessage, Item, StreamId, VideoFrame
from streammon.detectors.challenge.scoring import Judgement, Shown, Skin, judge
from streammon.detectors.challenge.sequence import STEP_S, Asked, css, draw, words_said
from streammon.detectors.challenge.skin import SkinReader
from streammon.flow.channel import Channel
from streammon.pipelines.attention import Attention

log = logging.getLogger(__name__)

LASTS_S = 600.0
"""From being made until it has to be begun."""
MOST_KEPT = 200
PICTURE_EVERY_S = 0.1
GREY = "#202020"


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    BROKEN_OFF = "broken_off"
    """The caller's page went away before the end. It cannot be begun again."""
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each part takes."""

    lead_s: float = 2.0
    step_s: float = STEP_S
    after_s: float = 4.2
    ask_s: float = 10.0
    painted_s: float = 3.0
    """At most, until the page says that it has painted a colour."""


class Unusable(Exception):
    """No such challenge, or none that may still be begun."""


class Busy(Exception):
    """The stream is being challenged already."""


class Screen(Protocol):
    """The caller's page."""

    async def show(self, colour: str) -> float:
        """Fill the screen; the monotonic time in seconds at which it was painted."""

    async def ask(self, gesture: str, phrase: str) -> None: ...


@dataclass(slots=True)
class Challenge:
    """One check and what came of it."""

    challenge_id: str
    stream: StreamId
    transcript: StreamId | None
    asked: Asked
    made_ns: int
    state: State = State.WAITING
    judgement: Judgement | None = None
    phrase_share: float | None = None
    """Of the phrase's words that the transcript has; `None` without a transcript."""


@dataclass(slots=True)
class _Seen:
    """What came from the streams while it ran."""

    frames: list[tuple[float, float, int, Skin]] = field(default_factory=list)
    """Media time, arrival, epoch, and the skin by media time."""
    lines: list[str] = field(default_factory=list)


class Challenges:
    """On the event loop. Tokens are kept as hashes only, and serve once."""

    def __init__(self, attention: Attention, clock: Clock, *, pace: Pace = Pace()) -> None:
        self._attention = attention
        self._clock = clock
        self.pace = pace
        self._by_id: OrderedDict[str, Challenge] = OrderedDict()
        self._by_token: dict[str, Challenge] = {}

    def make(self, stream: StreamId, transcript: StreamId | None) -> tuple[Challenge, str]:
        """A challenge and the token that begins it."""
        token = secrets.token_urlsafe(32)
        asked = draw(secrets.SystemRandom())
        now_ns = self._clock.now_ns()
        made = Challenge(secrets.token_hex(8), stream, transcript, asked, now_ns)
        self._by_id[made.challenge_id] = made
        self._by_token[_hashed(token)] = made
        while len(self._by_id) > MOST_KEPT:
            _, oldest = self._by_id.popitem(last=False)
            self._by_token = {key: one for key, one in self._by_token.items() if one is not oldest}
        return made, token

    def get(self, challenge_id: str) -> Challenge | None:
        found = self._by_id.get(challenge_id)
        if found is not None:
            self._expire(found)
        return found

    def waiting(self, token: str) -> Challenge:
        """The challenge that the token may begin. Raises `Unusable` for a token that is unknown,
        used or too old.
        """
        challenge = self._by_token.get(_hashed(token))
        if challenge is None:
            raise Unusable("there is no such check: ask for a new link")
        self._expire(challenge)
        if challenge.state is not State.WAITING:
            raise Unusable("this link was used already, or is too old: ask for a new one")
        return challenge

    async def run(self, token: str, screen: Screen) -> None:
        """Begin the token's challenge and see it through.

        Raises `Unusable` as `waiting` does, and `Busy` while another challenge of the stream runs;
        such a token may be tried again.
        """
        challenge = self.waiting(token)
        running = (one for one in self._by_id.values() if one.state is State.RUNNING)
        if any(one.stream == challenge.stream for one in running):
            raise Busy("another check of this call goes on")
        challenge.state = State.RUNNING
        try:
            await self._run(challenge, screen)
            challenge.state = State.DONE
        finally:
            if challenge.state is State.RUNNING:
                challenge.state = State.BROKEN_OFF
            answer = challenge.judgement.answer if challenge.judgement else ""
            said = {"stream": challenge.stream, "state": challenge.state, "answer": answer}
            log.info("challenge_ended", extra=said)

    async def _run(self, challenge: Challenge, screen: Screen) -> None:
        seen, reader = _Seen(), await asyncio.to_thread(SkinReader)
        words = challenge.transcript or challenge.stream
        with (
            self._attention.to(challenge.stream, interval_s=PICTURE_EVERY_S) as items,
            self._attention.to(words, interval_s=PICTURE_EVERY_S) as lines,
        ):
            async with asyncio.TaskGroup() as group:
                looking = group.create_task(_look(items, reader, seen), name="challenge:look")
                reading = group.create_task(_read(lines, seen), name="challenge:read")
                shown, ended_s = await self._show(challenge.asked, screen)
                looking.cancel()
                if challenge.transcript is not None:
                    seen.lines.clear()
                await screen.ask(challenge.asked.gesture, challenge.asked.phrase)
                await self._clock.sleep(self.pace.ask_s)
                reading.cancel()
        if challenge.transcript is not None:
            challenge.phrase_share = words_said(challenge.asked.phrase, seen.lines)
        skins, random = _on_our_clock(seen), secrets.SystemRandom()
        challenge.judgement = await asyncio.to_thread(judge, shown, ended_s, skins, random=random)

    async def _show(self, asked: Asked, screen: Screen) -> tuple[list[Shown], float]:
        """Run the colours; when each was painted, and when the last gave way to grey."""
        await screen.show(GREY)
        await self._clock.sleep(self.pace.lead_s)
        shown = []
        for colour in asked.colours:
            shown.append(Shown(await screen.show(css(colour)), colour))
            due_s = shown[-1].at_s + self.pace.step_s
            await self._clock.sleep(max(0.0, due_s - self._clock.now_ns() / 1e9))
        ended_s = await screen.show(GREY)
        await self._clock.sleep(self.pace.after_s)
        return shown, ended_s

    def _expire(self, challenge: Challenge) -> None:
        age_s = (self._clock.now_ns() - challenge.made_ns) / 1e9
        if challenge.state is State.WAITING and age_s > LASTS_S:
            challenge.state = State.EXPIRED


async def _look(items: Channel[Item], reader: SkinReader, seen: _Seen) -> None:
    """Measure the face in every picture, off the loop, until cancelled."""
    async for item in items:
        if isinstance(item, VideoFrame) and not item.damaged:
            skin = await asyncio.to_thread(reader.read, item.image_rgb, item.media_s)
            seen.frames.append((item.media_s, item.captured_ns / 1e9, item.epoch, skin))


async def _read(lines: Channel[Item], seen: _Seen) -> None:
    async for item in lines:
        if isinstance(item, ChatMessage):
            seen.lines.append(item.text[:1_000])


def _on_our_clock(seen: _Seen) -> list[Skin]:
    """The skins by when their pictures would have come without jitter, of the newest epoch."""
    if not seen.frames:
        return []
    newest = [frame for frame in seen.frames if frame[2] == seen.frames[-1][2]]
    behind_s = min(arrived_s - media_s for media_s, arrived_s, _, _ in newest)
    return [Skin(media_s + behind_s, skin.rgb) for media_s, _, _, skin in newest]


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
