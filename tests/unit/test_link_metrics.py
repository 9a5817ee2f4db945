"""Gauges of publishers: there while somebody publishes, and gone with them."""

from __future__ import annotations

from streammon.core.ports import LinkStats
from streammon.telemetry.metrics import Metrics

LINK = LinkStats(
    codecs=("VP8",),
    kbit_s=2000.0,
    frames_per_s=30.0,
    lost_share=0.01,
    jitter_s=0.004,
    frame_age_s=0.1,
    clock="sender",
)


def test_figures_are_shown_in_base_units_and_go_with_the_publisher() -> None:
    metrics = Metrics(most_streams=2)
    metrics.links.show("call", LINK)
    page = metrics.render()[0].decode()
    assert 'streammon_link_bits_per_second{stream="call"} 2e+06' in page
    assert 'streammon_link_lost_ratio{stream="call"} 0.01' in page
    metrics.links.show("call", None)
    assert 'stream="call"' not in metrics.render()[0].decode()
    metrics.links.show("call", None)


def test_more_streams_than_may_be_told_apart_are_not_shown() -> None:
    metrics = Metrics(most_streams=1)
    for name in ("one", "two"):
        metrics.links.show(name, LINK)
    page = metrics.render()[0].decode()
    assert 'streammon_link_jitter_seconds{stream="one"}' in page
    assert 'stream="two"' not in page
    assert 'stream="other"' not in page
