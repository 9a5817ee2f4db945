"""Samples of modern speech systems that lie beside open code: what DATA3 and DATA4 are made of.

Each repository's licence was read in it and lets its files be used, changed and learned from; what
is said there to be under another one is left out: recordings of people under a licence against
commercial use, copies of them, voices trained on such (Blizzard, PAVOQUE, L2-ARCTIC), voices of
game characters, cloned voices of actors, and recordings of LJSpeech and VCTK (systems trained on
these two are in, about six clips each of those that speak with LJSpeech's one voice). The groups
are what ends in the same kind of vocoder, which is what is heard; `folds` holds one out together.
Of DATA4, which came later, what Silero's models said is left out, too (another licence), and so are
songs and systems that learned from a tenth of LJSpeech or less.
"""

from __future__ import annotations

from training.voice_spoof.corpora import Corpus

Repository = tuple[str, str, str]
"""Its name, the commit and the licence."""

LARYNX = "rhasspy/larynx", "3a2ee55ae929aee893092b6d3e8275a48cb2a7d1", "MIT"
MIMIC = "MycroftAI/mimic3-voices", "b239a9084e21fbaa7ac78ea6e31f5de1c31c8f42", "CC-BY-SA-4.0"
MING = "ming024/FastSpeech2", "d4e79eb52e8b01d24703b2dfc0385544092958f3", "MIT"
DIFFGAN = "keonlee9420/DiffGAN-TTS", "bd312c3a0e7f02d3ce379aef11061f93105deb74", "MIT"
PORTA = "keonlee9420/PortaSpeech", "51bd8277bdf5974726cf8613b553b548ab17f65e", "MIT"
TRANSFORMER = (
    "keonlee9420/Comprehensive-Transformer-TTS", "dca252cae50a18464ce2410aa85a21c557c72d7a", "MIT"
)  # fmt: skip
DIFFSINGER = "keonlee9420/DiffSinger", "f849f8def5abb38ad272a384e8bec838ea1957a4", "MIT"
STYLE = "keonlee9420/StyleSpeech", "d11cb07b3e891a18c2a6d1e80fa0f18a389de446", "MIT"
MATCHA = "shivammehta25/Matcha-TTS", "5a7f220662a971190c942d4ff62a08afe2ac30e6", "MIT"
OVERFLOW = "shivammehta25/OverFlow", "3a68229364b3d7dbb31592922a3b9350ca17ce71", "MIT"
NEURAL_HMM = "shivammehta25/Neural-HMM", "cf8a0c49ebb13f0bde17c6e2a5d9f2e565a55742", "MIT"
ASSEM = "mindslab-ai/assem-vc", "a0464a3df3cb9dad5baaf3d189c92efca6c16117", "BSD-3-Clause"
VOCOS = "gemelo-ai/vocos", "56ca8dd512c9ef53d29bb1fc5ba4953a5d07e8d1", "MIT"
SHERPA = "k2-fsa/sherpa, documentation", "48a657ae7596170bd9f26ffa0a3a7bfbcfbc039c", "Apache-2.0"
WAVENET = "r9y9/wavenet_vocoder", "0d5435ad74898567f924ccdafe9499d283d5d8d0", "MIT"
DEEPVOICE = "r9y9/deepvoice3_pytorch", "f90255c96177c344cd18b5a52651b420a4d8062d", "MIT"
WAVEGRAD = "ivanvovk/WaveGrad", "721c37c216132a2ef0a16adc38439f993998e0b7", "BSD-3-Clause"
NVIDIA = "NVIDIA/DeepLearningExamples", "729963dd47e7c8bd462ad10bfac7a7b0b604e6dd", "BSD-3-Clause"
FASTSPEECH = "xcmyz/FastSpeech", "1e1a61b5015c951caa551b7fab4080339d697c7c", "MIT"
BVAE = "LEEYOONHYUNG/BVAE-TTS", "1851f17a61a57daf2ca42f5474352162c1e7fcb2", "MIT"
TORTOISE = "neonbjb/tortoise-tts", "8a2563ecabe93c4fb626f876dd0c52c966edef2f", "Apache-2.0"
UNIVNET = "maum-ai/univnet", "9bb2b54838bb6d7ce767131cc7b8b61198bc7558", "BSD-3-Clause"
MELGAN = "seungwonpark/melgan", "dc14e2eca661a7ed198dc6253e83eb001a8171d4", "BSD-3-Clause"
TENSORFLOW = "TensorSpeech/TensorFlowTTS", "aa32b26239365d2beeea32b2432faac3fcb2d2b6", "Apache-2.0"

