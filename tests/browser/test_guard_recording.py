"""`/guard` with recordings that are not what one would wish."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.async_api import Page

from tests.browser.chromium import needs_chromium
from tests.browser.guarded import becomes, chromium, guard, guarded

pytestmark = [pytest.mark.browser, needs_chromium]

AT_ONCE = "--autoplay-policy=no-user-gesture-required"
"""A person presses a button first; a test hands the file over."""


def damaged(path: Path) -> Path:
    """A recording that begins well, for a quarter of a minute, and is noise then."""
    data = bytearray((files("streammon.demo") / "studio_clean.mp4").read_bytes())
    half = len(data) // 2
    data[half : half + half // 2] = random.Random(0).randbytes(half // 2)
    path.write_bytes(data)
    return path


def silent(path: Path) -> Path:
    """Half a minute of moving picture without any sound."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libvpx", rate=10, width=160, height=120)
        for number in range(300):
            picture = np.full((120, 160, 3), 2 * (number % 100), np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        film.mux(stream.encode())
    return path


@asynccontextmanager
async def watched(path: Path) -> AsyncGenerator[Page]:
    """The page of the guard while it watches this recording."""
    async with (
        guarded() as (url, _),
        chromium(AT_ONCE) as browser,
        guard(browser, url) as opened,
    ):
        page = opened.page
        await page.locator("#watch-file:enabled").wait_for(state="attached")
        await page.set_input_files("#watch-file", str(path))
        await becomes(page, "state", "live")
        yield page


@pytest.mark.timeout(120)
async def test_a_recording_that_breaks_off_is_over_and_no_frozen_picture(tmp_path: Path) -> None:
    path = await asyncio.to_thread(damaged, tmp_path / "damaged.mp4")
    async with watched(path) as page:
        await becomes(page, "state", "over", within_s=60)
        assert "breaks off here" in await page.locator("#again-why").inner_text()
        await page.click("#restart")
        await becomes(page, "state", "ready")


@pytest.mark.timeout(120)
async def test_a_recording_without_sound_is_not_told_to_share_audio(tmp_path: Path) -> None:
    path = await asyncio.to_thread(silent, tmp_path / "silent.webm")
    async with watched(path) as page:
        told = await page.locator("#trouble-text").inner_text()
        assert told == "This recording has no sound, so no voice can be judged."
        await page.click("#stop")
        await becomes(page, "state", "over")
