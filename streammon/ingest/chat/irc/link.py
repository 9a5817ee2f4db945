"""The connection to an IRC server: sockets, TLS, lines in and out."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from streammon.core.errors import Permanent, Retryable
from streammon.ingest.chat.causes import in_words, why_lost, within
from streammon.ingest.chat.irc.line import MOST_BYTES, build
from streammon.ingest.chat.irc.settings import IrcSettings
from streammon.ingest.chat.lines import LineCutter

CONNECT_WITHIN_S = 15.0
HANDSHAKE_WITHIN_S = 10.0
CLOSE_WITHIN_S = 1.0
BLOCK_BYTES = 64 * 1024
MOST_UNSENT_BYTES = 256 * 1024
"""A server that does not read what it asked for is not waited for."""


class Link:
    """One connection. On the event loop only; timers are cancelled when it is left."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        worked_before: bool,
    ) -> None:
        self._reader = reader
        self._worked_before = worked_before
        self._writer = writer
        self._timers: set[asyncio.TimerHandle] = set()
        self.closed = False

    def send(self, command: str, *params: str) -> None:
        """Send one line, without waiting; nothing once the link is closed."""
        if self.closed or self._writer.is_closing():
            return
        self._writer.write(build(command, *params))
        if self._writer.transport.get_write_buffer_size() > MOST_UNSENT_BYTES:
            self._writer.transport.abort()  # the reader sees the end

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call this after so long, unless the link is left before."""

        def fire() -> None:
            self._timers.discard(timer)
            call()

        timer = asyncio.get_running_loop().call_later(delay_s, fire)
        self._timers.add(timer)

    def abort(self) -> None:
        """Whoever reads sees the end at once."""
        self._writer.transport.abort()

    async def lines(self, *, silent_s: float) -> AsyncGenerator[bytes | None]:
        """Every line as it comes, `None` for one that is too long; ends when the server does.

        Raises `Retryable` when it says nothing, though it was asked to.
        """
        cutter, asked = LineCutter(MOST_BYTES), False
        while True:
            try:
                async with asyncio.timeout(silent_s):
                    data = await self._reader.read(BLOCK_BYTES)
            except OSError as error:
                if not isinstance(error, TimeoutError):
                    raise why_lost(error, worked_before=self._worked_before) from error
                if asked:
                    cause = f"the server has said nothing for {2 * silent_s:g} s"
                    raise Retryable(cause) from None
                asked = True
                self.send("PING", "streammon")
                continue
            if not data:
                return
            asked = False
            for line in cutter.push(data):
                yield line

    async def close(self) -> None:
        """Say goodbye, and wait for the socket to be gone, though not for long."""
        for timer in self._timers:
            timer.cancel()
        self.send("QUIT", "streammon")
        self.closed = True
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    self._writer.close()
                    await self._writer.wait_closed()
        finally:
            self._writer.transport.abort()


@asynccontextmanager
async def linked(settings: IrcSettings, *, worked_before: bool) -> AsyncGenerator[Link]:
    """A connection for the block. Raises `Retryable` and `Permanent` with causes."""
    context = tls_context(settings) if settings.tls else None
    async with (
        in_words(worked_before=worked_before),
        within(CONNECT_WITHIN_S, f"no answer from the server for {CONNECT_WITHIN_S:g} s"),
    ):
        reader, writer = await asyncio.open_connection(
            settings.server,
            settings.port_used,
            ssl=context,
            server_hostname=settings.server if context else None,
            ssl_handshake_timeout=HANDSHAKE_WITHIN_S if context else None,
        )
    link = Link(reader, writer, worked_before=worked_before)
    try:
        yield link
    finally:
        await link.close()


def tls_context(settings: IrcSettings) -> ssl.SSLContext:
    """Raises `Permanent` for files that cannot be used."""
    context = ssl.create_default_context()
    if settings.tls_ca is not None:
        context = ssl.create_default_context(cafile=_readable("tls_ca", settings.tls_ca))
    if not settings.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.tls_certificate is not None:
        path = _readable("tls_certificate", settings.tls_certificate)
        try:
            context.load_cert_chain(path, password=lambda: "")
        except (ssl.SSLError, OSError) as error:
            raise Permanent(
                f"tls_certificate: {path}: not a PEM file with a certificate and its key, "
                "without a password"
            ) from error
    return context


def _readable(setting: str, path: Path) -> Path:
    """The path. Raises `Permanent` where it does not lead to PEM that can be read."""
    try:
        if "-----BEGIN " in path.read_text(errors="replace"):
            return path
    except OSError as error:
        raise Permanent(f"{setting}: {path}: cannot be read: {error.strerror}") from error
    raise Permanent(f"{setting}: {path}: not a PEM file")
