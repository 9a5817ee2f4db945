"""One stream as it is shown live. It exists while somebody watches."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial

from streammon.core.ports import Clock
from streammon.core.types import AudioChunk, Item, StreamId, VideoFrame
from streammon.flow.channel import Channel, WhenFull
from streammon.pipelines.attention import Attention
from streammon.sections import WhepConfig
from streammon.server.watching.coding import (
    SOUND_S,
    Coded,
    PictureCoder,
    Said,
    SoundCoder,
    VideoCodec,
)
from streammon.server.watching.feed import Feed
from streammon.server.watching.live_clock import LiveClock

KEYFRAMES_APART_S = 0.5
"""However many viewers ask, and however often: each costs all of them bits."""
STILL_S = 1.0
"""Where no picture came for so long, the last one is shown again to who needs a keyframe."""
MOST_SPOKEN = 100
BACKLOG = round(0.4 / SOUND_S)
"""Sound that waits for its turn: more of it goes out at once, less in the beat of its 20 ms."""
OUT_OF_STEP_S = 0.1
SILENT_AFTER_S = 1.0
"""Of several participants one is heard, until it has said nothing for so long."""


class Broadcast:
    """Draws and codes a stream once for all its viewers. On the event loop, but for the work.

    The newest picture wins: one that is not drawn in time is replaced by the next. Sound comes a
    fifth of a second at a time and goes out in even steps, so that viewers need not wait for it.
    """

    def __init__(
        self,
        stream: StreamId,
        attention: Attention,
        *,
        said_of: Callable[[VideoFrame], Said],
        settings: WhepConfig,
        executor: Executor,
        clock: Clock,
    ) -> None:
        self.stream = stream
        self.live = LiveClock(clock.now_ns())
        self.coded: Counter[VideoCodec] = Counter()
        """Pictures coded so far."""
        self.sent_s = 0.0
        """When something was last sent to viewers, on the live clock."""
        self._attention = attention
        self._said_of = said_of
        self._interval_s = 1.0 / settings.fps
        self._executor = executor
        self._clock = clock
        self._pictures = PictureCoder(settings)
        self._sound = SoundCoder()
        self._feeds: list[Feed] = []
        self._newest: VideoFrame | None = None
        self._shown: tuple[VideoFrame, float] | None = None
        self._fresh = asyncio.Event()
        self._wished: set[VideoCodec] = set()
        self._keyframes_s: dict[VideoCodec, float] = {}
        self._speaker = ("", float("-inf"))

    # --- viewers ---------------------------------------------------------------------------

    @property
    def codecs(self) -> tuple[VideoCodec, ...]:
        """What its viewers have their pictures in, each once."""
        return tuple(dict.fromkeys(feed.codec for feed in self._feeds if feed.codec is not None))

    def join(self, codec: VideoCodec | None, *, sound: bool) -> Feed:
        """One more viewer; `leave` it again."""
        feed = Feed(codec, sound=sound, need_keyframe=partial(self._wish, codec))
        self._feeds.append(feed)
        return feed

    def leave(self, feed: Feed) -> None:
        feed.close()
        self._feeds = [other for other in self._feeds if other is not feed]

    def _wish(self, codec: VideoCodec | None) -> None:
        if codec is not None:
            self._wished.add(codec)

    # --- work ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled. Raises what a coder raises."""
        spoken: Channel[Coded] = Channel(
            f"whep:{self.stream}.sound", MOST_SPOKEN, WhenFull.DROP_OLDEST
        )
        with self._attention.to(self.stream, interval_s=self._interval_s, audio=True) as items:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._paint(), name=f"whep:{self.stream}.paint")
                group.create_task(self._speak(spoken), name=f"whep:{self.stream}.speak")
                await self._read(items, spoken)

    async def _read(self, items: Channel[Item], spoken: Channel[Coded]) -> None:
        loop = asyncio.get_running_loop()
        async for item in items:
            if isinstance(item, VideoFrame):
                self._newest = item
                self._fresh.set()
            elif isinstance(item, AudioChunk) and self._is_heard(item):
                end_s = item.media_s + item.duration_s
                at_s = self.live.place_s(item.epoch, end_s, item.captured_ns) - item.duration_s
                for coded in await loop.run_in_executor(
                    self._executor, self._sound.code, item.pcm, at_s
                ):
                    spoken.offer(coded)

    def _is_heard(self, chunk: AudioChunk) -> bool:
        """Whether this is of the one participant who is heard now."""
        now_s = self.live.at_s(self._clock.now_ns())
        speaker, last_s = self._speaker
        if chunk.participant != speaker and now_s - last_s < SILENT_AFTER_S:
            return False
        self._speaker = (chunk.participant, now_s)
        return True

    async def _speak(self, spoken: Channel[Coded]) -> None:
        due_s = float("-inf")
        while True:
            coded = await spoken.recv()
            now_s = self.live.at_s(self._clock.now_ns())
            due_s += SOUND_S
            if due_s < now_s - OUT_OF_STEP_S or len(spoken) > BACKLOG:
                due_s = now_s
            if due_s > now_s:
                await self._clock.sleep(due_s - now_s)
            self.sent_s = self.live.at_s(self._clock.now_ns())
            for feed in self._feeds:
                feed.offer_sound(coded)

    async def _paint(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            found = await self._next_picture()
            if found is None:
                continue
            frame, at_s = found
            codecs, now_s = self.codecs, self.live.at_s(self._clock.now_ns())
            keyframes = tuple(
                codec
                for codec in self._wished
                if now_s - self._keyframes_s.get(codec, float("-inf")) >= KEYFRAMES_APART_S
            )
            work = partial(
                self._pictures.code,
                frame,
                self._said_of(frame),
                at_s,
                codecs=codecs,
                keyframes=keyframes,
            )
            coded = await loop.run_in_executor(self._executor, work)
            self.coded.update(coded.keys())
            self.sent_s = self.live.at_s(self._clock.now_ns())
            for codec, one in coded.items():
                if one.is_keyframe:
                    self._wished.discard(codec)
                    self._keyframes_s[codec] = now_s
            for feed in self._feeds:
                if feed.codec in coded:
                    feed.offer_picture(coded[feed.codec])

    async def _next_picture(self) -> tuple[VideoFrame, float] | None:
        """The newest picture and its moment; after a while without any the last one again, if
        somebody needs a keyframe. `None`: nothing is to be shown yet.
        """
        try:
            async with asyncio.timeout(STILL_S):
                await self._fresh.wait()
        except TimeoutError:
            if self._shown is None or self._wished.isdisjoint(self.codecs):
                return None
            return self._shown[0], self.live.at_s(self._clock.now_ns())
        self._fresh.clear()
        frame, self._newest = self._newest, None
        if frame is None or not self.codecs:
            return None
        at_s = self.live.place_s(frame.epoch, frame.media_s, frame.captured_ns)
        too_soon = self._shown is not None and 0 <= at_s - self._shown[1] < 0.9 * self._interval_s
        if too_soon:
            return None
        self._shown = frame, at_s
        return frame, at_s
