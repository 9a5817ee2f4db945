"""The Protocols between the parts. A new adapter implements one and adds one entry-point line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from streammon.core.types import (
    DetectionResult,
    Evidence,
    HealthState,
    Item,
    Modality,
    Outgoing,
    StreamId,
    Window,
    WindowSpec,
)


class Clock(Protocol):
    def now_ns(self) -> int: ...

    async def sleep(self, delay_s: float) -> None: ...


class Demand(Protocol):
    """What the scheduler wants from one source, read by the source as often as it likes.

    Safe to read from any thread. It may change at any time; a source follows within one
    packet for tighter demand and may finish the group of pictures it is in for looser.
    """

    @property
    def frame_interval_s(self) -> float | None:
        """Seconds of media between two frames that are wanted; `None`: no pictures at all.

        A source whose keyframes are at least this close together need decode nothing else.
        """

    @property
    def audio(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What a source is given while it is open."""

    demand: Demand
    clock: Clock
    report: Callable[[HealthState, str], None]
    """Tell people of a state between up and failed: `report(HealthState.DEGRADED, "...")`.

    Call it on the event loop only. The ingest stage itself reports starting, up (at the
    first item), retrying, failed and ended; up after a degraded of its own is the source's.
    """


class Source(Protocol):
    """A live or recorded stream.

    Each `open` is one connection and one or more new epochs. The iterator ends only when a
    finite source is read to its end; a live source that stops raises `Retryable`. Leaving the
    context frees the device, the socket and the thread, whatever happened inside.
    """

    stream: StreamId
    modalities: frozenset[Modality]

    def open(self, context: SourceContext) -> AbstractAsyncContextManager[AsyncIterator[Item]]: ...


@runtime_checkable
class RealTime(Protocol):
    """A source that says whether a second of its media time lasts a second.

    Where it does, as in a live chat, time goes on between items: a window of text that ends
    while nobody writes is scored then, not when the next message comes.
    """

    real_time: bool


@runtime_checkable
class Answering(Protocol):
    """A source that answers senders for what it took: none of that is lost when it is stopped."""

    def stop(self) -> Sequence[Item]:
        """Take no more until it is opened anew; returns what was taken and not read yet, in order.

        Quick, on the event loop.
        """


@runtime_checkable
class Recording(Protocol):
    """A finite source that can be read on the caller's own thread, for replay and evaluation."""

    def items(self, demand: Demand) -> Iterator[Item]:
        """All of it in media order, as fast as the caller takes it, the same each time.

        Frames and chunks carry `captured_ns = round(media_s * 1e9)`.
        """


@dataclass(frozen=True, slots=True)
class Clip:
    """A stretch of the packet ring, remuxed without re-encoding."""

    data: bytes
    media_type: str
    start_s: float
    end_s: float


@runtime_checkable
class ClipSource(Protocol):
    """A source that keeps packets and can hand out a clip of the recent past."""

    def clip(self, epoch: int, start_s: float, end_s: float) -> Clip | None:
        """The whole groups of pictures that cover the stretch, or `None` if they are gone.

        Blocking, a few ms; safe to call from any thread while the source runs and after.
        """


@dataclass(frozen=True, slots=True)
class Coding:
    """How the pictures of an epoch are encoded: what a decoder elsewhere has to be told."""

    epoch: int
    media_s: float
    codec: str | None
    """As WebCodecs names it (`avc1.64001f`, `vp8`); `None`: nothing that it has a name for."""
    description: bytes | None = None
    """The decoder's configuration record (avcC, hvcC); `None`: the packets bring all there is."""
    width: int | None = None
    height: int | None = None
    """Pixels, as the container says; `None`: the packets say it alone."""
    why_not: str = ""
    """Why there is no `codec`."""


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One encoded picture, in the order in which a decoder takes them."""

    epoch: int
    media_s: float
    """When it is shown; with B-frames not in the order of decoding."""
    is_keyframe: bool
    data: bytes


class CodedView(Protocol):
    """One reader's way through the encoded pictures of a source. For one thread."""

    @property
    def jumps(self) -> int:
        """How often a reader that was too slow was moved on to a later keyframe."""

    def take(self, now_s: float) -> Sequence[Coding | CodedPicture]:
        """What is new since the last time, a bounded part of it; quick. `now_s` never goes back.

        It begins with a keyframe, and so does what follows a jump or a new epoch. A `Coding` comes
        before the first picture that it is true of. Empty when there is nothing new.
        """


@runtime_checkable
class CodedSource(Protocol):
    """A source whose encoded pictures can be had as they came in."""

    def look(self, *, every_s: float | None = None) -> CodedView:
        """From the newest keyframe on. With `every_s` only keyframes, at most one in so long."""


