"""One epoch of a stream: its ring, its decoders, and the items they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from streammon.core.ports import Demand
from streammon.core.types import AudioChunk, ClockTrust, Item, StreamId, VideoFrame
from streammon.media.clips import ClipShelf
from streammon.media.convert import RATE_HZ, AudioConverter, Chunk, RgbConverter
from streammon.media.decode import GopDecoder, Picture
from streammon.media.ring import PacketRing
from streammon.media.tracks import INTRA_ONLY, MediaPacket, remember

VIDEO, AUDIO = 0, 1
"""How the ring numbers the tracks."""

AUDIO_GROUP_S = 1.0
"""Without pictures, the ring's groups are this long."""

NOTHING: Sequence[Item] = ()
BEFORE = float("-inf")


def _senders() -> ClockTrust:
    return "sender"


class Numbering:
    """The running numbers of a source: they go on over epochs and reconnects."""

    def __init__(self) -> None:
        self.epochs = self.frames = self.chunks = 0


@dataclass(frozen=True, slots=True)
class Outlet:
    """What every epoch of a source shares."""

    stream: StreamId
    demand: Demand
    numbers: Numbering
    shelf: ClipShelf
    stamp: Callable[[float], int]
    """`captured_ns` of something that arrives now and whose media time is this."""
    width: int
    lossy: bool
    clock: Callable[[], ClockTrust] = _senders
    """What aligns a picture that arrives now with the sound."""


class Pictures:
    """The video of one epoch: packets in, the frames that are wanted out."""

    def __init__(self, outlet: Outlet, stream: VideoStream, epoch: int, origin_s: float) -> None:
        context = stream.codec_context
        self.intra_only = context.name in INTRA_ONLY
        self._outlet = outlet
        self._epoch = epoch
        self._rgb = RgbConverter(outlet.width, pixel_aspect=context.sample_aspect_ratio)
        self._decoder = GopDecoder(
            context,
            tick_s=float(stream.time_base or 0),
            origin_s=origin_s,
            lossy=outlet.lossy,
        )

    def take(self, packet: MediaPacket, media_s: float) -> Sequence[Item]:
        wanted_s = self._outlet.demand.frame_interval_s
        pictures = self._decoder.push(packet, media_s, self._outlet.stamp(media_s), wanted_s)
        return [self._frame(picture) for picture in pictures] if pictures else NOTHING

    def finish(self, media_s: float) -> list[Item]:
        wanted_s = self._outlet.demand.frame_interval_s
        pictures = self._decoder.finish(self._outlet.stamp(media_s), wanted_s)
        return [self._frame(picture) for picture in pictures]

    def _frame(self, picture: Picture) -> VideoFrame:
        numbers = self._outlet.numbers
        numbers.frames += 1
        return VideoFrame(
            stream=self._outlet.stream,
            seq=numbers.frames - 1,
            media_s=picture.media_s,
            captured_ns=picture.captured_ns,
            image_rgb=self._rgb.rgb(picture.frame),
            is_keyframe=picture.is_keyframe,
            damaged=picture.damaged,
            epoch=self._epoch,
            clock=self._outlet.clock(),
        )


class Sound:
    """The audio of one epoch: packets in, chunks out while sound is wanted."""

    def __init__(self, outlet: Outlet, stream: AudioStream, epoch: int, origin_s: float) -> None:
        self._outlet = outlet
        self._epoch = epoch
        self._decode = stream.codec_context.decode
        self._converter = AudioConverter(tick_s=float(stream.time_base or 0), origin_s=origin_s)

    def take(self, packet: MediaPacket) -> Sequence[Item]:
        if not self._outlet.demand.audio:
            return self.finish()
        chunks: list[Chunk] = []
        try:
            for frame in self._decode(packet):
                chunks += self._converter.push(frame)
        except av.FFmpegError:
            return NOTHING  # the gap shows in the times of what follows
        return [self._item(chunk) for chunk in chunks] if chunks else NOTHING

    def finish(self) -> list[Item]:
        return [self._item(chunk) for chunk in self._converter.flush()]

    def _item(self, chunk: Chunk) -> AudioChunk:
        media_s, pcm = chunk
        numbers = self._outlet.numbers
        numbers.chunks += 1
        return AudioChunk(
            stream=self._outlet.stream,
            seq=numbers.chunks - 1,
            media_s=media_s,
            captured_ns=self._outlet.stamp(media_s),
            pcm=pcm,
            rate_hz=RATE_HZ,
            source_rate_hz=self._converter.source_rate_hz,
            epoch=self._epoch,
        )


class Epoch:
    """Takes the packets of one epoch. A `moment_s` is the stream's own time. For one thread."""

    def __init__(
        self,
        outlet: Outlet,
        video: VideoStream | None,
        audio: AudioStream | None,
        *,
        origin_s: float,
        extradata: bytes | None,
    ) -> None:
        number = outlet.numbers.epochs
        outlet.numbers.epochs += 1
        self.origin_s = origin_s
        self.video_s = self.audio_s = BEFORE
        """Media time of the newest packet of each track."""
        self._pictures = Pictures(outlet, video, number, origin_s) if video else None
        self._sound = Sound(outlet, audio, number, origin_s) if audio else None
        self._group_s = BEFORE
        self._ring: PacketRing[MediaPacket] | None = None
        streams = {VIDEO: video, AUDIO: audio}
        tracks = {
            track: remember(stream, extradata=extradata if track == VIDEO else None)
            for track, stream in streams.items()
            if stream is not None
        }
        kept = {number: track for number, track in tracks.items() if track is not None}
        if len(kept) == len(tracks):
            self._ring = outlet.shelf.begin(number, kept, origin_s=origin_s)
        else:
            outlet.shelf.begin_bare(number)

    def take_video(self, packet: MediaPacket, moment_s: float) -> Sequence[Item]:
        """Keep the packet; the frames that became due with it."""
        pictures = self._pictures
        assert pictures is not None
        self.video_s = media_s = max(moment_s - self.origin_s, 0.0)
        if self._ring is not None:
            starts = pictures.intra_only or packet.is_keyframe
            self._ring.add(VIDEO, packet, packet.size, starts_group_s=media_s if starts else None)
        return pictures.take(packet, media_s)

    def take_audio(self, packet: MediaPacket, moment_s: float) -> Sequence[Item]:
        """Keep the packet; the chunks that it completes."""
        assert self._sound is not None
        self.audio_s = media_s = moment_s - self.origin_s
        if self._ring is not None:
            starts = self._pictures is None and media_s >= self._group_s + AUDIO_GROUP_S
            if starts:
                self._group_s = media_s
            self._ring.add(AUDIO, packet, packet.size, starts_group_s=media_s if starts else None)
        return self._sound.take(packet)

    def finish(self) -> list[Item]:
        """What the decoders and converters still hold."""
        items: list[Item] = []
        if self._pictures is not None:
            items += self._pictures.finish(max(self.video_s, 0.0))
        if self._sound is not None:
            items += self._sound.finish()
        return items
