"""Files and texts through real detectors: each row gets an answer, or is named as failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Modality, Window, WindowSpec, WindowUnit
from streammon.evaluation.answers import Answers
from streammon.evaluation.manifest import Row
from streammon.evaluation.scoring import Scoring
from tests.clips import Recipe, write_clip
from tests.fakes import Brightness, a_result


class Length:
    """A real, small detector of texts: long ones are taken for machine-made."""

    name = kind = "length"
    inputs: Mapping[Modality, WindowSpec] = {
        Modality.TEXT: WindowSpec(1, 0, WindowUnit.MESSAGES),
    }
    on_device = False
    max_batch = 8

    def load(self, device: str) -> None:
        self.device = device

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        (window,) = batch
        length = len(getattr(window.items[0], "text", ""))
        if length == 13:
            raise ValueError("the model chokes on 13 characters")
        return [
            a_result(
                stream=window.stream, detector=self.name, kind=self.kind, modality=Modality.TEXT,
                confidence=min(length / 100, 1.0),
            )
        ]  # fmt: skip


def picture(path: Path, level: int) -> Path:
    assert cv2.imwrite(str(path), np.full((32, 48, 3), level, np.uint8))
    return path


def scoring() -> Scoring:
    detectors: dict[str, Detector] = {"brightness": Brightness(), "length": Length()}
    return Scoring(detectors, device="cpu", pool="log_odds")


def of(found: Scoring, name: str) -> Answers:
    (answers,) = [answers for answers in found.answers if answers.detector == name]
    return answers


def test_pictures_films_and_texts_are_each_asked_of_who_looks_at_them(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    write_clip(film, Recipe(seconds=2, width=64, height=48))
    rows = [
        Row(line=2, fake=True, path=picture(tmp_path / "light.png", 250), group="a"),
        Row(line=3, fake=False, path=picture(tmp_path / "dark.png", 10), group="b"),
        Row(line=4, fake=False, path=film, group="c"),
        Row(line=5, fake=True, text="x" * 80, group="d"),
    ]
    found = scoring()
    for row in rows:
        found.take(row)
    assert found.failures == []
    light, dark, moving = of(found, "brightness").given
    assert light.confidence == pytest.approx(250 / 255, abs=0.01)
    assert dark.confidence == pytest.approx(10 / 255, abs=0.01)
    assert moving.row.line == 4
    assert moving.confidence is not None
    (text,) = of(found, "length").given
    assert text.confidence == pytest.approx(0.8)
    assert text.row.text is None, "texts of many rows would not fit in memory"
    brightness = of(found, "brightness")
    assert len(brightness.window_s) == brightness.models.total() - 1  # the first one warms up


def test_what_cannot_be_read_is_named_and_the_next_is_judged(tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(40)))
    cut = tmp_path / "cut.png"
    cut.write_bytes(picture(tmp_path / "whole.png", 9).read_bytes()[:60])
    empty = tmp_path / "empty.mp4"
    empty.touch()
    found = scoring()
    for line, path in enumerate((broken, cut, empty, tmp_path / "gone.wav", tmp_path), start=2):
        found.take(Row(line=line, fake=True, path=path))
    found.take(Row(line=7, fake=True, path=picture(tmp_path / "light.png", 250)))
    assert [failure.row.line for failure in found.failures] == [2, 3, 4, 5, 6]
    causes = [failure.cause for failure in found.failures]
    assert all(causes)
    assert not any(str(tmp_path) in cause for cause in causes), "the row's name is not said twice"
    assert [answer.row.line for answer in of(found, "brightness").given] == [7]


def test_a_detector_that_chokes_on_a_text_abstains_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = scoring()
    for line, length in ((2, 13), (3, 20)):
        found.take(Row(line=line, fake=True, text="x" * length))
    caplog.clear()  # what is logged holds the frames of the call, and so the thread
    choked, judged = of(found, "length").given
    assert (choked.confidence, judged.abstained) == (None, None)
    assert choked.abstained


def test_a_name_in_a_manifest_is_a_file_and_never_a_url(tmp_path: Path) -> None:
    """`lavfi:` would make FFmpeg run a pattern, `tcp:` connect to somewhere."""
    found = scoring()
    for line, name in enumerate(("lavfi:testsrc2=duration=1", "tcp://127.0.0.1:9", "-"), start=2):
        found.take(Row(line=line, fake=True, path=Path(name)))
    assert [failure.row.line for failure in found.failures] == [2, 3, 4]
    assert found.answers == []
