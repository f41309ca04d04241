"""Sentences, tokens and words of languages with spaces, as UD splits them."""

from __future__ import annotations

import pytest

from calque.document import Sentence
from calque.segmentation import segment, split_words


def words(text: str, lang: str | None) -> list[list[str]]:
    return [[token.text for token in sentence.tokens] for sentence in segment(text, lang).sentences]


def surface(sentence: Sentence) -> list[str]:
    """Tokens as they stand in the text: a multiword token once."""
    tokens: list[str] = []
    covered = {position: m for m in sentence.multiwords for position in range(m.first, m.last + 1)}
    for position, token in enumerate(sentence.tokens):
        multiword = covered.get(position)
        if multiword is None:
            tokens.append(token.text)
        elif multiword.first == position:
            tokens.append(multiword.text)
    return tokens


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("es", "El gato está en la mesa", ["El gato está en la mesa"]),
        ("es", "Vamos al supermercado del barrio. ¿Quieres dármelo?",
         ["Vamos a el supermercado de el barrio .", "¿ Quieres dar me lo ?"]),
        ("en", "I'm going al supermercado to buy some leche", ["I 'm going al supermercado to buy some leche"]),
        ("ca", "L'home se'n va anar a casa d'en Pere.", ["L' home se 'n va anar a casa d' en Pere ."]),
        ("fr", "J'ai vu l'homme du village, a-t-il dit.", ["J' ai vu l' homme de le village , a -t-il dit ."]),
        ("it", "Nella casa dell'uomo c'è una finestra.", ["In la casa di l' uomo c' è una finestra ."]),
        ("pt", "Vou ao mercado do bairro.", ["Vou a o mercado de o bairro ."]),
        ("de", "Im Haus ist's kalt, z.B. am Montag.", ["In dem Haus ist 's kalt , z.B. an dem Montag ."]),
        ("gl", "Vou ao mercado da vila. Prodúcese no inverno.", ["Vou a o mercado de a vila .", "Produce se en o inverno ."]),
    ],
)  # fmt: skip
def test_everyday_sentences_are_cut_as_in_ud(lang: str, text: str, expected: list[str]) -> None:
    assert [" ".join(sentence) for sentence in words(text, lang)] == expected


@pytest.mark.parametrize(
    ("lang", "token", "expected"),
    [
        ("es", "verlo", "ver lo"), ("es", "haciéndolo", "haciendo lo"), ("es", "quedarse", "quedar se"),
        ("es", "Sálvate", "Salva te"),
        ("es", "envíalo", "envía lo"), ("es", "vámonos", "vamos nos"), ("es", "DEL", "DE EL"), ("es", "oírlo", "oír lo"),
        ("ca", "dels", "de els"), ("ca", "pel", "per el"), ("ca", "fer-ho", "fer ho"),
        ("ca", "desprendre-se'n", "desprendre se ne"),
        ("fr", "aux", "à les"), ("fr", "desquels", "de lesquels"), ("fr", "Au", "À le"),
        ("it", "sul", "su il"), ("it", "degli", "di gli"), ("it", "dirlo", "dir lo"), ("it", "servendosi", "servendo si"),
        ("pt", "pelas", "por as"), ("pt", "à", "a a"), ("pt", "àquele", "a aquele"), ("pt", "Poder-se-á", "Poderá se"),
        ("pt", "convencê-los", "convencê los"), ("pt", "dum", "de um"),
        ("gl", "facerse", "facer se"), ("gl", "ve-lo", "ver o"), ("gl", "cunha", "con unha"),
        ("en", "don't", "do n't"), ("en", "cannot", "can not"), ("en", "gonna", "gon na"), ("en", "Israel's", "Israel 's"),
        ("en", "shouldn't've", "should n't 've"), ("de", "zur", "zu der"), ("de", "fürs", "für das"),
    ],
)  # fmt: skip
def test_contractions_are_multiword_tokens(lang: str, token: str, expected: str) -> None:
    sentence = split_words(f"{token} x", lang)
    assert [m.text for m in sentence.multiwords] == [token]
    assert [t.text for t in sentence.tokens[:-1]] == expected.split()
    assert (sentence.multiwords[0].start, sentence.multiwords[0].end) == (0, len(token))
    assert all(t.start is None and t.end is None for t in sentence.tokens[:-1])


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("es", "perla"), ("es", "aparte"), ("es", "rápidamente"), ("es", "órganos"), ("es", "modernos"), ("es", "escándalo"),
        ("it", "parti"), ("it", "servi"), ("it", "discorsi"), ("ca", "Carod-Rovira"), ("ca", "cal"), ("fr", "peut-être"),
        ("fr", "celui-ci"), ("fr", "aujourd'hui"), ("pt", "guarda-chuva"), ("pt", "segunda-feira"),
        ("en", "O'Neill"), ("en", "its"),
        ("gl", "modernos"), ("de", "Hintern"),
    ],
)  # fmt: skip
def test_words_that_only_look_like_contractions_stay_whole(lang: str, text: str) -> None:
    sentence = split_words(text, lang)
    assert [t.text for t in sentence.tokens] == [text]


