"""Puts a session's samples together into epochs, on the thread that decodes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import av

from streammon.core.errors import Undecodable
from streammon.core.types import Item, Modality
from streammon.ingest.av_epoch import NOTHING, Epoch, Outlet
from streammon.ingest.track_watch import TrackWatch
from streammon.ingest.webrtc.samples import Began, Said, Sample, SoundFormat, vp8_size
from streammon.media.bare import audio_stream, video_stream
from streammon.media.parameter_sets import parameter_sets
from streammon.media.tracks import MediaPacket

MOST_PIXELS = 4096 * 2304
PICTURE_WITHIN_S = 3.0
"""Sound waits so long for the first picture, so that both begin one epoch."""

BEFORE_PARSED = (16, 16)


class Assembly:
    """Takes the samples of one source, whoever publishes. For one thread.

    An epoch begins with each publisher, with a picture of another size or coding, with sound of
    another coding, and where the session's clock makes a step. Until its first keyframe there is
    no picture, and for `PICTURE_WITHIN_S` no sound either where a picture is to be expected.
    """

    def __init__(
        self,
        outlet: Outlet,
        *,
        stamp: Callable[[Sample], None],
        watch: Callable[[], TrackWatch],
        need_keyframe: Callable[[], None],
    ) -> None:
        """`stamp` is told of each sample before it is decoded."""
        self._outlet = outlet
        self._stamp = stamp
        self._new_watch = watch
        self._need_keyframe = need_keyframe
        self._watch = watch()
        self._epoch: Epoch | None = None
        self._look: tuple[str, object] | None = None
        self._shown = False
        self._has_video = False
        self._sound: SoundFormat | None = None
        self._waits_since_ns: int | None = None

    def take(self, said: Said) -> Sequence[Item]:
        """The items that became due with it."""
        if not isinstance(said, Sample):
            before = self._finish()
            if isinstance(said, Began):
                self._watch = self._new_watch()
                self._has_video, self._sound = said.has_video, said.sound
            return before
        before = self._finish() if said.cut else NOTHING
        self._stamp(said)
        if isinstance(said.codec, SoundFormat):
            self._watch.saw(Modality.AUDIO)
            made = self._take_sound(said, said.codec)
        else:
            self._watch.saw(Modality.VIDEO)
            made = self._take_picture(said)
        return [*before, *made] if before else made

    def _finish(self) -> Sequence[Item]:
        """End the epoch; the next one begins with a keyframe, if there are pictures."""
        epoch, self._epoch = self._epoch, None
        self._look, self._shown, self._waits_since_ns = None, False, None
        return NOTHING if epoch is None else epoch.finish()

    def _take_picture(self, sample: Sample) -> Sequence[Item]:
        before: Sequence[Item] = NOTHING
        if sample.is_keyframe:
            look = _look(sample)
            if self._epoch is None or not self._shown or look != self._look:
                before = self._finish()
                if not self._begin(sample, with_picture=True):
                    return before
                self._look = look
        if self._epoch is None or not self._shown:
            self._need_keyframe()
            return before
        made = self._epoch.take_video(_packet(sample), sample.ticks / sample.rate_hz)
        return [*before, *made] if before else made

    def _take_sound(self, sample: Sample, sound: SoundFormat) -> Sequence[Item]:
        before: Sequence[Item] = NOTHING
        if sound != self._sound:
            before = self._finish()
            self._sound = sound
        if self._epoch is None:
            if self._has_video and self._waits(sample.arrived_ns):
                return before
            self._begin(sample, with_picture=False)
        assert self._epoch is not None
        made = self._epoch.take_audio(_packet(sample), sample.ticks / sample.rate_hz)
        return [*before, *made] if before else made

    def _waits(self, now_ns: int) -> bool:
        """Whether sound still waits for a picture to begin with."""
        if self._waits_since_ns is None:
            self._waits_since_ns = now_ns
        self._need_keyframe()
        return now_ns - self._waits_since_ns < PICTURE_WITHIN_S * 1e9

    def _begin(self, sample: Sample, *, with_picture: bool) -> bool:
        """A new epoch with this sample as its first; whether there could be one."""
        picture = None
        if with_picture and not isinstance(sample.codec, SoundFormat):
            size = vp8_size(sample.data) if sample.codec == "vp8" else None
            try:
                picture = video_stream(
                    sample.codec,
                    sample.data,
                    size=size or BEFORE_PARSED,
                    most_pixels=MOST_PIXELS,
                )
            except Undecodable:
                self._need_keyframe()
                return False
        sound = self._sound
        track = None
        if sound is not None:
            track = audio_stream(sound.codec, rate_hz=sound.rate_hz, channels=sound.channels)
            track.codec_context.thread_count = 1
        origin_s = sample.ticks / sample.rate_hz
        self._epoch = Epoch(self._outlet, picture, track, origin_s=origin_s, extradata=None)
        self._shown = with_picture
        return True


def _look(sample: Sample) -> tuple[str, object]:
    """What of a keyframe, when it changes, makes it the first of another epoch."""
    assert isinstance(sample.codec, str)
    if sample.codec == "vp8":
        return sample.codec, vp8_size(sample.data)
    sets = parameter_sets(sample.codec, sample.data)
    return sample.codec, None if sets is None else sets.sequence


def _packet(sample: Sample) -> MediaPacket:
    packet: MediaPacket = av.Packet(sample.data)
    packet.pts = packet.dts = sample.ticks
    packet.time_base = Fraction(1, sample.rate_hz)
    packet.is_keyframe = sample.is_keyframe or isinstance(sample.codec, SoundFormat)
    if sample.lost_before and not sample.is_keyframe:
        packet.is_corrupt = True
    return packet
