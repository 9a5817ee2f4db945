"""Every failure of a stream says what a person can do, and never a credential."""

from __future__ import annotations

import errno
from pathlib import Path

import av
import pytest

from streammon.core.errors import Permanent, Retryable, StreammonError
from streammon.ingest.causes import Place, why_interrupted, why_not_opened

SECRET = "s3cret-p4ssword"
URL = f"rtsp://bob:{SECRET}@127.0.0.1:554/live"
KINDS = [kind for kind in vars(av.error).values() if isinstance(kind, type)]
ERRORS = [
    kind(errno.EIO, f"broken: {URL}", URL) for kind in KINDS if issubclass(kind, av.FFmpegError)
] + [
    OSError(number, f"failed: {URL}", URL)
    for number in (errno.EIO, errno.EBUSY, errno.ENODEV, errno.EACCES, errno.ECONNRESET)
]


def opening(
    error: Exception,
    *,
    place: Place = Place.NETWORK,
    url: str = URL,
    waited_s: float = 0.1,
    worked_before: bool = False,
) -> StreammonError:
    return why_not_opened(
        error,
        place=place,
        url=url,
        waited_s=waited_s,
        patience_s=5.0,
        worked_before=worked_before,
    )


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", list(Place))
def test_no_cause_holds_a_credential_and_each_says_something(
    error: Exception, place: Place
) -> None:
    for failure in (
        opening(error, place=place),
        opening(error, place=place, waited_s=6.0),
        why_interrupted(error, place=place, silent_s=5.0),
    ):
        assert isinstance(failure, Retryable | Permanent)
        assert SECRET not in str(failure)
        assert "bob" not in str(failure)
        assert len(str(failure)) > 8


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (av.error.ConnectionRefusedError(111, "x"), "connection refused: is the server running?"),
        (av.error.HTTPNotFoundError(1, "x"), "no such path on the server"),
        (av.error.HTTPServerError(1, "x"), "the server failed to answer (5xx)"),
        (av.error.InvalidDataError(1, "x"), "something that is not a media stream"),
        (av.error.ExitError(1, "x"), "no answer from the server for 5 s"),
        (OSError(errno.EHOSTUNREACH, "x"), "the host cannot be reached"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_network_failure_is_tried_again(error: Exception, cause: str) -> None:
    failure = opening(error)
    assert isinstance(failure, Retryable)
    assert cause in str(failure)


def test_a_refused_login_needs_a_person_unless_it_worked_before() -> None:
    refused = av.error.HTTPUnauthorizedError(401, "x")
    first, later = opening(refused), opening(refused, worked_before=True)
    assert isinstance(first, Permanent)
    assert isinstance(later, Retryable)
    assert str(first) == str(later) == "login refused: check user and password in the URL"


def test_a_host_without_an_address_is_named_as_the_reason() -> None:
    failure = opening(OSError(errno.EIO, "x"), url="rtsp://bob:x@no-such-host.invalid/live")
    assert str(failure) == "host not found: check the name in the URL"


def test_a_file_that_is_missing_empty_or_a_folder_needs_a_person(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    cases = {
        "missing": "no such file",
        "empty": "the file is empty",
        ".": "it is a folder, not a file",
    }
    for name, cause in cases.items():
        error = FileNotFoundError(2, "x") if name == "missing" else av.error.EOFError(1, "x")
        failure = opening(error, place=Place.FILE, url=f"file:{tmp_path / name}")
        assert isinstance(failure, Permanent)
        assert str(failure) == cause


@pytest.mark.parametrize(
    ("number", "kind", "cause"),
    [
        (errno.ENOENT, Retryable, "device not found"),
        (errno.EBUSY, Retryable, "device busy: another program uses it"),
        (errno.EACCES, Permanent, "add the user to the group `video`"),
        (errno.EINVAL, Permanent, "does not offer this size, rate or format"),
    ],
)
def test_a_device_failure_says_what_to_do(
    number: int, kind: type[StreammonError], cause: str
) -> None:
    failure = opening(OSError(number, "x"), place=Place.DEVICE)
    assert isinstance(failure, kind)
    assert cause in str(failure)


def test_silence_is_told_with_its_length() -> None:
    failure = why_interrupted(av.error.ExitError(1, "x"), place=Place.NETWORK, silent_s=5.0)
    assert isinstance(failure, Retryable)
    assert str(failure) == "no packets for 5 s"
