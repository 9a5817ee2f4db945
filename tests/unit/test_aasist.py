"""AASIST: the network against its formulas written out, and the detector on real speech."""

from __future__ import annotations

import hashlib
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from streammon.catalogue.store import Store
from streammon.config import models_folder
from streammon.core.errors import Permanent
from streammon.core.ports import Evictable, Repeatable
from streammon.core.types import Window
from streammon.detectors.aasist import SAMPLES, AasistConfig
from streammon.detectors.checkpoints import read_checkpoint
from streammon.detectors.models import aasist as network
from streammon.detectors.models.aasist import VARIANTS, Aasist, sinc_filters
from streammon.detectors.published import PublishedDetector
from tests.fakes import a_chunk, a_window
from tests.speech import speech

pytestmark = pytest.mark.usefixtures("one_thread")

Numbers = NDArray[np.float64]


def with_numbers(module: torch.nn.Module) -> Any:
    """The module with numbers in every weight and statistic, so that none may be left out."""
    numbers = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not name.endswith(("filters", "tracked")):
                tensor.copy_(torch.randn(tensor.shape, generator=numbers) * 0.2)
            if name.endswith("running_var"):
                tensor.abs_().add_(0.5)
    return module.double().eval()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AASIST-L checkpoint as its authors store theirs, with random weights."""
    path = tmp_path_factory.mktemp("aasist") / "AASIST-L.pth"
    torch.manual_seed(7)
    torch.save(Aasist(VARIANTS["AASIST-L"]).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def detector(stored: Path) -> PublishedDetector:
    found = AasistConfig(variant="AASIST-L", weights=stored).build("spoof")
    found.load("cpu")
    return found


def window(pcm: NDArray[Any]) -> Window:
    return a_window(a_chunk(pcm=np.asarray(pcm, np.float32)), end_s=max(len(pcm), 1) / 16_000)


# --- the network, formula by formula -----------------------------------------------------------


def selu(x: Numbers) -> Numbers:
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    return scale * np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def linear(layer: torch.nn.Linear, x: Numbers) -> Numbers:
    found: Numbers = layer.weight.detach().numpy() @ x + layer.bias.detach().numpy()
    return found


def normed(norm: torch.nn.BatchNorm1d, x: Numbers) -> Numbers:
    mean, var = norm.running_mean, norm.running_var
    assert mean is not None
    assert var is not None
    by = (x - mean.numpy()) / np.sqrt(var.numpy() + norm.eps)
    found: Numbers = by * norm.weight.detach().numpy() + norm.bias.detach().numpy()
    return found


def softmax(x: list[float]) -> Numbers:
    powers = np.exp(np.array(x) - max(x))
    found: Numbers = powers / powers.sum()
    return found


def heard(
    nodes: Numbers, at: int, project: torch.nn.Linear, weights: list[Numbers], temperature: float
) -> Numbers:
    """What the node `at` hears of all, one pair at a time."""
    logits = [
        float(np.tanh(linear(project, nodes[at] * other)) @ weight) / temperature
        for other, weight in zip(nodes, weights, strict=True)
    ]
    found: Numbers = softmax(logits) @ nodes
    return found


def test_attention_among_nodes_of_one_kind_is_as_in_the_paper() -> None:
    layer = with_numbers(network.GraphAttention(4, 3))
    nodes = np.random.default_rng(0).normal(size=(5, 4))
    weights = [layer.att_weight.detach().numpy()[:, 0]] * 5
    slowly = [
        linear(layer.proj_with_att, heard(nodes, at, layer.att_proj, weights, 2.0))
        + linear(layer.proj_without_att, nodes[at])
        for at in range(5)
    ]
    expected = selu(np.stack([normed(layer.bn, one) for one in slowly]))
    with torch.inference_mode():
        assert layer(torch.tensor(nodes)[None])[0].numpy() == pytest.approx(expected, abs=1e-12)


def test_attention_among_times_bands_and_the_stack_is_as_in_the_paper() -> None:
    layer = with_numbers(network.JointAttention(4, 3))
    numbers = np.random.default_rng(1)
    times, bands, stack = (numbers.normal(size=(n, 4)) for n in (3, 2, 1))
    nodes = np.stack(
        [linear(layer.proj_type1, one) for one in times]
        + [linear(layer.proj_type2, one) for one in bands]
    )
    edge = {name: getattr(layer, f"att_weight{name}").detach().numpy()[:, 0] for name in EDGES}
    slowly = []
    for at in range(5):
        kinds = [EDGES[(at >= 3) + (other >= 3)] for other in range(5)]
        with_others = heard(nodes, at, layer.att_proj, [edge[kind] for kind in kinds], 100.0)
        slowly.append(
            linear(layer.proj_with_att, with_others) + linear(layer.proj_without_att, nodes[at])
        )
    expected = selu(np.stack([normed(layer.bn, one) for one in slowly]))
    logits = [
        float(np.tanh(linear(layer.att_projM, one * stack[0])) @ edge["M"]) / 100.0 for one in nodes
    ]
    told = linear(layer.proj_with_attM, softmax(logits) @ nodes)
    with torch.inference_mode():
        found = layer(*(torch.tensor(one)[None] for one in (times, bands, stack)))
    assert np.concatenate([found[0][0], found[1][0]]) == pytest.approx(expected, abs=1e-12)
    assert found[2][0, 0].numpy() == pytest.approx(
        told + linear(layer.proj_without_attM, stack[0]), abs=1e-12
    )


EDGES = ("11", "12", "22", "M")


def test_pooling_keeps_the_most_telling_nodes_and_scales_them() -> None:
    layer = with_numbers(network.GraphPool(3, kept=0.7))
    nodes = np.random.default_rng(2).normal(size=(5, 3))
    worth = [1 / (1 + math.exp(-float(linear(layer.proj, one)[0]))) for one in nodes]
    best = sorted(range(5), key=lambda at: -worth[at])[:3]
    expected = np.stack([worth[at] * nodes[at] for at in best])
    with torch.inference_mode():
        assert layer(torch.tensor(nodes)[None])[0].numpy() == pytest.approx(expected, abs=1e-12)


def test_the_filters_share_the_mel_scale_and_pass_their_own_band() -> None:
    response = np.abs(np.fft.rfft(sinc_filters().numpy(), 16_000, axis=1))  # a bin is a hertz
    mel = 2595 * math.log10(1 + 8000 / 700)
    edges = [700 * (10 ** (mel * at / 70 / 2595) - 1) for at in range(71)]
    for at, (low_hz, high_hz) in enumerate(pairwise(edges)):
        centre_hz = (low_hz + high_hz) / 2
        loudest_hz = int(response[at].argmax())
        assert abs(loudest_hz - centre_hz) <= max(high_hz - low_hz, 120.0), at


@pytest.mark.parametrize(
    ("variant", "parameters", "names"),
    [
        ("AASIST", 297_866, "b4abc5ee408ccbdda505a8945e91c9ba6b20d24a239b94a1bdceb276881e27e8"),
        ("AASIST-L", 85_306, "49d508d83a78818527a05470b003d761effd4b77b4ca6d11fda741ded3afd9b1"),
    ],
)
def test_names_and_shapes_are_those_of_the_authors_checkpoints(
    variant: str, parameters: int, names: str
) -> None:
    """`names` is the SHA-256 of the sorted names and shapes of the published file."""
    model = Aasist(VARIANTS[variant])
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    lines = sorted(f"{name} {tuple(one.shape)}" for name, one in model.state_dict().items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == names


AUTHORS_SAY = {
    "AASIST": [[10.462183, -11.271767], [4.867104, -5.368486]],
    "AASIST-L": [[5.177703, -4.381486], [7.204613, -6.366132]],
}
"""Logits that the authors' own code gives with their own weights (clovaai/aasist at a04c986, torch
2.13 on a CPU) for the two sounds below."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_published_weights_say_what_they_say_in_the_authors_code(variant: str) -> None:
    try:
        pulled = Store(models_folder()).path_of(variant.lower())
    except Permanent as absent:
        pytest.skip(str(absent))
    model = Aasist(VARIANTS[variant]).eval()
    read_checkpoint(pulled.path, sha256=pulled.sha256).into(model)
    t = np.arange(SAMPLES) / 16_000
    sweep = 0.3 * np.sin(2 * np.pi * (100 * t + 200 * t * t))
    pulses = 0.1 * np.sign(np.sin(2 * np.pi * 150 * t)) * np.sin(2 * np.pi * 3 * t)
    with torch.inference_mode():
        said = model(torch.tensor(np.stack([sweep, pulses]), dtype=torch.float32))
    assert said.numpy() == pytest.approx(np.array(AUTHORS_SAY[variant]), abs=1e-3)


