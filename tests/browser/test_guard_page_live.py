"""The whole thing: `streammon run call_guard`, and at `/guard` a recording watched as a call."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.browser.chromium import needs_chromium
from tests.browser.guarded import becomes, chromium, guard
from tests.drawn_talker import write_film
from tests.e2e.program import Program, streammon

pytestmark = [pytest.mark.browser, needs_chromium]

STATED_S = 12.0
"""docs/call-guard.md: how much judged speech the alert takes. A busy machine judges less of it."""
CALM_S = 20.0
JUDGED = """() => {
  const keep = () => {
    if (document.body.dataset.level !== "alert" || window.judged) return;
    window.judged = document.querySelector("#checks li[data-kind=voice_spoof] .muted").textContent;
  };
  new MutationObserver(keep).observe(document.body, { attributeFilter: ["data-level"] });
}"""
"""Keeps what is said of the voice when the alert comes: from then on it is of ever more speech."""
PEOPLE = """() => {
  const people = document.querySelectorAll("#checks li[data-kind=face_forgery] .people li");
  const names = [...people].map((one) => one.textContent.split(":")[0]);
  const boxes = document.querySelectorAll("#faces b").length;
  return names.join() === "Person 1,Person 2" && boxes === 2;
}"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """On a machine that need not have a camera: the page is served all the same."""
    with streammon(tmp_path, "run", "call_guard", "--port", "0") as running:
        running.url()
        yield running


async def share(page: Page, name: str) -> None:
    """Share a recording of the demo; returns once the monitor judges what it hears."""
    await share_file(page, Path(str(files("streammon.demo") / name)))
    await page.locator("#checks li[data-kind=voice_spoof]").wait_for(timeout=60_000)


async def share_file(page: Page, path: Path) -> None:
    await page.locator("#watch-file:enabled").wait_for(state="attached", timeout=60_000)
    await page.set_input_files("#watch-file", str(path))
    await becomes(page, "state", "live", within_s=60)


@pytest.mark.timeout(150)
async def test_a_cloned_voice_raises_the_alert_within_the_stated_time(program: Program) -> None:
    url = await asyncio.to_thread(program.url)
    program.wait_for(lambda: f"watch a call: {url}/guard" in "".join(program.said))
    async with chromium() as browser, guard(browser, f"{url}/") as opened:
        page = opened.page
        await page.evaluate(JUDGED)
        await share(page, "studio_cloned_voice.mp4")
        await becomes(page, "level", "alert", within_s=60)
        said = await opened.wait_for("() => window.judged")
        judged = re.search(r"over (\d+(?:\.\d)?) s:", said)
        assert judged is not None, said
        assert 2.0 < float(judged.group(1)) <= STATED_S
        assert "vocoder" in await page.locator("#alarm-why").inner_text()
        assert await page.locator("#checks li[data-kind=voice_spoof]").get_attribute(
            "data-level"
        ) == ("alert")
        await page.click("#stop")
        await becomes(page, "state", "over")
        opened.problems[:] = [one for one in opened.problems if "503" not in one]  # not yet ready


@pytest.mark.timeout(150)
async def test_a_clean_recording_stays_without_an_alert(program: Program) -> None:
    url = await asyncio.to_thread(program.url)
    async with chromium() as browser, guard(browser, f"{url}/") as opened:
        page = opened.page
        await share(page, "studio_clean.mp4")
        await page.wait_for_function(
            "seconds => document.querySelector('video').currentTime > seconds",
            arg=CALM_S,
            timeout=60_000,
        )
        await opened.wait_for("() => ['calm', 'rising'].includes(document.body.dataset.level)")
        assert await page.locator("#past li").count() == 0
        assert await page.locator("#alarm").is_hidden()
        voice = page.locator("#checks li[data-kind=voice_spoof]")
        assert "stretches over" in await voice.inner_text()
        await page.click("#stop")
        await becomes(page, "state", "over")
        opened.problems[:] = [one for one in opened.problems if "503" not in one]  # not yet ready
        assert "No alert was raised" in await page.locator("#verdict-why").inner_text()


@pytest.mark.timeout(150)
async def test_two_faces_in_a_shared_picture_are_people_with_a_line_each(
    program: Program, tmp_path: Path
) -> None:
    film = tmp_path / "two.mp4"
    await asyncio.to_thread(write_film, film, faces=2, times=3)
    url = await asyncio.to_thread(program.url)
    async with chromium() as browser, guard(browser, f"{url}/") as opened:
        page = opened.page
        await share_file(page, film)
        await page.wait_for_function(PEOPLE, timeout=60_000)
        await page.click("#stop")
        await becomes(page, "state", "over")
        opened.problems[:] = [one for one in opened.problems if "503" not in one]  # not yet ready
