"""Code-switched sentences written for these tests: ``word/code`` throughout, ``/-`` where no language is expected."""

from __future__ import annotations

import pytest

from calque.languages import LanguageError, word_languages

MIXED = [
    "I'm/en going/en al/es supermercado/es to/en buy/en some/en leche/es",
    "Yesterday/en we/en went/en to/en the/en beach/en y/es después/es comimos/es paella/es con/es mis/es primos/es ./-",
    "Mi/es hermana/es siempre/es dice/es que/es you/en have/en to/en work/en harder/en",
    "No/es tengo/es tiempo/es ,/- but/en I/en will/en call/en you/en tomorrow/en",
    "She/en told/en me/en that/en she/en was/en cansada/es de/es trabajar/es todos/es los/es días/es",
    "The/en teacher/en said/en que/es mañana/es no/es hay/es clase/es porque/es está/es enfermo/es",
    "Ahir/ca vaig/ca anar/ca al/ca mercat/ca y/es compré/es muchas/es cosas/es para/es la/es cena/es",
    "Me/es dijo/es que/es estaba/es enfadado/es però/ca jo/ca no/ca m'ho/ca vaig/ca creure/ca",
    "Hem/ca de/ca parlar/ca amb/ca els/ca nostres/ca veïns/ca because/en they/en are/en too/en loud/en",
    "Ich/de muss/de heute/de noch/de einkaufen/de ,/- çünkü/tr evde/tr hiçbir/tr şey/tr kalmadı/tr",
    "Dün/tr akşam/tr arkadaşlarımla/tr buluştum/tr und/de wir/de haben/de zusammen/de gegessen/de",
    "Wir/de sind/de gestern/de angekommen/de and/en the/en weather/en is/en beautiful/en here/en",
    "Das/de Meeting/- ist/de heute/de um/de drei/de but/en nobody/en told/en me/en about/en it/en",
    "मैं/hi आज/hi office/en नहीं/hi जाऊँगा/hi because/en I/en am/en sick/en",
    "मुझे/hi यह/hi movie/en बहुत/hi पसंद/hi आई/hi",
    "वह/hi अपने/hi friends/en के/hi साथ/hi shopping/en करने/hi गई/hi",
    "Je/fr vais/fr à/fr la/fr bibliothèque/fr لأن/ar عندي/ar امتحان/ar غدا/ar",
    "قال/ar لي/ar إنه/ar مشغول/ar mais/fr il/fr viendra/fr demain/fr",
    "Il/fr m'a/fr demandé/fr where/en I/en was/en going/en last/en night/en",
    "Nous/fr avons/fr mangé/fr très/fr bien/fr and/en then/en we/en walked/en home/en",
    "Ho/it parlato/it con/it mia/it madre/it and/en she/en agrees/en with/en me/en",
    "Eu/pt não/pt sei/pt o/pt que/pt fazer/pt because/en everything/en has/en changed/en",
    "Я/ru вчера/ru купил/ru новый/ru laptop/en и/ru он/ru очень/ru быстрый/ru",
    "Он/ru сказал/ru мне/ru that/en he/en will/en be/en late/en",
    "我/zh 今天/zh 有/zh 一/zh 个/zh meeting/en ,/- 很/zh 忙/zh",
    "Wczoraj/pl poszedłem/pl do/pl kina/pl and/en the/en film/- was/en really/en good/en",
    "Jag/sv vill/sv gärna/sv följa/sv med/sv but/en I/en have/en to/en finish/en my/en homework/en",
]
MONOLINGUAL = {
    "en": [
        "I have never seen such a beautiful house in my whole life .",
        "The minister said on Tuesday that taxes would not be raised .",
        "Could you please send me the report before Friday ?",
    ],
    "es": [
        "El ministro dijo el martes que no subirían los impuestos .",
        "Nunca había visto una casa tan bonita en toda mi vida .",
        "En la mesa hay tres libros de historia .",
    ],
    "ca": ["Mai no havia vist una casa tan bonica en tota la meva vida .", "L'home va dir que no tornaria fins dimarts ."],
    "fr": [
        "Le ministre a dit mardi que les impôts ne seraient pas augmentés .",
        "Je n'ai jamais vu une aussi belle maison de ma vie .",
    ],
    "de": [
        "Ich habe in meinem ganzen Leben noch nie ein so schönes Haus gesehen .",
        "Der Minister sagte , die Steuern würden nicht erhöht .",
    ],
}


def split(line: str) -> tuple[list[str], list[str | None]]:
    pairs = [item.rsplit("/", 1) for item in line.split()]
    return [word for word, _ in pairs], [None if code == "-" else code for _, code in pairs]


def test_the_example_of_the_readme():
    words, codes = split(MIXED[0])
    assert word_languages(words) == codes


def test_most_words_of_mixed_sentences_get_their_language():
    right = total = 0
    for line in MIXED:
        words, codes = split(line)
        for found, code in zip(word_languages(words), codes, strict=True):
            total += code is not None
            right += code is not None and found == code
    assert right / total >= 0.97


def test_both_languages_of_most_mixed_sentences_are_found():
    found = [set(codes) - {None} <= set(word_languages(words)) for words, codes in map(split, MIXED)]
    assert sum(found) >= 0.9 * len(found)


def test_candidates_settle_what_is_left():
    right = total = 0
    for line in MIXED:
        words, codes = split(line)
        wanted = sorted({code for code in codes if code})
        for found, code in zip(word_languages(words, candidates=wanted), codes, strict=True):
            total += code is not None
            right += code is not None and found == code
    assert right / total >= 0.98


@pytest.mark.parametrize("code", MONOLINGUAL)
def test_monolingual_sentences_come_out_monolingual(code: str):
    for text in MONOLINGUAL[code]:
        assert {tag for tag in word_languages(text.split()) if tag} == {code}


def test_punctuation_and_numbers_have_no_language():
    assert word_languages(["El", "gato", "come", "pescado", "3", ",", "14", "…", "😀"])[4:] == [None] * 5


def test_names_follow_their_sentence():
    tags = word_languages("Yesterday we met Paris Hilton near the big station in Barcelona".split())
    assert set(tags) == {"en"}


@pytest.mark.parametrize("words", [[], ["OK"], ["1234"], ["."], ["Paris"], [""], [" "]])
def test_nothing_to_decide(words: list[str]):
    assert word_languages(words) == [None] * len(words)


def test_unknown_candidates_are_an_error():
    with pytest.raises(LanguageError):
        word_languages(["hello"], candidates=["Qxwerty"])


def test_a_script_of_one_language_decides_its_words():
    assert word_languages("I met გიორგი and we spoke about the weather".split())[2] == "ka"


def test_a_single_word_in_another_script_is_not_of_the_sentences_language():
    tags = word_languages("मुझे यह movie बहुत पसंद आई".split())
    assert tags == ["hi", "hi", "en", "hi", "hi", "hi"]
    assert "ru" not in word_languages("Я вчера купил laptop".split())[3:]


def test_a_word_said_three_times_counts_once():
    assert set(word_languages("y estuvo don Pedro aquí y estuvo otro don Luis ahí y vino don José también".split())) == {"es"}


def test_a_text_is_no_list_of_words():
    with pytest.raises(LanguageError, match=r"words are a list, .*\('hola amigo'\)"):
        word_languages("hola amigo")
