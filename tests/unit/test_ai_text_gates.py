"""What is not judged: short, soup, other languages; English in any dress is."""

from __future__ import annotations

import pytest

from streammon.detectors.ai_text_canonical import read
from streammon.detectors.ai_text_gates import Gates, is_english, soup_share

CHAT = (
    "ok but why did he go left there, he had the whole right side open and nobody was watching it "
    "lol, i mean it worked out in the end but that was so risky. anyway does anyone know when the "
    "next match is because i have to eat something before it starts and i dont want to miss it"
)
OTHERS = {
    "Spanish": "pero no sé si voy a poder quedarme mucho tiempo porque mañana tengo que trabajar y "
    "ya saben que cuando llego tarde me dicen de todo, así que vamos a jugar un rato y luego vemos "
    "qué pasa con los demás, que también quieren entrar a la partida de esta noche",
    "German": "ich weiß nicht ob das so eine gute idee war, aber wir schauen uns das jetzt mal an "
    "und dann sehen wir ja was passiert, wenn es nicht klappt fangen wir eben wieder von vorne an "
    "und machen es beim nächsten mal besser, das ist doch auch kein problem für uns",
    "French": "mais je ne sais pas si on va y arriver ce soir parce que les autres ne sont pas là "
    "et puis il y a le boss qui est vraiment trop fort pour nous, on devrait attendre un peu et "
    "revenir avec plus de monde, ça sera plus simple pour tout le monde je pense",
    "Russian": "я не знаю что там случилось, но мне кажется что всё это было зря, давайте лучше "
    "попробуем ещё раз и посмотрим что получится, если нет то пойдём спать, завтра на работу и "
    "вставать рано, так что долго сидеть сегодня я точно не буду, извините ребята",
    "German without its letters": "das war echt nicht schlecht aber ich habe keine ahnung wie er "
    "das gemacht hat und was er sich dabei gedacht hat, kann mir das einer sagen oder ist das nur "
    "wieder so ein ding das sich keiner traut zu fragen, mir ist das ja auch egal am ende",
}
GATES = Gates(least_characters=250)


def refusal(text: str) -> str | None:
    return GATES.refusal(read(text))


@pytest.mark.parametrize("text", [CHAT, CHAT.upper(), CHAT.replace(" ", "\n"), CHAT.title()])
def test_english_is_judged_however_it_is_typed(text: str) -> None:
    assert refusal(text) is None


@pytest.mark.parametrize("language", sorted(OTHERS))
def test_other_languages_are_not_judged(language: str) -> None:
    assert refusal(f"{OTHERS[language]}. {OTHERS[language]}") == "not in English"


def test_short_texts_are_not_judged_and_invisible_letters_make_none_longer() -> None:
    assert refusal(CHAT[:249]) == "fewer than 250 characters"
    assert refusal(CHAT[:200] + "​" * 5_000) == "fewer than 250 characters"
    assert refusal(CHAT[:250]) is None


@pytest.mark.parametrize(
    "soup",
    [
        "KEKW KEKW nice KEKW PogChamp PogChamp PogChamp LUL LUL LUL the gg " * 6,
        "look https://example.org/a and www.example.com/b www.example.net " * 8,
        "😂😂 wow 😂 👏👏👏 the 🎉 best " * 14,
        "for(i=0;i<n;i++) { a[i]=b(i); } return foo_bar(x)->y; the " * 6,
    ],
)
def test_soups_of_emotes_links_and_code_are_not_judged(soup: str) -> None:
    assert refusal(soup) == "mostly emotes, links or code"


def test_a_shout_is_no_soup() -> None:
    assert soup_share(CHAT.upper()) < 0.1
    assert soup_share("") == 0.0


def test_gates_can_be_measured_without() -> None:
    open_gates = Gates(least_characters=0, soup=False, language=False)
    assert open_gates.refusal(read(OTHERS["Spanish"])) is None


def test_no_words_are_no_english() -> None:
    assert not is_english([])
    assert refusal("?!" * 400) == "fewer than 25 words"
