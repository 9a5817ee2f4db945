from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import (
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    ModerationAction,
)
from streammon.core.types import StreamId
from streammon.ingest.chat import acting
from streammon.ingest.chat.acting import (
    ALREADY,
    DONE,
    Acts,
    failed,
    outcome_of,
    refused,
    together,
)
from streammon.ingest.chat.book import Book
from streammon.ingest.chat.said import Said
from streammon.ingest.chat.web_api import Answer

Do = Callable[[ActionRequest, str], Awaitable[ActionOutcome]]


class Platform:
    """Does what a test says, and remembers on whom."""

    name = "Chat"
    lacking = "it is not offered"
    actions = frozenset({ModerationAction.BAN, ModerationAction.UNBAN, ModerationAction.DELETE})

    def __init__(self, *answers: ActionOutcome | Exception) -> None:
        self.accounts: list[str] = []
        self._answers = list(answers)

    async def act(self, request: ActionRequest, account: str) -> ActionOutcome:
        self.accounts.append(account)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Slow(Platform):
    async def act(self, request: ActionRequest, account: str) -> ActionOutcome:
        await asyncio.Event().wait()
        return DONE


def acts(platform: Platform | None) -> Acts:
    book = Book()
    book.note("hash", Said(author_id="account-7", text="spam", room="r"))
    made = Acts("Chat", book)
    made.actor = platform
    return made


def asks(action: ModerationAction = ModerationAction.BAN, **more: object) -> ActionRequest:
    fields: dict[str, object] = {"key": "k", "author_id": "hash", "message_ids": ("m",), **more}
    return ActionRequest(stream=StreamId("s"), action=action, **fields)  # type: ignore[arg-type]


async def test_the_account_behind_the_hash_is_meant() -> None:
    platform = Platform(DONE)
    assert await acts(platform).act(asks()) == DONE
    assert platform.accounts == ["account-7"]


async def test_a_receipt_is_enough_for_whom_nobody_remembers() -> None:
    platform = Platform(DONE)
    request = asks(ModerationAction.UNBAN, author_id="forgotten", receipt="account-9")
    assert await acts(platform).act(request) == DONE
    assert platform.accounts == ["account-9"]


async def test_a_stranger_is_left_alone_but_a_message_can_go() -> None:
    platform = Platform(DONE)
    made = acts(platform)
    assert (await made.act(asks(author_id="stranger"))).status is ActionStatus.REFUSED
    assert await made.act(asks(ModerationAction.DELETE, author_id="stranger")) == DONE


async def test_the_same_decision_is_carried_out_once_it_worked() -> None:
    platform = Platform(failed("away"), DONE)
    made = acts(platform)
    outcomes = [await made.act(asks()) for _ in range(3)]
    assert [each.status for each in outcomes] == [
        ActionStatus.FAILED,
        ActionStatus.DONE,
        ActionStatus.DONE,
    ]
    assert len(platform.accounts) == 2


async def test_nothing_is_asked_of_a_platform_that_is_away_or_does_not_offer_it() -> None:
    assert (await acts(None).act(asks())).status is ActionStatus.FAILED
    outcome = await acts(Platform()).act(asks(ModerationAction.WARN))
    assert outcome == refused("Chat: no `warn` here: it is not offered")


@pytest.mark.parametrize(
    ("error", "status"),
    [(Retryable("gone"), ActionStatus.FAILED), (Permanent("no"), ActionStatus.REFUSED)],
)
async def test_an_error_is_an_outcome(error: Exception, status: ActionStatus) -> None:
    outcome = await acts(Platform(error)).act(asks())
    assert (outcome.status, outcome.cause) == (status, str(error))


async def test_a_platform_that_hangs_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "ACT_WITHIN_S", 0.01)
    assert (await acts(Slow()).act(asks())).status is ActionStatus.FAILED


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (204, ActionStatus.DONE),
        (429, ActionStatus.FAILED),
        (408, ActionStatus.FAILED),
        (502, ActionStatus.FAILED),
        (403, ActionStatus.REFUSED),
        (400, ActionStatus.REFUSED),
    ],
)
def test_what_an_answer_means(status: int, meaning: ActionStatus) -> None:
    outcome = outcome_of("Chat", Answer(status, {}, {}), needs="ban", wait_s=3.0)
    assert outcome.status is meaning
    assert (outcome.retry_after_s == 3.0) == (meaning is ActionStatus.FAILED)


def test_of_several_the_worst_counts() -> None:
    later, no = failed("later"), refused("no")
    assert together([DONE, later, no]) == later
    assert together([DONE, no, ALREADY]) == no
    assert together([ALREADY, DONE]) == DONE
    assert together([ALREADY, ALREADY]) == together([]) == ALREADY
