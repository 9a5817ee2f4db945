"""Who has seen which incident: over HTTP, and kept with the alerts."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from streammon.config import ServerConfig
from streammon.core.types import AlertState, Severity
from streammon.server import acknowledging
from streammon.server.acknowledging import Acknowledging
from streammon.server.app import build_app
from streammon.sinks.outbox import MEMORY
from streammon.telemetry.metrics import Metrics
from tests.browser.scripted_monitor import VIDEO, ScriptedMonitor, stream_view
from tests.component.test_outbox import a_full_disk

TOKEN = "a-long-secret"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
OPEN = "gate-freeze-1"


@asynccontextmanager
async def asking(
    *, path: str = MEMORY, token: str | None = TOKEN
) -> AsyncGenerator[tuple[httpx.AsyncClient, ScriptedMonitor]]:
    """A client of the application around a monitor whose alerts are kept at `path`."""
    secret = None if token is None else SecretStr(token)
    monitor = ScriptedMonitor([stream_view("gate", VIDEO)], outbox_path=path)
    async with monitor:
        words = Acknowledging(monitor.outbox, monitor)
        await words.load()
        settings = ServerConfig(token=secret)
        app = build_app(monitor, monitor.hub, Metrics(), settings, acknowledging=words)
        transport = httpx.ASGITransport(app)
        url = "http://127.0.0.1:8787"
        async with httpx.AsyncClient(transport=transport, base_url=url) as client:
            client.headers.update(BEARER if token else {})
            yield client, monitor


async def acknowledge(client: httpx.AsyncClient, incident: str, by: object) -> httpx.Response:
    return await client.post(f"/api/incidents/{incident}/acknowledge", json={"by": by})


async def known(client: httpx.AsyncClient) -> list[tuple[str, str, str]]:
    told = (await client.get("/api/incidents")).json()["acknowledged"]
    return [(each["incident_id"], each["by"], each["severity"]) for each in told]


async def test_who_says_so_first_is_told_to_everyone_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger=acknowledging.__name__)
    async with asking() as (client, monitor):
        assert await known(client) == []
        await monitor.alert("gate", "freeze")
        first = await acknowledge(client, OPEN, "Ann B.")
        second = await acknowledge(client, OPEN, "Bob")
        assert await known(client) == [(OPEN, "Ann B.", "critical")]
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.json()["time"].endswith("Z")
    record = next(each for each in caplog.records if each.message == "incident_acknowledged")
    assert (vars(record)["incident_id"], vars(record)["by"]) == (OPEN, "Ann B.")


async def test_an_incident_that_got_worse_is_acknowledged_anew() -> None:
    async with asking() as (client, monitor):
        await monitor.alert("gate", "freeze", severity=Severity.WARNING)
        await acknowledge(client, OPEN, "Ann")
        await monitor.alert("gate", "freeze", AlertState.UPDATED, severity=Severity.CRITICAL)
        assert await known(client) == [(OPEN, "Ann", "warning")]
        await acknowledge(client, OPEN, "Bob")
        await monitor.alert("gate", "freeze", AlertState.UPDATED, severity=Severity.INFO)
        await acknowledge(client, OPEN, "Cid")
        assert await known(client) == [(OPEN, "Bob", "critical")]


async def test_it_is_kept_over_a_restart_and_so_is_an_incident_that_is_over(tmp_path: Path) -> None:
    path = str(tmp_path / "o.db")
    async with asking(path=path) as (client, monitor):
        await monitor.alert("gate", "freeze")
        await monitor.alert("gate", "freeze", incident="2", severity=Severity.WARNING)
        await acknowledge(client, OPEN, "Ann")
    async with asking(path=path) as (client, _):
        assert await known(client) == [(OPEN, "Ann", "critical")]
        assert (await acknowledge(client, "gate-freeze-2", "Bob")).json()["severity"] == "warning"
        assert [incident for incident, *_ in await known(client)] == ["gate-freeze-2", OPEN]


async def test_the_token_is_needed_and_no_other_site_may_ask() -> None:
    async with asking() as (client, monitor):
        await monitor.alert("gate", "freeze")
        client.headers["Authorization"] = "Bearer other"
        assert (await acknowledge(client, OPEN, "Ann")).status_code == 401
    async with asking(token=None) as (client, monitor):
        await monitor.alert("gate", "freeze")
        client.headers["Origin"] = "https://evil.example"
        assert (await acknowledge(client, OPEN, "Ann")).status_code == 403
        assert await known(client) == []


@pytest.mark.parametrize("by", ["", " ", "x" * 65, "<b>", "a\nb", None, 7])
async def test_a_name_is_a_name(by: object) -> None:
    async with asking() as (client, monitor):
        await monitor.alert("gate", "freeze")
        assert (await acknowledge(client, OPEN, by)).status_code == 422


async def test_an_incident_that_nobody_knows_is_not_found() -> None:
    async with asking() as (client, monitor):
        await monitor.alert("gate", "freeze")
        assert (await acknowledge(client, "gate-freeze-9", "Ann")).status_code == 404
        assert (await acknowledge(client, "%27%20OR%201--", "Ann")).status_code == 404
        assert await known(client) == []


async def test_what_cannot_be_kept_is_refused_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledging, "KEPT_WITHIN_S", 0.3)
    path = tmp_path / "o.db"
    async with asking(path=str(path)) as (client, monitor):
        await monitor.alert("gate", "freeze")
        with a_full_disk(path):
            answer = await acknowledge(client, OPEN, "Ann")
            assert answer.status_code == 503
            assert await known(client) == []
        monkeypatch.undo()
        assert (await acknowledge(client, OPEN, "Ann")).status_code == 200
        assert await known(client) == [(OPEN, "Ann", "critical")]


async def test_where_nobody_can_say_so_the_answer_is_null() -> None:
    monitor = ScriptedMonitor([])
    async with monitor:
        app = build_app(monitor, monitor.hub, Metrics(), ServerConfig())
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            assert (await client.get("/api/incidents")).json()["acknowledged"] is None
            assert (await acknowledge(client, OPEN, "Ann")).status_code == 404
