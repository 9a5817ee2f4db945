"""The template: a vendor's API in two steps from its own pages, and what else one can write.

The vendor's service is a fake: a local server that was written from the pages that
docs/remote-detectors.md names. All else, the configuration of that page included, is real.
"""

from __future__ import annotations

import base64
import io
import logging
import re
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streammon.config import load_config
from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, StreamId, Window
from streammon.detectors.remote import RemoteConfig
from streammon.detectors.remote_detector import RemoteDetector
from tests.answering import Answer, Answering, Asked, answering, as_json
from tests.fakes import a_chunk, a_frame, a_message, a_window

PAGE = Path(__file__).parents[2] / "docs" / "remote-detectors.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)
KEY = "rsmbl-key-0123456789"
UUID = "5c17d732-0d10-4ee3-8c1d-41ad9b9142a1"


def heard(stream: str = "cam") -> Window:
    return a_window(a_chunk(duration_s=2.0, stream=StreamId(stream)), end_s=2.0)


@contextmanager
def loaded(config: RemoteConfig) -> Iterator[RemoteDetector]:
    detector = RemoteDetector("vendor", config)
    try:
        detector.load("cpu")
        yield detector
    finally:
        detector.close()


def judged(
    answer: Callable[[Asked], Answer], window: Window | None = None, **settings: Any
) -> tuple[DetectionResult, Answering]:
    """One window through a template before a server that answers so."""
    with answering(answer) as server:
        given = {
            "url": server.url,
            "protocol": "template",
            "modality": "audio",
            "timeout_s": 15.0,
            "longest_wait_s": 30.0,
            "retries": 0,
            "request": {"path": "/judge", "raw": "{{audio.wav}}"},
            "response": {"confidence": "/score"},
            **settings,
        }
        with loaded(RemoteConfig.model_validate(given)) as detector:
            assert server.asked == [], "nothing is asked before there is something to judge"
            (result,) = detector.score([window or heard()])
        return result, server


# --- the vendor --------------------------------------------------------------------------------


class Vendor:
    """Answers as the pages say: takes a file, is busy with it for a while, then has a result."""

    def __init__(self, *, polls: int = 2, score: str = "0.566") -> None:
        self.polls = polls
        self.score = score
        self.received: list[Asked] = []

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return as_json({"success": False}, status=401)
        if (asked.method, asked.path) == ("POST", "/api/v2/detect"):
            self.received.append(asked)
            return as_json({"success": True, "item": {"uuid": UUID, "status": "processing"}})
        if (asked.method, asked.path) == ("GET", f"/api/v2/detect/{UUID}"):
            return as_json({"success": True, "item": self._item()})
        return Answer(status=404)

    def _item(self) -> dict[str, Any]:
        self.polls -= 1
        item = {"uuid": UUID, "media_type": "audio", "status": "processing", "metrics": {}}
        if self.polls > 0:
            return item
        metrics = {"label": "fake", "score": ["0.9", "0.8"], "aggregated_score": self.score}
        return {**item, "status": "completed", "metrics": metrics}


def documented(tmp_path: Path, url: str, *, key: str = KEY) -> RemoteConfig:
    """The example of the page, as a configuration file, sent to `url` instead."""
    path = tmp_path / "vendor.yaml"
    path.write_text(
        EXAMPLES[1].replace("https://app.resemble.ai", url).replace("every_s: 1", "every_s: 0.05")
    )
    config = load_config(path, environment={"RESEMBLE_API_KEY": key}).detectors["resemble"]
    assert isinstance(config, RemoteConfig)
    return config


def test_the_page_has_two_examples_that_are_configurations(tmp_path: Path) -> None:
    secrets = {"RESEMBLE_API_KEY": KEY, "STREAMMON_GPU_TOKEN": "t"}
    assert len(EXAMPLES) == 2
    for example in EXAMPLES:
        path = tmp_path / "example.yaml"
        path.write_text(example)
        (config,) = load_config(path, environment=secrets).detectors.values()
        assert isinstance(config, RemoteConfig)
        assert config.url.startswith("https://")
        assert KEY not in f"{config!r} {config} {config.model_dump_json()}"


