"""Pictures that the wall decodes and draws upon itself, and how it falls back when it cannot."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.core.types import DetectionResult, Region, Severity, StreamId, VideoFrame
from streammon.media.tracks import MediaPacket, Track
from streammon.overlay.draw import draw
from streammon.sinks.websocket_packets import MOST_STREAMS
from tests.browser.chromium import SOON_MS, Opened, needs_chromium, wall
from tests.browser.scripted_monitor import VIDEO, ScriptedMonitor, played, stream_view
from tests.coded import FPS, CodedFilm, h264, spoiled

pytestmark = [pytest.mark.browser, needs_chromium]

COUNT, GOP = 50, 10
FLAT = (90, 120, 150)
TYPEFACE = 0.05
"""Of the pixels, those that may differ: browsers have other letters than OpenCV."""


@cache
def film(
    width: int = 320, height: int = 180, *, b_frames: int = 0
) -> tuple[Track, list[MediaPacket]]:
    """Two seconds of a bar that moves over a flat ground."""
    images = []
    for number in range(COUNT):
        image = np.full((height, width, 3), FLAT, np.uint8)
        image[:, number * width // COUNT :][:, : width // 10] = 230
        images.append(image)
    return h264(images, gop=GOP, b_frames=b_frames)


async def played_film(source: CodedFilm, *, b_frames: int = 0) -> None:
    """Plays in real time, each round in an epoch of its own; ended, what came last stays."""
    track, packets = film(b_frames=b_frames)
    while True:
        source.begin(track, packets[0])
        for packet in packets:
            source.put(packet)
            await asyncio.sleep(1 / FPS)


@asynccontextmanager
async def showing(
    monitor: ScriptedMonitor, *films: CodedFilm, playing: bool = True
) -> AsyncGenerator[str]:
    """The wall of a monitor whose streams come as these films."""
    sources = {each.stream: each for each in films}
    monitor.hub.show_packets_of(sources.get)
    async with played(monitor) as url, asyncio.TaskGroup() as group:
        tasks = [group.create_task(played_film(each)) for each in films if playing]
        yield url
        for task in tasks:
            task.cancel()


def a_monitor(*names: str) -> ScriptedMonitor:
    return ScriptedMonitor([stream_view(name, VIDEO) for name in names])


async def path(opened: Opened, stream: str, wanted: str) -> str:
    """How the stream's pictures come, in full, once they come so."""
    await opened.page.locator(f'.tile[data-stream="{stream}"][data-path="{wanted}"]').wait_for()
    return await opened.tile(stream).locator(".path").get_attribute("title") or ""


async def newer(opened: Opened, stream: str) -> tuple[int, float]:
    """Epoch and media time of a picture that is another than the one that is shown now."""
    canvas = f'.tile[data-stream="{stream}"] canvas'
    before = await opened.page.evaluate(f"document.querySelector('{canvas}')?.dataset.mediaS")
    shown = await opened.wait_for(
        """([canvas, before]) => {
          const { epoch, mediaS } = document.querySelector(canvas)?.dataset ?? {};
          return mediaS !== undefined && mediaS !== before && [Number(epoch), Number(mediaS)];
        }""",
        [canvas, before],
    )
    return int(shown[0]), float(shown[1])


async def test_packets_are_decoded_in_the_browser_and_each_tile_says_so() -> None:
    monitor, cam = a_monitor("cam", "old"), CodedFilm("cam")
    async with showing(monitor, cam) as url, wall(url) as opened:
        await opened.live()
        assert "(avc1." in await path(opened, "cam", "packets")
        assert await opened.tile("cam").locator(".path").inner_text() == "packets"
        moments = [await newer(opened, "cam") for _ in range(6)]
        assert len(set(moments)) == 6
        await path(opened, "old", "jpeg")
        await newer(opened, "old")
        assert not monitor.hub.viewers(StreamId("cam"))
        await opened.tile("cam").locator(".tile-open").click()
        await opened.page.locator('.focus-view[data-path="packets"]').wait_for()
        assert "Packets as they came in" in await opened.page.locator(".facts").inner_text()