AMBE = "rcludwick/how-ambe-works", "4df1a529e37e0ba27a936bd0103a58fbaecb49fc", "MIT"
SMART_HOME = "jjurach/chatterbox", "54e5b6610d20164d39f04b21c85d750ff200034a", "MIT"
PITS = "anonymous-pits/pits", "26fa33abc296928532d42a0e0d05183a08e08826", "MIT"
PHASEAUG = "maum-ai/phaseaug", "969bf7edd6b088a25882b8064e7d38135c645e87", "BSD-3-Clause"
PFLOW = "p0p4k/pflowtts_pytorch", "629b10bb525f0681327e36cfc91c176a5e5af17d", "MIT"
QUICKVC = "quickvc/QuickVC-VoiceConversion", "2fe4d6486485e9fcae2d20ece899e8f8d2c2ed96", "MIT"
THORSTEN = "thorstenMueller/Thorsten-Voice", "c55dfd986fdab5fedd1ab97692ee2bdce6e832c2", "CC0-1.0"

LARYNX_VOICES = r"/(?!blizzard|pavoque|glados|ljspeech)(?P<speaker>\w+)-glow_tts/.*\.wav$"
MIMIC_VOICES = (
    r"samples/(?!.*(/old/|apope|ljspeech|lanfrica|vctk_low/sample_p\d\d[^05]|_\d+[13579]\.wav))"
    r"(?P<speaker>\w+/[\w-]+_low/sample(_\w+)?)\.wav$"
)
OF_VCTK = r"/(?P<speaker>[ps]\d+)-\d+\.wav$"


def _said(repository: Repository, pattern: str, *, system: str, clips: int, each: int = 1,
          per_file: int = 1) -> Corpus:  # fmt: skip
    name, commit, licence = repository
    package = f"GitHub/{name.partition(',')[0].rpartition('/')[2]}"
    return Corpus(name, package, commit, licence, pattern, clips, per_file, each, system=system)


def _spoken(name: str, repository: Repository, licence: str, *, pattern: str,
            clips: int) -> Corpus:  # fmt: skip
    package = f"GitHub/{repository[0].rpartition('/')[2]}"
    return Corpus(f"{name}, beside open code", package, repository[1], licence, pattern, clips)


