"""The wall for everyone: by keyboard, on a phone, read aloud, light and dark, with a token."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from streammon.core.types import Health, HealthState
from tests.browser.chromium import Opened, needs_chromium, wall
from tests.browser.scripted_monitor import (
    AUDIO,
    TEXT,
    VIDEO,
    ScriptedMonitor,
    played,
    stream_view,
)

pytestmark = [pytest.mark.browser, needs_chromium]

TOKEN = "long/secret=with signs"
TEXTS = ["ink", "muted", "accent", "critical", "warning", "info", "calm"]
PAIRS = [
    *((name, ground) for name in TEXTS for ground in ("bg", "surface", "raised")),
    ("on-critical", "critical-ground"),
    ("on-warning", "warning-ground"),
    ("on-info", "info-ground"),
    ("on-stage", "stage"),
]


def a_monitor() -> ScriptedMonitor:
    views = [stream_view(f"cam-{number}", VIDEO, detectors=["freeze"]) for number in range(1, 7)]
    return ScriptedMonitor(
        [
            *views,
            stream_view("a-line-with-quite-a-long-name.of-the-third-floor.west", AUDIO),
            stream_view("chat", TEXT, detectors=["chat_flood"]),
        ]
    )


async def focused(opened: Opened) -> str:
    """The stream whose tile has the keyboard; else the id of what has it."""
    name: str = await opened.page.evaluate(
        "document.activeElement.closest('.tile')?.dataset.stream ?? document.activeElement.id"
    )
    return name


async def test_everything_is_reached_by_keyboard() -> None:
    async with played(a_monitor()) as url, wall(url, width=1500) as opened:
        await opened.live()
        press = opened.page.keyboard.press
        await press("ArrowRight")
        assert await focused(opened) == "cam-2"
        await press("ArrowDown")
        below = await focused(opened)
        assert below not in {"cam-1", "cam-2"}
        await press("ArrowUp")
        assert await focused(opened) == "cam-2"
        await press("End")
        assert await focused(opened) == "chat"
        await press("ArrowRight")
        assert await focused(opened) == "chat", "it stops at the end"
        await press("Home")
        await press("Enter")
        view = opened.page.locator(".focus-view")
        assert await view.get_attribute("data-stream") == "cam-1"
        await press("ArrowRight")
        assert await view.get_attribute("data-stream") == "cam-2"
        await press("Escape")
        assert await view.count() == 0
        assert await focused(opened) == "cam-2", "where one was, not at the top of the page"
        await press("/")
        assert await focused(opened) == "filter-name"
        await opened.page.keyboard.type("cam-5")
        await press("Enter")
        assert await focused(opened) == "cam-5"
        await press("Escape")
        assert await opened.page.locator(".tile").count() == 8
        await press("?")
        assert await opened.page.locator("#help").is_visible()
        await press("Escape")
        await expect(opened.page.locator("#help")).to_be_hidden()
        await press("i")
        assert await opened.page.locator("#incidents").is_hidden()


async def test_the_tile_with_the_keyboard_is_seen_to_have_it() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        await opened.live()
        await opened.page.keyboard.press("ArrowRight")
        outline = await opened.tile("cam-2").evaluate("e => getComputedStyle(e).outlineStyle")
        assert outline == "solid"
        stops = "() => [...document.querySelectorAll('.tile-open')].map((e) => e.tabIndex)"
        assert sorted(await opened.page.evaluate(stops)) == [*[-1] * 7, 0]


async def test_the_keyboard_stays_on_a_tile_when_another_goes() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await opened.page.select_option("#filter-state", "up")
        await opened.tile("cam-3").locator(".tile-open").focus()
        monitor.change_health("cam-1", HealthState.FAILED, "unplugged")
        await opened.tile("cam-1").wait_for(state="detached")
        assert await focused(opened) == "cam-3"


async def test_the_button_for_the_next_stream_can_be_pressed_again_and_again() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        await opened.live()
        await opened.tile("cam-1").locator(".tile-open").click()
        await opened.page.get_by_role("button", name="Next stream").focus()
        for _ in range(2):
            await opened.page.keyboard.press("Enter")
        view = opened.page.locator(".focus-view")
        assert await view.get_attribute("data-stream") == "cam-3"
        await opened.page.get_by_role("button", name="All streams").focus()
        await opened.page.keyboard.press("Enter")
        assert await view.count() == 0


async def test_full_screen_stays_from_one_stream_to_the_next() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        await opened.live()
        await opened.tile("cam-1").locator(".tile-open").click()
        await opened.page.keyboard.press("f")
        await opened.wait_for("() => document.fullscreenElement !== null")
        await opened.page.keyboard.press("ArrowRight")
        await opened.page.locator('.focus-view[data-stream="cam-2"]').wait_for()
        assert await opened.page.evaluate("document.fullscreenElement !== null")
        assert await opened.page.evaluate(
            "document.fullscreenElement.contains(document.querySelector('.focus-view'))"
        )


async def test_the_first_link_skips_to_what_is_there_grid_or_stream() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        await opened.live()
        for view in ("grid", "one stream"):
            await opened.page.locator(".skip").focus()
            await opened.page.keyboard.press("Enter")
            await expect(opened.page.locator("#main"), view).to_be_focused()
            await opened.page.keyboard.press("ArrowRight")
            await opened.page.keyboard.press("Enter")


async def test_an_address_that_names_a_stream_opens_it_in_a_page_that_is_open() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        await opened.live()
        for name in ("cam-4", "cam-2"):
            await opened.page.evaluate("(name) => { location.hash = `stream=${name}`; }", name)
            await opened.page.locator(f'.focus-view[data-stream="{name}"]').wait_for()


async def test_letters_typed_into_the_filter_are_no_commands() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        await opened.live()
        await opened.page.click("#filter-name")
        await opened.page.keyboard.type("iot?d")
        assert await opened.page.input_value("#filter-name") == "iot?d"
        assert await opened.page.locator("#incidents").is_visible()
        assert await opened.page.locator("html").get_attribute("data-theme") == "system"


@pytest.mark.parametrize("width", [360, 768])
async def test_nothing_is_wider_than_the_screen(width: int) -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url, width=width, height=740) as opened:
        await opened.live()
        await monitor.alert("cam-2", "freeze", why="a sentence that goes on and on " * 6)
        cause = f"/a/path/{'without-any-space-' * 8}: cannot be read"
        monitor.change_health("cam-3", HealthState.FAILED, cause)
        part = Health("detector:freeze", HealthState.FAILED, cause, monitor.clock.now_ns())
        monitor.tell(part)
        await opened.page.locator("#parts").wait_for()
        await opened.page.locator("#alarm").wait_for()

        async def fits() -> bool:
            sizes = await opened.page.evaluate(
                "[document.documentElement.scrollWidth, document.body.scrollWidth, innerWidth]"
            )
            return bool(max(sizes[:2]) <= sizes[2])

        assert await fits()
        await opened.page.click("#incidents-toggle")
        await opened.page.locator("#incidents .incident").wait_for()
        assert await fits()
        await opened.page.keyboard.press("Escape")
        assert await opened.page.locator("#incidents").is_hidden()
        await opened.tile("cam-2").locator(".tile-open").click()
        await opened.page.locator(".focus-view .card").first.wait_for()
        assert await fits()


async def test_every_control_has_a_name_and_every_picture_a_text() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.alert("cam-2", "freeze", with_picture=True)
        await opened.page.locator(".snapshot").first.wait_for()
        nameless = """() => [...document.querySelectorAll('button, input, select, a[href]')]
          .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim()
            || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML)"""
        for view in ("grid", "one stream"):
            assert await opened.page.evaluate(nameless) == [], view
            images = "() => [...document.images].filter((e) => !e.hasAttribute('alt')).length"
            assert await opened.page.evaluate(images) == 0
            doubled = """() => {
              const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
              return ids.filter((id, at) => ids.indexOf(id) !== at); }"""
            assert await opened.page.evaluate(doubled) == []
            if view == "grid":
                await opened.tile("cam-2").locator(".tile-open").click()
        assert await opened.page.locator("main").count() == 1
        assert await opened.page.locator("html").get_attribute("lang") == "en"
        assert await opened.page.locator("#announcer").get_attribute("role") == "alert"


async def test_a_tile_tells_a_screen_reader_its_state_and_incidents() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.alert("cam-2", "freeze")
        await opened.page.locator("#alarm").wait_for()
        name = "cam-2, up, open incident: freeze, critical"
        await opened.page.get_by_role("button", name=name).wait_for()


async def test_light_and_dark_follow_the_system_until_one_chooses() -> None:
    async with played(a_monitor()) as url, wall(url, color_scheme="dark") as opened:
        ground = "getComputedStyle(document.body).backgroundColor"
        dark = await opened.page.evaluate(ground)
        await opened.page.emulate_media(color_scheme="light")
        light = await opened.page.evaluate(ground)
        assert dark != light
        await opened.page.keyboard.press("t")
        await opened.page.keyboard.press("t")
        assert await opened.page.locator("html").get_attribute("data-theme") == "dark"
        assert await opened.page.evaluate(ground) == dark
        await opened.page.reload()
        assert await opened.page.evaluate(ground) == dark, "the choice is kept"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_stands_out_from_its_ground(scheme: str) -> None:
    async with played(a_monitor()) as url, wall(url, color_scheme=scheme) as opened:
        read = """(names) => { const probe = document.body.appendChild(document.createElement('i'));
          const colour = (name) => { probe.style.color = `var(--${name})`;
            return getComputedStyle(probe).color; };
          const found = Object.fromEntries(names.map((name) => [name, colour(name)]));
          probe.remove(); return found; }"""
        names = sorted({name for pair in PAIRS for name in pair})
        found = await opened.page.evaluate(read, names)
    weak = {
        pair: round(ratio, 2)
        for pair in PAIRS
        if (ratio := contrast(found[pair[0]], found[pair[1]])) < 4.5
    }
    assert weak == {}


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two `rgb(...)` colours."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_the_size_of_the_tiles_is_chosen_and_kept() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        width = "document.querySelector('.tile').getBoundingClientRect().width"
        await opened.live()
        medium = await opened.page.evaluate(width)
        await opened.page.click('#density [data-density="small"]')
        small = await opened.page.evaluate(width)
        assert small < medium
        await opened.page.reload()
        await opened.live()
        assert await opened.page.evaluate(width) == small


async def test_the_page_asks_for_the_token_until_it_is_right() -> None:
    async with played(a_monitor(), token=TOKEN) as url, wall(url) as opened:
        dialog = opened.page.locator("#token")
        await dialog.wait_for()
        await opened.page.fill("#token-input", "a guess")
        await opened.page.keyboard.press("Enter")
        await opened.page.get_by_text("The monitor refused this token.").wait_for()
        await opened.page.fill("#token-input", TOKEN)
        await opened.page.keyboard.press("Enter")
        await opened.live()
        assert not await dialog.is_visible()
        await opened.wait_for("() => document.querySelector('canvas.picture')?.width > 16")
        await opened.page.reload()
        await opened.live()
        assert TOKEN not in await opened.page.content()


async def test_a_token_in_the_address_is_taken_and_removed_from_there() -> None:
    async with (
        played(a_monitor(), token="abc-123") as url,
        wall(f"{url}#token=abc-123&stream=cam-3") as opened,
    ):
        await opened.live()
        assert "abc-123" not in opened.page.url
        assert await opened.page.locator(".focus-view").get_attribute("data-stream") == "cam-3"


async def test_the_page_of_the_interface_lists_every_path_without_a_cdn() -> None:
    async with played(a_monitor()) as url, wall(f"{url}docs") as opened:
        await opened.page.get_by_role(
            "heading", name="/api/incidents/{incident_id}/snapshot.jpg"
        ).wait_for()
        told = await opened.page.locator("main").inner_text()
        for part in ("/metrics", "/api/streams/{stream}/clip", "start_s", "HealthOut", "/ws"):
            assert part in told
        assert "can_clip" in told  # a field of what is listed in an answer
        assert "`" not in told
        assert await opened.page.locator("p code", has_text="Accept").count() > 0


async def test_the_page_of_the_interface_is_read_on_a_phone() -> None:
    async with played(a_monitor()) as url, wall(f"{url}docs", width=360, height=740) as opened:
        await opened.page.get_by_role(
            "heading", name="/api/incidents/{incident_id}/snapshot.jpg"
        ).wait_for()
        widths: list[float] = await opened.page.locator("td:not(:empty)").evaluate_all(
            "cells => cells.map((cell) => cell.getBoundingClientRect().width)"
        )
        assert widths
        assert min(widths) > 200
