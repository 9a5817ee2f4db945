"""Compare detectors by leave-systems-and-corpora-out, each with the same minutes of training.

    python -m training.voice_spoof.compare run --data DIR COPIES --out RUNS --minutes 1.5
        [--only NAME] [--folds FOLD FOLD] [--bank BANK] [--networks RUNS] [--unheard DATA3]
        [--no-telephone]
    python -m training.voice_spoof.compare table --out RUNS [--folds FOLD FOLD]
        [--apart DATA3 CALLS] [--json OUT]

`run` writes RUNS/NAME-FOLD.json, the logits of all windows of the clips held out and of the clips
to check on; what is there is not run again. `cnn-first` is the network without the small vocoders
in training; `whisper` is the head on frozen layers that ships, which needs the bank that `features`
made, and no minutes. Clips of `--unheard` are judged by the fold that holds out their corpus or
system, and trained on by none. With `--networks`, those that an earlier run trained without the
fold are asked about these clips instead of being trained again. `table` reads them: how well whole
clips are told apart that share neither system nor corpus with training, with intervals by speaker;
`fusion` is the mean log-odds of the others, each calibrated on the systems that its fold heard;
`fusion-with-raw` has the network on raw waveforms among them. `raw-for-bands` and `raw-and-bands`
ask what it would be worth in what ships. `--folds` makes do with some.
Clips of each manifest of `--apart` are told by themselves, too; where these are all synthetic,
among all genuine ones that were held out.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from streammon.evaluation.measures import Counts, Floats, auc, calibration_error, reliability
from training.voice_spoof.clips import (
    Clip,
    manifest_of,
    read_data,
    through_codec,
    with_codec_copies,
)
from training.voice_spoof.contestants import NETWORKS
from training.voice_spoof.features import TELEPHONE, draws, read_round
from training.voice_spoof.fit import fit
from training.voice_spoof.folds import FOLDS, is_own, without_own_vocoders
from training.voice_spoof.head import fit_head, rows_by_head
from training.voice_spoof.leftout import (
    CONTESTANTS,
    Parts,
    contestants,
    left_out_law,
    pooled,
)
from training.voice_spoof.rows import (
    Figures,
    Row,
    by_seconds,
    by_system,
    figures,
    matched,
    rows_of,
    windows,
    write_rows,
)


@dataclass(frozen=True, slots=True)
class Budget:
    """What each contestant may have."""

    minutes: float
    seed: int
    codec_copies: int
    cache: Path
    bank: Path | None
    networks: Path | None = None
    batch: int = 48
    steps: int = 100_000
    telephone: bool = True
    """Whether what is held out is judged by telephone, too: as much work again."""


def run(
    name: str,
    fold: str,
    clips: Sequence[Clip],
    *,
    budget: Budget,
    out: Path,
    unheard: Sequence[Clip] = (),
) -> None:
    """Train one contestant without one fold and write what it says; of `unheard`, too."""
    training, known, _ = FOLDS[fold].split(clips)
    _, _, held = FOLDS[fold].split([*clips, *unheard])
    if name == "cnn-first":
        training = without_own_vocoders(training)
    if name == "whisper":
        assert budget.bank is not None
        parts = {"known": known, "held": held, "telephone": held if budget.telephone else []}
        write_rows(by_head(budget.bank, training, parts), out)
        return
    model = trained(name, fold, training, budget=budget)
    state = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    save_file(state, out.with_suffix(".safetensors"))
    far = held if budget.telephone else []
    telephone = [replace(clip, pcm=through_codec(clip.pcm, TELEPHONE)) for clip in far]
    parts = {"known": known, "held": held, "telephone": telephone}
    write_rows({part: rows_of(model, of) for part, of in parts.items()}, out)


def trained(name: str, fold: str, training: Sequence[Clip], *, budget: Budget) -> nn.Module:
    """The network, after its minutes or from the run that had them."""
    network = NETWORKS[name.removesuffix("-first")]
    if budget.networks:
        model = network()
        model.load_state_dict(load_file(budget.networks / f"{name}-{fold}.safetensors"))
        return model.eval()
    return fit(
        with_codec_copies(training, count=budget.codec_copies, cache=budget.cache),
        network,
        steps=budget.steps,
        minutes=budget.minutes,
        seed=budget.seed,
        batch=budget.batch,
        label=f"{name} without {fold}",
    )


def by_head(
    bank: Path, training: Sequence[Clip], parts: Mapping[str, Sequence[Clip]]
) -> dict[str, list[Row]]:
    """What a head fitted to the bank's rows of these clips says of others."""
    head = fit_head(draws(bank), training)
    return {
        part: rows_by_head(
            head, read_round(bank, "telephone" if part == "telephone" else "plain"), of
        )
        for part, of in parts.items()
    }


