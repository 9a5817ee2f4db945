"""Sound and picture of one participant, weighed together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.errors import ConfigError
from streammon.core.types import DetectionResult, Modality, WindowSpec
from streammon.detectors.multimodal import Multimodal, MultimodalConfig
from tests.panelists import Panelist, heard, shot

SOUND = {Modality.AUDIO: WindowSpec(2.0, 0.0)}


def voice(says: float | None = 0.9, **more: Any) -> Panelist:
    silent = "no speech" if says is None else None
    return Panelist("voice", kind="voice_spoof", inputs=SOUND, says=says, silent=silent, **more)


def face(says: float | None = None) -> Panelist:
    return Panelist("face", kind="face_forgery", says=says)


def joined(*members: Panelist, **settings: Any) -> Multimodal:
    config = MultimodalConfig(members=tuple(each.name for each in members), **settings)
    detector = config.build("person", {each.name: each for each in members})
    detector.load("cpu")
    return detector


def one(detector: Multimodal, window: Any) -> DetectionResult:
    (result,) = detector.score([window])
    return result


def test_each_modality_is_cut_as_its_member_wants_and_scored_by_it() -> None:
    sound, picture = voice(), face()
    detector = joined(sound, picture)
    assert detector.inputs == {**sound.inputs, **picture.inputs}
    assert detector.kind == "synthetic_media"
    result = one(detector, heard())
    assert result.confidence == pytest.approx(0.9)
    assert result.modality is Modality.AUDIO
    assert (len(sound.seen), len(picture.seen)) == (1, 0)


def test_what_was_last_said_of_the_other_modality_is_weighed_in() -> None:
    detector = joined(voice(0.9), face(0.6), weights={Modality.AUDIO: 3.0})
    one(detector, heard(start_s=0.0))
    result = one(detector, shot(start_s=0.5))
    odds = (9**3 * 1.5) ** 0.25
    assert result.confidence == pytest.approx(odds / (1 + odds))
    modalities: Any = result.details["modalities"]
    assert set(modalities) == {"audio", "video"}
    assert result.model_used == "voice@1 + face@1"
    assert result.details["inconsistencies"] == []


@pytest.mark.parametrize(
    ("start_s", "epoch", "alone"), [(7.9, 0, False), (8.1, 0, True), (0.0, 1, True)]
)
def test_old_verdicts_and_those_of_another_epoch_are_forgotten(
    start_s: float, epoch: int, alone: bool
) -> None:
    detector = joined(voice(0.9), face(0.2))
    one(detector, heard())
    result = one(detector, shot(start_s=start_s, epoch=epoch))
    assert (result.confidence == pytest.approx(0.2)) == alone


def test_modalities_that_disagree_strongly_are_both_named() -> None:
    detector = joined(voice(0.97), face(0.04))
    one(detector, heard())
    result = one(detector, shot())
    assert result.details["inconsistencies"] == [
        {
            "synthetic": "audio",
            "genuine": "video",
            "why": "audio looks synthetic (0.97), video looks genuine (0.04)",
        }
    ]
    assert result.confidence == pytest.approx(0.537, abs=0.01)


def test_one_forged_modality_can_be_enough() -> None:
    detector = joined(voice(0.97), face(0.04), mode="strongest")
    one(detector, heard())
    assert one(detector, shot()).confidence == 0.97


def test_a_window_of_which_nothing_is_said_gets_no_verdict_from_the_past() -> None:
    sound = voice(0.9)
    detector = joined(sound, face(0.9))
    one(detector, heard())
    one(detector, shot())
    sound.silent = "no speech"
    result = one(detector, heard(start_s=2.0))
    assert result.confidence is None
    assert result.abstained == "voice: no speech"
    later = one(detector, shot(start_s=2.0))
    modalities: Any = later.details["modalities"]
    assert modalities["audio"]["confidence"] == 0.9


def test_streams_are_not_mixed_up() -> None:
    detector = joined(voice(0.9), face(0.2))
    one(detector, heard())
    assert one(detector, shot(stream="other")).confidence == pytest.approx(0.2)


def test_a_failing_member_leaves_the_other_modality_alone() -> None:
    def boom(batch: Any) -> Any:
        raise RuntimeError("boom")

    detector = joined(voice(act=boom), face(0.8))
    assert one(detector, heard()).abstained == "voice: failed RuntimeError: boom"
    assert one(detector, shot()).confidence == pytest.approx(0.8)


@given(
    st.lists(
        st.tuples(st.booleans(), st.one_of(st.none(), st.floats(0, 1)), st.integers(0, 30)),
        max_size=12,
    )
)
def test_a_verdict_lies_between_what_its_modalities_say_and_abstains_with_its_own(
    story: list[tuple[bool, float | None, int]],
) -> None:
    sound, picture = voice(), face()
    detector = joined(sound, picture)
    now_s = 0.0
    for is_sound, said, step in story:
        now_s += step
        member = sound if is_sound else picture
        member.says, member.silent = said, None if said is not None else "nothing"
        result = one(detector, heard(start_s=now_s) if is_sound else shot(start_s=now_s))
        assert (result.confidence is None) == (said is None)
        modalities: Any = result.details["modalities"]
        spoke = [each["confidence"] for each in modalities.values() if "confidence" in each]
        if result.confidence is not None:
            low, high = (min(max(said, 0.001), 0.999) for said in (min(spoke), max(spoke)))
            assert low - 1e-4 <= result.confidence <= high + 1e-4


def test_two_members_of_one_modality_need_an_ensemble() -> None:
    with pytest.raises(ConfigError, match=r"members\.1: 'other' looks at audio as 'voice' does"):
        joined(voice(), Panelist("other", inputs=SOUND))
    with pytest.raises(ConfigError, match=r"weights\.text: no member looks at text"):
        joined(voice(), face(), weights={Modality.TEXT: 2.0})
