"""`/detect` over the real application: what is judged, and how the queue holds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streammon.core.errors import Permanent
from streammon.pipelines.detect import Panel
from streammon.server.detecting import LIMITS, RUNNING, WAITING, Detecting
from streammon.telemetry.metrics import Metrics
from tests.clips import Recipe, write_clip
from tests.component.detect_client import BEARER, RAW, SOON_S, TOKEN, Reader, asking, grey_png
from tests.fakes import Brightness


class Broken(Reader):
    name = "broken"

    def load(self, device: str) -> None:
        raise Permanent("broken: its weights are missing")


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


async def test_the_token_is_needed() -> None:
    async with asking(Reader(), token=TOKEN) as client:
        nobody = await client.post("/detect", content=b"words", headers=RAW)
        asked = await client.get("/detect")
        known = await client.post("/detect", content=b"words", headers={**RAW, **BEARER})
    assert (nobody.status_code, asked.status_code, known.status_code) == (401, 401, 200)


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
