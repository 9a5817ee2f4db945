"""A real browser watches one stream live by WHEP, from the wall: what it plays is what is taken."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from streammon.core.types import HealthState
from tests.browser.chromium import Opened, needs_chromium, wall
from tests.browser.scripted_monitor import TEXT, stream_view
from tests.publishers import number_of
from tests.whep_server import CALL, shown

pytestmark = [pytest.mark.browser, needs_chromium]

SEEN = """
() => {
  const video = document.querySelector("video.live");
  const { videoWidth: width, videoHeight: height } = video;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(video, 0, 0);
  const row = context.getImageData(0, Math.floor(height / 8), width, 1).data;
  const corner = context.getImageData(2, 2, 38, 8).data;
  return { size: [width, height], row: Array.from(row), corner: Array.from(corner) };
}
"""
TRACKS_LIVE = """
() => {
  const tracks = document.querySelector("video.live").srcObject.getTracks();
  const live = tracks.filter((track) => track.readyState === "live" && !track.muted);
  return live.map((track) => track.kind).sort().join() === "audio,video";
}
"""


async def seen(opened: Opened) -> tuple[int, float]:
    """The number of the picture that the video shows now, and how light its corner is."""
    found = await opened.page.evaluate(SEEN)
    assert found["size"] == [640, 360]
    row = np.array(found["row"], np.uint8).reshape(1, 640, 4)[..., :3]
    corner = np.array(found["corner"], np.uint8).reshape(-1, 4)[..., :3]
    return number_of(row), float(corner.mean())


async def test_a_stream_opened_large_is_played_live_with_its_sound() -> None:
    loop = asyncio.get_running_loop()
    async with shown() as here, wall(f"{here.url}#stream={CALL}") as opened:
        page = opened.page
        await page.get_by_role("button", name="Live (WebRTC)").click()
        await page.locator('video.live[data-state="live"]').wait_for()
        assert await page.locator(".focus-view .face").is_hidden(), "it takes its place"
        hub = here.monitor.hub  # pictures are not sent twice, levels are
        while hub.viewers(CALL) or not hub.viewers(CALL, "meter"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        delays_s: list[float] = []
        numbers: list[int] = []
        while len(numbers) < 10:
            number, corner = await seen(opened)
            if number not in numbers:
                numbers.append(number)
                delays_s.append(loop.time() - here.taken_s[number])
            assert corner < 150, "the name of the stream stands there on a dark plate"
            await asyncio.sleep(0.1)
        assert numbers == sorted(numbers)
        assert np.median(delays_s) < 1.5
        await opened.wait_for(TRACKS_LIVE)
        assert here.audience.viewers() == {CALL: 1}
        await page.get_by_role("button", name="End live").click()
        await page.locator(".focus-view .face").wait_for()
        while not here.monitor.hub.viewers(CALL):  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)
        while here.audience.viewers():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)


async def test_leaving_the_large_view_ends_what_was_kept_up_for_it() -> None:
    async with shown() as here, wall(f"{here.url}#stream={CALL}") as opened:
        page = opened.page
        await page.get_by_role("button", name="Live (WebRTC)").click()
        await page.locator('video.live[data-state="live"]').wait_for()
        await page.keyboard.press("Escape")
        while here.audience.viewers():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)
        await page.goto(f"{here.url}#stream={CALL}")
        await page.reload()
        await page.get_by_role("button", name="Live (WebRTC)").click()
        await page.locator('video.live[data-state="live"]').wait_for()
        await page.goto("about:blank")
        while here.audience.viewers():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)


async def test_with_a_token_it_is_shown_to_who_has_it() -> None:
    token = "desk/t0ken"
    async with (
        shown(server_token=token) as here,
        wall(f"{here.url}#stream={CALL}&token={token}") as opened,
    ):
        await opened.page.get_by_role("button", name="Live (WebRTC)").click()
        await opened.page.locator('video.live[data-state="live"]').wait_for()


async def test_why_it_cannot_be_shown_is_said_and_the_pictures_stay() -> None:
    async with shown() as here, wall(f"{here.url}#stream={CALL}") as opened:
        page = opened.page
        here.monitor.change_health(CALL, HealthState.RETRYING, "no route to the camera")
        await page.get_by_role("button", name="Live (WebRTC)").click()
        await page.get_by_text("no route to the camera").nth(1).wait_for()
        assert await page.locator(".focus-view .face").is_visible()
        assert await page.get_by_role("button", name="Live (WebRTC)").is_enabled()
        here.monitor.change_health(CALL, HealthState.UP)
        await page.get_by_role("button", name="Live (WebRTC)").click()
        await page.locator('video.live[data-state="live"]').wait_for()
        here.monitor.change_health(CALL, HealthState.ENDED)
        await page.get_by_text("The stream has ended.").wait_for()
        assert await page.locator(".focus-view .face").is_visible()
        opened.problems[:] = [one for one in opened.problems if "409" not in one]


async def test_chats_and_servers_without_it_offer_nothing_of_the_kind() -> None:
    async with (
        shown(film=False, views=[stream_view("chat", TEXT)]) as here,
        wall(f"{here.url}#stream=chat") as opened,
    ):
        await opened.page.locator(".focus-view").wait_for()
        assert await opened.page.get_by_role("button", name="Live (WebRTC)").is_hidden()
