"""What is asked of a chat, and whom it is asked of."""

from __future__ import annotations

import math

import pytest

from streammon.core.moderation import (
    UNDOES,
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    AuthorBook,
    ChatActor,
    KnownAuthor,
    ModerationAction,
)
from streammon.core.types import StreamId


class Deaf:
    """A source that cannot act."""

    def author(self, author_id: str) -> KnownAuthor | None:
        return None


class Able(Deaf):
    actions = frozenset({ModerationAction.BAN})

    async def act(self, request: ActionRequest) -> ActionOutcome:
        return ActionOutcome(ActionStatus.DONE)


def test_a_source_that_only_knows_authors_is_not_taken_for_one_that_acts() -> None:
    assert isinstance(Deaf(), AuthorBook)
    assert not isinstance(Deaf(), ChatActor)
    assert isinstance(Able(), ChatActor)


def test_a_delete_names_the_messages() -> None:
    with pytest.raises(ValueError, match="names the messages"):
        ActionRequest("k", StreamId("chat"), ModerationAction.DELETE, "a")


@pytest.mark.parametrize("duration_s", [None, 0.0, -1.0, math.inf, math.nan])
def test_a_timeout_ends(duration_s: float | None) -> None:
    with pytest.raises(ValueError, match="duration above 0 s"):
        ActionRequest("k", StreamId("chat"), ModerationAction.TIMEOUT, "a", duration_s=duration_s)


def test_what_is_undone_was_done() -> None:
    assert set(UNDOES) & set(UNDOES.values()) == set()
    assert ModerationAction.DELETE not in UNDOES.values()
