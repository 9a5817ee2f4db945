"""Results of content that was scored before, for detectors that say the same of the same content.

Asked on the device's thread, so that the event loop never hashes megabytes of pixels.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streammon.config import CacheConfig
from streammon.core.ports import Detector, Repeatable
from streammon.core.types import AudioChunk, ChatMessage, DetectionResult, Item, VideoFrame, Window
from streammon.scheduler.redis_results import RedisResults
from streammon.scheduler.tally import CacheStats

Score = Callable[[Sequence[Window]], Sequence[DetectionResult]]

WINDOWS_IN_VAIN = 256
"""After so many windows of which none was known, it is seldom worth the hashing."""
SELDOM = 16
"""Then one batch in so many is still looked up, until something is known again."""


@dataclass(frozen=True, slots=True)
class Answers:
    """One result per window, in order; `fresh` of them were scored for this."""

    results: tuple[DetectionResult, ...]
    fresh: int


@dataclass(slots=True)
class Worth:
    """Whether looking up the windows of one detector pays: live pictures never come again."""

    in_vain: int = 0
    _batches: int = 0

    def ask(self) -> bool:
        """Whether to look up the next batch."""
        self._batches += 1
        return self.in_vain < WINDOWS_IN_VAIN or self._batches % SELDOM == 0

    def learn(self, answers: Answers) -> None:
        known = len(answers.results) - answers.fresh
        self.in_vain = 0 if known else self.in_vain + answers.fresh


class ResultCache:
    """The results used last, in memory, and Redis behind them where there is one. Thread-safe."""

    def __init__(self, settings: CacheConfig) -> None:
        """Raises `ConfigError` when Redis is wanted and its client is not installed."""
        self._most = settings.entries
        self._results: OrderedDict[str, DetectionResult] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = self._misses = self._redis_hits = 0
        self._redis: RedisResults | None = None
        if settings.redis is not None:
            self._redis = RedisResults(settings.redis.get_secret_value(), ttl_s=settings.ttl_s)

    def answer(
        self,
        detector: Repeatable,
        name: str,
        kind: str,
        windows: Sequence[Window],
        score: Score,
        *,
        form: str = "",
    ) -> Answers:
        """What is known of these windows, and what `score` says of the others, asked once.

        `form` is how it is computed, where that changes what is said beside the fingerprint.
        Content that occurs twice among the windows is scored once. What `score` raises is
        raised, and nothing is kept then.
        """
        begin = f"{detector.fingerprint}\0{kind}" + (f"\0{form}" if form else "")
        keys = [content_key(window, begin) for window in windows]
        known = self._look_up(list(dict.fromkeys(keys)))
        first = {key: at for at, key in reversed(list(enumerate(keys))) if key not in known}
        asked = sorted(first.values())
        scored = score([windows[at] for at in asked]) if asked else ()
        fresh = dict(zip(asked, scored, strict=True))
        self._keep({keys[at]: result for at, result in fresh.items()})
        with self._lock:
            self._hits += len(windows) - len(asked)
            self._misses += len(asked)
        results = tuple(
            fresh[at]
            if at in fresh
            else _said_of(window, name, known.get(key) or fresh[first[key]])
            for at, (window, key) in enumerate(zip(windows, keys, strict=True))
        )
        return Answers(results, len(asked))

    def stats(self) -> CacheStats:
        with self._lock:
            return CacheStats(
                entries=len(self._results),
                hits=self._hits,
                misses=self._misses,
                redis_hits=self._redis_hits,
                redis_errors=self._redis.errors if self._redis is not None else 0,
            )

    def close(self) -> None:
        """Let go of Redis; never waits. What is in memory can still be asked for."""
        if self._redis is not None:
            self._redis.close()

    def _look_up(self, keys: Sequence[str]) -> dict[str, DetectionResult]:
        with self._lock:
            known = {key: self._results[key] for key in keys if key in self._results}
            for key in known:
                self._results.move_to_end(key)
        missing = [key for key in keys if key not in known]
        if self._redis is not None and missing:
            found = self._redis.get(missing)
            self._remember(found)
            with self._lock:
                self._redis_hits += len(found)
            known |= found
        return known

    def _keep(self, results: Mapping[str, DetectionResult]) -> None:
        self._remember(results)
        if self._redis is not None and results:
            self._redis.put(results)

    def _remember(self, results: Mapping[str, DetectionResult]) -> None:
        with self._lock:
            for key, result in results.items():
                self._results[key] = result
                self._results.move_to_end(key)
            while len(self._results) > self._most:
                self._results.popitem(last=False)


class Cached:
    """A `Detector` that asks a cache first, for those who score without the scheduler."""

    def __init__(self, detector: Detector, cache: ResultCache) -> None:
        self.name, self.kind = detector.name, detector.kind
        self.inputs, self.max_batch = detector.inputs, detector.max_batch
        self.on_device = detector.on_device
        self._detector, self._cache = detector, cache

    def load(self, device: str) -> None:
        self._detector.load(device)

    def bucket(self, window: Window) -> str:
        return self._detector.bucket(window)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        if not isinstance(self._detector, Repeatable):
            return self._detector.score(batch)
        score = self._detector.score
        return self._cache.answer(self._detector, self.name, self.kind, batch, score).results


def content_key(window: Window, begin: str) -> str:
    """40 hex digits that differ where `begin` or what a detector sees in the window differs.

    That is pixels, sound with its rates, or text; how far its frames are apart, to the
    millisecond; not which stream it is of, nor when.
    """
    digest = hashlib.blake2b(begin.encode(), digest_size=20)
    digest.update(f"\0{window.modality}\0{len(window.items)}".encode())
    start_s = window.items[0].media_s
    for item in window.items:
        about, content = _content(item, item.media_s - start_s)
        digest.update(f"\0{about}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _content(item: Item, after_s: float) -> tuple[str, bytes | memoryview]:
    """What an item is, in words, and its bytes."""
    match item:
        case VideoFrame(image_rgb=image):
            flat = np.ascontiguousarray(image).reshape(-1).view(np.uint8)
            return f"{image.shape} {item.damaged} {round(1000 * after_s)}", flat.data
        case AudioChunk(pcm=pcm):
            flat = np.ascontiguousarray(pcm).reshape(-1).view(np.uint8)
            return f"{pcm.dtype} {item.rate_hz} {item.source_rate_hz}", flat.data
        case ChatMessage(text=text):
            return "text", text.encode("utf-8", "surrogatepass")


def _said_of(window: Window, name: str, result: DetectionResult) -> DetectionResult:
    """The result as one of this window."""
    return replace(
        result,
        stream=window.stream,
        detector=name,
        modality=window.modality,
        epoch=window.epoch,
        start_s=window.start_s,
        end_s=window.end_s,
        captured_ns=window.captured_ns,
        participant=window.participant,
        processing_time_s=0.0,
        details={**result.details, "cached": True},
    )