def reliability_of(folds: Sequence[Parts]) -> Figures:
    """Confidence said and share found, where each fold's law comes from the other folds."""
    real: list[Floats] = []
    fake: list[Floats] = []
    for at, parts in enumerate(folds):
        law = left_out_law([other for place, other in enumerate(folds) if place != at])
        for kind, bag in ((False, real), (True, fake)):
            log_odds = law.log_odds(windows(parts["held"], fake=kind))
            bag.append(0.5 * (1.0 + np.tanh(0.5 * log_odds)))
    counts = Counts.of(np.concatenate(real), np.concatenate(fake))
    return {
        "expected_calibration_error": round(calibration_error(counts), 3),
        "said_found_count": [
            [round(one.said, 3), round(one.found, 3), one.count] for one in reliability(counts)
        ],
    }


def described(folds: Sequence[Parts], names: Sequence[str] = tuple(FOLDS)) -> Figures:
    """`names`: those of the folds, which are at least two."""
    held = pooled(folds, "held")
    law = left_out_law(folds)
    each = []
    for parts in folds:
        scores = {k: np.array([r.score for r in parts["held"] if r.fake == k]) for k in (0, 1)}
        each.append(auc(Counts.of(scores[0], scores[1])))
    return {
        "held_out": figures(held),
        "held_out_without_small_vocoders": figures([r for r in held if not is_own(r.system)]),
        "held_out_mean_of_folds_auc": round(float(np.mean(each)), 3),
        "held_out_copies": figures(matched(held)),
        "held_out_by_seconds": by_seconds(held),
        "held_out_telephone": figures(pooled(folds, "telephone")),
        "heard": figures(pooled(folds, "known")),
        "by_fold": {
            label: {"all": figures(parts["held"]), "copies": figures(matched(parts["held"]))}
            for label, parts in zip(names, folds, strict=True)
        },
        "by_system": {
            label: by_system(parts["held"]) for label, parts in zip(names, folds, strict=True)
        },
        "left_out_law": {"slope": round(law.slope, 4), "offset": round(law.offset, 4)},
        "reliability": reliability_of(folds),
    }


def apart(folds: Sequence[Parts], manifests: Sequence[Path]) -> Figures:
    """How well the clips of each manifest are told that were held out."""
    held, found = pooled(folds, "held"), Figures()
    for path in manifests:
        with manifest_of(path).open(newline="", encoding="utf-8") as lines:
            files = {line["file"] for line in csv.DictReader(lines)}
        chosen = [row for row in held if row.file in files]
        if all(row.fake for row in chosen):
            chosen += [row for row in held if not row.fake]
        found[str(path)] = figures(chosen)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--data", type=Path, nargs="+", default=[])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=1.5, help="of processor time, each")
    parser.add_argument("--steps", type=int, default=100_000, help="at most, of the networks")
    parser.add_argument("--only", choices=CONTESTANTS)
    parser.add_argument("--folds", nargs="+", choices=FOLDS, default=list(FOLDS))
    parser.add_argument("--unheard", type=Path, nargs="+", default=[], help="only to be judged")
    parser.add_argument("--apart", type=Path, nargs="+", default=[], help="manifests, for `table`")
    parser.add_argument("--bank", type=Path, help="that `features` made; for `whisper`")
    parser.add_argument("--networks", type=Path, help="folder of a run that trained them")
    parser.add_argument("--cache", type=Path, default=Path("bench-out/voice_spoof-cache"))
    parser.add_argument("--codec-copies", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-telephone", action="store_true", help="half as much to judge")
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    if settings.what == "run":
        settings.out.mkdir(parents=True, exist_ok=True)
        clips, unheard = read_data(settings.data), read_data(settings.unheard)
        budget = Budget(
            settings.minutes,
            settings.seed,
            settings.codec_copies,
            settings.cache,
            settings.bank,
            settings.networks,
            steps=settings.steps,
            telephone=not settings.no_telephone,
        )
        for name in [settings.only] if settings.only else CONTESTANTS:
            for fold in settings.folds:
                out = settings.out / f"{name}-{fold}.json"
                if not out.exists() and (name != "whisper" or settings.bank):
                    print(f"{name} without {fold}", file=sys.stderr, flush=True)
                    run(name, fold, clips, budget=budget, out=out, unheard=unheard)
        return
    found = {
        name: described(folds, settings.folds) | {"apart": apart(folds, settings.apart)}
        for name, folds in contestants(settings.out, settings.folds).items()
    }
    text = json.dumps(found, indent=2)
    print(text)
    if settings.json:
        settings.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
