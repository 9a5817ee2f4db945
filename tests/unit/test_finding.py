from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.finding import LEAST, MOST, UNREMARKABLE, Finding, grown, likeliest


def test_half_is_reached_at_half_and_nearly_all_at_twice_that() -> None:
    assert grown(4.0, half_s=4.0, most=0.9) == 0.45
    assert grown(8.0, half_s=4.0, most=0.9) > 0.84
    assert grown(2.0, half_s=4.0, most=0.9) < 0.06


@given(st.floats(-10, 1e6), st.floats(0.01, 1e6), st.floats(0.1, 100))
def test_it_only_ever_grows_and_stays_in_bounds(at_s: float, more_s: float, half_s: float) -> None:
    before, after = grown(at_s, half_s=half_s), grown(at_s + more_s, half_s=half_s)
    assert LEAST <= before <= after + 1e-12
    assert after <= MOST


def test_the_strongest_cause_that_is_asked_for_wins() -> None:
    found = [Finding("silent", 0.9), Finding("stuck", 0.4), Finding("frozen", 0.4)]
    every = frozenset({"silent", "stuck", "frozen"})
    assert likeliest(found, causes=every).cause == "silent"
    assert likeliest(found, causes=every - {"silent"}).cause == "stuck", "the earlier at a draw"
    assert likeliest(found, causes=frozenset()) == Finding(None, UNREMARKABLE)
