"""`/whip/{stream}`: publishers come in over HTTP (WHIP, RFC 9725); their media come over UDP.

An offer is answered with all that we will ever say: candidates are gathered before, so there is
nothing to trickle back. Publishers may trickle theirs. ICE restarts are not done here, and refused
as 4.3.1 has it, with the session going on.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from ipaddress import IPv6Address, ip_address
from typing import TypeAlias

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Admitting, Source
from streammon.core.types import StreamId
from streammon.ingest.webrtc.entrance import Entrance, Full
from streammon.ingest.webrtc.offer import (
    IceServer,
    Malformed,
    Unacceptable,
    read_fragment,
    read_offer,
)
from streammon.ingest.webrtc.session import Session
from streammon.ingest.webrtc.source import Door, NotOpen, Taken, WebRtcSource
from streammon.sections import NAME
from streammon.server.auth import bearer_allowed, cross_origin_allowed

PREFIX = "/whip/"
OFFER, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
RETRY_AFTER_S = 2
PREFLIGHT_KEPT_S = 600
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
EXPOSED = "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After"
TAKEN_BY_HEADERS = "Authorization, Content-Type, If-Match"

NO_RESTART = "ICE restarts are not done here: DELETE the session and POST a new offer"


_Answer: TypeAlias = Callable[[Request, Door], Awaitable[Response]]


class Refusal(Exception):
    """An answer that ends a request."""

    def __init__(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.response = JSONResponse({"detail": why}, status_code=status, headers=headers)


class Whip:
    """Every stream that may be published to, over HTTP. On the event loop only."""

    def __init__(
        self,
        sources: Iterable[Source],
        entrances: Iterable[Admitting],
        *,
        token: SecretStr | None,
    ) -> None:
        """`token`: the server's own, for streams that have none."""
        known = {item.stream: item for item in sources}
        self._named = {name: item for name, item in known.items() if isinstance(item, WebRtcSource)}
        self._taken = frozenset(known)
        self._entrances = tuple(item for item in entrances if isinstance(item, Entrance))
        self._token = token

    def routes(self) -> list[Route]:
        """The endpoints of streams and of sessions; every method is answered here."""
        name = "{stream:str}"
        return [
            Route(f"{PREFIX}{name}", self._endpoint, methods=METHODS, name="whip"),
            Route(
                f"{PREFIX}{name}/{{session:str}}", self._session, methods=METHODS, name="session"
            ),
        ]

    # --- the two resources -----------------------------------------------------------------

    async def _endpoint(self, request: Request) -> Response:
        allowed = {"POST": self._publish}
        return await self._answer(request, allowed, {"Accept-Post": OFFER})

    async def _session(self, request: Request) -> Response:
        allowed = {"PATCH": self._trickle, "DELETE": self._leave}
        return await self._answer(request, allowed, {"Accept-Patch": FRAGMENT})

    async def _answer(
        self, request: Request, allowed: Mapping[str, _Answer], accepts: Mapping[str, str]
    ) -> Response:
        """Run the method that was asked for, if this door and this resource have it."""
        methods = ", ".join(("OPTIONS", *allowed))
        stream = request.path_params["stream"]
        door = self._door(stream)
        origin = request.headers.get("origin")
        fenced = not cross_origin_allowed(
            origin, request.headers.get("host"), sites=door.origins, open_to_all=self._guarded(door)
        )
        try:
            if fenced:
                raise Refusal(403, "pages of this site may not publish: see `origins`")
            if request.method == "OPTIONS":
                response = Response(status_code=204, headers={"Allow": methods, **accepts})
                response.headers.update(_preflight(request, methods))
            else:
                self._check_token(request, door)
                if request.method not in allowed:
                    raise Refusal(405, "this resource has no such method", {"Allow": methods})
                response = await allowed[request.method](request, door)
        except Refusal as refusal:
            response = refusal.response
        if origin is not None and not fenced:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
        response.headers["Vary"] = "Origin"
        return response

    async def _publish(self, request: Request, door: Door) -> Response:
        """`POST` an offer: 201 with the answer, and where the session is."""
        if _content_type(request) != OFFER:
            raise Refusal(415, f"an offer is {OFFER}", {"Accept-Post": OFFER})
        stream = StreamId(request.path_params["stream"])
        try:
            offer = read_offer(await _text(request))
            source = await self._source(stream)
            session, answer = await source.publish(
                offer, addresses=door.addresses or (_reached_at(request),)
            )
        except Malformed as error:
            raise Refusal(400, str(error)) from error
        except Unacceptable as error:
            raise Refusal(422, str(error)) from error
        except Taken:
            raise Refusal(409, "somebody publishes here already", _later()) from None
        except Full:
            raise Refusal(503, "no more streams are admitted now", _later()) from None
        except (NotOpen, Retryable) as error:
            raise Refusal(503, str(error) or "not ready to watch it yet", _later()) from None
        except Permanent as error:
            raise Refusal(500, str(error)) from error
        response = Response(answer, status_code=201, media_type=OFFER)
        response.headers["Location"] = f"{PREFIX}{stream}/{session.id}"
        response.headers["ETag"] = session.etag
        for server in door.ice_servers:
            response.headers.append("Link", _link(server))
        return response

    async def _trickle(self, request: Request, door: Door) -> Response:
        """`PATCH` candidates into a session: 204. An ICE restart: 422."""
        _, session = self._found(request)
        if _content_type(request) != FRAGMENT:
            raise Refusal(415, f"a fragment is {FRAGMENT}", {"Accept-Patch": FRAGMENT})
        wanted = request.headers.get("if-match")
        if wanted is None:
            raise Refusal(428, "say by If-Match which ETag the fragment is for")
        if wanted.strip() == "*":
            raise Refusal(422, NO_RESTART)
        if session.etag not in {tag.strip() for tag in wanted.split(",")}:
            raise Refusal(412, "the session has another ETag")
        try:
            fragment = read_fragment(await _text(request))
            if session.is_restart(fragment):
                raise Refusal(422, NO_RESTART)
            await session.trickle(fragment)
        except Malformed as error:
            raise Refusal(400, str(error)) from error
        return Response(status_code=204)

    async def _leave(self, request: Request, door: Door) -> Response:
        """`DELETE` the session: 200 once nothing of it is left."""
        source, session = self._found(request)
        await source.leave(session)
        return Response(status_code=200)

    # --- who and where ---------------------------------------------------------------------

    def _door(self, stream: str) -> Door:
        """The door of this stream, also for one that is not there: names are not given away."""
        named = self._named.get(StreamId(stream))
        if named is not None:
            return named.door
        return self._entrances[0].door if self._entrances else Door()

    async def _source(self, stream: StreamId) -> WebRtcSource:
        """The source of this name. Raises `Full`, `NotOpen`, or `Refusal` when there is none."""
        named = self._named.get(stream)
        if named is not None:
            return named
        if stream in self._taken or not self._entrances or not re.match(NAME, stream):
            raise Refusal(404, "no such stream")
        return await self._entrances[0].admit(stream)

    def _found(self, request: Request) -> tuple[WebRtcSource, Session]:
        stream = StreamId(request.path_params["stream"])
        places = [self._named, *(entrance.sources for entrance in self._entrances)]
        for place in places:
            source = place.get(stream)
            session = source.session(request.path_params["session"]) if source else None
            if source is not None and session is not None:
                return source, session
        raise Refusal(404, "no such session, or it has ended")

    def _guarded(self, door: Door) -> bool:
        """Whether a token is asked for, so that it does not matter whose page it is."""
        return "*" in door.origins and (door.token or self._token) is not None

    def _check_token(self, request: Request, door: Door) -> None:
        if not bearer_allowed(door.token or self._token, request.headers):
            challenge = {"WWW-Authenticate": 'Bearer realm="streammon"'}
            raise Refusal(401, "a bearer token is needed", challenge)


async def _text(request: Request) -> str:
    """The body, whose size was bounded before it came here."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _reached_at(request: Request) -> str:
    """The address of this machine that the publisher reached: media are to come there, too."""
    host = (request.scope.get("server") or ("",))[0]
    try:
        address = ip_address(host)
    except ValueError:
        return "127.0.0.1"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _preflight(request: Request, methods: str) -> dict[str, str]:
    """What a browser asks before it sends a page's request (Fetch, CORS preflight)."""
    if "access-control-request-method" not in request.headers:
        return {}
    told = {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": TAKEN_BY_HEADERS,
        "Access-Control-Max-Age": str(PREFLIGHT_KEPT_S),
    }
    if request.headers.get("access-control-request-private-network") == "true":
        told["Access-Control-Allow-Private-Network"] = "true"
    return told


def _later() -> dict[str, str]:
    return {"Retry-After": str(RETRY_AFTER_S)}


def _link(server: IceServer) -> str:
    """A STUN or TURN server as RFC 9725 4.6 writes it."""
    link = f'<{server.url}>; rel="ice-server"'
    if server.username:
        link += f'; username="{server.username}"; credential="{server.credential}"'
        link += '; credential-type="password"'
    return link
