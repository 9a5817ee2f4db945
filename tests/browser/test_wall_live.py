"""The whole thing: `streammon run` on a real stream, and the wall in a real browser."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.browser.chromium import needs_chromium, wall
from tests.e2e.program import Program, streammon

pytestmark = [pytest.mark.browser, needs_chromium]


CONFIG = """
name: night-desk
sources:
  tv: {{type: av_url, url: "{folder}/camera_frozen.mp4", loop: true}}
  ball: {{type: av_url, url: "lavfi:testsrc2=size=320x180:rate=25"}}
detectors: {{freeze: {{}}}}
overlay: {{fps: 4}}
outbox: {{path: "{outbox}"}}
"""


def told(program: Program) -> set[str]:
    """The alerts that are in the file so far."""
    return {line["alert_id"] for line in program.lines() if line["type"] == "alert"}


@pytest.mark.timeout(150)
async def test_a_stream_that_freezes_is_seen_on_the_wall(tmp_path: Path) -> None:
    config = tmp_path / "night-desk.yaml"
    folder = files("streammon.demo")
    config.write_text(CONFIG.format(folder=folder, outbox=tmp_path / "outbox.db"))
    with streammon(tmp_path, "run", str(config), "--port", "0") as program:
        url = await asyncio.to_thread(program.url)
        async with wall(f"{url}/") as opened:
            await opened.live()
            picture = opened.tile("tv").locator("canvas.picture")
            for stream in ("tv", "ball"):
                await opened.wait_for(
                    "s => document.querySelector(`[data-stream=${s}] canvas.picture`)?.width > 16",
                    stream,
                )
            for stream, path in (("tv", "packets"), ("ball", "jpeg")):
                await opened.page.locator(
                    f'.tile[data-stream="{stream}"][data-path="{path}"]'
                ).wait_for()
            await opened.moves("ball")
            await opened.page.locator("#alarm").wait_for(timeout=60_000)
            assert await opened.page.locator("#alarm-title").inner_text() == "Freeze on tv"
            assert await opened.tile("ball").get_attribute("data-alarm") == "none"
            shown = set(await opened.alert_ids())
            await asyncio.to_thread(program.wait_for, lambda: shown <= told(program))
            await opened.wait_for(
                "() => document.querySelector('#incident-list .snapshot')?.naturalWidth > 0"
            )
            port = str(urlsplit(url).port)
            assert await asyncio.to_thread(program.stop) == 0
            await opened.page.locator("#lost").wait_for()
            await picture.evaluate("canvas => canvas.removeAttribute('data-media-s')")
            (tmp_path / "again").mkdir()
            with streammon(tmp_path / "again", "run", str(config), "--port", port) as again:
                assert await asyncio.to_thread(again.url) == url
                await opened.live()
                await opened.wait_for(
                    "() => document.querySelector('[data-stream=tv]').dataset.state === 'up'"
                )
                await opened.page.locator('[data-stream="tv"] .picture[data-media-s]').wait_for()
                await opened.alerts(told(program))
                assert await opened.page.locator("#gap").is_hidden()
            opened.forgive_breaks()
