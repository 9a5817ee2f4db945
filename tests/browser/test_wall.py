"""The wall in a real browser: what it shows, and that it shows it live."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from streammon.core.types import AlertState, Health, HealthState, Json, Severity, StreamId
from tests.browser.chromium import SOON_MS, Opened, needs_chromium, wall
from tests.browser.scripted_monitor import (
    AUDIO,
    TEXT,
    VIDEO,
    ScriptedMonitor,
    played,
    stream_view,
)

pytestmark = [pytest.mark.browser, needs_chromium]

DATA = """(selector) => {
  const drawn = document.querySelector(selector);
  if (!drawn?.width || !drawn.height) return [];
  const copy = new OffscreenCanvas(drawn.width, drawn.height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(drawn, 0, 0);
  return [...context.getImageData(0, 0, copy.width, copy.height).data];
}"""
"""What is drawn on a canvas of the page, as often as one likes."""


def a_monitor() -> ScriptedMonitor:
    return ScriptedMonitor(
        [
            stream_view("lobby", VIDEO, AUDIO, detectors=["freeze", "voice_spoof"]),
            stream_view("gate", VIDEO, detectors=["freeze"]),
            stream_view("hotline", AUDIO, detectors=["voice_spoof"]),
            stream_view("chat", TEXT, detectors=["chat_flood"]),
            stream_view("yard", VIDEO, state=HealthState.RETRYING, cause="login refused"),
        ]
    )


async def text(opened: Opened, selector: str) -> str:
    return await opened.page.locator(selector).inner_text()


async def test_the_pictures_move() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        for stream in ("lobby", "gate"):
            await opened.wait_for(
                "s => document.querySelector(`[data-stream=${s}] canvas.picture`)?.width > 16",
                stream,
            )
            await opened.moves(stream)
        await opened.tile("lobby").locator(".age").get_by_text("now", exact=True).wait_for()


async def test_an_alert_appears_without_reload_with_its_reason_and_picture() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await opened.page.evaluate("window.sameDocument = true")
        assert await opened.page.locator("#alarm").is_hidden()
        why = "5 of 6 windows sound synthesised <img src=x onerror=alert(1)>"
        await monitor.alert("lobby", "voice_spoof", why=why, with_picture=True)
        await opened.page.locator("#alarm").wait_for()
        assert await text(opened, "#alarm-title") == "Voice spoof on lobby"
        assert await text(opened, "#alarm-why") == why, "it is text, not markup"
        await opened.page.locator('[data-stream="lobby"][data-alarm="critical"]').wait_for()
        assert "voice spoof" in await text(opened, '[data-stream="lobby"] .tile-alarm')
        row = opened.page.locator("#incident-list .incident")
        assert "critical" in await row.inner_text()
        assert why in await row.inner_text()
        await opened.wait_for(
            "() => document.querySelector('#incident-list .snapshot')?.naturalWidth > 0"
        )
        await opened.wait_for(
            "() => document.querySelector('#announcer').textContent.startsWith('Alert, critical')"
        )
        await opened.wait_for("() => document.title === '(1) night-desk · streammon'")
        assert await opened.page.evaluate("window.sameDocument")


async def test_an_incident_that_closes_lets_go_of_the_banner_and_stays_in_the_list() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.alert("gate", "freeze", severity=Severity.WARNING)
        await opened.page.locator("#alarm").wait_for()
        await monitor.alert("gate", "freeze", AlertState.CLOSED, severity=Severity.WARNING)
        await opened.page.locator("#alarm").wait_for(state="hidden")
        await opened.wait_for(  # the parts of the page are drawn one after the other
            "() => document.querySelector('#incidents-count').textContent === '0 open, 1 incident'"
        )
        await opened.wait_for(
            "() => document.querySelector('#incident-list .incident').textContent"
            ".includes('closed')"
        )
        await opened.page.locator('[data-stream="gate"][data-alarm="none"]').wait_for()
        assert await opened.page.locator("[data-alarm]:not([data-alarm='none'])").count() == 0


async def test_the_most_severe_open_incident_is_the_one_in_the_banner() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await monitor.alert("gate", "freeze", severity=Severity.CRITICAL)
        await monitor.alert("chat", "chat_flood", severity=Severity.WARNING)
        await opened.wait_for(
            "() => document.querySelector('#alarm-more').textContent === '+1 more'"
        )
        assert await text(opened, "#alarm-title") == "Freeze on gate"
        await opened.page.locator("#alarm").click()
        assert await text(opened, "#focus h2") == "gate"


async def test_what_happened_before_the_page_was_opened_is_there_too() -> None:
    monitor = a_monitor()
    async with played(monitor) as url:
        await monitor.alert("gate", "freeze")
        await monitor.alert("gate", "freeze", AlertState.CLOSED)
        await monitor.alert("lobby", "voice_spoof")
        async with wall(url) as opened:
            await opened.page.locator("#alarm").wait_for()
            await opened.alerts(alert.alert_id for alert in monitor.sent)
            assert len(await opened.alert_ids()) == len(monitor.sent)
            assert await text(opened, "#incidents-count") == "1 open, 2 incidents"


async def test_health_is_told_with_its_cause_and_follows() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        assert await text(opened, '[data-stream="yard"] .state') == "retrying"
        assert await text(opened, '[data-stream="yard"] .cause') == "login refused"
        monitor.change_health("yard", HealthState.UP)
        await opened.wait_for("() => document.querySelector('[data-stream=yard][data-state=up]')")
        path = opened.tile("gate").locator(".path")
        await path.wait_for()
        monitor.change_health("gate", HealthState.FAILED, "no such file")
        await path.wait_for(state="hidden")  # how pictures come, of which none come
        assert await opened.tile("yard").locator(".cause").is_hidden()
        monitor.tell(
            Health("scheduler", HealthState.DEGRADED, "the CPU is full", monitor.clock.now_ns())
        )
        await opened.page.locator("#parts").wait_for()
        assert await text(opened, "#parts") == "scheduler degraded: the CPU is full"


async def test_a_tile_whose_picture_stops_says_so() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.wait_for(
            "() => document.querySelector('[data-stream=gate] canvas.picture')?.width > 16"
        )
        monitor.mute("gate")
        note = opened.tile("gate").locator(".face-note")
        await note.wait_for()
        assert (await note.inner_text()).startswith("no new picture for ")


async def test_sound_has_a_level_and_a_moving_spectrogram() -> None:
    async with played(a_monitor()) as url, wall(url) as opened:
        await opened.wait_for(
            "() => document.querySelector('[data-stream=hotline] .level-text')?.textContent"
            "?.endsWith('dB')"
        )
        colours = f"() => new Set(({DATA})('[data-stream=hotline] canvas.spectrogram')).size"
        await opened.wait_for(f"{colours} > 30")  # more than an empty strip has
        await expect(opened.tile("lobby").locator(".sound canvas.spectrogram")).to_have_count(1)


async def test_chat_has_its_rate_and_the_groups_that_were_flagged() -> None:
    monitor = a_monitor()
    groups: list[Json] = [{"size": 14, "accounts": 11, "tricks": {"homoglyph": 9, "zero_width": 3}}]
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await opened.tile("chat").locator(".calm, .muted", has_text="no flagged").wait_for()
        await monitor.followed()
        monitor.score("chat", "chat_flood", 0.9, modality=TEXT, details={"groups": groups})
        await opened.tile("chat").locator(".groups li").wait_for()
        told = await text(opened, '[data-stream="chat"] .groups')
        for part in ("14 messages alike", "11 accounts", "homoglyph 9, zero width 3"):
            assert part in told
        await opened.wait_for(
            "() => Number(document.querySelector('[data-stream=chat] .chat-rate strong')"
            ".textContent) > 0"
        )


async def test_a_detector_that_abstains_says_why_and_looks_unlike_a_good_score() -> None:
    monitor = ScriptedMonitor([stream_view("hall", VIDEO, AUDIO)])
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.followed()
        monitor.score("hall", "voice_spoof", None, abstained="no speech", modality=AUDIO)
        monitor.score("hall", "freeze", 0.03)
        monitor.score("hall", "freeze", 0.97, modality=AUDIO)
        rows = opened.tile("hall").locator(".score")
        await opened.wait_for("() => document.querySelectorAll('.tile .score').length === 3")
        shown = dict(
            zip(
                [await row.locator(".score-name").inner_text() for row in await rows.all()],
                [await row.locator(".score-value").inner_text() for row in await rows.all()],
                strict=True,
            )
        )
        assert shown == {
            "voice spoof": "abstains: no speech",
            "freeze, video": "0.03",
            "freeze, audio": "0.97",
        }
        verdicts = await rows.evaluate_all("rows => rows.map((row) => row.dataset.verdict)")
        assert sorted(verdicts) == ["abstains", "flagged", "plain"]


async def test_an_experimental_detector_is_named_so_on_the_tile_and_in_its_card() -> None:
    monitor = ScriptedMonitor([stream_view("hall", VIDEO, AUDIO)])
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.followed()
        monitor.score("hall", "face_forgery", 0.97, details={"experimental": True})
        row = opened.tile("hall").locator(".score")
        await row.wait_for()
        assert await row.locator(".score-name").inner_text() == "face forgery (experimental)"
        await opened.tile("hall").locator(".tile-open").click()
        word = opened.page.locator(".focus-view .card-word")
        await word.wait_for()
        assert await word.inner_text() == "suspect; experimental: opens no incident"


async def test_one_stream_large_shows_scores_history_incidents_and_facts() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.alert("lobby", "voice_spoof", why="it sounds synthesised", with_picture=True)
        await opened.tile("lobby").locator(".tile-open").click()
        view = opened.page.locator(".focus-view")
        await view.locator(".card").nth(1).wait_for()
        await view.get_by_text("it sounds synthesised").wait_for()
        told = await view.inner_text()
        for part in ("freeze-1", "voice_spoof-1", "it sounds synthesised", "media time", "12 ms"):
            assert part in told
        await opened.wait_for("() => document.querySelector('.focus-view .snapshot')?.naturalWidth")
        await opened.wait_for(f"() => ({DATA})('canvas.timeline.large').some((value) => value > 0)")
        await expect(opened.page).to_have_url(re.compile("#stream=lobby$"))
        await opened.page.reload()
        assert await text(opened, ".focus-view h2") == "lobby"


async def test_streams_are_filtered_by_name_kind_state_and_open_incidents() -> None:
    monitor = a_monitor()
    async with played(monitor) as url, wall(url) as opened:
        await opened.live()
        await monitor.alert("gate", "freeze")
        await opened.page.locator("#alarm").wait_for()

        async def shown() -> list[str]:
            names: list[str] = await opened.page.locator(".tile").evaluate_all(
                "tiles => tiles.map((tile) => tile.dataset.stream)"
            )
            return names

        await opened.page.fill("#filter-name", "o")
        assert await shown() == ["lobby", "hotline"]
        await opened.page.fill("#filter-name", "")
        await opened.page.select_option("#filter-kind", "chat_flood")
        assert await shown() == ["chat"]
        await opened.page.select_option("#filter-kind", "")
        await opened.page.select_option("#filter-state", "trouble")
        assert await shown() == ["yard"]
        await opened.page.select_option("#filter-state", "")
        await opened.page.check("#filter-open")
        assert await shown() == ["gate"]
        assert await text(opened, "#shown") == "1 of 5 streams"
        await opened.page.fill("#filter-name", "nothing like it")
        assert await opened.page.locator("#empty").is_visible()
        await opened.page.keyboard.press("Escape")
        assert len(await shown()) == 5


async def test_only_what_is_looked_at_is_sent() -> None:
    names = [f"cam-{number:02}" for number in range(30)]
    monitor = ScriptedMonitor([stream_view(name, VIDEO) for name in names])
    async with played(monitor) as url, wall(url, width=800, height=500) as opened:
        await opened.live()
        hub = monitor.hub

        async def settled(stream: str, *, watched: bool) -> None:
            async with asyncio.timeout(SOON_MS / 1000):
                while hub.viewers(StreamId(stream)) != watched:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

        await settled("cam-00", watched=True)
        await settled("cam-29", watched=False)
        await opened.tile("cam-29").scroll_into_view_if_needed()
        await settled("cam-29", watched=True)
        await settled("cam-00", watched=False)
        await opened.tile("cam-29").locator(".tile-open").click()
        await settled("cam-28", watched=False)
        await settled("cam-29", watched=True)
        await opened.page.evaluate(
            "() => { Object.defineProperty(document, 'hidden', { get: () => true });"
            "document.dispatchEvent(new Event('visibilitychange')); }"
        )
        await settled("cam-29", watched=False)
