"""Comparing detectors on what they were not trained on: rows, streams, laws, and a whole run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from streammon.detectors.models.speech_layers import SpeechLayers
from streammon.detectors.models.vocoder_cnn import VocoderCnn
from streammon.detectors.models.voice_judge import LAYERS
from streammon.detectors.scale import Scale
from streammon.detectors.voice_spoof import SHIPPED, VoiceSpoofConfig
from streammon.detectors.weights import read_weights
from training.voice_spoof import compare
from training.voice_spoof.calibrate import rewrite
from training.voice_spoof.calibration import Calibration, counted
from training.voice_spoof.clips import RATE_HZ, Clip
from training.voice_spoof.compare import Budget, apart, described, run
from training.voice_spoof.contestants import NETWORKS
from training.voice_spoof.features import as_they_are, drawn, draws, make, read_round
from training.voice_spoof.folds import FOLDS
from training.voice_spoof.head import fit_head, learned, rows_by_head, weights
from training.voice_spoof.leftout import (
    Share,
    contestants,
    counted_law,
    fused,
    genuine_mean,
    genuine_means,
    left_out_law,
    pooled,
    promised_law,
)
from training.voice_spoof.rows import (
    Row,
    by_seconds,
    figures,
    lasting,
    matched,
    read_rows,
    rows_of,
    windows,
    write_rows,
)
from training.voice_spoof.ship import judge, save
from training.voice_spoof.train import left_out

pytestmark = pytest.mark.usefixtures("one_thread")


def a_row(number: int, *, fake: bool, system: str = "copy-flow", at: float = 0.0) -> Row:
    logits = tuple(np.random.default_rng(number).normal(at, 1.0, size=3).tolist())
    name = system if fake else "real"
    return Row(f"{name}_{number}", fake, name, f"s{number}", "corpus", logits)


def some_rows(*, count: int = 40, apart: float = 2.0) -> list[Row]:
    return [
        a_row(number + 1_000 * fake, fake=bool(fake), at=apart * fake)
        for number in range(count)
        for fake in (0, 1)
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_contestants_give_one_logit_per_window_that_can_be_learned(name: str) -> None:
    torch.manual_seed(0)
    model = NETWORKS[name]()
    samples = 0.05 * torch.randn(2, RATE_HZ)
    logits = model(samples)
    assert logits.shape == (2,)
    logits.sum().backward()
    assert any(one.grad is not None and one.grad.abs().sum() > 0 for one in model.parameters())
    model.eval()
    torch.testing.assert_close(model(samples)[:1], model(samples[:1]), atol=1e-3, rtol=1e-3)


def test_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    parts = {"known": some_rows(count=2), "held": some_rows(count=3)}
    write_rows(parts, tmp_path / "rows.json")
    assert read_rows(tmp_path / "rows.json") == parts
    assert [path.name for path in tmp_path.iterdir()] == ["rows.json"]


@pytest.mark.parametrize(("seconds", "of"), [(2, 1), (4, 3), (10, 6), (30, 19)])
def test_longer_streams_are_windows_of_one_kind_joined(seconds: int, of: int) -> None:
    rows = some_rows()
    streams = lasting(rows, seconds)
    assert {len(row.logits) for row in streams} == {of}
    kept = [logit for row in streams for logit in row.logits]
    assert len(set(kept)) == len(kept)
    assert set(kept) <= {logit for row in rows for logit in row.logits}


def test_more_speech_tells_more() -> None:
    found = by_seconds(some_rows(apart=0.8))
    auc = [found[f"{seconds}_s"]["auc"][0] for seconds in (2, 4, 10)]  # type: ignore[index]
    assert auc == sorted(auc)
    assert auc[0] < auc[-1]


def test_copies_are_matched_and_other_fakes_are_not() -> None:
    rows = [*some_rows(count=5), a_row(7, fake=True, system="hibari")]
    assert {row.system for row in matched(rows)} == {"real", "copy-flow"}
    assert figures(rows)["fake"] == 6


def test_laws_can_be_chained() -> None:
    first, second = Calibration(2.0, 1.0), Calibration(0.5, -1.0)
    logits = np.array([-1.0, 0.0, 3.0])
    np.testing.assert_allclose(
        second.after(first).log_odds(logits), second.log_odds(first.log_odds(logits))
    )


def test_a_fusion_adds_its_members_in_their_shares() -> None:
    one = {"held": some_rows(count=2)}
    other = {
        "held": [
            Row(r.file, r.fake, r.system, r.speaker, r.source, (0.0,) * 3) for r in one["held"]
        ]
    }
    both = fused([one, other], [Share(0.5), Share(2.0)])["held"]
    np.testing.assert_allclose(windows(both, fake=True), windows(one["held"], fake=True) / 2)


def test_a_fusion_waits_for_all_of_its_members(tmp_path: Path) -> None:
    parts = dict.fromkeys(("known", "held", "telephone"), some_rows(count=20))
    for name in ("cnn", "lfcc-resnet", "whisper", "aasist-small"):
        assert "fusion-with-raw" not in contestants(tmp_path)
        for fold in FOLDS:
            write_rows(parts, tmp_path / f"{name}-{fold}.json")
    found = contestants(tmp_path)
    assert {"fusion", "fusion-with-raw", "shipped"} < set(found)
    for alone, together in zip(found["cnn"], found["fusion-with-raw"], strict=True):
        for kind in (False, True):
            said = windows(together["held"], fake=kind)
            np.testing.assert_allclose(said, windows(alone["held"], fake=kind))


def test_some_folds_are_enough_where_they_are_named(tmp_path: Path) -> None:
    parts = dict.fromkeys(("known", "held", "telephone"), some_rows(count=20))
    some = ["picovoice", "games"]
    for name in ("cnn", "whisper", "aasist-small"):
        for fold in some:
            write_rows(parts, tmp_path / f"{name}-{fold}.json")
    assert not contestants(tmp_path)
    found = contestants(tmp_path, some)
    assert {"shipped", "raw-for-bands", "raw-and-bands"} < set(found)
    for name in ("raw-for-bands", "raw-and-bands"):  # all members say the same here
        for alike, other in zip(found["shipped"], found[name], strict=True):
            assert windows(alike["held"], fake=True) == pytest.approx(
                windows(other["held"], fake=True)
            )
    assert list(described(found["shipped"], some)["by_fold"]) == some  # type: ignore[call-overload]


def test_a_member_may_speak_for_one_side_alone() -> None:
    parts = {"held": some_rows(count=20)}
    (alone,) = (fused([parts], [Share(2.0, above=0.5)])["held"],)
    before, after = windows(parts["held"], fake=True), windows(alone, fake=True)
    assert (before < 0.5).any()
    np.testing.assert_allclose(after, np.where(before > 0.5, 2.0 * (before - 0.5), 0.0))


def clips() -> list[Clip]:
    """Hums of a corpus of each fold and their buzzing copies by a vocoder of each."""
    rng = np.random.default_rng(0)
    at = np.arange(2 * RATE_HZ) / RATE_HZ
    found = []
    corpora = ("resemble-ai/x", "Picovoice/x", "Debian asterisk x", "Debian tuxpaint x")
    for corpus, source in enumerate(corpora):
        for number in range(6):
            hum = np.sin(2 * np.pi * (100 + 9 * number) * at) * np.sin(2 * np.pi * 3 * at)
            hum = 3_000 * hum + 90 * rng.normal(size=len(at))
            split = "dev" if number > 3 else "train"
            name, speaker = f"{corpus}_{number}.flac", f"s{corpus}{number}"
            found.append(
                Clip(
                    f"real_{name}", False, "real", speaker, source, "", split, hum.astype(np.int16)
                )
            )
            for system in ("copy-gan-80", "copy-istft-60", "copy-flow", "copy-lyra"):
                buzz = (hum + 600 * np.sign(np.sin(2 * np.pi * 3_000 * at))).astype(np.int16)
                found.append(
                    Clip(f"fake_{system}_{name}", True, system, speaker, source, "", split, buzz)
                )
    return found


def test_what_is_to_be_unheard_is_judged_and_never_trained_or_checked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = clips()
    heard = [clip for clip in said if clip.system != "copy-lyra"]
    unheard = [clip for clip in said if clip.system == "copy-lyra"]
    asked = list[str]()

    def fitted(training: Sequence[Clip], *_: object, **__: object) -> torch.nn.Module:
        asked.extend(clip.system for clip in training)
        return VocoderCnn().eval()

    monkeypatch.setattr(compare, "fit", fitted)
    budget = Budget(1.0, 0, 1, tmp_path / "cache", None)
    run("cnn", "games", heard, budget=budget, out=tmp_path / "r.json", unheard=unheard)
    rows = read_rows(tmp_path / "r.json")
    assert asked
    assert "copy-lyra" not in asked
    assert "copy-lyra" not in {row.system for row in rows["known"]}
    assert {row.system for row in rows["held"]} == {"real", "copy-lyra"}


def test_what_is_judged_without_a_telephone_is_described_without_it(tmp_path: Path) -> None:
    budget = Budget(0.0002, 0, 1, tmp_path / "cache", None, batch=8, telephone=False)
    run("cnn", "games", clips(), budget=budget, out=tmp_path / "cnn.json")
    parts = read_rows(tmp_path / "cnn.json")
    found = described([parts] * len(FOLDS))
    assert found["held_out_telephone"] == {"real": 0, "fake": 0}
    assert found["held_out"]["auc"]  # type: ignore[index]


def test_a_comparison_runs_and_gives_a_law(tmp_path: Path) -> None:
    budget = Budget(
        minutes=0.0002, seed=0, codec_copies=1, cache=tmp_path / "cache", bank=None, batch=8
    )
    for fold in FOLDS:
        run("cnn", fold, clips(), budget=budget, out=tmp_path / f"cnn-{fold}.json")
    folds = contestants(tmp_path)["cnn"]
    found = described(folds)
    assert found["held_out"]["real"] == found["held_out"]["fake"] == 24  # type: ignore[index]
    assert np.isfinite(left_out_law(folds).slope)
    copies = [clip.file for clip in clips() if clip.system == "copy-flow"]
    reals = [clip.file for clip in clips() if not clip.fake][:4]
    (tmp_path / "fakes.csv").write_text("\n".join(["file", *copies]), encoding="utf-8")
    (tmp_path / "both.csv").write_text("\n".join(["file", *copies, *reals]), encoding="utf-8")
    some = apart(folds, [tmp_path / "fakes.csv", tmp_path / "both.csv"])
    held = {row.file for row in pooled(folds, "held")}
    among_all, alone = (some[str(tmp_path / name)] for name in ("fakes.csv", "both.csv"))
    assert isinstance(among_all, dict)
    assert isinstance(alone, dict)
    assert among_all["fake"] == alone["fake"] == len(held.intersection(copies)) > 0
    assert among_all["real"] == 24
    assert alone["real"] == len(held.intersection(reals)) < 24


@pytest.mark.timeout(180)
def test_frozen_layers_are_compared_by_their_bank_and_ship_beside_a_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers, bank = SpeechLayers(layers=LAYERS).eval(), tmp_path / "bank"
    bank.mkdir()
    said = clips()
    training = [clip for clip in said if clip.split == "train"]
    make(layers, as_they_are(said, telephone=False), bank / "plain", of=len(said))
    make(layers, as_they_are(said, telephone=True), bank / "telephone", of=len(said))
    make(layers, drawn(training, number=0), bank / "draw-0", of=len(training))
    budget = Budget(
        minutes=0.0002, seed=0, codec_copies=1, cache=tmp_path / "cache", bank=bank, batch=8
    )
    for fold in FOLDS:
        for name in ("whisper", "cnn"):
            run(name, fold, said, budget=budget, out=tmp_path / f"{name}-{fold}.json")
    found = contestants(tmp_path)
    run("whisper", "games", said, budget=replace(budget, telephone=False), out=tmp_path / "near")
    assert read_rows(tmp_path / "near")["telephone"] == []
    assert described(found["whisper"])["held_out"]["auc"][0] > 0.9  # type: ignore[index]
    dev = [clip for clip in said if clip.split == "dev"]
    head = fit_head(draws(bank), training)
    model = judge(layers, head, VocoderCnn().eval(), dev)
    assert isinstance(model.vocoders.head[-1], torch.nn.Linear)
    both = windows(rows_of(model, dev), fake=True)
    with torch.no_grad():
        model.vocoders.head[-1].weight.zero_()
        model.vocoders.head[-1].bias.zero_()
    plain = read_round(bank, "plain")
    by_bank, alone = (
        np.concatenate([windows(rows, fake=kind) for kind in (False, True)])
        for rows in (rows_by_head(head, plain, dev), rows_of(model, dev))
    )
    assert np.corrcoef(by_bank, alone)[0, 1] > 0.95  # the bank is coarser
    assert not np.allclose(both, windows(rows_of(model, dev), fake=True))
    out = tmp_path / "w.safetensors"
    save(model, dev, out, draws=1, left_out=left_out(tmp_path))
    detector = VoiceSpoofConfig(weights=out).build("voice")
    detector.load("cpu")
    assert detector.resident_bytes > 1_000_000


def some_folds(*apart: float) -> list[dict[str, list[Row]]]:
    """Of 60 clips of each class; the genuine of each fold lie higher than of the one before."""
    folds = []
    for fold, distance in enumerate(apart):
        held = [
            a_row(10_000 * fold + number, fake=fake, at=0.4 * fold + distance * fake)
            for number in range(60)
            for fake in (False, True)
        ]
        folds.append({"held": held, "known": some_rows(apart=4.0), "telephone": held})
    return folds


def test_genuine_windows_of_no_fold_break_the_promise_by_the_law_of_the_others() -> None:
    folds = some_folds(2.0, 3.0, 4.0)
    law, means = promised_law(folds), genuine_means(folds)
    lowered = np.log(max(means))
    assert lowered > 0.0
    assert law.nats == pytest.approx([nats - lowered for nats in counted_law(folds).nats])
    for parts in folds:
        others = counted_law([other for other in folds if other is not parts])
        lower = Scale(others.logits, tuple(nats - lowered for nats in others.nats))
        assert genuine_mean(lower, parts) <= 1.0 + 1e-9


def test_a_law_that_keeps_its_promise_is_not_raised() -> None:
    folds = some_folds(6.0)
    same = [folds[0], {**folds[0]}]
    assert max(genuine_means(same)) < 1.0
    assert promised_law(same) == counted_law(same)


def test_nothing_is_surer_than_the_number_of_genuine_clips_allows() -> None:
    folds = some_folds(9.0, 9.0)
    assert counted_law(folds).nats[-1] <= np.log(2 * 60 + 1)


def test_counting_finds_the_law_that_made_the_scores() -> None:
    rng = np.random.default_rng(0)
    real, fake = rng.normal(-1, 1, size=20_000), rng.normal(1, 1, size=20_000)
    even = np.full(20_000, 1 / 20_001)
    points = counted(real, fake, even, even)
    assert [score for score, _ in points] == sorted(score for score, _ in points)
    assert [nats for _, nats in points] == sorted(nats for _, nats in points)
    for score, nats in points:  # log-odds of N(1, 1) against N(-1, 1) are 2 x
        if abs(score) < 1.5:
            assert nats == pytest.approx(2 * score, abs=0.7)


def test_weights_are_written_again_on_another_scale(tmp_path: Path) -> None:
    before, after = read_weights(SHIPPED, sha256=None), tmp_path / "w.safetensors"
    law = Scale((-9.0, 0.0, 1.0, 9.0), (-4.0, 0.0, 0.5, 6.0))
    rewrite(SHIPPED, law, after)
    found = read_weights(after, sha256=None)
    assert Scale.stored(found) == law
    assert all(torch.equal(found.tensors[name], one) for name, one in before.tensors.items())
    assert found.metadata["training_draws"] == before.metadata["training_draws"]
    reached = []
    for file in (before, found):
        threshold, scale = file.number("threshold"), Scale.stored(file)
        reached.append(np.interp(np.log(threshold / (1 - threshold)), scale.nats, scale.logits))
    assert reached[0] == pytest.approx(reached[1], abs=1e-3)


def test_a_clip_and_its_copies_are_cut_coded_and_distorted_alike() -> None:
    same = clips()[:1]
    twin = replace(same[0], file=same[0].file.replace("real_", "fake_copy-flow_"), fake=True)
    for number in range(3):
        ((files, crops),) = drawn([same[0], twin], number=number)
        assert files == [same[0].file, twin.file]
        np.testing.assert_allclose(crops[0], crops[1], atol=1e-5)


def test_both_classes_and_rare_systems_weigh_their_share() -> None:
    found = weights([clip for clip in clips() if clip.system != "copy-flow" or "_5" in clip.file])
    of_fakes = sum(value for file, value in found.items() if file.startswith("fake"))
    assert of_fakes == pytest.approx(sum(found.values()) / 2)
    assert found["fake_copy-flow_0_5.flac"] > 2 * found["fake_copy-gan-80_0_5.flac"]


def test_sources_of_people_weigh_the_same_however_many_their_clips() -> None:
    said = [clip for clip in clips() if not clip.fake]
    sources = sorted({clip.source for clip in said})
    some = [clip for at, clip in enumerate(said) if clip.source != sources[0] or at % 3 == 0]
    found = weights([*some, *(clip for clip in clips() if clip.fake)])
    worth = [sum(found[c.file] for c in some if c.source == source) for source in sources]
    assert len(sources) > 1
    np.testing.assert_allclose(worth, worth[0])


def test_what_teaches_the_network_alone_does_not_reach_the_head() -> None:
    one = clips()[0]
    for system, source, expected in (
        ("copy-hifigan-universal", one.source, False),
        ("copy-cargan", one.source, False),
        ("copy-fargan", one.source, False),
        ("copy-flow", "GCompris voices, fr", False),
        ("copy-flow", one.source, True),
        ("real", "GCompris voices, fr", True),
        ("hibari", "PyPI hibari-tts, everyday, self-made", False),
        ("hibari", "PyPI hibari-tts, self-made", True),
        ("copy-hifigan", one.source, True),
        ("real", "LibriSpeech, everyday", True),
    ):
        clip = replace(one, fake=system != "real", system=system, source=source)
        assert learned(clip) is expected
