from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.languages import Guess, LanguageError, identifiable, identify, normalize
from calque.languages.features import clean, hash_words

SENTENCES = {
    "en": "The children were playing in the garden when it started to rain.",
    "es": "Los niños estaban jugando en el jardín cuando empezó a llover.",
    "ca": "Els nens jugaven al jardí quan va començar a ploure.",
    "gl": "Os nenos estaban a xogar no xardín cando comezou a chover.",
    "pt": "As crianças estavam a brincar no jardim quando começou a chover.",
    "fr": "Les enfants jouaient dans le jardin quand il a commencé à pleuvoir.",
    "it": "I bambini giocavano in giardino quando cominciò a piovere.",
    "ro": "Copiii se jucau în grădină când a început să plouă.",
    "de": "Die Kinder spielten im Garten, als es zu regnen begann.",
    "nl": "De kinderen speelden in de tuin toen het begon te regenen.",
    "sv": "Barnen lekte i trädgården när det började regna.",
    "da": "Børnene legede i haven, da det begyndte at regne, og så måtte de gå indenfor.",
    "nn": "Ungane leika i hagen då det byrja å regne, og så måtte dei gå inn.",
    "fi": "Lapset leikkivät puutarhassa, kun alkoi sataa.",
    "eu": "Umeak lorategian jolasten ari ziren euria hasi zuenean.",
    "pl": "Dzieci bawiły się w ogrodzie, kiedy zaczęło padać.",
    "cs": "Děti si hrály na zahradě, když začalo pršet.",
    "hu": "A gyerekek a kertben játszottak, amikor eleredt az eső.",
    "tr": "Yağmur yağmaya başladığında çocuklar bahçede oynuyordu.",
    "ru": "Дети играли в саду, когда начался дождь.",
    "uk": "Діти гралися в саду, коли почався дощ.",
    "bg": "Децата играеха в градината, когато започна да вали.",
    "hi": "जब बारिश शुरू हुई तब बच्चे बगीचे में खेल रहे थे।",
    "ar": "كان الأطفال يلعبون في الحديقة عندما بدأ المطر.",
    "fa": "بچه‌ها در باغ بازی می‌کردند که باران شروع شد.",
    "zh": "开始下雨的时候，孩子们正在花园里玩。",
    "ja": "雨が降り始めたとき、子供たちは庭で遊んでいた。",
    "ko": "비가 오기 시작했을 때 아이들은 정원에서 놀고 있었다.",
    "ka": "ბავშვები ბაღში თამაშობდნენ, როცა წვიმა დაიწყო.",
    "th": "เด็ก ๆ กำลังเล่นอยู่ในสวนเมื่อฝนเริ่มตก",
    "vi": "Bọn trẻ đang chơi trong vườn thì trời bắt đầu mưa.",
}


@pytest.mark.parametrize(("code", "text"), SENTENCES.items(), ids=list(SENTENCES))
def test_a_plain_sentence_is_identified(code: str, text: str):
    guess = identify(text)
    assert guess.code == code
    assert guess.probability >= 0.7


@pytest.mark.parametrize("text", ["", "1234", "OK", "Paris", "?!", "😀😀", "Google", "3,14 €", "a", "xkq zzv"])
def test_undecidable_text_gets_no_language(text: str):
    assert identify(text).code is None


def test_text_without_letters_has_probability_zero():
    assert identify("12:30 — 50 %") == Guess(None, 0.0)


def test_candidates_limit_the_answer():
    text = "O gato está na mesa"
    assert identify(text, candidates=["gl", "en"]).code == "gl"
    assert identify(text, candidates=["Portuguese", "English"]).code == "pt"
    assert identify(text, candidates=["ru", "el"]).code is None  # not written in this script
    assert identify("ბავშვები ბაღში", candidates=["en"]).code is None


def test_threshold_zero_always_answers_and_one_hardly_ever():
    assert identify("Paris", threshold=0).code is not None
    assert identify("Los niños", threshold=1.1).code is None


def test_an_undecided_guess_still_says_what_was_likely():
    guess = identify("Los niños", threshold=1.1)
    assert guess.best == "es"
    assert guess.runner_up is not None


def test_candidates_that_are_unknown_or_cannot_be_identified_are_errors():
    with pytest.raises(LanguageError, match="unknown language"):
        identify("hello", candidates=["Qxwerty"])
    with pytest.raises(LanguageError, match="none of the candidate"):
        identify("hello", candidates=["qaf"])


def test_over_a_hundred_languages_all_with_proper_codes():
    known = identifiable()
    assert len(known) >= 100
    assert [code for code in known if normalize(code) != code] == []


def test_capitals_and_punctuation_change_little():
    plain, loud = identify("los niños estaban jugando en el jardín"), identify("¡¡LOS NIÑOS, ESTABAN JUGANDO: EN EL JARDÍN!! 123")
    assert plain == loud


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_any_text_gives_a_probability(text: str):
    guess = identify(text)
    assert 0 <= guess.probability <= 1.0001
    assert not math.isnan(guess.probability)
    assert guess.code in (None, guess.best)


def test_a_long_text_costs_no_more_than_its_beginning():
    assert identify(SENTENCES["es"] * 20_000).code == "es"


def test_the_model_is_small():
    from importlib import resources

    folder = Path(str(resources.files("calque.languages")))
    assert sum(path.stat().st_size for path in folder.glob("identifier*")) <= 2_500_000


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="abcdeñ'é мир", min_size=1, max_size=8), min_size=1, max_size=6))
def test_the_features_of_a_text_are_those_of_its_words(words: list[str]):
    cleaned = clean(" ".join(words))
    together = sorted(hash_words(cleaned)[0].tolist())
    apart = sorted(key for word in cleaned.split() for key in hash_words(f" {word} ")[0].tolist())
    assert together == apart


def test_elided_words_are_words_and_contractions_stay():
    assert clean("L’home diu: «l'aigua»") == " l' home diu l' aigua "
    assert clean("I don't know 'em") == " i don't know em "


def test_a_byte_order_mark_changes_nothing():
    assert identify("\ufeffBatrânul citea ziarul") == identify("Batrânul citea ziarul")
    assert clean("\ufeffUn\ufeffgato") == " un gato "


@pytest.mark.parametrize(("threshold", "code"), [(0.7, "el"), (0.99, "el"), (0.995, None)])
def test_a_language_that_is_alone_in_its_script_is_under_a_threshold_too(threshold: float, code: str | None):
    assert identify("Γεια σου κόσμε", threshold=threshold) == Guess(code, 0.99, None, "el")


@pytest.mark.parametrize("text", [None, b"hola", 3, ["hola"]])
def test_what_is_no_text_is_named(text):
    with pytest.raises(LanguageError, match="a text is a string, and not"):
        identify(text)
