"""The catalogue of published models: what ships in it, and what a user's own may say."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from streammon.catalogue.entries import Entry, ModelFile, is_safe, read_catalogue
from streammon.core.errors import ConfigError
from streammon.registry import DETECTORS, known

SHA = "0" * 64


def test_what_ships_is_whole_and_every_detector_in_it_exists() -> None:
    catalogue = read_catalogue()
    assert {"aasist", "aasist-l", "meso4-df", "binoculars-falcon-7b"} <= set(catalogue)
    assert {entry.detector for entry in catalogue.values()} <= set(known(DETECTORS))
    for entry in catalogue.values():
        assert entry.paper
        assert entry.licence
        assert all(file.url.startswith("https://") for file in entry.files)


def test_files_come_over_https_or_from_this_machine() -> None:
    assert is_safe("https://example.org/a")
    assert is_safe("http://127.0.0.1:8000/a")
    assert not is_safe("http://example.org/a")
    assert not is_safe("file:///etc/passwd")
    with pytest.raises(ValidationError, match="not https"):
        ModelFile(name="a", url="http://example.org/a", bytes=1, sha256=SHA)


@pytest.mark.parametrize("name", ["../a", "a/b", ".hidden", "", "a\x00"])
def test_no_name_leaves_the_folder_of_its_model(name: str) -> None:
    with pytest.raises(ValidationError):
        ModelFile(name=name, url="https://example.org/a", bytes=1, sha256=SHA)


def test_a_model_is_in_files_or_on_a_hub_and_not_both() -> None:
    common = {
        "name": "one",
        "summary": "",
        "modality": "text",
        "kind": "ai_text",
        "detector": "huggingface",
        "licence": "MIT",
        "home": "",
    }
    with pytest.raises(ValidationError, match="either"):
        Entry.model_validate(common)
    assert Entry.model_validate({**common, "hub": ["a/b"]}).bytes == 0
    pin = {"repository": "a/c", "revision": "0" * 40, "name": "w", "sha256": SHA, "stated": ""}
    with pytest.raises(ValidationError, match="that `hub` names"):
        Entry.model_validate({**common, "hub": ["a/b"], "hub_files": [pin]})
    with pytest.raises(ValidationError, match="that `hub` does not name"):
        Entry.model_validate({**common, "hub": ["a/b"], "use": ["revision: <commit of a/c>"]})
    entry = Entry.model_validate({**common, "hub": ["a/b"], "use": ["revision: <commit of a/b>"]})
    assert entry.settings({"a/b": "0" * 40}) == ["revision: " + "0" * 40]
    assert entry.settings({}) == ["revision: <commit of a/b>"]


def test_a_users_own_catalogue_joins_ours_and_its_faults_are_named(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(
        '[mine]\nsummary=""\nmodality="text"\nkind="ai_text"\ndetector="huggingface"\n'
        'licence="MIT"\nhome=""\nhub=["me/mine"]\n'
    )
    assert {"mine", "aasist"} <= set(read_catalogue(own))
    own.write_text("[mine]\nsize=3\n")
    with pytest.raises(ConfigError, match=r"own\.toml: mine\."):
        read_catalogue(own)
    own.write_text("not toml")
    with pytest.raises(ConfigError, match="not valid TOML"):
        read_catalogue(own)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_catalogue(tmp_path / "absent.toml")


def test_the_example_in_the_docs_is_a_catalogue(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    own = tmp_path / "own.toml"
    own.write_text(page.partition("```toml\n")[2].partition("```")[0])
    assert "our-voice-model" in read_catalogue(own)
