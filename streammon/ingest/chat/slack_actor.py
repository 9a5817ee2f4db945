"""What can be done in Slack: delete a message, warn its author. There is no ban for apps."""

from __future__ import annotations

from streammon.core.moderation import ActionOutcome, ActionRequest, ActionStatus, ModerationAction
from streammon.ingest.chat.acting import ALREADY, failed, outcome_of, refused, together
from streammon.ingest.chat.slack_events import BAD_TOKEN, LACKS_RIGHT, error_of, stamp_of
from streammon.ingest.chat.web_api import Answer, WebApi

MOST_REASON = 500
LATER = frozenset({"ratelimited", "internal_error", "fatal_error", "request_timeout"})


class SlackActor:
    """Satisfies `acting.PlatformActor`. Only the token of a person who administers the workspace
    may delete what others wrote; a warning is seen by its author alone.
    """

    name = "Slack"
    lacking = (
        "it lets apps neither time out nor ban (an administrator can deactivate the member), "
        "and deleting takes `user_token`"
    )

    def __init__(self, api: WebApi, *, bot_token: str, user_token: str | None) -> None:
        self._api = api
        self._bot_token = bot_token
        self._user_token = user_token

    @property
    def actions(self) -> frozenset[ModerationAction]:
        deletes = {ModerationAction.DELETE} if self._user_token else set()
        return frozenset({ModerationAction.WARN, *deletes})

    async def act(self, request: ActionRequest, account: str) -> ActionOutcome:
        if not request.room:
            return refused("Slack: the request names no channel")
        if request.action is ModerationAction.DELETE:
            stamps = dict.fromkeys(stamp_of(each) for each in request.message_ids)
            return together([await self._delete(request.room, each) for each in stamps])
        text = request.reason[:MOST_REASON] or "Please mind the rules."
        body = {"channel": request.room, "user": account, "text": text}
        answer = await self._ask("chat.postEphemeral", self._bot_token, body)
        return _outcome(answer, "the scope chat:write and a seat in the channel")

    async def _delete(self, channel: str, stamp: str) -> ActionOutcome:
        assert self._user_token is not None, "else it is not among the actions"
        body = {"channel": channel, "ts": stamp}
        answer = await self._ask("chat.delete", self._user_token, body)
        if error_of(answer) == "message_not_found":
            return ALREADY
        return _outcome(answer, "chat:write for a person who administers the workspace")

    async def _ask(self, method: str, token: str, body: object) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        return await self._api.ask("POST", f"/{method}", body=body, headers=headers)


def _outcome(answer: Answer, needs: str) -> ActionOutcome:
    outcome = outcome_of("Slack", answer, needs=needs, wait_s=answer.retry_after_s)
    error = error_of(answer)
    if outcome.status is not ActionStatus.DONE or not error:
        return outcome
    if error in LATER:
        return failed(f"Slack answered {error}", retry_after_s=answer.retry_after_s)
    if error in BAD_TOKEN | LACKS_RIGHT | {"cant_delete_message", "not_in_channel"}:
        return refused(f"Slack answered {error}: it takes {needs}")
    return refused(f"Slack answered {error[:60]}")
