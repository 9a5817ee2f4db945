"""Reading over HTTP: recordings, playlists that grow, cameras that send JPEG after JPEG."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from streammon.core.errors import Retryable, StreammonError
from streammon.core.types import AudioChunk, Item, VideoFrame
from tests.answering_here import let_in
from tests.clips import Recipe, write_clip
from tests.contract.source_laws import first
from tests.http_thread import http_thread
from tests.loopback.reading import opened, source, until_it_fails

PAUSE_S = 1.5
"""Of a camera: more than its pictures would take if they were only counted."""


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served over HTTP, and its URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            return

    with http_thread(partial(Quiet, directory=str(tmp_path))) as url:
        yield tmp_path, url


async def test_a_file_over_http_is_a_recording(web: tuple[Path, str]) -> None:
    folder, url = web
    write_clip(folder / "clip.mkv", Recipe(seconds=2, gop=25))
    async with opened(source(f"{url}/clip.mkv", pace="fast")) as items:
        got = [item async for item in items]
    frames = [item for item in got if isinstance(item, VideoFrame)]
    assert [frame.media_s for frame in frames] == pytest.approx(
        [0.2 * number for number in range(10)], abs=0.02
    )


async def test_hls_is_read(web: tuple[Path, str]) -> None:
    folder, url = web
    write_hls(folder, Recipe(seconds=4, gop=25))
    async with opened(source(f"{url}/live.m3u8", pace="fast")) as items:
        got = [item async for item in items]
    frames = [item for item in got if isinstance(item, VideoFrame)]
    assert len(frames) == 20
    assert sum(item.duration_s for item in got if isinstance(item, AudioChunk)) > 3.5


async def test_a_playlist_from_the_network_cannot_open_local_files(web: tuple[Path, str]) -> None:
    folder, url = web
    write_clip(folder / "secret.ts", Recipe(seconds=1))
    (folder / "trap.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{folder}/secret.ts\n#EXT-X-ENDLIST\n"
    )
    (folder / "open.m3u8").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/secret.ts\n#EXT-X-ENDLIST\n"
    )
    async with opened(source(f"{url}/open.m3u8", pace="fast")) as items:
        assert [item async for item in items], "the same segment over HTTP is read"
    failure = await until_it_fails(source(f"{url}/trap.m3u8", pace="fast"))
    assert isinstance(failure, StreammonError)


async def test_a_missing_page_is_no_such_path(web: tuple[Path, str]) -> None:
    failure = await until_it_fails(source(f"{web[1]}/nothing.mp4"))
    assert isinstance(failure, Retryable)
    assert str(failure) == "no such path on the server"


def write_hls(folder: Path, recipe: Recipe) -> None:
    """Segments of one second and a playlist that ends."""
    write_clip(folder / "whole.ts", recipe)
    with (
        av.open(str(folder / "whole.ts"), "r") as whole,
        av.open(
            str(folder / "live.m3u8"),
            "w",
            format="hls",
            options={"hls_time": "1", "hls_list_size": "0", "hls_playlist_type": "vod"},
        ) as playlist,
    ):
        outputs = [
            playlist.add_stream_from_template(stream, opaque=True)
            for stream in (whole.streams.video[0], whole.streams.audio[0])
        ]
        for packet in whole.demux():
            if packet.size and packet.dts is not None:
                packet.stream = outputs[0 if packet.stream.type == "video" else 1]
                playlist.mux(packet)


async def test_live_hls_is_no_stall_between_segments_and_runs_in_real_time(
    web: tuple[Path, str],
) -> None:
    folder, url = web
    write_hls(folder, Recipe(seconds=4, gop=25))
    whole = (folder / "live.m3u8").read_text().replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "")
    entries = whole.split("#EXTINF")
    playlist, begun = folder / "growing.m3u8", asyncio.Event()
    playlist.write_text("#EXTINF".join(entries[:3]))

    async def grow() -> None:
        await begun.wait()
        await asyncio.sleep(3.0)
        longer = folder / "longer.m3u8"
        longer.write_text(whole)
        longer.rename(playlist)  # whoever reads it just now finds one of them whole

    start_s = time.monotonic()
    got: list[Item] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(grow())
        growing = source(f"{url}/growing.m3u8", stall_s=1.0)
        failure = await until_it_fails(growing, got, after=(1, begun.set))
    assert str(failure) == "the server ended the stream"
    assert max(item.media_s for item in got) > 3.5, "what came after the silence was read"
    assert {item.epoch for item in got} == {0}
    assert time.monotonic() - start_s > 3.5


async def test_multipart_jpeg_has_the_times_of_arrival() -> None:
    dark, light = jpeg(10), jpeg(240)
    seen = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ten dark pictures a second; once one was seen, a pause, then light ones."""
        await reader.readuntil(b"\r\n\r\n")
        kind = b"multipart/x-mixed-replace; boundary=frame"
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n")
        shown = dark
        with contextlib.suppress(ConnectionError):
            while True:
                if seen.is_set() and shown is dark:
                    shown = light
                    await asyncio.sleep(PAUSE_S)
                head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
                writer.write(head % len(shown) + shown + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0.1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    begun_s = time.monotonic()
    async with server:
        camera = source(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/video")
        async with opened(camera, interval_s=0.01) as items:
            before = await a_picture(items)
            seen.set()
            while is_dark(after := await a_picture(items)):
                pass
        await let_in()
    assert is_dark(before)
    whole_s = time.monotonic() - begun_s
    assert PAUSE_S < after.media_s - before.media_s < whole_s
    assert PAUSE_S < (after.captured_ns - before.captured_ns) / 1e9 < whole_s
    clip = camera.clip(0, 0.0, 1.0)
    assert clip is not None


async def a_picture(items: AsyncIterator[Item]) -> VideoFrame:
    (item,) = await first(items, 1)
    assert isinstance(item, VideoFrame)
    return item


def is_dark(frame: VideoFrame) -> bool:
    return bool(frame.image_rgb.mean() < 128)


def jpeg(shade: int) -> bytes:
    encoder = av.CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(np.full((72, 64), shade, np.uint8), format="yuvj420p")
    frame.pts = 0
    return b"".join(map(bytes, (*encoder.encode(frame), *encoder.encode(None))))