def test_french_des_is_the_article_after_a_verb_and_a_contraction_after_a_noun() -> None:
    assert "de" in words("le livre des enfants", "fr")[0]
    assert "des" in words("il a des enfants", "fr")[0]


def test_portuguese_nos_before_a_verb_is_the_pronoun() -> None:
    assert words("ela que nos disse", "pt") == [["ela", "que", "nos", "disse"]]
    assert words("vive nos campos", "pt") == [["vive", "em", "os", "campos"]]


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("en", "Mail jo.doe+x@mail.example.org or see https://example.org/a_b?c=1&d=2 , or www.example.com !"),
        ("en", "It costs 1,234.56 at 10:30 on 08/16/2000 ."),
        ("en", "Nice 👨‍👩‍👧 👍🏽 🇪🇸 1️⃣ :-) ❤️ #hashtag @mention ..."),
        ("en", "Dr. Smith of the U.S. saw J. R. Jones vs. Brown , e.g. at 5 p.m. today"),
        ("en", "a mother - in - law and an e-mail"),
        ("es", "La Sra. García , de EE.UU. , vive en la Avda. Mayor n.º 3"),
        ("es", "el 23-02-2010 , col·legi , franco-alemán"),
        ("de", "am" + "\u200b 13. Mai"),
        ("fr", "80 000 euros , M. Dupont , c'est-à-dire l'"),
        ("hi", "यह हिन्दी है ।"),
        ("ar", "هل هذا كتاب ؟"),
        ("fa", "می‌خواهم بروم ."),
        (None, "naïve cafe\u0301 Ελλάδα мир"),
    ],
)  # fmt: skip
def test_text_that_is_already_cut_is_not_cut_further(lang: str | None, text: str) -> None:
    expected = text.replace("80 000", "80\0000").split()
    if lang == "de":
        expected = ["am", "\u200b", "13.", "Mai"]
    if lang == "fr":
        expected = ["80 000", *"euros , M. Dupont , c'est-à-dire l '".split()]
    tokens = [token for sentence in segment(text, lang).sentences for token in surface(sentence)]
    assert tokens == expected


def test_italian_cuts_after_every_apostrophe_but_keeps_shortened_words() -> None:
    assert words("un po' d'acqua e un'altra", "it") == [["un", "po'", "d'", "acqua", "e", "un'", "altra"]]


def test_offsets_point_into_the_text_as_it_was_given() -> None:
    text = "  Hola,\tmundo.\r\n\r\n“Adiós”  "
    document = segment(text, "es")
    assert document.text == text
    for sentence in document.sentences:
        assert sentence.text == text[sentence.start : sentence.end].replace("\t", " ")
        for token in sentence.tokens:
            assert text[token.start : token.end] == token.text


def test_space_after_no_marks_exactly_the_joined_tokens() -> None:
    sentence = segment("Voy al cine, ¿vale?", "es").sentences[0]
    assert [m.misc for m in sentence.multiwords] == [None]
    assert [t.text for t in sentence.tokens if t.misc == "SpaceAfter=No"] == ["cine", "¿", "vale"]
    assert sentence.text == "Voy al cine, ¿vale?"


@pytest.mark.parametrize("lang", ["es", "spa", "Spanish", "castellano", "es-MX", "es_ancora", "ES"])
def test_a_language_may_be_called_by_any_of_its_codes_and_names(lang):
    assert segment("Vamos al parque", lang).sentences[0].words == ["Vamos", "a", "el", "parque"]


def test_a_language_that_nobody_knows_is_cut_by_the_rules_that_fit_most():
    assert segment("Vamos al parque", "Klingonish").sentences[0].words == ["Vamos", "al", "parque"]
