"""Log lines: structured, redacted, and never the cause of a failure."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import HealthState
from streammon.telemetry.logs import MOST_ITEMS, NOISY, JsonLines, Logfmt, setup_logging

log = logging.getLogger("streammon.test")

SECRET = "hunter2"  # not one: what must not be found in any line
URL = f"rtsp://admin:{SECRET}@10.0.0.7/door?token={SECRET}"


class Hostile:
    """Raises whenever anyone looks at it."""

    def __repr__(self) -> str:
        raise RuntimeError("printed")

    __str__ = __repr__

    def __iter__(self) -> Iterator[object]:
        raise RuntimeError("walked through")

    def __len__(self) -> int:
        raise RuntimeError("measured")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    noisy = {name: logging.getLogger(name) for name in NOISY}
    before = {name: (list(one.handlers), one.propagate, one.level) for name, one in noisy.items()}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, (had, propagate, was) in before.items():
        noisy[name].handlers[:] = had
        noisy[name].propagate = propagate
        noisy[name].setLevel(was)


def lines(write: Callable[[], None], *, as_json: bool, level: str = "info") -> list[str]:
    out = io.StringIO()
    setup_logging(level, as_json=as_json, stream=out)
    write()
    return out.getvalue().splitlines()


def one_json(write: Callable[[], None]) -> dict[str, Any]:
    (line,) = lines(write, as_json=True)
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def record(**extra: Any) -> logging.LogRecord:
    one = logging.LogRecord("streammon.test", logging.INFO, "", 0, "event", None, None)
    vars(one).update(extra)
    return one


def test_a_line_for_machines_is_one_json_object() -> None:
    found = one_json(lambda: log.info("stream_up", extra={"stream": "door", "count": 3}))
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "info",
        "logger": "streammon.test",
        "event": "stream_up",
        "stream": "door",
        "count": 3,
    }


def test_a_line_for_people_is_logfmt() -> None:
    (line,) = lines(
        lambda: log.warning("stream_lost", extra={"stream": "door", "cause": 'no "route"\nto it'}),
        as_json=False,
    )
    assert line.endswith(r'warning stream_lost stream=door cause="no \"route\"\nto it"')


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_are_in_no_line(as_json: bool) -> None:
    def write() -> None:
        log.info("a %s", URL)
        log.info(URL)
        log.info("b", extra={"url": URL, "deep": {"urls": [URL, (URL,)], "password": SECRET}})
        log.info("c", extra={"api_key": SECRET, "authorization": f"Bearer {SECRET}"})
        log.info("d", extra={"error": ValueError(URL), "path": Path("/videos/door.mp4")})
        log.info("e", extra={URL: 1})
        try:
            raise ConnectionError(f"cannot reach {URL}")
        except ConnectionError:
            log.exception("f")

    text = "\n".join(lines(write, as_json=as_json))
    assert text.count("***") >= 10
    assert SECRET not in text


def test_a_url_at_the_cut_of_a_long_text_is_not_cut_in_two() -> None:
    for before in range(1900, 2010):
        text = "x " * (before // 2) + URL + " y" * 500
        assert SECRET not in JsonLines().format(record(text=text))


odd: st.SearchStrategy[Any] = st.sampled_from(
    [
        Hostile(),
        Hostile,
        float("nan"),
        float("inf"),
        10**5000,
        -(10**5000),
        Fraction(10**400, 3),
        None,
        True,
        b"\xff",
        "\ud800",
        "\x00\x1b[31m",
        object(),
        {1: 2},
        {"a": {"b": {"c": {"d": {"e": 1}}}}},
        ValueError(Hostile()),
        np.float32(1.5),
        np.int64(7),
        np.zeros(3),
        HealthState.UP,
        complex(1, 2),
        range(10**9),
        {1, "a"},
    ]
)


@given(st.dictionaries(st.text(max_size=20), odd | st.text() | st.lists(odd, max_size=3)))
def test_no_field_can_make_a_log_call_fail(fields: dict[str, Any]) -> None:
    standard = set(vars(record()))
    extra = {name: value for name, value in fields.items() if name not in standard}
    found = json.loads(JsonLines().format(record(**extra)), parse_constant=pytest.fail)
    assert found["event"] == "event"
    line = Logfmt(encoding="ascii").format(record(**extra))
    assert len(line.splitlines()) == 1
    assert line.isascii()


@pytest.mark.parametrize(
    ("message", "arguments", "event"),
    [
        ("%s of %d", ("a", 2), "a of 2"),
        ("%(n)s", ({"n": 1},), "1"),
        ("%d", ("no number",), "%d"),
        ("%s %s", ("one",), "%s %s"),
        ("%s", (Hostile(),), "<Hostile>"),
        (Hostile(), (), "<Hostile>"),
        (17, (), "17"),
    ],
)
def test_messages_of_other_libraries_are_written_as_far_as_they_go(
    message: Any, arguments: tuple[Any, ...], event: str
) -> None:
    one = logging.LogRecord("other.library", logging.INFO, "", 0, message, arguments, None)
    assert json.loads(JsonLines().format(one))["event"] == event


def test_a_field_cannot_pass_itself_off_as_the_event() -> None:
    found = one_json(lambda: log.info("real", extra={"event": "forged", "level": "debug"}))
    assert (found["event"], found["level"]) == ("real", "info")
    assert found["event_"] == "forged"


def test_a_line_cannot_be_forged_by_a_line_break() -> None:
    written = lines(
        lambda: log.info("one\ntwo", extra={"stream": "a\n2026 info forged"}), as_json=False
    )
    assert len(written) == 1


def test_plain_values_stay_what_they_are() -> None:
    values = {"nothing": None, "yes": True, "count": 3, "share": 0.5, "many": np.int64(7)}
    found = one_json(lambda: log.info("e", extra=values))
    assert {name: found[name] for name in values} == values


def test_long_lists_are_cut() -> None:
    found = one_json(lambda: log.info("e", extra={"items": list(range(1000))}))
    assert found["items"] == list(range(MOST_ITEMS))


def test_a_traceback_is_kept_and_indented_for_people() -> None:
    def write() -> None:
        try:
            raise KeyError("gone")
        except KeyError:
            log.exception("defect")

    assert "KeyError: 'gone'" in one_json(write)["traceback"]
    first, *rest = lines(write, as_json=False)
    assert first.endswith("error   defect")
    assert all(line.startswith("    ") for line in rest)


def test_setting_up_twice_writes_each_line_once() -> None:
    out = io.StringIO()
    setup_logging("info", as_json=True, stream=out)
    setup_logging("info", as_json=True, stream=out)
    log.info("once")
    assert len(out.getvalue().splitlines()) == 1


def test_the_level_counts() -> None:
    assert lines(lambda: log.info("quiet"), as_json=True, level="warning") == []
    with pytest.raises(ValueError, match="LOUD"):
        setup_logging("loud", as_json=True)


def test_libraries_that_tell_of_every_connection_are_tamed() -> None:
    access = logging.getLogger("uvicorn.access")
    access.addHandler(logging.StreamHandler())
    access.propagate = False

    def write() -> None:
        access.info("GET /")
        access.warning("slow")

    assert [json.loads(line)["event"] for line in lines(write, as_json=True)] == ["slow"]
    assert access.handlers == []


def test_a_closed_stream_loses_the_line_without_a_word(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = io.StringIO()
    setup_logging("info", as_json=True, stream=out)
    out.close()
    log.info("lost", extra={"url": URL})
    assert capsys.readouterr() == ("", "")
