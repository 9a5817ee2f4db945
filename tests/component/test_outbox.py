"""The outbox with its real thread and real files."""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.config import OutboxConfig
from streammon.core.errors import Permanent, Retryable
from streammon.core.types import HealthState, StreamId
from streammon.sinks.outbox import MEMORY, NewAlert, Outbox
from tests.fakes import FakeClock, Reports
from tests.outboxes import CLOCK, an_outbox
from tests.outgoing import a_row
from tests.watch import until

# --- reading exactly what was appended -------------------------------------------------------


async def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    async with an_outbox(tmp_path / "o.db") as outbox:
        session = outbox.session
        await outbox.join("kafka")
        assert [await outbox.append(a_row(at)) for at in range(3)] == [1, 2, 3]
        await outbox.ack("kafka", 1)
    async with an_outbox(tmp_path / "o.db") as outbox:
        assert outbox.session == session
        assert await outbox.join("kafka") == 1
        assert [alert.seq for alert in await outbox.read("kafka", 10)] == [2, 3]
        assert [alert.body for alert in await outbox.recent(1)] == [a_row(2).body]


async def test_an_append_again_gives_the_same_number() -> None:
    async with an_outbox() as outbox:
        assert await outbox.append_many([a_row(0), a_row(1)]) == [1, 2]
        assert await outbox.append_many([a_row(1), a_row(2)]) == [2, 3]
        assert await outbox.append_many([]) == []


async def test_many_callers_at_once_get_numbers_without_holes() -> None:
    async with an_outbox() as outbox:
        numbers = await asyncio.gather(*(outbox.append(a_row(at)) for at in range(300)))
        kept = await outbox.after(0, 1000)
    assert sorted(numbers) == list(range(1, 301))
    assert [alert.alert_id for alert in kept] == [
        f"alert-{at}" for _, at in sorted(zip(numbers, range(300), strict=True))
    ]


Step = tuple[str, str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.just(""), st.integers(1, 30)),
        st.tuples(st.just("read"), st.sampled_from(["a", "b"]), st.integers(1, 20)),
        st.tuples(st.just("read without ack"), st.sampled_from(["a", "b"]), st.integers(1, 20)),
        st.tuples(st.just("restart"), st.just(""), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=40)
@given(steps)
def test_each_consumer_reads_every_alert_once_and_in_order(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_follow(steps, Path(folder) / "o.db"))


async def _follow(steps: list[Step], path: Path) -> None:
    appended: list[str] = []
    cursors = {"a": 0, "b": 0}
    rest = [*steps]
    while True:
        async with an_outbox(path) as outbox:
            assert {name: await outbox.join(name) for name in cursors} == cursors
            while rest and (step := rest.pop(0))[0] != "restart":
                what, consumer, count = step
                if what == "append":
                    rows = [a_row(len(appended) + at) for at in range(count)]
                    appended += [row.alert_id for row in rows]
                    await asyncio.gather(*(outbox.append(row) for row in rows))
                    continue
                found = await outbox.read(consumer, count)
                at = cursors[consumer]
                assert {alert.alert_id for alert in found} <= set(appended)
                assert [alert.seq for alert in found] == list(
                    range(at + 1, min(at + count, len(appended)) + 1)
                )
                if found and what == "read":
                    cursors[consumer] = found[-1].seq
                    await outbox.ack(consumer, found[-1].seq)
            assert outbox.last_seq == len(appended)
        if not rest:
            return


# --- resuming --------------------------------------------------------------------------------


async def test_a_reader_resumes_after_an_id_or_a_number() -> None:
    async with an_outbox() as outbox:
        await outbox.append_many([a_row(at) for at in range(5)])
        assert [alert.seq for alert in await outbox.after("alert-2", 10)] == [4, 5]
        assert [alert.seq for alert in await outbox.after(4, 10)] == [5]
        assert await outbox.position("alert-4") == 5
        assert [await outbox.position(mark) for mark in (0, 5)] == [0, 5]
        assert [await outbox.position(mark) for mark in (6, -1, "unknown")] == [None] * 3
        with pytest.raises(LookupError):
            await outbox.after("unknown", 1)


