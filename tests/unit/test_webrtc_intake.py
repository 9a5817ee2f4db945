"""From a receiver's frames to samples: keyframes made whole, losses marked, sessions framed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from streammon.ingest.webrtc import tap
from streammon.ingest.webrtc.intake import Intake
from streammon.ingest.webrtc.samples import Began, Ended, Inbox, Sample, SoundFormat
from tests.fakes import FakeClock

H264 = RTCRtpCodecParameters("video/H264", 90_000, payloadType=102)
OPUS = RTCRtpCodecParameters("audio/opus", 48_000, channels=2, payloadType=111)
G722 = RTCRtpCodecParameters("audio/G722", 8000, channels=1, payloadType=9)
SETS = b"\0\0\0\1\x67\x42\xe0\x1f\0\0\0\1\x68\xce"
IDR, LATER = b"\0\0\0\1\x65\x88", b"\0\0\0\1\x41\x9a"


@dataclass
class Wired:
    """An intake whose receivers are aiortc's own, without a network below them."""

    inbox: Inbox = field(default_factory=Inbox)
    clock: FakeClock = field(default_factory=lambda: FakeClock(now_ns=10**9, auto=False))
    frames: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.intake = Intake(7, self.inbox, self.clock, keyframe_s=10.0)
        for kind in ("video", "audio"):
            receiver = RTCRtpReceiver(kind, _Nowhere())  # type: ignore[arg-type]
            self.intake.attach(kind, receiver)
            self.frames[kind] = vars(receiver)[tap.PREFIX + "decoder_queue"]

    def frame(self, kind: str, codec: RTCRtpCodecParameters, data: bytes, rtp: int) -> None:
        self.frames[kind].put((codec, JitterFrame(data, rtp)))

    def samples(self) -> list[Sample]:
        return [said for said in self.inbox.take(within_s=0.0) if isinstance(said, Sample)]


class _Nowhere:
    state = "new"


async def test_parameter_sets_of_the_offer_stand_before_keyframes_that_lack_them() -> None:
    wired = Wired()
    wired.intake.begin(None, {102: SETS})
    for number, data in enumerate((IDR, LATER, SETS + IDR)):
        wired.frame("video", H264, data, number * 3000)
    first, later, whole = wired.samples()
    assert first.data == whole.data == SETS + IDR
    assert later.data == LATER
    assert [first.is_keyframe, later.is_keyframe, whole.is_keyframe] == [True, False, True]


async def test_what_follows_a_loss_is_marked_once() -> None:
    wired = Wired()
    wired.frame("video", H264, IDR, 0)
    wired.intake._gave_up()
    for number in (1, 2):
        wired.frame("video", H264, LATER, number * 3000)
    assert [sample.lost_before for sample in wired.samples()] == [False, True, False]


async def test_a_session_is_framed_and_what_was_not_agreed_is_left_out() -> None:
    wired, opus = Wired(), SoundFormat("opus", 48_000, 2)
    wired.intake.begin(opus, {})
    wired.frame("audio", OPUS, b"x", 960)
    wired.frame("audio", G722, b"x", 960)
    wired.frame("audio", OPUS, b"", 1920)
    wired.intake.end()
    began, sample, ended = wired.inbox.take(within_s=0.0)
    assert began == Began(7, True, opus)
    assert isinstance(sample, Sample)
    assert (sample.codec, sample.ticks, sample.arrived_ns) == (opus, 48_000, 10**9)
    assert ended == Ended(7)
