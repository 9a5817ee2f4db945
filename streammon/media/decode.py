"""Decodes the pictures that are wanted, and as little else as the codec allows."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from streammon.media.tracks import INTRA_ONLY, MediaPacket

MOST_PENDING_BYTES = 64 * 2**20
MOST_PENDING = 3000
"""A group of pictures longer than this is decoded, or given up while nothing is wanted."""

SLACK = 1e-6
"""Share of an interval by which a time may fall short of its multiple: rounding, not time."""

LOST_AFTER = 1.9
"""Over a lossy transport: a step this many times the usual one means lost packets."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A sampled frame before colour conversion."""

    frame: VideoFrame
    media_s: float
    captured_ns: int
    is_keyframe: bool
    damaged: bool


NONE: list[Picture] = []


class Sampler:
    """Picks the first frame at or after each multiple of an interval of media time."""

    def __init__(self) -> None:
        self._interval_s = 0.0
        self._last = -1
        self._last_s = -math.inf

    def due(self, media_s: float, interval_s: float) -> bool:
        """Whether a frame at `media_s` is the first of its interval."""
        if interval_s != self._interval_s:
            self._change(media_s, interval_s)
        return math.floor(media_s / interval_s + SLACK) > self._last

    def take(self, media_s: float) -> None:
        """The frame at `media_s` was sampled."""
        self._last = math.floor(media_s / self._interval_s + SLACK)
        self._last_s = media_s

    def _change(self, media_s: float, interval_s: float) -> None:
        """Go on with another interval: from the multiple before now, not from older ones."""
        self._interval_s = interval_s
        now = math.floor(media_s / interval_s + SLACK) - 1
        before = self._last_s / interval_s
        self._last = max(now, math.floor(before + SLACK) if math.isfinite(before) else -1)