HIFIGAN = (
    _said(LARYNX, LARYNX_VOICES, system="larynx", clips=94),
    _said(MIMIC, MIMIC_VOICES, system="mimic3-vits", clips=120),
    _said(MING, r"AISHELL3/(?P<speaker>SSB\d{4})\d+_synthesized\.wav$", system="fastspeech2",
          clips=10),
    _said(MING, r"LibriTTS/(?P<speaker>\d+)_.*_synthesized\.wav$", system="fastspeech2", clips=10),
    _said(DIFFGAN, OF_VCTK, system="diffgan-tts", clips=30),
    _said(DIFFGAN, r"demo/LJSpeech/.*\.wav$", system="diffgan-tts", clips=6),
    _said(PORTA, r"demo/LJSpeech/.*\.wav$", system="portaspeech", clips=6),
    _said(TRANSFORMER, OF_VCTK, system="transformer-tts", clips=12),
    _said(DIFFSINGER, r"demo/LJSpeech/.*\.wav$", system="diffsinger", clips=6),
    _said(STYLE, r"results/(?P<speaker>\d)_.*\.wav$", system="stylespeech", clips=6),
    _said(MATCHA, r"sample_from_test/MAT-.*\.wav$", system="matcha-page", clips=6),
    _said(MATCHA, r"sample_from_test/(GRAD|GCFM)-.*\.wav$", system="gradtts-page", clips=6),
    _said(MATCHA, r"sample_from_test/FS2.*\.wav$", system="fastspeech2", clips=6),
    _said(MATCHA, r"sample_from_test/VITS.*\.wav$", system="vits-page", clips=6),
    _said(OVERFLOW, r"OF/DifferentSpeakers/British_\d\.wav$", system="overflow", clips=6),
    _said(OVERFLOW, r"audio/OF/ListeningTest/(?P<speaker>\d)\.wav$", system="overflow", clips=6),
    _said(OVERFLOW, r"T2/ListeningTest/.*\.wav$", system="tacotron2-hifigan", clips=6),
    _said(ASSEM, r"wavs/(?P<speaker>(any|many)2many/(adv|cota|mello|ppg|proposed)_gta)/\d\.wav$",
          system="assem-vc", clips=40),
    _said(VOCOS, r"mel/(hifigan|bigvgan)/(?P<speaker>\d+)_.*\.mp3$", system="hifigan-page",
          clips=14, each=2),
    _said(SHERPA, r"vits-zh-aishell3/(?P<speaker>.*)\.wav$", system="vits-docs-aishell3", clips=8),
    _said(SHERPA, r"sherpa-onnx-vits-zh-ll/(?P<speaker>\d).*\.wav$", system="vits-docs-ll",
          clips=5),
)  # fmt: skip
INVERSE_STFT = (
    _said(SHERPA, r"kokoro-multi-lang-v1_0/kokoro-1.0-(?P<speaker>sid-\d+)-.*\.wav$",
          system="kokoro-v1-docs", clips=46),
    _said(VOCOS, r"mel/(vocos|istftnet)/(?P<speaker>\d+)_.*\.mp3$", system="vocos-page", clips=14,
          each=2),
    _said(VOCOS, r"audio/bark/(encodec|vocos).*\.mp3$", system="bark-page", clips=20),
)  # fmt: skip
STEPS_AND_FLOWS = (
    _said(WAVENET, r"cmu_arctic_multispeaker/(?P<speaker>speaker\d)_.*_predicted\.wav$",
          system="wavenet", clips=21),
    _said(WAVENET, r"mixture_lj/.*_predicted\.wav$", system="wavenet", clips=6),
    _said(WAVEGRAD, r"generated_samples/\d+iters\.wav$", system="wavegrad", clips=7),
    _said(NVIDIA, r"(FastPitch/audio|FastSpeech/samples)/.*\.wav$", system="waveglow", clips=12),
    _said(FASTSPEECH, r"sample/\d+_\d_waveglow\.wav$", system="waveglow", clips=6),
    _said(NEURAL_HMM, r"NeuralHMM/2State/NeuralHMM\w*\.wav$", system="waveglow", clips=6),
    _said(BVAE, r"MOS-ID/[234]\..*\.wav$", system="waveglow", clips=6),
    _said(DEEPVOICE, r"deepvoice3_multispeaker/.*_(?P<speaker>speaker\d+)\.wav$",
          system="deepvoice3", clips=24),
)  # fmt: skip
OTHER_GAN = (
    _said(TORTOISE, r"various/[^/]+/(?P<speaker>train_\w+|grace_train|myself)\.mp3$",
          system="tortoise", clips=60),
    _said(UNIVNET, r"samples/\w+/(official_)?c\d\d/(?P<speaker>\d+)_.*\.wav$", system="univnet",
          clips=44),
    _said(MELGAN, r"_reconstructed_epoch(3200|6400)\.wav$", system="melgan-page", clips=6),
    _said(TENSORFLOW, r"ljspeech/(fs_v\d|tacotron2)/(mb\.)?melgan/.*\.wav$", system="melgan-tf",
          clips=8),
)  # fmt: skip
PEOPLE = (
    # Not those beside StyleSpeech: they are of LibriSpeech's train-clean-100, whose people are in.
    _spoken("LibriTTS", MING, "CC-BY-4.0", clips=10,
            pattern=r"LibriTTS/(?P<speaker>\d+)_.*_ground-truth\.wav$"),
    _spoken("LibriTTS", UNIVNET, "CC-BY-4.0", clips=12,
            pattern=r"ground_truth/(?P<speaker>\d+)_.*\.wav$"),
    _spoken("LibriTTS", VOCOS, "CC-BY-4.0", clips=8, pattern=r"mel/gt/(?P<speaker>\d+)_.*\.mp3$"),
    _spoken("AISHELL-3", MING, "Apache-2.0", clips=10,
            pattern=r"AISHELL3/(?P<speaker>SSB\d{4})\d+_ground-truth\.wav$"),
    _spoken("CMU ARCTIC", WAVENET, "BSD-like (CMU ARCTIC)", clips=21,
            pattern=r"cmu_arctic_multispeaker/(?P<speaker>speaker\d)_.*_target\.wav$"),
)  # fmt: skip
DEMOS = HIFIGAN + INVERSE_STFT + STEPS_AND_FLOWS + OTHER_GAN + PEOPLE
"""DATA3."""


