"""What language models think of a text, as one number: two published measures, and nothing else.

Both look at one text at a time. `tokens` (n,) are its token ids; logits (n, vocabulary) are what
a model expects behind each of them, so row i speaks of token i + 1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def binoculars(tokens: Tensor, observer: Tensor, performer: Tensor) -> float:
    """How surprising the text is, over how surprising it would be to another model: lower is
    likelier a machine's.

    A. Hans, A. Schwarzschild, V. Cherepanova, H. Kazemi, A. Saha, M. Goldblum, J. Geiping,
    T. Goldstein: Spotting LLMs With Binoculars, ICML 2024, arXiv:2401.12070: the log-perplexity
    of the text to the performer, divided by the cross-entropy of the performer's expectations
    under the observer's. As in the authors' code, by which their thresholds were found, the
    latter also counts what is expected behind the last token.
    """
    log_performer = torch.log_softmax(performer, dim=-1)
    surprise = -_of_next(tokens, log_performer).mean()
    cross = -torch.linalg.vecdot(torch.softmax(observer, dim=-1), log_performer).mean()
    return float(surprise / cross)


def curvature(tokens: Tensor, sampling: Tensor, scoring: Tensor) -> float:
    """By how many deviations the text is likelier than what the sampling model would have
    written in its place: higher is likelier a machine's.

    G. Bao, Y. Zhao, Z. Teng, L. Yang, Y. Zhang: Fast-DetectGPT, ICLR 2024, arXiv:2310.05130: the
    conditional probability curvature, with mean and variance worked out rather than sampled.
    """
    ahead = torch.log_softmax(scoring[:-1], dim=-1)
    chance = torch.softmax(sampling[:-1], dim=-1)
    ahead -= torch.linalg.vecdot(chance, ahead)[:, None]  # of what was expected, for every word
    variance = torch.linalg.vecdot(chance.mul_(ahead), ahead).sum()
    return float(_of_next(tokens, ahead).sum() / variance.sqrt())


def _of_next(tokens: Tensor, values: Tensor) -> Tensor:
    """For each token but the first, the value that the row before has for it; (n - 1,)."""
    return values[: len(tokens) - 1].gather(1, tokens[1:, None])[:, 0]
