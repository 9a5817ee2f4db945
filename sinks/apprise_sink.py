"""Alerts in a few words to a channel of people's own, through Apprise (github.com/caronc/apprise).

The library is plain blocking code: each message is sent on a thread of its own, one at a time,
within a time limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from apprise import Apprise, AppriseAsset, AppriseAttachment, NotifyFormat, NotifyType
from apprise.attachment.memory import AttachMemory
from apprise.conversion import convert_between
from apprise.plugins.base import NotifyBase

from streammon.core.clock import MonotonicClock
from streammon.core.errors import ConfigError, Retryable
from streammon.core.ports import Clock, StoredAlert
from streammon.core.types import AlertState, Outgoing, Overlay, Severity, StreamId
from streammon.sinks.alert_text import alert_text, summary_text
from streammon.sinks.apprise import AppriseConfig
from streammon.sinks.token_bucket import TokenBucket
from streammon.telemetry.redact import HIDDEN, redact_url

log = logging.getLogger(__name__)

LIBRARIES = tuple(map(logging.getLogger, ("apprise", "urllib3.connectionpool")))
"""What writes parts of the URL to its log."""
MOST_PICTURES = 64
"""Streams whose newest picture is kept."""
PICTURE_AGE_S = 30.0
MOST_CAUSE = 160


class AppriseSink:
    """Satisfies `ports.Sink` and `ports.DurableSink`."""

    def __init__(self, name: str, config: AppriseConfig, *, clock: Clock | None = None) -> None:
        """Raises `ConfigError` where Apprise knows no such channel."""
        self.name = name
        self._config = config
        self._clock = clock or MonotonicClock()
        self._bucket = TokenBucket(config.most_per_minute)
        self._sent: set[int] = set()
        """Numbers of the batch that is being delivered."""
        self._pictures: OrderedDict[StreamId, Overlay] = OrderedDict()
        self._busy: threading.Thread | None = None
        self._ear = _Ear(config.url.get_secret_value(), thread_name=f"apprise:{name}")
        with self._ear:
            channel = Apprise.instantiate(
                config.url.get_secret_value(), asset=AppriseAsset(app_id="streammon")
            )
        if channel is None:
            raise ConfigError(
                f"sinks.{name}.url: Apprise knows no such channel, or part is missing"
            )
        self._channel: NotifyBase = channel
        self._service = str(channel.service_name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for the message that is being sent, within its time limit."""
        if self._busy is not None:
            await asyncio.to_thread(self._busy.join, self._config.timeout_s)

    def wants(self, item: Outgoing) -> bool:
        """Pictures, if they are to be attached."""
        return self._config.picture and isinstance(item, Overlay)

    async def deliver(self, item: Outgoing) -> None:
        """Keep the newest picture of a stream."""
        assert isinstance(item, Overlay)
        self._pictures[item.stream] = item
        self._pictures.move_to_end(item.stream)
        if len(self._pictures) > MOST_PICTURES:
            self._pictures.popitem(last=False)

    async def deliver_alerts(self, batch: Sequence[StoredAlert]) -> None:
        """Return once all are told: one by one while that is allowed, the rest together.

        Waits where too many messages were sent. Raises `Retryable`; what was told by then is not
        told again, unless the process ends before the rest is.
        """
        chosen = [
            (alert, said)
            for alert in batch
            if alert.seq not in self._sent
            and self._config.choose.takes(said := json.loads(alert.body))
        ]
        while chosen:
            if not self._bucket.take(self._clock.now_ns()):
                await self._clock.sleep(self._bucket.wait_s(self._clock.now_ns()))
                continue
            last_for_now = self._bucket.wait_s(self._clock.now_ns()) > 0
            together = chosen if last_for_now else chosen[:1]
            await self._tell([said for _, said in together])
            self._sent.update(alert.seq for alert, _ in together)
            chosen = chosen[len(together) :]
        self._sent.clear()

    async def _tell(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        title, text = alert_text(alerts[0]) if len(alerts) == 1 else summary_text(alerts)
        picture = self._picture(alerts[0]["stream"]) if len(alerts) == 1 else None

        def send() -> bool:
            with self._ear:
                return _notify(self._channel, title, text, of=_type(alerts), picture=picture)

        if not await self._on_thread(send):
            raise Retryable(f"{self._service} did not take the message{self._ear.heard()}")

    async def _on_thread(self, send: Callable[[], bool]) -> bool:
        """Raises `Retryable` where it takes too long; the thread then ends by itself."""
        if self._busy is not None and self._busy.is_alive():
            raise Retryable(f"{self._service} is still busy with the message before")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()

        def settle(taken: bool) -> None:
            if not done.done():
                done.set_result(taken)

        def work() -> None:
            taken = False
            try:
                taken = send()
            finally:
                with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits
                    loop.call_soon_threadsafe(settle, taken)

        thread = threading.Thread(target=work, name=f"apprise:{self.name}", daemon=True)
        self._busy = thread
        thread.start()
        try:
            async with asyncio.timeout(self._config.timeout_s):
                taken = await done
            thread.join()  # it has nothing more to do
            return taken
        except TimeoutError:
            raise Retryable(
                f"{self._service} took longer than {self._config.timeout_s:g} s"
            ) from None

    def _picture(self, stream: StreamId) -> bytes | None:
        """The newest of the stream, unless it is old."""
        found = self._pictures.get(stream)
        if found is None or self._clock.now_ns() - found.captured_ns > PICTURE_AGE_S * 1e9:
            return None
        return found.jpeg


class _Ear(logging.Filter):
    """Hears what the library says on one thread, and keeps it from the log: it may hold keys."""

    def __init__(self, url: str, *, thread_name: str) -> None:
        super().__init__()
        self._thread_name = thread_name
        parts = re.split(r"[/?&=:@#]+", url)
        self._secrets = sorted({part for part in parts[1:] if len(part) > 4}, key=len)[::-1]
        self._said = ""

    def __enter__(self) -> None:
        self._said = ""
        for library in LIBRARIES:
            library.addFilter(self)

    def __exit__(self, *_: object) -> None:
        for library in LIBRARIES:
            library.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.threadName == self._thread_name and record.levelno >= logging.WARNING:
            self._said = record.getMessage()
        return record.threadName != self._thread_name and record.name != "apprise"

    def heard(self) -> str:
        """The last warning, without any part of the URL; empty: there was none."""
        text = redact_url(self._said)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        line = " ".join(text.split())[:MOST_CAUSE]
        return f": {line}" if line else ""


def _notify(
    channel: NotifyBase, title: str, text: str, *, of: NotifyType, picture: bytes | None
) -> bool:
    """Send plain text in the format of the channel; on this thread, whatever the channel."""
    target = channel.resolve_format(NotifyFormat.TEXT)
    converted: Callable[..., str] = convert_between
    in_body = channel.title_maxlen <= 0
    return channel.notify(
        body=converted(NotifyFormat.TEXT, target, content=text),
        title=converted(NotifyFormat.TEXT, target, content=title) if in_body else title,
        notify_type=of,
        attach=None if picture is None else _attachment(picture),
        body_format=target,
    )


def _attachment(jpeg: bytes) -> AppriseAttachment:
    found = AppriseAttachment()
    memory = AttachMemory(content=jpeg, name="picture.jpg", mimetype="image/jpeg")  # type: ignore[no-untyped-call]
    found.add(memory)
    return found


def _type(alerts: Sequence[Mapping[str, Any]]) -> NotifyType:
    """Which colour a channel gives it."""
    if all(said["state"] == AlertState.CLOSED for said in alerts):
        return NotifyType.SUCCESS
    if any(said["severity"] == Severity.CRITICAL for said in alerts):
        return NotifyType.FAILURE
    return NotifyType.WARNING
