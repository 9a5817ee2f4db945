from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import AuthorRole
from streammon.core.ports import Source, SourceContext
from streammon.core.types import ChatMessage, HealthState, Item, StreamId
from streammon.ingest.chat.jsonl import ChatJsonlConfig
from tests.fakes import Reports, WantAll
from tests.watch import until

SOON_S = 20.0


def source(path: Path | str, **settings: object) -> Any:
    plain = {"type": "chat_jsonl", "path": str(path), "hash_authors": False}
    config = ChatJsonlConfig.model_validate({**plain, **settings})
    return config.build(StreamId("chat"))


def row(number: int, *, at_s: float | None = None, text: str = "hi") -> str:
    fields: dict[str, object] = {"author_id": f"u{number}", "text": text}
    if at_s is not None:
        fields["captured_s"] = at_s
    return json.dumps(fields) + "\n"


def write(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("".join(rows), encoding="utf-8")
    return path


@asynccontextmanager
async def opened(subject: Source, reports: Reports) -> AsyncIterator[AsyncIterator[Item]]:
    context = SourceContext(WantAll(), MonotonicClock(), reports)
    async with asyncio.timeout(SOON_S), subject.open(context) as items:
        yield items


async def take(items: AsyncIterator[Item], count: int) -> list[ChatMessage]:
    got: list[ChatMessage] = []
    async for item in items:
        assert isinstance(item, ChatMessage)
        got.append(item)
        if len(got) == count:
            break
    return got


async def read_all(subject: Source, reports: Reports) -> list[ChatMessage]:
    async with opened(subject, reports) as items:
        return await take(items, 10**6)


async def test_a_recording_keeps_its_pace(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", [row(n, at_s=5 + n * 0.2) for n in range(5)])
    started_s = time.monotonic()
    got = await read_all(source(path), Reports())
    assert 0.75 <= time.monotonic() - started_s < 5.0
    assert [message.media_s for message in got] == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    arrived_s = [message.captured_ns / 1e9 - started_s for message in got]
    assert all(at_s >= m.media_s for at_s, m in zip(arrived_s, got, strict=True))


async def test_a_fast_recording_is_read_at_once_and_in_full(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", [row(n, at_s=n * 10.0) for n in range(2_000)])
    got = await read_all(source(path, pace="fast"), Reports())
    assert [message.author_id for message in got] == [f"u{n}" for n in range(2_000)]


async def test_each_round_of_a_loop_is_a_new_epoch_and_numbers_go_on(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", [row(n, at_s=n / 10) for n in range(3)])
    async with opened(source(path, loop=True, pace="fast"), Reports()) as items:
        got = await take(items, 7)
    assert [(m.epoch, m.media_s) for m in got[2:5]] == [(0, 0.2), (1, 0.0), (1, 0.1)]
    assert [message.seq for message in got] == list(range(7))


async def test_bad_lines_are_counted_and_told_of_but_never_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "my password is swordfish"
    bad = [f'{{"author_id": "u", "text": "{secret}\n', f"{secret}\n", "\n", '{"text": "a"}\n']
    path = write(tmp_path / "chat.jsonl", [row(1), *bad * 4, row(2), row(3, text="x" * 5_000)])
    reports = Reports()
    with caplog.at_level(logging.DEBUG):
        got = await read_all(source(path, pace="fast", max_line_bytes=1_000), reports)
    await asyncio.sleep(0)
    assert [message.author_id for message in got] == ["u1", "u2"]
    degraded = [cause for state, cause in reports if state is HealthState.DEGRADED]
    assert degraded == [
        "1 line of chat could not be read; the newest: not JSON",
        "10 lines of chat could not be read; the newest: not JSON",
    ]
    told = caplog.text + str(degraded) + str([vars(record) for record in caplog.records])
    assert "swordfish" not in told


def stands_at_end(path: Path) -> bool:
    """Whether this process has the file open, and has come to its end."""
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if each.readlink() == path:
                place = Path("/proc/self/fdinfo", each.name).read_text().split("\n")[0]
                return int(place.removeprefix("pos:")) == path.stat().st_size
    return False


async def test_a_followed_file_gives_what_is_added_from_now_on(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", [row(0)])
    async with opened(source(path, follow=True), Reports()) as items:
        await until(lambda: stands_at_end(path))
        with path.open("a") as file:
            file.write(row(1) + row(2)[:10])
            file.flush()
            assert [m.author_id for m in await take(items, 1)] == ["u1"]
            file.write(row(2)[10:])
        assert [m.author_id for m in await take(items, 1)] == ["u2"]


@pytest.mark.parametrize("how", ["truncated", "replaced"])
async def test_a_followed_file_may_be_truncated_or_replaced(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / "chat.jsonl", [row(n) for n in range(20)])
    async with opened(source(path, follow=True), Reports()) as items:
        await until(lambda: stands_at_end(path))
        with path.open("a") as file:
            file.write(row(20, at_s=100.0))
        before = (await take(items, 1))[0]
        if how == "truncated":
            write(path, [row(21, at_s=7.0)])
        else:
            os.replace(write(tmp_path / "new.jsonl", [row(21, at_s=7.0)]), path)
        after = (await take(items, 1))[0]
    assert (before.author_id, after.author_id) == ("u20", "u21")
    assert after.epoch > before.epoch
    assert after.media_s == 0.0


async def test_a_file_that_is_missing_is_waited_for_only_when_followed(tmp_path: Path) -> None:
    for follow, error in ((False, Permanent), (True, Retryable)):
        with pytest.raises(error, match="No such file"):
            await read_all(source(tmp_path / "no.jsonl", follow=follow), Reports())


async def test_what_is_not_a_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(Permanent, match="not a file"):
            await read_all(source(path), Reports())


async def test_there_must_be_something_to_loop(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", ["nothing\n"])
    with pytest.raises(Permanent, match="nothing in it to loop"):
        await read_all(source(path, loop=True, pace="fast"), Reports())


def test_a_replay_is_the_same_each_time_and_has_its_own_clock(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", [row(0, at_s=9.0), row(1), row(2, at_s=9.25), row(3)])
    subject = source(path)
    once, again = (list(subject.items(WantAll())) for _ in range(2))
    assert once == again
    assert [message.media_s for message in once] == [0.0, 0.0, 0.25, 0.25]
    assert [message.captured_ns for message in once] == [0, 0, 250_000_000, 250_000_000]


@pytest.mark.parametrize("settings", [{"path": "-"}, {"loop": True}, {"follow": True}])
def test_what_never_ends_cannot_be_replayed(tmp_path: Path, settings: dict[str, object]) -> None:
    subject = source(**{"path": tmp_path / "chat.jsonl", **settings})  # type: ignore[arg-type]
    with pytest.raises(Permanent, match="cannot be replayed"):
        list(subject.items(WantAll()))


@pytest.mark.parametrize(
    "settings",
    [
        {"path": ""},
        {"path": "-", "loop": True},
        {"path": "-", "follow": True},
        {"path": "a", "loop": True, "follow": True},
        {"path": "a", "pace": "slow"},
        {"path": "a", "max_line_bytes": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ChatJsonlConfig.model_validate(settings)


# --- standard input, in a process of its own ---------------------------------------------------

READER = """
import asyncio, sys
from streammon.core.clock import MonotonicClock
from streammon.core.ports import SourceContext
from streammon.core.types import StreamId
from streammon.ingest.chat.jsonl import ChatJsonlConfig

class All:
    frame_interval_s, audio = None, False

async def main(most):
    ticks = got = 0
    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1
            if got == 1 and ticks > 5:
                print("ticked", flush=True)
                return
    source = ChatJsonlConfig(path="-", hash_authors=False).build(StreamId("chat"))
    context = SourceContext(All(), MonotonicClock(), lambda state, cause: None)
    ticking = asyncio.ensure_future(tick())
    async with source.open(context) as items:
        async for message in items:
            print(message.author_id, flush=True)
            got, ticks = got + 1, 0
            if got == most:
                break
    ticking.cancel()
    print("left", flush=True)

asyncio.run(main(int(sys.argv[1])))
"""


def reader(most: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", READER, str(most)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_standard_input_is_read_to_its_end() -> None:
    with reader(-1) as process:
        out, _ = process.communicate(row(1) + "bad\n" + row(2).rstrip("\n"), timeout=SOON_S)
    assert [word for word in out.split() if word != "ticked"] == ["u1", "u2", "left"]
    assert process.returncode == 0


def test_a_silent_sender_neither_blocks_the_loop_nor_keeps_the_process_alive() -> None:
    """The sender writes two lines and then nothing, and never closes its end."""
    with reader(2) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(row(1))
        process.stdin.flush()
        assert process.stdout.readline() == "u1\n"
        assert process.stdout.readline() == "ticked\n", "the loop goes on"
        process.stdin.write(row(2))
        process.stdin.flush()
        assert process.stdout.readline() == "u2\n"
        assert process.stdout.readline() == "left\n"
        assert process.wait(timeout=SOON_S) == 0


async def test_authors_leave_as_pseudonyms_and_are_known_to_whoever_moderates(
    tmp_path: Path,
) -> None:
    lines = [
        {"author_id": "u1", "text": "hi", "name": "Ann", "roles": ["moderator", "wizard", 3]},
        {"author_id": "u2", "text": "hi", "name": ["odd"], "roles": "vip"},
        {"author_id": "", "text": "hi"},
    ]
    path = write(tmp_path / "chat.jsonl", [json.dumps(each) + "\n" for each in lines])
    settings = {"hash_authors": True, "author_key_file": str(tmp_path / "key"), "pace": "fast"}
    subject = source(path, **settings)
    async with opened(subject, Reports()) as items:
        ann, bob, nobody = await take(items, 3)
    assert "u1" not in ann.author_id
    assert nobody.author_id == ""
    known = subject.author(ann.author_id)
    assert (known.name, known.roles) == ("Ann", {AuthorRole.MODERATOR})
    assert subject.author(bob.author_id).roles == frozenset()
    assert subject.author("u1") is None
    async with opened(source(path, **settings), Reports()) as items:
        (again,) = await take(items, 1)
    assert again.author_id == ann.author_id  # the key stays


def test_a_recording_has_the_same_pseudonyms_on_every_machine(tmp_path: Path) -> None:
    path = write(tmp_path / "chat.jsonl", [row(1)])
    (message,) = source(path, hash_authors=True).items(WantAll())
    assert message.author_id == "140336a433052882bf44a792"
