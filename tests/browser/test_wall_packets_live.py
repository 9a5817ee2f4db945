"""`streammon run` on real streams, and a real browser that decodes them itself."""

from __future__ import annotations

import asyncio
import re
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from tests.browser.chromium import Opened, needs_chromium, wall
from tests.e2e.program import streammon
from tests.loopback.rtsp_server import RtspServer, why_missing
from tests.publishers import Pictures, publishing

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.timeout(150)]

DEMO = Path(str(files("streammon.demo")))
CONFIG = """
name: packets
sources: {sources}
detectors: {{freeze: {{}}}}
outbox: {{path: ":memory:"}}
server: {{detect: false}}
"""


def configured(folder: Path, sources: str) -> str:
    path = folder / "packets.yaml"
    path.write_text(CONFIG.format(sources=sources))
    return str(path)


async def painted(url: str) -> int:
    """How many pictures the server has drawn and encoded so far."""
    async with httpx.AsyncClient(timeout=20.0) as web:
        page = (await web.get(f"{url}/metrics")).text
    found = re.search(r"^streammon_pictures_painted_total (\S+)", page, re.MULTILINE)
    assert found is not None
    return round(float(found.group(1)))


async def in_motion(opened: Opened, stream: str, codec: str) -> None:
    """Returns once pictures follow each other that were decoded from this codec."""
    path = opened.tile(stream).locator(f'.path[title*="({codec}"]')
    await path.wait_for(timeout=40_000)
    assert await path.inner_text() == "packets"
    for _ in range(5):
        await opened.moves(stream)


@pytest.mark.rtsp
@pytest.mark.skipif(bool(why := why_missing()), reason=why or "is there")
async def test_rtsp_and_files_are_shown_with_no_picture_drawn_by_the_server(tmp_path: Path) -> None:
    with RtspServer(DEMO / "camera_clean.mp4") as server:
        sources = (
            f'{{gate: {{type: av_url, url: "{server.url("live")}"}},'
            f' camera: {{type: av_url, url: "{DEMO}/camera_clean.mp4", loop: true}}}}'
        )
        config = configured(tmp_path, sources)
        with streammon(tmp_path, "run", config, "--port", "0") as program:
            url = await asyncio.to_thread(program.url)
            async with wall(f"{url}/") as opened:
                await opened.live()
                await in_motion(opened, "gate", "avc1.")
                await in_motion(opened, "camera", "avc1.")
                assert await painted(url) == 0
            async with wall(f"{url}/?pictures=jpeg") as opened:
                await opened.live()
                await opened.page.locator('[data-stream="gate"][data-path="jpeg"]').wait_for()
                for _ in range(200):
                    if await painted(url) > 1:
                        break
                    await asyncio.sleep(0.1)
                assert await painted(url) > 1
            assert await asyncio.to_thread(program.stop) == 0


async def test_a_published_call_is_shown_through_a_change_of_size(tmp_path: Path) -> None:
    config = configured(tmp_path, "{ann: {type: webrtc}}")
    with streammon(tmp_path, "run", config, "--port", "0") as program:
        url = await asyncio.to_thread(program.url)

        async def publish(offer: str) -> str:
            async with httpx.AsyncClient(timeout=20.0) as web:
                while True:
                    headers = {"Content-Type": "application/sdp"}
                    answer = await web.post(f"{url}/whip/ann", content=offer, headers=headers)
                    if answer.status_code != 503:
                        assert answer.status_code == 201, answer.text
                        return answer.text
                    await asyncio.sleep(float(answer.headers["retry-after"]))

        track = Pictures(size=(320, 180))
        async with publishing(publish, track), wall(f"{url}/") as opened:
            await opened.live()
            await in_motion(opened, "ann", "vp8")
            assert await shape(opened, "ann", above=1.5)
            track.size = (240, 240)
            assert await shape(opened, "ann", above=0.9, below=1.1)
            await in_motion(opened, "ann", "vp8")
            assert await painted(url) == 0
        assert await asyncio.to_thread(program.stop) == 0


async def shape(opened: Opened, stream: str, *, above: float, below: float = 9.0) -> float:
    """Width over height of the picture, once it lies between these."""
    found: float = await opened.wait_for(
        """([stream, above, below]) => {
          const { width, height } = document.querySelector(`[data-stream=${stream}] canvas`) ?? {};
          return width / height > above && width / height < below && width / height;
        }""",
        [stream, above, below],
    )
    return found
