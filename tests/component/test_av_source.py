"""Files and patterns read as streams: right times, right epochs, and hostile files survived."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, StreammonError
from streammon.core.ports import Demand, SourceContext
from streammon.core.types import AudioChunk, Item, StreamId, VideoFrame
from streammon.ingest.av_source import AvSource
from streammon.ingest.av_url import AvUrlConfig
from tests.clips import Recipe, decode_all, write_clip
from tests.fakes import WantAll

CAM = StreamId("cam")
SECONDS, FPS, GOP = 4, 25, 25
LATE_S = 15.0
"""Hundredths of a second on a machine with nothing else to do. The pace itself is tried on a clock
of its own, in tests/unit/test_pace.py."""
LONG_S = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    large = Recipe(seconds=SECONDS, gop=GOP)
    small = Recipe(seconds=SECONDS, gop=GOP, width=160, height=96, seed=1)
    write_clip(folder / "clip.mp4", large)
    write_clip(
        folder / "long.mp4", Recipe(seconds=LONG_S, fps=5, gop=5, width=64, height=48, sound=False)
    )
    write_clip(folder / "reordered.mp4", Recipe(seconds=SECONDS, gop=GOP, b_frames=3))
    for name, recipe in (("large", large), ("small", small)):
        write_clip(folder / f"{name}.ts", recipe)
    joined = (folder / "large.ts").read_bytes() + (folder / "small.ts").read_bytes()
    (folder / "joined.ts").write_bytes(joined)
    return folder


def source(url: Path | str, **settings: Any) -> AvSource:
    return AvUrlConfig(url=str(url), **settings).build(CAM)


def frames_of(items: list[Item]) -> list[VideoFrame]:
    return [item for item in items if isinstance(item, VideoFrame)]


def sound_of(items: list[Item]) -> list[AudioChunk]:
    return [item for item in items if isinstance(item, AudioChunk)]


async def read(from_source: AvSource, demand: Demand, *, most: int = 10**6) -> list[Item]:
    context = SourceContext(demand, MonotonicClock(), lambda state, cause: None)
    got: list[Item] = []
    async with from_source.open(context) as items:
        async for item in items:
            got.append(item)
            if len(got) >= most:
                break
    return got


def described(item: Item) -> tuple[object, ...]:
    payload = item.image_rgb if isinstance(item, VideoFrame) else item.pcm  # type: ignore[union-attr]
    return type(item), item.seq, item.epoch, item.media_s, item.captured_ns, payload.tobytes()


@pytest.mark.parametrize("name", ["clip.mp4", "reordered.mp4"])
def test_a_replay_is_in_media_order_and_the_same_each_time(folder: Path, name: str) -> None:
    first = list(source(folder / name).items(WantAll(0.2)))
    again = source(folder / name)
    assert [described(item) for item in first] == [
        described(item) for item in again.items(WantAll(0.2))
    ]
    assert [item.seq for item in again.items(WantAll(0.2))] == [item.seq for item in first]
    assert [item.media_s for item in first] == sorted(item.media_s for item in first)
    assert [item.captured_ns for item in first] == [round(item.media_s * 1e9) for item in first]
    assert {item.epoch for item in first} == {0}
    times_s = [frame.media_s for frame in frames_of(first)]
    assert times_s == pytest.approx([0.2 * number for number in range(SECONDS * 5)], abs=0.001)
    assert sum(chunk.duration_s for chunk in sound_of(first)) == pytest.approx(SECONDS, abs=0.1)


def test_replayed_frames_are_the_files_frames(folder: Path) -> None:
    everything = decode_all(folder / "reordered.mp4")
    frames = frames_of(list(source(folder / "reordered.mp4").items(WantAll(0.2))))
    for frame in frames:
        np.testing.assert_array_equal(frame.image_rgb, everything[round(frame.media_s * FPS)])
        assert not frame.image_rgb.flags.writeable


async def test_a_file_is_read_in_real_time_and_ends(folder: Path) -> None:
    start_s = time.monotonic()
    got = await read(source(folder / "clip.mp4"), WantAll(0.5))
    took_s = time.monotonic() - start_s
    assert SECONDS - 0.1 <= took_s <= SECONDS + LATE_S
    for frame in frames_of(got):
        late_s = frame.captured_ns / 1e9 - start_s - frame.media_s
        assert -0.01 <= late_s <= LATE_S, "in step with the clock from first to last"


async def test_as_fast_as_possible_nothing_is_lost(folder: Path) -> None:
    got = await read(source(folder / "clip.mp4", pace="fast"), WantAll(0.04))
    frames = frames_of(got)
    assert [frame.seq for frame in frames] == list(range(SECONDS * FPS))
    assert [frame.is_keyframe for frame in frames] == [at % GOP == 0 for at in range(len(frames))]


async def test_each_round_of_a_loop_is_an_epoch(folder: Path) -> None:
    looping = source(folder / "clip.mp4", pace="fast", loop=True)
    got = await read(looping, WantAll(1.0), most=120)
    epochs = [item.epoch for item in got]
    assert epochs == sorted(epochs)
    assert len(set(epochs)) >= 3
    for epoch in set(epochs[:-1]):
        assert next(item for item in got if item.epoch == epoch).media_s < 0.1
    assert [frame.seq for frame in frames_of(got)] == list(range(len(frames_of(got))))


async def test_each_open_is_an_epoch_and_numbers_go_on(folder: Path) -> None:
    again = source(folder / "clip.mp4", pace="fast")
    first, second = await read(again, WantAll(1.0)), await read(again, WantAll(1.0))
    assert {item.epoch for item in first} == {0}
    assert {item.epoch for item in second} == {1}
    assert frames_of(second)[0].seq == frames_of(first)[-1].seq + 1


async def test_it_leaves_at_once(folder: Path) -> None:
    context = SourceContext(WantAll(None, False), MonotonicClock(), lambda state, cause: None)
    async with source(folder / "long.mp4").open(context):
        await asyncio.sleep(0.3)
        start_s = time.monotonic()
    assert time.monotonic() - start_s < LATE_S


async def test_without_demand_nothing_comes_but_the_ring_is_filled(folder: Path) -> None:
    start_s = time.monotonic()
    assert await read(source(folder / "long.mp4", pace="fast"), WantAll(None, False)) == []
    assert time.monotonic() - start_s < LATE_S, "not in real time"
    idle = source(folder / "clip.mp4", pace="fast")
    assert await read(idle, WantAll(None, False)) == []
    clip = idle.clip(0, 1.1, 1.9)
    assert clip is not None
    assert clip.media_type == "video/mp4"
    assert len(decode_all(clip.data)) == GOP


def test_a_change_of_size_begins_an_epoch_with_a_clip_of_its_own(folder: Path) -> None:
    changing = source(folder / "joined.ts")
    got = list(changing.items(WantAll(0.2)))
    sizes = {frame.epoch: frame.image_rgb.shape[:2] for frame in frames_of(got)}
    assert sizes == {0: (180, 320), 1: (96, 160)}
    for epoch, size in sizes.items():
        times_s = [frame.media_s for frame in frames_of(got) if frame.epoch == epoch]
        assert times_s[0] < 0.1, "media time starts again"
        assert times_s == sorted(times_s)
        assert not any(frame.damaged for frame in frames_of(got) if frame.epoch == epoch)
        sound_s = sum(chunk.duration_s for chunk in sound_of(got) if chunk.epoch == epoch)
        assert sound_s == pytest.approx(SECONDS, abs=0.3)
        clip = changing.clip(epoch, 1.0, 2.0)
        assert clip is not None
        assert {frame.shape[:2] for frame in decode_all(clip.data)} == {size}


def test_new_parameters_told_by_the_container_begin_an_epoch(tmp_path: Path) -> None:
    write_clip(tmp_path / "first.flv", Recipe(seconds=2, gop=GOP))
    write_clip(tmp_path / "second.flv", Recipe(seconds=2, gop=GOP, width=160, height=96))
    header = 13  # of an FLV file; what follows can follow any other
    second = (tmp_path / "second.flv").read_bytes()[header:]
    (tmp_path / "joined.flv").write_bytes((tmp_path / "first.flv").read_bytes() + second)
    changing = source(tmp_path / "joined.flv")
    got = frames_of(list(changing.items(WantAll(0.2))))
    assert {frame.epoch: frame.image_rgb.shape[:2] for frame in got} == {
        0: (180, 320),
        1: (96, 160),
    }
    assert not any(frame.damaged for frame in got)
    clip = changing.clip(1, 0.0, 1.0)
    assert clip is not None
    assert decode_all(clip.data)[0].shape == (96, 160, 3)


def test_sound_alone_that_starts_again_begins_an_epoch(folder: Path, tmp_path: Path) -> None:
    for name in ("large", "small"):
        with (
            av.open(str(folder / f"{name}.ts"), "r") as whole,
            av.open(str(tmp_path / f"{name}.ts"), "w") as sound,
        ):
            stream = sound.add_stream_from_template(whole.streams.audio[0], opaque=True)
            for packet in whole.demux(whole.streams.audio[0]):
                if packet.size:
                    packet.stream = stream
                    sound.mux(packet)
    joined = (tmp_path / "large.ts").read_bytes() + (tmp_path / "small.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(joined)
    restarting = source(tmp_path / "joined.ts")
    got = sound_of(list(restarting.items(WantAll())))
    for epoch in (0, 1):
        chunks = [chunk for chunk in got if chunk.epoch == epoch]
        assert chunks[0].media_s == pytest.approx(0.0, abs=0.05)
        assert sum(chunk.duration_s for chunk in chunks) == pytest.approx(SECONDS, abs=0.2)
        clip = restarting.clip(epoch, 1.0, 2.0)
        assert clip is not None
        assert clip.end_s - clip.start_s == pytest.approx(2.0, abs=1.1)


def test_only_sound_or_only_pictures_can_be_read(folder: Path) -> None:
    sound = list(source(folder / "clip.mp4", video=False).items(WantAll(0.2)))
    assert sound_of(sound) == sound
    pictures = list(source(folder / "clip.mp4", audio=False).items(WantAll(0.2)))
    assert frames_of(pictures) == pictures


def test_damage_is_marked_and_survived(folder: Path, tmp_path: Path) -> None:
    data = bytearray((folder / "clip.mp4").read_bytes())
    chance = random.Random(7)
    for _ in range(60):
        data[chance.randrange(20_000, len(data) - 20_000)] ^= 0xFF
    (tmp_path / "corrupt.mp4").write_bytes(data)
    got = frames_of(list(source(tmp_path / "corrupt.mp4").items(WantAll(0.04))))
    everything = decode_all(folder / "clip.mp4")
    assert any(frame.damaged for frame in got)
    for frame in got:
        if not frame.damaged:
            original = everything[round(frame.media_s * FPS)]
            np.testing.assert_array_equal(frame.image_rgb, original)


def test_a_recording_that_was_cut_short_is_read_as_far_as_it_goes(
    folder: Path, tmp_path: Path
) -> None:
    data = (folder / "large.ts").read_bytes()
    (tmp_path / "short.ts").write_bytes(data[: len(data) // 2])
    got = list(source(tmp_path / "short.ts").items(WantAll(0.2)))
    assert frames_of(got)
    assert 1.0 < max(item.media_s for item in got) < SECONDS - 0.5


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("empty.mp4", b"", "the file is empty"),
        ("text.mp4", b"this is not media\n" * 50, "not a media file"),
        ("zeros.mp4", bytes(4096), "not a media file"),
        ("noise.ts", random.Random(1).randbytes(5000), "not a media file"),
        ("moov.mp4", None, "not a media file, or one that was cut short"),
        (
            "list.m3u8",
            b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
            "not a media file|cannot be",
        ),
    ],
)
def test_what_is_not_media_fails_for_good_with_the_reason(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, cause: str
) -> None:
    if content is None:
        whole = (folder / "clip.mp4").read_bytes()
        content = whole[: len(whole) // 2]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Permanent, match=cause):
        list(source(tmp_path / name).items(WantAll()))


async def test_a_missing_file_or_a_folder_fails_for_good(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no such file"):
        await read(source(tmp_path / "missing.mp4"), WantAll())
    with pytest.raises(Permanent, match="it is a folder"):
        await read(source(tmp_path), WantAll())


def test_a_file_with_no_sound_fails_when_only_sound_is_wanted(tmp_path: Path) -> None:
    write_clip(tmp_path / "silent.mp4", Recipe(seconds=1, sound=False))
    with pytest.raises(Permanent, match="there is no sound in it"):
        list(source(tmp_path / "silent.mp4", video=False).items(WantAll()))


async def test_a_pattern_has_pictures_and_sound_in_real_time() -> None:
    pattern = "lavfi:testsrc2=size=320x180:rate=25:d=1[out0];sine=frequency=440:d=1[out1]"
    start_s = time.monotonic()
    live = source(pattern)
    got = await read(live, WantAll(0.2))
    assert 0.9 <= time.monotonic() - start_s <= 1.0 + LATE_S
    assert len(frames_of(got)) == 5
    assert sum(chunk.duration_s for chunk in sound_of(got)) == pytest.approx(1.0, abs=0.05)
    assert live.clip(0, 0, 1) is None, "raw pictures are not kept"


async def test_a_wrong_pattern_fails_for_good() -> None:
    with pytest.raises(Permanent, match="the lavfi pattern cannot be run"):
        await read(source("lavfi:nosuchfilter=1"), WantAll())


def test_what_never_ends_cannot_be_replayed(folder: Path) -> None:
    for endless in (source("rtsp://127.0.0.1:9/x"), source(folder / "clip.mp4", loop=True)):
        with pytest.raises(StreammonError, match="cannot be replayed"):
            next(iter(endless.items(WantAll())))


def test_telephone_sound_keeps_its_rate(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "call.wav"), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000)
        samples = (np.sin(np.arange(16_000) / 10) * 9000).astype(np.int16)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.rate = 8000
        output.mux(stream.encode(frame))
    calls = source(tmp_path / "call.wav")
    got = sound_of(list(calls.items(WantAll())))
    assert {(chunk.rate_hz, chunk.source_rate_hz) for chunk in got} == {(16_000, 8000)}
    assert sum(chunk.duration_s for chunk in got) == pytest.approx(2.0, abs=0.01)
    clip = calls.clip(0, 0.0, 1.0)
    assert clip is not None
    assert clip.media_type in {"video/mp4", "video/x-matroska"}