# --- room ------------------------------------------------------------------------------------


def a_big_row(number: int) -> NewAlert:
    return NewAlert(f"alert-{number}", StreamId("cam"), bytes(300_000))


async def test_a_full_outbox_makes_appends_wait_and_says_so() -> None:
    reports = Reports()
    outbox = Outbox(OutboxConfig(max_mb=1), MEMORY, clock=CLOCK, report=reports)
    async with outbox, asyncio.TaskGroup() as group:
        await outbox.join("kafka")
        for at in range(4):
            await outbox.append(a_big_row(at))
        late = [group.create_task(outbox.append(a_big_row(at))) for at in (4, 5)]
        await until(lambda: outbox.stats().waiting == 2)
        ((state, cause),) = reports
        assert state is HealthState.DEGRADED
        assert "full (1 MB)" in cause
        assert "kafka" in cause
        assert [alert.seq for alert in await outbox.read("kafka", 10)] == [1, 2, 3, 4]
        await outbox.ack("kafka", 4)
        assert [await task for task in late] == [5, 6]
        assert reports[-1] == (HealthState.UP, "")
        assert [alert.seq for alert in await outbox.read("kafka", 10)] == [5, 6]


async def test_what_everyone_accepted_makes_room_before_anyone_waits() -> None:
    reports = Reports()
    outbox = Outbox(OutboxConfig(max_mb=1), MEMORY, clock=CLOCK, report=reports)
    async with outbox:
        for at in range(20):
            await outbox.append(a_big_row(at))
        assert outbox.stats().bytes < 1_500_000
        assert outbox.last_seq == 20
    assert reports == []


async def test_alerts_that_nobody_takes_for_too_long_are_dead_letters_and_reported() -> None:
    clock, reports = FakeClock(auto=False), Reports()
    outbox = Outbox(OutboxConfig(max_age_h=1.0), MEMORY, clock=clock, report=reports, kept_s=60.0)
    async with outbox:
        await outbox.join("dead")
        await outbox.join("alive")
        await outbox.append_many([a_row(0), a_row(1)])
        await outbox.ack("alive", 2)
        await clock.advance(3601.0)
        await outbox.append(a_row(2))
        assert outbox.stats().dead_letters == 2
        assert outbox.stats().cursors == {"dead": 2, "alive": 2}
        assert [alert.seq for alert in await outbox.recent(10)] == [3]
    ((state, cause),) = reports
    assert state is HealthState.DEGRADED
    assert "2 alerts were not accepted by dead within 1 h" in cause


async def test_time_that_nobody_ran_does_not_age_alerts(tmp_path: Path) -> None:
    early, late = FakeClock(now_ns=10**18, auto=False), FakeClock(auto=False)
    settings = OutboxConfig(max_age_h=1.0)
    async with Outbox(settings, tmp_path / "o.db", clock=early) as outbox:
        await outbox.join("kafka")
        await outbox.append(a_row(0))
        await early.advance(3000.0)
    async with Outbox(settings, tmp_path / "o.db", clock=late) as outbox:
        await late.advance(500.0)
        await outbox.append(a_row(1))
        assert len(await outbox.read("kafka", 10)) == 2
        await late.advance(200.0)
        await outbox.append(a_row(2))
        assert [alert.seq for alert in await outbox.read("kafka", 10)] == [2, 3]


# --- trouble ---------------------------------------------------------------------------------