class GopDecoder:
    """Decodes one epoch's video on demand. For one thread.

    Packets wait undecoded until a frame is due; then all of the group so far are decoded in one
    pass. Where keyframes are as close together as frames are wanted, nothing else is decoded.
    A frame is damaged when the decoder, the demuxer or the transport says so, and so is every
    later one of its group, which builds on it.
    """

    def __init__(
        self, context: VideoCodecContext, *, tick_s: float, origin_s: float, lossy: bool
    ) -> None:
        self._context = context
        self._tick_s = tick_s
        self._origin_s = origin_s
        self._lossy = lossy
        self._intra_only = context.name in INTRA_ONLY
        self._sampler = Sampler()
        self._pending: list[MediaPacket] = []
        self._pending_bytes = 0
        self._arrived: dict[int | None, int] = {}
        self._ready = False  # the decoder, fed with what is pending, would be up to date
        self._hungry = False  # a frame is due that the decoder still holds back
        self._key_s = 0.0
        self._key_pts: int | None = None
        self._key_shown = False
        self._spacings_s = (math.inf, math.inf)
        self._damaged = self._damaged_before = False
        self._step_s = self._previous_s = math.inf

    def media_s(self, pts: int) -> float:
        return max(pts * self._tick_s - self._origin_s, 0.0)

    def push(
        self, packet: MediaPacket, media_s: float, arrived_ns: int, interval_s: float | None
    ) -> list[Picture]:
        """Take one packet; the frames that became due with it, in order of presentation.

        `interval_s` is how far apart frames are wanted, `None` for not at all.
        """
        is_key = self._intra_only or packet.is_keyframe
        if is_key:
            self._begin_group(media_s, packet.pts)
        elif not self._ready:
            return NONE
        if self._lossy:
            self._watch_steps(packet, is_key=is_key)
        self._pending.append(packet)
        self._pending_bytes += packet.size
        self._arrived[packet.pts] = arrived_ns
        if self._pending_bytes > MOST_PENDING_BYTES or len(self._pending) > MOST_PENDING:
            self._relieve(interval_s)
        if interval_s is None:
            return NONE
        spacing_s = max(*self._spacings_s, media_s - self._key_s)
        keys_only = spacing_s <= interval_s * (1 + SLACK)
        if (keys_only and not is_key) or not self._sampler.due(media_s, interval_s):
            return NONE
        if keys_only:
            return self._decode_key(packet, arrived_ns, interval_s)
        pictures = self._decode_pending(arrived_ns, interval_s)
        self._hungry = not pictures or self._sampler.due(media_s, interval_s)
        return pictures

    def finish(self, arrived_ns: int, interval_s: float | None) -> list[Picture]:
        """At the end of the stream: the due frames that the decoder still holds."""
        if interval_s is None or not self._hungry:
            return NONE
        pictures = self._decode_pending(arrived_ns, interval_s)
        return pictures + self._sampled(self._drain(), arrived_ns, interval_s)

    def _begin_group(self, media_s: float, pts: int | None) -> None:
        """A keyframe has come: what was not decoded of the group before never will be."""
        if self._ready:
            self._spacings_s = (self._spacings_s[1], media_s - self._key_s)
            if self._spacings_s[0] == math.inf:
                self._spacings_s = (self._spacings_s[1],) * 2
        self._key_s, self._key_pts, self._key_shown = media_s, pts, False
        self._damaged_before, self._damaged = self._damaged, False
        if self._hungry:
            return
        if self._pending and not self._intra_only:
            self._context.flush_buffers()
            self._damaged_before = True  # what leans on the pictures skipped here
        self._pending.clear()
        self._pending_bytes = 0
        self._arrived.clear()
        self._ready = True

    def _watch_steps(self, packet: MediaPacket, *, is_key: bool) -> None:
        """Packets that a lossy transport dropped leave a longer step than any other."""
        if packet.dts is None:
            return
        now_s = packet.dts * self._tick_s
        step_s = now_s - self._previous_s
        self._previous_s = now_s
        if 0 < step_s < self._step_s:
            self._step_s = step_s
        elif step_s > self._step_s * LOST_AFTER and not is_key:
            self._damaged = True

    def _relieve(self, interval_s: float | None) -> None:
        """Bound what is pending: bring the decoder up to date, or wait for a keyframe."""
        if interval_s is None:
            self._ready = False
        else:
            deque(self._feed(self._pending), maxlen=0)
        self._pending = []
        self._pending_bytes = 0
        self._arrived.clear()

    def _decode_key(self, packet: MediaPacket, arrived_ns: int, interval_s: float) -> list[Picture]:
        frames = list(self._feed([packet]))
        if all(frame.pts != packet.pts for frame in frames):
            # A stream with B-frames holds the keyframe back until others come: have it now,
            # and give the decoder the keyframe again should the rest of the group be wanted.
            frames += self._drain()
        else:
            self._pending, self._pending_bytes = [], 0
        self._hungry = False
        return self._sampled(frames, arrived_ns, interval_s)

    def _decode_pending(self, arrived_ns: int, interval_s: float) -> list[Picture]:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        return self._sampled(self._feed(pending), arrived_ns, interval_s)

    def _feed(self, packets: list[MediaPacket]) -> Iterator[VideoFrame]:
        """The frames of these packets one by one: those not sampled are not kept."""
        decode = self._context.decode
        for packet in packets:
            if packet.is_corrupt:
                self._damaged = True
            try:
                for frame in decode(packet):
                    self._note(frame)
                    yield frame
            except av.FFmpegError:
                self._damaged = True

    def _note(self, frame: VideoFrame) -> None:
        if frame.is_corrupt:
            self._damaged = True
        if frame.pts == self._key_pts:
            self._key_shown = True

    def _drain(self) -> list[VideoFrame]:
        try:
            frames = self._context.decode(None)
            for frame in frames:
                self._note(frame)
            return frames
        except av.FFmpegError:
            self._damaged = True
            return []
        finally:
            self._context.flush_buffers()

    def _sampled(
        self, frames: Iterable[VideoFrame], arrived_ns: int, interval_s: float
    ) -> list[Picture]:
        pictures = []
        for frame in frames:
            if frame.pts is None:
                continue
            media_s = self.media_s(frame.pts)
            captured_ns = self._arrived.pop(frame.pts, arrived_ns)
            if not self._sampler.due(media_s, interval_s):
                continue
            self._sampler.take(media_s)
            before = media_s < self._key_s - SLACK
            damaged = self._damaged_before if before else self._damaged or not self._key_shown
            pictures.append(Picture(frame, media_s, captured_ns, bool(frame.key_frame), damaged))
        return pictures