def _pits(shift: str) -> str:
    """Of its four variants; a positive shift of the scope lowers the pitch."""
    return rf"PITS\([ADQ+]+\){shift}/(?P<speaker>[ps]\d+)/.*\.wav$"


def _thorsten(vocoder: str) -> str:
    return rf"docs/samples/sample\d\d-{vocoder}(\.wav)+$"


SECOND_SAID = (
    _said(AMBE, r"narration/audio/.*\.wav$", system="piper-vits-norman", clips=26),
    _said(SMART_HOME, r"tests/corpus/.*\.wav$", system="piper-vits-ljspeech", clips=8),
    _said(PITS, _pits("0"), system="vits-pits", clips=34),
    _said(PITS, _pits("-4"), system="vits-pits-higher", clips=20),
    _said(PITS, _pits("4"), system="vits-pits-lower", clips=20),
    _said(PITS, r"VITS/VITS/(?P<speaker>p\d+)/.*\.wav$", system="vits-page-vctk", clips=9),
    _said(PHASEAUG, r"vits/LJ[\d-]+/vits_\w+aug100\.wav$", system="vits-page-phaseaug", clips=12),
    _said(PHASEAUG, r"hifigan/LJ[\d-]+/hifigan_\w+aug100\.wav$", system="hifigan-page-phaseaug",
          clips=10),
    _said(PHASEAUG, r"melgan/LJ[\d-]+/melgan_\w+aug100\.wav$", system="melgan-page-phaseaug",
          clips=10),
    _said(PFLOW, r"(samples/download_\d+|LJSpeech_Sample_.*)\.wav$", system="pflow", clips=8),
    _said(QUICKVC, r"output/quickvc/.*\.wav$", system="istft-vits-quickvc", clips=12),
    *(
        _said(THORSTEN, _thorsten(vocoder), system=system, clips=5)
        for vocoder, system in (
            ("hifigan", "hifigan-page-thorsten"),
            ("ForwardTacotron-HifiGAN", "hifigan-page-forwardtacotron"),
            ("TensorFlowTTS", "melgan-tf-thorsten"),
            ("pwgan", "pwgan-thorsten"),
            ("vocgan", "vocgan-thorsten"),
            ("waveglow", "waveglow-thorsten"),
            ("wavegrad", "wavegrad-thorsten"),
            ("griffin-lim", "griffin-lim-thorsten"),
        )
    ),
)  # fmt: skip
SECOND_PEOPLE = (_spoken("Thorsten-Voice", THORSTEN, "CC0-1.0", clips=4, pattern=_thorsten("gt")),)
"""The man himself, whose voice the vocoders beside say again."""
SECOND = SECOND_SAID + SECOND_PEOPLE
"""DATA4."""
