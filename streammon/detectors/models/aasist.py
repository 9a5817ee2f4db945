"""AASIST: spoofed speech from raw samples, by attention over a graph of bands and one of times.

J. Jung, H.-S. Heo, H. Tak, H. Shim, J. S. Chung, B.-J. Lee, H.-J. Yu, N. Evans: AASIST: Audio
Anti-Spoofing using Integrated Spectro-Temporal Graph Attention Networks, ICASSP 2022,
arXiv:2110.01200. Written from the paper; names of parameters, and choices that the paper leaves
open, are those of the authors' checkpoints, so that these can be loaded. For inference: what only
training needs (dropout) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

RATE_HZ = 16_000
SAMPLES = 64_600
"""4.04 s: what the authors trained on, and what a window is cut or repeated to."""
FILTERS, TAPS, FFT = 70, 129, 512
POOL = 3
BANDS = FILTERS // POOL


@dataclass(frozen=True, slots=True)
class Shape:
    """What tells one published variant from the other."""

    channels: int
    """Of the encoder's last four blocks."""
    graph: int
    """Values per node in the two graphs of one kind."""
    kept: tuple[float, float, float]
    """Share of nodes that survive pooling: bands, times, and either in the joint graphs."""
    first: int = 32
    """Of the encoder's first two blocks."""


VARIANTS = {
    "AASIST": Shape(channels=64, graph=64, kept=(0.5, 0.7, 0.5)),
    "AASIST-L": Shape(channels=24, graph=24, kept=(0.4, 0.5, 0.7)),
}
JOINT = 32
ONE_KIND_TEMPERATURE, JOINT_TEMPERATURE = 2.0, 100.0


def sinc_filters() -> Tensor:
    """Fixed band-pass filters that share the mel scale evenly, Hamming-windowed; (FILTERS, TAPS).

    M. Ravanelli, Y. Bengio: Speaker Recognition from Raw Waveform with SincNet, SLT 2018.
    """
    nyquist_hz = RATE_HZ / 2
    top_mel = 2595.0 * torch.log10(torch.tensor(1.0 + nyquist_hz / 700.0, dtype=torch.float64))
    mels = torch.linspace(0.0, 1.0, FILTERS + 1, dtype=torch.float64) * top_mel
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0) / nyquist_hz
    taps = torch.arange(TAPS, dtype=torch.float64) - TAPS // 2
    low_pass = edges[:, None] * torch.sinc(edges[:, None] * taps)
    taper = torch.hamming_window(TAPS, periodic=False, dtype=torch.float64)
    return ((low_pass[1:] - low_pass[:-1]) * taper).float()


class Residual(nn.Module):
    """Two convolutions and a way around them; (n, inputs, bands, t) -> (n, outputs, bands, t/3).

    The authors' network has a normalisation in front of all blocks but the first, whose result
    goes nowhere: its weights are in the checkpoint, so it is here too, and as idle.
    """

    def __init__(self, inputs: int, outputs: int, *, first: bool = False) -> None:
        super().__init__()
        self.bn1 = None if first else nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, (2, 3), padding=(1, 1))
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, (2, 3), padding=(0, 1))
        self.conv_downsample = (
            nn.Conv2d(inputs, outputs, (1, 3), padding=(0, 1)) if inputs != outputs else None
        )

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.conv_downsample is None else self.conv_downsample(x)
        through = self.conv2(functional.selu(self.bn2(self.conv1(x))))
        return functional.max_pool2d(through + around, (1, POOL))


def likeness(nodes: Tensor, others: Tensor, project: nn.Linear) -> Tensor:
    """What each of `nodes` (n, i, d) and each of `others` (n, j, d) share; (n, i, j, width)."""
    return torch.tanh(project(nodes[:, :, None] * others[:, None]))


