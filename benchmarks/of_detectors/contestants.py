"""Every detector that can run here, with the bare model it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.export.passes import move_to_device_pass

from benchmarks.of_detectors import models
from benchmarks.of_detectors.made import SIDE, look_files
from benchmarks.of_detectors.reels import Reel, of_items, recorded
from streammon.core.errors import ConfigError
from streammon.core.ports import Detector
from streammon.core.types import AudioChunk, ChatMessage, Modality, Window
from streammon.detectors.ai_text import SHIPPED, SHIPPED_SHA256
from streammon.detectors.ai_text_authors import joined
from streammon.detectors.ai_text_canonical import Reading, read
from streammon.detectors.ai_text_model import read_model
from streammon.detectors.model_text import text_of
from streammon.registry import DETECTORS, adapter_class
from tests.drawn_talker import talker
from tests.keras_files import mesonet_file

Thunk: TypeAlias = Callable[[], object]
SOUND_SAMPLES, VOICE_SAMPLES, AASIST_SAMPLES = 64_000, 32_000, 64_600
MOST = 32
"""The largest batch that is measured: every detector is told that it may have so many."""


@dataclass(frozen=True, slots=True)
class Network:
    """A bare model of torch, and tensors as it takes them for so many windows."""

    module: Any
    inputs: Callable[[int], Mapping[str, Tensor] | Tensor]

    def on(self, device: str) -> Network:
        """The same on a device; nothing changes on the CPU."""
        if device == "cpu":
            return self
        return Network(self.module.to(device), lambda count: on_device(self.inputs(count), device))

    def ask(self, module: Any, given: Mapping[str, Tensor] | Tensor) -> object:
        return module(given) if isinstance(given, Tensor) else module(**given)


def on_device(given: Mapping[str, Any] | Tensor, device: str) -> Any:
    if isinstance(given, Tensor):
        return given.to(device)
    return {
        name: value.to(device) if isinstance(value, Tensor) else value
        for name, value in given.items()
    }


@dataclass(frozen=True, slots=True)
class Contestant:
    """A detector, windows for it, and what it is held against, if there is a bare model."""

    name: str
    detector: Detector
    reel: Reel
    bare: Callable[[int], Thunk] | None = None
    """Prepares what so many windows need, and returns what asks the model about them."""
    network: Network | None = None
    """The bare model, where it is one of torch."""
    about: str = ""
    in_wall_time: bool = False
    """It waits for another process: processor time would not tell."""

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """Picture first: the sound of the same time completes it."""
        return tuple(sorted(self.reel.cuts, key=lambda modality: modality is Modality.AUDIO))


def of_network(
    name: str, detector: Detector, reel: Reel, network: Network, about: str, *, device: str
) -> Contestant:
    network = network.on(device)

    def bare(count: int) -> Thunk:
        given = network.inputs(count)
        return lambda: network.ask(network.module, given)

    return Contestant(name, detector, reel, bare, network, about)


def a_detector(tag: str, *, device: str, name: str | None = None, **settings: Any) -> Detector:
    """A loaded detector of any entry point."""
    made: Any = adapter_class(DETECTORS, tag)(**{"type": tag, **settings})
    detector: Detector = made.build(name or tag)
    detector.load(device if detector.on_device else "cpu")
    return detector


def pcm(reel: Reel, count: int, samples: int) -> Tensor:
    """(count, samples) of the recorded sound, in steps that fit."""
    chunks = [window.items[0] for window in reel.deal(Modality.AUDIO, count, 0)]
    rows = [torch.from_numpy(one.pcm.copy()) for one in chunks if isinstance(one, AudioChunk)]
    return torch.stack([row.repeat(samples // len(row) + 1)[:samples] for row in rows])


def as_decoded(count: int, side: int) -> Tensor:
    """Pictures (count, 3, side, side) whose colours lie side by side in memory: faster here."""
    return torch.rand(count, side, side, 3).permute(0, 3, 1, 2)


def shipped(device: str) -> list[Contestant]:
    """The detectors that come with their weights, or need none."""
    voice = a_detector("voice_spoof", device=device, max_batch=MOST)
    speech = recorded("studio_clean.mp4", voice).judged_by(voice)
    network = Network(models.voice_network(), lambda count: pcm(speech, count, VOICE_SAMPLES))
    freeze = a_detector("freeze", device=device)
    flood = a_detector("chat_flood", device=device)
    sync = a_detector("av_sync", device=device)
    lips = a_detector("lip_sync", device=device)
    faces = a_detector("face_forgery", device=device, max_batch=MOST)
    return [
        of_network(
            "voice_spoof", voice, speech, network, "2 s of speech, with its gate", device=device
        ),
        Contestant("freeze", freeze, recorded("camera_clean.mp4", freeze), about="1 s of pictures"),
        Contestant("chat_flood", flood, recorded("chat_flood.jsonl", flood), about="2 s of chat"),
        Contestant(
            "av_sync", sync, recorded("studio_clean.mp4", sync, most=3), about="halves of 5 s"
        ),
        Contestant("lip_sync", lips, of_items(talker(), lips), about="one face, halves of 3 s"),
        Contestant("face_forgery", faces, of_items(talker(), faces), about="one face, 15 in 6 s"),
        of_ai_text(device),
    ]


def of_ai_text(device: str) -> Contestant:
    """Held against its own model on the text of the same windows, cleaned and read already."""
    detector = a_detector("ai_text", device=device, max_batch=MOST)
    chat, model = recorded("chat_clean.jsonl", detector), read_model(SHIPPED, sha256=SHIPPED_SHA256)

    def bare(count: int) -> Thunk:
        readings = [reading_of(window) for window in chat.deal(Modality.TEXT, count, 0)]
        texts = [reading.text for reading in readings]
        typed = [reading.typed for reading in readings]
        return lambda: model.log_odds(texts, typed)

    return Contestant("ai_text", detector, chat, bare, about="1,000 characters of chat")


def reading_of(window: Window) -> Reading:
    messages = [item for item in window.items if isinstance(item, ChatMessage)]
    return read(joined([(message.message_id, message.text) for message in messages]))


def of_aasist(folder: Path, device: str) -> Contestant:
    """AASIST-L with random weights: a batch of 8 takes seconds on one core."""
    weights = models.aasist(folder / "AASIST-L.pth")
    anti = a_detector("aasist", device=device, variant="AASIST-L", weights=weights, max_batch=MOST)
    speech = recorded("studio_clean.mp4", anti).judged_by(anti)
    graph = Network(
        models.aasist_network(weights), lambda count: pcm(speech, count, AASIST_SAMPLES)
    )
    return of_network("aasist", anti, speech, graph, "AASIST-L, 4 s of speech", device=device)


def published(folder: Path, device: str) -> list[Contestant]:
    """Published methods, with random weights in the authors' formats."""
    keras = mesonet_file(folder / "Meso4.h5", "Meso4")
    meso = a_detector(
        "mesonet", device=device, variant="Meso4", weights=keras, region="whole", max_batch=MOST
    )
    faces = recorded("camera_clean.mp4", meso)
    frames = len(faces.cuts[Modality.VIDEO][0].items)
    look = models.meso_network(keras)
    meso_net = Network(look, lambda count: as_decoded(count * frames, 256))
    found = [
        of_network(
            "mesonet", meso, faces, meso_net, f"Meso4, {frames} pictures of 640x360", device=device
        ),
    ]
    with suppress(ConfigError):  # without transformers
        found += readers(folder, device)
    return found


