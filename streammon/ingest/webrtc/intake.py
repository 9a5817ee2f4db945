"""What one publisher sends, on its way from its receivers to the thread that decodes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from streammon.core.ports import Clock, LinkStats
from streammon.ingest.webrtc import tap
from streammon.ingest.webrtc.keyframes import KeyframeWish
from streammon.ingest.webrtc.rates import LinkTally
from streammon.ingest.webrtc.samples import (
    AudioCodec,
    Began,
    Ended,
    Inbox,
    Sample,
    SoundFormat,
    VideoCodec,
    is_keyframe,
)
from streammon.ingest.webrtc.timeline import SenderReport, Timeline
from streammon.media.parameter_sets import parameter_sets

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver
    from aiortc.jitterbuffer import JitterFrame
    from aiortc.rtcrtpparameters import RTCRtpCodecParameters

VIDEO_CODECS: dict[str, VideoCodec] = {"H264": "h264", "VP8": "vp8"}
AUDIO_CODECS: dict[str, AudioCodec] = {"OPUS": "opus", "PCMU": "pcm_mulaw", "PCMA": "pcm_alaw"}
SHOWN = {"h264": "H.264", "vp8": "VP8", "opus": "Opus", "pcm_mulaw": "PCMU", "pcm_alaw": "PCMA"}

NTP_FRACTION = 1 << 32


class Intake:
    """Takes frames, packets and reports of one session. On the event loop only."""

    def __init__(self, number: int, inbox: Inbox, clock: Clock, *, keyframe_s: float) -> None:
        self.packet_s = clock.now_ns() / 1e9
        """When the newest packet came."""
        self._number = number
        self._inbox = inbox
        self._clock = clock
        self._wish = KeyframeWish(most_s=keyframe_s)
        self._tally = LinkTally()
        self._timeline = Timeline()
        self._taps: dict[str, tap.Tap] = {}
        self._first_s: dict[str, float] = {}
        self._lost = False
        self._sets: Mapping[int, bytes] = {}

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self._taps)

    def attach(self, kind: str, receiver: RTCRtpReceiver) -> None:
        """Take what this receiver of `audio` or `video` gets. Raises `Permanent`."""
        listener = tap.Listener(
            frame=self._picture if kind == "video" else self._sound,
            packet=partial(self._packet, kind),
            lost=self._gave_up,
            reported=partial(self._reported, kind),
        )
        self._taps[kind] = tap.attach(receiver, listener)

    def begin(self, sound: SoundFormat | None, sets: Mapping[int, bytes]) -> None:
        """From now on something may come; sound most likely of this kind, and H.264 of a payload
        type perhaps without the parameter sets that `sets` has for it.
        """
        self._sets = sets
        self._inbox.put(Began(self._number, "video" in self._taps, sound))
        self.packet_s = self._now_s()

    def end(self) -> None:
        self._inbox.put(Ended(self._number))

    def need_keyframe(self) -> None:
        """What comes cannot be decoded without one. Safe from any thread."""
        self._wish.need()

    async def ask_if_due(self, interval_s: float | None) -> None:
        """Ask for a keyframe if it is time, while pictures are wanted every `interval_s`."""
        if "video" not in self._taps:
            return
        if self._timeline.misaligned:
            self._wish.need()
        if self._wish.due(self._now_s(), interval_s):
            await self._taps["video"].ask_keyframe()

    def link(self) -> LinkStats:
        """The figures now."""
        sound = self._timeline.audio
        rates = {"video": self._timeline.video.rate_hz, "audio": sound.rate_hz if sound else 1}
        kinds = [kind for kind in ("video", "audio") if kind in self._taps]
        return self._tally.look(
            self._now_s(),
            [self._taps[kind].reception(rates[kind]) for kind in kinds],
            clock=self._timeline.trust,
            skew_s=self._timeline.skew_s,
        )

    # --- what comes ------------------------------------------------------------------------

    def _picture(self, codec: RTCRtpCodecParameters, frame: JitterFrame) -> None:
        name = VIDEO_CODECS.get(codec.name.upper())
        if name is None or not frame.data:
            return
        key, data = is_keyframe(name, frame.data), frame.data
        if key and (sets := self._sets.get(codec.payloadType or 0)) is not None:
            data = data if parameter_sets(name, data) else sets + data
        aligned = key and self._timeline.align()
        arrived_s = self._now_s()
        first_s = self._first_s.pop("video", arrived_s)
        ticks, anew = self._timeline.video.place(frame.timestamp, first_s)
        lost, self._lost = self._lost, False
        taken = self._inbox.put(
            Sample(
                session=self._number,
                codec=name,
                data=data,
                ticks=ticks,
                rate_hz=self._timeline.video.rate_hz,
                arrived_ns=round(arrived_s * 1e9),
                is_keyframe=key,
                lost_before=lost,
                cut=aligned or (anew and self._tally.frames > 0),
                clock=self._timeline.trust,
            )
        )
        if key and taken:
            self._wish.came(arrived_s)
        elif not taken:
            self._wish.need()
        tally = self._tally
        tally.video, tally.frame_s = SHOWN[name], arrived_s
        tally.bytes += len(frame.data)
        tally.frames += 1
        tally.keyframes += key

    def _sound(self, codec: RTCRtpCodecParameters, frame: JitterFrame) -> None:
        sound = sound_format(codec)
        if sound is None or not frame.data:
            return
        clock = self._timeline.hear(sound.rate_hz)
        arrived_s = self._now_s()
        ticks, anew = clock.place(frame.timestamp, self._first_s.pop("audio", arrived_s))
        self._inbox.put(
            Sample(
                session=self._number,
                codec=sound,
                data=frame.data,
                ticks=ticks,
                rate_hz=sound.rate_hz,
                arrived_ns=round(arrived_s * 1e9),
                cut=anew and self._tally.audio != "",
            )
        )
        self._tally.audio = SHOWN[sound.codec]
        self._tally.bytes += len(frame.data)
        if "video" not in self._taps:
            self._tally.frame_s = arrived_s

    def _packet(self, kind: str) -> None:
        self.packet_s = self._now_s()
        if self._taps[kind].media_ssrc is None:
            self._first_s.setdefault(kind, self.packet_s)

    def _gave_up(self) -> None:
        self._lost = True
        self._wish.need()

    def _reported(self, kind: str, ntp: int, rtp: int) -> None:
        track = self._timeline.video if kind == "video" else self._timeline.audio
        if track is not None:
            track.reported(SenderReport(ntp / NTP_FRACTION, rtp, self._now_s()))

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9


def sound_format(codec: RTCRtpCodecParameters) -> SoundFormat | None:
    """The sound that these parameters mean; `None` for what is not taken."""
    name = AUDIO_CODECS.get(codec.name.upper())
    if name is None:
        return None
    return SoundFormat(name, codec.clockRate, 2 if name == "opus" else 1)
