"""The settings of a URL source: what is allowed, what FFmpeg is told, what stays secret."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streammon.core.ports import ClipSource, Recording
from streammon.core.types import Modality, StreamId
from streammon.ingest.av_url import AvUrlConfig
from streammon.ingest.causes import Place

CAM = StreamId("cam")


@pytest.mark.parametrize(
    "url",
    ["concat:a|b", "subfile,,start,0,end,9,,:x", "pipe:0", "data:,x", "crypto:x", "gopher://x/"],
)
def test_schemes_that_reach_elsewhere_are_refused(url: str) -> None:
    if ":" not in url.split(",")[0]:
        assert AvUrlConfig(url=url).model_dump()["url"] == url, "a path, opened as a file only"
        return
    with pytest.raises(ValidationError, match="is not supported; allowed: file"):
        AvUrlConfig(url=url)


def test_options_outside_the_list_are_refused() -> None:
    with pytest.raises(ValidationError, match="'protocol_whitelist' is not allowed"):
        AvUrlConfig(url="rtsp://h/x", options={"protocol_whitelist": "file"})
    assert AvUrlConfig(url="rtsp://h/x", options={"user_agent": "x"}).options


def test_something_must_be_wanted() -> None:
    with pytest.raises(ValidationError, match="nothing would be read"):
        AvUrlConfig(url="x.mp4", video=False, audio=False)


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "srt", "udp", "rtp", "http", "https"])
def test_nothing_from_the_network_may_open_files(scheme: str) -> None:
    source = AvUrlConfig(url=f"{scheme}://h/x")._input()
    allowed = source.options["protocol_whitelist"].split(",")
    assert source.place is Place.NETWORK
    assert scheme in allowed
    assert not {"file", "pipe", "concat", "subfile", "fd"} & set(allowed)


def test_rtsp_goes_over_tcp_unless_told_otherwise() -> None:
    assert AvUrlConfig(url="rtsp://h/x")._input().options["rtsp_transport"] == "tcp"
    udp = AvUrlConfig(url="RTSP://h/x", transport="udp")._input()
    assert udp.options["rtsp_transport"] == "udp"
    assert udp.lossy


@pytest.mark.parametrize("url", ["clip.mp4", "file:clip.mp4", "/a/b:c.mp4", "./lavfi.mp4"])
def test_a_path_is_opened_as_a_file_whatever_it_is_called(url: str) -> None:
    source = AvUrlConfig(url=url)._input()
    assert source.place is Place.FILE
    assert source.url == "file:" + url.removeprefix("file:")
    assert source.options["protocol_whitelist"] == "file"


def test_a_pattern_is_handed_to_lavfi() -> None:
    source = AvUrlConfig(url="lavfi:testsrc2=rate=25")._input()
    assert (source.url, source.format, source.place) == ("testsrc2=rate=25", "lavfi", Place.PATTERN)


def test_the_url_is_not_in_anything_printed() -> None:
    config = AvUrlConfig(url="rtsp://bob:s3cret@h/x", options={"headers": "X: s3cret"})
    for shown in (repr(config), str(config), repr(config._input())):
        assert "s3cret" not in shown


def test_it_builds_a_source_that_can_be_replayed_and_clipped() -> None:
    source = AvUrlConfig(url="x.mp4", audio=False).build(CAM)
    assert source.stream == CAM
    assert source.modalities == {Modality.VIDEO}
    assert isinstance(source, Recording)
    assert isinstance(source, ClipSource)
