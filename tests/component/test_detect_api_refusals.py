"""What `/detect` refuses: too large, too slow, of no kind it knows, another site's, a way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from streammon.config import ServerConfig
from streammon.pipelines.detect import Panel
from streammon.server import detect_api
from streammon.server.app import build_app
from streammon.server.detecting import LIMITS, Detecting
from streammon.server.serve import serving
from streammon.telemetry.metrics import Metrics
from tests.browser.scripted_monitor import ScriptedMonitor
from tests.clips import Recipe, write_clip
from tests.component.detect_client import RAW, SOON_S, Reader, asking, grey_png
from tests.fakes import Brightness
from tests.playlists import concat, hls, sdp


def a_bomb() -> bytes:
    """A PNG whose head declares 60,000 x 60,000 pixels."""
    png = bytearray(grey_png(0))
    png[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(png)


@pytest.mark.parametrize(
    ("content", "query", "kind", "status"),
    [
        (b"", "", "application/octet-stream", 415),
        (grey_png(1)[:40], "", "image/png", 415),
        (b"\x00\x01\x02" * 999, "", "application/octet-stream", 415),
        (b"plain words", "?modality=image", "application/octet-stream", 415),
        (b"plain words", "", "image/png", 415),
        (grey_png(1), "", "text/plain", 415),
        (grey_png(1), "", "multipart/form-data; boundary=x", 415),
        (a_bomb(), "", "image/png", 413),
        (b"x" * (LIMITS.characters + 1), "", "text/plain", 413),
        (grey_png(1), "?modality=smell", "image/png", 422),
        (grey_png(1), "?detector=" + "x" * 65, "image/png", 422),
    ],
)
async def test_what_cannot_be_judged_is_refused_with_the_reason(
    content: bytes, query: str, kind: str, status: int
) -> None:
    async with asking(Brightness(), Reader()) as client:
        answer = await client.post(
            f"/detect{query}", content=content, headers={"Content-Type": kind}
        )
    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_content_that_no_detector_looks_at_is_refused() -> None:
    async with asking(Reader()) as client:
        answer = await client.post("/detect", content=grey_png(1), headers=RAW)
    assert (answer.status_code, answer.json()["detail"]) == (422, "no detector looks at image")


async def test_a_body_too_large_is_refused_before_it_is_read() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b"x" * 65_536

    async with asking(Reader()) as client:
        declared = {"Content-Length": str(2**30), **RAW}
        answer = await client.post("/detect", content=endless(), headers=declared)
        chunked = await client.post("/detect", content=_chunks(b"a", b"b"), headers=RAW)
    assert (answer.status_code, sent) == (413, 0)
    assert chunked.status_code == 411


async def test_a_body_longer_than_it_said_is_given_up() -> None:
    """Under uvicorn h11 cuts it; the application does not rely on that."""
    pieces = [b"x" * 2**20] * (LIMITS.bytes // 2**20 + 1)
    async with asking(Reader()) as client:
        headers = {"Content-Length": "5", **RAW}
        answer = await client.post("/detect", content=_chunks(*pieces), headers=headers)
    assert answer.status_code == 413


async def _chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_page_of_another_site_cannot_use_it() -> None:
    reader = Reader()
    async with asking(reader) as client:
        theirs = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
        refused = await client.post("/detect", content=b"words", headers=theirs)
        rebound = await client.post(
            "/detect", content=b"words", headers={**RAW, "Host": "evil.example"}
        )
        ours = {"Origin": "http://127.0.0.1", "Content-Type": "text/plain"}
        allowed = await client.post("/detect", content=b"words", headers=ours)
    assert (refused.status_code, rebound.status_code, allowed.status_code) == (403, 421, 200)
    assert reader.loads == 1


async def test_a_playlist_in_the_body_leads_nowhere(tmp_path: Path) -> None:
    """FFmpeg opens neither the file nor the address: the server there is never asked."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    film = tmp_path / "film.ts"
    write_clip(film, Recipe(seconds=1), container="mpegts")
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        statuses = []
        async with asking(Brightness()) as client:
            for target in (f"http://127.0.0.1:{port}/x.ts", f"file://{film}", "file:///etc/passwd"):
                for body in (hls(target), concat(target), sdp(port)):
                    sent = await client.post("/detect?modality=video", content=body, headers=RAW)
                    statuses.append(sent.status_code)
    assert set(statuses) == {415}
    assert asked == []


async def test_over_a_real_socket_it_judges_and_refuses_what_is_declared_too_large() -> None:
    settings = ServerConfig(port=0)
    panel = Panel({"brightness": Brightness()}, device="cpu", limits=LIMITS)
    metrics = Metrics()
    async with (
        asyncio.timeout(SOON_S),
        ScriptedMonitor([]) as monitor,
        Detecting(panel, metrics) as detecting,
        serving(
            build_app(monitor, monitor.hub, metrics, settings, detecting=detecting), settings
        ) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        judged = await client.post("detect", content=grey_png(204), headers=RAW)
        address = httpx.URL(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        head = f"POST /detect HTTP/1.1\r\nHost: {address.host}\r\nContent-Length: {2**30}\r\n\r\n"
        writer.write(head.encode())
        refused = await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert judged.json()["confidence"] == pytest.approx(0.8, abs=1e-3)
    assert refused.split()[1] == b"413"


async def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(detect_api, "RECEIVED_WITHIN_S", 0.05)
    never = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield b"half of"
        await never.wait()

    reader = Reader()
    async with asking(reader) as client, asyncio.timeout(SOON_S):
        headers = {"Content-Length": "1000", **RAW}
        answer = await client.post("/detect", content=stalling(), headers=headers)
        monkeypatch.undo()
        after = await client.post("/detect", content=b"words", headers=RAW)
    assert (answer.status_code, after.status_code) == (408, 200)
    assert reader.loads == 1