@pytest.mark.parametrize(
    ("query", "script", "why"),
    [
        ("?pictures=jpeg", "", "the address asks for it"),
        ("", "delete window.VideoDecoder", "this browser has no WebCodecs"),
        (
            "",
            "VideoDecoder.isConfigSupported = async () => ({ supported: false })",
            "this browser does not decode avc1.",
        ),
    ],
)
async def test_where_packets_cannot_be_shown_jpegs_are(query: str, script: str, why: str) -> None:
    monitor = a_monitor("cam")
    async with showing(monitor, CodedFilm("cam")) as url, wall("about:blank") as opened:
        await opened.page.add_init_script(script)
        await opened.page.goto(f"{url}{query}")
        await opened.live()
        assert why in await path(opened, "cam", "jpeg")
        await newer(opened, "cam")
        assert monitor.hub.viewers(StreamId("cam"))


async def test_a_decoder_that_fails_begins_anew_and_after_the_second_time_jpegs_come() -> None:
    monitor, cam = a_monitor("cam"), CodedFilm("cam")
    track, packets = film()
    async with showing(monitor, cam, playing=False) as url, wall(url) as opened:
        await opened.live()

        async def run(*, spoil: int | None = None) -> None:
            cam.begin(track, packets[0])
            for number, packet in enumerate(packets):
                cam.put(spoiled(packet) if number == spoil else packet)
                await asyncio.sleep(1 / FPS)

        await run()
        await reaches(opened, "cam", epoch=0, media_s=0.0)
        await path(opened, "cam", "packets")
        await run(spoil=GOP)
        # it went on with the next keyframe
        await reaches(opened, "cam", epoch=1, media_s=2 * GOP / FPS)
        await path(opened, "cam", "packets")
        await run(spoil=GOP)
        assert "the decoder failed twice" in await path(opened, "cam", "jpeg")
        await newer(opened, "cam")


async def reaches(opened: Opened, stream: str, *, epoch: int, media_s: float) -> None:
    """Returns once a picture of this epoch is shown that is later than this."""
    await opened.wait_for(
        """([stream, wanted, after]) => {
          const canvas = document.querySelector(`.tile[data-stream=${stream}] canvas.picture`);
          const { epoch, mediaS } = canvas?.dataset ?? {};
          return Number(epoch) === wanted && Number(mediaS) > after;
        }""",
        [stream, epoch, media_s],
    )


async def test_another_size_in_mid_stream_is_shown_as_it_is() -> None:
    monitor, cam = a_monitor("cam"), CodedFilm("cam")
    async with showing(monitor, cam, playing=False) as url, wall(url) as opened:
        await opened.live()
        for number, (width, height) in enumerate([(320, 180), (240, 240), (160, 400)]):
            track, packets = film(width, height)
            cam.begin(track, packets[0])
            for packet in packets[:15]:
                cam.put(packet)
            size = await opened.wait_for(
                """([epoch]) => {
                  const canvas = document.querySelector('[data-stream=cam] canvas');
                  return canvas?.dataset.epoch === epoch && [canvas.width, canvas.height];
                }""",
                [str(number)],
            )
            assert size[0] / size[1] == pytest.approx(width / height, rel=0.01)
        await path(opened, "cam", "packets")


async def test_nothing_is_sent_to_a_page_that_nobody_sees() -> None:
    monitor, cam = a_monitor("cam"), CodedFilm("cam")
    hide = (
        "hidden => { Object.defineProperty(document, 'hidden', "
        "{ configurable: true, get: () => hidden });"
        "document.dispatchEvent(new Event('visibilitychange')); }"
    )
    async with showing(monitor, cam) as url, wall(url) as opened:
        await opened.live()
        await newer(opened, "cam")
        assert monitor.hub.stats().clients == 2
        await opened.page.evaluate(hide, True)
        async with asyncio.timeout(SOON_MS / 1000):
            while monitor.hub.stats().clients > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await opened.page.evaluate(hide, False)
        await newer(opened, "cam")
        await path(opened, "cam", "packets")


