"""A clip out of the ring is the original, packet for packet, in a file that plays."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streammon.media.clips import EPOCHS_KEPT, ClipShelf
from streammon.media.tracks import MediaPacket, Track, remember
from tests.clips import Recipe, decode_all, pictures, write_clip

GOP = 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "plain.mp4", Recipe(seconds=4, gop=GOP))
    write_clip(folder / "reordered.mp4", Recipe(seconds=4, gop=GOP, b_frames=3))
    write_clip(folder / "stream.ts", Recipe(seconds=4, gop=GOP, b_frames=2))
    write_clip(folder / "telephone.mov", Recipe(seconds=4, gop=GOP, audio_codec="pcm_mulaw"))
    write_vp8(folder / "open.mkv")
    return folder


def write_vp8(path: Path) -> None:
    """VP8, which MP4 cannot hold, and Opus."""
    with av.open(str(path), "w") as output:
        recipe = Recipe(seconds=4, width=160, height=96)
        video = output.add_stream("libvpx", rate=25, options={"deadline": "realtime"})
        video.width, video.height, video.pix_fmt, video.gop_size = 160, 96, "yuv420p", GOP
        video.options |= {"keyint_min": str(GOP), "auto-alt-ref": "0"}
        sound = output.add_stream("libopus", rate=48_000)
        silence = av.AudioFrame.from_ndarray(
            np.zeros((1, 2 * 48_000 * 4), np.int16), format="s16", layout="stereo"
        )
        silence.rate, silence.pts = 48_000, 0
        output.mux(sound.encode(silence))
        for number, image in enumerate(pictures(recipe)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))


def shelved(path: Path, *, epoch: int = 0, seconds: float = 60.0) -> ClipShelf:
    """A shelf with the whole file on it; the file is closed when this returns."""
    shelf = ClipShelf(seconds=seconds, max_bytes=2**26)
    with av.open(str(path), "r") as container:
        tracks: dict[int, Track] = {}
        for stream in (container.streams.video[0], container.streams.audio[0]):
            track = remember(stream)
            assert track is not None
            tracks[stream.index] = track
        ring = shelf.begin(epoch, tracks, origin_s=0.0)
        video = container.streams.video[0]
        packets: list[MediaPacket] = [packet for packet in container.demux() if packet.size]
        for packet in packets:
            assert packet.pts is not None
            assert video.time_base is not None
            starts = packet.stream_index == video.index and packet.is_keyframe
            media_s = float(packet.pts * video.time_base) if starts else None
            ring.add(packet.stream_index, packet, packet.size, starts_group_s=media_s)
    return shelf


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("plain.mp4", "video/mp4"),
        ("reordered.mp4", "video/mp4"),
        ("stream.ts", "video/mp4"),
        ("telephone.mov", "video/quicktime"),
        ("open.mkv", "video/x-matroska"),
    ],
)
def test_the_clip_has_the_originals_frames_after_the_source_has_closed(
    folder: Path, name: str, media_type: str
) -> None:
    clip = shelved(folder / name).clip(0, 1.2, 2.5)
    assert clip is not None
    assert clip.media_type == media_type
    assert clip.start_s == pytest.approx(1.0, abs=0.1)
    assert clip.end_s == pytest.approx(3.0, abs=0.15)
    everything, frames = decode_all(folder / name), decode_all(clip.data)
    assert len(frames) == 2 * GOP, "whole groups of pictures"
    for frame, original in zip(frames, everything[GOP : 3 * GOP], strict=True):
        np.testing.assert_array_equal(frame, original)


def test_the_clip_has_the_sound_and_begins_at_its_beginning(folder: Path) -> None:
    clip = shelved(folder / "plain.mp4").clip(0, 1.2, 2.5)
    assert clip is not None
    with av.open(io.BytesIO(clip.data), "r") as container:
        sound = list(container.decode(audio=0))
        assert sound[0].time is not None
        assert 0.0 <= sound[0].time < 0.1
        length_s = sum(frame.samples for frame in sound) / sound[0].sample_rate
        assert length_s == pytest.approx(2.0, abs=0.1)


def test_clips_can_be_cut_again_and_again(folder: Path) -> None:
    shelf = shelved(folder / "reordered.mp4")
    first, second = shelf.clip(0, 1.2, 2.5), shelf.clip(0, 1.2, 2.5)
    assert first is not None
    assert first == second
    overlapping = shelf.clip(0, 0.0, 3.9)
    assert overlapping is not None
    assert len(decode_all(overlapping.data)) == 4 * GOP


def test_what_is_gone_or_never_was_is_none(folder: Path) -> None:
    shelf = shelved(folder / "plain.mp4", epoch=7)
    assert shelf.clip(7, 0.0, 1.0) is not None
    assert shelf.clip(6, 0.0, 1.0) is None
    assert shelf.clip(7, -3.0, -1.0) is None
    for epoch in range(8, 8 + EPOCHS_KEPT):
        shelf.begin(epoch, {}, origin_s=0.0)
        assert shelf.clip(epoch, 0.0, 1.0) is None
    assert shelf.clip(7, 0.0, 1.0) is None


def test_raw_pictures_are_not_kept() -> None:
    with av.open("testsrc2=size=64x48:rate=5", "r", format="lavfi") as container:
        assert remember(container.streams.video[0]) is None