def test_the_vendor_gets_a_file_and_its_result_is_fetched_when_it_is_done(tmp_path: Path) -> None:
    vendor = Vendor(polls=3)
    with answering(vendor) as server, loaded(documented(tmp_path, server.url)) as detector:
        (result,) = detector.score([heard()])
        methods = [asked.method for asked in server.asked]
    assert result.confidence == 0.566
    assert result.is_ai_generated is True
    assert result.kind == "voice_spoof"
    assert result.details["calibrated"] is False
    assert methods == ["POST", "GET", "GET", "GET"]
    parts = vendor.received[0].parts()
    assert set(parts) == {"file", "zero_retention_mode"}
    assert parts["zero_retention_mode"].get_content().strip() == "true"
    assert parts["file"].get_filename() == "window.wav"
    assert parts["file"].get_content_type() == "audio/wav"
    with wave.open(io.BytesIO(parts["file"].get_content())) as sound:
        assert (sound.getframerate(), sound.getnchannels()) == (16_000, 1)
        assert sound.getnframes() == 32_000


def test_a_result_that_never_comes_makes_the_window_abstain_in_time(tmp_path: Path) -> None:
    with answering(Vendor(polls=10**6)) as server:
        config = documented(tmp_path, server.url)
        hurried = config.model_copy(update={"longest_wait_s": 0.5})
        with loaded(hurried) as detector:
            (result,) = detector.score([heard()])
            assert "no result within 0.5 s" in detector.trouble
    assert result.abstained == "the remote detector is away (no result within 0.5 s)"


def test_a_wrong_key_is_named_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with answering(Vendor()) as server:
        config = documented(tmp_path, server.url, key="wrong-key-987")
        with (
            loaded(config) as detector,
            pytest.raises(Permanent, match="what `request` sends") as it,
        ):
            detector.score([heard()])
    seen = f"{it.value} {config!r} {[vars(record) for record in caplog.records]}"
    assert "wrong-key-987" not in seen


# --- other ways to ask -------------------------------------------------------------------------


def scored(asked: Asked) -> Answer:
    return as_json({"score": 0.25})


def test_a_json_body_is_filled_in_and_the_rest_of_it_kept() -> None:
    picture = a_window(a_frame(level=200))
    body = {
        "image": "{{image.jpg|base64}}",
        "url": "{{ image.jpg | data_url }}",
        "n": [1, None, True, "é"],
    }
    request = {
        "path": "/v1/{{stream}}",
        "body": body,
        "query": {"at": "{{start_s}}", "key": "a b&c"},
    }
    result, server = judged(scored, picture, modality="image", request=request)
    assert result.confidence == 0.25
    (asked,) = server.asked
    sent = asked.json()
    decoded = cv2.imdecode(
        np.frombuffer(base64.b64decode(sent["image"]), np.uint8), cv2.IMREAD_COLOR
    )
    assert decoded is not None
    assert decoded.mean() == pytest.approx(200, abs=2)
    assert sent["url"] == f"data:image/jpeg;base64,{sent['image']}"
    assert sent["n"] == [1, None, True, "é"]
    assert asked.path == "/v1/cam"
    assert asked.query == {"at": "0.000", "key": "a b&c"}
    assert asked.headers["content-type"] == "application/json"


def test_text_goes_into_json_and_forms_as_it_is() -> None:
    said = a_window(
        a_message(text='He said "{{stream}}" & left\u2028'), a_message(1, text="\ud800 ok")
    )
    words = 'He said "{{stream}}" & left\u2028\n? ok'
    result, server = judged(
        scored, said, modality="text", request={"path": "/", "body": {"text": "{{text}}"}}
    )
    assert result.confidence == 0.25
    assert server.asked[0].json() == {"text": words}
    _, server = judged(
        scored, said, modality="text", request={"path": "/", "form": {"t": "{{text}}"}}
    )
    assert server.asked[0].headers["content-type"] == "application/x-www-form-urlencoded"
    assert server.asked[0].body.startswith(b"t=He+said+%22%7B%7Bstream%7D%7D%22+%26+left")
    _, server = judged(scored, said, modality="text", request={"path": "/", "raw": "{{text}}"})
    assert server.asked[0].body.decode() == words


