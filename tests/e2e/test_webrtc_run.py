"""`streammon run` with streams that are published to it: they appear, are judged and watched, and
are gone.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.program import streammon
from tests.publishers import FPS, Pictures, Sound, number_of, publishing
from tests.watchers import watching

TOKEN = "publish-t0ken"
CONFIG = """
name: calls
sources:
  studio: {{type: webrtc}}
  anyone: {{type: webrtc, admits: 2, linger_s: 1, token: {token}}}
detectors: {{freeze: {{}}}}
outbox: {{path: "{outbox}"}}
server: {{detect: false}}
"""

pytestmark = pytest.mark.timeout(120)


async def test_a_call_appears_is_judged_cut_into_a_clip_and_is_gone_again(tmp_path: Path) -> None:
    config = tmp_path / "calls.yaml"
    config.write_text(CONFIG.format(token=TOKEN, outbox=tmp_path / "outbox.db"))
    with streammon(tmp_path, "run", str(config), "--port", "0") as program:
        url = await asyncio.to_thread(program.url)
        async with httpx.AsyncClient(base_url=url, timeout=20.0) as web:
            where: list[str] = []

            async def streams() -> dict[str, Any]:
                listed = (await web.get("/api/streams")).json()["streams"]
                return {stream["stream"]: stream for stream in listed}

            async def publish(offer: str) -> str:
                """As OBS does: asked again while the monitor says that it is not ready yet."""
                while True:
                    answer = await web.post(
                        "/whip/ann",
                        content=offer,
                        headers={
                            "Content-Type": "application/sdp",
                            "Authorization": f"Bearer {TOKEN}",
                        },
                    )
                    if answer.status_code != 503:
                        break
                    await asyncio.sleep(float(answer.headers["retry-after"]))
                assert answer.status_code == 201, answer.text
                where.append(answer.headers["location"])
                return answer.text

            async def watch(offer: str) -> str:
                answer = await web.post(
                    "/whep/ann", content=offer, headers={"Content-Type": "application/sdp"}
                )
                assert answer.status_code == 201, answer.text
                return answer.text

            assert list(await streams()) == ["studio"]
            pictures = Pictures()
            async with publishing(publish, pictures, Sound()):
                await asyncio.to_thread(program.wait_for_line, type="result", stream="ann")
                ann = (await streams())["ann"]
                assert ann["health"]["state"] == "up"
                assert ann["link"]["codecs"] == ["VP8", "Opus"]
                asked = {"epoch": ann["epoch"], "start_s": 0, "end_s": 2}
                clip = await web.get("/api/streams/ann/clip", params=asked)
                assert clip.status_code == 200
                async with watching(watch) as viewer:
                    await viewer.until(lambda: len(viewer.seen) >= 25 and len(viewer.heard) >= 25)
                    await viewer.until(
                        lambda: pictures.sent - number_of(viewer.seen[-1][1]) < 2 * FPS
                    )
                    assert len(set(viewer.numbers)) == len(viewer.numbers)
                assert 'streammon_link_lost_ratio{stream="ann"}' in (await web.get("/metrics")).text
                gone = await web.delete(where[0], headers={"Authorization": f"Bearer {TOKEN}"})
                assert gone.status_code == 200
            while "ann" in await streams():  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            assert list(await streams()) == ["studio"]
        assert await asyncio.to_thread(program.stop) == 0
