"""The application over ASGI: routes, limits, headers, and who gets what."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from streammon.config import ServerConfig
from streammon.core.ports import Clip, LinkStats
from streammon.core.types import Health, HealthState
from streammon.server.api import LONGEST_CLIP_S
from streammon.server.app import WALL, build_app
from streammon.telemetry.metrics import Metrics
from tests.browser.scripted_monitor import TEXT, VIDEO, ScriptedMonitor, stream_view

TOKEN = "a-long-secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
DATA = ["/api/streams", "/api/incidents", "/api/status", "/metrics"]
PAGES = ["/", "/docs", "/openapi.json", "/health", "/static/main.js", "/static/wall.css"]


def a_monitor() -> ScriptedMonitor:
    return ScriptedMonitor(
        [
            stream_view("lobby", VIDEO, detectors=["freeze"]),
            stream_view("chat", TEXT, state=HealthState.RETRYING, cause="login refused"),
        ]
    )


@asynccontextmanager
async def asking(
    monitor: ScriptedMonitor, *, token: str | None = None, host: str = "127.0.0.1:8787"
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of the application around `monitor`, without a socket."""
    secret = None if token is None else SecretStr(token)
    settings = ServerConfig(token=secret)
    async with monitor:
        transport = httpx.ASGITransport(build_app(monitor, monitor.hub, Metrics(), settings))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            yield client


async def test_streams_are_listed_with_their_health_and_cause() -> None:
    async with asking(a_monitor()) as client:
        answer = (await client.get("/api/streams")).json()
    lobby, chat = answer["streams"]
    assert lobby["stream"] == "lobby"
    assert lobby["modalities"] == ["video"]
    assert lobby["detectors"] == ["freeze"]
    assert lobby["can_clip"] is True
    assert chat["health"]["state"] == "retrying"
    assert chat["health"]["cause"] == "login refused"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", chat["health"]["time"])


async def test_a_published_stream_says_how_its_media_come_in() -> None:
    link = LinkStats(("VP8", "Opus"), 2400.0, 30.0, 0.01, 0.004, None, "arrival")
    monitor = ScriptedMonitor([replace(stream_view("call", VIDEO), link=link)])
    async with asking(monitor) as client:
        (call,) = (await client.get("/api/streams")).json()["streams"]
    assert call["link"]["codecs"] == ["VP8", "Opus"]
    assert call["link"]["frame_age_s"] is None
    async with asking(a_monitor()) as client:
        lobby, _ = (await client.get("/api/streams")).json()["streams"]
    assert lobby["link"] is None


async def test_open_incidents_come_as_the_websocket_sends_them() -> None:
    monitor = a_monitor()
    async with asking(monitor) as client:
        alert = await monitor.alert("lobby", "freeze", why="it stands still")
        (incident,) = (await client.get("/api/incidents")).json()["incidents"]
    assert incident["type"] == "alert"
    assert incident["alert_id"] == alert.alert_id
    assert incident["why"] == "it stands still"


async def test_a_snapshot_is_a_jpeg_while_it_is_kept() -> None:
    monitor = a_monitor()
    async with asking(monitor) as client:
        alert = await monitor.alert("lobby", "freeze", with_picture=True)
        asked = {"incident": [alert.incident_id, "no-such"]}
        available = (await client.get("/api/snapshots", params=asked)).json()
        found = await client.get(f"/api/incidents/{alert.incident_id}/snapshot.jpg")
        gone = await client.get("/api/incidents/no-such/snapshot.jpg")
    assert available == {"available": [alert.incident_id]}
    assert found.headers["content-type"] == "image/jpeg"
    assert found.content.startswith(b"\xff\xd8")
    assert gone.status_code == 404


async def test_a_clip_comes_as_it_was_cut() -> None:
    monitor = a_monitor()
    monitor.clips["lobby"] = Clip(b"moov", "video/mp4", 3.5, 12.0)
    async with asking(monitor) as client:
        asked = {"epoch": 0, "start_s": 4, "end_s": 12}
        answer = await client.get("/api/streams/lobby/clip", params=asked)
    assert answer.content == b"moov"
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["x-clip-start-s"] == "3.500"


@pytest.mark.parametrize(
    ("stream", "query", "status"),
    [
        ("lobby", "epoch=0&start_s=1&end_s=2", 404),  # not kept
        ("nobody", "epoch=0&start_s=1&end_s=2", 404),
        ("chat", "epoch=0&start_s=1&end_s=2", 404),  # keeps no packets
        ("lobby", "epoch=0&start_s=2&end_s=2", 422),
        ("lobby", f"epoch=0&start_s=0&end_s={LONGEST_CLIP_S + 1}", 422),
        ("lobby", "epoch=-1&start_s=1&end_s=2", 422),
        ("lobby", "epoch=0&start_s=nan&end_s=2", 422),
        ("lobby", "epoch=0&start_s=0&end_s=inf", 422),
        ("lobby", "start_s=0&end_s=1", 422),
    ],
)
async def test_a_clip_that_cannot_be_had_says_why(stream: str, query: str, status: int) -> None:
    async with asking(a_monitor()) as client:
        answer = await client.get(f"/api/streams/{stream}/clip?{query}")
    assert answer.status_code == status
    assert answer.json()["detail"]


async def test_ready_tells_the_cause_until_the_monitor_is() -> None:
    monitor = a_monitor()
    monitor.cause_not_ready = "loading voice_spoof"
    async with asking(monitor) as client:
        waiting = await client.get("/ready")
        monitor.cause_not_ready = ""
        done = await client.get("/ready")
    assert (waiting.status_code, waiting.json()) == (
        503,
        {"ready": False, "cause": "loading voice_spoof"},
    )
    assert (done.status_code, done.json()) == (200, {"ready": True, "cause": ""})


