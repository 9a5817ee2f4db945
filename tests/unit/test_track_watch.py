"""When one of two tracks counts as missing, and when it does not."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import Modality
from streammon.ingest.track_watch import MOST_PATIENCE_S, TrackWatch

VIDEO, AUDIO = Modality.VIDEO, Modality.AUDIO
STALL_S = 5.0
NO_PICTURE = "no picture for 5 s while sound goes on"
NO_SOUND = "no sound for 5 s while the picture goes on"

Arrival = tuple[float, Modality]


def told(arrivals: Iterable[Arrival], *, stall_s: float = STALL_S) -> list[tuple[float, str]]:
    """What a watch tells of packets that arrive at these times, and when."""
    now_s = [0.0]
    causes: list[tuple[float, str]] = []
    watch = TrackWatch(stall_s, lambda cause: causes.append((now_s[0], cause)), lambda: now_s[0])
    for now_s[0], track in sorted(arrivals):
        watch.saw(track)
    return causes


def steady(track: Modality, start_s: float, end_s: float, step_s: float = 0.1) -> list[Arrival]:
    count = round((end_s - start_s) / step_s)
    return [(start_s + number * step_s, track) for number in range(count)]


def test_a_picture_that_stops_is_told_once_and_again_when_it_is_back() -> None:
    pictures = steady(VIDEO, 0, 10) + steady(VIDEO, 30, 40)
    (missing_s, cause), (back_s, nothing) = told(steady(AUDIO, 0, 40) + pictures)
    assert (cause, nothing) == (NO_PICTURE, "")
    assert 14.8 < missing_s < 15.2
    assert back_s == 30.0


def test_sound_that_stops_is_told_the_same_way() -> None:
    sound = steady(AUDIO, 0, 10) + steady(AUDIO, 20, 30)
    causes = told(steady(VIDEO, 0, 30, 0.04) + sound)
    assert [cause for _, cause in causes] == [NO_SOUND, ""]


def test_a_track_that_never_gave_anything_is_not_missed() -> None:
    assert told(steady(VIDEO, 0, 60)) == []
    assert told(steady(AUDIO, 0, 60)) == []


def test_a_track_that_comes_late_is_not_missed_before() -> None:
    assert told(steady(AUDIO, 0, 60) + steady(VIDEO, 30, 60)) == []


def test_silence_of_both_is_the_fault_of_neither() -> None:
    both = steady(VIDEO, 0, 10) + steady(AUDIO, 0, 10)
    after = steady(AUDIO, 1_000, 1_003) + steady(VIDEO, 1_003, 1_010) + steady(AUDIO, 1_003, 1_010)
    assert told(both + after) == []


def test_sound_that_pauses_by_design_is_told_less_and_less() -> None:
    spoken = [arrival for at_s in range(0, 400, 20) for arrival in steady(AUDIO, at_s, at_s + 8)]
    causes = told(steady(VIDEO, 0, 400) + spoken)
    assert [cause for _, cause in causes] == [NO_SOUND, ""], "twelve seconds of silence are usual"


def test_short_pauses_of_the_sound_teach_before_anything_is_told() -> None:
    spoken = [at_s for start_s in (0, 4, 8) for at_s in steady(AUDIO, start_s, start_s + 1)]
    causes = told(steady(VIDEO, 0, 30) + spoken)
    (_, cause) = causes[0]
    assert cause.startswith("no sound for 6")
    assert len(causes) == 1


def test_sound_that_is_gone_for_good_is_told_however_sparse_it_was() -> None:
    sparse = [(float(at_s), AUDIO) for at_s in range(0, 1_000, 200)]
    causes = told(steady(VIDEO, 0, 1_200, 0.5) + sparse)
    last_s, cause = causes[-1]
    assert cause == f"no sound for {MOST_PATIENCE_S:g} s while the picture goes on"
    assert last_s < 800 + MOST_PATIENCE_S + 2


def test_pauses_of_the_picture_are_told_every_time() -> None:
    pictures = [arrival for at_s in (0, 20, 40) for arrival in steady(VIDEO, at_s, at_s + 10)]
    causes = [cause for _, cause in told(steady(AUDIO, 0, 50) + pictures)]
    assert causes == [NO_PICTURE, "", NO_PICTURE, ""]


times = st.floats(0.0, 120.0, allow_nan=False)


@given(st.lists(st.tuples(times, st.sampled_from([VIDEO, AUDIO])), max_size=200))
def test_what_is_told_alternates_and_never_comes_too_early(arrivals: list[Arrival]) -> None:
    newest = {VIDEO: 0.0, AUDIO: 0.0}
    now_s = 0.0
    causes: list[str] = []

    def tell(cause: str) -> None:
        assert bool(cause) == (len(causes) % 2 == 0)
        causes.append(cause)
        if cause:
            missing = VIDEO if "no picture" in cause else AUDIO
            assert now_s - newest[missing] >= STALL_S - 1e-6

    watch = TrackWatch(STALL_S, tell, lambda: now_s)
    for now_s, track in sorted(arrivals):
        watch.saw(track)
        newest[track] = now_s


@given(st.lists(st.floats(0.0, 4.9), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_tracks_that_pause_for_less_than_the_stall_time_are_never_missed(
    pauses_s: list[float], step_s: float
) -> None:
    at_s, pictures = 0.0, [(0.0, VIDEO)]
    for pause_s in pauses_s:
        at_s += pause_s
        pictures.append((at_s, VIDEO))
    assert told(pictures + steady(AUDIO, 0, at_s, step_s)) == []