# --- the detector ------------------------------------------------------------------------------


def test_confidence_is_the_probability_of_spoofed_in_the_models_own_words(
    detector: PublishedDetector, stored: Path
) -> None:
    pcm = speech()[:SAMPLES]
    (result,) = detector.score([window(pcm)])
    model = Aasist(VARIANTS["AASIST-L"]).eval()
    read_checkpoint(stored, sha256=None).into(model)
    with torch.inference_mode():
        expected = torch.softmax(model(torch.tensor(pcm)[None]), dim=1)[0, 0].item()
    assert result.confidence == pytest.approx(expected, abs=1e-5)
    assert result.is_ai_generated == (expected >= 0.5)
    assert result.details["calibrated"] is False
    assert (result.kind, result.model_used) == ("voice_spoof", "AASIST-L")


def test_short_sound_is_repeated_as_the_authors_do(detector: PublishedDetector) -> None:
    pcm = speech()[: 3 * 16_000]
    again = np.concatenate([pcm, pcm])[:SAMPLES]
    (short,), (repeated,) = detector.score([window(pcm)]), detector.score([window(again)])
    assert short.confidence is not None
    assert short.confidence == repeated.confidence


@pytest.mark.parametrize(
    ("pcm", "reason"),
    [
        (np.zeros(SAMPLES), "no speech: silence"),
        (np.zeros(0), "no speech: silence"),
        (np.full(SAMPLES, np.nan), "damaged sound: samples that are not numbers"),
    ],
)
def test_sound_without_speech_is_not_judged(
    detector: PublishedDetector, pcm: NDArray[Any], reason: str
) -> None:
    (result,) = detector.score([window(pcm)])
    assert (result.confidence, result.abstained) == (None, reason)
    assert result.is_ai_generated is None


