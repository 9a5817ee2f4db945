"""Long streams of speech: the same each time, as long and as labelled as their manifest says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from streammon.evaluation.manifest import Manifest
from training.long_speech import make
from training.long_speech.make import Plan, Room, plans, rooms, said, sound_of
from training.voice_spoof.clips import RATE_HZ, Clip


def a_clip(
    speaker: str, *, fake: bool = False, source: str = "here", pitch_hz: float = 150
) -> Clip:
    at_s = np.arange(RATE_HZ) / RATE_HZ
    pcm = (8_000 * np.sin(2 * np.pi * pitch_hz * at_s)).astype(np.int16)
    system = "buzz" if fake else "real"
    return Clip(f"{speaker}.flac", fake, system, speaker, source, "none", "dev", pcm)


def test_who_is_heard_often_has_a_room_and_the_others_share_theirs() -> None:
    clips = [a_clip("ann")] * 3 + [a_clip(name) for name in "bcdef"]
    clips += [a_clip("zoe", source="there")]
    found = {room.name: {clip.speaker for clip in room.clips} for room in rooms(clips)}
    assert found == {
        "here-00": {"ann"}, "here-01": set("bcde"), "here-02": {"f"}, "there-00": {"zoe"},
    }  # fmt: skip


def test_fakes_begin_where_their_plan_says() -> None:
    clips = [*[a_clip(name) for name in "abc"], a_clip("bot", fake=True)]
    found = list(plans(clips, seed=1))
    assert len({plan.name for plan in found}) == len(found)
    assert {plan.from_s for plan in found} == {None, 0.0, make.BEFORE_S}
    for plan in found:
        fakes = [any(clip.fake for clip in some) for some, _ in plan.parts]
        assert fakes == {None: [False], 0.0: [True], make.BEFORE_S: [False, True]}[plan.from_s]


def test_of_people_alone_all_streams_are_clean() -> None:
    found = list(plans([a_clip(name) for name in "abcdefgh"], seed=1))
    assert {plan.kind for plan in found} == {"clean"}
    assert {plan.chain for plan in found} == set(make.CHAINS)


@pytest.mark.parametrize("chain", list(make.CHAINS))
def test_a_stream_is_the_same_each_time_and_as_long_as_it_should_be(chain: str) -> None:
    room = Room("here", "here", [a_clip("ann"), a_clip("bob")])
    plan = Plan("clean", room, chain, [(room.clips, 6.0)])
    one = sound_of(plan, seed=1, noise_db=(20.0, 30.0))
    assert len(one) == 6 * RATE_HZ
    assert (one == sound_of(plan, seed=1, noise_db=(20.0, 30.0))).all()
    assert (one != sound_of(plan, seed=2, noise_db=(20.0, 30.0))).any()


def test_every_clip_is_said_before_one_is_said_again() -> None:
    clips = [a_clip(str(hz), pitch_hz=hz) for hz in (110, 220, 330, 440)]
    sound = said(clips, 60.0, np.random.default_rng(0))
    assert len(sound) == 60 * RATE_HZ
    loud = np.abs(sound).reshape(-1, RATE_HZ // 10).max(axis=1) > 0.01
    assert 0.4 < loud.mean() < 0.9


def test_the_manifest_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLEAN_S", "BEFORE_S", "AFTER_S", "WHOLE_S"):
        monkeypatch.setattr(make, name, 4.0)
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    rows = ["file,label,system,speaker,source,licence,split"]
    for clip in (a_clip("ann"), a_clip("bot", fake=True)):
        soundfile.write(data / clip.file, clip.pcm, RATE_HZ)
        label = "fake" if clip.fake else "real"
        rows.append(f"{clip.file},{label},{clip.system},{clip.speaker},here,none,dev")
    (data / "manifest.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr("sys.argv", ["make", "--data", str(data), "--out", str(out)])
    make.main()
    found = {
        kind: list(Manifest(out / "streams.csv", split=kind).rows())
        for kind in ("clean", "turning", "synthetic")
    }
    assert {kind: {(row.fake, row.system) for row in rows} for kind, rows in found.items()} == {
        "clean": {(False, "")},
        "turning": {(True, "buzz")},
        "synthetic": {(True, "buzz, whole")},
    }
    assert all(row.path and row.path.exists() for rows in found.values() for row in rows)
