"""WHEP as draft-ietf-wish-whep-03 has it, asked over a real socket; each test names what holds
us to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
from aioice import stun

from streammon.core.types import HealthState
from streammon.ingest.webrtc import tap
from streammon.server.guard import MAX_BODY_BYTES
from tests.browser.scripted_monitor import AUDIO, TEXT, VIDEO, stream_view
from tests.watchers import Watcher, watching
from tests.whep_server import CALL, SDP, shown

TOKEN, OTHER = "watch-t0ken", "server-t0ken"
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
SITE = "https://desk.example.org"


@asynccontextmanager
async def a_watcher(**wishes: object) -> AsyncGenerator[tuple[Watcher, str]]:
    """A viewer who has not asked yet, and its offer."""
    watcher = Watcher(**wishes)  # type: ignore[arg-type]
    try:
        yield watcher, await watcher.offer()
    finally:
        await watcher.peer.close()


def fragment(offer: str, *, candidate: str = "", ufrag: str | None = None) -> str:
    lines = [line for line in offer.splitlines() if line.startswith(("a=ice-ufrag", "a=ice-pwd"))]
    said = [lines[0] if ufrag is None else f"a=ice-ufrag:{ufrag}", lines[1]]
    return "\r\n".join([*said, "m=video 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", candidate, ""])


# --- playback session set up ---------------------------------------------------------------------


async def test_an_offer_is_created_as_a_session_with_all_that_there_is_to_say() -> None:
    async with shown() as here, a_watcher() as (_, offer):
        answer = await here.post(offer)
        assert answer.status_code == 201
        assert answer.headers["content-type"] == "application/sdp"
        assert answer.headers["location"].startswith("/whep/call/")
        assert answer.headers["etag"].startswith('"'), "strong"
        lines = answer.text.splitlines()
        assert lines.count("a=sendonly") == 2, "the endpoint MUST use sendonly"
        assert lines.count("a=rtcp-mux-only") == 2
        streams = {line.split()[0] for line in lines if line.startswith("a=msid:")}
        assert len(streams) == 1, "a single MediaStream: every msid has the same value"
        candidates = [line for line in lines if line.startswith("a=candidate:")]
        assert {line.split(" ")[4] for line in candidates} == {"127.0.0.1"}


async def test_a_viewer_may_offer_to_send_too_and_is_sent_to() -> None:
    async with shown(film=False) as here, a_watcher(direction="sendrecv") as (_, offer):
        answer = await here.post(offer)
        assert answer.status_code == 201
        assert answer.text.splitlines().count("a=sendonly") == 2


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_a_viewer_that_wants_nothing_is_refused(direction: str) -> None:
    async with shown(film=False) as here, a_watcher(direction=direction) as (_, offer):
        answer = await here.post(offer)
        assert answer.status_code == 422
        assert "viewers are recvonly" in answer.json()["detail"]


async def test_what_is_no_offer_is_refused_by_kind() -> None:
    async with shown(film=False) as here, a_watcher() as (_, offer):
        assert (await here.web.post("/whep/call", content=offer)).status_code == 415
        assert (await here.post("hello")).status_code == 400
        assert (await here.web.post("/whep/call", content=b"\xff", headers=SDP)).status_code == 400
        assert (await here.post("v=0\n" + "a" * MAX_BODY_BYTES)).status_code == 413
        assert here.audience.viewers() == {}, "nothing is kept of what was refused"


async def test_what_is_not_sent_is_declined_and_nothing_at_all_is_refused() -> None:
    async with shown(film=False, modalities=[AUDIO]) as here:
        async with a_watcher() as (_, offer):
            answer = await here.post(offer)
            assert answer.status_code == 201
            video = answer.text[answer.text.index("m=video") :]
            assert "a=inactive" in video.split("m=audio")[0]
        async with a_watcher(kinds=["video"]) as (_, offer):
            assert (await here.post(offer)).status_code == 422
    async with shown(film=False) as here, a_watcher() as (_, offer):
        answer = await here.post(offer.replace("H264/90000", "AV1/90000").replace("VP8", "VP9"))
        assert answer.status_code == 422
        assert here.audience.viewers() == {}


async def test_streams_without_a_picture_or_sound_and_unknown_ones_are_not_there() -> None:
    async with shown(views=[stream_view("chat", TEXT)]) as here, a_watcher() as (_, offer):
        for stream in ("chat", "nobody", "x" * 200):
            assert (await here.post(offer, stream=stream)).status_code == 404


async def test_a_stream_that_gives_nothing_yet_says_when_to_try_again() -> None:
    """409 with Retry-After, where a live publisher is required."""
    waiting = "waiting for a publisher at /whip/call"
    state = HealthState.STARTING
    async with (
        shown(film=False, state=state, cause=waiting) as here,
        a_watcher() as (_, offer),
    ):
        answer = await here.post(offer)
        assert answer.status_code == 409
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["detail"] == waiting
        here.monitor.change_health(CALL, HealthState.UP)
        assert (await here.post(offer)).status_code == 201


async def test_one_viewer_more_than_may_watch_is_told_to_try_later() -> None:
    others = [stream_view("second", VIDEO)]
    async with (
        shown(film=False, views=others, viewers=1, streams=1) as here,
        a_watcher() as (_, first),
        a_watcher() as (_, second),
    ):
        taken = await here.post(first)
        assert taken.status_code == 201
        for stream in (CALL, "second"):
            answer = await here.post(second, stream=stream)
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
        await here.web.delete(taken.headers["location"])
        assert (await here.post(second, stream="second")).status_code == 201


# --- termination ---------------------------------------------------------------------------------


async def test_deleting_the_session_ends_it_with_200() -> None:
    async with shown() as here:
        places: list[str] = []

        async def post(offer: str) -> str:
            answer = await here.post(offer)
            places.append(answer.headers["location"])
            return answer.text

        async with watching(post) as watcher:
            await watcher.until(lambda: len(watcher.seen) > 2)
            stranger = {"If-Match": '"another"'}
            gone = await here.web.delete(places[0], headers=stranger)
            assert gone.status_code == 200, "an entity-tag is ignored here"
            assert (await here.web.delete(places[0])).status_code == 404
            await watcher.ended()
        assert here.audience.viewers() == {}


# --- methods, other sites, tokens ----------------------------------------------------------------


async def test_there_is_nothing_to_get() -> None:
    """GET: a successful response without content; HEAD likewise."""
    async with shown(film=False) as here, a_watcher() as (_, offer):
        where = (await here.post(offer)).headers["location"]
        for path in ("/whep/call", where):
            for method in ("GET", "HEAD"):
                answer = await here.web.request(method, path)
                assert (answer.status_code, answer.content) == (204, b"")
        assert (await here.web.get("/whep/call/nobody")).status_code == 404


async def test_other_methods_are_answered_with_405() -> None:
    async with shown(film=False) as here, a_watcher() as (_, offer):
        where = (await here.post(offer)).headers["location"]
        for path, methods, allow in (
            ("/whep/call", ("PUT", "PATCH", "DELETE"), "OPTIONS, GET, HEAD, POST"),
            (where, ("PUT", "POST"), "OPTIONS, GET, HEAD, PATCH, DELETE"),
        ):
            for method in methods:
                answer = await here.web.request(method, path)
                assert answer.status_code == 405
                assert answer.headers["allow"] == allow


async def test_options_tell_what_is_taken_with_200_and_without_a_token() -> None:
    async with shown(film=False, token=TOKEN, origins=[SITE]) as here:
        asked = {
            "Origin": SITE,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type",
        }
        answer = await here.web.options("/whep/call", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["accept-post"] == "application/sdp"
        assert answer.headers["access-control-allow-origin"] == SITE
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        other = await here.web.options("/whep/call", headers={**asked, "Origin": "https://x.org"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


async def test_pages_of_a_site_that_is_let_in_may_read_where_the_session_is() -> None:
    async with shown(film=False, origins=[SITE]) as here, a_watcher() as (_, offer):
        answer = await here.post(offer, origin=SITE)
        assert answer.status_code == 201
        assert answer.headers["access-control-allow-origin"] == SITE
        exposed = answer.headers["access-control-expose-headers"]
        assert all(name in exposed for name in ("Location", "ETag", "Link"))
        assert (await here.post(offer, origin="https://x.org")).status_code == 403


@pytest.mark.parametrize(("own", "right", "wrong"), [(TOKEN, TOKEN, OTHER), (None, OTHER, TOKEN)])
async def test_viewers_show_a_token_of_their_own_or_the_servers(
    own: str | None, right: str, wrong: str
) -> None:
    async with shown(film=False, server_token=OTHER, token=own) as here, a_watcher() as (_, offer):
        for headers in ({}, {"authorization": f"Bearer {wrong}"}, {"authorization": "Bearer"}):
            answer = await here.post(offer, **headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        allowed = {"authorization": f"Bearer {right}"}
        taken = await here.post(offer, **allowed)
        assert taken.status_code == 201
        where = taken.headers["location"]
        assert (await here.web.delete(where)).status_code == 401
        assert (await here.web.get(where)).status_code == 401
        assert (await here.web.delete(where, headers=allowed)).status_code == 200


class Stun(asyncio.DatagramProtocol):
    """Tells whoever asks which address it came from (RFC 8489)."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        asked = stun.parse_message(data)
        told = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, asked.transaction_id)
        told.attributes["XOR-MAPPED-ADDRESS"] = addr
        self._transport.sendto(bytes(told), addr)