def readers(folder: Path, device: str) -> list[Contestant]:
    """The two methods that ask language models."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    places = [models.gpt2(folder / f"gpt2_{seed}", seed=seed) for seed in (1, 2)]
    pair = [{"model": str(place)} for place in places]
    cut: dict[str, Any] = {"window_characters": 1_000, "max_batch": MOST}
    twins = a_detector(
        "binoculars", device=device, observer=pair[0], performer=pair[1], machine_below=0.9, **cut
    )
    fast = a_detector("fast_detect_gpt", device=device, scoring=pair[0], machine_above=1.0, **cut)
    chat = recorded("chat_clean.jsonl", twins).judged_by(twins)
    known: Any = AutoTokenizer
    tokenizer = known.from_pretrained(str(places[0]))
    kind: Any = AutoModelForCausalLM
    one, two = [
        kind.from_pretrained(str(place), attn_implementation="eager").eval() for place in places
    ]

    def inputs(count: int) -> Mapping[str, Any]:
        texts = [text_of(window) for window in chat.deal(Modality.TEXT, count, 0)]
        tokenizer.pad_token = "<end>"
        given = tokenizer(texts, padding=True, truncation=True, max_length=256, return_tensors="pt")
        names = ("input_ids", "attention_mask")
        return {**{name: given[name] for name in names}, "use_cache": False}

    about = "GPT-2 of 4 layers of 256, 1,000 characters"
    return [
        of_network(
            "binoculars",
            twins,
            chat,
            Network(models.Both(one, two), inputs),
            f"two {about}",
            device=device,
        ),
        of_network("fast_detect_gpt", fast, chat, Network(one, inputs), about, device=device),
    ]


def of_transformers(folder: Path, device: str) -> list[Contestant]:
    """`huggingface` with a small model of each kind."""
    from transformers import (
        AutoModelForAudioClassification,
        AutoModelForImageClassification,
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    places = {
        "vit": models.vit(folder / "vit"),
        "wav2vec2": models.wav2vec2(folder / "wav2vec2"),
        "distilbert": models.distilbert(folder / "distilbert"),
    }
    found = {
        name: a_detector("huggingface", device=device, model=str(place), max_batch=MOST)
        for name, place in places.items()
    }
    recordings = {
        "vit": "camera_clean.mp4", "wav2vec2": "studio_clean.mp4", "distilbert": "chat_clean.jsonl",
    }  # fmt: skip
    reels = {name: recorded(recordings[name], each) for name, each in found.items()}
    reels["distilbert"] = alike(reels["distilbert"], found["distilbert"])
    known: Any = AutoTokenizer
    tokenizer = known.from_pretrained(str(places["distilbert"]))

    def texts(count: int) -> Mapping[str, Any]:
        said = [text_of(window) for window in reels["distilbert"].deal(Modality.TEXT, count, 0)]
        return dict(tokenizer(said, padding=True, truncation=True, return_tensors="pt"))

    kinds: Mapping[str, tuple[Any, Callable[[int], Mapping[str, Any]]]] = {
        "vit": (
            AutoModelForImageClassification,
            lambda count: {"pixel_values": torch.rand(count, 3, SIDE, SIDE)},
        ),
        "wav2vec2": (
            AutoModelForAudioClassification,
            lambda count: {"input_values": pcm(reels["wav2vec2"], count, SOUND_SAMPLES)},
        ),
        "distilbert": (AutoModelForSequenceClassification, texts),
    }
    about = dict(models.MODELS)
    return [
        of_network(
            f"huggingface_{name}",
            found[name],
            reels[name],
            Network(kind.from_pretrained(str(places[name])).eval().requires_grad_(False), inputs),
            about[name],
            device=device,
        )
        for name, (kind, inputs) in kinds.items()
    ]


def alike(reel: Reel, detector: Detector) -> Reel:
    """The windows of the bucket that most of them are in: as the scheduler makes batches."""
    (modality,) = reel.cuts
    buckets: dict[str, list[Window]] = {}
    for cut in reel.cuts[modality]:
        buckets.setdefault(detector.bucket(cut), []).append(cut)
    fullest = max(buckets, key=lambda bucket: len(buckets[bucket]))
    return Reel({modality: tuple(buckets[fullest])})


def of_files(folder: Path, device: str) -> list[Contestant]:
    """Models in files: `onnx` with the network of `voice_spoof`, the other two with a ResNet."""
    script, program = look_files(folder, most=MOST)
    image: dict[str, Any] = {
        "modality": "image", "trusted": True, "scores": {"synthetic": 1}, "max_batch": MOST,
    }  # fmt: skip
    one = a_detector("torchscript", device=device, model=script, **image)
    two = a_detector("torch_export", device=device, model=program, **image)
    camera = recorded("camera_clean.mp4", one)
    pictures: Callable[[int], Tensor] = lambda count: torch.rand(count, 3, SIDE, SIDE)  # noqa: E731
    loader: Any = torch.jit
    bare = {
        "torchscript": loader.load(str(script), map_location=device).eval(),
        "torch_export": move_to_device_pass(
            torch.export.load(program), torch.device(device)
        ).module(),
    }
    about = "ResNet of 8 convolutions, 224 px"
    found = [
        of_network(name, detector, camera, Network(bare[name], pictures), about, device=device)
        for name, detector in (("torchscript", one), ("torch_export", two))
    ]
    with suppress(ConfigError):  # without onnxruntime
        found.append(of_onnx(folder, device))
    return found


def of_onnx(folder: Path, device: str) -> Contestant:
    path = models.voice_onnx(folder)
    detector = a_detector(
        "onnx",
        device=device,
        model=path,
        modality="audio",
        sound={"samples": VOICE_SAMPLES},
        window={"length": 2.0, "overlap": 0.5},
        scores={"reads": "sigmoid", "labels": ["synthetic"]},
        max_batch=MOST,
    )
    speech = recorded("studio_clean.mp4", detector)
    ask = models.session(path)

    def bare(count: int) -> Thunk:
        given = pcm(speech, count, VOICE_SAMPLES).numpy()
        return lambda: ask(given)

    return Contestant("onnx", detector, speech, bare, about="the network of voice_spoof, no gate")
