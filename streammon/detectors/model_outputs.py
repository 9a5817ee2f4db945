"""From what a model gives to the probability that its input is synthetic."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.core.errors import Permanent
from streammon.detectors.model_settings import ScoreSettings

SYNTHETIC = frozenset({
    "ai", "aigenerated", "artificial", "artificialintelligence", "chatgpt", "cloned",
    "computergenerated", "deepfake", "deepfakes", "fake", "fakes", "forged", "forgery", "generated",
    "gpt", "llm", "machine", "machinegenerated", "manipulated", "spoof", "spoofed", "synthesized",
    "synthetic",
})  # fmt: skip
REAL = frozenset({
    "authentic", "bonafide", "genuine", "human", "humanwritten", "live", "natural", "nofake",
    "nonspoof", "notfake", "original", "pristine", "real", "realism", "realistic", "reals",
    "unmanipulated",
})  # fmt: skip
"""Labels, in small letters and digits only, that leave no doubt."""
ROUNDING = 1e-3
"""How far outside 0..1 a probability may lie."""


@dataclass(frozen=True, slots=True)
class ScoreReader:
    """Reads the outputs of one model."""

    reads: str
    chosen: tuple[int, ...]
    """The outputs that count."""
    inverted: bool
    """They mean real, not synthetic."""
    labels: tuple[str, ...]
    """A name for each output."""

    def read(self, outputs: NDArray[np.generic], rows: int) -> NDArray[np.float64]:
        """(rows,) probabilities of synthetic; nan where the model gave no number.

        Raises `ValueError` when there is another number of rows or outputs than there should
        be, or when what is called a probability is none.
        """
        values = as_table(outputs)
        if values.shape != (rows, len(self.labels)):
            raise ValueError(
                f"{rows} inputs to a model of {len(self.labels)} outputs gave an output of shape "
                f"{np.shape(outputs)}"
            )
        sound = np.isfinite(values).all(axis=1)
        likely = np.full(rows, np.nan)
        likely[sound] = self._probabilities(values[sound])
        return likely

    def _probabilities(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) of (n, outputs) finite numbers."""
        chosen = list(self.chosen)
        found: NDArray[np.float64]
        if self.reads == "sigmoid":  # independent labels: one that is likely is enough
            strongest = np.clip(values[:, chosen].max(axis=1), -500.0, 500.0)
            found = 1.0 / (1.0 + np.exp(-strongest))
        else:
            shares = _softmax(values) if self.reads == "softmax" else _in_range(values)
            found = np.clip(shares[:, chosen].sum(axis=1), 0.0, 1.0)
        return 1.0 - found if self.inverted else found


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _in_range(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same values, if they are probabilities. Raises `ValueError`."""
    if values.min(initial=0.0) < -ROUNDING or values.max(initial=0.0) > 1.0 + ROUNDING:
        raise ValueError(
            f"the model gave {values.min():.3g} to {values.max():.3g}, which are no probabilities; "
            "set `reads` to softmax or sigmoid"
        )
    return values


def as_table(outputs: NDArray[np.generic]) -> NDArray[np.float64]:
    """Outputs as (inputs, values); (inputs,) is one value each. Raises `ValueError`."""
    if not np.issubdtype(outputs.dtype, np.number) or np.iscomplexobj(outputs):
        raise ValueError(f"the model gave {outputs.dtype}, not numbers")
    table = outputs.astype(np.float64)
    if table.ndim == 1:
        return table[:, None]
    if table.ndim != 2:
        raise ValueError(f"the model gave an output of shape {table.shape}, not (inputs, values)")
    return table


def reader(settings: ScoreSettings, outputs: int, *, where: str) -> ScoreReader:
    """A reader for a model of so many outputs.

    `where`: the setting that is meant, for messages. Raises `Permanent`, naming what the config
    says and what the model has, unless it is certain which outputs mean synthetic.
    """
    labels = settings.labels or tuple(map(str, range(outputs)))
    if len(labels) != outputs:
        raise Permanent(
            f"{where}: the config names {len(labels)} labels ({', '.join(labels)}), but the model "
            f"has {outputs} outputs; name them all, in their order"
        )
    if settings.reads == "softmax" and outputs == 1:
        raise Permanent(
            f"{where}: the softmax of one output is always 1; set `reads` to sigmoid or probability"
        )
    named = settings.synthetic or settings.real
    if named:
        chosen = tuple(_place(one, labels, where=where) for one in dict.fromkeys(named))
        inverted = bool(settings.real)
    else:
        chosen, inverted = _worked_out(labels, where=where), False
    if outputs > 1 and len(set(chosen)) == outputs:
        raise Permanent(f"{where}: all of {', '.join(labels)} are named; leave out the other side")
    return ScoreReader(settings.reads, chosen, inverted, labels)


def _place(named: str | int, labels: Sequence[str], *, where: str) -> int:
    if isinstance(named, str) and named in labels:
        return labels.index(named)
    if isinstance(named, int) and 0 <= named < len(labels):
        return named
    raise Permanent(
        f"{where}: the config names the output {named!r}, but the model has {len(labels)}: "
        f"{', '.join(f'{place} ({label})' for place, label in enumerate(labels))}"
    )


def _worked_out(labels: Sequence[str], *, where: str) -> tuple[int, ...]:
    """Which labels mean synthetic, if every one of them says clearly what it means."""
    words = [re.sub(r"[^a-z0-9]", "", label.lower()) for label in labels]
    fakes = tuple(place for place, word in enumerate(words) if word in SYNTHETIC)
    reals = [place for place, word in enumerate(words) if word in REAL]
    if fakes and len(fakes) + len(reals) == len(labels) and (reals or len(labels) == 1):
        return fakes
    raise Permanent(
        f"{where}: which of the model's labels mean synthetic is not plain: {', '.join(labels)}; "
        f"say so, for example `synthetic: [{labels[-1]}]`, or name the others with `real:`"
    )
