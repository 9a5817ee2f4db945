"""Combinators as a config names them: what is built, what is refused, what comes out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streammon.demo
from streammon.cli import main
from streammon.config import SchedulerConfig, load_config, parse_config
from streammon.core.clock import MonotonicClock
from streammon.core.errors import ConfigError
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Health, Modality, StreamId, Window
from streammon.detectors.cascade import Cascade
from streammon.detectors.ensemble import Ensemble
from streammon.detectors.multimodal import Multimodal
from streammon.flow.channel import Channel, WhenFull
from streammon.pipelines.building import build_detectors, build_rules, build_sources
from streammon.pipelines.replay import Replay
from streammon.scheduler.runner import Scheduler
from tests.fakes import a_chunk, a_message, a_window
from tests.packages import installed
from tests.panelists import shot

DEMO = Path(streammon.demo.__file__).parent
LIMIT_S = 20.0
WATCHED = {"cam": Modality.VIDEO, "call": Modality.AUDIO, "captions": Modality.TEXT}

GLOW = '''
    """How bright is it? And three that are up to no good."""

    import threading
    from typing import Literal

    from streammon.core.types import DetectionResult, Modality, WindowSpec
    from streammon.registry import AdapterConfig
    from tests.panelists import Panelist

    LEAVE = threading.Event()

    def hang(batch):
        LEAVE.wait(30)
        return []

    def fail(batch):
        raise RuntimeError("boom")

    def lie(batch):
        return []

    ACTS = {"plain": None, "fail": fail, "lie": lie, "hang": hang}

    class GlowConfig(AdapterConfig):
        """Brightness of the picture."""

        type: Literal["glow"] = "glow"
        act: Literal["plain", "fail", "lie", "hang"] = "plain"
        says: float | None = None
        length: float = 2.0

        def build(self, name):
            inputs = {Modality.VIDEO: WindowSpec(self.length, 0.0, frame_interval_s=0.5)}
            return Panelist(name, inputs=inputs, act=ACTS[self.act], says=self.says)
'''


@pytest.fixture(autouse=True)
def glow(tmp_path: Path) -> Iterator[None]:
    """A detector from an outside package, to build combinators of."""
    entries = {"streammon.detectors": {"glow": "streammon_glow:GlowConfig"}}
    folder = tmp_path / "site"
    folder.mkdir()
    with installed(folder, "streammon_glow", source=GLOW, entry_points=entries):
        yield


def built(**detectors: Any) -> dict[str, Detector]:
    return build_detectors(parse_config({"detectors": detectors}))


def glows(*names: str) -> dict[str, Any]:
    return {name: {"type": "glow"} for name in names}


# --- what is built ---------------------------------------------------------------------------


def test_members_speak_only_through_their_combinator_wherever_they_stand_in_the_file() -> None:
    detectors = built(
        guard={"type": "cascade", "first": "a", "then": "both"},
        both={"type": "ensemble", "members": ["b", "c"]},
        **glows("a", "b", "c", "alone"),
    )
    assert set(detectors) == {"guard", "alone"}
    guard = detectors["guard"]
    assert isinstance(guard, Cascade)
    assert guard.inputs[Modality.VIDEO].length == 2.0


def test_real_detectors_are_joined() -> None:
    detectors = built(
        trust={"type": "ensemble", "members": ["voice_spoof", "freeze"], "modality": "audio",
               "kind": "bad_sound"},
        voice_spoof={},
        freeze={},
        person={"type": "multimodal", "members": ["picture", "chat_flood"]},
        picture={"type": "glow"},
        chat_flood={},
    )  # fmt: skip
    assert isinstance(detectors["trust"], Ensemble)
    assert isinstance(detectors["person"], Multimodal)
    assert set(detectors["person"].inputs) == {Modality.VIDEO, Modality.TEXT}


# --- what is refused -------------------------------------------------------------------------

REFUSED = {
    "an unknown member": (
        {"guard": {"type": "cascade", "first": "a", "then": "depe"}, **glows("a", "deep")},
        "detectors.guard.then: no detector is called 'depe'; defined: a, deep",
    ),
    "itself": (
        {"panel": {"type": "ensemble", "members": ["a", "panel"]}, **glows("a")},
        "detectors.panel.members.1: 'panel' would hold itself: panel -> panel",
    ),
    "a circle": (
        {
            "x": {"type": "ensemble", "members": ["a", "y"]},
            "y": {"type": "cascade", "first": "b", "then": "x"},
            **glows("a", "b"),
        },
        "detectors.y.then: 'x' would hold itself: x -> y -> x",
    ),
    "a member of two": (
        {
            "x": {"type": "ensemble", "members": ["a", "b"]},
            "y": {"type": "ensemble", "members": ["b", "c"]},
            **glows("a", "b", "c"),
        },
        "detectors.y.members.0: 'b' is a member of 'x' already",
    ),
    "a modality that does not fit": (
        {"x": {"type": "ensemble", "members": ["a", "chat_flood"]}, "chat_flood": {}, **glows("a")},
        "detectors.x.'a' looks at video and 'chat_flood' at text",
    ),
    "a window that does not fit": (
        {
            "x": {"type": "cascade", "first": "a", "then": "b", "window": {"length": 3}},
            "a": {"type": "glow"},
            "b": {"type": "glow", "length": 4.0},
        },
        "detectors.x.window.length: 'b' needs 4 seconds, got 3",
    ),
    "kinds that differ": (
        {
            "x": {"type": "ensemble", "members": ["voice_spoof", "freeze"], "modality": "audio"},
            "voice_spoof": {},
            "freeze": {},
        },
        "detectors.x.kind: the members say freeze and voice_spoof; name one",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_by_the_name_of_its_field(case: str) -> None:
    detectors, message = REFUSED[case]
    with pytest.raises(ConfigError) as refused:
        built(**detectors)
    assert message in str(refused.value)


def test_check_finds_it_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("detectors: {guard: {type: cascade, first: freeze, then: depe}, freeze: {}}\n")
    assert main(["check", str(path)]) == 2
    assert "detectors.guard.then: no detector is called 'depe'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("transcript: {transcripts: {cal: captions}}", "transcripts: no source is called 'cal'"),
        ("image_text: {texts: {call: chat}}", "texts.call: no source is called 'chat'"),
    ],
)
def test_a_stream_that_nobody_brings_is_found_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, message: str
) -> None:
    path = tmp_path / "typo.yaml"
    path.write_text(
        "sources:\n  call: {type: av_url, url: 'rtsp://camera.example/live'}\n"
        "  captions: {type: chat_jsonl, path: captions.jsonl}\n"
        f"detectors:\n  {settings}\n"
    )
    assert main(["check", str(path)]) == 2
    assert message in capsys.readouterr().err


# --- what comes out --------------------------------------------------------------------------


def test_a_replay_hears_the_combinator_and_not_its_members(tmp_path: Path) -> None:
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f"""
        sources: {{demo: {{type: av_url, url: "{DEMO / "camera_frozen.mp4"}"}}}}
        detectors:
          guard: {{type: cascade, first: quick, then: freeze, modality: video, kind: freeze,
                   band: [0.0, 1.0]}}
          quick: {{type: glow}}
          freeze: {{rest_when_calm: false}}
        """
    )
    config = load_config(path)
    (source,) = build_sources(config)

    def replayed() -> list[DetectionResult]:
        replay = Replay(config, build_detectors(config), build_rules(config), device="cpu")
        return [line for line in replay.judge(source) if isinstance(line, DetectionResult)]

    results = replayed()
    assert {result.detector for result in results} == {"guard"}
    assert {result.kind for result in results} == {"freeze"}
    stages = {result.details["stage"] for result in results}
    assert stages <= {"then", "first"}
    assert "then" in stages
    assert max(result.confidence or 0.0 for result in results) > 0.9
    assert [result.confidence for result in replayed()] == [result.confidence for result in results]


async def through_the_scheduler(
    detectors: dict[str, Detector], windows: Sequence[tuple[str, Window]]
) -> tuple[list[DetectionResult], list[Health]]:
    """What comes out for these windows, each a round of its own."""
    health: list[Health] = []
    scheduler = Scheduler(
        detectors, SchedulerConfig(device="cpu"), clock=MonotonicClock(), report=health.append
    )
    for stream, modality in WATCHED.items():
        scheduler.add_stream(StreamId(stream), frozenset({modality}))
    out: Channel[DetectionResult] = Channel("results", 64, WhenFull.BLOCK)
    results: list[DetectionResult] = []
    await scheduler.load()
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        group.create_task(scheduler.run(out))
        for name, window in windows:
            scheduler.submit(name, window)
            results.append(await out.recv())
        scheduler.close()
    return results, health


@pytest.mark.parametrize("act", ["fail", "lie", "hang"])
async def test_a_member_that_misbehaves_is_named_and_stops_nobody(act: str) -> None:
    within_s = 2.0 if act == "hang" else LIMIT_S  # the others may be held up
    detectors = built(
        panel={"type": "ensemble", "members": ["a", "b", "bad"], "answer_within_s": within_s},
        alone={"type": "glow", "says": 0.3},
        a={"type": "glow", "says": 0.9},
        b={"type": "glow", "says": 0.9},
        bad={"type": "glow", "act": act},
    )
    windows = [
        (name, shot(0.5, start_s=2.0 * at)) for at in range(5) for name in ("panel", "alone")
    ]
    try:
        results, health = await through_the_scheduler(detectors, windows)
    finally:
        import streammon_glow  # type: ignore[import-not-found]

        streammon_glow.LEAVE.set()
        for thread in threading.enumerate():
            if thread.name == "member-bad":
                thread.join(LIMIT_S)
    assert [result.confidence for result in results[::2]] == pytest.approx([0.9] * 5)
    assert [result.confidence for result in results[1::2]] == [0.3] * 5
    assert all(result.details["without"] == ["bad"] for result in results[::2])
    assert {each.state.value for each in health} <= {"starting", "up"}


def spoken_of(number: int, *, words: int) -> tuple[Window, Window]:
    """Two seconds of silence on `call`, and a line of so many words on `captions` in them."""
    end_s = 2.0 * number + 2.0
    chunk = a_chunk(number, media_s=end_s - 2.0, pcm=np.zeros(32_000, np.float32),
                    stream=StreamId("call"), captured_ns=round(end_s * 1e9))  # fmt: skip
    line = a_message(number, media_s=100.0 + end_s, text="word " * words,
                     stream=StreamId("captions"), captured_ns=round(1e9 * (end_s - 1)))  # fmt: skip
    return a_window(chunk, end_s=end_s), a_window(line, end_s=101.0 + end_s)


async def test_two_streams_meet_in_one_detector_whatever_their_own_clocks_say() -> None:
    detectors = built(words={"type": "transcript", "transcripts": {"call": "captions"}})
    pairs = [spoken_of(number, words=6) for number in range(16)]
    windows = [("words", window) for sound, text in pairs for window in (text, sound)]
    results, health = await through_the_scheduler(detectors, windows)
    captions = [result for result in results if result.stream == "captions"]
    call = [result for result in results if result.stream == "call"]
    assert {result.abstained for result in captions} == {
        "kept as the transcript of call: verdicts are given there"
    }
    assert call[-1].details["cause"] == "words_without_speech"
    assert {each.state.value for each in health} <= {"starting", "up"}
