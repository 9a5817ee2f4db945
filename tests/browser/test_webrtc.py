"""A real browser publishes a known file by WHIP, from a page of another site; what comes is it."""

from __future__ import annotations

import asyncio
import itertools
import threading
import wave
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import numpy as np
import pytest
from playwright.async_api import Page, async_playwright

from streammon.core.ports import LinkStats
from streammon.core.types import AudioChunk, Item, StreamId, VideoFrame
from tests.browser.chromium import FLAGS, PROGRAM, needs_chromium, wall
from tests.browser.scripted_monitor import VIDEO, ScriptedMonitor, played, stream_view
from tests.clips import decode_all
from tests.publishers import BITS, number_of, picture
from tests.whip_server import Served, served

pytestmark = [pytest.mark.browser, needs_chromium]

CALL = StreamId("call")
WIDTH, HEIGHT, FPS, COUNT = 640, 360, 20, 100
TONE_HZ = 440
SOUND_HZ = 48_000

PUBLISH = """
async ([url, codec]) => {
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { width: 640, height: 360, frameRate: 20 },
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const peer = new RTCPeerConnection();
  window.peer = peer;
  for (const track of stream.getTracks()) peer.addTransceiver(track, { direction: "sendonly" });
  const video = peer.getTransceivers().find((one) => one.sender.track.kind === "video");
  const known = RTCRtpSender.getCapabilities("video").codecs;
  const wanted = [codec, "video/rtx"];
  video.setCodecPreferences(known.filter(({ mimeType }) => wanted.includes(mimeType)));
  await peer.setLocalDescription(await peer.createOffer());
  await new Promise((done) => {
    const look = () => peer.iceGatheringState === "complete" && done();
    peer.addEventListener("icegatheringstatechange", look);
    look();
  });
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: peer.localDescription.sdp,
  });
  if (answer.status !== 201) throw new Error(await answer.text());
  window.session = new URL(answer.headers.get("Location"), url).href;
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  return [window.session, answer.headers.get("ETag")];
}
"""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbered pictures and a tone, as files that Chromium takes for a camera and a microphone."""
    folder = tmp_path_factory.mktemp("film")
    with (folder / "film.y4m").open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(COUNT):
            frame = picture(number, width=WIDTH, height=HEIGHT)
            file.write(b"FRAME\n" + frame.to_ndarray().tobytes())
    moments_s = np.arange(5 * SOUND_HZ) / SOUND_HZ
    pcm = (12_000 * np.sin(2 * np.pi * TONE_HZ * moments_s)).astype("<i2")
    with wave.open(str(folder / "tone.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SOUND_HZ)
        sound.writeframes(pcm.tobytes())
    (folder / "index.html").write_text("<!doctype html><title>a page of another site</title>")
    return folder


@pytest.fixture
def site(film: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(film))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


CAMERA_S = 0.3
"""How late a camera made of a file may show a picture, on cores that others use too."""
HELD_UP = 0.2
"""Of its pictures, those that may be later still: held up, it goes on from where it was."""


async def gather(here: Served, seconds: float) -> list[Item]:
    got: list[Item] = []
    async for item in here.items[CALL]:
        got.append(item)
        if item.media_s >= seconds:
            break
    return got


async def undisturbed(here: Served) -> LinkStats:
    """How the line does once nothing was lost for a while: held up, this process loses packets."""
    while True:
        link: LinkStats | None = here.sources[CALL].link()
        if link is not None and link.lost_share == 0.0:
            return link
        await asyncio.sleep(0.5)


async def publish(page: Page, here: Served, codec: str) -> tuple[str, str]:
    """The session and the ETag, as the page could read them."""
    session, tag = await page.evaluate(PUBLISH, [str(here.web.base_url.join("/whip/call")), codec])
    return session, tag


@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
async def test_chromium_publishes_a_known_film(film: Path, site: str, codec: str) -> None:
    flags = [
        *FLAGS,
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}/film.y4m",
        f"--use-file-for-fake-audio-capture={film}/tone.wav",
        "--allow-loopback-in-peer-connection",
    ]
    async with served(origins=(site,)) as here, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=flags)
        try:
            page = await browser.new_page()
            await page.goto(site)
            session, tag = await publish(page, here, codec)
            assert "/whip/call/" in session
            assert tag.startswith('"'), "the page may read it: it is exposed"
            got = await gather(here, 5.0)
            link = await undisturbed(here)
            clip = here.sources[CALL].clip(got[-1].epoch, 0.0, 3.0)
            gone = await page.evaluate(
                "() => fetch(session, { method: 'DELETE' }).then((r) => r.status)"
            )
            assert gone == 200
        finally:
            await browser.close()
    frames = [item for item in got if isinstance(item, VideoFrame)]
    chunks = [item for item in got if isinstance(item, AudioChunk)]
    last = [frame for frame in frames if frame.epoch == got[-1].epoch]
    assert len(last) >= 5
    late_s = []
    for before, after in itertools.pairwise(last):
        steps = (number_of(after.image_rgb) - number_of(before.image_rgb)) % COUNT
        late_s.append(after.media_s - before.media_s - steps / FPS)
    assert min(late_s) > -CAMERA_S, "no picture is told to be earlier than it was"
    assert np.quantile(late_s, 1.0 - HELD_UP) < CAMERA_S
    assert abs(median(late_s)) < 1.5 / FPS, "on the whole each picture has its time"
    pcm = np.concatenate([chunk.pcm for chunk in chunks if chunk.epoch == got[-1].epoch])[-16_000:]
    loudest = np.argmax(np.abs(np.fft.rfft(pcm))) * 16_000 / len(pcm)
    assert loudest == pytest.approx(TONE_HZ, abs=5)
    assert link.codecs == ({"video/VP8": "VP8", "video/H264": "H.264"}[codec], "Opus")
    assert clip is not None
    assert decode_all(clip.data)[0].shape[2] == 3
    assert COUNT < 2**BITS


async def test_the_wall_tells_how_a_publishers_media_come_in() -> None:
    link = LinkStats(
        codecs=("VP8", "Opus"),
        kbit_s=2410.4,
        frames_per_s=29.7,
        lost_share=0.0125,
        jitter_s=0.004,
        frame_age_s=0.03,
        clock="sender",
    )
    view = replace(stream_view("call", VIDEO), link=link)
    monitor = ScriptedMonitor([view])
    async with played(monitor) as url, wall(f"{url}#stream=call") as opened:
        facts = opened.page.locator(".facts")
        await facts.get_by_text("VP8, Opus").wait_for()
        text = await facts.inner_text()
    for words in ("2410 kbit/s, 30 pictures/s", "1.3 %", "4 ms", "sender"):
        assert words in text
