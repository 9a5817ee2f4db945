"""A detector that asks another machine, and goes on without it while it is away."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, Modality, Window, WindowSpec
from streammon.detectors.breaker import Breaker, State
from streammon.detectors.model_settings import KIND, MODALITY
from streammon.detectors.remote import RemoteConfig
from streammon.detectors.remote_content import media_of, refusal
from streammon.detectors.remote_line import Away, Line, Patience, Refused
from streammon.detectors.remote_said import Said
from streammon.detectors.remote_template import Media

log = logging.getLogger(__name__)


class RemoteDetector:
    """Satisfies `Detector`, `Elsewhere` and `Ailing`.

    A window that cannot be judged over there abstains, and its siblings are judged. Only refused
    credentials, and what the other side says that it does not have, end the detector.
    """

    on_device = False

    def __init__(self, name: str, settings: RemoteConfig) -> None:
        self.name = name
        self.kind = settings.kind or KIND[settings.modality]
        self.max_batch = settings.max_batch
        self.inputs: Mapping[Modality, WindowSpec] = {MODALITY[settings.modality]: settings.spec()}
        self.longest_wait_s = settings.longest_wait_s
        self._settings = settings
        self._model = f"remote@{urlsplit(settings.url).netloc}"
        self._exchange = settings.exchange()
        self._line: Line | None = None
        self._breaker = Breaker(failures=settings.failures, rest_s=settings.rest_s)
        self._why_away = self._why_refused = ""
        self._refusals = 0
        """Windows in a row that it did not take."""

    @property
    def trouble(self) -> str:
        """Why windows abstain for now; empty as soon as one was judged again."""
        if self._why_away:
            return (
                f"the remote detector is away: {self._why_away}; windows abstain until it answers"
            )
        if self._refusals >= self._settings.failures:
            return f"the remote detector takes no window: {self._why_refused}"
        return ""

    def load(self, device: str) -> None:
        """Look whether it is there and has what is asked for; sends no media.

        One that is away is no reason to stop: it is asked again when there is something to judge.
        Raises `Permanent` when it refuses the token, or has not what the settings name.
        """
        self.close()
        settings = self._settings
        patience = Patience(settings.timeout_s, settings.retries, settings.concurrency)
        authority = None if settings.ca_file is None else str(settings.ca_file)
        self._line = Line(settings.url, patience, ca_file=authority)
        try:
            self._line.run(self._greet)
        except (Away, Refused) as error:
            self._failed(str(error))
        except Permanent as error:
            raise Permanent(f"{settings.url}: {error}") from error

    def close(self) -> None:
        """Let go of the connections; `load` comes first if it is to go on."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def bucket(self, window: Window) -> str:
        """Each window is a request of its own: any go together."""
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order; blocks for `longest_wait_s` at most.

        Raises `Permanent` when the credentials are refused.
        """
        if self._line is None:
            raise Permanent(f"{self.name}: load() has to come before score()")
        until_s = time.monotonic() + self.longest_wait_s
        silent = self._resting()
        asked = [(window, silent or self._to_send(window, until_s)) for window in batch]
        if not any(isinstance(media, Media) for _, media in asked):
            return [self._abstains(window, str(reason)) for window, reason in asked]
        try:
            line = self._line
            return line.run(lambda: self._ask_all(line, asked, until_s))
        except* Permanent as group:
            raise Permanent(f"{self._settings.url}: {group.exceptions[0]}") from group

    def _to_send(self, window: Window, until_s: float) -> Media | str:
        """The file for a window, or why none is sent."""
        settings = self._settings
        if time.monotonic() > until_s:
            return f"no time was left to send it within {self.longest_wait_s:g} s"
        return refusal(window, settings.modality) or media_of(
            window, settings.modality, frames=settings.frames, jpeg_quality=settings.jpeg_quality
        )

    async def _greet(self) -> None:
        assert self._line is not None
        limit_s = self._settings.timeout_s
        until_s = time.monotonic() + limit_s
        try:
            async with asyncio.timeout_at(until_s):
                await self._exchange.greet(self._line, until_s=until_s)
        except TimeoutError as error:
            raise Away(f"no answer within {limit_s:g} s") from error

    async def _ask_all(
        self, line: Line, asked: Sequence[tuple[Window, Media | str]], until_s: float
    ) -> list[DetectionResult]:
        """Several at a time; after a rest one alone, whose outcome decides about the others.

        `until_s` is on the monotonic clock, which is the loop's.
        """
        places = asyncio.Semaphore(self._settings.concurrency)
        probing = self._breaker.state(time.monotonic_ns()) is State.HALF_OPEN
        if probing:
            places = asyncio.Semaphore(1)

        async def ask(window: Window, media: Media | str) -> DetectionResult:
            if isinstance(media, str):
                return self._abstains(window, media)
            async with places:
                return await self._ask(line, window, media, until_s)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask(window, media)) for window, media in asked]
        return [task.result() for task in tasks]

    async def _ask(
        self, line: Line, window: Window, media: Media, until_s: float
    ) -> DetectionResult:
        silent = self._resting()
        if silent:
            return self._abstains(window, silent)
        began_s = time.perf_counter()
        try:
            async with asyncio.timeout_at(until_s):
                said = await self._exchange.judge(line, window, media, until_s=until_s)
        except Refused as error:
            self._answered()
            self._why_refused = str(error)
            self._refusals += 1
            return self._abstains(window, f"the remote detector: {error}")
        except Away as error:
            return self._failed_on(window, str(error))
        except TimeoutError:
            return self._failed_on(window, f"no result within {self.longest_wait_s:g} s")
        self._answered()
        self._refusals = 0
        return self._result(window, said, time.perf_counter() - began_s)

    # --- whether it is there -----------------------------------------------------------------

    def _resting(self) -> str:
        """Why it is not asked now, if so."""
        left_s = self._breaker.rest_left_s(time.monotonic_ns())
        if left_s <= 0.0:
            return ""
        again = math.ceil(left_s)
        return f"the remote detector is away ({self._why_away}), asked again in {again} s"

    def _answered(self) -> None:
        if self._why_away:
            log.info("remote_back", extra={"detector": self.name})
        self._why_away = ""
        self._breaker.succeeded()

    def _failed(self, why: str) -> None:
        now_ns = time.monotonic_ns()
        was = self._breaker.state(now_ns)
        self._why_away = why
        self._breaker.failed(now_ns)
        if was is not State.OPEN and self._breaker.state(now_ns) is State.OPEN:
            log.warning("remote_away", extra={"detector": self.name, "why": why})

    # --- results -----------------------------------------------------------------------------

    def _failed_on(self, window: Window, why: str) -> DetectionResult:
        self._failed(why)
        return self._abstains(window, f"the remote detector is away ({why})")

    def _abstains(self, window: Window, why: str) -> DetectionResult:
        return self._result(window, Said(abstained=why), 0.0)

    def _result(self, window: Window, said: Said, took_s: float) -> DetectionResult:
        generated = said.is_ai_generated
        if not self._exchange.decides and said.confidence is not None:
            generated = said.confidence >= self._settings.threshold
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used=said.model or self._model,
            confidence=said.confidence,
            abstained=said.abstained,
            is_ai_generated=generated,
            details=said.details,
            processing_time_s=took_s,
        )
