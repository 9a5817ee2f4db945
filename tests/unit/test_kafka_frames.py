from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import Overlay, StreamId
from streammon.sinks.kafka_frames import FrameGate
from tests.outgoing import CAM, an_overlay


def a_frame(at_s: float, *, stream: StreamId = CAM, size: int = 10) -> Overlay:
    return an_overlay(
        round(at_s * 100), stream=stream, captured_ns=round(at_s * 1e9), jpeg=bytes(size)
    )


def a_gate(*, most_fps: float = 1.0) -> FrameGate:
    return FrameGate(most_fps=most_fps, most_bytes=1000)


def test_at_most_so_many_per_second_go_out() -> None:
    gate = a_gate(most_fps=2.0)
    gone = 0
    for at in range(100):
        if gate.offer(a_frame(at / 10)) is not None:
            gone += 1
            gate.arrived(CAM, delivered=True)
    assert gone == 20


def test_a_little_jitter_does_not_halve_the_rate() -> None:
    gate = a_gate(most_fps=2.0)
    times = [at / 2 + (0.02 if at % 2 else 0.0) for at in range(20)]
    gone = 0
    for at_s in times:
        if gate.offer(a_frame(at_s)) is not None:
            gone += 1
            gate.arrived(CAM, delivered=True)
    assert gone == 20


def test_while_one_is_on_its_way_the_newest_waits() -> None:
    gate = a_gate()
    first, *_, last = frames = [a_frame(float(at)) for at in range(5)]
    assert [gate.offer(frame) for frame in frames] == [first, None, None, None, None]
    assert gate.arrived(CAM, delivered=True) is last
    assert gate.arrived(CAM, delivered=True) is None
    assert (gate.offered, gate.delivered, gate.dropped, gate.waiting) == (5, 2, 3, 0)


def test_a_frame_that_is_too_large_is_dropped_and_counted() -> None:
    gate = a_gate()
    assert gate.offer(a_frame(0.0, size=1001)) is None
    assert gate.dropped == 1
    assert gate.offer(a_frame(0.0, size=1000)) is not None


def test_streams_do_not_wait_for_each_other() -> None:
    gate = a_gate()
    for name in ("a", "b", "c"):
        assert gate.offer(a_frame(0.0, stream=StreamId(name))) is not None


steps = st.lists(
    st.tuples(
        st.sampled_from(["offer", "arrived", "refused"]),
        st.sampled_from(["a", "b"]),
        st.floats(0.0, 2.0),
    ),
    max_size=100,
)


@given(steps)
def test_every_frame_is_delivered_dropped_waiting_or_on_its_way(
    steps: list[tuple[str, str, float]],
) -> None:
    gate, now_s = a_gate(), 0.0
    on_way: set[str] = set()
    for what, name, pause_s in steps:
        now_s += pause_s
        stream = StreamId(name)
        frame = None
        if what == "offer":
            frame = gate.offer(a_frame(now_s, stream=stream))
            assert frame is None or name not in on_way
            if frame is not None and pause_s > 1.9:
                gate.refused(frame)
                frame = None
                on_way.discard(name)
        elif name in on_way:
            on_way.discard(name)
            frame = gate.arrived(stream, delivered=pause_s > 1.0)
        if frame is not None:
            on_way.add(name)
        assert gate.offered == gate.delivered + gate.dropped + gate.waiting + gate.on_way
        assert gate.on_way == len(on_way)
        assert gate.waiting <= len(on_way)
