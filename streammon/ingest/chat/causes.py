"""Why a chat server cannot be reached or was lost, in words a person can act on.

Texts of libraries and servers may hold URLs with tokens or names, so none of them is passed on.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from streammon.core.errors import Permanent, Retryable, StreammonError

UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN}
LOST = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.EIO}


def why_lost(error: OSError, *, worked_before: bool) -> StreammonError:
    """The failure to raise for an error of a socket: resolving, connecting, TLS, reading, writing.

    A certificate that is not to be trusted needs a person, unless it was trusted before.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = f"the server's certificate is not to be trusted: {error.verify_message}"
        return Retryable(cause) if worked_before else Permanent(f"{cause}; see the TLS settings")
    # asyncio gives up a handshake that is not answered with an error without a number
    unanswered = isinstance(error, ConnectionAbortedError) and error.errno is None
    if unanswered or isinstance(error, ssl.SSLError):
        return Retryable("no TLS with this server: check the port and that it speaks TLS there")
    if isinstance(error, socket.gaierror):
        return Retryable("host not found: check its name")
    if isinstance(error, ConnectionRefusedError):
        return Retryable("connection refused: is the server running?")
    if isinstance(error, TimeoutError):
        return Retryable("no answer from the server")
    if error.errno in UNREACHABLE:
        return Retryable("the host cannot be reached: check the network")
    if error.errno in LOST:
        return Retryable("connection lost")
    # asyncio puts the errors of several addresses into one without a number
    reason = os.strerror(error.errno) if error.errno else "no address of it answers"
    return Retryable(f"the server cannot be reached: {reason}")


def login_refused(cause: str, *, worked_before: bool) -> StreammonError:
    """A login that worked before is tried again: services that start up refuse everyone."""
    return Retryable(cause) if worked_before else Permanent(cause)


@asynccontextmanager
async def in_words(*, worked_before: bool) -> AsyncGenerator[None]:
    """Errors of sockets and TLS inside the block come out as `why_lost` has them."""
    try:
        yield
    except OSError as error:
        raise why_lost(error, worked_before=worked_before) from error


@asynccontextmanager
async def within(limit_s: float, cause: str) -> AsyncGenerator[None]:
    """The block has `limit_s`, else `Retryable` with the cause."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError as error:
        raise Retryable(cause) from error