async def test_probes_are_open_but_say_nothing_private() -> None:
    monitor = a_monitor()
    monitor.cause_not_ready = "rtsp://camera is away"
    async with asking(monitor, token=TOKEN) as client:
        health = await client.get("/health")
        ready = await client.get("/ready")
        known = await client.get("/ready", headers=BEARER)
    assert health.json() == {"status": "ok", "token_needed": True}
    assert ready.json() == {"ready": False, "cause": ""}
    assert known.json()["cause"] == "rtsp://camera is away"


@pytest.mark.parametrize("path", DATA)
async def test_data_needs_the_token(path: str) -> None:
    async with asking(a_monitor(), token=TOKEN) as client:
        refused = await client.get(path)
        wrong = await client.get(path, headers={"Authorization": "Bearer guess"})
        told = await client.get(path, headers=BEARER)
    assert refused.status_code == wrong.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert told.status_code == 200


async def test_every_route_but_the_open_ones_needs_the_token() -> None:
    async with asking(a_monitor(), token=TOKEN) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        statuses = {
            path: (await client.get(path.format(stream="lobby", incident_id="x"))).status_code
            for path in paths
        }
        unknown = await client.get("/api/whatever")
    assert {path for path, status in statuses.items() if status != 401} == {"/health", "/ready"}
    assert unknown.status_code == 401


@pytest.mark.parametrize("path", PAGES)
async def test_pages_need_no_token(path: str) -> None:
    async with asking(a_monitor(), token=TOKEN) as client:
        assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/streams", "/nowhere", "/static/nothing.js"])
async def test_every_answer_is_hardened(path: str) -> None:
    async with asking(a_monitor()) as client:
        headers = (await client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-store" if "/api" in path else headers["cache-control"])


async def test_a_name_that_was_rebound_to_this_machine_is_refused() -> None:
    async with asking(a_monitor(), host="evil.example") as client:
        refused = await client.get("/api/streams")
    async with asking(a_monitor(), host="monitor.example", token=TOKEN) as client:
        behind_a_proxy = await client.get("/api/streams", headers=BEARER)
    assert refused.status_code == 421
    assert behind_a_proxy.status_code == 200


async def test_bodies_and_queries_are_bounded() -> None:
    async with asking(a_monitor()) as client:
        long_query = await client.get("/api/snapshots", params={"incident": "x" * 5000})
        many = await client.get("/api/snapshots", params={"incident": ["x"] * 41})
        body = await client.request("GET", "/api/streams", content=b"x" * 70_000)
        lying = await client.get("/api/streams", headers={"Content-Length": "1e9"})
        long_name = await client.get(f"/api/incidents/{'x' * 300}/snapshot.jpg")
    assert long_query.status_code == 414
    assert many.status_code == 422
    assert body.status_code == 413
    assert lying.status_code == 411
    assert long_name.status_code == 422


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/api.py"]
)
async def test_nothing_outside_the_folder_of_pages_is_served(path: str) -> None:
    async with asking(a_monitor()) as client:
        assert (await client.get(path)).status_code == 404


async def test_nothing_is_changed_over_http() -> None:
    async with asking(a_monitor()) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
        assert {verb for verbs in paths.values() for verb in verbs} == {"get"}
        assert (await client.post("/api/streams")).status_code == 405


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
async def test_metrics_come_in_the_form_that_was_asked_for(accept: str, content_type: str) -> None:
    async with asking(a_monitor()) as client:
        answer = await client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(content_type)
    assert "streammon_viewers 0.0" in answer.text


async def test_the_status_names_every_part() -> None:
    monitor = a_monitor()
    monitor.components = (
        Health("scheduler", HealthState.DEGRADED, "the CPU is full", time.monotonic_ns()),
    )
    async with asking(monitor) as client:
        status = (await client.get("/api/status")).json()
    assert status["name"] == monitor.name
    scheduler, *streams = status["components"]
    assert (scheduler["component"], scheduler["cause"]) == ("scheduler", "the CPU is full")
    assert [part["component"] for part in streams] == ["stream:lobby", "stream:chat"]


async def test_the_document_lists_every_path() -> None:
    told = (Path(__file__).parents[2] / "docs" / "wall.md").read_text("utf-8")
    async with asking(a_monitor()) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert [path for path in [*paths, "/ws", "/docs"] if f"`{path}`" not in told] == []


class Links(HTMLParser):
    """Collects what a page loads and links to, and scripts written into it."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.addresses += [named[name] or "" for name in ("src", "href") if name in named]
        self.inline += [name for name in named if name.startswith("on") or name == "style"]
        if tag == "script" and "src" not in named:
            self.inline.append("script")


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_load_nothing_from_elsewhere_and_hold_no_inline_script(path: str) -> None:
    async with asking(a_monitor()) as client:
        links = Links()
        links.feed((await client.get(path)).text)
        assert links.inline == []
        for address in links.addresses:
            assert address.startswith(("/", "#")), address
            if address.startswith("/"):
                assert (await client.get(address)).status_code == 200, address


def wall_files(*suffixes: str) -> list[Path]:
    return sorted(path for path in WALL.iterdir() if path.suffix in suffixes)


@pytest.mark.parametrize("path", wall_files(".js", ".css", ".html", ".svg"), ids=lambda p: p.name)
def test_no_file_of_the_wall_names_another_host(path: Path) -> None:
    addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text("utf-8"))
    assert [address for address in addresses if "www.w3.org" not in address] == []


@pytest.mark.parametrize("path", wall_files(".js"), ids=lambda path: path.name)
def test_modules_are_small_import_what_exists_and_never_set_markup(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    for name in re.findall(r'from "\./([\w.-]+)"', text):
        assert (WALL / name).is_file(), name
    for sink in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert sink not in text
