"""The life of decisions: laws that hold whatever comes in whatever order, and single steps."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.core.errors import Permanent
from streammon.core.moderation import (
    ActionOutcome,
    ActionStatus,
    AuthorRole,
    ModerationAction,
)
from streammon.sinks.moderation.docket import NotNow
from streammon.sinks.moderation.ledger import Ledger, sole_owner
from streammon.sinks.moderation.records import Decision, Hook, State, entry_to_json, to_json
from streammon.sinks.moderation.settings import ModerationConfig
from tests.moderating import DAY_NS, Court, Wall, an_alert, named

DONE = ActionOutcome(ActionStatus.DONE, receipt="mask")


def live(**changes: Any) -> ModerationConfig:
    """Acts for real: deletes at once, times out at a warning, bans when critical."""
    ladder = [
        {"at": "info", "do": "delete"},
        {"at": "warning", "do": "timeout", "timeout_s": 600},
        {"at": "critical", "do": "ban"},
    ]
    base: dict[str, Any] = {"dry_run": False, "policy": {"chat_flood": ladder}}
    return ModerationConfig.model_validate({**base, **changes})


HOOKED = {"hook": {"url": "https://bot.example/hook", "answer_within_s": 10}}


# --- laws ------------------------------------------------------------------------------------

AUTHORS = [f"a{n}" for n in range(8)]
alerts = st.builds(
    lambda who, severity, incident: an_alert(
        *(named(AUTHORS[n], f"{AUTHORS[n]}-m{k}") for n, k in who),
        severity=severity,
        state="updated",
        incident=incident,
    ),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3)), min_size=1, max_size=8),
    st.sampled_from(["info", "warning", "critical"]),
    st.sampled_from(["i1", "i2"]),
)
steps = st.lists(st.one_of(alerts, st.just("restart"), st.floats(0.0, 400.0)), max_size=12)
SPARED = {"a0": [AuthorRole.MODERATOR], "a1": [AuthorRole.VIP]}


@settings(max_examples=60, deadline=None)
@given(script=steps, accounts=st.sampled_from([0, 8, 40]))
def test_once_each_within_the_caps_and_never_those_who_are_spared(
    script: list[Any], accounts: int
) -> None:
    config = live(
        limits={"timeout": {"most": 4, "per_s": 600}, "ban": {"most": 2, "per_s": 600}},
        spare={"authors": ["a2"]},
        again_after_s=1e7,
    )
    wall, acted = Wall(), list[tuple[int, Decision]]()
    with tempfile.TemporaryDirectory() as folder:
        court = Court(config, wall, Path(folder) / "m.db")
        for step in script:
            if step == "restart":
                court.ledger.close()
                court = Court(config, wall, Path(folder) / "m.db")
            elif isinstance(step, float):
                wall.pass_s(step)
            else:
                court.hear(step, roles=SPARED, accounts=accounts)
            for decision in court.due(State.DUE):
                acted.append((wall.at_ns, decision))
                court.docket.done(decision, DONE)
        court.ledger.close()
    assert not {decision.author_id for _, decision in acted} & {"a0", "a1", "a2"}
    once = Counter(
        (decision.action, about)
        for _, decision in acted
        for about in (
            decision.message_ids
            if decision.action is ModerationAction.DELETE
            else (decision.author_id,)
        )
    )
    assert set(once.values()) <= {1}
    for action, most in ((ModerationAction.TIMEOUT, 4), (ModerationAction.BAN, 2)):
        cap = min(most, max(config.least_allowed, int(config.most_share * accounts)))
        times = [at for at, decision in acted if decision.action is action]
        for at in times:
            assert sum(at <= other < at + 600 * 10**9 for other in times) <= cap


@settings(max_examples=40, deadline=None)
@given(script=steps)
def test_a_rehearsal_does_nothing(script: list[Any]) -> None:
    court = Court(live(dry_run=True))
    for step in script:
        if isinstance(step, float):
            court.wall.pass_s(step)
        elif step != "restart":
            for decision in court.hear(step):
                if decision.state is State.HELD:
                    court.docket.confirm(decision.decision_id, by="person:ann")
        assert court.due(State.DUE, State.UNDO_DUE) == []
    court.ledger.close()


# --- single steps ----------------------------------------------------------------------------


def one(court: Court, severity: str = "warning") -> Decision:
    (decision,) = court.hear(an_alert(named("a", "m1"), severity=severity))
    return decision


def test_the_same_alert_again_decides_nothing() -> None:
    court = Court(live())
    alert = an_alert(named("a", "m1"), named("b", "m2"))
    assert len(court.hear(alert)) == 2
    assert court.hear(alert) == []
    (more,) = court.hear(an_alert(named("a", "m1", "m3")))
    assert more.message_ids == ("m3",)


def test_a_timeout_can_come_again_once_it_is_over_and_a_ban_once_it_is_lifted() -> None:
    court = Court(live(again_after_s=60))
    timeout, ban = one(court), one(court, "critical")
    for decision in (timeout, ban):
        court.docket.done(decision, DONE)
    court.wall.pass_s(599)
    assert court.hear(an_alert(named("a"), severity="warning")) == []
    court.wall.pass_s(2)
    assert len(court.hear(an_alert(named("a"), severity="warning"))) == 1
    court.wall.pass_s(365 * 86_400)
    assert court.hear(an_alert(named("a"), severity="critical")) == []
    court.docket.undo(ban.decision_id, by="person:ann")
    court.docket.done(court.get(ban), DONE)
    court.wall.pass_s(61)
    assert len(court.hear(an_alert(named("a"), severity="critical"))) == 1


def test_what_was_only_rehearsed_is_done_once_it_is_live(tmp_path: Path) -> None:
    wall, path = Wall(), tmp_path / "m.db"
    rehearsal = Court(live(dry_run=True), wall, path)
    assert one(rehearsal).state is State.WOULD
    rehearsal.ledger.close()
    court = Court(live(), wall, path)
    assert one(court).state is State.DUE
    court.ledger.close()


def test_beyond_the_cap_a_person_has_to_look() -> None:
    court = Court(live(limits={"ban": {"most": 2}}))
    made = court.hear(an_alert(*(named(f"a{n}") for n in range(5)), severity="critical"))
    assert [each.state for each in made] == [State.DUE] * 2 + [State.HELD] * 3
    assert "more than 2" in made[2].cause
    freed = court.docket.confirm(made[2].decision_id, by="person:ann")
    assert (freed.state, freed.by) == (State.DUE, "person:ann")


def test_a_person_can_veto_confirm_and_undo_and_hears_why_not() -> None:
    court = Court(live(limits={"timeout": {"most": 1}}))
    first, second, third = court.hear(
        an_alert(*(named(f"a{n}") for n in range(3)), severity="warning")
    )
    with pytest.raises(NotNow, match="it is due: there is nothing to confirm"):
        court.docket.confirm(first.decision_id, by="person:ann")
    with pytest.raises(NotNow, match="a timeout that is held cannot be undone"):
        court.docket.undo(second.decision_id, by="person:ann")
    with pytest.raises(LookupError):
        court.docket.veto("nothing", by="person:ann")
    court.docket.veto(second.decision_id, by="person:ann")
    court.docket.veto(first.decision_id, by="person:ann")
    assert court.due(State.DUE) == []
    court.docket.confirm(third.decision_id, by="person:ann")
    court.docket.done(court.get(third), DONE)
    with pytest.raises(NotNow, match="too late for a veto"):
        court.docket.veto(third.decision_id, by="person:ann")
    assert court.docket.undo(third.decision_id, by="person:ann").state is State.UNDO_DUE


def test_a_veto_that_comes_while_the_platform_acts_takes_it_back() -> None:
    court = Court(live())
    ban, timeout = one(court, "critical"), one(court)
    (delete,) = court.hear(an_alert(named("a", "m1")))
    for decision in (ban, timeout, delete):
        court.docket.veto(decision.decision_id, by="person:ann")
    court.docket.done(ban, DONE)
    court.docket.done(timeout, ActionOutcome(ActionStatus.FAILED, "away"))
    court.docket.done(delete, DONE)
    (lifting,) = court.due(State.UNDO_DUE)
    assert (lifting.decision_id, lifting.receipt) == (ban.decision_id, "mask")
    assert court.get(timeout).state is State.VETOED
    assert court.get(delete).state is State.DONE
    assert court.get(delete).cause == "done before the veto"


def test_what_is_held_for_too_long_is_dropped() -> None:
    court = Court(live(limits={"timeout": {"most": 1}}, hold_expires_s=100))
    _, held = court.hear(an_alert(named("a"), named("b"), severity="warning"))
    court.wall.pass_s(101)
    (late,) = court.due(State.HELD)
    court.docket.timed_out(late)
    assert court.get(held).state is State.EXPIRED


def test_a_platform_that_is_away_is_tried_again_then_given_up() -> None:
    court = Court(live(give_up_after_s=100))
    decision = one(court)
    away = ActionOutcome(ActionStatus.FAILED, "the platform is away")
    tries = 0
    while court.get(decision).state is State.DUE:
        for due in court.due(State.DUE):
            court.docket.done(due, away)
            tries += 1
        court.wall.pass_s(1)
        assert tries < 100
    ended = court.get(decision)
    assert (ended.state, ended.cause) == (State.FAILED, "the platform is away")
    assert tries > 3


def test_the_platform_says_when_to_come_again() -> None:
    court = Court(live())
    decision = one(court)
    court.docket.done(
        decision, ActionOutcome(ActionStatus.FAILED, "slow down", retry_after_s=300.0)
    )
    court.wall.pass_s(299)
    assert court.due(State.DUE) == []
    court.wall.pass_s(2)
    assert len(court.due(State.DUE)) == 1


def test_a_refusal_is_the_end_and_says_why() -> None:
    court = Court(live())
    decision = one(court)
    court.docket.done(decision, ActionOutcome(ActionStatus.REFUSED, "not an operator"))
    assert court.get(decision).state is State.REFUSED
    assert court.get(decision).cause == "not an operator"


def test_what_was_so_already_counts_as_done() -> None:
    court = Court(live())
    decision = one(court, "critical")
    court.docket.done(decision, ActionOutcome(ActionStatus.ALREADY))
    assert court.get(decision).state is State.DONE


def test_a_timeout_that_its_platform_does_not_end_is_lifted_when_it_is_over() -> None:
    court = Court(live())
    decision = one(court)
    court.docket.done(
        decision, ActionOutcome(ActionStatus.DONE, receipt="mask", lasts_until_undone=True)
    )
    court.wall.pass_s(599)
    assert court.due(State.DONE) == []
    court.wall.pass_s(2)
    (over,) = court.due(State.DONE)
    court.docket.timed_out(over)
    (lifting,) = court.due(State.UNDO_DUE)
    assert (lifting.by, lifting.receipt) == ("timer", "mask")
    court.docket.done(lifting, DONE)
    lifted = court.get(decision)
    assert (lifted.state, lifted.receipt) == (State.UNDONE, "")


def test_a_ban_with_an_end_is_lifted_and_one_without_is_not() -> None:
    ladder = {"chat_flood": [{"at": "info", "do": "ban", "ban_s": 50}]}
    for court, lifted in ((Court(live(policy=ladder)), 1), (Court(live()), 0)):
        decision = one(court, "critical")
        court.docket.done(decision, DONE)
        court.wall.pass_s(51)
        assert len(court.due(State.DONE)) == lifted


def test_a_lift_is_tried_for_as_long_as_it_takes() -> None:
    court = Court(live(give_up_after_s=100))
    ban = one(court, "critical")
    court.docket.done(ban, DONE)
    court.docket.undo(ban.decision_id, by="person:ann")
    for _ in range(30):
        court.wall.pass_s(3600)
        for due in court.due(State.UNDO_DUE):
            court.docket.done(due, ActionOutcome(ActionStatus.FAILED, "away"))
    assert court.get(ban).state is State.UNDO_DUE


def test_a_confirmation_of_the_hook_frees_what_waits_for_it_alone() -> None:
    court = Court(live(**HOOKED, limits={"timeout": {"most": 1}}))
    asked, held = court.hear(an_alert(named("a"), named("b"), severity="warning"))
    assert (asked.state, held.state) == (State.ASKED, State.HELD)
    assert [each.decision_id for each in court.ledger.to_tell(limit=9)] == [
        asked.decision_id,
        held.decision_id,
    ]
    for decision in (asked, held):
        court.docket.answered(decision.decision_id, veto=False)
    assert court.get(asked).state is State.DUE
    assert court.get(held).state is State.HELD
    assert court.ledger.to_tell(limit=9) == []


def test_a_veto_of_the_hook_ends_everything() -> None:
    court = Court(live(**HOOKED, limits={"timeout": {"most": 1}}))
    made = court.hear(an_alert(named("a"), named("b"), severity="warning"))
    for decision in made:
        court.docket.answered(decision.decision_id, veto=True)
    assert {court.get(each).state for each in made} == {State.VETOED}


@pytest.mark.parametrize(
    ("when_silent", "state"),
    [("hold", State.HELD), ("do", State.DUE), ("drop", State.VETOED)],
)
def test_a_silent_hook_has_a_stated_meaning(when_silent: str, state: State) -> None:
    court = Court(live(hook={**HOOKED["hook"], "when_silent": when_silent}))
    asked = one(court)
    court.wall.pass_s(9)
    assert court.due(State.ASKED) == []
    court.wall.pass_s(2)
    (late,) = court.due(State.ASKED)
    court.docket.timed_out(late)
    assert court.get(asked).state is state
    court.docket.answered(asked.decision_id, veto=False)  # too late to free what is held now
    assert court.get(asked).state is state
    assert court.get(asked).hook is Hook.TOLD


def test_the_audit_log_has_every_step_and_who_took_it() -> None:
    court = Court(live())
    decision = one(court)
    court.docket.done(decision, DONE)
    court.docket.undo(decision.decision_id, by="person:ann")
    court.docket.done(court.get(decision), DONE)
    entries = court.ledger.audit(limit=100)
    assert [(each.who, each.decision.state.value) for each in entries] == [
        ("policy", "due"), ("policy", "done"), ("person:ann", "undo_due"), ("person:ann", "undone"),
    ]  # fmt: skip
    assert [each.seq for each in court.ledger.audit(after=-1, limit=2)] == [3, 4]
    assert "mask" not in str([entry_to_json(each) for each in entries])
    assert "receipt" not in to_json(court.get(decision))


def test_old_decisions_go_and_those_that_hold_stay() -> None:
    court = Court(live())
    ban, timeout = one(court, "critical"), one(court)
    for decision in (ban, timeout):
        court.docket.done(decision, DONE)
    court.wall.pass_s(31 * 86_400)
    court.ledger.prune(before_ns=court.wall.at_ns - 30 * DAY_NS)
    assert court.ledger.get(timeout.decision_id) is None
    assert court.get(ban).receipt == "mask"
    assert court.ledger.audit(limit=10) == []


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_text("not a database at all, but long enough to look like one")
    with pytest.raises(Permanent, match="cannot hold decisions"):
        Ledger(tmp_path / "other.db", wall_ns=Wall())
    with pytest.raises(Permanent, match="no decisions were ever made"):
        Ledger(tmp_path / "none.db", wall_ns=Wall(), must_exist=True)


def test_two_monitors_do_not_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    with sole_owner(path), pytest.raises(Permanent, match="another monitor"), sole_owner(path):
        pass
    with sole_owner(tmp_path / "m.db"):
        pass
