"""An operator says on the wall that an incident has been seen."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import Dialog, expect

from streammon.core.types import AlertState, Severity
from tests.browser.chromium import SOON_MS, needs_chromium, wall
from tests.browser.scripted_monitor import VIDEO, ScriptedMonitor, played, stream_view

pytestmark = [pytest.mark.browser, needs_chromium]

TOKEN = "a-long-secret"
ABOUT = "Acknowledge freeze on gate"


def a_monitor() -> ScriptedMonitor:
    return ScriptedMonitor([stream_view("gate", VIDEO, detectors=["freeze"])])


async def test_it_leaves_the_banner_stays_over_a_reload_and_comes_back_when_worse() -> None:
    monitor, asked = a_monitor(), []

    async def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        await dialog.accept(" Ann B. ")

    async with played(monitor, token=TOKEN) as url, wall(f"{url}#token={TOKEN}") as opened:
        page = opened.page
        alarm, seen = page.locator("#alarm"), page.locator("#incident-list .incident-seen")
        page.on("dialog", answer)
        await opened.live()
        await monitor.alert("gate", "freeze", severity=Severity.WARNING)
        await alarm.wait_for()
        await page.get_by_role("button", name=ABOUT).click()
        await expect(seen).to_contain_text("acknowledged by Ann B., ", timeout=SOON_MS)
        await alarm.wait_for(state="hidden")
        await expect(page.get_by_role("button", name=ABOUT)).to_have_count(0)
        await expect(page).to_have_title("night-desk · streammon")
        await expect(page.locator("#incidents-count")).to_have_text("1 open, 1 incident")
        await page.reload()
        await expect(seen).to_contain_text("acknowledged by Ann B., ", timeout=SOON_MS)
        assert await alarm.is_hidden()
        worse = AlertState.UPDATED
        await monitor.alert("gate", "freeze", worse, severity=Severity.CRITICAL)
        await alarm.wait_for()
        await expect(seen).to_contain_text("worse since it was acknowledged by Ann B., ")
        await page.get_by_role("button", name=ABOUT).click()
        await alarm.wait_for(state="hidden")
        assert len(asked) == 1, "the tab keeps the name"


async def test_what_others_say_shows_within_ten_seconds() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened, httpx.AsyncClient() as other:
        await opened.live()
        alert = await monitor.alert("gate", "freeze")
        await opened.page.locator("#alarm").wait_for()
        path = f"{url}api/incidents/{alert.incident_id}/acknowledge"
        assert (await other.post(path, json={"by": "Bob"})).status_code == 200
        seen = opened.page.locator("#incident-list .incident-seen")
        await expect(seen).to_contain_text("acknowledged by Bob, ", timeout=SOON_MS)
        await opened.page.locator("#alarm").wait_for(state="hidden")


async def test_without_a_name_nothing_is_said_and_the_page_says_why() -> None:
    monitor, names = a_monitor(), iter([None, "<b>", "Bob"])

    async def answer(dialog: Dialog) -> None:
        name = next(names)
        await (dialog.dismiss() if name is None else dialog.accept(name))

    async with played(monitor) as url, wall(url) as opened:
        page = opened.page
        page.on("dialog", answer)
        await opened.live()
        await monitor.alert("gate", "freeze")
        button = page.get_by_role("button", name=ABOUT)
        seen = page.locator("#incident-list .incident-seen span")
        await button.click(timeout=SOON_MS)
        await expect(button).to_be_enabled(timeout=SOON_MS)
        await expect(seen).to_be_empty()
        await button.click()
        await expect(seen).to_contain_text("not acknowledged: a name has up to 64", timeout=SOON_MS)
        await expect(page.locator("#alarm")).to_be_visible()
        await button.click()
        await expect(seen).to_contain_text("acknowledged by Bob, ", timeout=SOON_MS)
        await page.locator("#alarm").wait_for(state="hidden")
