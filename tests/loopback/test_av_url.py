"""Reading from real servers that die, freeze, come back, refuse, and send rubbish."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
import traceback
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from streammon.core.errors import Permanent, Retryable
from streammon.core.types import AudioChunk, HealthState, Item, VideoFrame
from tests.answering_here import let_in
from tests.clips import Recipe, decode_all, write_clip
from tests.contract.source_laws import first
from tests.fakes import CAM, Reports
from tests.loopback.reading import opened, some_of_both, some_until, source, until_it_fails
from tests.loopback.rtsp_server import RtspServer, why_missing

LEAVES_WITHIN_S = 10.0
"""Tenths of a second, unless the machine is held up; who waited for the server would take 30 s."""
LOGIN = ("bob", "s3cret-p4ss")

rtsp = [
    pytest.mark.rtsp,
    pytest.mark.skipif(bool(why_missing()), reason=f"RTSP server {why_missing()}"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    write_clip(folder / "clip.mp4", Recipe(seconds=4, gop=25, b_frames=2))
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[RtspServer]:
    with RtspServer(folder / "clip.mp4") as server:
        yield server


class TestRtsp:
    pytestmark = rtsp

    @pytest.mark.parametrize("transport", ["tcp", "udp"])
    async def test_a_live_stream_gives_pictures_sound_and_clips(
        self, server: RtspServer, transport: str
    ) -> None:
        live = source(server.url("live"), transport=transport)
        for _ in range(3):  # a reader who is held up loses some: not every time
            async with opened(live) as items:
                got = await some_of_both(items, 25)
            frames = [item for item in got if isinstance(item, VideoFrame)]
            chunks = [item for item in got if isinstance(item, AudioChunk)]
            first_s, damaged = frames[0].media_s, any(frame.damaged for frame in frames)
            gaps_s = [
                after.media_s - before.media_s - before.duration_s
                for before, after in itertools.pairwise(chunks)
            ]
            if first_s < 0.5 and not damaged and max(gaps_s, default=0.0) < 1e-6:
                break
        assert frames[0].is_keyframe
        assert first_s < 0.5
        assert frames[0].image_rgb.shape == (180, 320, 3)
        assert not damaged
        assert gaps_s == pytest.approx([0.0] * len(gaps_s), abs=1e-6)
        clip = live.clip(frames[0].epoch, 0.0, 1.0)
        assert clip is not None
        assert decode_all(clip.data)[0].shape == (180, 320, 3)

    async def test_the_end_of_a_served_file_is_a_disconnect(self, server: RtspServer) -> None:
        failure = await until_it_fails(source(server.url("file")))
        assert isinstance(failure, Retryable)
        assert str(failure) == "the server ended the stream"

    async def test_killed_and_restarted_the_stream_goes_on_in_a_new_epoch(
        self, server: RtspServer
    ) -> None:
        live = source(server.url("live"))
        before: list[Item] = []
        failure = await until_it_fails(live, before, after=(10, server.kill))
        assert isinstance(failure, Retryable)
        assert str(failure) in {"the server ended the stream", "connection lost"}
        failure = await until_it_fails(live)
        assert isinstance(failure, Retryable)
        assert str(failure) == "connection refused: is the server running?"
        server.start()
        opened_s = time.monotonic()
        async with opened(live) as items:
            second = await first(items, 10)
            open_for_s = time.monotonic() - opened_s
        assert {item.epoch for item in before} == {0}
        assert {item.epoch for item in second} == {1}
        assert second[0].media_s < open_for_s, "media time starts again"
        for kind in (VideoFrame, AudioChunk):
            numbers = [item.seq for item in (*before, *second) if isinstance(item, kind)]
            assert numbers == sorted(set(numbers)), "they go on; who is held up misses some"
        assert live.clip(0, 0.0, 1.0) is not None, "what led up to the loss is kept"

    async def test_a_frozen_server_is_a_stall(self, server: RtspServer) -> None:
        frozen_s = []

        def freeze() -> None:
            server.freeze()
            frozen_s.append(time.monotonic())

        live = source(server.url("live"), stall_s=2.0)
        while not frozen_s:  # one that is held up before is a stall too
            failure = await until_it_fails(live, after=(10, freeze))
        assert isinstance(failure, Retryable)
        assert str(failure) == "no packets for 2 s"
        assert time.monotonic() - frozen_s[0] < 10.0
        server.thaw()

    @pytest.mark.parametrize(
        ("track", "cause"),
        [
            ("video", "no picture for 4 s while sound goes on"),
            ("audio", "no sound for 4 s while the picture goes on"),
        ],
    )
    async def test_a_track_that_stops_alone_is_told_of_and_the_other_goes_on(
        self, server: RtspServer, track: Literal["video", "audio"], cause: str
    ) -> None:
        kind, other = (VideoFrame, AudioChunk) if track == "video" else (AudioChunk, VideoFrame)
        reports = Reports()
        async with opened(source(server.url("live"), stall_s=4.0), reports=reports) as items:
            got = await some_of_both(items, 10)
            server.hold_back(track)
            missing = await some_until(items, lambda: bool(reports))
            assert reports == [(HealthState.DEGRADED, cause)]
            assert sum(isinstance(item, other) for item in missing) > 5
            server.let_through(track)
            back = await some_until(items, lambda: len(reports) > 1)
            assert reports[1:] == [(HealthState.UP, "")]
            while not any(isinstance(item, kind) for item in back):
                back += await first(items, 1)
        assert {item.epoch for item in (*got, *missing, *back)} == {0}, "one connection"

    async def test_leaving_a_frozen_server_takes_no_time(self, server: RtspServer) -> None:
        async with opened(source(server.url("live"), stall_s=30.0)) as items:
            await first(items, 10)
            server.freeze()
            await asyncio.sleep(0.5)
            start_s = time.monotonic()
        assert time.monotonic() - start_s < LEAVES_WITHIN_S

    async def test_a_wrong_path_is_named(self, server: RtspServer) -> None:
        failure = await until_it_fails(source(server.url("nothing-here")))
        assert isinstance(failure, Retryable)
        assert str(failure) == "no such path on the server"

    async def test_a_slow_stream_without_sound_is_not_a_stall(self, server: RtspServer) -> None:
        async with opened(source(server.url("slow"))) as items:
            got = await first(items, 6)
        times_s = [item.media_s for item in got]
        assert times_s == pytest.approx([0, 1, 2, 3, 4, 5], abs=0.05)
        assert {item.epoch for item in got} == {0}


@pytest.mark.usefixtures("caplog")
class TestRtspLogin:
    pytestmark = rtsp

    async def test_a_wrong_password_needs_a_person_and_is_never_shown(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with RtspServer(folder / "clip.mp4", login=LOGIN) as server:
            wrong = source(server.url("live", login=("bob", "wr0ng-p4ss")))
            failure = await until_it_fails(wrong)
        assert isinstance(failure, Permanent)
        assert str(failure) == "login refused: check user and password in the URL"
        assert_nowhere("wr0ng-p4ss", failure, caplog)

    async def test_a_login_that_worked_before_is_tried_again(
        self, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        server = RtspServer(folder / "clip.mp4", login=LOGIN)
        with server:
            live = source(server.url("live", login=LOGIN))
            async with opened(live) as items:
                assert await first(items, 5)
        other = RtspServer(folder / "clip.mp4", login=("bob", "changed"))
        other.port = server.port
        with other:
            failure = await until_it_fails(live)
        assert isinstance(failure, Retryable)
        assert "login refused" in str(failure)
        assert_nowhere(LOGIN[1], failure, caplog)


def assert_nowhere(secret: str, error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    assert error.__context__ is None
    assert secret not in "".join(traceback.format_exception(error))
    assert secret not in repr([vars(record) for record in caplog.records])


@asynccontextmanager
async def answering(answer: bytes | list[bytes] | None) -> AsyncGenerator[int]:
    """A server that answers each request with the next answer; `None`: never at all."""
    answers = [answer] if isinstance(answer, bytes) else answer
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in answers or []:
            await reader.read(4096)
            writer.write(reply)
            await writer.drain()
        if answers is None:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        done.set()
        await let_in()
        server.close()
        await server.wait_closed()


SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n"
)
NO_TCP = [
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: DESCRIBE, SETUP, PLAY\r\n\r\n",
    b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s"
    % (len(SDP), SDP),
    b"RTSP/1.0 461 Unsupported Transport\r\nCSeq: 3\r\n\r\n",
]


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
async def test_rubbish_is_called_so_and_tried_again(scheme: str) -> None:
    async with answering([b"\x00\xffrubbish\r\n\r\n" * 2000]) as port:
        failure = await until_it_fails(source(f"{scheme}://127.0.0.1:{port}/live"))
    assert isinstance(failure, Retryable)
    assert "not a media stream" in str(failure) or "closed the connection" in str(failure)


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
async def test_a_server_that_never_answers_is_given_up(scheme: str) -> None:
    async with answering(None) as port:
        silent = source(f"{scheme}://127.0.0.1:{port}/live", open_timeout_s=1.0)
        start_s = time.monotonic()
        failure = await until_it_fails(silent)
    assert time.monotonic() - start_s < 10.0
    assert isinstance(failure, Retryable)
    assert str(failure) == "no answer from the server for 1 s"


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "http"])
async def test_leaving_while_connecting_takes_no_time(scheme: str) -> None:
    async with answering(None) as port:
        silent = source(f"{scheme}://127.0.0.1:{port}/live", open_timeout_s=30.0)
        async with opened(silent):
            await asyncio.sleep(0.3)
            start_s = time.monotonic()
        assert time.monotonic() - start_s < LEAVES_WITHIN_S


async def test_a_server_that_refuses_tcp_is_said_to() -> None:
    async with answering(NO_TCP) as port:
        failure = await until_it_fails(source(f"rtsp://127.0.0.1:{port}/live"))
    assert isinstance(failure, Permanent)
    assert "set transport: udp" in str(failure)


async def test_a_host_that_does_not_exist_is_said_to() -> None:
    failure = await until_it_fails(source("rtsp://no-such-host.invalid/live"))
    assert isinstance(failure, Retryable)
    assert str(failure) == "host not found: check the name in the URL"


async def test_cancelled_in_mid_read_it_leaves_nothing_behind(folder: Path) -> None:
    async def read_for_ever() -> None:
        async with opened(source(str(folder / "clip.mp4"), loop=True)) as items:
            async for _ in items:
                pass

    task = asyncio.ensure_future(read_for_ever())
    await asyncio.sleep(0.5)
    assert any(thread.name == f"ingest:{CAM}" for thread in threading.enumerate())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, LEAVES_WITHIN_S)
    assert not any(thread.name == f"ingest:{CAM}" for thread in threading.enumerate())