def test_what_cannot_be_judged_leaves_its_batch_as_it_is(detector: PublishedDetector) -> None:
    spoken = window(speech()[:SAMPLES])
    (alone,) = detector.score([spoken])
    silent, among = detector.score([window(np.zeros(SAMPLES)), spoken])
    assert silent.confidence is None
    assert among.confidence == pytest.approx(alone.confidence, abs=1e-5)


def test_weights_leave_the_device_and_come_back(stored: Path) -> None:
    fresh = AasistConfig(variant="AASIST-L", weights=stored).build("spoof")
    assert isinstance(fresh, Evictable)
    assert isinstance(fresh, Repeatable)
    assert fresh.resident_bytes == 0
    fresh.load("cpu")
    said = fresh.score([window(speech()[:SAMPLES])])[0].confidence
    assert fresh.resident_bytes > 4 * 85_306
    known_as = fresh.fingerprint
    fresh.unload()
    assert fresh.resident_bytes == 0
    with pytest.raises(Permanent, match=r"load\(\) has to come before"):
        fresh.score([window(speech()[:SAMPLES])])
    fresh.load("cpu")
    assert fresh.score([window(speech()[:SAMPLES])])[0].confidence == said
    assert fresh.fingerprint == known_as


def test_a_fingerprint_tells_weights_and_settings_apart(stored: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file(Aasist(VARIANTS["AASIST-L"]).state_dict(), other)
    moved = tmp_path / "moved.pth"
    moved.write_bytes(stored.read_bytes())

    def fingerprint(**settings: Any) -> str:
        made = AasistConfig(**{"variant": "AASIST-L", "weights": stored, **settings}).build("spoof")
        made.load("cpu")
        return made.fingerprint

    assert fingerprint() == fingerprint(weights=moved, max_batch=2)
    assert len({fingerprint(), fingerprint(weights=other), fingerprint(threshold=0.9)}) == 3


def test_weights_of_the_other_variant_are_refused(stored: Path) -> None:
    with pytest.raises(Permanent, match="not for Aasist"):
        AasistConfig(variant="AASIST", weights=stored).build("spoof").load("cpu")


def test_weights_that_were_never_pulled_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMMON_MODELS", str(tmp_path))
    with pytest.raises(Permanent, match="streammon models pull aasist-l"):
        AasistConfig(variant="AASIST-L").build("spoof").load("cpu")


def test_a_model_without_a_number_abstains(tmp_path: Path) -> None:
    path = tmp_path / "nan.safetensors"
    state = Aasist(VARIANTS["AASIST-L"]).state_dict()
    state["out_layer.bias"] = torch.tensor([math.nan, 0.0])
    save_file(state, path)
    broken = AasistConfig(variant="AASIST-L", weights=path).build("spoof")
    broken.load("cpu")
    (result,) = broken.score([window(speech()[:SAMPLES])])
    assert (result.confidence, result.abstained) == (None, "the model gave no number")
    assert "margin" not in result.details
