"""What every source promises, whatever it reads. Each law takes a case and checks one promise."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import ClipSource, Demand, Recording, Source, SourceContext
from streammon.core.types import AudioChunk, HealthState, Item, Modality, VideoFrame
from tests.fakes import Reports, WantAll

SOON_S = 20.0
FEW = 6

Build = Callable[[], Source]


@dataclass(frozen=True, slots=True)
class Nothing:
    """A `Demand` for no picture and no sound."""

    frame_interval_s: float | None = None
    audio: bool = False


@dataclass(frozen=True, slots=True)
class SourceCase:
    """How to get one kind of source for the laws."""

    build: Build
    """A source of a few seconds, or without end."""
    build_absent: Build | None = None
    """One whose device, file or server is not there."""
    lossless: bool = True
    """It may be read in one go without anything being left out."""
    secrets: tuple[str, ...] = ()
    """What `build_absent` knows and must not tell."""


@dataclass(slots=True)
class Watched:
    """An open source and what was reported of it."""

    items: AsyncIterator[Item]
    reports: Reports = field(default_factory=Reports)


@asynccontextmanager
async def opened(source: Source, demand: Demand | None = None) -> AsyncIterator[Watched]:
    reports = Reports()
    context = SourceContext(demand or WantAll(), MonotonicClock(), reports)
    async with asyncio.timeout(SOON_S), source.open(context) as items:
        yield Watched(items, reports)


async def first(items: AsyncIterator[Item], count: int) -> list[Item]:
    """So many items, or all if there are fewer."""
    got: list[Item] = []
    async for item in items:
        got.append(item)
        if len(got) == count:
            break
    return got


def modality_of(item: Item) -> Modality:
    kinds = {VideoFrame: Modality.VIDEO, AudioChunk: Modality.AUDIO}
    return kinds.get(type(item), Modality.TEXT)


def runs(items: list[Item]) -> list[list[Item]]:
    """The items of each modality, in the order they came."""
    split = [[item for item in items if modality_of(item) is one] for one in Modality]
    return [run for run in split if run]


def fingerprint(item: Item) -> tuple[object, ...]:
    """All that an item says, comparable."""
    where = (type(item).__name__, item.stream, item.seq, item.media_s, item.captured_ns)
    if isinstance(item, VideoFrame):
        return (*where, item.image_rgb.shape, item.image_rgb.tobytes())
    if isinstance(item, AudioChunk):
        return (*where, item.rate_hz, item.pcm.tobytes())
    return (*where, item.author_id, item.text, item.message_id)


# --- the laws --------------------------------------------------------------------------------


async def seq_grows_and_time_goes_on(case: SourceCase) -> None:
    """`seq` by one per item of a modality, more only after loss; media time never goes back."""
    source = case.build()
    async with opened(source) as watched:
        got = await first(watched.items, 40)
    assert got, "a source that gives nothing promises nothing"
    for run in runs(got):
        steps = [after.seq - before.seq for before, after in pairwise(run)]
        assert all(step == 1 if case.lossless else step >= 1 for step in steps)
        times = [(item.epoch, item.media_s) for item in run]
        assert times == sorted(times)
        arrivals = [item.captured_ns for item in run]
        assert arrivals == sorted(arrivals)
    assert all(report[0] is not HealthState.FAILED for report in watched.reports)


async def items_are_what_was_announced(case: SourceCase) -> None:
    """The stream's own name, one of its modalities, arrays that nobody can write to."""
    source = case.build()
    async with opened(source) as watched:
        for item in await first(watched.items, 20):
            assert item.stream == source.stream
            assert modality_of(item) in source.modalities
            if isinstance(item, VideoFrame):
                assert item.image_rgb.dtype == np.uint8
                assert item.image_rgb.shape[2] == 3
                assert not item.image_rgb.flags.writeable
            elif isinstance(item, AudioChunk):
                assert item.pcm.dtype == np.float32
                assert item.pcm.ndim == 1
                assert float(np.abs(item.pcm).max(initial=0.0)) <= 1.0
                assert not item.pcm.flags.writeable


async def leaving_in_the_middle_frees_everything(case: SourceCase) -> None:
    """The thread is gone when the block is left, and the source can be opened again at once."""
    source, before = case.build(), threading.active_count()
    epochs: list[int] = []
    for _ in range(3):
        async with opened(source) as watched:
            epochs += [item.epoch for item in await first(watched.items, 1)]
        assert threading.active_count() <= before
    assert len(set(epochs)) == len(epochs) == 3, "each connection is a new epoch"
    assert epochs == sorted(epochs)


async def cancelling_a_read_frees_everything(case: SourceCase) -> None:
    """Cancelled while it waits for an item, nothing of it goes on."""
    source, reading, before = case.build(), asyncio.Event(), threading.active_count()

    async def read() -> None:
        async with opened(source) as watched:
            await first(watched.items, 1)
            reading.set()
            await first(watched.items, 10**9)
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(read())
        await reading.wait()
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait({task})
        assert threading.active_count() <= before
    assert task.cancelled()


async def an_error_of_the_reader_is_its_own(case: SourceCase) -> None:
    """What the block raises comes out as it is, and everything is freed."""
    source, before = case.build(), threading.active_count()
    with pytest.raises(KeyError, match="mine"):
        async with opened(source):
            raise KeyError("mine")
    assert threading.active_count() <= before


async def what_is_not_there_is_named(case: SourceCase) -> None:
    """`Retryable` or `Permanent`, in words, soon, and without secrets."""
    if case.build_absent is None:
        return
    source = case.build_absent()
    with pytest.raises((Retryable, Permanent)) as caught:
        async with opened(source) as watched:
            await first(watched.items, 1)
    text = str(caught.value)
    assert len(text) > 5
    assert not [secret for secret in case.secrets if secret in text + repr(source)]


async def what_nobody_wants_is_not_made(case: SourceCase) -> None:
    """Without demand, no picture and no sound; chat is text, and comes all the same."""
    source = case.build()
    if source.modalities == {Modality.TEXT}:
        return
    got: list[Item] = []

    async def read() -> None:
        async with opened(source, Nothing()) as watched:
            got.extend(await first(watched.items, 1))

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.5):
            await read()
    assert got == []


async def a_recording_reads_the_same_each_time(case: SourceCase) -> None:
    """For replay: the same items in media order, on a clock of its own."""
    source = case.build()
    if not isinstance(source, Recording) or not case.lossless:
        return
    once, again = list(source.items(WantAll())), list(source.items(WantAll()))
    assert once
    assert [fingerprint(item) for item in once] == [fingerprint(item) for item in again]
    assert [item.captured_ns for item in once] == [round(item.media_s * 1e9) for item in once]
    for run in runs(once):
        assert all(after.seq == before.seq + 1 for before, after in pairwise(run))


async def a_clip_that_is_not_kept_is_none(case: SourceCase) -> None:
    source = case.build()
    if isinstance(source, ClipSource):
        assert source.clip(10**6, 0.0, 1.0) is None
        async with opened(source) as watched:
            await first(watched.items, FEW)
            assert source.clip(10**6, 0.0, 1.0) is None


LAWS = (
    seq_grows_and_time_goes_on,
    items_are_what_was_announced,
    leaving_in_the_middle_frees_everything,
    cancelling_a_read_frees_everything,
    an_error_of_the_reader_is_its_own,
    what_is_not_there_is_named,
    what_nobody_wants_is_not_made,
    a_recording_reads_the_same_each_time,
    a_clip_that_is_not_kept_is_none,
)
