"""What came from a hub is written down, and has to be the same ever after: a real HTTP server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from streammon import cli
from streammon.catalogue import received
from streammon.catalogue.entries import read_catalogue
from streammon.core.errors import Permanent
from streammon.core.ports import Detector
from streammon.detectors.huggingface import HuggingFaceConfig
from streammon.detectors.huggingface_hub_folder import hub_folder
from tests.loopback.hub_server import Hub, serving
from tests.tiny_models import a_vit, seen

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OWN = """
[own-vit]
summary = "for tests"
modality = "video"
kind = "synthetic_image"
detector = "huggingface"
licence = "none"
home = "https://example.org"
hub = ["org/model"]
use = ["model: org/model", "revision: <commit of org/model>"]
"""
Told = Callable[..., str]


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with serving(a_vit(tmp_path / "published"), COMMIT) as found:
        yield found
    from huggingface_hub import close_session

    close_session()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("STREAMMON_MODELS", str(folder))
    return folder


@pytest.fixture
def told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Told:
    """What `streammon models WORDS` says, with a catalogue that has the hub's repository."""
    monkeypatch.setenv("COLUMNS", "200")
    catalogue = tmp_path / "own.toml"
    catalogue.write_text(OWN)

    def tell(*words: str, code: int = 0, known: bool = True) -> str:
        more = ["--catalogue", str(catalogue)] if known else []
        assert cli.main(["models", *words, *more]) == code
        shown = capsys.readouterr()
        return " ".join((shown.out + shown.err).split())

    return tell


def a_detector(hub: Hub) -> Detector:
    return HuggingFaceConfig(
        model=hub.name, revision=hub.commit, modality="image", endpoint=hub.url
    ).build("d")


def brought(hub: Hub, models: Path) -> Path:
    return hub_folder(models, hub.name, hub.commit, endpoint=hub.url, token=None)


def day_of(folder: Path) -> str:
    found = received.read(folder)
    assert found is not None
    return found.on


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def test_each_file_is_written_down_with_its_hash_on_the_day_it_came(hub: Hub, models: Path) -> None:
    before = today()
    folder = brought(hub, models)
    found = received.read(folder)
    assert found is not None
    assert (found.repository, found.revision) == ("org/model", COMMIT)
    assert before <= found.on <= today()
    assert {file.name for file in found.files} >= {"config.json", "model.safetensors"}
    for file in found.files:
        data = (hub.folder / file.name).read_bytes()
        assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert found.wrong(folder, hashing=True) == []


def test_the_command_says_pinned_or_recorded_here_and_finds_what_changed(
    hub: Hub, models: Path, told: Told
) -> None:
    assert "own-vit synthetic_image hub none yet" in told("list")
    a_detector(hub).load("cpu")
    folder = received.folder_of(models, hub.name, COMMIT)
    day = day_of(folder)
    assert f"own-vit synthetic_image present recorded here on {day}" in told("list")
    assert "absent pinned" in told("list")
    assert f"hashes: recorded here on {day}" in told("info", "own-vit")
    assert f"org/model@{COMMIT[:12]}: as recorded here on {day}" in told("verify")
    assert "as recorded here" in told("verify", known=False), "in no catalogue, and checked too"
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert "own-vit synthetic_image present" in told("list"), "its size is right"
    said = told("verify", "own-vit", code=1)
    assert "own-vit: damaged" in said
    assert "not what came: model.safetensors; delete" in said
    assert "not what came" in told("verify", known=False, code=1)


def test_a_pull_fetches_what_is_newest_and_keeps_to_it(hub: Hub, models: Path, told: Told) -> None:
    assert "revision: <commit of org/model>" in told("info", "own-vit")
    said = told("pull", "own-vit", "--endpoint", hub.url)
    folder = received.folder_of(models, "org/model", COMMIT)
    assert f"own-vit: org/model at {COMMIT} in {folder}" in said
    assert f"revision: {COMMIT}" in told("info", "own-vit")
    assert "own-vit: present" in told("verify", "own-vit")
    asked = len(hub.asked)
    told("pull", "own-vit", "--endpoint", hub.url)
    assert len(hub.asked) == asked, "though `main` may have moved on"
    a_detector(hub).load("cpu")
    assert len(hub.asked) == asked, "the detector finds what was pulled"


