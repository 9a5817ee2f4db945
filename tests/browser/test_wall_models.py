"""People's own models on the wall: one line of a configuration each, and a real browser."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from tests.browser.chromium import needs_chromium, wall
from tests.e2e.program import streammon
from tests.tiny_models import a_vit, onnx_file

pytestmark = [pytest.mark.browser, needs_chromium]

STREAM = """
sources: {{camera: {{type: av_url, url: "{demo}/camera_clean.mp4", loop: true}}}}
outbox: {{path: ":memory:"}}
detectors:
"""
LINES = """
  transformers: {{type: huggingface, model: "{folder}/vit"}}
  runtime: {{type: onnx, model: "{folder}/face.onnx", modality: image, {numbers}}}
  elsewhere: {{type: remote, url: "{url}", modality: video, kind: freeze}}
"""
NUMBERS = "picture: {size: [8, 8]}, scores: {reads: softmax, synthetic: 1}"


@pytest.mark.timeout(150)
async def test_a_folder_a_file_and_another_streammon_are_each_one_line_from_the_wall(
    tmp_path: Path,
) -> None:
    a_vit(tmp_path / "vit")
    weights = np.random.default_rng(3).normal(0, 0.1, (3 * 8 * 8, 2)).astype(np.float32)
    onnx_file(tmp_path / "face.onnx", weights=weights, shape=["batch", 3, 8, 8])
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    stream = STREAM.format(demo=files("streammon.demo"))
    (there / "other.yaml").write_text(stream + "  freeze: {}\n")
    with streammon(there, "run", str(there / "other.yaml"), "--port", "0") as other:
        url = await asyncio.to_thread(other.url)
        lines = LINES.format(folder=tmp_path, numbers=NUMBERS, url=url)
        (here / "mine.yaml").write_text(stream + lines)
        with streammon(here, "run", str(here / "mine.yaml"), "--port", "0") as mine:
            async with wall(f"{await asyncio.to_thread(mine.url)}/") as opened:
                await opened.live()
                for name in ("transformers", "runtime", "freeze"):
                    row = opened.tile("camera").locator(".score", has_text=name)
                    await row.wait_for(timeout=60_000)
                await opened.wait_for(
                    "() => [...document.querySelectorAll('.tile .score-value')]"
                    ".filter((value) => /[0-9]/.test(value.textContent)).length === 3"
                )
            assert await asyncio.to_thread(mine.stop) == 0
        assert await asyncio.to_thread(other.stop) == 0
