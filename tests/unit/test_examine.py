"""One recording through detectors: short content is looked at once, a failing one abstains."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.config import SchedulerConfig
from streammon.core.errors import Permanent
from streammon.core.ports import Demand
from streammon.core.types import (
    AudioChunk,
    DetectionResult,
    Item,
    Modality,
    Window,
    WindowSpec,
    WindowUnit,
)
from streammon.ingest.finite import Finite
from streammon.pipelines.examine import Examiner
from streammon.scheduler import bounded
from tests.fakes import CAM, RATE_HZ, ScriptedSource, a_frame, a_message

LIMIT_S = 30.0


class Watcher:
    """Says how many items each window holds, and keeps the windows."""

    kind = "watched"
    on_device = False
    max_batch = 1

    def __init__(self, modality: Modality, spec: WindowSpec, *, name: str = "watcher") -> None:
        self.name = name
        self.inputs: Mapping[Modality, WindowSpec] = {modality: spec}
        self.windows: list[Window] = []
        self.loads = 0

    def load(self, device: str) -> None:
        self.loads += 1

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.windows += batch
        return [
            DetectionResult.of(
                window, detector=self.name, kind=self.kind, model_used="count", confidence=0.5
            )
            for window in batch
        ]


class Failing(Watcher):
    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        raise ValueError("no such shape")


class TooMany(Watcher):
    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [*super().score(batch), *super().score(batch)]


def recording(items: Sequence[Item], modality: Modality) -> Finite:
    def make(demand: Demand) -> Iterator[Item]:
        return iter(items)

    return Finite(CAM, modality, make)


def examine(watcher: Watcher, items: Sequence[Item]) -> list[DetectionResult]:
    (modality,) = watcher.inputs
    examiner = Examiner({watcher.name: watcher}, device="cpu")
    return list(examiner.examine(recording(items, modality)).results())


def sound(seconds: float, *, gap_after_s: float | None = None) -> list[AudioChunk]:
    chunks, at_s = [], 0.0
    for seq in range(round(seconds * 10)):
        jump_s = 0.5 if gap_after_s is not None and at_s >= gap_after_s else 0.0
        pcm = np.full(RATE_HZ // 10, 0.1, np.float32)
        pcm.setflags(write=False)
        chunks.append(AudioChunk(CAM, seq, at_s + jump_s, round(at_s * 1e9), pcm, RATE_HZ, RATE_HZ))
        at_s += 0.1
    return chunks


@given(
    length=st.sampled_from([0.5, 1.0, 2.0, 4.0]),
    overlap=st.sampled_from([0.0, 0.25, 0.4]),
    tenths=st.integers(1, 60),
)
def test_sound_always_gives_a_window_and_a_short_one_holds_all_of_it(
    length: float, overlap: float, tenths: int
) -> None:
    watcher = Watcher(Modality.AUDIO, WindowSpec(length, overlap))
    examine(watcher, sound(tenths / 10))
    assert watcher.windows
    if tenths / 10 < length:
        (window,) = watcher.windows
        (chunk,) = window.items
        assert isinstance(chunk, AudioChunk)
        assert len(chunk.pcm) == tenths * RATE_HZ // 10
        assert window.end_s - window.start_s == pytest.approx(tenths / 10)


@given(
    spec=st.sampled_from(
        [
            WindowSpec(8, 4, WindowUnit.FRAMES, frame_interval_s=0.5),
            WindowSpec(4.0, 2.0, frame_interval_s=0.5),
        ]
    ),
    count=st.integers(1, 7),
)
def test_few_frames_are_one_window_of_them_all(spec: WindowSpec, count: int) -> None:
    watcher = Watcher(Modality.VIDEO, spec)
    examine(watcher, [a_frame(seq, media_s=seq / 2) for seq in range(count)])
    assert [len(window.items) for window in watcher.windows] == [count]


@pytest.mark.parametrize(
    "spec",
    [
        WindowSpec(2000, 1000, WindowUnit.CHARACTERS),
        WindowSpec(20, 10, WindowUnit.MESSAGES),
        WindowSpec(30.0, 15.0),
    ],
)
def test_a_short_text_is_one_window(spec: WindowSpec) -> None:
    watcher = Watcher(Modality.TEXT, spec)
    examine(watcher, [a_message(0, media_s=0.0, text="a few words")])
    ((message,),) = [window.items for window in watcher.windows]
    assert message == a_message(0, media_s=0.0, text="a few words")


def test_where_gaps_leave_no_run_the_newest_frame_is_looked_at() -> None:
    """A slide show: no two pictures are close enough to be in one window."""
    watcher = Watcher(Modality.VIDEO, WindowSpec(4.0, 1.0, frame_interval_s=0.5))
    examine(watcher, [a_frame(seq, media_s=seq * 2.0) for seq in range(2)])
    assert [[item.seq for item in window.items] for window in watcher.windows] == [[1]]


def test_short_sound_with_a_gap_is_looked_at_after_the_gap() -> None:
    watcher = Watcher(Modality.AUDIO, WindowSpec(4.0, 1.0))
    examine(watcher, sound(1.5, gap_after_s=1.0))
    assert len(watcher.windows) == 1


def test_damaged_frames_alone_give_nothing() -> None:
    watcher = Watcher(Modality.VIDEO, WindowSpec(2, 0, WindowUnit.FRAMES))
    assert examine(watcher, [a_frame(0, media_s=0.0, damaged=True)]) == []


def test_a_recording_longer_than_a_window_gets_no_window_more() -> None:
    """The rest that is less than half full is passed over, as it is live."""
    watcher = Watcher(Modality.VIDEO, WindowSpec(4, 0, WindowUnit.FRAMES, frame_interval_s=0.5))
    examine(watcher, [a_frame(seq, media_s=seq / 2) for seq in range(5)])
    assert [len(window.items) for window in watcher.windows] == [4]


def test_each_participant_gets_a_window_of_its_own() -> None:
    watcher = Watcher(Modality.VIDEO, WindowSpec(4, 0, WindowUnit.FRAMES, frame_interval_s=0.5))
    long = [a_frame(seq, media_s=seq / 2, participant="anna") for seq in range(4)]
    short = [a_frame(seq, media_s=seq / 2, participant="ben") for seq in range(1)]
    examine(watcher, [*long, *short])
    assert [(w.participant, len(w.items)) for w in watcher.windows] == [("anna", 4), ("ben", 1)]


@pytest.mark.parametrize("broken", [Failing, TooMany])
def test_a_detector_that_fails_abstains_and_says_so(
    broken: type[Watcher], caplog: pytest.LogCaptureFixture
) -> None:
    watcher = broken(Modality.TEXT, WindowSpec(1, 0, WindowUnit.MESSAGES))
    (result,) = examine(watcher, [a_message(0, media_s=0.0)])
    caplog.clear()  # what is logged holds the frames of the call, and so the thread
    assert result.confidence is None
    assert result.abstained == "the detector failed: ValueError"


class Hanging(Watcher):
    """Does not come back from its second window, or from being loaded, until it is released."""

    def __init__(self, release: threading.Event, *, at: str = "score") -> None:
        super().__init__(Modality.TEXT, WindowSpec(1, 0, WindowUnit.MESSAGES), name="hanging")
        self._release, self._at = release, at

    def load(self, device: str) -> None:
        super().load(device)
        if self._at == "load":
            self._release.wait(LIMIT_S)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        if self._at == "score" and self.windows:
            self._release.wait(LIMIT_S)
        return super().score(batch)


@pytest.fixture
def release() -> Generator[threading.Event]:
    """Set at the end of the test: then what hangs comes back, and its thread ends."""
    event = threading.Event()
    yield event
    event.set()


QUICK = SchedulerConfig(hang_s=0.2, load_hang_s=0.2)


def test_a_detector_that_hangs_abstains_from_there_on_and_the_others_are_asked(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "SECOND_LOOK_S", 2.0)  # the others may be held up
    other = Watcher(Modality.TEXT, WindowSpec(1, 0, WindowUnit.MESSAGES), name="other")
    detectors = {"hanging": Hanging(release), "other": other}
    examiner = Examiner(detectors, device="cpu", limits=QUICK)
    chat = [a_message(seq, media_s=float(seq)) for seq in range(4)]
    began_s = time.monotonic()
    results = list(examiner.examine(recording(chat, Modality.TEXT)).results())
    assert time.monotonic() - began_s < LIMIT_S / 2
    said = [result.abstained for result in results if result.detector == "hanging"]
    assert said == [None, *["the detector hangs and was given up"] * 3]
    assert [result.abstained for result in results if result.detector == "other"] == [None] * 4
    assert list(examiner.given_up) == ["hanging"]
    assert "did not come back for 0.2 s" in examiner.given_up["hanging"]


def test_a_detector_that_hangs_while_it_loads_is_an_error_at_once_and_again(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "SECOND_LOOK_S", 0.05)
    hanging = Hanging(release, at="load")
    examiner = Examiner({"hanging": hanging}, device="cpu", lazily=True, limits=QUICK)
    source = recording([a_message(0, media_s=0.0)], Modality.TEXT)
    for _ in range(2):
        with pytest.raises(Permanent, match="hanging: load did not come back"):
            examiner.examine(source)
    assert hanging.loads == 1


def test_lazily_only_detectors_with_something_to_look_at_are_loaded_and_once() -> None:
    heard = Watcher(Modality.AUDIO, WindowSpec(1.0, 0.0), name="heard")
    read = Watcher(Modality.TEXT, WindowSpec(1, 0, WindowUnit.MESSAGES), name="read")
    examiner = Examiner({"heard": heard, "read": read}, device="cpu", lazily=True)
    assert (heard.loads, read.loads) == (0, 0)
    for _ in range(2):
        list(examiner.examine(recording([a_message(0, media_s=0.0)], Modality.TEXT)).results())
    assert (heard.loads, read.loads) == (0, 1)


def test_only_the_named_detectors_look() -> None:
    one = Watcher(Modality.TEXT, WindowSpec(1, 0, WindowUnit.MESSAGES), name="one")
    two = replace_name(one, "two")
    examiner = Examiner({"one": one, "two": two}, device="cpu")
    source = recording([a_message(0, media_s=0.0)], Modality.TEXT)
    results = list(examiner.examine(source, only={"two"}).results())
    assert [result.detector for result in results] == ["two"]


def replace_name(watcher: Watcher, name: str) -> Watcher:
    ((modality, spec),) = watcher.inputs.items()
    return Watcher(modality, spec, name=name)


def test_a_live_source_is_refused() -> None:
    with pytest.raises(Permanent, match="only recordings"):
        Examiner({}, device="cpu").examine(ScriptedSource(CAM, []))
