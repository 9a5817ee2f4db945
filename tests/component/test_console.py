"""The console on a real pseudo-terminal and on pipes."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import termios
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streammon.core.types import HealthState, Outgoing, StreamId
from streammon.sinks.console import MOST_STREAMS, Board, ConsoleConfig, ConsoleSink, printable
from tests.fakes import a_result
from tests.outgoing import a_health, a_meter, an_alert, an_overlay

ODD = StreamId("cam\x1b[2J\r\n[red]\u202e\ud800日本")


async def piped(items: Sequence[Outgoing]) -> list[str]:
    """The lines that come out where there is no terminal."""
    reading, writing = os.pipe()
    async with ConsoleSink("console", ConsoleConfig(), fd=writing) as sink:
        for item in items:
            if sink.wants(item):
                await sink.deliver(item)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as out:
        return out.read().splitlines()


async def on_terminal(items: Sequence[Outgoing], *, columns: int = 120, lines: int = 40) -> str:
    """All that a terminal of that size was sent."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    shown = bytearray()
    loop = asyncio.get_running_loop()
    loop.add_reader(screen, lambda: shown.extend(os.read(screen, 65536)))
    try:
        async with ConsoleSink("console", ConsoleConfig(), fd=terminal) as sink:
            for item in items:
                if sink.wants(item):
                    await sink.deliver(item)
    finally:
        loop.remove_reader(screen)
        os.close(terminal)
    with os.fdopen(screen, "rb", buffering=0) as rest, contextlib.suppress(OSError):
        while data := rest.read(65536):  # an error tells that nobody has the other end
            shown.extend(data)
    return shown.decode()


async def test_without_a_terminal_alerts_and_health_are_lines() -> None:
    items: list[Outgoing] = [
        a_health(state=HealthState.RETRYING, cause="no packets for 5 s"),
        a_result(),
        an_alert(),
        a_meter(),
        an_overlay(),
    ]
    health, alert = await piped(items)
    assert re.fullmatch(r"\S+Z health stream:cam retrying: no packets for 5 s", health)
    assert re.fullmatch(
        r"\S+Z alert opened warning cam freeze at 4\.0 s: the picture has not changed for 2 s",
        alert,
    )


async def test_a_terminal_shows_streams_health_scores_and_alerts() -> None:
    shown = await on_terminal(
        [a_health(), a_result(), a_result(detector="other", confidence=None, abstained="dark"),
         a_result(stream=StreamId("door")), an_alert()]
    )  # fmt: skip
    final = shown[shown.rindex("component") - 400 :]
    for text in ("stream:cam", "up", "brightness 0.90", "other -", "stream:door", "freeze"):
        assert text in final
    assert shown.endswith("\x1b[?25h")  # the cursor is back


@pytest.mark.parametrize(("columns", "lines"), [(1, 1), (20, 5), (400, 100)])
async def test_no_size_of_terminal_breaks_it(columns: int, lines: int) -> None:
    items: list[Outgoing] = [a_health(component=f"stream:{at}") for at in range(50)]
    assert await on_terminal([*items, an_alert(), a_result()], columns=columns, lines=lines)


def test_calls_that_come_and_go_for_ever_leave_room_for_those_that_are_there() -> None:
    board = Board(alerts=1)
    board.add(a_health(component="sink:kafka", stream=None), "")
    for number in range(MOST_STREAMS + 500):
        call = StreamId(f"call-{number}")
        about = {"component": f"stream:{call}", "stream": call}
        board.add(a_health(**about), "")
        board.add(a_result(stream=call, confidence=0.25), "")
        if number < MOST_STREAMS + 499:
            board.add(a_health(**about, state=HealthState.ENDED), "")
    drawn = io.StringIO()
    Console(file=drawn, width=120).print(board.render(most_rows=3))
    shown = drawn.getvalue()
    rows = [line.split()[1] for line in shown.splitlines() if line.startswith(("┃", "│"))]
    assert rows == ["component", "sink:kafka", "stream:call-1499", "stream:call-1000"]
    assert shown.count("brightness 0.25") == 2
    assert f"and {MOST_STREAMS - 3} more" in shown


async def test_a_stream_name_cannot_command_the_terminal() -> None:
    items: list[Outgoing] = [
        a_health(component=f"stream:{ODD}", stream=ODD, cause="[bold]\x1b]0;title\x07"),
        a_result(stream=ODD),
        an_alert(stream=ODD, why="\x1b[31m\nsecond line"),
    ]
    assert len(await piped(items)) == 2
    shown = await on_terminal(items)
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown
    assert "[red]" in shown
    assert "[bold]" in shown


@given(st.text())
def test_what_is_printed_is_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) == len(text)
    shown.encode()


async def test_a_reader_that_left_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    async with ConsoleSink("console", ConsoleConfig(), fd=writing) as sink:
        await sink.deliver(an_alert())
        assert not sink.wants(an_alert())
    os.close(writing)


async def test_a_terminal_on_hold_does_not_keep_the_monitor_from_ending() -> None:
    screen, terminal = pty.openpty()
    async with asyncio.timeout(10):
        async with ConsoleSink("console", ConsoleConfig(alerts=100), fd=terminal) as sink:
            try:
                async with asyncio.timeout(0.5):
                    for number in range(500):
                        await sink.deliver(an_alert(number, why="x" * 200))
            except TimeoutError:
                pass
    os.close(terminal)
    os.close(screen)
