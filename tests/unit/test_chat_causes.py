"""What went wrong with a chat server, in words and without anything of its own."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest

from streammon.core.errors import Permanent, Retryable
from streammon.ingest.chat.causes import in_words, login_refused, why_lost, within


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "hunter2")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ssl.SSLError(1, "hunter2"), "TLS"),
        (ConnectionAbortedError("hunter2"), "TLS"),
        (socket.gaierror(-2, "hunter2"), "host not found"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "hunter2"), "is the server running"),
        (TimeoutError("hunter2"), "no answer"),
        (OSError(errno.ENETUNREACH, "hunter2"), "check the network"),
        (ConnectionResetError(errno.ECONNRESET, "hunter2"), "connection lost"),
        (OSError("Multiple exceptions: hunter2"), "no address of it answers"),
    ],
)
def test_each_failure_of_a_socket_is_named_and_tried_again(error: OSError, words: str) -> None:
    cause = why_lost(error, worked_before=False)
    assert isinstance(cause, Retryable)
    assert words in str(cause)
    assert "hunter2" not in str(cause)


def test_a_certificate_that_was_never_trusted_needs_a_person() -> None:
    cause = why_lost(untrusted(), worked_before=False)
    assert isinstance(cause, Permanent)
    assert "self-signed certificate" in str(cause)
    assert isinstance(why_lost(untrusted(), worked_before=True), Retryable)


def test_a_login_that_worked_before_is_tried_again() -> None:
    assert isinstance(login_refused("no", worked_before=True), Retryable)
    assert isinstance(login_refused("no", worked_before=False), Permanent)


async def test_errors_come_out_in_words() -> None:
    with pytest.raises(Retryable, match="is the server running"):
        async with in_words(worked_before=False):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "hunter2")


async def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(Retryable, match="no welcome"):
        async with within(0.01, "no welcome"):
            await asyncio.Event().wait()
