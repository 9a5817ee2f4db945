"""The examples of the page on people's own models are configurations that hold."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from streammon.config import load_config

PAGE = Path(__file__).parents[2] / "docs" / "model-adapters.md"
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def test_every_adapter_has_an_example() -> None:
    for tag in ("huggingface", "onnx", "torchscript", "torch_export"):
        assert any(tag in example for example in EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_config(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "models" / "deepfake-vit"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(
        json.dumps({"architectures": ["ViTForImageClassification"]})
    )
    (tmp_path / "monitor.yaml").write_text(example)
    config = load_config(tmp_path / "monitor.yaml")
    assert config.detectors
    for name, settings in config.detectors.items():
        assert settings.build(name).inputs  # type: ignore[attr-defined]
