"""`judged`: several detectors' verdicts as one; which configuration `detectors=` means."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streammon
from streammon.core.errors import ConfigError, TooLarge
from streammon.core.types import DetectionResult, Modality, Window, WindowSpec, WindowUnit
from streammon.pipelines import detect
from streammon.pipelines.content import ContentKind
from streammon.pipelines.detect import Panel, configured, judged
from streammon.pipelines.verdict import Verdict


def a_verdict(
    detector: str,
    confidence: float | None,
    *,
    kind: str = "voice_spoof",
    generated: bool | None = None,
    modality: Modality = Modality.AUDIO,
    experimental: bool = False,
) -> Verdict:
    return Verdict(
        detector=detector,
        kind=kind,
        modality=modality,
        confidence=confidence,
        is_ai_generated=generated,
        abstained="silence" if confidence is None else None,
        windows=1,
        scored=int(confidence is not None),
        model_used=f"{detector}-1",
        experimental=experimental,
    )


def judge(*verdicts: Verdict) -> detect.Detection:
    return judged(ContentKind.AUDIO, verdicts, processing_time_s=0.5)


def test_different_kinds_are_different_questions_and_the_highest_stands() -> None:
    found = judge(
        a_verdict("ear", 0.3, generated=False),
        a_verdict("eye", 0.8, kind="face_forgery", generated=True),
    )
    assert (found.confidence, found.is_ai_generated, found.model_used) == (0.8, True, "eye-1")


def test_what_an_experimental_detector_says_is_told_and_decides_nothing() -> None:
    weak = a_verdict("eye", 0.9, kind="face_forgery", generated=True, experimental=True)
    found = judge(a_verdict("ear", 0.3, generated=False), weak)
    assert (found.confidence, found.is_ai_generated) == (0.3, False)
    assert found.to_json()["detectors"][1]["experimental"] is True  # type: ignore[index, call-overload]
    alone = judge(weak)
    assert (alone.confidence, alone.is_ai_generated) == (None, None)
    assert alone.abstained == "eye: experimental, decides nothing alone"


def test_detectors_of_one_kind_are_averaged_by_their_odds() -> None:
    """Odds of 9 and 1: their geometric mean is 3."""
    found = judge(a_verdict("a", 0.9, generated=True), a_verdict("b", 0.5, generated=False))
    assert found.confidence == pytest.approx(0.75)
    assert found.is_ai_generated is True
    assert found.model_used == "a-1, b-1"


def test_picture_and_sound_are_different_questions_to_one_detector() -> None:
    found = judge(
        a_verdict("freeze", 0.02, kind="freeze"),
        a_verdict("freeze", 0.9, kind="freeze", modality=Modality.VIDEO),
    )
    assert found.confidence == 0.9


@given(confidence=st.floats(0.0, 1.0), count=st.integers(1, 9))
def test_agreement_does_not_raise_the_confidence(confidence: float, count: int) -> None:
    found = judge(*[a_verdict(str(n), confidence, generated=True) for n in range(count)])
    assert found.confidence == pytest.approx(confidence, abs=1e-5)


@given(st.lists(st.floats(0.0, 1.0) | st.none(), min_size=1, max_size=6))
def test_one_who_abstains_changes_nothing(confidences: list[float | None]) -> None:
    verdicts = [a_verdict(str(n), one, kind=str(n % 2)) for n, one in enumerate(confidences)]
    scored = [verdict for verdict in verdicts if verdict.confidence is not None]
    found = judge(*verdicts)
    assert found.confidence == judge(*scored).confidence
    assert (found.confidence is None) == (not scored)
    assert (found.abstained is None) == bool(scored)


def test_who_says_nothing_of_generation_speaks_only_when_no_other_can() -> None:
    frozen = a_verdict("freeze", 0.99, kind="freeze")
    spoken = judge(frozen, a_verdict("ear", 0.1, generated=False))
    silent = judge(frozen, a_verdict("ear", None))
    assert (spoken.confidence, spoken.is_ai_generated) == (0.1, False)
    assert (silent.confidence, silent.is_ai_generated) == (0.99, None)


def test_when_all_abstain_each_reason_is_told() -> None:
    found = judge(a_verdict("a", None), a_verdict("b", None))
    assert found.abstained == "a: silence; b: silence"
    assert judge().abstained == "no detector looks at audio"


def test_the_json_is_the_standard_result() -> None:
    fields = json.loads(json.dumps(judge(a_verdict("ear", 0.3, generated=False)).to_json()))
    assert (fields["v"], fields["type"], fields["modality"]) == (1, "detection", "audio")
    assert fields["processing_time_s"] == 0.5
    assert set(fields["detectors"][0]) == {
        "detector", "kind", "modality", "confidence", "is_ai_generated", "abstained", "windows",
        "scored", "model_used", "details", "experimental",
    }  # fmt: skip


class Counting:
    """Says of each window of messages that it is half and half."""

    name = "counting"
    kind = "count"
    inputs: Mapping[Modality, WindowSpec] = {Modality.TEXT: WindowSpec(1, 0, WindowUnit.MESSAGES)}
    max_batch = 1

    def __init__(self, *, on_device: bool = True) -> None:
        self.on_device = on_device
        self.loaded_on: list[str] = []

    def load(self, device: str) -> None:
        self.loaded_on.append(device)

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [
            DetectionResult.of(
                window, detector=self.name, kind=self.kind, model_used="count-1", confidence=0.5
            )
            for window in batch
        ]


CHAT = "".join(f'{{"author_id": "a", "text": "message {n}"}}\n' for n in range(5))


def test_a_panel_judges_again_and_again_with_models_loaded_once() -> None:
    counting = Counting()
    panel = Panel({"counting": counting}, device="cpu")
    assert counting.loaded_on == []
    found = [panel.detect(CHAT) for _ in range(3)]
    assert [one.detectors[0].windows for one in found] == [5, 5, 5]
    assert counting.loaded_on == ["cpu"]
    assert found[0].model_used == "count-1"


def test_judging_ends_when_its_time_is_over() -> None:
    panel = Panel({"counting": Counting()}, device="cpu")
    with pytest.raises(TooLarge, match="longer than 0 s"):
        panel.detect(CHAT, within_s=0.0)


def test_a_detector_that_is_not_there_is_named() -> None:
    panel = Panel({"counting": Counting()}, device="cpu")
    with pytest.raises(ConfigError, match=r"nobody.*there are: counting"):
        panel.detect(CHAT, only=["nobody"])


def test_detectors_that_look_at_something_else_speak_only_when_asked() -> None:
    panel = Panel({"counting": Counting()}, device="cpu")
    silence = np.zeros(16_000, np.float32)
    unasked = panel.detect(silence, rate_hz=16_000)
    asked = panel.detect(silence, rate_hz=16_000, only=["counting"])
    assert (unasked.detectors, unasked.abstained) == ((), "no detector looks at audio")
    assert asked.abstained == "counting: it looks at text only"


def test_blank_text_is_abstained_from() -> None:
    found = Panel({"counting": Counting()}, device="cpu").detect(" \n")
    assert found.abstained == "counting: there is nothing in it to look at"


def test_detectors_are_named_by_type_by_monitor_or_by_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("detectors:\n  still: {type: freeze}\n")
    assert set(configured(None).detectors) == {
        "freeze",
        "voice_spoof",
        "chat_flood",
        "ai_text",
        "face_forgery",
        "lip_sync",
    }
    assert set(configured("chat_moderation").detectors) == {"chat_flood", "ai_text"}
    assert set(configured("freeze").detectors) == {"freeze"}
    assert set(configured(["freeze", "chat_flood"]).detectors) == {"freeze", "chat_flood"}
    assert set(configured(path).detectors) == set(configured(str(path)).detectors) == {"still"}
    with pytest.raises(ConfigError, match="no_such"):
        configured("no_such")


def test_the_package_offers_it_and_stays_light() -> None:
    assert streammon.detect is detect.detect
    assert streammon.Panel is detect.Panel
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = streammon.nothing_like_it
    script = "import sys, streammon; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert {"numpy", "pydantic", "torch"}.isdisjoint(loaded.stdout.split())
