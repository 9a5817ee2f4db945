"""A member of a combinator may do what it likes; the one who asks gets an answer."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from streammon.core.errors import Permanent, Retryable
from streammon.core.types import DetectionResult, Window, WindowSpec
from streammon.detectors.members import Answer, How, Member, Patience, offers
from tests.panelists import VIDEO, Act, Distant, Panelist, Weighty, shot

PATIENCE = Patience(failures=3, rest_s=30.0)


def member(panelist: Panelist, patience: Patience = PATIENCE) -> Member:
    one = Member(panelist, patience)
    assert one.load("cpu") == ""
    return one


def ask(one: Member, *levels: float, at_s: float = 0.0) -> list[Answer]:
    windows = [shot(level, stream=f"s{at}", start_s=at_s) for at, level in enumerate(levels)]
    return one.ask(windows, VIDEO)


def raising(error: Exception) -> Act:
    def act(batch: Sequence[Window]) -> Sequence[DetectionResult]:
        raise error

    return act


def test_a_member_that_answers_is_quoted() -> None:
    answers = ask(member(Panelist("plain")), 0.2, 0.8)
    assert [answer.how for answer in answers] == [How.SPOKE, How.SPOKE]
    assert [answer.confidence for answer in answers] == pytest.approx([0.2, 0.8], abs=0.01)
    assert answers[1].told() == {
        "member": "plain",
        "said": "spoke",
        "confidence": 0.8,
        "model": "plain@1",
    }


def test_an_abstention_keeps_its_reason() -> None:
    (answer,) = ask(member(Panelist("shy", silent="too dark")), 0.5)
    assert answer.told() == {"member": "shy", "said": "abstained", "why": "too dark"}


def lies() -> list[tuple[str, Any, str]]:
    plain = Panelist("liar")

    def wrong_stream(batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return plain.plainly(batch)[::-1]

    def not_a_number(batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [replace(result, confidence=float("nan")) for result in plain.plainly(batch)]

    return [
        ("too few", lambda batch: plain.plainly(batch)[:-1], "windows gave"),
        ("too many", lambda batch: [*plain.plainly(batch), plain.of(batch[0])], "windows gave"),
        ("not a result", lambda batch: [0.5] * len(batch), "a float stands where"),
        ("nothing", lambda batch: None, "NoneType"),
        ("not a number", not_a_number, "nan is not in 0..1"),
        ("out of range", lambda batch: [replace(plain.of(batch[0]), confidence=7.0)], "7.0"),
        ("in another order", wrong_stream, "stands where"),
    ]


@pytest.mark.parametrize(("name", "act", "cause"), lies(), ids=lambda value: str(value)[:12])
def test_a_member_that_lies_has_failed(name: str, act: Any, cause: str) -> None:
    one = member(Panelist("liar", act=act))
    two = name == "in another order"
    answers = ask(one, 0.5, 0.6) if two else ask(one, 0.5)
    if two:  # each alone is in order
        assert {answer.how for answer in answers} == {How.SPOKE}
    else:
        assert answers[0].how is How.FAILED
        assert cause in answers[0].why


def test_a_window_that_a_member_chokes_on_is_only_its_own_loss() -> None:
    plain = Panelist("picky")

    def act(batch: Sequence[Window]) -> Sequence[DetectionResult]:
        if any(window.stream == "s1" for window in batch):
            raise ValueError("poison")
        return plain.plainly(batch)

    one = member(Panelist("picky", act=act))
    for turn in range(10):  # for ever, without a rest: the others still get their answers
        answers = ask(one, 0.2, 0.5, 0.8, at_s=2.0 * turn)
        assert [answer.how for answer in answers] == [How.SPOKE, How.FAILED, How.SPOKE]
        assert answers[1].why == "ValueError: poison"


def test_three_failures_in_a_row_earn_a_rest_and_then_another_try() -> None:
    panelist = Panelist("broken", act=raising(RuntimeError("out of memory")))
    one = member(panelist)
    for turn in range(3):
        assert ask(one, 0.5, at_s=2.0 * turn)[0].how is How.FAILED
    (resting,) = ask(one, 0.5, at_s=10.0)
    assert resting.how is How.RESTING
    assert resting.why == "for 24 s more: RuntimeError: out of memory"
    assert len(panelist.seen) == 3
    panelist.act = None
    assert ask(one, 0.5, at_s=33.0)[0].how is How.RESTING
    assert ask(one, 0.5, at_s=34.0)[0].how is How.SPOKE


@pytest.mark.parametrize("error", [Permanent("weights are gone"), TimeoutError("too slow")])
def test_what_another_call_would_meet_too_earns_a_rest_at_once(error: Exception) -> None:
    panelist = Panelist("gone", act=raising(error))
    one = member(panelist)
    assert [answer.how for answer in ask(one, 0.1, 0.2)] == [How.FAILED] * 2
    assert ask(one, 0.5, at_s=2.0)[0].how is How.RESTING
    assert len(panelist.seen) == 1


def test_a_peer_that_is_away_is_not_asked_window_by_window() -> None:
    panelist = Panelist("away", act=raising(Retryable("no route to host")))
    ask(member(panelist), 0.1, 0.2, 0.3)
    assert len(panelist.seen) == 1


def test_a_member_that_hangs_is_left_behind_and_not_called_again_meanwhile() -> None:
    entered, leave = threading.Event(), threading.Event()
    plain = Panelist("slow")

    def act(batch: Sequence[Window]) -> Sequence[DetectionResult]:
        entered.set()
        assert leave.wait(20)
        return plain.plainly(batch)

    panelist = Panelist("slow", act=act)
    one = member(panelist, Patience(failures=3, rest_s=5.0, answer_within_s=0.05))
    (answer,) = ask(one, 0.5)
    assert entered.wait(20)
    assert answer.how is How.FAILED
    assert answer.why == "TimeoutError: no answer within 0.05 s"
    (again,) = ask(one, 0.5, at_s=60.0)
    assert again.how is How.RESTING
    assert again.why == "still busy with a call that was given up"
    left_behind = next(each for each in threading.enumerate() if each.name == "member-slow")
    leave.set()
    left_behind.join(20)
    panelist.act, one.patience = None, replace(one.patience, answer_within_s=20.0)
    assert ask(one, 0.5, at_s=62.0)[0].how is How.SPOKE


def test_a_call_with_a_limit_passes_on_what_is_raised() -> None:
    panelist = Panelist("odd", act=raising(KeyError("label")))
    (answer,) = ask(member(panelist, Patience(answer_within_s=10.0)), 0.5)
    assert answer.why == "KeyError: 'label'"


def test_batches_are_bounded_by_the_members_own_limit() -> None:
    panelist = Panelist("small", max_batch=2)
    answers = ask(member(panelist), 0.0, 0.25, 0.5, 0.75, 1.0)
    assert [len(batch) for batch in panelist.seen] == [2, 2, 1]
    assert [answer.confidence for answer in answers] == pytest.approx(
        [0, 0.25, 0.5, 0.75, 1], abs=0.01
    )


def test_a_member_gets_the_newest_part_in_its_own_length() -> None:
    panelist = Panelist("short")
    Member(panelist, PATIENCE)
    one = member(panelist)
    one.ask([shot(0.5, length_s=6.0)], WindowSpec(2.0, 0.0))
    ((window,),) = panelist.seen
    assert (window.start_s, window.end_s, len(window.items)) == (4.0, 6.0, 4)


def test_one_that_cannot_be_loaded_is_never_asked_and_loads_next_time() -> None:
    class Late(Panelist):
        def load(self, device: str) -> None:
            super().load(device)
            if len(self.loaded) == 1:
                raise Permanent("late: no weights at https://user:secret@host/x")

    panelist = Late("late")
    one = Member(panelist, PATIENCE)
    cause = one.load("cpu")
    assert cause.startswith("not loaded: Permanent: late: no weights")
    assert "secret" not in cause
    (answer,) = ask(one, 0.5)
    assert (answer.how, answer.why) == (How.FAILED, cause)
    assert one.load("cpu") == ""
    assert ask(one, 0.5)[0].how is How.SPOKE


def test_weights_leave_the_device_and_come_back_once() -> None:
    weighty, fixed = Weighty("weighty"), Panelist("fixed")
    both = [member(weighty), member(fixed)]
    assert [one.resident_bytes for one in both] == [1000, 0]
    for one in both:
        one.unload()
    assert [one.resident_bytes for one in both] == [0, 0]
    assert ask(both[0], 0.5)[0].how is How.FAILED
    for one in both:
        one.load("cpu")
    assert weighty.loaded == ["cpu", "out", "cpu"]
    assert fixed.loaded == ["cpu"]


def test_the_accelerator_is_for_those_who_want_it() -> None:
    on, off = Panelist("on", on_device=True), Panelist("off")
    Member(on, PATIENCE).load("cuda:0")
    Member(off, PATIENCE).load("cuda:0")
    assert (on.loaded, off.loaded) == (["cuda:0"], ["cpu"])


def test_a_bucket_that_cannot_be_told_is_no_failure() -> None:
    class Choosy(Panelist):
        def bucket(self, window: Window) -> str:
            raise ValueError("no")

    assert member(Choosy("choosy")).bucket(shot(), VIDEO) == "?"


def test_optional_parts_are_found_without_asking_for_them() -> None:
    class NotYet(Panelist):
        @property
        def fingerprint(self) -> str:
            raise AssertionError("asked before load")

    assert offers(NotYet("a"), "fingerprint")
    assert offers(Distant("b"), "longest_wait_s")
    assert not offers(cast(Any, Panelist("c")), "longest_wait_s")