@contextmanager
def a_full_disk(path: Path, *, most: int | None = None) -> Iterator[None]:
    """The kernel refuses to write beyond `most` bytes of any file; else beyond what this has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if most is None:
        most = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_makes_appends_wait_and_loses_nothing(tmp_path: Path) -> None:
    reports = Reports()
    outbox = Outbox(OutboxConfig(), tmp_path / "o.db", clock=CLOCK, report=reports)
    async with outbox, asyncio.TaskGroup() as group:
        await outbox.join("kafka")
        await outbox.append(a_row(0))
        with a_full_disk(tmp_path / "o.db"):
            late = [group.create_task(outbox.append(a_big_row(at))) for at in (1, 2)]
            await until(lambda: bool(reports))
            assert not any(task.done() for task in late)
            assert [alert.seq for alert in await outbox.read("kafka", 10)] == [1]
        assert [await task for task in late] == [2, 3]
        assert [alert.seq for alert in await outbox.read("kafka", 10)] == [1, 2, 3]
    (first, *_, last) = reports
    assert first[0] is HealthState.DEGRADED
    assert "disk" in first[1]
    assert last == (HealthState.UP, "")


async def test_who_does_not_wait_is_refused_while_the_disk_is_full(tmp_path: Path) -> None:
    async with an_outbox(tmp_path / "o.db") as outbox:
        assert await outbox.append_many([a_row(0)], waits=False) == [1]
        with a_full_disk(tmp_path / "o.db"):
            for _ in range(2):
                with pytest.raises(Retryable):
                    await outbox.append_many([a_big_row(1), a_row(2)], waits=False)
        assert await outbox.append_many([a_big_row(1), a_row(2)], waits=False) == [2, 3]


async def test_who_does_not_wait_is_refused_while_it_is_full() -> None:
    async with an_outbox(max_mb=1) as outbox:
        await outbox.join("slow")
        await outbox.append_many([a_big_row(at) for at in range(30)])
        with pytest.raises(Retryable, match="full"):
            await outbox.append_many([a_row(99)], waits=False)
        await outbox.ack("slow", outbox.last_seq)
        assert await outbox.append_many([a_row(99)], waits=False) == [31]


async def test_a_second_process_is_told_what_to_do(tmp_path: Path) -> None:
    async with an_outbox(tmp_path / "o.db") as first:
        with pytest.raises(Permanent, match=rf"in use by process {os.getpid()} .* of its own"):
            async with an_outbox(tmp_path / "o.db"):
                pass
        assert await first.append(a_row()) == 1


async def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "o.db").write_bytes(b"not a database" * 1000)
    reports = Reports()
    outbox = Outbox(OutboxConfig(), tmp_path / "o.db", clock=CLOCK, report=reports)
    async with outbox:
        assert await outbox.append(a_row()) == 1
    ((state, cause),) = reports
    assert state is HealthState.DEGRADED
    assert "damaged" in cause


async def test_what_nobody_was_told_is_told_to_whoever_listens_later(tmp_path: Path) -> None:
    (tmp_path / "o.db").write_bytes(b"not a database" * 1000)
    async with an_outbox(tmp_path / "o.db") as outbox:
        await outbox.append(a_row())
        reports = Reports()
        outbox.report_to(reports)
    ((state, cause),) = reports
    assert state is HealthState.DEGRADED
    assert "damaged" in cause


async def test_a_defect_on_the_thread_fails_everyone_loudly(tmp_path: Path) -> None:
    reports = Reports()
    outbox = Outbox(OutboxConfig(), tmp_path / "o.db", clock=CLOCK, report=reports)
    async with outbox:
        with pytest.raises(Permanent, match="failed"):
            await outbox.append(NewAlert("odd", StreamId("cam"), None))  # type: ignore[arg-type]
        with pytest.raises(Permanent, match="failed"):
            await outbox.append(a_row())
    assert reports[-1][0] is HealthState.FAILED


async def test_a_closed_outbox_takes_nothing() -> None:
    outbox = an_outbox()
    async with outbox:
        pass
    with pytest.raises(Retryable, match="closed"):
        await outbox.append(a_row())


async def test_power_safe_files_read_back_too(tmp_path: Path) -> None:
    async with an_outbox(tmp_path / "o.db", durable="power") as outbox:
        assert await outbox.append(a_row()) == 1
    async with an_outbox(tmp_path / "o.db") as outbox:
        assert outbox.last_seq == 1
