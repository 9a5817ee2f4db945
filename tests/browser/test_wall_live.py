"""The whole thing: `streammon run` on a real stream, and the wall in a real browser."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.chromium import needs_chromium, wall
from tests.e2e.program import streammon

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture
def frozen(tmp_path: Path) -> Path:
    """A moving picture of 5 s that then stands still for 15 s."""
    path = tmp_path / "frozen.mp4"
    moving, still = "testsrc2=size=320x180:rate=25:duration=5", "smptebars=size=320x180:rate=25"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", moving]
        + ["-f", "lavfi", "-i", f"{still}:duration=15", "-filter_complex", "concat=n=2"]
        + ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", str(path)],
        check=True,
        timeout=60,
    )
    return path


@pytest.mark.timeout(150)
async def test_a_stream_that_freezes_is_seen_on_the_wall(tmp_path: Path, frozen: Path) -> None:
    arguments = ["--source", f"tv={frozen}", "--source", "ball=lavfi:testsrc2=size=320x180:rate=25"]
    with streammon(tmp_path, "run", "monitoring_wall", *arguments, "--port", "0") as program:
        url = await asyncio.to_thread(program.url)
        async with wall(f"{url}/") as opened:
            await opened.live()
            for stream in ("tv", "ball"):
                await opened.wait_for(
                    "s => document.querySelector(`[data-stream=${s}] canvas.picture`)?.width > 16",
                    stream,
                )
            before = await opened.pixels("ball")
            await opened.page.wait_for_timeout(2_500)
            assert await opened.pixels("ball") != before, "the picture moves"
            await opened.page.locator("#alarm").wait_for(timeout=60_000)
            assert await opened.page.locator("#alarm-title").inner_text() == "Freeze on tv"
            assert await opened.tile("ball").get_attribute("data-alarm") == "none"
            told = {line["alert_id"] for line in program.lines() if line["type"] == "alert"}
            assert set(await opened.alert_ids()) <= told
            await opened.wait_for(
                "() => document.querySelector('#incident-list .snapshot')?.naturalWidth > 0"
            )
            port = str(urlsplit(url).port)
            assert await asyncio.to_thread(program.stop) == 0
            await opened.page.locator("#lost").wait_for()
            with streammon(tmp_path, "run", "monitoring_wall", *arguments, "--port", port) as again:
                assert await asyncio.to_thread(again.url) == url
                await opened.live()
                await opened.wait_for(
                    "() => document.querySelector('[data-stream=tv]').dataset.state === 'up'"
                )
                assert await opened.page.locator("#gap").is_hidden()
                told |= {line["alert_id"] for line in program.lines() if line["type"] == "alert"}
                shown = set(await opened.alert_ids())
                assert {one for one in told if one not in shown} == set(), "no alert is missing"
            opened.problems.clear()  # the outage itself
