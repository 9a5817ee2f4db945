"""Faces judged in films that were encoded, decoded and cut as any others."""

from __future__ import annotations

from pathlib import Path

import streammon.demo
from streammon.core.types import DetectionResult, StreamId
from streammon.detectors.face_forgery import FaceForgeryConfig
from streammon.ingest.av_url import AvUrlConfig
from streammon.pipelines.examine import Examiner
from tests.drawn_talker import write_film

DEMO = Path(streammon.demo.__file__).parent


def answers(film: Path) -> list[DetectionResult]:
    source = AvUrlConfig(type="av_url", url=str(film)).build(StreamId("film"))
    examiner = Examiner({"faces": FaceForgeryConfig().build("faces")}, device="cpu")
    return list(examiner.examine(source).results())


def test_the_face_in_a_film_is_judged_in_every_window(tmp_path: Path) -> None:
    film = tmp_path / "talker.mp4"
    write_film(film)
    found = answers(film)
    judged = [one for one in found if one.confidence is not None]
    assert judged
    for one in judged:
        (face,) = one.regions
        assert face.x1 < 0.5 < face.x2
        assert face.score is not None
        assert one.experimental


def test_a_film_without_a_face_is_not_judged() -> None:
    found = answers(DEMO / "camera_clean.mp4")
    assert found
    assert {one.abstained for one in found} == {"no face in the picture"}
