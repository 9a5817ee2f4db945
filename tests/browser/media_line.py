"""A line for a browser's media as well as for its requests: cut, nothing at all comes through."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from types import TracebackType

from tests.browser.proxy import Line

CANDIDATE = re.compile(rb"(?<= udp )(\d+ [0-9a-f.:]+) (\d{5})(?= typ host)")
"""Ports have five digits on both sides, so that the length of what is passed on stays the same."""
NOBODY = b"00009"
"""The port to which the server is told to send: it learns the line's own from what comes."""


class _Port(asyncio.DatagramProtocol):
    """A UDP port. `got(data, sender)` with what comes."""

    def __init__(self, got: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._got = got

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._got(data, addr)

    def error_received(self, exc: Exception) -> None:
        """The other side has closed its port: that is what networks are like."""


class MediaLine(Line):
    """A `Line` that puts ports of its own in place of those that the server answers with."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.datagrams = 0
        """How many came through in either direction."""
        self._ports: dict[bytes, bytes] = {}
        self._transports: list[asyncio.DatagramTransport] = []

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await super().__aexit__(kind, error, traceback)
        for transport in self._transports:
            transport.close()

    async def asked(self, said: bytes) -> bytes:
        return CANDIDATE.sub(lambda one: one[1] + b" " + NOBODY, said)

    async def heard(self, said: bytes) -> bytes:
        for _, port in CANDIDATE.findall(said):
            if port not in self._ports:
                self._ports[port] = await self._relay(int(port))
        return CANDIDATE.sub(lambda one: one[1] + b" " + self._ports[one[2]], said)

    async def _relay(self, port: int) -> bytes:
        """A port from which datagrams go to the server's, and back to who sent the last one."""
        loop = asyncio.get_running_loop()
        browser: tuple[str, int] | None = None

        def to_server(data: bytes, sender: tuple[str, int]) -> None:
            nonlocal browser
            if not self.is_cut:
                browser = sender
                self.datagrams += 1
                there.sendto(data)

        def to_browser(data: bytes, sender: tuple[str, int]) -> None:
            if not self.is_cut and browser is not None:
                self.datagrams += 1
                here.sendto(data, browser)

        there, _ = await loop.create_datagram_endpoint(
            lambda: _Port(to_browser), remote_addr=("127.0.0.1", port)
        )
        here, _ = await loop.create_datagram_endpoint(
            lambda: _Port(to_server), local_addr=("127.0.0.1", 0)
        )
        self._transports += [there, here]
        return str(here.get_extra_info("sockname")[1]).encode()
