"""A connection that breaks comes back by itself, and not one alert is missing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streammon.core.types import AlertState
from tests.browser.chromium import Opened, needs_chromium, wall
from tests.browser.proxy import Line
from tests.browser.scripted_monitor import VIDEO, ScriptedMonitor, played, stream_view

pytestmark = [pytest.mark.browser, needs_chromium]


PATIENCE_MS = 16_000
"""More than the page waits for an answer before it looks whether it has waited too long."""
MORE_THAN_THE_PAST = 230
"""Alerts: a page that forgot where it was would ask for the newest 200 only."""


LISTEN = """() => {
  window.read = [];
  const announcer = document.querySelector("#announcer");
  const keep = () => read.push(announcer.textContent);
  new MutationObserver(keep).observe(announcer, { childList: true });
}"""
"""From now on all that is read aloud is kept: what comes later takes its place on the page."""


def a_monitor(**more: str) -> ScriptedMonitor:
    return ScriptedMonitor([stream_view("gate", VIDEO), stream_view("lobby", VIDEO)], **more)  # type: ignore[arg-type]


@asynccontextmanager
async def expecting_a_break(opened: Opened) -> AsyncGenerator[None]:
    """Within, the browser may complain that it cannot connect; at the end it is connected."""
    assert opened.problems == []
    yield
    await opened.live()
    opened.forgive_breaks()


async def all_arrive(opened: Opened, *monitors: ScriptedMonitor) -> None:
    """Waits until the page has as many alerts as were sent; then they are the same, each once."""
    wanted = sorted(alert.alert_id for monitor in monitors for alert in monitor.sent)
    await opened.wait_for(
        "(count) => [...document.querySelectorAll('#incident-list .incident')]"
        ".flatMap((row) => row.dataset.alerts.split(' ')).length >= count",
        len(wanted),
    )
    assert sorted(await opened.alert_ids()) == wanted


async def test_a_cut_line_comes_back_and_no_alert_is_missing() -> None:
    monitor = a_monitor()
    async with played(monitor) as server, Line(server) as line, wall(line.url) as opened:
        await opened.live()
        await opened.page.evaluate(LISTEN)
        await monitor.alert("gate", "freeze", incident="before")
        await all_arrive(opened, monitor)
        async with expecting_a_break(opened):
            line.cut()
            await opened.page.locator("#lost").wait_for()
            lost = await opened.page.locator("#lost").inner_text()
            assert lost.startswith("Connection lost, retrying")
            for number in range(MORE_THAN_THE_PAST):
                state = AlertState.UPDATED if number else AlertState.OPENED
                await monitor.alert("lobby", "freeze", state)
            await monitor.alert("lobby", "freeze", AlertState.CLOSED)
            await monitor.alert("gate", "freeze", AlertState.CLOSED, incident="before")
            line.mend()
            await all_arrive(opened, monitor)
        await opened.wait_for("() => read.some((text) => text.includes('freeze on lobby'))")
        assert await opened.page.locator("#lost").is_hidden()
        assert await opened.page.locator("#gap").is_hidden()
        assert await opened.page.locator("#alarm").is_hidden(), "all closed while we were away"
        await monitor.alert("gate", "freeze", incident="after")
        await all_arrive(opened, monitor)
        await opened.moves("gate")


async def test_a_line_that_is_cut_again_and_again_loses_and_doubles_nothing() -> None:
    monitor = a_monitor()
    async with played(monitor) as server, Line(server) as line, wall(line.url) as opened:
        await opened.live()
        async with expecting_a_break(opened):
            for number in range(3):
                await monitor.alert("gate", "freeze", incident=f"a-{number}")
                line.cut()
                await monitor.alert("gate", "freeze", incident=f"b-{number}")
                await opened.page.locator("#lost").wait_for()
                line.mend()
                await opened.live()
            await all_arrive(opened, monitor)


@pytest.mark.parametrize("hurried", [True, False])
async def test_a_connection_that_is_never_answered_is_given_up(*, hurried: bool) -> None:
    """A browser by itself waits for minutes; whoever presses the button does not wait at all."""
    monitor = a_monitor()
    async with played(monitor) as server, Line(server) as line, wall(line.url) as opened:
        await opened.page.clock.install()
        await opened.page.reload()
        await opened.live()
        async with expecting_a_break(opened):
            line.hang()
            await opened.page.get_by_text("Connection lost, retrying now").wait_for()
            await line.holds()
            line.mend()
            if not hurried:
                await opened.page.clock.fast_forward(PATIENCE_MS)
            else:  # on a clock that stands still the page's own patience has no end
                now_s = await opened.page.evaluate("Date.now() / 1000")
                await opened.page.clock.pause_at(now_s + 1.0)
                await opened.page.dispatch_event("#retry", "click")
                await opened.live()
                await opened.page.clock.resume()
            await opened.live()


async def test_a_server_that_starts_again_on_its_port_is_found_again(tmp_path: Path) -> None:
    outbox = str(tmp_path / "alerts.db")
    first, second = a_monitor(outbox_path=outbox), a_monitor(outbox_path=outbox)
    async with AsyncExitStack() as second_run, AsyncExitStack() as first_run:
        url = await first_run.enter_async_context(played(first))
        async with wall(url) as opened:
            await first.alert("gate", "freeze", incident="old")
            await first.alert("gate", "freeze", AlertState.CLOSED, incident="old")
            await all_arrive(opened, first)
            async with expecting_a_break(opened):
                await first_run.aclose()
                await opened.page.locator("#lost").wait_for()
                again = played(second, port=urlsplit(url).port or 0)
                assert await second_run.enter_async_context(again) == url
                await second.alert("lobby", "freeze", incident="new")
            await all_arrive(opened, first, second)
            assert await opened.page.locator("#gap").is_hidden()


async def test_what_is_no_longer_kept_is_told_and_not_shown_as_open() -> None:
    first, second = a_monitor(), a_monitor()  # each forgets with its process
    async with AsyncExitStack() as second_run, AsyncExitStack() as first_run:
        url = await first_run.enter_async_context(played(first))
        async with wall(url) as opened:
            await first.followed()  # else the page might know it from what it asks for alone
            await first.alert("gate", "freeze", incident="forgotten")
            await all_arrive(opened, first)
            async with expecting_a_break(opened):
                await first_run.aclose()
                await opened.page.locator("#lost").wait_for()
                again = played(second, port=urlsplit(url).port or 0)
                await second_run.enter_async_context(again)
            gap = opened.page.locator("#gap")
            await gap.wait_for()
            assert "no longer kept" in await gap.inner_text()
            assert await opened.page.locator("#alarm").is_hidden()
            row = opened.page.locator("#incident-list .incident")
            assert "no longer followed" in await row.inner_text()
            await opened.page.click("#gap-close")
            assert await gap.is_hidden()