@dataclass(frozen=True, slots=True)
class LinkStats:
    """How the media of a live publisher come in, over the last seconds."""

    codecs: tuple[str, ...]
    kbit_s: float
    """Of the media themselves, without their envelopes."""
    frames_per_s: float
    """Encoded pictures."""
    lost_share: float
    """0..1 of the packets that were sent; those that were sent again and came are not lost."""
    jitter_s: float
    frame_age_s: float | None
    """Since the newest frame arrived; `None` before the first."""
    clock: str
    """What aligns picture and sound: `arrival`, `sender`, or `broken` where what the sender says
    of its clock contradicts itself."""
    skew_s: float | None = None
    """How far the picture lies from where the sender's clock has it; `None`: not known."""


@runtime_checkable
class Linked(Protocol):
    """A source that is published to, and can say how that goes."""

    def link(self) -> LinkStats | None:
        """`None` while nobody publishes. On the event loop; quick."""


@runtime_checkable
class Admitting(Protocol):
    """An entry of the config whose streams come and go while the monitor runs."""

    def arrivals(self) -> AbstractAsyncContextManager[AsyncIterator[Source]]:
        """Streams to watch, as they come, each under a name that no other has. For one reader.

        Each is a source that ends (see `Source`) once it is no longer needed.
        """

    def left(self, stream: StreamId) -> None:
        """The monitor has let go of this one: its name is free again. On the event loop."""


@runtime_checkable
class Prefixing(Protocol):
    """An `Admitting` entry that calls its streams after itself, so that several can stand side by
    side: `<name>.<what it adds>`.
    """

    name: StreamId


class Detector(Protocol):
    """Plain synchronous code that scores windows in batches.

    Runs on one worker thread of its device, never on the event loop, never twice at once.
    """

    name: str
    kind: str
    inputs: Mapping[Modality, WindowSpec]
    """The modalities it looks at and how each is to be cut."""
    on_device: bool
    """True: runs on the accelerator when there is one. False: always on the CPU."""
    max_batch: int

    def load(self, device: str) -> None:
        """Load weights onto `device` (`cpu`, `cuda:0`) and warm up. Blocking.

        Raises `Permanent` when weights are missing, damaged or of another hash.
        """

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in the same order. At most one window of a stream per call.

        All windows of a batch have the same modality and the same `bucket`.
        """

    def bucket(self, window: Window) -> str:
        """Windows with the same bucket can be stacked into one batch."""


@runtime_checkable
class Evictable(Protocol):
    """A detector whose weights can leave the device and come back, so that models share memory.

    `load` puts them there, the first time and after each `unload`.
    """

    @property
    def resident_bytes(self) -> int:
        """Bytes that its weights take on the device now; 0 before `load` and after `unload`."""

    def unload(self) -> None:
        """Free what `load` took. Blocking, on the device's thread, never during `score`."""


@runtime_checkable
class Repeatable(Protocol):
    """A detector that says the same of the same window content, whenever and wherever it is seen.

    One that remembers earlier windows must not offer this.
    """

    @property
    def fingerprint(self) -> str:
        """Changes whenever its answers might: weights' hash, settings, version. Once loaded."""


@runtime_checkable
class Elsewhere(Protocol):
    """A detector that mostly waits for another machine: it gets a thread of its own."""

    @property
    def longest_wait_s(self) -> float:
        """How long one `score` may take, retries and all, before it must have come back."""


@runtime_checkable
class Ailing(Protocol):
    """A detector that may be unable to judge for a while without being broken: it abstains."""

    @property
    def trouble(self) -> str:
        """Why it cannot judge now, in words a person can act on; empty when it can. Asked once
        it is loaded and after each batch: it is then reported as degraded, or as up again.
        """


class Rule(Protocol):
    """Turns results into evidence. Pure: the same history gives the same evidence."""

    def advance(self, evidence: Evidence | None, result: DetectionResult) -> Evidence: ...


class Sink(Protocol):
    """A way out. Entered before the first item, left after the last.

    `deliver` may wait: that is the back-pressure, and it ends at this sink's own channel.
    It raises `Retryable` when the other side is away (the item is offered again after a
    pause) and `Permanent` when a person is needed.
    """

    name: str

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def wants(self, item: Outgoing) -> bool:
        """Whether items like this one are to be delivered here; cheap, called for each."""

    async def deliver(self, item: Outgoing) -> None: ...


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """One alert in the outbox: `seq` grows by one per alert ever stored there."""

    seq: int
    alert_id: str
    stream: StreamId
    body: bytes
    """The alert as wire JSON (UTF-8), the same bytes each time it is read."""


@runtime_checkable
class DurableSink(Protocol):
    """A sink whose alerts come from the outbox instead of through `deliver`."""

    async def deliver_alerts(self, batch: Sequence[StoredAlert]) -> None:
        """Return once the other side has accepted every alert of the batch.

        Raises `Retryable` otherwise; the batch is then offered again, from its beginning, so
        the other side may see an `alert_id` twice, never a later alert of a stream without
        the earlier ones.
        """
