"""Alerts posted one by one out of a real outbox: order, pauses, and what is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.errors import Retryable
from streammon.core.ports import StoredAlert
from streammon.core.types import HealthState, StreamId
from streammon.flow.supervise import Backoff
from streammon.sinks.outbox import MEMORY, Outbox
from streammon.sinks.outbox_beside import Beside
from streammon.sinks.outbox_post import Gone, Later, Post, Refused, RetryPlan
from tests.fakes import Reports
from tests.outgoing import a_row

CLOCK = MonotonicClock()
QUICK = Backoff(first_s=0.001, most_s=0.002)
A, B = StreamId("a"), StreamId("b")
SOON_S = 20.0


class Posting:
    """A sink that does to each try what `answer` says: an exception, or nothing."""

    def __init__(
        self,
        answer: Callable[[StoredAlert], Exception | None] = lambda alert: None,
        *,
        plan: RetryPlan = RetryPlan(QUICK, 1_000_000),
    ) -> None:
        self.plan = plan
        self.most_at_once = 2
        self.address = "here"
        self.answer = answer
        self.tries: list[str] = []
        self.got: list[StoredAlert] = []

    def addresses(self, alert: StoredAlert) -> bool:
        return "unwanted" not in alert.alert_id

    async def post(self, alert: StoredAlert) -> None:
        self.tries.append(alert.alert_id)
        await asyncio.sleep(0)
        if (error := self.answer(alert)) is not None:
            raise error
        self.got.append(alert)

    def ids(self, stream: StreamId) -> list[str]:
        return [alert.alert_id for alert in self.got if alert.stream == stream]


@asynccontextmanager
async def posting(
    sink: Posting, reports: Reports | None = None, path: Path | str = MEMORY
) -> AsyncGenerator[tuple[Outbox, Post]]:
    """An outbox whose alerts go to the sink."""
    async with (
        asyncio.timeout(SOON_S),
        Outbox(OutboxConfig(), path, clock=CLOCK) as outbox,
        asyncio.TaskGroup() as group,
    ):
        await outbox.join("hook")
        report = Reports() if reports is None else reports
        post = Post(outbox, "hook", sink, clock=CLOCK, report=report)
        task = group.create_task(post.run())
        yield outbox, post
        task.cancel()


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - no event tells this
        await asyncio.sleep(0.002)


def fails(*times: int) -> Callable[[StoredAlert], Exception | None]:
    """The n-th new alert that is tried is not taken the first `times[n]` times."""
    left: dict[str, int] = {}
    script = list(times)

    def answer(alert: StoredAlert) -> Exception | None:
        if alert.alert_id not in left:
            left[alert.alert_id] = script.pop(0) if script else 0
        left[alert.alert_id] -= 1
        return Retryable("away") if left[alert.alert_id] >= 0 else None

    return answer


@settings(max_examples=25, deadline=None)
@given(
    streams=st.lists(st.sampled_from([A, B, StreamId("c")]), max_size=30),
    failures=st.lists(st.integers(0, 3), max_size=30),
    unwanted=st.sets(st.integers(0, 29)),
)
def test_each_stream_gets_what_it_wants_once_and_in_order(
    streams: list[StreamId], failures: list[int], unwanted: set[int]
) -> None:
    asyncio.run(_all_in_order(streams, failures, unwanted))


async def _all_in_order(
    streams: Sequence[StreamId], failures: list[int], unwanted: set[int]
) -> None:
    names = [f"{'un' if at in unwanted else ''}wanted-{at}" for at in range(len(streams))]
    sink = Posting(fails(*failures))
    async with posting(sink) as (outbox, post):
        await outbox.append_many(
            [a_row(at, stream=stream, alert_id=names[at]) for at, stream in enumerate(streams)]
        )
        await _until(lambda: post.resting and len(sink.got) == sum("un" not in n for n in names))
        assert await outbox.look(lambda store: store.letters.streams("hook")) == []
    for stream in set(streams):
        wanted = [
            name
            for name, of in zip(names, streams, strict=True)
            if of == stream and "un" not in name
        ]
        assert sink.ids(stream) == wanted


async def test_a_stream_whose_alert_is_not_taken_holds_up_no_other() -> None:
    reports = Reports()
    sink = Posting(lambda alert: Retryable("no") if alert.stream == A else None)
    async with posting(sink, reports) as (outbox, post):
        await outbox.append_many([a_row(0, stream=A), a_row(1, stream=A), a_row(2, stream=B)])
        await _until(lambda: sink.ids(B) == ["alert-2"] and len(sink.tries) > 5 and reports != [])
        assert "alert-1" not in sink.tries
        assert reports[-1] == (HealthState.RETRYING, "1 stream waits: no")
        sink.answer = lambda alert: None
        await _until(lambda: post.resting and sink.ids(A) == ["alert-0", "alert-1"])
        await _until(lambda: reports[-1] == (HealthState.UP, ""))


async def test_what_was_not_taken_waits_for_the_next_run_and_is_tried_at_once(
    tmp_path: Path,
) -> None:
    away = Posting(
        lambda alert: Retryable("no"), plan=RetryPlan(Backoff(first_s=60.0, most_s=60.0), 9)
    )
    async with posting(away, path=tmp_path / "o.db") as (outbox, post):
        await outbox.append_many([a_row(0, stream=A), a_row(1, stream=A)])
        await _until(lambda: post.resting and bool(away.tries))
    back = Posting()
    async with posting(back, path=tmp_path / "o.db") as (outbox, post):
        await outbox.append(a_row(2, stream=A))
        await _until(lambda: len(back.got) == 3)
    assert back.ids(A) == ["alert-0", "alert-1", "alert-2"]
    assert away.tries == ["alert-0"]


async def test_after_the_last_try_an_alert_is_a_dead_letter_and_the_next_has_its_turn() -> None:
    reports = Reports()
    sink = Posting(
        lambda alert: Retryable("never") if alert.alert_id == "alert-0" else None,
        plan=RetryPlan(QUICK, 4),
    )
    async with posting(sink, reports) as (outbox, _):
        await outbox.append_many([a_row(0), a_row(1)])
        await _until(lambda: len(sink.got) == 1)
        assert await outbox.look(lambda store: store.letters.dead("hook")) == 1
        await _until(lambda: bool(reports) and reports[-1][0] is HealthState.DEGRADED)
    assert sink.tries == ["alert-0"] * 4 + ["alert-1"]
    assert "streammon outbox retry --sink hook" in reports[-1][1]


async def test_an_alert_that_is_refused_itself_gets_few_tries() -> None:
    sink = Posting(lambda alert: Refused("bad") if alert.alert_id == "alert-0" else None)
    async with posting(sink) as (outbox, _):
        await outbox.append_many([a_row(0), a_row(1)])
        await _until(lambda: len(sink.got) == 1)
    assert sink.tries.count("alert-0") == 5


async def test_a_pause_that_is_asked_for_holds_every_stream() -> None:
    answers: list[Exception | None] = [Later("busy", after_s=0.25)]
    times: list[int] = []

    def answer(alert: StoredAlert) -> Exception | None:
        times.append(CLOCK.now_ns())
        return answers.pop() if answers else None

    sink = Posting(answer)
    async with posting(sink) as (outbox, _):
        await outbox.append(a_row(0, stream=A))
        await _until(lambda: len(times) == 1)
        await outbox.append(a_row(1, stream=B))
        await _until(lambda: len(sink.got) == 2)
    assert min(times[1:]) - times[0] >= 240_000_000


async def test_a_closed_address_stays_closed_over_restarts_and_opens_when_it_changes(
    tmp_path: Path,
) -> None:
    path, reports = tmp_path / "o.db", Reports()
    gone = Posting(lambda alert: Gone("answered 410"))
    async with posting(gone, reports, path) as (outbox, post):
        await outbox.append_many([a_row(0, stream=A), a_row(1, stream=A), a_row(2, stream=B)])
        await _until(lambda: bool(reports) and post.resting)
        await outbox.append(a_row(3, stream=A))
        await _until(lambda: "4 alerts were put aside" in reports[-1][1])
    assert reports[-1][0] is HealthState.FAILED
    again, reports = Posting(), Reports()
    async with posting(again, reports, path) as (outbox, post):
        await outbox.append(a_row(4, stream=A))
        await _until(lambda: bool(reports) and "5 alerts" in reports[-1][1])
        assert again.tries == []
    other, reports = Posting(), Reports()
    other.address = "there"
    async with posting(other, reports, path) as (outbox, post):
        await outbox.append(a_row(5, stream=A))
        await _until(lambda: other.ids(A) == ["alert-5"])
        await _until(lambda: bool(reports))
    assert reports[-1][0] is HealthState.DEGRADED, "what was put aside is still told of"


async def test_streams_whose_post_was_under_way_when_the_address_closed_stay_closed() -> None:
    """One says 410 while the other is still being posted, and then fails."""
    reports, under_way = Reports(), asyncio.Event()

    class Slow(Posting):
        async def post(self, alert: StoredAlert) -> None:
            self.tries.append(alert.alert_id)
            if alert.stream == A:
                await under_way.wait()
                raise Gone("answered 410")
            under_way.set()
            await asyncio.sleep(0.05)
            raise Retryable("away")

    sink = Slow()
    async with posting(sink, reports) as (outbox, post):
        await outbox.append_many([a_row(0, stream=A), a_row(1, stream=B), a_row(2, stream=B)])
        await _until(lambda: bool(reports) and "3 alerts were put aside" in reports[-1][1])
        await _until(lambda: post.resting)
        await asyncio.sleep(0.1)
        assert outbox.stats().dead_letters == 3
    assert sorted(sink.tries) == ["alert-0", "alert-1"]
    assert reports[-1][0] is HealthState.FAILED


async def test_a_letter_that_was_dropped_while_an_earlier_one_was_posted_is_not_posted(
    tmp_path: Path,
) -> None:
    going = asyncio.Event()

    class Slow(Posting):
        async def post(self, alert: StoredAlert) -> None:
            self.tries.append(alert.alert_id)
            await going.wait()

    sink = Slow()
    async with posting(sink, path=tmp_path / "o.db") as (outbox, post):
        await outbox.append_many([a_row(at, stream=A) for at in range(3)])
        await _until(lambda: bool(sink.tries))
        with Beside(tmp_path / "o.db") as beside:
            undisturbed = post._disturbed
            beside.drop(beside.waiting()[1:2])
        await _until(lambda: post._disturbed is not undisturbed)
        going.set()
        await _until(lambda: post.resting)
    assert sink.tries == ["alert-0", "alert-2"]


async def test_what_a_person_sends_again_or_drops_is_heeded_at_once(tmp_path: Path) -> None:
    path = tmp_path / "o.db"
    gone, reports = Posting(lambda alert: Gone("answered 410")), Reports()
    async with posting(gone, reports, path) as (outbox, post):
        await outbox.append_many([a_row(at, stream=A) for at in range(3)])
        await _until(lambda: bool(reports) and "3 alerts" in reports[-1][1])
        gone.answer = lambda alert: None
        with Beside(path) as beside:
            (first, *others) = beside.dead()
            assert beside.drop([first]) == 1
            assert beside.retry(others) == 2
        await _until(lambda: gone.ids(A) == ["alert-1", "alert-2"] and post.resting)
        await _until(lambda: reports[-1] == (HealthState.UP, ""))


async def test_a_letter_that_waits_for_its_next_try_can_be_hurried_or_dropped(
    tmp_path: Path,
) -> None:
    slow = RetryPlan(Backoff(first_s=60.0, most_s=60.0), 9)
    sink = Posting(lambda alert: Retryable("no"), plan=slow)
    async with posting(sink, path=tmp_path / "o.db") as (outbox, post):
        await outbox.append_many([a_row(0, stream=A), a_row(1, stream=A)])
        await _until(lambda: post.resting and sink.tries == ["alert-0"])
        with Beside(tmp_path / "o.db") as beside:
            (head,) = [letter for letter in beside.waiting() if letter.tries]
            assert (head.alert_id, head.error) == ("alert-0", "no")
            sink.answer = lambda alert: None
            assert beside.drop([head]) == 1
        await _until(lambda: sink.ids(A) == ["alert-1"])


def test_a_plan_lasts_about_as_long_as_it_says() -> None:
    plan = RetryPlan.over(first_s=5.0, most_s=900.0, give_up_s=86_400.0)
    waited = sum(plan.backoff.delay_s(tries) for tries in range(plan.most_tries - 1))
    assert 0.8 * 86_400 < waited < 1.2 * 86_400
    assert RetryPlan.over(first_s=5.0, most_s=5.0, give_up_s=1.0).most_tries == 2
