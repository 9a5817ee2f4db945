"""The metrics page, read by Prometheus's own parsers."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as prometheus_families

from streammon import __version__
from streammon.telemetry.metrics import MOST_STREAM_LABELS, OTHER, Metrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def used() -> Metrics:
    """Every method called once."""
    metrics = Metrics(CollectorRegistry())
    metrics.item("door", "video")
    metrics.dropped("decode", 3)
    metrics.window("freeze", "scored")
    metrics.window("freeze", "replaced", 4)
    metrics.result("freeze", abstained=True)
    metrics.window_age("freeze", 0.3)
    metrics.batches("freeze", 5, seconds=0.02)
    metrics.alert("freeze", "opened")
    metrics.sink_delivered("kafka", "alert")
    metrics.sink_failed("kafka")
    metrics.outbox(7, 1.5)
    metrics.stream_up("door", True, reconnect=True)
    metrics.frame_age("door", 0.4)
    metrics.viewers(2)
    metrics.loop_lag(0.002)
    return metrics


def families(metrics: Metrics) -> dict[str, Metric]:
    page, _ = metrics.render(OPENMETRICS)
    found = openmetrics_families(page.decode())  # type: ignore[no-untyped-call]
    return {family.name: family for family in found}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_every_method_shows_on_the_page() -> None:
    metrics = used()
    assert value(metrics, "streammon_items_total", stream="door", modality="video") == 1
    assert value(metrics, "streammon_dropped_items_total", border="decode") == 3
    assert value(metrics, "streammon_windows_total", detector="freeze", outcome="replaced") == 4
    assert value(metrics, "streammon_results_total", detector="freeze", abstained="true") == 1
    assert value(metrics, "streammon_window_age_seconds_sum", detector="freeze") == 0.3
    assert value(metrics, "streammon_batches_total", detector="freeze") == 5
    assert value(metrics, "streammon_scoring_seconds_total", detector="freeze") == 0.02
    assert value(metrics, "streammon_alerts_total", kind="freeze", state="opened") == 1
    delivered = "streammon_sink_delivered_events_total"
    assert value(metrics, delivered, sink="kafka", event="alert") == 1
    assert value(metrics, "streammon_sink_failures_total", sink="kafka") == 1
    assert value(metrics, "streammon_outbox_alerts") == 7
    assert value(metrics, "streammon_outbox_oldest_age_seconds") == 1.5
    assert value(metrics, "streammon_stream_up", stream="door") == 1
    assert value(metrics, "streammon_stream_reconnects_total", stream="door") == 1
    assert value(metrics, "streammon_frame_age_seconds", stream="door") == 0.4
    assert value(metrics, "streammon_viewers") == 2
    assert value(metrics, "streammon_loop_lag_seconds_count") == 1


def test_names_follow_the_rules_and_everything_is_explained() -> None:
    found = families(used())
    assert len(found) >= 17
    for name, family in found.items():
        assert re.fullmatch(r"streammon_[a-z]+(_[a-z]+)*", name)
        assert not name.endswith("_total"), "the suffix belongs to the sample, not the family"
        assert family.documentation.endswith(".")
        assert not family.unit or name.endswith(f"_{family.unit}")
        if family.type == "histogram" or "age" in name.split("_"):
            assert family.unit in {"seconds", "windows"}


def test_the_page_is_what_the_accept_header_asks_for() -> None:
    metrics = used()
    prometheus_2 = (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
        "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    )
    page, content_type = metrics.render(prometheus_2)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert page.endswith(b"# EOF\n")
    for accept in ("", "text/plain", "*/*", "text/html,application/xhtml+xml", ";;,,"):
        page, content_type = metrics.render(accept)
        assert content_type.startswith("text/plain; version=0.0.4")
        assert b"# EOF" not in page
        assert {family.name for family in prometheus_families(page.decode())}


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_the_page_has_each_series_but_those_that_say_since_when_it_counts(accept: str) -> None:
    metrics = used()
    known = [each for family in metrics.registry.collect() for each in family.samples]
    assert any(each.name.endswith("_created") for each in known), "the library makes them"
    told = [each for each in known if not each.name.endswith("_created")]
    page, _ = metrics.render(accept)
    read = openmetrics_families if accept else prometheus_families
    found = list(read(page.decode()))
    assert {each.name for family in found for each in family.samples} == {
        each.name for each in told
    }
    assert sum(len(family.samples) for family in found) == len(told)
    assert b"_created" not in page


def test_a_header_cannot_put_anything_into_the_content_type() -> None:
    _, content_type = used().render("application/openmetrics-text; version=9\r\nSet-Cookie: a=b")
    assert content_type == OPENMETRICS


def test_stream_labels_are_bounded_and_nothing_is_lost() -> None:
    metrics = Metrics(CollectorRegistry())
    for at in range(MOST_STREAM_LABELS + 100):
        metrics.item(f"s{at}", "video")
        metrics.stream_up(f"s{at}", up=True, reconnect=True)
        metrics.frame_age(f"s{at}", 0.1)
    found = families(metrics)
    items = [s for s in found["streammon_items"].samples if s.name.endswith("_total")]
    assert len(items) == MOST_STREAM_LABELS + 1
    assert sum(sample.value for sample in items) == MOST_STREAM_LABELS + 100
    assert value(metrics, "streammon_items_total", stream=OTHER, modality="video") == 100
    assert value(metrics, "streammon_stream_reconnects_total", stream=OTHER) == 100
    for gauge in ("streammon_stream_up", "streammon_frame_age_seconds"):
        labels = {sample.labels["stream"] for sample in found[gauge].samples}
        assert len(labels) == MOST_STREAM_LABELS
        assert OTHER not in labels


def test_the_bound_is_a_setting_and_holds_for_many_threads() -> None:
    metrics = Metrics(CollectorRegistry(), most_streams=5)

    def count(thread: int) -> None:
        for at in range(50):
            metrics.item(f"t{thread}s{at}", "audio")

    threads = [threading.Thread(target=count, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    items = families(metrics)["streammon_items"].samples
    totals = [sample for sample in items if sample.name.endswith("_total")]
    assert len(totals) == 6
    assert sum(sample.value for sample in totals) == 200


@pytest.mark.parametrize("stream", ['a"b', "a\nb", "a\\b", "ünï", ""])
def test_odd_stream_names_survive_the_page(stream: str) -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.item(stream, "text")
    (sample,) = [
        sample
        for sample in families(metrics)["streammon_items"].samples
        if sample.name.endswith("_total")
    ]
    assert sample.labels["stream"] == stream


def test_a_stream_that_is_down_is_0() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.stream_up("door", True)
    metrics.stream_up("door", False)
    assert value(metrics, "streammon_stream_up", stream="door") == 0


def test_the_build_and_the_process_are_on_the_page() -> None:
    metrics = Metrics()
    (build,) = families(metrics)["streammon_build"].samples
    assert build.labels["version"] == __version__
    assert value(metrics, "process_resident_memory_bytes")


def test_two_monitors_in_one_process_do_not_meet() -> None:
    one, two = Metrics(), Metrics()
    one.viewers(3)
    assert value(two, "streammon_viewers") == 0


def test_what_models_and_the_cache_did_is_on_the_page() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.models.loaded("deep", loads=2, evictions=1, seconds=1.5)
    metrics.models.used("deep", loaded_already=7, resident_bytes=4096)
    metrics.models.cached("deep", 3)
    metrics.models.looked_up("redis_error", 2)
    assert value(metrics, "streammon_model_loads_total", detector="deep") == 2
    assert value(metrics, "streammon_model_evictions_total", detector="deep") == 1
    assert value(metrics, "streammon_model_loading_seconds_total", detector="deep") == 1.5
    assert value(metrics, "streammon_model_loaded_already_total", detector="deep") == 7
    assert value(metrics, "streammon_model_resident_bytes", detector="deep") == 4096
    assert value(metrics, "streammon_cached_windows_total", detector="deep") == 3
    assert value(metrics, "streammon_cache_lookups_total", outcome="redis_error") == 2


def test_somebody_counts_each_of_them() -> None:
    root = Path(__file__).parents[2]
    folders = ("streammon/server", "streammon/scheduler", "pipelines", "sinks")
    code = "".join(path.read_text() for each in folders for path in (root / each).rglob("*.py"))
    methods = [name for name in vars(Metrics) if not name.startswith("_")]
    assert "batches" in methods
    assert [name for name in methods if f"metrics.{name}(" not in code] == []