async def test_on_a_wall_of_many_the_first_and_the_urgent_move_and_the_rest_are_keyframes() -> None:
    names = [f"cam-{number:02}" for number in range(12)]
    monitor, films = a_monitor(*names), [CodedFilm(name) for name in names]
    async with (
        showing(monitor, *films, playing=False) as url,
        asyncio.TaskGroup() as group,
        wall(url, width=1900, height=1900) as opened,
    ):
        tasks = [group.create_task(played_film(each, b_frames=2)) for each in films]
        await opened.live()
        for number, name in enumerate(names):
            await path(opened, name, "packets" if number < 9 else "keyframes")
        moments = [await newer(opened, "cam-10") for _ in range(3)]
        for epoch, media_s in moments:
            assert media_s * FPS % GOP == pytest.approx(0, abs=0.01), f"a keyframe of {epoch}"
        await monitor.alert("cam-10", "freeze")
        await path(opened, "cam-10", "packets")
        await path(opened, "cam-08", "keyframes")
        tasks[11].cancel()
        assert await path(opened, "cam-11", "packets"), "it has had no keyframe for long"
        for task in tasks:
            task.cancel()


# --- what is drawn ---------------------------------------------------------------------------


def a_result(monitor: ScriptedMonitor, **changes: Any) -> DetectionResult:
    """Of the whole film, with two boxes."""
    result = monitor.result("cam", "face_forgery", 0.93, details={"experimental": True})
    boxes = (Region(0.2, 0.3, 0.4, 0.7, "left", 0.95), Region(0.6, 0.3, 0.8, 0.7, "right", 0.2))
    return replace(result, start_s=0.0, end_s=1000.0, regions=boxes, **changes)


async def canvas_rgb(opened: Opened) -> NDArray[np.uint8]:
    _, _, png = (await opened.pixels("cam")).partition(",")
    image = cv2.imdecode(np.frombuffer(base64.b64decode(png), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image[..., ::-1], np.uint8)


def share_unlike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    difference = np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2)
    return float((difference > 32).mean())


async def test_what_is_drawn_in_the_browser_looks_as_the_server_draws_it() -> None:
    monitor, cam = a_monitor("cam"), CodedFilm("cam")
    image = np.full((360, 640, 3), FLAT, np.uint8)
    track, packets = h264([image] * 5, gop=5)
    async with showing(monitor, cam, playing=False) as url, wall(url) as opened:
        await opened.live()
        monitor.mute("cam")
        cam.begin(track, packets[0])
        cam.put(packets[0])
        await newer(opened, "cam")
        await monitor.followed()
        alert = await monitor.alert("cam", "face_forgery", severity=Severity.WARNING)
        silent = monitor.result("cam", "freeze", None, abstained="no movement yet")
        results = [a_result(monitor), replace(silent, start_s=0.0, end_s=1000.0)]
        for result in results:
            monitor.hub.publish(result)
        frame = VideoFrame(StreamId("cam"), 0, 0.0, 0, image, True, False, 0)
        drawn = draw(frame, results=results, history=[None], incidents=[alert], width=640)
        shown = await canvas_rgb(opened)
        until_s = asyncio.get_running_loop().time() + SOON_MS / 1000
        # each result is drawn as it comes: until all are there, something is missing
        while missing(shown, drawn) and asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(0.1)
            shown = await canvas_rgb(opened)
    assert share_unlike(drawn, image) > 4 * TYPEFACE
    assert missing(shown, drawn) == []


