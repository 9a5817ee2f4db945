"""What every adapter for other people's models promises, on a network that can be watched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.core.errors import Permanent
from streammon.core.types import Modality, Window
from streammon.detectors.model_detector import ModelDetector, Plan
from streammon.detectors.model_files import Seal, first_line, pinned_bytes
from streammon.detectors.model_outputs import ScoreReader
from streammon.detectors.model_settings import ModelConfig, window_spec
from streammon.detectors.model_text import bucket, refusal, text_of
from streammon.detectors.model_trial import trial_window
from tests.fakes import a_frame, a_window
from tests.tiny_models import read, seen, sha256


class Brightest:
    """As sure of synthetic as a picture is bright; NaN of white."""

    name, weights_sha256, resident_bytes, looks = "brightest@1", "ab" * 32, 123, 1
    reader = ScoreReader("probability", (0,), False, ("bright",))

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.closed = 0

    def outputs(self, windows: Sequence[Window]) -> NDArray[np.generic]:
        self.asked.append(len(windows))
        levels = [float(np.mean(getattr(each.items[0], "image_rgb"))) for each in windows]  # noqa: B009
        return np.array([[np.nan if level == 255 else level / 255] for level in levels])

    def close(self) -> None:
        self.closed += 1


def a_detector(network: Any, **settings: Any) -> ModelDetector:
    plan = Plan("image", window_spec("image", None), lambda device: network)
    return ModelDetector("d", ModelConfig(**settings), plan)


def level(value: int, **more: Any) -> Window:
    return a_window(a_frame(level=value, **more))


def test_what_cannot_be_judged_never_reaches_the_model() -> None:
    network = Brightest()
    detector = a_detector(network, threshold=0.4)
    detector.load("cpu")
    batch = [level(51), level(204), level(9, damaged=True), level(255), level(102)]
    results = detector.score(batch)
    assert network.asked == [4], "one forward for all that can be judged"
    assert [result.confidence for result in results] == [
        pytest.approx(0.2), pytest.approx(0.8), None, None, pytest.approx(0.4),
    ]  # fmt: skip
    assert [result.is_ai_generated for result in results] == [False, True, None, None, True]
    assert results[2].abstained == "no undamaged picture"
    assert results[3].abstained == "the model gave no number"
    assert {result.model_used for result in results} == {"brightest@1"}
    assert all(result.processing_time_s > 0 for result in results)


def test_nothing_to_judge_asks_nothing() -> None:
    network = Brightest()
    detector = a_detector(network)
    detector.load("cpu")
    assert detector.score([level(9, damaged=True)])[0].abstained
    assert detector.score([]) == []
    assert network.asked == []


def test_before_it_is_loaded_and_after_it_is_unloaded_it_cannot_score() -> None:
    network = Brightest()
    detector = a_detector(network)
    assert (detector.resident_bytes, detector.fingerprint) == (0, "")
    for _ in range(2):
        with pytest.raises(Permanent, match=r"load\(\) has to come before score"):
            detector.score([level(1)])
        detector.load("cpu")
        assert detector.resident_bytes == 123
        detector.unload()
    detector.unload()
    assert network.closed == 2
    assert detector.fingerprint, "it is known what it was"


def test_loading_again_lets_go_of_what_was_there() -> None:
    network = Brightest()
    detector = a_detector(network)
    detector.load("cpu")
    detector.load("cpu")
    assert network.closed == 1


def test_the_kind_is_as_said_or_as_the_content() -> None:
    assert a_detector(Brightest()).kind == "synthetic_image"
    assert a_detector(Brightest(), kind="face_forgery").kind == "face_forgery"
    with pytest.raises(ValueError, match="kind"):
        a_detector(Brightest(), kind="Face forgery!")


def test_pinned_bytes_are_those_that_were_hashed(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"weights")
    assert pinned_bytes(path, sha256(path).upper()) == (b"weights", sha256(path))
    with pytest.raises(Permanent, match="SHA-256 is"):
        pinned_bytes(path, "0" * 64)
    with pytest.raises(Permanent, match=r"cannot be read \(Is a directory\)"):
        pinned_bytes(tmp_path, None)


def test_a_seal_breaks_with_any_change(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    seal = Seal()
    first = seal.of([two, one])
    assert seal.of([one, two]) == first == Seal().of([one, two])
    two.write_bytes(b"22")
    assert seal.of([one, two]) != first
    assert Seal().of([one]) != Seal().of([two])


def test_an_error_is_told_in_one_line() -> None:
    assert first_line(ValueError("a\n\n b \nc")) == "a b"
    assert first_line(ValueError()) == "ValueError"
    assert len(first_line(ValueError("x" * 999))) == 240


def test_text_is_one_line_per_message_and_can_be_encoded() -> None:
    assert text_of(read(0, "hello", "you")) == "hello\nyou"
    assert text_of(read(0, "a\ud800b")) == "a?b"
    assert refusal(read(0, " \t\n", "!?")) == "no words"
    assert refusal(read(0, "héllo")) is None
    assert bucket(read(0, "x" * 100)) == bucket(read(1, "y" * 120)) != bucket(read(2, "z"))


@pytest.mark.parametrize("modality", list(Modality))
def test_a_trial_window_holds_what_its_modality_holds(modality: Modality) -> None:
    window = trial_window(modality)
    assert window.modality is modality
    assert type(window.items[0]) is type(
        {Modality.VIDEO: seen(0), Modality.TEXT: read(0, "x")}.get(modality, window).items[0]
    )
