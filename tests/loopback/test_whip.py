"""WHIP as RFC 9725 has it, asked over a real socket; each test names the section it holds us to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from streammon.config import ServerConfig
from streammon.core.types import HealthState, StreamId
from streammon.ingest.calls.phone import PhoneConfig
from streammon.ingest.webrtc.config import WebRtcConfig
from streammon.ingest.webrtc.source import WebRtcSource
from streammon.server.app import build_app
from streammon.server.guard import MAX_BODY_BYTES
from streammon.server.whip import Whip
from streammon.telemetry.metrics import Metrics
from tests.browser.scripted_monitor import ScriptedMonitor
from tests.publishers import Pictures, Publisher, Sound
from tests.whip_server import SDP, served

TOKEN, OTHER = "publish-t0ken", "server-t0ken"
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
SITE = "https://calls.example.org"


@asynccontextmanager
async def a_publisher() -> AsyncGenerator[tuple[Publisher, str]]:
    """A publisher, and its offer."""
    publisher = Publisher(Pictures(size=(64, 48)), Sound())
    try:
        yield publisher, await publisher.offer()
    finally:
        await publisher.close()


def fragment(offer: str, *, candidate: str = "", ufrag: str | None = None) -> str:
    lines = [line for line in offer.splitlines() if line.startswith(("a=ice-ufrag", "a=ice-pwd"))]
    said = [lines[0] if ufrag is None else f"a=ice-ufrag:{ufrag}", lines[1]]
    return "\r\n".join([*said, "m=video 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", candidate, ""])


# --- 4.2: from offer to session ----------------------------------------------------------------


async def test_an_offer_is_created_as_a_session_and_media_flow() -> None:
    async with served() as here, a_publisher() as (publisher, offer):
        answer = await here.post(offer)
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/sdp"
        assert answer.headers["location"].startswith("/whip/call/")
        tag = answer.headers["etag"]
        assert tag.startswith('"'), "strong"
        assert tag.endswith('"')
        assert "a=recvonly" in answer.text
        assert "a=candidate:" in answer.text
        await publisher.accept(answer.text)
        assert await here.items[StreamId("call")].recv()


async def test_media_come_in_where_the_publisher_reached_the_server_and_nowhere_else() -> None:
    async with served() as here, a_publisher() as (_, offer):
        answer = await here.post(offer)
        lines = [line for line in answer.text.splitlines() if line.startswith("a=candidate:")]
        assert {line.split(" ")[4] for line in lines} == {"127.0.0.1"}


async def test_deleting_the_session_ends_it_with_200() -> None:
    async with served() as here, a_publisher() as (publisher, offer):
        answer = await here.post(offer)
        await publisher.accept(answer.text)
        await here.items[StreamId("call")].recv()
        where = answer.headers["location"]
        assert (await here.web.delete(where)).status_code == 200
        assert (await here.web.delete(where)).status_code == 404
        while (HealthState.RETRYING, "the publisher left") not in here.reports[StreamId("call")]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
async def test_other_methods_of_the_endpoint_are_kept_for_later(method: str) -> None:
    """4.2: GET, HEAD and PUT are kept for later and answered with 405."""
    async with served() as here:
        answer = await here.web.request(method, "/whip/call")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST"])
async def test_other_methods_of_a_session_are_kept_for_later(method: str) -> None:
    async with served() as here, a_publisher() as (_, offer):
        where = (await here.post(offer)).headers["location"]
        answer = await here.web.request(method, where)
        assert answer.status_code == 405
        assert answer.headers["allow"] == "OPTIONS, PATCH, DELETE"


async def test_what_is_no_offer_is_refused_by_kind() -> None:
    async with served() as here, a_publisher() as (_, offer):
        assert (await here.web.post("/whip/call", content=offer)).status_code == 415
        assert (await here.post("hello")).status_code == 400
        assert (await here.web.post("/whip/call", content=b"\xff", headers=SDP)).status_code == 400
        unknown = await here.post(offer.replace("VP8/90000", "AV1/90000"))
        assert unknown.status_code == 422
        assert "no codec of the offer can be received" in unknown.json()["detail"]
        assert (await here.post(offer, stream="nobody")).status_code == 404
        large = await here.post("v=0\n" + "a" * MAX_BODY_BYTES)
        assert large.status_code == 413


async def test_a_stream_that_is_taken_is_refused_where_the_rules_say_so() -> None:
    async with served(when_taken="refuse") as here, a_publisher() as (_, offer):
        assert (await here.post(offer)).status_code == 201
        async with a_publisher() as (_, second):
            answer = await here.post(second)
        assert answer.status_code == 409
        assert int(answer.headers["retry-after"]) > 0


async def test_a_stream_that_is_not_watched_yet_says_when_to_try_again() -> None:
    source = WebRtcConfig().build(StreamId("call"))
    assert isinstance(source, WebRtcSource)
    server = ServerConfig(port=0)
    async with ScriptedMonitor([]) as monitor, a_publisher() as (_, offer):
        whip = Whip([source], [], token=None)
        app = build_app(monitor, monitor.hub, Metrics(), server, publishing=whip)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as web:
            answer = await web.post("/whip/call", content=offer, headers=SDP)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


# --- 4.3: ICE: trickle and restarts --------------------------------------------------------------


async def test_candidates_are_trickled_under_the_etag() -> None:
    async with served() as here, a_publisher() as (publisher, offer):
        bare = "\r\n".join(
            line for line in offer.splitlines() if not line.startswith("a=candidate")
        )
        answer = await here.post(bare + "\r\n")
        assert answer.status_code == 201
        found = [line for line in offer.splitlines() if line.startswith("a=candidate")]
        trickled = await here.web.patch(
            answer.headers["location"],
            content=fragment(offer, candidate=found[0]),
            headers={**FRAGMENT, "If-Match": answer.headers["etag"]},
        )
        assert trickled.status_code == 204
        assert trickled.content == b""
        await publisher.accept(answer.text)
        assert await here.items[StreamId("call")].recv()


async def test_a_fragment_needs_the_etag_of_its_session() -> None:
    async with served() as here, a_publisher() as (_, offer):
        answer = await here.post(offer)
        where, body = answer.headers["location"], fragment(offer)

        async def patch(content: str, **headers: str) -> int:
            sent = {**FRAGMENT, **headers}
            return (await here.web.patch(where, content=content, headers=sent)).status_code

        tag = {"If-Match": answer.headers["etag"]}
        assert await patch(body) == 428
        assert await patch(body, **{"If-Match": '"another"'}) == 412
        assert await patch(body, **tag, **SDP) == 415
        assert await patch("nonsense", **tag) == 400
        assert await patch(body, **tag) == 204
        assert (await here.web.patch("/whip/call/none", content=body)).status_code == 404


async def test_an_ice_restart_is_refused_with_422_and_the_session_goes_on() -> None:
    """4.3.1: where only one of trickling and restarting is done, the other is answered with 422;
    4.3.3: a restart that fails does not end the session.
    """
    async with served() as here, a_publisher() as (publisher, offer):
        answer = await here.post(offer)
        await publisher.accept(answer.text)
        where, tag = answer.headers["location"], answer.headers["etag"]
        for match, body in (("*", fragment(offer)), (tag, fragment(offer, ufrag="WXYZ"))):
            refused = await here.web.patch(
                where, content=body, headers={**FRAGMENT, "If-Match": match}
            )
            assert refused.status_code == 422
            assert "DELETE the session" in refused.json()["detail"]
        assert await here.items[StreamId("call")].recv()


# --- 4.1, 4.6, 4.7: browsers, servers, tokens ----------------------------------------------------


async def test_a_preflight_needs_no_token_and_says_what_may_be_sent() -> None:
    async with served(server_token=OTHER, origins=(SITE,)) as here:
        asked = {
            "Origin": SITE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = await here.web.options("/whip/call", headers=asked)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == SITE
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        assert answer.headers["accept-post"] == "application/sdp"
        session = await here.web.options("/whip/call/any", headers=asked)
        assert "PATCH, DELETE" in session.headers["access-control-allow-methods"]
        assert session.headers["accept-patch"] == "application/trickle-ice-sdpfrag"


async def test_an_allowed_page_can_read_where_its_session_is() -> None:
    async with served(origins=(SITE,)) as here, a_publisher() as (_, offer):
        answer = await here.post(offer, Origin=SITE)
        assert answer.status_code == 201
        exposed = answer.headers["access-control-expose-headers"]
        assert {"Location", "ETag", "Link"} <= {name.strip() for name in exposed.split(",")}
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
async def test_pages_of_other_sites_may_not_publish(method: str) -> None:
    async with served() as here, a_publisher() as (_, offer):
        sent = {**SDP, "Origin": "https://evil.example"}
        answer = await here.web.request(method, "/whip/call", content=offer, headers=sent)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


async def test_a_stream_of_its_own_token_takes_that_and_no_other() -> None:
    async with served(server_token=OTHER, token=TOKEN) as here, a_publisher() as (_, offer):
        for header in ({}, {"Authorization": f"Bearer {OTHER}"}):
            refused = await here.post(offer, **header)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")
        shown = {"Authorization": f"Bearer {TOKEN}"}
        answer = await here.post(offer, **shown)
        assert answer.status_code == 201
        where = answer.headers["location"]
        assert (await here.web.delete(where)).status_code == 401
        assert (await here.web.delete(where, headers=shown)).status_code == 200


async def test_without_one_the_servers_token_is_asked_for() -> None:
    async with served(server_token=OTHER) as here, a_publisher() as (_, offer):
        assert (await here.post(offer)).status_code == 401
        assert (await here.post(offer, stream="nobody")).status_code == 401, "names are not told"
        answer = await here.post(offer, Authorization=f"Bearer {OTHER}")
        assert answer.status_code == 201


async def test_ice_servers_are_told_to_those_who_may_publish_and_to_nobody_else() -> None:
    servers = [
        {"url": "stun:127.0.0.1:9"},
        {"url": "turn:127.0.0.1:9?transport=udp", "username": "bob", "credential": "s3cret"},
    ]
    async with served(ice_servers=servers) as here, a_publisher() as (_, offer):
        told = (await here.post(offer)).headers.get_list("link")
        assert told == [
            '<stun:127.0.0.1:9>; rel="ice-server"',
            '<turn:127.0.0.1:9?transport=udp>; rel="ice-server"; username="bob"; '
            'credential="s3cret"; credential-type="password"',
        ]
        assert "link" not in (await here.web.options("/whip/call")).headers


# --- streams of any name -------------------------------------------------------------------------


async def test_streams_of_any_name_come_and_go_up_to_a_number() -> None:
    async with served(admits=2, linger_s=0.3) as here, AsyncExitStack() as stack:
        where = []
        for name in ("ann", "bob"):
            publisher, offer = await stack.enter_async_context(a_publisher())
            answer = await here.post(offer, stream=name)
            assert answer.status_code == 201, answer.text
            await publisher.accept(answer.text)
            where.append(answer.headers["location"])
            assert await here.items[StreamId(name)].recv()
        _, offer = await stack.enter_async_context(a_publisher())
        full = await here.post(offer, stream="eve")
        assert full.status_code == 503
        assert "no more streams" in full.json()["detail"]
        assert (await here.web.delete(where[0])).status_code == 200
        while StreamId("ann") not in here.ended:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert (await here.post(offer, stream="eve")).status_code == 201
        assert here.ended == ["ann"]


@pytest.mark.parametrize("name", ["..", "a%20b", "x" * 65, "%2e%2e%2fetc", "ann%0A"])
async def test_only_names_are_admitted(name: str) -> None:
    async with served(admits=2) as here, a_publisher() as (_, offer):
        assert (await here.post(offer, stream=name)).status_code in {404, 405}
        assert here.items == {}


@pytest.mark.parametrize("name", ["phone", "phone.CA1.inbound"])
async def test_nobody_publishes_what_would_pass_for_a_call(name: str) -> None:
    phone = PhoneConfig.model_validate(
        {"provider": "twilio", "auth_token": "a" * 32, "public_url": "wss://example.org/calls"}
    )
    line = phone.build(StreamId("phone"))
    async with served(admits=2, beside=[line]) as here, a_publisher() as (_, offer):
        assert (await here.post(offer, stream=name)).status_code == 404
        assert (await here.post(offer, stream="phones.x")).status_code == 201
        assert set(here.items) == {"phones.x"}


# --- hostile offers ------------------------------------------------------------------------------


async def test_no_offer_that_is_cut_or_changed_does_more_than_be_refused() -> None:
    async with served() as here, a_publisher() as (_, offer):
        lines = offer.splitlines()
        for at in range(0, len(lines), 2):
            for changed in (
                [*lines[:at], *lines[at + 1 :]],
                [*lines[:at], lines[at][: len(lines[at]) // 2], *lines[at + 1 :]],
                [*lines[:at], lines[at] + " \x00ÿ 99999999999999999999", *lines[at + 1 :]],
            ):
                answer = await here.post("\r\n".join(changed) + "\r\n")
                assert answer.status_code in {201, 400, 422}, (answer.status_code, changed[at])