async def test_servers_between_us_are_told_to_those_who_may_watch() -> None:
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Stun, local_addr=("127.0.0.1", 0))
    url = f"stun:127.0.0.1:{server.get_extra_info('sockname')[1]}"
    async with (
        shown(film=False, token=TOKEN, ice_servers=[{"url": url}]) as here,
        a_watcher() as (_, offer),
    ):
        refused = await here.post(offer)
        assert refused.status_code == 401
        assert "link" not in refused.headers
        assert "link" not in (await here.web.options("/whep/call")).headers
        answer = await here.post(offer, authorization=f"Bearer {TOKEN}")
        assert answer.headers["link"] == f'<{url}>; rel="ice-server"'
    server.close()


# --- ICE: trickle and restarts -------------------------------------------------------------------


async def test_candidates_are_trickled_under_the_etag_and_restarts_refused() -> None:
    async with shown(film=False) as here, a_watcher() as (_, offer):
        answer = await here.post(offer)
        where, tag = answer.headers["location"], answer.headers["etag"]
        body = fragment(offer, candidate="a=candidate:1 1 udp 1 127.0.0.1 9 typ host")

        async def patch(body: str, **headers: str) -> int:
            told = {**FRAGMENT, **{name.replace("_", "-"): one for name, one in headers.items()}}
            return (await here.web.patch(where, content=body, headers=told)).status_code

        taken = await here.web.patch(where, content=body, headers={**FRAGMENT, "If-Match": tag})
        assert taken.status_code == 204
        assert "etag" not in taken.headers
        assert await patch(body) == 428
        assert await patch(body, If_Match='"another"') == 412
        assert await patch(body, If_Match="*") == 422
        assert await patch(fragment(offer, ufrag="new1"), If_Match=tag) == 422
        assert await patch("nothing", If_Match=tag) == 400
        assert await patch(body, If_Match=tag, Content_Type="application/sdp") == 415
        assert (await here.web.get(where)).status_code == 204, "the session goes on"


async def test_a_viewer_that_never_connects_is_let_go_of() -> None:
    async with shown(film=False, connect_timeout_s=0.3) as here, a_watcher() as (_, offer):
        assert (await here.post(offer)).status_code == 201
        while here.audience.viewers() or here.attention.interval_s(CALL):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


# --- without aiortc ------------------------------------------------------------------------------


async def test_without_aiortc_501_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(tap, "version", version)
    async with shown(film=False) as here:
        for method in ("OPTIONS", "GET", "POST"):
            answer = await here.web.request(method, "/whep/call", headers=SDP)
            assert answer.status_code == 501
        assert "pip install" in answer.json()["detail"]
