"""How much may be done a minute."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streammon.sinks.token_bucket import TokenBucket


@given(st.integers(1, 60), st.lists(st.floats(0.0, 90.0), max_size=80))
def test_never_more_than_a_burst_and_the_rate(per_minute: int, gaps_s: list[float]) -> None:
    bucket, now_ns, done = TokenBucket(per_minute), 0, 0
    for gap_s in gaps_s:
        now_ns += int(gap_s * 1e9)
        done += bucket.take(now_ns)
        assert done <= per_minute + now_ns / 1e9 * per_minute / 60.0 + 1e-6


@given(st.integers(1, 600))
def test_whoever_waits_as_told_has_their_turn(per_minute: int) -> None:
    bucket, now_ns = TokenBucket(per_minute), 0
    for _ in range(3 * per_minute):
        wait_s = bucket.wait_s(now_ns)
        assert (wait_s == 0.0) == (bucket.wait_s(now_ns) == 0.0)
        now_ns += round(wait_s * 1e9) + 1
        assert bucket.take(now_ns)