def test_a_pull_asks_for_the_commit_and_with_the_token_that_it_is_given(
    hub: Hub, models: Path, told: Told, tmp_path: Path
) -> None:
    hub.needs_token = "hf_secret"
    at = ("--endpoint", hub.url, "--revision", f"org/model={COMMIT}")
    assert "answered 403" in told("pull", "own-vit", *at, code=1)
    file = tmp_path / "token"
    file.write_text("hf_secret\n")
    said = told("pull", "own-vit", *at, "--token-file", str(file))
    assert COMMIT in said
    assert "hf_secret" not in said
    assert not any("/main" in path for path in hub.asked)


def test_a_pull_that_cannot_be_meant_says_why(hub: Hub, models: Path, told: Told) -> None:
    wrong = ("pull", "own-vit", "--endpoint", hub.url, "--revision", "org/other=main")
    assert "own-vit has no repository org/other; it has: org/model" in told(*wrong, code=1)
    missing = ("pull", "own-vit", "--endpoint", hub.url, "--revision", "v9")
    assert "answered 404" in told(*missing, code=1)
    assert "not https" in told("pull", "own-vit", "--endpoint", "http://192.0.2.1", code=2)
    assert not models.exists()


def test_a_pull_is_refused_where_the_disk_is_too_full_for_it(
    hub: Hub, models: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streammon.catalogue.pull.SPARE_BYTES", 1 << 60)
    said = told("pull", "own-vit", "--endpoint", hub.url, code=1)
    assert "MB free, org/model needs" in said
    assert not any("resolve" in path for path in hub.asked)


@pytest.mark.parametrize("change", ["another byte", "a file more"])
def test_a_detector_refuses_files_that_are_not_those_that_came(
    change: str, hub: Hub, models: Path
) -> None:
    detector = a_detector(hub)
    detector.load("cpu")
    folder = received.folder_of(models, hub.name, COMMIT)
    if change == "another byte":
        config = folder / "config.json"
        config.write_text(config.read_text().replace("{", "{ ", 1))
        named = r"config\.json is not what came"
    else:
        (folder / "tokenizer.json").write_text("{}")
        named = "a file more is not what came"
    with pytest.raises(Permanent, match=rf"{named} on .*delete the folder"):
        detector.load("cpu")
    with pytest.raises(Permanent, match=named):
        a_detector(hub).load("cpu")


def test_what_was_here_before_is_written_down_at_its_next_use(hub: Hub, models: Path) -> None:
    folder = brought(hub, models)
    (folder / received.RECORD).unlink()
    asked = len(hub.asked)
    detector = a_detector(hub)
    detector.load("cpu")
    assert len(hub.asked) == asked
    assert received.read(folder) is not None
    (result,) = detector.score([seen(1)])
    assert result.confidence is not None


def test_a_record_that_cannot_be_read_is_an_error_that_says_what_to_do(
    hub: Hub, models: Path, told: Told
) -> None:
    folder = brought(hub, models)
    (folder / received.RECORD).write_text('{"v": 1}')
    with pytest.raises(Permanent, match=r"received\.json is damaged.*delete the folder"):
        a_detector(hub).load("cpu")
    assert "delete the folder" in told("verify", code=1)


def test_weights_of_another_hash_than_the_catalogue_pins_are_thrown_away(
    hub: Hub, models: Path
) -> None:
    (pinned,) = read_catalogue()["roberta-base-openai-detector"].hub_files
    hub.name, hub.commit = pinned.repository, pinned.revision
    with pytest.raises(Permanent, match=rf"the catalogue knows {pinned.sha256}; it was removed"):
        brought(hub, models)
    folder = received.folder_of(models, hub.name, hub.commit)
    assert not (folder / "model.safetensors").exists()
    assert received.read(folder) is None
