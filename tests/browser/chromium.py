"""Debian's Chromium without a screen, and pages that remember everything that went wrong."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Locator, Page, async_playwright, expect

PROGRAM = shutil.which("chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SOON_MS = 40_000
"""For one wait: beside another browser and on two cores a page may take long to come."""
expect.set_options(timeout=SOON_MS)  # its own five seconds are no promise of ours
BROKEN = ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "ERR_SOCKET", "WebSocket connection to")

needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="needs Debian's browser: apt-get install chromium"
)


@dataclass
class Opened:
    """A page, and what its console and its network complained of."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def tile(self, stream: str) -> Locator:
        return self.page.locator(f'.tile[data-stream="{stream}"]')

    def forgive_breaks(self) -> None:
        """Forget that the browser complained of a server that was away; of nothing else."""
        self.problems[:] = [
            problem for problem in self.problems if not any(sign in problem for sign in BROKEN)
        ]

    async def wait_for(self, expression: str, argument: object = None) -> Any:
        """The first true value of a JavaScript expression (a function of `argument`)."""
        handle = await self.page.wait_for_function(expression, arg=argument, timeout=SOON_MS)
        return await handle.json_value()

    async def live(self) -> None:
        """Returns once the page is connected."""
        await self.wait_for("() => document.documentElement.dataset.link === 'live'")

    async def pixels(self, stream: str) -> str:
        """What the picture of a stream looks like now, as a data URL."""
        text: str = (
            await self.tile(stream)
            .locator("canvas.picture")
            .evaluate("canvas => canvas.toDataURL()")
        )
        return text

    async def moves(self, stream: str) -> None:
        """Returns once the picture of a stream looks other than it does now."""
        before = await self.pixels(stream)
        async with asyncio.timeout(SOON_MS / 1000):
            while await self.pixels(stream) == before:
                await self.page.wait_for_timeout(50)

    async def alerts(self, wanted: Iterable[str]) -> None:
        """Returns once the list of incidents has these alerts; each is there once then."""
        await self.wait_for(
            """(wanted) => {
              const rows = [...document.querySelectorAll('#incident-list .incident')];
              const shown = new Set(rows.flatMap((row) => row.dataset.alerts.split(' ')));
              return wanted.every((id) => shown.has(id));
            }""",
            list(wanted),
        )
        shown = await self.alert_ids()
        assert sorted(shown) == sorted(set(shown))

    async def alert_ids(self) -> list[str]:
        """Ids of all alerts that the list of incidents is made of."""
        ids: list[str] = await self.page.locator("#incident-list .incident").evaluate_all(
            "rows => rows.flatMap((row) => row.dataset.alerts.split(' '))"
        )
        return ids


@asynccontextmanager
async def wall(
    url: str, *, width: int = 1280, height: int = 800, **context: Any
) -> AsyncGenerator[Opened]:
    """Opens the page; fails at the end if its console told of an error."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        try:
            size = {"width": width, "height": height}
            page = await (await browser.new_context(viewport=size, **context)).new_page()  # type: ignore[arg-type]
            page.set_default_timeout(SOON_MS)
            opened = Opened(page)
            listen(page, opened.problems)
            await page.goto(url)
            yield opened
            assert opened.problems == []
        finally:
            await browser.close()


def listen(page: Page, problems: list[str]) -> None:
    """Note what the console complains of, and every request to elsewhere."""
    page.on(
        "console",
        lambda message: (
            problems.append(f"{message.type}: {message.text} {message.location['url']}".strip())
            if message.type in {"error", "warning"}
            else None
        ),
    )
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on(
        "request",
        lambda request: (
            problems.append(f"went out: {request.url}")
            if "//127.0.0.1" not in request.url and not request.url.startswith("blob:")
            else None
        ),
    )