RESPONSES: dict[str, tuple[dict[str, Any], dict[str, Any], float]] = {
    "percent": ({"score": 87}, {"scale": 0.01}, 0.87),
    "real": ({"score": 0.75}, {"invert": True}, 0.25),
    "as text": ({"score": "0.5"}, {}, 0.5),
    "just over": ({"score": 1.0000000001}, {}, 1.0),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_number_is_read_on_its_scale(name: str) -> None:
    answer, how, confidence = RESPONSES[name]
    result, _ = judged(lambda asked: as_json(answer), response={"confidence": "/score", **how})
    assert result.confidence == pytest.approx(confidence)
    assert result.is_ai_generated is (confidence >= 0.5)


def test_what_is_too_long_for_an_address_is_not_sent() -> None:
    request = {"path": "/v1", "query": {"sound": "{{audio.wav|base64}}"}}
    result, server = judged(scored, a_window(a_chunk(duration_s=4.0), end_s=4.0), request=request)
    assert result.abstained is not None
    assert "its address is too long" in result.abstained
    assert server.asked == []


WRONG = {
    "nothing there": ({"scores": 1}, "the answer has nothing at /score"),
    "a list": ({"score": [0.5]}, "no number where the confidence belongs"),
    "true": ({"score": True}, "no number where the confidence belongs"),
    "percent": ({"score": 87}, "its number is not in 0..1 but 87: set `response.scale`"),
    "words": ({"score": "likely"}, "no number where the confidence belongs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_answer_of_no_use_is_named(name: str) -> None:
    answer, why = WRONG[name]
    result, _ = judged(lambda asked: as_json(answer))
    assert result.abstained is not None
    assert why in result.abstained


@pytest.mark.parametrize("score", [None, "nan", float("nan"), "-inf"])
def test_an_answer_without_a_finite_number_abstains(score: object) -> None:
    result, _ = judged(lambda asked: as_json({"score": score}))
    assert result.abstained == "the model gave no number"


def test_an_answer_can_say_that_it_abstains_and_which_model_it_was() -> None:
    response = {
        "confidence": "/score",
        "abstain_when": [{"at": "/faces", "equals": [0, None]}],
        "model": "/model/name",
    }
    answer = {"faces": 0, "model": {"name": "m-7"}}
    result, _ = judged(lambda asked: as_json(answer), response=response)
    assert (result.abstained, result.model_used) == ("it says 0 at /faces", "m-7")
    result, _ = judged(lambda asked: as_json({**answer, "faces": 1, "score": 1}), response=response)
    assert (result.confidence, result.model_used) == (1.0, "m-7")


TRICKS = ["../../admin", "..", "", "a/b?c#d", "x" * 600, "line\nbreak", None, {"a": 1}, 1.5, True]


@pytest.mark.parametrize("found", TRICKS, ids=repr)
def test_an_answer_cannot_lead_the_next_request_elsewhere(found: object) -> None:
    poll = {
        "path": "/results/{{answer:/id}}/v",
        "every_s": 0.05,
        "done_when": {"at": "/score", "equals": 1},
    }

    def says(asked: Asked) -> Answer:
        return as_json({"id": found} if asked.method == "POST" else {"score": 1})

    result, server = judged(says, poll=poll)
    polled = [asked.path for asked in server.asked if asked.method == "GET"]
    if result.confidence is None:
        assert polled == []
    else:
        assert [re.fullmatch(r"/results/[^/?#]+/v", path) is not None for path in polled] == [True]


def test_a_result_that_failed_over_there_abstains_at_once() -> None:
    poll = {
        "path": "/results/{{answer:/id}}",
        "done_when": {"at": "/status", "equals": ["done", "ready"]},
        "failed_when": {"at": "/status", "equals": "failed"},
    }
    answer = {"id": 7, "status": "failed"}
    result, server = judged(lambda asked: as_json(answer), poll=poll)
    assert result.abstained == "the remote detector: it says that it could not judge this window"
    assert len(server.asked) == 1
