"""`/api/incidents/{incident_id}/acknowledge`: somebody has seen an incident, and all are told.

Nothing else changes by it: the incident goes on, and so does everything that is told of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from streammon.core.errors import Permanent, Retryable
from streammon.core.types import Severity
from streammon.pipelines.view import MonitorView
from streammon.server.auth import origin_allowed
from streammon.sinks.outbox import Outbox
from streammon.sinks.outbox_acknowledged import Acknowledged
from streammon.sinks.wire import rfc3339

log = logging.getLogger(__name__)

MOST_SHOWN = 200
KEPT_WITHIN_S = 5.0


class AcknowledgedOut(BaseModel):
    incident_id: str
    severity: Severity = Field(description="How severe it was then; it may have become worse.")
    by: str
    time: str = Field(description="RFC 3339.")


class Name(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: str = Field(
        pattern=r"^[\w.@-][\w.@ -]{0,63}$", description="Who has seen it; shown to everyone."
    )


class Acknowledging:
    """Who has seen which incident. On the event loop; kept in the outbox's file."""

    def __init__(self, outbox: Outbox, view: MonitorView) -> None:
        self._outbox = outbox
        self._view = view
        self._newest: list[Acknowledged] = []

    async def load(self) -> None:
        """Take up what earlier runs kept."""
        self._newest = await self._outbox.look(lambda store: store.acknowledged.newest(MOST_SHOWN))

    def newest(self) -> list[AcknowledgedOut]:
        return [_out(one) for one in self._newest]

    async def acknowledge(self, incident_id: str, *, by: str) -> AcknowledgedOut:
        """Durable when it returns. The first who says so counts, until the incident gets worse.

        Raises `LookupError` for an incident that is not known (any more), `Retryable` while
        nothing can be kept.
        """
        opened = {one.incident_id: one.severity for one in self._view.open_incidents()}
        now, severity = rfc3339(time.time_ns()), opened.get(incident_id)
        try:
            async with asyncio.timeout(KEPT_WITHIN_S):
                said = await self._outbox.change(
                    lambda store: store.acknowledged.add(
                        incident_id, by=by, time=now, severity=severity
                    )
                )
                await self.load()
        except TimeoutError:
            raise Retryable("it cannot be kept now; see the health of the outbox") from None
        fields = {"incident_id": incident_id, "severity": said.severity.value, "by": said.by}
        log.info("incident_acknowledged", extra=fields)
        return _out(said)


def build_acknowledge_route(acknowledging: Acknowledging, token: SecretStr | None) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/api/incidents/{incident_id}/acknowledge",
        summary="Say that somebody has seen an incident. Who said so first stands.",
        responses={
            403: {"description": "Sent by a page of another site."},
            404: {"description": "No such incident is known any more."},
            503: {"description": "It cannot be kept now."},
        },
    )
    async def acknowledge(
        incident_id: Annotated[str, Path(max_length=200)], name: Name, request: Request
    ) -> AcknowledgedOut:
        if not origin_allowed(token, request.headers):
            raise HTTPException(403, "only pages of this server may ask for this")
        try:
            return await acknowledging.acknowledge(incident_id, by=name.by)
        except LookupError as error:
            raise HTTPException(404, str(error.args[0])) from None
        except (Permanent, Retryable) as error:
            raise HTTPException(503, str(error)) from None

    return router


def _out(said: Acknowledged) -> AcknowledgedOut:
    return AcknowledgedOut(**asdict(said))
