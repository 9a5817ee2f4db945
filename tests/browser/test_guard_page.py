"""`/guard` in a real browser: what it shows of a call, and what it makes of every failure."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Download

from streammon.core.types import AlertState, Region
from tests.browser.chromium import needs_chromium
from tests.browser.guarded import FAKE_DEVICES, SAY_YES, becomes, chromium, guard, guarded
from tests.browser.media_line import MediaLine
from tests.browser.proxy import Line
from tests.browser.scripted_monitor import AUDIO

pytestmark = [pytest.mark.browser, needs_chromium, pytest.mark.timeout(120)]

REASON = "Speech carries vocoder artefacts: 3 of 3 windows over 5 s."
OTHER_TAB = "the call in another tab"
BACK_WITHIN_S = 10.0
"""docs/webrtc.md: how soon a call goes on once the network is back."""
TALKING = f"""<!doctype html><title>{OTHER_TAB}</title><canvas></canvas><script>
const pen = document.querySelector("canvas").getContext("2d");
setInterval(() => {{ pen.fillStyle = `hsl(${{performance.now() / 9}} 90% 50%)`;
  pen.fillRect(0, 0, 300, 150); }}, 40);
</script>"""


async def read(download: Download) -> Any:
    """The JSON that the page saved."""
    return json.loads(await asyncio.to_thread(Path(await download.path()).read_text))


async def test_a_call_is_shown_as_calm_then_rising_then_alert_with_words_for_each() -> None:
    async with (
        guarded() as (url, monitor),
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, url) as opened,
    ):
        page = opened.page
        await page.get_by_text("and to nobody else").wait_for()
        assert await page.locator("#on-air").is_hidden()
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        await page.get_by_text("Watching 0:").wait_for()
        call = await monitor.call()
        await monitor.followed(call)
        monitor.score(call, "voice_spoof", 0.1, modality=AUDIO)
        monitor.score(call, "lip_sync", None, abstained="the face is too small")
        await becomes(page, "level", "calm")
        await page.get_by_text("Make the call's window larger").wait_for()
        waits = "waits for the picture of the same time"
        monitor.score(call, "lip_sync", None, modality=AUDIO, abstained=waits)
        for _ in range(2):
            monitor.score(call, "voice_spoof", 0.8, modality=AUDIO)
        await becomes(page, "level", "rising")
        await monitor.alert(call, "voice_spoof", why=REASON)
        await becomes(page, "level", "alert")
        assert await page.locator("#alarm-why").inner_text() == REASON
        title = await page.locator("#alarm-title").inner_text()
        assert title == "Alert: the voice sounds synthetic"
        lips = page.locator("#checks li[data-kind=lip_sync]")
        assert "too small" in await lips.inner_text()  # one row, of the picture: it says why
        assert "call back" in await page.locator("#alarm-do").inner_text()
        assert "ALERT" in await page.title()
        await page.wait_for_function(
            "why => document.querySelector('#announcer').textContent.includes(why)", arg=REASON
        )
        await page.click("#alarm-seen")
        async with page.expect_download() as saving:
            await page.click("#save")
        saved = await read(await saving.value)
        assert saved["incidents"][0]["why"] == REASON
        assert {check["kind"] for check in saved["checks"]} == {"voice_spoof", "lip_sync"}
        await monitor.alert(call, "voice_spoof", AlertState.CLOSED)
        await page.locator("#alarm").wait_for(state="hidden")
        await page.click("#stop")
        await becomes(page, "state", "over")
        voice = page.locator("#checks li[data-kind=voice_spoof]")
        assert await voice.get_attribute("data-level") == "alert"  # it was not calm, afterwards
        assert await voice.locator(".level").inner_text() == "alert raised"
        assert await page.locator("#checks .advice:visible").count() == 0
        assert await page.locator("#on-air").is_hidden()
        assert await page.evaluate("() => document.querySelector('video').srcObject") is None


def face(x1: float, score: float | None = None) -> Region:
    return Region(x1, 0.2, x1 + 0.2, 0.6, label="face", score=score)


async def test_several_faces_in_one_picture_are_followed_as_people() -> None:
    async with (
        guarded() as (url, monitor),
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, url) as opened,
    ):
        page = opened.page
        people = page.locator("#checks li[data-kind=face_forgery] .people li")
        boxes = page.locator("#faces b")
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        call = await monitor.call()
        await monitor.followed(call)
        monitor.score(call, "face_forgery", 0.1, regions=[face(0.1, 0.1)])
        await boxes.get_by_text("Face: calm").wait_for()
        assert await people.count() == 0
        for shift in (0.0, 0.03, 0.06):  # they move, and are told of in another order
            monitor.score(
                call, "face_forgery", 0.9, regions=[face(0.6 + shift, 0.9), face(0.1 + shift, 0.2)]
            )
        await people.get_by_text("Person 1: 4 stretches, none looks false").wait_for()
        await people.get_by_text("Person 2: 3 stretches, 3 of them look false").wait_for()
        assert await boxes.all_inner_texts() == ["Person 1: 0.20", "Person 2: 0.90"]
        marked = page.locator("#faces i:not([data-level=calm])")
        assert await marked.all_inner_texts() == ["Person 2: 0.90"]
        monitor.score(call, "face_forgery", None, abstained="no face in the picture")
        await boxes.first.wait_for(state="detached")
        monitor.score(call, "face_forgery", 0.9, regions=[face(0.64, 0.9), face(0.3, 0.1)])
        await people.get_by_text("Person 3: 1 stretch").wait_for()
        await page.click("#stop")
        await becomes(page, "state", "over")  # its session is ended by us, not cut off below


async def test_a_sound_and_a_notification_come_only_when_asked_for() -> None:
    async with (
        guarded() as (url, monitor),
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, url, permissions=["notifications"]) as opened,
    ):
        page = opened.page
        await page.evaluate(
            "() => { window.tones = 0; const start = OscillatorNode.prototype.start;"
            " OscillatorNode.prototype.start = function (at) { tones += 1;"
            " start.call(this, at); }; }"
        )
        await page.click("#watch-camera")
        call = await monitor.call()
        await becomes(page, "state", "live")
        await monitor.alert(call, "voice_spoof", incident="1")
        await becomes(page, "level", "alert")
        assert await page.evaluate("() => tones") == 0
        await page.click("#alarm-seen")  # else it rings again, every four seconds
        await page.check("#ask-sound")
        await page.check("#ask-notice")
        heard = await page.evaluate("() => tones")
        assert heard == 3, "what it sounds like"
        await monitor.alert(call, "freeze", incident="2")
        await page.wait_for_function("heard => tones > heard", arg=heard)


async def test_a_notification_is_shown_where_it_is_allowed() -> None:
    async with (
        guarded() as (url, monitor),
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, url, permissions=["notifications"]) as opened,
    ):
        page = opened.page
        await page.evaluate(
            "() => { window.shown = []; const Real = Notification; window.Notification ="
            " class extends Real { constructor(title, how) { super(title, how);"
            " shown.push([title, how.body]); } }; }"
        )
        await page.check("#ask-notice")
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        await monitor.alert(await monitor.call(), "voice_spoof", why=REASON)
        await page.wait_for_function("() => shown.length === 1")
        assert await page.evaluate("() => shown[0]") == [
            "Alert: the voice sounds synthetic",
            REASON,
        ]
        assert await page.locator("#ask-problem").inner_text() == ""


async def test_a_notification_that_is_refused_is_said_and_the_alert_shown_all_the_same() -> None:
    async with (
        guarded() as (url, monitor),
        chromium(FAKE_DEVICES, "--deny-permission-prompts") as browser,
        guard(browser, url, permissions=["camera", "microphone"]) as opened,
    ):
        page = opened.page
        await page.click("#ask-notice")
        await page.get_by_text("does not allow notifications for this page").wait_for()
        assert not await page.is_checked("#ask-notice")
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        await monitor.alert(await monitor.call(), "voice_spoof", why=REASON)
        await becomes(page, "level", "alert")


async def test_the_page_fits_a_narrow_window_and_is_used_by_keyboard() -> None:
    async with (
        guarded() as (url, monitor),
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, url, viewport={"width": 360, "height": 640}) as opened,
    ):
        page = opened.page
        await page.locator("#watch-camera:enabled").wait_for()
        await page.focus("#watch-camera")
        await page.keyboard.press("Enter")
        await becomes(page, "state", "live")
        await monitor.alert(await monitor.call(), "voice_spoof", why=REASON)
        await becomes(page, "level", "alert")
        width = await page.evaluate("() => document.documentElement.scrollWidth")
        assert width <= 360
        await page.focus("#stop")
        await page.keyboard.press("Enter")
        await becomes(page, "state", "over")
        assert await page.evaluate("() => document.activeElement.id") == "restart"


async def test_a_small_view_stays_on_top_and_tells_the_same() -> None:
    async with (
        guarded() as (url, monitor),
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, url) as opened,
    ):
        page = opened.page
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        await page.click("#compact")
        inside = "documentPictureInPicture.window?.document.body"
        await page.wait_for_function(f"() => {inside}?.querySelector('.verdict')")
        await monitor.alert(await monitor.call(), "voice_spoof", why=REASON)
        await page.wait_for_function(f"() => {inside}.dataset.level === 'alert'")
        await page.evaluate(f"() => {inside}.querySelector('button').click()")
        await becomes(page, "state", "over")
        await page.wait_for_function("() => documentPictureInPicture.window === null")


async def test_a_refused_permission_is_said_and_can_be_given_later() -> None:
    async with (
        guarded() as (url, _),
        chromium(FAKE_DEVICES, "--deny-permission-prompts") as browser,
        guard(browser, url) as opened,
    ):
        page = opened.page
        await page.click("#watch-camera")
        await page.locator("#trouble-text", has_text="You did not allow sharing").wait_for()
        await becomes(page, "state", "ready")
        await page.context.grant_permissions(["camera", "microphone"])
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        assert await page.locator("#trouble").is_hidden()


async def test_sharing_that_is_stopped_ends_the_watch_and_another_can_begin() -> None:
    pick = f"--auto-select-tab-capture-source-by-title={OTHER_TAB}"
    async with (
        guarded() as (url, monitor),
        chromium(pick) as browser,
        guard(browser, url) as opened,
    ):
        page = opened.page
        for _ in range(2):
            call = await page.context.new_page()
            await call.set_content(TALKING)
            await page.bring_to_front()
            await page.click("#watch-call")
            await becomes(page, "state", "live")
            await monitor.call()
            await call.close()
            await becomes(page, "state", "over")
            assert "Sharing was stopped" in await page.locator("#again-why").inner_text()
            await page.click("#restart")
            await becomes(page, "state", "ready")


async def test_a_lost_network_is_shown_and_what_was_missed_is_told_afterwards() -> None:
    async with (
        guarded() as (server, monitor),
        Line(server) as line,
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, line.url) as opened,
    ):
        page = opened.page
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        call = await monitor.call()
        line.cut()
        await page.locator("#trouble-text", has_text="The monitor cannot be reached").wait_for()
        await monitor.alert(call, "voice_spoof", why=REASON)
        line.mend()
        await becomes(page, "level", "alert")
        await page.locator("#trouble").wait_for(state="hidden")
        assert await monitor.call() == call, "media went on meanwhile: it is the same call"
        opened.forgive_breaks()


async def test_a_call_is_back_soon_after_the_network_of_its_media_is() -> None:
    async with (
        guarded() as (server, monitor),
        MediaLine(server) as line,
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, line.url) as opened,
    ):
        page = opened.page
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        call = await monitor.call()
        assert line.datagrams, "media go through the line"
        line.cut()
        await page.locator("#trouble-text", has_text="The monitor cannot be reached").wait_for()
        await becomes(page, "state", "again", within_s=45.0)  # browsers wait before they say so
        until_s = time.monotonic() + BACK_WITHIN_S
        line.mend()
        await becomes(page, "state", "live", within_s=BACK_WITHIN_S)
        assert await monitor.call() == call
        await page.locator("#trouble").wait_for(state="hidden")
        assert time.monotonic() < until_s
        opened.forgive_breaks()


async def test_a_restarted_server_is_shared_with_anew_without_a_touch() -> None:
    async with chromium(FAKE_DEVICES, SAY_YES) as browser, AsyncExitStack() as first:
        url, monitor = await first.enter_async_context(guarded())
        async with guard(browser, url) as opened:
            page = opened.page
            await page.click("#watch-camera")
            await becomes(page, "state", "live")
            call = await monitor.call()
            await first.aclose()
            await becomes(page, "state", "again")
            await page.locator("#trouble-text", has_text="Trying again by itself").wait_for()
            async with guarded(port=urlsplit(url).port or 0) as (_, again):
                assert await again.call() == call
                await becomes(page, "state", "live")
                await page.locator("#trouble").wait_for(state="hidden")
                await again.alert(call, "voice_spoof", why=REASON)
                await becomes(page, "level", "alert")
                await page.click("#stop")
            opened.forgive_breaks()
            # a session that was offered while the server changed may be unknown to the new one,
            # and a server that is about to leave, or has just come, is not ready for one
            opened.problems[:] = [
                one for one in opened.problems if "404" not in one and "503" not in one
            ]


async def test_a_token_is_asked_for_before_anything_is_shared() -> None:
    async with (
        guarded(token="s3cret/+") as (url, _),
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, url) as opened,
    ):
        page = opened.page
        await page.fill("#token-input", "wrong")
        await page.keyboard.press("Enter")
        await page.get_by_text("The monitor refused this token").wait_for()
        await page.fill("#token-input", "s3cret/+")
        await page.keyboard.press("Enter")
        await page.click("#watch-camera")
        await becomes(page, "state", "live")
        opened.problems[:] = [one for one in opened.problems if "401" not in one]


async def test_one_call_too_many_waits_until_there_is_room() -> None:
    async with (
        guarded(admits=1) as (url, monitor),
        chromium(FAKE_DEVICES, SAY_YES) as browser,
        guard(browser, url) as one,
        guard(browser, url) as other,
    ):
        await one.page.click("#watch-camera")
        await becomes(one.page, "state", "live")
        call = await monitor.call()
        await other.page.click("#watch-camera")
        await other.page.locator(
            "#trouble-text", has_text="watches as many calls as it may"
        ).wait_for()
        await one.page.click("#stop")
        await becomes(other.page, "state", "live")
        assert await monitor.call() != call
        other.problems[:] = [text for text in other.problems if "503" not in text]


async def test_a_monitor_that_takes_no_calls_says_what_to_do() -> None:
    async with guarded(admits=0) as (url, _), chromium() as browser, guard(browser, url) as opened:
        await opened.page.locator(
            "#trouble-text", has_text="run `streammon run call_guard` without --source"
        ).wait_for()
        assert await opened.page.locator("#watch-call").is_disabled()
        faded = "label => getComputedStyle(label).opacity"
        assert await opened.page.locator("#watch-file-label").evaluate(faded) == "0.5"
