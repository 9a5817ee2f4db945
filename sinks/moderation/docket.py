"""What a hook, a person, time and the platform say to decisions, each word one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from streammon.core.moderation import ActionOutcome, ActionStatus, ModerationAction
from streammon.flow.supervise import Backoff
from streammon.sinks.moderation import steps
from streammon.sinks.moderation.ledger import Ledger
from streammon.sinks.moderation.records import FOR_EVER_NS, Decision, Hook, State
from streammon.sinks.moderation.settings import ModerationConfig

SILENT = "the hook gave no answer in time"
TRY_AGAIN = Backoff(first_s=1.0, most_s=60.0)
LIFT_AGAIN = Backoff(first_s=1.0, most_s=600.0)
"""What is to be lifted is never given up: somebody cannot write meanwhile."""


class NotNow(Exception):
    """A person asks for what this decision's state does not allow; the text says why."""


@dataclass(frozen=True, slots=True)
class Docket:
    """The decisions that are open, and the rules by which they go on."""

    settings: ModerationConfig
    ledger: Ledger

    # --- a hook, and time -------------------------------------------------------------------

    def answered(self, decision_id: str, *, veto: bool) -> None:
        """The hook's word: a veto ends it; a confirmation frees what waits for the hook alone."""
        with self.ledger.together():
            found = self.ledger.get(decision_id)
            if found is None or found.state not in {State.ASKED, State.HELD}:
                return
            found = replace(found, hook=Hook.TOLD)
            if veto:
                self._over(found, State.VETOED, by="hook")
            elif found.state is State.ASKED:
                self.ledger.change(steps.freed(found, by="hook", now_ns=self.ledger.now_ns()))
            else:
                self.ledger.note(found)

    def told(self, decision_id: str, *, over: bool) -> None:
        """The hook was tried once more; `over`: it need not be tried again."""
        with self.ledger.together():
            found = self.ledger.get(decision_id)
            if found is not None and found.hook is Hook.DUE:
                hook = Hook.TOLD if over else Hook.DUE
                self.ledger.note(replace(found, hook=hook, tries=0 if over else found.tries + 1))

    def timed_out(self, decision: Decision) -> None:
        """The time of one that is held, asked, or done for a while is up."""
        with self.ledger.together():
            found = self._still(decision)
            if found is None:
                return
            if found.state is State.HELD:
                self._over(found, State.EXPIRED, by="timer", cause="nobody decided in time")
            elif found.state is State.DONE:
                self.ledger.change(steps.to_lift(found, by="timer", now_ns=self.ledger.now_ns()))
            elif found.state is State.ASKED:
                self._silence(replace(found, hook=Hook.TOLD))

    def _silence(self, asked: Decision) -> None:
        hook, now_ns = self.settings.hook, self.ledger.now_ns()
        silent = "hold" if hook is None else hook.when_silent  # the setting may have gone since
        if silent == "do":
            self.ledger.change(steps.freed(asked, by="timer", now_ns=now_ns))
        elif silent == "drop":
            self._over(asked, State.VETOED, by="timer", cause=SILENT)
        else:
            waits = steps.held(asked, SILENT, settings=self.settings, now_ns=now_ns)
            self.ledger.change(replace(waits, by="timer"))

    # --- a person ---------------------------------------------------------------------------

    def confirm(self, decision_id: str, *, by: str) -> Decision:
        """A person frees what is held or asked. Raises `LookupError` and `NotNow`."""
        with self.ledger.together():
            found = self._known(decision_id)
            if found.state not in {State.HELD, State.ASKED}:
                raise NotNow(f"it is {found.state.value}: there is nothing to confirm")
            freed = steps.freed(found, by=by, now_ns=self.ledger.now_ns())
            self.ledger.change(freed)
            return freed

    def veto(self, decision_id: str, *, by: str) -> Decision:
        """A person stops what is held, asked or still due. Raises `LookupError` and `NotNow`."""
        with self.ledger.together():
            found = self._known(decision_id)
            if found.state not in {State.HELD, State.ASKED, State.DUE}:
                raise NotNow(f"it is {found.state.value}: too late for a veto; try undo")
            return self._over(found, State.VETOED, by=by)

    def undo(self, decision_id: str, *, by: str) -> Decision:
        """A person takes back a timeout or a ban. Raises `LookupError` and `NotNow`."""
        with self.ledger.together():
            found = self._known(decision_id)
            if not found.undoable:
                about = f"a {found.action.value} that is {found.state.value}"
                raise NotNow(f"{about} cannot be undone; only timeouts and bans that are done can")
            if found.state is State.WOULD:
                return self._over(found, State.UNDONE, by=by)
            lifting = steps.to_lift(found, by=by, now_ns=self.ledger.now_ns())
            self.ledger.change(lifting)
            return lifting

    # --- the platform -----------------------------------------------------------------------

    def spare_now(self, decision: Decision, cause: str) -> None:
        """The author turns out to be one who is spared."""
        with self.ledger.together():
            if (found := self._still(decision)) is not None:
                self._over(found, State.SPARED, by="policy", cause=cause)

    def hand_over(self, decision: Decision) -> None:
        """Whoever confirmed does it: no source of ours can."""
        with self.ledger.together():
            if (found := self._still(decision)) is not None:
                self._over(found, State.HANDED_OVER, by=found.by)

    def done(self, decision: Decision, outcome: ActionOutcome) -> None:
        """What the platform made of one that was due, or due to be lifted."""
        with self.ledger.together():
            found = self._still(decision)
            if found is None:
                self._overtaken(decision, outcome)
            elif outcome.status is ActionStatus.FAILED:
                self._try_later(found, outcome)
            elif found.state is State.UNDO_DUE:
                self._lifted(found, outcome)
            elif outcome.status is ActionStatus.REFUSED:
                self._over(found, State.REFUSED, by="platform", cause=outcome.cause)
            else:
                self._did(found, outcome)

    def _did(self, due: Decision, outcome: ActionOutcome) -> None:
        lift_ns = FOR_EVER_NS
        lifts = due.action is ModerationAction.BAN or outcome.lasts_until_undone
        if lifts and due.duration_s is not None:
            lift_ns = self.ledger.now_ns() + steps.to_ns(due.duration_s)
        cause = "it was so already" if outcome.status is ActionStatus.ALREADY else ""
        self.ledger.change(
            replace(due, state=State.DONE, cause=cause, receipt=outcome.receipt, due_ns=lift_ns)
        )

    def _overtaken(self, due: Decision, outcome: ActionOutcome) -> None:
        """It was done while somebody vetoed it: taken back where it can be, else said."""
        found = self.ledger.get(due.decision_id)
        did = outcome.status in {ActionStatus.DONE, ActionStatus.ALREADY}
        if found is None or found.state is not State.VETOED or not did:
            return
        done = replace(
            found, state=State.DONE, cause="done before the veto", receipt=outcome.receipt
        )
        if done.undoable and outcome.status is ActionStatus.DONE:
            done = steps.to_lift(done, by=found.by, now_ns=self.ledger.now_ns())
        self.ledger.change(done)

    def _lifted(self, lifting: Decision, outcome: ActionOutcome) -> None:
        if outcome.status is not ActionStatus.REFUSED:
            self._over(lifting, State.UNDONE, by=lifting.by)
            return
        cause = f"could not be lifted: {outcome.cause}"
        stays = replace(lifting, state=State.DONE, cause=cause, by="platform", due_ns=FOR_EVER_NS)
        self.ledger.change(stays)

    def _try_later(self, decision: Decision, outcome: ActionOutcome) -> None:
        lifting = decision.state is State.UNDO_DUE
        pause_s = (LIFT_AGAIN if lifting else TRY_AGAIN).delay_s(decision.tries)
        due_ns = self.ledger.now_ns() + steps.to_ns(max(pause_s, outcome.retry_after_s or 0.0))
        give_up_ns = decision.changed_ns + steps.to_ns(self.settings.give_up_after_s)
        if due_ns > give_up_ns and not lifting:
            self._over(decision, State.FAILED, by="timer", cause=outcome.cause)
            return
        tries = decision.tries + 1
        self.ledger.note(replace(decision, tries=tries, cause=outcome.cause, due_ns=due_ns))

    # --- steps ------------------------------------------------------------------------------

    def _known(self, decision_id: str) -> Decision:
        found = self.ledger.get(decision_id)
        if found is None:
            raise LookupError(f"no decision {decision_id} is kept")
        return found

    def _still(self, decision: Decision) -> Decision | None:
        """It as it is now, unless somebody decided otherwise meanwhile."""
        found = self.ledger.get(decision.decision_id)
        return found if found is not None and found.state is decision.state else None

    def _over(self, decision: Decision, state: State, *, by: str, cause: str = "") -> Decision:
        """It is over and does not hold: the same may be decided anew after a while."""
        over = replace(decision, state=state, by=by, cause=cause, due_ns=FOR_EVER_NS, receipt="")
        again_ns = None
        if decision.action is not ModerationAction.DELETE:
            again_ns = self.ledger.now_ns() + steps.to_ns(self.settings.again_after_s)
        self.ledger.change(over, again_ns=again_ns)
        return over
