"""Working stand-ins for time, cameras, models and brokers. No mocks."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, cast

import numpy as np

from streammon.core.ports import SourceContext
from streammon.core.types import (
    AudioChunk,
    ChatMessage,
    DetectionResult,
    HealthState,
    Item,
    Modality,
    Outgoing,
    StreamId,
    VideoFrame,
    Window,
    WindowSpec,
    WindowUnit,
)

CAM = StreamId("cam")
RATE_HZ = 16_000


class FakeClock:
    """Time that moves only when every task of the loop waits: to the next sleeper's end.

    With `auto=False` it stands still until `advance`. Not for tests that wait for sockets or
    threads in real time: such a wait also looks idle.
    """

    def __init__(self, *, now_ns: int = 0, auto: bool = True) -> None:
        self.slept_s: list[float] = []
        self._now_ns = now_ns
        self._auto = auto
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._looking = False

    def now_ns(self) -> int:
        return self._now_ns

    def pass_s(self, delay_s: float) -> None:
        """Time that somebody takes without a loop; wakes nobody."""
        self._now_ns += round(delay_s * 1e9)

    async def sleep(self, delay_s: float) -> None:
        self.slept_s.append(delay_s)
        loop = asyncio.get_running_loop()
        wake: asyncio.Future[None] = loop.create_future()
        until_ns = self._now_ns + max(0, round(delay_s * 1e9))
        heapq.heappush(self._sleepers, (until_ns, len(self.slept_s), wake))
        if self._auto and not self._looking:
            self._looking = True
            loop.call_soon(self._step_when_idle, loop)
        await wake

    async def advance(self, delay_s: float) -> None:
        """Move on by `delay_s`; who wakes on the way runs at its own time, in order."""
        until_ns = self._now_ns + round(delay_s * 1e9)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until_ns:
            self._wake_next()
            await settle()
        self._now_ns = until_ns

    def _step_when_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        if _others_are_ready(loop):
            loop.call_soon(self._step_when_idle, loop)
            return
        if self._sleepers:
            self._wake_next()
        self._looking = bool(self._sleepers)
        if self._looking:
            loop.call_soon(self._step_when_idle, loop)

    def _wake_next(self) -> None:
        at_ns, _, wake = heapq.heappop(self._sleepers)
        if not wake.done():  # a cancelled sleeper moves no time
            self._now_ns = max(self._now_ns, at_ns)
            wake.set_result(None)


async def until(true: Callable[[], object]) -> None:
    """Look until it is so: for what happens on other threads. The test's own limit ends it."""
    while not true():  # noqa: ASYNC110 - no event tells this
        await asyncio.sleep(0.002)


async def settle() -> None:
    """Return when no other task of this loop can run without time, a thread or a socket."""
    await asyncio.sleep(0)
    while _others_are_ready(asyncio.get_running_loop()):  # noqa: ASYNC110 - no event tells this
        await asyncio.sleep(0)


def _others_are_ready(loop: asyncio.AbstractEventLoop) -> bool:
    return bool(cast(Any, loop)._ready)  # asyncio has no public way to ask


@dataclass(frozen=True, slots=True)
class WantAll:
    """A `Demand` that takes whatever there is."""

    frame_interval_s: float | None = 0.001
    audio: bool = True


@dataclass(frozen=True, slots=True)
class Pause:
    """In a script: nothing comes for so long."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Turn:
    """In a script: nothing comes before this is so; unset, what the source's `may_go_on` says."""

    when: Callable[[], object] | None = None


class ScriptedSource:
    """Plays a script: items are yielded, pauses waited for, exceptions raised.

    An exception ends the connection; the next `open` goes on behind it, in a new epoch. After
    the last step the source ends, or with `stays_open` waits for ever.
    """

    def __init__(
        self,
        stream: str,
        script: Sequence[Item | Pause | Turn | Exception],
        *,
        modalities: frozenset[Modality] = frozenset({Modality.VIDEO}),
        stays_open: bool = False,
    ) -> None:
        self.may_go_on: Callable[[], bool] = lambda: True
        self.stream = StreamId(stream)
        self.modalities = modalities
        self.opened = self.closed = 0
        self._steps = iter(script)
        self._stays_open = stays_open

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncGenerator[AsyncIterator[Item]]:
        self.opened += 1
        items = self._items(context)
        try:
            yield items
        finally:
            await items.aclose()
            self.closed += 1

    async def _items(self, context: SourceContext) -> AsyncGenerator[Item]:
        epoch = self.opened - 1
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Pause):
                await context.clock.sleep(step.delay_s)
            elif isinstance(step, Turn):
                await until(step.when or self.may_go_on)
            else:
                now_ns = context.clock.now_ns()
                yield replace(step, stream=self.stream, epoch=epoch, captured_ns=now_ns)
                await asyncio.sleep(0)
        if self._stays_open:
            await asyncio.Event().wait()