def activated(nodes: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    return functional.selu(norm(nodes.transpose(1, 2)).transpose(1, 2))


class GraphAttention(nn.Module):
    """One kind of node, each joined to each; (n, nodes, inputs) -> (n, nodes, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.att_proj = nn.Linear(inputs, outputs)
        self.att_weight = nn.Parameter(torch.empty(outputs, 1))
        self.proj_with_att = nn.Linear(inputs, outputs)
        self.proj_without_att = nn.Linear(inputs, outputs)
        self.bn = nn.BatchNorm1d(outputs)
        nn.init.xavier_normal_(self.att_weight)

    def forward(self, nodes: Tensor) -> Tensor:
        logits = (likeness(nodes, nodes, self.att_proj) @ self.att_weight)[..., 0]
        attention = torch.softmax(logits / ONE_KIND_TEMPERATURE, dim=-1)
        joined: Tensor = self.proj_with_att(attention @ nodes) + self.proj_without_att(nodes)
        return activated(joined, self.bn)


class JointAttention(nn.Module):
    """Times and bands in one graph, with an edge weight for each pair of kinds.

    A further node, the stack, listens to all and is heard by none.
    """

    att_weight11: nn.Parameter
    att_weight12: nn.Parameter
    att_weight22: nn.Parameter
    att_weightM: nn.Parameter  # noqa: N815 - named as in the checkpoint

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.proj_type1 = nn.Linear(inputs, inputs)
        self.proj_type2 = nn.Linear(inputs, inputs)
        self.att_proj = nn.Linear(inputs, outputs)
        self.att_projM = nn.Linear(inputs, outputs)
        for edge in ("11", "22", "12", "M"):
            weight = nn.Parameter(torch.empty(outputs, 1))
            nn.init.xavier_normal_(weight)
            self.register_parameter(f"att_weight{edge}", weight)
        self.proj_with_att = nn.Linear(inputs, outputs)
        self.proj_without_att = nn.Linear(inputs, outputs)
        self.proj_with_attM = nn.Linear(inputs, outputs)
        self.proj_without_attM = nn.Linear(inputs, outputs)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, times: Tensor, bands: Tensor, stack: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        nodes = torch.cat([self.proj_type1(times), self.proj_type2(bands)], dim=1)
        heard = self._attention_of_stack(nodes, stack).transpose(1, 2) @ nodes
        stack = self.proj_with_attM(heard) + self.proj_without_attM(stack)
        attention = self._attention(nodes, count_times=times.shape[1])
        joined = self.proj_with_att(attention @ nodes) + self.proj_without_att(nodes)
        nodes = activated(joined, self.bn)
        return nodes[:, : times.shape[1]], nodes[:, times.shape[1] :], stack

    def _attention(self, nodes: Tensor, *, count_times: int) -> Tensor:
        """How much each node hears of each other, (n, nodes, nodes)."""
        is_band = (torch.arange(nodes.shape[1], device=nodes.device) >= count_times).long()
        by_bands = torch.cat([self.att_weight11, self.att_weight12, self.att_weight22], dim=1)
        weights = by_bands.T[is_band[:, None] + is_band[None, :]]
        logits = (likeness(nodes, nodes, self.att_proj) * weights).sum(dim=-1)
        return torch.softmax(logits / JOINT_TEMPERATURE, dim=-1)

    def _attention_of_stack(self, nodes: Tensor, stack: Tensor) -> Tensor:
        """How much the stack hears of each node, (n, nodes, 1)."""
        logits = torch.tanh(self.att_projM(nodes * stack)) @ self.att_weightM
        return torch.softmax(logits / JOINT_TEMPERATURE, dim=1)


class GraphPool(nn.Module):
    """The most telling share of the nodes, each scaled by how telling it is."""

    def __init__(self, width: int, *, kept: float) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 1)
        self._kept = kept

    def forward(self, nodes: Tensor) -> Tensor:
        worth = torch.sigmoid(self.proj(nodes))
        count = max(int(nodes.shape[1] * self._kept), 1)
        best = worth.topk(count, dim=1).indices
        return (nodes * worth).gather(1, best.expand(-1, -1, nodes.shape[2]))


class Aasist(nn.Module):
    """Samples (n, SAMPLES) float32 at 16 kHz -> two logits (n, 2): spoofed, bona fide.

    Each row is judged by itself: the batch it travels in changes nothing but the rounding.
    """

    filters: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.register_buffer("filters", sinc_filters()[:, None], persistent=False)
        self.first_bn = nn.BatchNorm2d(1)
        widths = (1, shape.first, shape.first, *[shape.channels] * 4)
        blocks = [
            Residual(inputs, outputs, first=at == 0)
            for at, (inputs, outputs) in enumerate(pairwise(widths))
        ]
        self.encoder = nn.Sequential(*map(nn.Sequential, blocks))
        self.pos_S = nn.Parameter(torch.randn(1, BANDS, shape.channels))
        self.GAT_layer_S = GraphAttention(shape.channels, shape.graph)
        self.GAT_layer_T = GraphAttention(shape.channels, shape.graph)
        kept_bands, kept_times, kept_jointly = shape.kept
        self.pool_S = GraphPool(shape.graph, kept=kept_bands)
        self.pool_T = GraphPool(shape.graph, kept=kept_times)
        for branch in (1, 2):
            self.register_parameter(f"master{branch}", nn.Parameter(torch.randn(1, 1, shape.graph)))
            first, second = JointAttention(shape.graph, JOINT), JointAttention(JOINT, JOINT)
            self.add_module(f"HtrgGAT_layer_ST{branch}1", first)
            self.add_module(f"HtrgGAT_layer_ST{branch}2", second)
            self.add_module(f"pool_hS{branch}", GraphPool(JOINT, kept=kept_jointly))
            self.add_module(f"pool_hT{branch}", GraphPool(JOINT, kept=kept_jointly))
        self.out_layer = nn.Linear(5 * JOINT, 2)

    def forward(self, samples: Tensor) -> Tensor:
        bands_and_times = self.encoder(self.spectrum(samples)).abs()
        bands = bands_and_times.amax(dim=3).transpose(1, 2) + self.pos_S
        times = bands_and_times.amax(dim=2).transpose(1, 2)
        bands = self.pool_S(self.GAT_layer_S(bands))
        times = self.pool_T(self.GAT_layer_T(times))
        one, other = self._branch(1, times, bands), self._branch(2, times, bands)
        times, bands, stack = map(torch.maximum, one, other)
        found = [times.abs().amax(dim=1), times.mean(dim=1)]
        found += [bands.abs().amax(dim=1), bands.mean(dim=1), stack[:, 0]]
        logits: Tensor = self.out_layer(torch.cat(found, dim=1))
        return logits

    def spectrum(self, samples: Tensor) -> Tensor:
        """What the filters let through, pooled over 3 bands and 3 samples; (n, 1, BANDS, t)."""
        filtered = functional.conv1d(samples[:, None], self.filters).abs()
        pooled = functional.max_pool2d(filtered[:, None], POOL)
        return functional.selu(self.first_bn(pooled))

    def _branch(self, branch: int, times: Tensor, bands: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One of two ways through the joint graph, the second layer around the first's."""
        stack = self.get_parameter(f"master{branch}")
        first = self.get_submodule(f"HtrgGAT_layer_ST{branch}1")
        second = self.get_submodule(f"HtrgGAT_layer_ST{branch}2")
        times, bands, stack = first(times, bands, stack)
        times = self.get_submodule(f"pool_hT{branch}")(times)
        bands = self.get_submodule(f"pool_hS{branch}")(bands)
        more_times, more_bands, more_stack = second(times, bands, stack)
        return times + more_times, bands + more_bands, stack + more_stack
