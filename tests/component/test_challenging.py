"""A challenge from link to answer, with a call that is rendered to the very colours shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.core.clock import MonotonicClock
from streammon.core.types import StreamId, VideoFrame
from streammon.detectors.challenge.scoring import Answer
from streammon.detectors.challenge.sequence import COLOURS, css
from streammon.pipelines.attention import Attention
from streammon.server.challenging import GREY, LASTS_S, Busy, Challenges, Pace, State, Unusable
from tests.drawn_face import drawn_face
from tests.fakes import CAM, FakeClock, a_message
from tests.lit_faces import encoded

CHAT = StreamId("words")
FAST = Pace(lead_s=0.4, step_s=0.3, after_s=4.1, ask_s=0.3)
STRENGTH = 0.3


@dataclass
class LitScreen:
    """A screen whose light falls on a face, which a call brings a little later."""

    attention: Attention
    lights: bool = True
    late_s: float = 0.25
    face: NDArray[np.float64] = field(
        default_factory=lambda: (drawn_face(0.2).astype(np.float64) / 255.0) ** 2.2
    )
    colours: list[tuple[float, str]] = field(default_factory=list)
    asked: tuple[str, str] | None = None

    async def show(self, colour: str) -> float:
        self.colours.append((time.monotonic(), colour))
        return self.colours[-1][0]

    async def ask(self, gesture: str, phrase: str) -> None:
        self.asked = gesture, phrase
        for word in phrase.split():
            self.attention.saw(a_message(stream=CHAT, text=word))

    async def call(self) -> None:
        """Pictures of the face, ten a second, until cancelled."""
        began_s, seq = time.monotonic(), 0
        while True:
            now_s = time.monotonic()
            before = [each for at_s, each in self.colours if at_s <= now_s - self.late_s]
            fallen = np.ones(3)
            if self.lights and before and before[-1] != GREY:
                lit = next(at for at in range(len(COLOURS)) if css(at) == before[-1])
                fallen = fallen + STRENGTH * np.array(COLOURS[lit], float)
            image = encoded(self.face * fallen).astype(np.uint8)
            image.flags.writeable = False
            captured_ns = time.monotonic_ns()
            frame = VideoFrame(CAM, seq, now_s - began_s, captured_ns, image)
            self.attention.saw(frame)
            seq += 1
            await asyncio.sleep(0.1)


@asynccontextmanager
async def calling(screen: LitScreen) -> AsyncGenerator[None]:
    task = asyncio.create_task(screen.call())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_caller_whose_face_is_lit_by_the_screen_is_verified() -> None:
    attention = Attention()
    screen, challenges = LitScreen(attention), Challenges(attention, MonotonicClock(), pace=FAST)
    made, token = challenges.make(CAM, CHAT)
    async with asyncio.timeout(40.0), calling(screen):
        await challenges.run(token, screen)
    assert made.state is State.DONE
    assert made.judgement is not None
    assert made.judgement.answer is Answer.FOLLOWS, made.judgement
    assert made.judgement.delay_s == pytest.approx(screen.late_s, abs=0.2)
    assert made.phrase_share == 1.0
    assert screen.asked == (made.asked.gesture, made.asked.phrase)
    assert [colour for _, colour in screen.colours] == [
        GREY, *map(css, made.asked.colours), GREY,
    ]  # fmt: skip
    with pytest.raises(Unusable, match="used already"):
        await challenges.run(token, screen)
    assert attention.interval_s(CAM) is None


async def test_a_face_that_the_screen_does_not_light_is_not_verified() -> None:
    attention = Attention()
    screen = LitScreen(attention, lights=False)
    challenges = Challenges(attention, MonotonicClock(), pace=FAST)
    made, token = challenges.make(CAM, None)
    async with asyncio.timeout(40.0), calling(screen):
        await challenges.run(token, screen)
    assert made.judgement is not None
    assert made.judgement.answer is Answer.ABSTAINS
    assert made.phrase_share is None


class SlowScreen:
    """One that waits to be let on, or goes away."""

    def __init__(self) -> None:
        self.shown, self.go_on = asyncio.Event(), asyncio.Event()
        self.gone = False

    async def show(self, colour: str) -> float:
        self.shown.set()
        await self.go_on.wait()
        if self.gone:
            raise ConnectionError("the page was closed")
        return 0.0

    async def ask(self, gesture: str, phrase: str) -> None:
        return


async def test_one_call_is_checked_by_one_at_a_time_and_a_page_that_goes_ends_its_link() -> None:
    challenges = Challenges(Attention(), MonotonicClock(), pace=FAST)
    made, token = challenges.make(CAM, None)
    other, other_token = challenges.make(CAM, None)
    screen = SlowScreen()
    running = asyncio.create_task(challenges.run(token, screen))
    async with asyncio.timeout(30.0):
        await screen.shown.wait()
        with pytest.raises(Busy):
            await challenges.run(other_token, SlowScreen())
        assert other.state is State.WAITING
        screen.gone = True
        screen.go_on.set()
        (failed,) = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(failed, BaseExceptionGroup | ConnectionError)
    assert made.state is State.BROKEN_OFF
    with pytest.raises(Unusable):
        await challenges.run(token, SlowScreen())


async def test_links_that_are_guessed_or_old_begin_nothing() -> None:
    clock = FakeClock(auto=False)
    challenges = Challenges(Attention(), clock, pace=FAST)
    made, token = challenges.make(CAM, None)
    for guess in ("", "x", token[:-1], token + "=", "\udcff"):
        with pytest.raises(Unusable, match="no such check"):
            await challenges.run(guess, SlowScreen())
    await clock.advance(LASTS_S + 1)
    with pytest.raises(Unusable, match="too old"):
        await challenges.run(token, SlowScreen())
    found = challenges.get(made.challenge_id)
    assert found is not None
    assert found.state is State.EXPIRED


def test_only_so_many_are_kept() -> None:
    challenges = Challenges(Attention(), FakeClock(), pace=FAST)
    made = [challenges.make(CAM, None)[0] for _ in range(205)]
    assert challenges.get(made[0].challenge_id) is None
    assert challenges.get(made[-1].challenge_id) is made[-1]