class RecordingSink:
    """Keeps what it is given; `failures` are raised first, one per delivery."""

    def __init__(
        self,
        name: str = "recording",
        *,
        failures: Sequence[Exception] = (),
        wants: Callable[[Outgoing], bool] = lambda item: True,
    ) -> None:
        self.name = name
        self.items: list[Outgoing] = []
        self.is_open = False
        self._failures = list(failures)
        self._wants = wants

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_open = False

    def wants(self, item: Outgoing) -> bool:
        return self._wants(item)

    async def deliver(self, item: Outgoing) -> None:
        assert self.is_open, "delivered outside of its context"
        if self._failures:
            raise self._failures.pop(0)
        self.items.append(item)


class Brightness:
    """A real, small detector: mean brightness of the window's frames; damaged ones abstain."""

    kind = "brightness"
    inputs: Mapping[Modality, WindowSpec] = {Modality.VIDEO: WindowSpec(2, 0, WindowUnit.FRAMES)}
    on_device = False

    def __init__(self, name: str = "brightness", *, max_batch: int = 8) -> None:
        self.name = name
        self.max_batch = max_batch
        self.loaded_on: str | None = None
        self.batches: list[int] = []

    def load(self, device: str) -> None:
        self.loaded_on = device

    def bucket(self, window: Window) -> str:
        frame = window.items[0]
        assert isinstance(frame, VideoFrame)
        return "x".join(map(str, frame.image_rgb.shape))

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        assert self.loaded_on is not None, "scored before it was loaded"
        self.batches.append(len(batch))
        return [self._judge(window) for window in batch]

    def _judge(self, window: Window) -> DetectionResult:
        frames = [item for item in window.items if isinstance(item, VideoFrame)]
        damaged = any(frame.damaged for frame in frames)
        level = float(np.mean([frame.image_rgb.mean() for frame in frames])) / 255.0
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used="mean@1",
            confidence=None if damaged else level,
            abstained="damaged frames" if damaged else None,
        )


class Reports(list[tuple[HealthState, str]]):
    """What was reported, in order; call it as a `report` function."""

    def __call__(self, state: HealthState, cause: str) -> None:
        self.append((state, cause))


# --- values with everything filled in --------------------------------------------------------


def a_frame(
    seq: int = 0, *, media_s: float | None = None, level: int = 0, **more: Any
) -> VideoFrame:
    """A 4 x 4 picture of one grey level; 25 a second unless told."""
    image_rgb = np.full((4, 4, 3), level, np.uint8)
    image_rgb.flags.writeable = False
    at_s = seq / 25 if media_s is None else media_s
    return VideoFrame(
        **{
            "stream": CAM,
            "seq": seq,
            "media_s": at_s,
            "captured_ns": round(at_s * 1e9),
            "image_rgb": image_rgb,
            **more,
        }
    )


def a_chunk(
    seq: int = 0,
    *,
    media_s: float | None = None,
    duration_s: float = 0.1,
    pitch_hz: float = 440.0,
    **more: Any,
) -> AudioChunk:
    """A piece of a steady tone at 16 kHz."""
    at_s = seq * duration_s if media_s is None else media_s
    t = at_s + np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    pcm = (0.5 * np.sin(2 * np.pi * pitch_hz * t)).astype(np.float32)
    pcm.flags.writeable = False
    return AudioChunk(
        **{
            "stream": CAM,
            "seq": seq,
            "media_s": at_s,
            "captured_ns": round(at_s * 1e9),
            "pcm": pcm,
            "rate_hz": RATE_HZ,
            "source_rate_hz": RATE_HZ,
            **more,
        }
    )


def a_message(
    seq: int = 0, *, text: str = "hello", author_id: str = "ann", **more: Any
) -> ChatMessage:
    """One line of chat; one a second unless told."""
    return ChatMessage(
        **{
            "stream": StreamId("chat"),
            "seq": seq,
            "media_s": float(seq),
            "captured_ns": seq * 10**9,
            "author_id": author_id,
            "text": text,
            "message_id": f"m{seq}",
            **more,
        }
    )


def a_window(*items: Item, end_s: float | None = None, **more: Any) -> Window:
    """A window over these items (one frame unless told), of their stream and epoch."""
    items = items or (a_frame(),)
    modality = {VideoFrame: Modality.VIDEO, AudioChunk: Modality.AUDIO}.get(
        type(items[0]), Modality.TEXT
    )
    return Window(
        **{
            "stream": items[0].stream,
            "modality": modality,
            "epoch": items[0].epoch,
            "start_s": items[0].media_s,
            "end_s": items[-1].media_s + 0.04 if end_s is None else end_s,
            "items": items,
            **more,
        }
    )


def a_result(**more: Any) -> DetectionResult:
    """A confident result on [0, 1) of stream `cam`; anything can be set otherwise."""
    return DetectionResult(
        **{
            "stream": CAM,
            "detector": "brightness",
            "kind": "brightness",
            "modality": Modality.VIDEO,
            "epoch": 0,
            "start_s": 0.0,
            "end_s": 1.0,
            "captured_ns": 0,
            "confidence": 0.9,
            "model_used": "mean@1",
            **more,
        }
    )
