"""Models of the hub: brought once, at one commit, only what is needed, from a real HTTP server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from streammon.catalogue.received import RECORD
from streammon.core.errors import Permanent
from streammon.detectors.huggingface import HuggingFaceConfig
from streammon.detectors.huggingface_hub_folder import COMPLETE, hub_folder
from tests.loopback.hub_server import Hub, serving
from tests.tiny_models import a_vit, seen

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEEDED = {"config.json", "model.safetensors", "preprocessor_config.json"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = a_vit(tmp_path / "published")
    (folder / "pytorch_model.bin").write_bytes(b"never asked for")
    (folder / "README.md").write_text("never asked for")
    (folder / "modeling_evil.py").write_text("never asked for")
    with serving(folder, COMMIT) as found:
        yield found
    from huggingface_hub import close_session

    close_session()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library writes 10 MB at a time, more than the small model has."""
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 256)


def brought(hub: Hub, models: Path, *, token: str | None = None, commit: str = COMMIT) -> Path:
    return hub_folder(models, hub.name, commit, endpoint=hub.url, token=token)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()} - {COMPLETE, RECORD}


def test_only_what_is_needed_is_brought_and_logged(
    hub: Hub, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "streammon"):
        folder = brought(hub, tmp_path / "models")
    assert folder == tmp_path / "models" / "huggingface" / "org--model" / COMMIT
    assert names(folder) == NEEDED
    for name in NEEDED:
        assert (folder / name).read_bytes() == (hub.folder / name).read_bytes()
    assert not [path for path in hub.asked if path.endswith((".bin", ".md", ".py"))]
    assert all(f"/{COMMIT}" in path for path in hub.asked), "nothing but the pinned commit"
    events = [record.message for record in caplog.records]
    assert events[0] == "model_download"
    assert "model_download_progress" in events


def test_what_is_here_needs_no_network(hub: Hub, tmp_path: Path) -> None:
    folder = brought(hub, tmp_path)
    asked = len(hub.asked)
    assert brought(hub, tmp_path) == folder
    assert len(hub.asked) == asked


@pytest.mark.usefixtures("small_chunks")
def test_a_broken_download_is_resumed(hub: Hub, tmp_path: Path) -> None:
    hub.break_after, hub.breaks = 1000, 1
    folder = brought(hub, tmp_path)
    assert (folder / "model.safetensors").read_bytes() == (
        hub.folder / "model.safetensors"
    ).read_bytes()
    assert 0 < max(hub.starts) <= 1000, "from where it broke off"


@pytest.mark.usefixtures("small_chunks")
def test_one_that_breaks_off_for_good_is_resumed_by_the_next_start(
    hub: Hub, tmp_path: Path
) -> None:
    hub.break_after, hub.breaks = 500, 99
    with pytest.raises(Permanent, match="cannot be reached"):
        brought(hub, tmp_path)
    hub.breaks = 0
    hub.starts.clear()
    assert names(brought(hub, tmp_path)) == NEEDED
    assert max(hub.starts) > 256


def test_a_file_of_another_hash_than_stated_is_thrown_away(hub: Hub, tmp_path: Path) -> None:
    hub.swap = bytes(len((hub.folder / "model.safetensors").read_bytes()))
    with pytest.raises(Permanent, match=r"model\.safetensors came with another SHA-256"):
        brought(hub, tmp_path)
    hub.swap = None
    assert names(brought(hub, tmp_path)) == NEEDED


def test_names_that_lead_elsewhere_are_never_written(hub: Hub, tmp_path: Path) -> None:
    for name in ("../../model.safetensors", "sub/config.json", "..\\config.json"):
        hub.extra[name] = b"elsewhere"
    folder = brought(hub, tmp_path / "a" / "b")
    assert names(folder) == NEEDED
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert not any("\\" in name for name in written)
    assert not (tmp_path / "a" / "model.safetensors").exists()


def test_a_repository_without_safetensors_is_refused_before_anything_is_brought(
    hub: Hub, tmp_path: Path
) -> None:
    (hub.folder / "model.safetensors").unlink()
    with pytest.raises(Permanent, match=r"no model\.safetensors; found: pytorch_model\.bin"):
        brought(hub, tmp_path)
    assert not [path for path in hub.asked if "resolve" in path]


def test_an_unknown_commit_and_a_missing_token_are_named(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="answered 404; check the name and the revision"):
        brought(hub, tmp_path, commit="f" * 40)
    hub.needs_token = "hf_secret"
    with pytest.raises(Permanent, match=r"answered 403.*set `token`"):
        brought(hub, tmp_path)
    assert names(brought(hub, tmp_path, token="hf_secret")) == NEEDED


def test_no_token_that_lies_about_is_sent(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")
    brought(hub, tmp_path)
    assert hub.tokens == {None}


def test_without_a_network_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"cannot be reached.*go online once, or put the files"):
        hub_folder(tmp_path, "org/model", COMMIT, endpoint="http://127.0.0.1:9", token=None)


def test_a_model_of_the_hub_is_a_detector(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMMON_MODELS", str(tmp_path / "models"))
    detector = HuggingFaceConfig(
        model=hub.name, revision=COMMIT, modality="image", endpoint=hub.url
    ).build("d")
    detector.load("cpu")
    (result,) = detector.score([seen(1)])
    assert result.confidence is not None
    assert result.model_used.startswith("org/model@")
