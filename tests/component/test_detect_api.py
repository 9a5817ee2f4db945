"""`/detect` over the real application: what is judged, what is refused, and how the queue holds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from streammon.config import ServerConfig
from streammon.core.errors import Permanent
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Modality, Window, WindowSpec, WindowUnit
from streammon.pipelines.detect import Panel
from streammon.server import detect_api
from streammon.server.app import build_app
from streammon.server.detecting import LIMITS, RUNNING, WAITING, Detecting
from streammon.server.serve import serving
from streammon.telemetry.metrics import Metrics
from tests.browser.scripted_monitor import ScriptedMonitor
from tests.clips import Recipe, write_clip
from tests.fakes import Brightness

TOKEN = "a-long-secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
RAW = {"Content-Type": "application/octet-stream"}
SOON_S = 20.0


class Reader:
    """Says of every text how much of it is in capitals; can be made to wait."""

    name = "capitals"
    kind = "shouting"
    inputs: Mapping[Modality, WindowSpec] = {Modality.TEXT: WindowSpec(1, 0, WindowUnit.MESSAGES)}
    on_device = False
    max_batch = 1

    def __init__(self) -> None:
        self.loads = 0
        self.scoring = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def load(self, device: str) -> None:
        self.loads += 1

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.scoring.set()
        assert self.go_on.wait(SOON_S)
        return [self._judge(window) for window in batch]

    def _judge(self, window: Window) -> DetectionResult:
        text = getattr(window.items[0], "text", "")
        share = sum(letter.isupper() for letter in text) / len(text)
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used="capitals-1",
            confidence=share,
            is_ai_generated=share >= 0.5,
        )


class Broken(Reader):
    name = "broken"

    def load(self, device: str) -> None:
        raise Permanent("broken: its weights are missing")


@asynccontextmanager
async def asking(
    *detectors: Detector, token: str | None = None, metrics: Metrics | None = None
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the real application, whose detectors are these."""
    figures = metrics or Metrics()
    settings = ServerConfig(token=None if token is None else SecretStr(token))
    panel = Panel({one.name: one for one in detectors}, device="cpu", limits=LIMITS)
    async with ScriptedMonitor([]) as monitor, Detecting(panel, figures) as detecting:
        app = build_app(monitor, monitor.hub, figures, settings, detecting=detecting)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


def grey_png(level: int, width: int = 40) -> bytes:
    return bytes(cv2.imencode(".png", np.full((30, width, 3), level, np.uint8))[1])


def clip(folder: Path) -> bytes:
    path = folder / "clip.mp4"
    write_clip(path, Recipe(seconds=2))
    return path.read_bytes()


async def test_an_image_is_judged_and_the_answer_is_the_standard_result() -> None:
    async with asking(Brightness()) as client:
        answer = await client.post(
            "/detect", content=grey_png(204), headers={"Content-Type": "image/png"}
        )
    assert answer.status_code == 200
    found = answer.json()
    assert (found["v"], found["type"], found["modality"]) == (1, "detection", "image")
    assert found["confidence"] == pytest.approx(0.8, abs=1e-3)
    assert found["abstained"] is None
    (verdict,) = found["detectors"]
    assert (verdict["detector"], verdict["windows"], verdict["scored"]) == ("brightness", 1, 1)
    assert answer.headers["cache-control"] == "no-store"


async def test_bytes_of_no_stated_type_are_worked_out(tmp_path: Path) -> None:
    async with asking(Brightness(), Reader()) as client:
        film = await client.post("/detect", content=clip(tmp_path), headers=RAW)
        text = await client.post("/detect", content=b"LOUD", headers=RAW)
    assert film.json()["modality"] == "video"
    assert film.json()["detectors"][0]["windows"] > 0
    assert (text.json()["modality"], text.json()["is_ai_generated"]) == ("text", True)


async def test_the_named_detectors_alone_judge_and_say_when_it_is_not_theirs() -> None:
    async with asking(Brightness(), Reader()) as client:
        asked = {"detector": ["brightness", "capitals"]}
        answer = await client.post("/detect", params=asked, content=b"quiet", headers=RAW)
        unknown = await client.post("/detect?detector=nobody", content=b"quiet", headers=RAW)
    by_name = {one["detector"]: one for one in answer.json()["detectors"]}
    assert by_name["capitals"]["confidence"] == 0.0
    assert by_name["brightness"]["abstained"] == "it looks at video only"
    assert unknown.status_code == 422
    assert "capitals" in unknown.json()["detail"]


async def test_get_says_who_judges_what_within_what_limits() -> None:
    async with asking(Brightness(), Reader()) as client:
        told = (await client.get("/detect")).json()
    assert told["modalities"] == ["image", "video", "text"]
    assert [one["detector"] for one in told["detectors"]] == ["brightness", "capitals"]
    assert told["limits"]["bytes"] == LIMITS.bytes
    assert told["limits"]["waiting"] == WAITING