def missing(shown: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> list[object]:
    """What is not as the server draws it: letters are of another typeface, no more."""
    places = [(180, 128), (180, 383), (108, 200), (180, 511), (4, 320), (340, 600), (45, 4)]
    wrong: list[object] = [
        at for at in places if np.abs(shown[at].astype(int) - drawn[at]).max() >= 24
    ]
    share = share_unlike(shown, drawn)
    return wrong if share < TYPEFACE else [*wrong, f"{share:.3f} of all"]


SAID = """async (cases) => {
  const { Said } = await import("/static/said.js");
  const said = new Said();
  const result = (detector, epoch, start, end, confidence) => ({
    detector, kind: detector, modality: "video", participant: "", epoch, start_s: start, end_s: end,
    confidence, regions: [{ x1: 0, y1: 0, x2: 1, y2: 1, label: "", score: 1 }],
  });
  for (const each of [
    ["a", 0, 0, 2, 0.1], ["a", 0, 2, 4, 0.2], ["a", 0, 4, 6, 0.3], ["a", 1, 0, 2, 0.9],
    ["b", 0, 0, 2, null],
  ]) said.take(result(...each));
  return cases.map(([epoch, mediaS]) =>
    said.of(epoch, mediaS).map((each) => [each.detector, each.confidence, each.regions.length]));
}"""


async def test_a_picture_is_shown_with_what_is_true_of_it() -> None:
    cases = {
        (0, 1.0): [["a", 0.1, 1], ["b", None, 1]],
        (0, 3.0): [["a", 0.2, 1], ["b", None, 1]],
        (0, 4.5): [["a", 0.3, 1], ["b", None, 0]],
        (0, 9.0): [["a", 0.3, 0], ["b", None, 0]],
        (0, 13.0): [["a", 0.3, 0]],
        (0, 17.0): [],
        (1, 0.5): [["a", 0.9, 1]],
        (2, 0.5): [],
    }
    async with played(a_monitor("cam")) as url, wall(url) as opened:
        told = await opened.page.evaluate(SAID, [list(case) for case in cases])
    assert dict(zip(cases, told, strict=True)) == cases


WISHES = """async ([count, length]) => {
  const { Paths } = await import("/static/paths.js");
  const { PictureLine } = await import("/static/picture_line.js");
  const names = Array.from({ length: count }, (_, at) => String(at).padStart(length, "n"));
  const stream = { modalities: new Set(["video"]), epoch: 0 };
  const streams = new Map(names.map((name) => [name, stream]));
  const store = { streams, book: { open: () => [] }, take() {} };
  const players = { only() {}, configure() {} };
  const paths = new Paths(store);
  const wanted = () => ({ streams: names, large: false });
  const subprotocols = () => ["streammon.v1"];
  const line = new PictureLine({ subprotocols, store, paths, players, wanted });
  line.follow();
  while (line.asked === "") await new Promise((done) => setTimeout(done, 20));
  await new Promise((done) => setTimeout(done, 500));
  const open = line.connection.socket?.readyState === WebSocket.OPEN;
  line.connection.stop();
  const asked = JSON.parse(line.asked);
  return [asked.streams.length, Object.values(asked.pictures), open];
}"""


@pytest.mark.parametrize(
    ("count", "length", "streams", "packets"),
    [(5, 20, 5, 5), (100, 20, 100, MOST_STREAMS), (100, 120, 100, 1), (200, 190, 70, 0)],
)
async def test_what_is_asked_for_is_never_more_than_the_server_takes(
    count: int, length: int, streams: int, packets: int
) -> None:
    async with played(a_monitor("cam")) as url, wall(url) as opened:
        await opened.live()
        asked, pictures, still_open = await opened.page.evaluate(WISHES, [count, length])
    assert still_open, "the server has not closed the connection"
    assert streams <= asked <= count
    assert packets <= len(pictures) <= MOST_STREAMS
    full = [wish for wish in pictures if "every_s" not in wish]
    assert len(full) == min(9, len(pictures))
