"""Lips against the voice in a film that was encoded, decoded and cut as any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from streammon.core.types import DetectionResult, StreamId
from streammon.detectors.lip_sync import LipSyncConfig
from streammon.ingest.av_url import AvUrlConfig
from streammon.pipelines.examine import Examiner
from tests.drawn_talker import write_film


def last_answer(film: Path) -> DetectionResult:
    source = AvUrlConfig(type="av_url", url=str(film)).build(StreamId("film"))
    examiner = Examiner({"lips": LipSyncConfig().build("lips")}, device="cpu")
    found = [one for one in examiner.examine(source).results() if one.confidence is not None]
    assert found, "the film holds enough speech to be judged"
    return found[-1]


@pytest.mark.parametrize(("late_s", "found"), [(0.0, False), (0.4, True)])
def test_a_film_is_judged_by_its_lips(tmp_path: Path, late_s: float, found: bool) -> None:
    film = tmp_path / "talker.mp4"
    write_film(film, late_s=late_s)
    last = last_answer(film)
    assert last.is_ai_generated is found
    assert float(str(last.details["offset_ms"])) == pytest.approx(1000 * late_s, abs=100)
    (face,) = last.regions
    assert face.label == "speaker"
    assert face.x1 < 0.5 < face.x2