async def test_models_are_loaded_when_they_are_first_needed_and_once() -> None:
    reader = Reader()
    async with asking(Brightness(), reader) as client:
        await client.get("/detect")
        await client.post("/detect", content=grey_png(9), headers=RAW)
        assert reader.loads == 0
        for _ in range(3):
            await client.post("/detect", content=b"text", headers=RAW)
        assert reader.loads == 1


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


async def test_the_token_is_needed() -> None:
    async with asking(Reader(), token=TOKEN) as client:
        nobody = await client.post("/detect", content=b"words", headers=RAW)
        asked = await client.get("/detect")
        known = await client.post("/detect", content=b"words", headers={**RAW, **BEARER})
    assert (nobody.status_code, asked.status_code, known.status_code) == (401, 401, 200)


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


async def test_a_full_queue_turns_away_at_once_and_recovers() -> None:
    reader, metrics = Reader(), Metrics()
    reader.go_on.clear()
    async with asking(reader, metrics=metrics) as client, asyncio.timeout(SOON_S):
        async with asyncio.TaskGroup() as group:
            waiting = [
                group.create_task(client.post("/detect", content=b"AB", headers=RAW))
                for _ in range(RUNNING + WAITING)
            ]
            await asyncio.to_thread(reader.scoring.wait, SOON_S)
            refused = await client.post("/detect", content=b"AB", headers=RAW)
            assert not any(task.done() for task in waiting)
            probe = await client.get("/health")
            reader.go_on.set()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert probe.status_code == 200
        assert [task.result().status_code for task in waiting] == [200] * len(waiting)
        again = await client.post("/detect", content=b"AB", headers=RAW)
        page = (await client.get("/metrics")).text
    assert again.status_code == 200
    assert 'streammon_detect_requests_total{outcome="busy"} 1.0' in page
    assert 'streammon_detect_requests_total{outcome="judged"} 6.0' in page


async def test_a_model_that_cannot_be_loaded_is_named_and_the_others_judge() -> None:
    async with asking(Broken(), Brightness()) as client:
        failed = await client.post("/detect", content=b"words", headers=RAW)
        judged = await client.post("/detect", content=grey_png(9), headers=RAW)
    assert (failed.status_code, failed.json()["detail"]) == (500, "broken: its weights are missing")
    assert judged.status_code == 200


async def test_closing_ends_what_is_in_work_and_behind_it() -> None:
    """Two messages: the first is being scored when the server goes, the second never is."""
    reader = Reader()
    reader.go_on.clear()
    detecting = Detecting(Panel({"capitals": reader}, device="cpu"), Metrics())
    chat = b'{"author_id":"a","text":"ONE"}\n{"author_id":"b","text":"TWO"}'
    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as group, detecting:
        running = group.create_task(_outcome(detecting, chat))
        await asyncio.to_thread(reader.scoring.wait, SOON_S)
        behind = group.create_task(_outcome(detecting, chat))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0.05, reader.go_on.set)
    assert running.result() == "the server is shutting down"
    assert behind.result() in {"cancelled", "the server is shutting down"}


async def _outcome(detecting: Detecting, content: bytes) -> str:
    try:
        await detecting.judge(content, "auto", only=None)
    except Permanent as error:
        return str(error)
    except asyncio.CancelledError:
        return "cancelled"
    return "judged"


async def test_the_page_of_the_interface_knows_it() -> None:
    async with asking(Reader()) as client:
        spec = (await client.get("/openapi.json")).json()["paths"]["/detect"]
    assert set(spec) == {"get", "post"}
    assert "image/*" in spec["post"]["requestBody"]["content"]
    told = (Path(__file__).parents[2] / "docs" / "wall.md").read_text("utf-8")
    assert "`/detect`" in told


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
                for body in (_hls(target), _concat(target), _sdp(port)):
                    sent = await client.post("/detect?modality=video", content=body, headers=RAW)
                    statuses.append(sent.status_code)
    assert set(statuses) == {415}
    assert asked == []


def _hls(target: str) -> bytes:
    return (
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
        f"{target}\n#EXT-X-ENDLIST\n"
    ).encode()


def _concat(target: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{target}'\n".encode()


def _sdp(port: int) -> bytes:
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "c=IN IP4 127.0.0.1", "t=0 0"]
    return "\r\n".join([*lines, f"m=video {port} RTP/AVP 33", ""]).encode()


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
        after = await client.post("/detect", content=b"words", headers=RAW)
    assert (answer.status_code, after.status_code) == (408, 200)
    assert reader.loads == 1
