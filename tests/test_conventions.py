"""Treebanks by name, and a tagger that is told them."""

from __future__ import annotations

import pickle
from collections.abc import Sequence

import pytest

import calque
from calque.analysis import Analysis, Tagged
from calque.conventions import Following, following, language_of, treebank_in, treebank_of, treebanks_of
from calque.errors import ModelError


class Echo:
    """A tagger that answers with what it was told of each sentence's language."""

    tasks = ("pos",)
    by_language = True
    treebanks = ("es_ancora", "es_gsd", "no_nynorsk")

    def tag(self, sentences: Sequence[Sequence[str]], *, langs: Sequence[str | None] | None = None) -> list[Tagged]:
        told = langs if langs is not None else [None] * len(sentences)
        return [Tagged([str(lang)] * len(s), [1.0] * len(s)) for s, lang in zip(sentences, told, strict=True)]

    def analyse(
        self, sentences: Sequence[Sequence[str]], tasks: Sequence[str] | None = None, *, langs: Sequence[str | None] | None = None
    ) -> list[Analysis]:
        return [{"pos": tagged} for tagged in self.tag(sentences, langs=langs)]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("es_gsd-ud-train.conllu", "es_gsd"),
        ("data/qtd_sagt-ud-test.conllu.xz", "qtd_sagt"),
        ("UD_Spanish-GSD/test.conllu.xz", "es_gsd"),
        ("ud/UD_Norwegian-NynorskLIA/dev.conllu", "no_nynorsklia"),
        ("UD_Old_French-X/dev.conllu", "fro_x"),
        ("UD_Klingonish-X/dev.conllu", None),
        ("es.train.conllu", None),
        ("mine.conllu", None),
    ],
)
def test_a_file_says_its_treebank_as_universal_dependencies_name_theirs(path: str, name: str | None) -> None:
    assert treebank_of(path) == name


def test_a_comment_says_it_where_files_were_put_together() -> None:
    assert treebank_in(["# sent_id = 1", "# treebank = es_GSD"]) == "es_gsd"
    assert treebank_in(["#treebank=es_gsd"]) == "es_gsd"
    assert treebank_in(["# text = # treebank = es_gsd", "# treebank = of mine"]) is None
    assert (language_of("es_gsd"), language_of("es")) == ("es", "es")


def test_sentences_of_its_language_are_told_the_treebank_and_no_others() -> None:
    told = following(Echo(), "es_gsd, no_nynorsk")
    found = told.tag([["a"]] * 5, langs=["es", "de", None, "nn", "no"])
    assert [one.labels[0] for one in found] == ["es_gsd", "de", "None", "no_nynorsk", "no_nynorsk"]
    assert told.tag([["a"]])[0].labels == ["None"]
    assert calque.parse("el gato", lang="es", model=Echo(), treebank="ES_AnCora").tokens[0].upos == "es_ancora"
    assert calque.parse("el gato", lang="es", model=Echo()).tokens[0].upos == "es"


def test_a_follower_is_its_tagger_in_all_else() -> None:
    told = following(Echo(), ["es_gsd"])
    assert isinstance(told, Following)
    assert told.tasks == ("pos",)
    assert list(treebanks_of(told)) == ["es_ancora", "es_gsd", "no_nynorsk"]
    with pytest.raises(AttributeError):
        told.nothing_like_it  # noqa: B018
    assert pickle.loads(pickle.dumps(told)).tag([["a"]], langs=["es"])[0].labels == ["es_gsd"]
    plain = Echo()
    assert following(plain, " , ") is plain


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("es_coser", "does not know the treebank 'es_coser': of es it knows es_ancora, es_gsd"),
        ("fr_gsd", r"it knows es_ancora, es_gsd, no_nynorsk \(3 in all\), none of 'fr'"),
        ("es_gsd,es_ancora", "es_gsd and es_ancora are both of es"),
    ],
)
def test_an_unknown_treebank_is_refused_with_those_that_are_known(wanted: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        following(Echo(), wanted)


def test_a_treebank_of_another_language_than_the_text_is_refused_with_those_of_its_own() -> None:
    message = "the text is of es, no_nynorsk is followed in no alone: of its language the model knows es_ancora, es_gsd"
    with pytest.raises(ModelError, match=message):
        calque.parse("el gato", lang="Spanish", model=Echo(), treebank="no_nynorsk")
    with pytest.raises(ModelError, match="the text is of de, el, .* leave the treebank out"):
        following(Echo(), "es_gsd", langs=["el", "de"])
    for langs in (["auto"], ["el", "auto"], ["nn"], ["no", "el"], []):  # what may be of its language
        assert isinstance(following(Echo(), "no_nynorsk", langs=langs), Following)


def test_a_model_that_was_told_none_says_how_to_tell_it() -> None:
    plain = Echo()
    plain.treebanks = ()
    with pytest.raises(ModelError, match=r"follows no treebank by name: leave 'es_gsd' out, or train with  --treebank-token"):
        calque.parse("el gato", lang="es", model=plain, treebank="es_gsd")
