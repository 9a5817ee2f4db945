"""A WebSocket to a platform, JSON both ways: connected, read with a deadline, closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from streammon.core.errors import Retryable
from streammon.ingest.chat.causes import why_lost
from streammon.ingest.chat.web_api import Fields, fields_of, private_url

OPEN_S = 10.0
CLOSE_S = 0.5
MOST_BYTES = 8 * 2**20
ABNORMAL = 1006
"""What a connection that was lost without a word is said to have been closed with."""


class LineClosed(Retryable):
    """The platform closed the connection, or it was lost."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"{name} closed the connection ({code})")
        self.code = code


class Line:
    """One open WebSocket. For one reader; whoever has it closes it."""

    def __init__(self, name: str, connection: ClientConnection) -> None:
        self._name = name
        self._connection = connection

    @classmethod
    async def connected(
        cls, name: str, url: str, *, worked_before: bool, ping_s: float | None = None
    ) -> Line:
        """`ping_s`: ping so often, and take who does not answer for dead; unset: the platform has
        its own way. Raises `Retryable`, or `Permanent` for a certificate that was never good.
        """
        try:
            private_url(url, "wss")
        except ValueError:
            raise Retryable(f"{name} named an address that is not wss://") from None
        try:
            async with asyncio.timeout(OPEN_S):
                connection = await connect(
                    url,
                    proxy=None,
                    open_timeout=None,
                    close_timeout=CLOSE_S,
                    ping_interval=ping_s,
                    ping_timeout=ping_s,
                    max_size=MOST_BYTES,
                )
        except InvalidStatus as error:
            raise Retryable(f"{name} answered {error.response.status_code}") from None
        except (InvalidHandshake, InvalidURI) as error:
            raise Retryable(f"{name}: no WebSocket there: {type(error).__name__}") from None
        except OSError as error:  # also what ran out of time
            why = why_lost(error, worked_before=worked_before)
            raise type(why)(f"{name}: {why}") from None
        return cls(name, connection)

    async def receive(self, within_s: float | None) -> Fields:
        """The next message; an empty one for what is not a JSON object.

        Raises `LineClosed`, and `Retryable` when nothing comes `within_s`.
        """
        try:
            async with asyncio.timeout(within_s):
                return fields_of(await self._connection.recv())
        except TimeoutError:
            raise Retryable(f"{self._name} fell silent for {within_s:g} s") from None
        except ConnectionClosed as error:
            raise self._closed(error) from None

    async def send(self, message: object) -> None:
        """Raises `LineClosed`."""
        try:
            await self._connection.send(json.dumps(message))
        except ConnectionClosed as error:
            raise self._closed(error) from None

    async def until(self, wanted: Callable[[Fields], bool], *, within_s: float) -> Fields:
        """The first message that is wanted; others are passed over. Raises as `receive`."""
        try:
            async with asyncio.timeout(within_s):
                while not wanted(message := await self.receive(None)):
                    pass
        except TimeoutError:
            raise Retryable(f"{self._name} gave no greeting within {within_s:g} s") from None
        return message

    async def close(self, code: int = 1000) -> None:
        """Close it; nothing happens when it is closed already."""
        await self._connection.close(code)

    def _closed(self, error: ConnectionClosed) -> LineClosed:
        return LineClosed(self._name, error.rcvd.code if error.rcvd else ABNORMAL)
