"""The page that a caller opens, in a real browser, with a call that shows its light on a face."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import cv2
import httpx
import numpy as np
import pytest
from playwright.async_api import Page
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from streammon.config import ServerConfig
from streammon.core.clock import MonotonicClock
from streammon.core.types import StreamId, VideoFrame
from streammon.pipelines.attention import Attention
from streammon.server.app import build_app
from streammon.server.challenging import Challenges, Pace
from streammon.server.serve import serving
from streammon.telemetry.metrics import Metrics
from tests.browser.chromium import needs_chromium, wall
from tests.browser.scripted_monitor import TEXT, VIDEO, ScriptedMonitor, stream_view
from tests.drawn_face import drawn_face
from tests.lit_faces import encoded

pytestmark = [pytest.mark.browser, needs_chromium]

TOKEN = "a-long-secret"
CALL = StreamId("call")
PACE = Pace(lead_s=0.6, step_s=0.6, after_s=4.2, ask_s=1.5, painted_s=20.0)
ASKED = {"Authorization": f"Bearer {TOKEN}"}


class Server:
    """What a test needs of the running server."""

    def __init__(self, url: str, attention: Attention) -> None:
        self.url = url.rstrip("/")
        self.attention = attention

    async def make(self, **wanted: object) -> tuple[str, str]:
        """The id of a new challenge, and its link."""
        asked = {"stream": "call", **wanted}
        async with httpx.AsyncClient(headers=ASKED) as client:
            answer = await client.post(f"{self.url}/api/challenges", json=asked)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        return made["challenge_id"], self.url + made["path"]

    async def found(self, challenge_id: str) -> dict[str, object]:
        async with httpx.AsyncClient(headers=ASKED) as client:
            answer = await client.get(f"{self.url}/api/challenges/{challenge_id}")
        return dict(answer.json())


@asynccontextmanager
async def serving_challenges(pace: Pace = PACE) -> AsyncGenerator[Server]:
    attention = Attention()
    challenges = Challenges(attention, MonotonicClock(), pace=pace)
    monitor = ScriptedMonitor([stream_view("call", VIDEO), stream_view("chat", TEXT)])
    settings = ServerConfig(port=0, token=SecretStr(TOKEN))
    async with monitor:
        app = build_app(monitor, monitor.hub, Metrics(), settings, challenges=challenges)
        async with serving(app, settings) as url:
            yield Server(url, attention)


WATCH = """() => {
  window.parts = [];
  new MutationObserver(() => {
    const { state } = document.body.dataset;
    const phrase = document.getElementById("phrase");
    const shown = phrase.checkVisibility({ visibilityProperty: true });
    window.parts.push([state, shown ? phrase.textContent : ""]);
  }).observe(document.body, { attributeFilter: ["data-state"] });
  let last = "";
  setInterval(() => {
    const shown = getComputedStyle(document.body).backgroundColor;
    if (shown !== last) { last = shown; window.lit(shown); }
  }, 30);
}"""
"""Keeps what the page shows: a part of it may be over before anybody asks."""

ANSWERED = """() => performance.getEntriesByType("resource")
  .some((one) => one.name.endsWith("/link") && one.responseEnd > 0)"""
"""Whether the page has been told that its link is good."""


@asynccontextmanager
async def the_call(page: Page, attention: Attention) -> AsyncGenerator[list[str]]:
    """A camera before the page: the face in the call is lit by what the browser shows.

    Yields the colours that were seen, in their order.
    """
    # Darker than it was drawn: with many bright colours in a row it would be too bright to judge.
    face = 0.6 * (drawn_face(0.2).astype(np.float64) / 255.0) ** 2.2
    seen: list[str] = []
    await page.expose_function("lit", lambda colour: seen.append(colour))
    await page.evaluate(WATCH)

    async def film() -> None:
        began_s, seq = time.monotonic(), 0
        while True:
            captured_ns = time.monotonic_ns()
            red, green, blue = map(int, re.findall(r"\d+", seen[-1] if seen else "0 0 0")[:3])
            fallen = 1.0 + 0.3 * (np.array([red, green, blue]) / 255.0) ** 2.2
            image = encoded(face * fallen).astype(np.uint8)
            image.flags.writeable = False
            media_s = captured_ns / 1e9 - began_s
            attention.saw(VideoFrame(CALL, seq, media_s, captured_ns, image))
            seq += 1
            await asyncio.sleep(0.1)

    camera = asyncio.create_task(film())
    try:
        yield seen
    finally:
        camera.cancel()
        await asyncio.wait({camera})


@pytest.mark.timeout(120)  # twenty seconds of colours and words, in a browser that was just started
async def test_a_caller_is_led_through_and_verified_by_the_light_of_the_page() -> None:
    async with serving_challenges() as server:
        challenge_id, link = await server.make()
        async with wall(link) as opened:
            page = opened.page
            assert "sensitive to flashing light" in await page.inner_text("main")
            assert (await server.found(challenge_id))["state"] == "waiting"
            async with the_call(page, server.attention) as colours:
                await page.get_by_role("button", name="Begin").click()
                await opened.wait_for("() => document.body.dataset.state === 'light'")
                assert not await page.locator("main").is_visible()
                await page.get_by_text("Thank you").wait_for()
                parts = await page.evaluate("() => parts")
        found = await server.found(challenge_id)
        assert found["answer"] == "follows", str(found["why"])
        assert found["state"] == "done"
        states = [state for state, _ in itertools.groupby(state for state, _ in parts)]
        assert states == ["light", "ask", "over"]
        assert dict(parts)["ask"] == found["phrase"]
        assert "follows the light of the screen" in str(found["why"])
        assert len(set(colours)) >= 5  # at least four of the six, and grey


async def test_the_whole_screen_has_the_colour() -> None:
    async with serving_challenges() as server:
        _, link = await server.make()
        async with wall(link) as opened:
            await opened.page.get_by_role("button", name="Begin").click()
            await opened.wait_for(
                "() => getComputedStyle(document.body).backgroundColor !== 'rgb(32, 32, 32)'"
            )
            shot = np.frombuffer(await opened.page.screenshot(), np.uint8)
            image = cv2.imdecode(shot, cv2.IMREAD_COLOR)
            assert image is not None
            assert (image == image[0, 0]).all()
            assert set(image[0, 0].tolist()) == {0, 255}


async def test_a_link_serves_once_and_a_guessed_one_never() -> None:
    async with serving_challenges() as server:
        challenge_id, link = await server.make()
        async with wall(link) as opened:
            page = opened.page
            await page.get_by_role("button", name="Begin").click()
            await opened.wait_for("() => document.body.dataset.state === 'light'")
            for used, why in ((link, "used already"), (link[:-4] + "AAAA", "no such check")):
                await page.goto(used)  # said at once, before anybody dims the room
                await page.get_by_text(why).wait_for()
                assert await page.inner_text("#verdict") == "This did not work"
                assert not await page.get_by_role("button", name="Begin").is_visible()
        assert (await server.found(challenge_id))["state"] in {"running", "broken_off"}


async def test_a_link_that_was_used_while_the_page_was_open_is_refused_by_begin() -> None:
    async with serving_challenges() as server:
        _, link = await server.make()
        async with wall(link) as opened:
            await opened.page.get_by_role("button", name="Begin").wait_for()
            await opened.wait_for(ANSWERED)
            async with connect(link.replace("http://", "ws://") + "/light") as other:
                await other.recv()
                await opened.page.get_by_role("button", name="Begin").click()
                await opened.page.get_by_text("used already").wait_for()


async def test_making_and_reading_take_the_token_and_the_page_tells_nothing() -> None:
    async with serving_challenges() as server, httpx.AsyncClient(base_url=server.url) as client:
        challenge_id, link = await server.make()
        assert (await client.post("/api/challenges", json={"stream": "call"})).status_code == 401
        assert (await client.get(f"/api/challenges/{challenge_id}")).status_code == 401
        page = await client.get(link)
        assert page.status_code == 200
        assert "call" not in link
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        for wanted in ({"stream": "none"}, {"stream": "chat"}):
            answer = await client.post("/api/challenges", json=wanted, headers=ASKED)
            assert answer.status_code == 404
        wrong = {"stream": "call", "transcript": "call"}
        assert (await client.post("/api/challenges", json=wrong, headers=ASKED)).status_code == 404


async def test_a_page_of_another_site_and_one_that_never_paints_get_nowhere() -> None:
    async with serving_challenges(replace(PACE, painted_s=1.0)) as server:
        challenge_id, link = await server.make()
        address = link.replace("http://", "ws://") + "/light"
        with pytest.raises(InvalidStatus):
            await connect(address, origin="https://evil.example")  # type: ignore[arg-type]
        assert (await server.found(challenge_id))["state"] == "waiting"
        async with connect(address) as silent:
            await silent.send("x" * 5_000)
            await silent.send('{"painted": 99}')
            await silent.wait_closed()
            assert silent.close_code == 4408
        assert (await server.found(challenge_id))["state"] == "broken_off"
