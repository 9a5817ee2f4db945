"""What went wrong with a stream, in words a person can act on.

FFmpeg's own texts carry the URL with its credentials, so none of them is passed on: causes are
written here, from the kind of the error alone.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import av

from streammon.core.errors import Permanent, Retryable, StreammonError
from streammon.core.files import why_not_there


class Place(StrEnum):
    """Where media come from; it decides what a failure means."""

    FILE = "file"
    NETWORK = "network"
    DEVICE = "device"
    PATTERN = "pattern"


LOGIN = (av.HTTPUnauthorizedError, av.HTTPForbiddenError)
UNPLUGGED = "the device stopped: is it still connected?"
UNREACHABLE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL}
LOST = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN, errno.EIO}

ANSWERS: tuple[tuple[type[Exception], str], ...] = (
    (ConnectionRefusedError, "connection refused: is the server running?"),
    (av.HTTPNotFoundError, "no such path on the server"),
    (av.HTTPServerError, "the server failed to answer (5xx)"),
    (av.HTTPError, "the server refused the request (4xx)"),
    (av.InvalidDataError, "the server sends something that is not a media stream"),
    (av.EOFError, "the server closed the connection"),
)


def why_not_opened(
    error: Exception,
    *,
    place: Place,
    url: str,
    waited_s: float,
    patience_s: float,
    worked_before: bool,
) -> StreammonError:
    """The failure to raise when `url` could not be opened after `waited_s` of `patience_s`.

    A file, a pattern or a login that is refused the first time needs a person: `Permanent`.
    A login that worked before is tried again, since a camera that starts up refuses everyone;
    so is everything else about a network or a device.
    """
    if place is Place.FILE:
        return _file(error, Path(url.removeprefix("file:")))
    if place is Place.PATTERN:
        return Permanent(f"the lavfi pattern cannot be run: {_reason(error)}")
    if place is Place.DEVICE:
        return _device(error)
    if isinstance(error, LOGIN):
        cause = "login refused: check user and password in the URL"
        return Retryable(cause) if worked_before else Permanent(cause)
    # FFmpeg reports some timeouts as invalid data.
    if waited_s >= patience_s or isinstance(error, av.ExitError | TimeoutError):
        return Retryable(f"no answer from the server for {patience_s:g} s")
    return _network(error, url)


def why_ended(place: Place) -> StreammonError:
    """The failure to raise when something that has no end came to one."""
    if place is Place.NETWORK:
        return Retryable("the server ended the stream")
    return Retryable(UNPLUGGED)


def why_interrupted(error: Exception, *, place: Place, silent_s: float) -> StreammonError:
    """The failure to raise when a stream that was open cannot be read any further."""
    if isinstance(error, av.ExitError | TimeoutError):
        return Retryable(f"no packets for {silent_s:g} s")
    if place is Place.DEVICE:
        return Retryable(UNPLUGGED)
    number = getattr(error, "errno", None)
    if number in LOST:
        return Retryable("connection lost")
    if isinstance(error, av.InvalidDataError):
        return Retryable("the server sends something that is not a media stream")
    return Retryable(f"reading failed: {_reason(error)}")


def _file(error: Exception, path: Path) -> StreammonError:
    if isinstance(error, FileNotFoundError):
        return Permanent("no such file")
    if isinstance(error, PermissionError):
        return Permanent("the file may not be read: check its permissions")
    if why := why_not_there(path):
        return Permanent(why)
    if path.is_dir():
        return Permanent("it is a folder, not a file")
    if path.is_file() and path.stat().st_size == 0:
        return Permanent("the file is empty")
    if isinstance(error, av.InvalidDataError | av.EOFError):
        return Permanent("not a media file, or one that was cut short")
    return Permanent(f"the file cannot be read: {_reason(error)}")


def _device(error: Exception) -> StreammonError:
    number = getattr(error, "errno", None)
    if number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return Retryable("device not found: is it connected?")
    if number == errno.EBUSY:
        return Retryable("device busy: another program uses it")
    if number in {errno.EACCES, errno.EPERM}:
        return Permanent("the device may not be read: add the user to the group `video`")
    if number in {errno.EINVAL, errno.ENOTTY}:
        return Permanent("the device does not offer this size, rate or format")
    return Retryable(f"the device cannot be opened: {_reason(error)}")


def _network(error: Exception, url: str) -> StreammonError:
    if isinstance(error, av.ProtocolNotFoundError):
        return Permanent("the FFmpeg inside PyAV was built without this protocol")
    for kinds, cause in ANSWERS:
        if isinstance(error, kinds):
            return Retryable(cause)
    number = getattr(error, "errno", None)
    if number == errno.EPROTONOSUPPORT:
        return Permanent("the server refuses this RTSP transport: set transport: udp (or tcp)")
    if number in UNREACHABLE:
        return Retryable("the host cannot be reached: check the network")
    if not _resolves(url):
        return Retryable("host not found: check the name in the URL")
    if number in LOST:
        return Retryable("the server closed the connection")
    return Retryable(f"the stream cannot be opened: {_reason(error)}")


def _resolves(url: str) -> bool:
    """Whether the URL's host has an address; FFmpeg reports a missing one as an I/O error."""
    try:
        host = urlsplit(url).hostname
        return host is None or bool(socket.getaddrinfo(host, None))
    except (OSError, ValueError, UnicodeError):
        return False


def _reason(error: Exception) -> str:
    """The kind of the error in words; never its text, which holds the URL."""
    number = getattr(error, "errno", None)
    if isinstance(error, OSError) and number:
        return os.strerror(number)
    kind = type(error).__name__.removesuffix("Error")
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).lower()
