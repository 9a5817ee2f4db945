"""A monitor that takes calls by WHIP and says of them what a test wants said, and its page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

from playwright.async_api import Browser, Page, async_playwright
from pydantic import SecretStr

from streammon.config import ServerConfig, parse_config
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Source, SourceContext
from streammon.ingest.webrtc.config import WebRtcConfig
from streammon.ingest.webrtc.entrance import Entrance
from streammon.pipelines.view import StreamView
from streammon.server.app import build_app
from streammon.server.call_guard import CallGuard
from streammon.server.serve import serving
from streammon.server.whip import Whip
from streammon.telemetry.metrics import Metrics
from tests.browser.chromium import FLAGS, PROGRAM, SOON_MS, Opened, listen
from tests.browser.scripted_monitor import AUDIO, VIDEO, ScriptedMonitor, stream_view
from tests.fakes import Reports, WantAll

CONFIG = {
    "name": "call_guard",
    "detectors": {"voice_spoof": {"type": "voice_spoof"}},
    "rules": {"default": {"type": "cusum"}},
    "outbox": {"path": ":memory:"},
}
FAKE_DEVICES = "--use-fake-device-for-media-stream"
SAY_YES = "--use-fake-ui-for-media-stream"


class Calls(ScriptedMonitor):
    """Its streams are those that are published now."""

    def __init__(self, entrance: Entrance | None) -> None:
        super().__init__([])
        self._entrance = entrance

    @property
    def calls(self) -> list[str]:
        """Names of the calls whose media come in."""
        return [view.stream for view in self.streams() if view.link is not None]

    def streams(self) -> tuple[StreamView, ...]:
        sources = {} if self._entrance is None else self._entrance.sources
        return tuple(
            replace(stream_view(name, VIDEO, AUDIO), link=source.link())
            for name, source in sources.items()
        )

    async def call(self, count: int = 1) -> str:
        """The name of the newest call, once there are so many."""
        async with asyncio.timeout(SOON_MS / 1000):
            while len(self.calls) < count:  # noqa: ASYNC110 - a source has no event for it
                await asyncio.sleep(0.05)
        return self.calls[-1]


@asynccontextmanager
async def guarded(
    *, port: int = 0, token: str | None = None, admits: int = 4
) -> AsyncGenerator[tuple[str, Calls]]:
    """The URL of the page and the monitor behind it. `admits` 0: it takes nobody."""
    entrance = None
    if admits:
        built = WebRtcConfig(admits=admits, linger_s=0.5).build("guard")  # type: ignore[arg-type]
        assert isinstance(built, Entrance)
        entrance = built
    entrances = [] if entrance is None else [entrance]
    secret = None if token is None else SecretStr(token)
    settings = ServerConfig(port=port, token=secret)
    async with AsyncExitStack() as stack:
        monitor = await stack.enter_async_context(Calls(entrance))
        app = build_app(
            monitor,
            monitor.hub,
            Metrics(),
            settings,
            publishing=Whip([], entrances, token=secret),
            calls=CallGuard(parse_config(CONFIG), entrances),
        )
        url = await stack.enter_async_context(serving(app, settings))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        watching = [group.create_task(_watch_all(each)) for each in entrances]
        yield url, monitor
        for task in watching:
            task.cancel()


async def _watch_all(entrance: Entrance) -> None:
    """Read whatever is published, as a monitor does, and look at none of it."""

    async def watch(source: Source) -> None:
        context = SourceContext(WantAll(0.2), MonotonicClock(), Reports())
        async with source.open(context) as items:
            async for _ in items:
                pass
        entrance.left(source.stream)

    async with entrance.arrivals() as arrivals, asyncio.TaskGroup() as group:
        async for source in arrivals:
            group.create_task(watch(source))


@asynccontextmanager
async def chromium(*flags: str) -> AsyncGenerator[Browser]:
    """A browser that may reach a WebRTC peer on 127.0.0.1."""
    async with async_playwright() as playwright:
        every = [*FLAGS, "--allow-loopback-in-peer-connection", *flags]
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=every)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def guard(browser: Browser, url: str, **context: Any) -> AsyncGenerator[Opened]:
    """Opens `/guard`; fails at the end if its console told of an error."""
    room = await browser.new_context(**context)
    page = await room.new_page()
    page.set_default_timeout(SOON_MS)
    opened = Opened(page)
    listen(page, opened.problems)
    await page.goto(f"{url}guard")
    yield opened
    assert opened.problems == [], opened.problems
    await room.close()


async def becomes(page: Page, name: str, value: str, *, within_s: float = SOON_MS / 1000) -> None:
    """Returns once `data-name` of the body is `value`."""
    await page.wait_for_function(
        "([name, value]) => document.body.dataset[name] === value",
        arg=[name, value],
        timeout=1000 * within_s,
    )
