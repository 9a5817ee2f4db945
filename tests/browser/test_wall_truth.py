"""What the wall shows is what the monitor says, however long the page is open."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from playwright.async_api import Route

from streammon.core.types import AlertState, HealthState
from tests.browser.chromium import SOON_MS, needs_chromium, wall
from tests.browser.proxy import Line
from tests.browser.scripted_monitor import AUDIO, VIDEO, ScriptedMonitor, played, stream_view

pytestmark = [pytest.mark.browser, needs_chromium]


def a_monitor() -> ScriptedMonitor:
    return ScriptedMonitor([stream_view("gate", VIDEO), stream_view("lobby", VIDEO, AUDIO)])


async def test_an_open_incident_is_shown_though_hundreds_of_alerts_came_after_it() -> None:
    monitor = a_monitor()
    async with played(monitor) as url:
        await monitor.alert("gate", "freeze", why="the one that matters")
        for number in range(210):
            state = AlertState.UPDATED if number else AlertState.OPENED
            await monitor.alert("lobby", "freeze", state)
        await monitor.alert("lobby", "freeze", AlertState.CLOSED)
        async with wall(url) as opened:
            await opened.live()
            await opened.page.locator("#alarm").wait_for()
            assert await opened.page.locator("#alarm-title").inner_text() == "Freeze on gate"
            await opened.wait_for("() => document.querySelectorAll('.incident').length === 2")
            assert await opened.page.locator("#open-count").inner_text() == "1"
            await monitor.alert("gate", "freeze", AlertState.CLOSED)
            await opened.page.locator("#alarm").wait_for(state="hidden")


async def test_an_open_incident_is_not_pushed_out_by_many_that_are_over() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.alert("gate", "freeze")
        for number in range(510):
            await monitor.alert("lobby", "freeze", AlertState.CLOSED, incident=str(number))
        await opened.wait_for(
            "() => document.querySelector('#incidents-count').textContent.includes('500 incid')"
        )
        await opened.wait_for(
            "() => document.querySelector('[data-incident=\"lobby-freeze-509\"]') !== null"
        )
        assert await opened.page.locator("#alarm").is_visible()
        assert await opened.page.locator("#alarm-title").inner_text() == "Freeze on gate"


async def test_an_incident_that_goes_on_for_hours_keeps_to_its_newest_alerts() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        for number in range(450):
            state = AlertState.UPDATED if number else AlertState.OPENED
            alert = await monitor.alert("gate", "freeze", state)
        await opened.wait_for(
            "(id) => document.querySelector('.incident')?.dataset.alerts.endsWith(id)",
            f" {alert.alert_id}",
        )
        assert len(await opened.alert_ids()) == 400


async def test_a_stream_that_the_monitor_no_longer_has_is_not_left_standing_large() -> None:
    monitor = a_monitor()
    async with played(monitor) as server, Line(server) as line, wall(line.url) as opened:
        await opened.live()
        await opened.tile("lobby").locator(".tile-open").click()
        await opened.page.locator(".focus-view").wait_for()
        line.cut()
        await opened.page.locator("#lost").wait_for()
        monitor.views = [view for view in monitor.views if view.stream != "lobby"]
        line.mend()
        await opened.live()
        await opened.page.locator(".focus-view").wait_for(state="detached")
        opened.forgive_breaks()


async def test_an_answer_that_is_older_than_the_news_does_not_undo_it() -> None:
    """The list of streams is on its way while one of them fails."""
    monitor = a_monitor()
    overtaken = asyncio.Event()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()

        async def late(route: Route) -> None:
            answer = await route.fetch()
            monitor.change_health("gate", HealthState.FAILED, "unplugged")
            await opened.page.locator('.tile[data-stream="gate"][data-state="failed"]').wait_for()
            await route.fulfill(response=answer)
            overtaken.set()

        await opened.page.route("**/api/streams", late, times=1)
        async with opened.page.expect_response("**/api/status"):
            await asyncio.wait_for(overtaken.wait(), SOON_MS / 1000)
        await opened.page.wait_for_timeout(500)
        assert await opened.tile("gate").get_attribute("data-state") == "failed"


async def test_voices_of_people_who_left_long_ago_do_not_pile_up() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.followed()
        for number in range(80):
            said = monitor.result("lobby", "voice_spoof", 0.1, modality=AUDIO)
            monitor.hub.publish(replace(said, participant=f"guest-{number}"))
            await opened.wait_for(
                "(name) => document.querySelector('.tile[data-stream=lobby]')"
                ".textContent.includes(name)",
                f"guest-{number}" if number else "voice spoof",
            )
        assert await opened.tile("lobby").locator(".score").count() == 64
