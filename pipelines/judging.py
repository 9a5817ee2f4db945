"""From results to alerts that are safe: judged, stored, and then told."""

from __future__ import annotations

import logging
from collections.abc import Callable

from streammon.alerts.incidents import IncidentBook
from streammon.core.ports import StoredAlert
from streammon.core.types import Alert, AlertState, DetectionResult, StreamId
from streammon.flow.channel import Channel
from streammon.sinks.outbox import NewAlert, Outbox
from streammon.sinks.wire import WallClock, dumps, to_wire

log = logging.getLogger(__name__)

ALERTS_PER_COMMIT = 64

TellAlert = Callable[[StoredAlert, Alert], None]


class Judge:
    """Turns results into alerts, in order, and alerts into rows of the outbox.

    An alert is told to anyone only after the outbox has it.
    """

    def __init__(
        self,
        book: IncidentBook,
        outbox: Outbox,
        *,
        wall: WallClock,
        tell_result: Callable[[DetectionResult], None],
        tell_alert: TellAlert,
        set_risk: Callable[[StreamId, str, float], None],
        alerts: Channel[Alert],
    ) -> None:
        self.book = book
        self._outbox = outbox
        self._wall = wall
        self._tell_result = tell_result
        self._tell_alert = tell_alert
        self._set_risk = set_risk
        self._alerts = alerts

    async def judge(self, results: Channel[DetectionResult]) -> None:
        """Until `results` is closed and empty; then no more alerts come from here."""
        async for result in results:
            alerts = self.book.judge(result)
            evidence = self.book.evidence(result.stream, result.kind, result.participant)
            self._set_risk(result.stream, result.kind, evidence.level if evidence else 0.0)
            self._tell_result(self.book.noted(result))
            for alert in alerts:
                await self._alerts.send(alert)

    async def end_stream(self, stream: StreamId, *, captured_ns: int, why: str) -> None:
        """Close what is open on a stream that will give no more evidence."""
        for alert in self.book.end_stream(stream, captured_ns=captured_ns, why=why):
            await self._alerts.send(alert)

    async def store(self) -> None:
        """Until the channel of alerts is closed and empty. Alerts that wait share one commit."""
        async for first in self._alerts:
            batch = [first]
            while len(self._alerts) and len(batch) < ALERTS_PER_COMMIT:
                batch.append(await self._alerts.recv())
            rows = [
                NewAlert(alert.alert_id, alert.stream, dumps(to_wire(alert, wall=self._wall)))
                for alert in batch
            ]
            numbers = await self._outbox.append_many(rows)
            for alert, row, seq in zip(batch, rows, numbers, strict=True):
                self._tell_alert(StoredAlert(seq, row.alert_id, row.stream, row.body), alert)
                _log(alert)


def _log(alert: Alert) -> None:
    if alert.state is AlertState.UPDATED:
        return
    fields = {
        "stream": alert.stream,
        "kind": alert.kind,
        "state": alert.state.value,
        "incident_id": alert.incident_id,
        "severity": alert.severity.value,
    }
    log.info("incident", extra=fields)
