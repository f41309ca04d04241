"""Text → languages → sentences and words → tags, with taggers that are fakes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import calque
from calque import loading, pipeline
from calque.config import TaskConfig
from calque.cutting import cut, cut_stream
from calque.document import Document, Sentence, Token
from calque.errors import CalqueError, ModelError
from calque.formats.text import read_lines
from calque.languages import identify
from calque.loading import load
from calque.pipeline import Tagged, annotate, as_tagger, check_tasks, parse


class Lengths:
    """Labels a word with its length, and remembers how it was asked."""

    tasks = ("pos",)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def tag(self, sentences: Sequence[Sequence[str]]) -> list[Tagged]:
        self.asked.append(sum(map(len, sentences)))
        return [Tagged([str(len(word)) for word in words], [0.5] * len(words)) for words in sentences]


class Headless(Lengths):
    tasks = ()  # type: ignore[assignment]


class Named(Lengths):
    """As a PyTorch model, which has no folder: it is known by its name, and prints all its layers."""

    encoder: object = None

    def __init__(self, name: str, heads: Mapping[str, str] = {}) -> None:
        super().__init__()
        self.config = SimpleNamespace(name=name, tasks={task: TaskConfig([], kind) for task, kind in heads.items()})
        self.tasks = tuple(heads)  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Model(\n  (encoder): Encoder(\n"


def sentences(*lengths: int) -> list[Sentence]:
    return [Sentence([Token("x" * (i + 1)) for i in range(length)]) for length in lengths]


def test_annotate_fills_tags_and_scores_in_order() -> None:
    found = list(annotate(sentences(2, 0, 3), Lengths()))
    assert [[t.upos for t in s.tokens] for s in found] == [["1", "2"], [], ["1", "2", "3"]]
    assert all(t.score == 0.5 for s in found for t in s.tokens)


def test_annotate_replaces_a_tag_that_was_there() -> None:
    [sentence] = annotate([Sentence([Token("xy", upos="NOUN", lemma="x")])], Lengths())
    assert (sentence.tokens[0].upos, sentence.tokens[0].lemma) == ("2", "x")


def test_annotate_holds_only_a_window_of_words() -> None:
    read = 0

    def stream() -> Iterator[Sentence]:
        nonlocal read
        for sentence in sentences(*[5] * 1000):
            read += 1
            yield sentence

    tagger = Lengths()
    found = annotate(stream(), tagger, batch_words=50)
    next(found)
    assert read == 10  # no more was read than the first window holds
    assert len(list(found)) == 999
    assert set(tagger.asked) == {50}


def test_empty_sentences_without_end_do_not_fill_the_memory() -> None:
    found = annotate((Sentence() for _ in iter(int, 1)), Lengths(), batch_words=10)
    assert next(found).tokens == []


def test_a_model_without_a_head_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ModelError, match="calque train pos"):
        next(annotate(iter(()), Headless()))
    with pytest.raises(ModelError, match="calque train pos"):
        parse("hola", lang="es", model=Headless())


@pytest.mark.parametrize("tasks", ["classify", "embed", "topics", "pos, topics"])
def test_a_task_of_whole_texts_is_refused_with_what_does_it(tasks: str) -> None:
    model = Named("m", {"pos": "words", "embed": "vectors", "topics": "texts"})
    with pytest.raises(ModelError, match=r"is about whole texts, .* calque classify  \(calque.classify in Python\); .* has pos$"):
        next(annotate(iter(()), model, tasks=tasks))


def test_a_missing_task_is_told_with_those_that_label_words() -> None:
    model = Named("m", {"pos": "words", "classify": "texts", "embed": "vectors"})
    with pytest.raises(ModelError, match=r"^m has no head for lemma \(for words it has: pos\): train one"):
        check_tasks(model, "pos,lemma")


def test_a_task_that_there_is_none_of_is_no_task_to_train() -> None:
    with pytest.raises(ModelError, match=r"^task 'nope' is unknown: for words m has pos$") as stop:
        check_tasks(Named("m", {"pos": "words", "classify": "texts"}), "pos,nope")
    assert "train" not in str(stop.value)


def test_a_model_of_texts_alone_is_not_told_to_be_trained_on_words() -> None:
    with pytest.raises(ModelError, match=r"^m labels whole texts \(classify\) and no words: .* calque classify") as stop:
        parse("hola", lang="es", model=Named("m", {"classify": "texts"}))
    assert "train" not in str(stop.value)


def test_a_message_calls_a_model_by_its_name_and_never_by_its_layers() -> None:
    with pytest.raises(ModelError, match="^bare-encoder has no head that labels words"):
        check_tasks(Named("bare-encoder"))
    unnamed = Named("")
    unnamed.encoder = SimpleNamespace(name="org/encoder")
    with pytest.raises(ModelError, match="^org/encoder has no head for dep"):
        check_tasks(unnamed, ["dep"])


def test_parse_gives_a_document_with_offsets_into_the_text() -> None:
    text = "El gato está aquí.  ¿Lo ves?"
    document = parse(text, lang="es", model=Lengths())
    assert isinstance(document, Document)
    assert document.text == text
    assert [text[t.start : t.end] for t in document.tokens] == [t.text for t in document.tokens]
    assert all(t.upos == str(len(t.text)) for t in document.tokens)
    assert len(document.sentences) == 2


def test_a_language_given_is_the_language_of_every_sentence() -> None:
    document = parse("El gato duerme. The cat sleeps.", lang="Spanish", model=Lengths())
    assert document.lang == "es"
    assert {s.lang for s in document.sentences} == {"es"}
    assert {t.lang for t in document.tokens} == {None}


def test_contractions_become_their_words() -> None:
    document = parse("Vamos del parque al río.", lang="es", model=Lengths())
    assert [t.text for t in document.tokens][1:3] == ["de", "el"]
    assert document.sentences[0].multiwords[0].text == "del"


def test_auto_identifies_the_language() -> None:
    document = parse("El gato de mi hermana duerme toda la noche en la cocina.", model=Lengths())
    assert document.lang == "es"
    assert {s.lang for s in document.sentences} == {"es"}
    assert {t.lang for t in document.tokens} == {None}  # one language, told by the sentence


def test_auto_names_the_language_of_each_word_of_a_mixed_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_letter(words: Sequence[str]) -> list[str | None]:
        return ["es" if "l" in word else "en" if word.isalpha() else None for word in words]

    monkeypatch.setattr("calque.languages.word_languages", by_letter)
    document = parse("We buy some leche . We buy some bread .", model=Lengths())
    assert [[t.lang for t in s.tokens] for s in document.sentences][0] == ["en", "en", "en", "es", None]


def test_text_that_no_language_explains_is_cut_all_the_same() -> None:
    document = parse("12 34 .", model=Lengths())
    assert document.lang is None
    assert [t.text for t in document.tokens] == ["12", "34", "."]


@pytest.mark.parametrize("text", ["", "   \n "])
def test_nothing_gives_an_empty_document(text: str) -> None:
    assert parse(text, model=Lengths()).sentences == []


def test_several_texts_share_batches_and_come_back_apart() -> None:
    tagger = Lengths()
    documents = parse(["El gato duerme.", "", "The cat sleeps."], lang=["es", "auto", "en"], model=tagger)
    assert [len(d.sentences) for d in documents] == [1, 0, 1]
    assert [d.lang for d in documents] == ["es", None, "en"]
    assert len(tagger.asked) == 1


def test_languages_and_texts_must_be_as_many() -> None:
    with pytest.raises(CalqueError, match="2 texts but 1 languages"):
        parse(["a", "b"], lang=["es"], model=Lengths())


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(CalqueError, match="Spanich"):
        parse("hola", lang="Spanich", model=Lengths())


@pytest.mark.parametrize("lang", [None, 3, b"es", ["es", None]])
def test_what_is_no_language_is_named(lang: object) -> None:
    with pytest.raises(CalqueError, match="a language is a code or a name, such as 'es' or 'Spanish', or 'auto' to identify it"):
        parse(["hola", "adiós"], lang=lang, model=Lengths())  # type: ignore[call-overload]
    with pytest.raises(CalqueError, match="a language is a code or a name"):
        calque.classify("hola", ["a", "b"], lang=lang)  # type: ignore[call-overload]


def test_annotate_takes_a_model_by_its_name_as_all_others_do(lexicon_model: Path) -> None:
    [sentence] = annotate([Sentence([Token("el"), Token("gato")], lang="es")], lexicon_model)
    assert [token.upos for token in sentence.tokens] == ["DET", "NOUN"]
    with pytest.raises(ModelError, match="42 cannot tag words"):
        next(annotate([], 42))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("El gato", "a sentence is a calque.Sentence, and not str .* text goes to  calque.parse"),
        ([["El", "gato"]], r"a sentence is a calque.Sentence, and not list .* Sentence\(\[Token\(word\)"),
        (None, "sentences are any number of calque.Sentence, such as  document.sentences, and not NoneType"),
        (Document([Sentence([Token("El")])]), "document.sentences, and not Document"),
        (Sentence([Token("El")]), "and not Sentence"),
    ],
)
def test_what_are_no_sentences_is_named(given: object, message: str) -> None:
    with pytest.raises(CalqueError, match=message):
        list(annotate(given, Lengths()))  # type: ignore[arg-type]


def test_what_cannot_tag_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot tag"):
        parse("hola", model=42)  # type: ignore[call-overload]


def test_a_stream_is_cut_as_the_text_is() -> None:
    text = "El gato duerme. La gata come.\nVamos al mar.\n\nOtra línea más\n"
    whole = cut(text, lang="es").sentences
    stream = list(cut_stream(text.splitlines(keepends=True), lang="es"))
    assert [(s.start, s.end, s.words) for s in stream] == [(s.start, s.end, s.words) for s in whole]


def test_a_stream_is_read_as_it_comes() -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for _ in range(10_000):
            read += 1
            yield "El gato duerme en la casa y el perro corre por el campo todo el día.\n"

    for lang in ("es", "auto"):
        read = 0
        next(cut_stream(lines(), lang=lang))
        assert read < 200


@pytest.mark.parametrize("lang", ["es", "auto"])
def test_offsets_go_on_after_a_line_that_comes_in_pieces(lang: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calque.formats.text.LONGEST_LINE", 500)
    monkeypatch.setattr("calque.segmentation.interface.MAX_PENDING", 400)
    text = "El gato de mi hermana duerme en la cocina. Otro gato come pan con la perra en el patio. " * 30 + "\nOtra línea.\n"
    (tmp_path / "es.txt").write_text(text, encoding="utf-8")
    found = list(cut_stream(read_lines(tmp_path / "es.txt"), lang=lang))
    assert [(s.start, s.end, s.words) for s in found] == [(s.start, s.end, s.words) for s in cut(text, lang="es").sentences]


def test_a_stream_changes_language_where_a_line_does_and_offsets_go_on() -> None:
    spanish = "El gato de mi hermana duerme toda la noche en la cocina de la casa del pueblo.\n"
    english = "The children were playing in the garden when it suddenly began to rain this morning.\n"
    found = list(cut_stream([spanish] * 2 + ["\n"] + [english, "Yes.\n"] + [spanish]))
    text = spanish * 2 + "\n" + english + "Yes.\n" + spanish
    assert [s.lang for s in found] == ["es", "es", "en", "en", "es"]
    for sentence in found:
        assert text[sentence.start : sentence.end].split()[0].startswith(sentence.surface().__next__().text)


def test_a_foreign_paragraph_does_not_take_what_follows_along() -> None:
    spanish = "El gato de mi hermana duerme toda la noche en la cocina de la casa del pueblo.\n"
    english = "The children were playing in the garden when it suddenly began to rain this morning.\n"
    short = ["She did not know what to say.\n", "12,000 – 14\n", "Nobody was at home.\n"]
    found = list(cut_stream([english] * 2 + [spanish] + short))
    assert [s.lang for s in found] == ["en", "en", "es", "en", "en", "en"]
    after = ["Mi hermano no está en casa.\n", "¿Qué hora es?\n"]
    assert [s.lang for s in cut_stream([english] * 2 + [spanish] + after)] == ["en", "en", "es", "es", "es"]


def test_a_long_line_that_is_undecided_takes_no_language_of_another() -> None:
    nonsense = "abra kadabra simsala bim hokus pokus fidibus tralala lalala dideldum hopsasa\n"
    english = "The children were playing in the garden when it suddenly began to rain this morning.\n"
    guess = identify(nonsense)
    assert guess.code is None
    assert "en" not in (guess.best, guess.runner_up)
    assert [s.lang for s in cut_stream([english] * 2 + [nonsense, "It was late.\n"])] == ["en", "en", None, "en"]


def test_load_opens_an_exported_folder(lexicon_model: Path) -> None:
    model = load(lexicon_model)
    assert [t.upos for t in model.parse("El gato está en la mesa", lang="es").tokens] == "DET NOUN AUX ADP DET NOUN".split()


def test_a_name_is_loaded_once(lexicon_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline._kept.cache_clear()
    calls: list[object] = []
    real = loading.load
    monkeypatch.setattr(loading, "load", lambda *a, **k: calls.append(a) or real(*a, **k))
    for _ in range(3):
        assert parse("el gato", lang="es", model=lexicon_model).tokens[1].upos == "NOUN"
    assert len(calls) == 1


def test_threads_that_want_a_model_at_once_load_it_once(lexicon_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline._kept.cache_clear()
    calls: list[object] = []
    real = loading.load

    def slow(*a: Any, **k: Any) -> object:
        calls.append(a)
        time.sleep(0.05)
        return real(*a, **k)

    monkeypatch.setattr(loading, "load", slow)
    with ThreadPoolExecutor(8) as pool:
        assert len({id(model) for model in pool.map(as_tagger, [lexicon_model] * 8)}) == 1
    assert len(calls) == 1


def test_a_model_written_anew_is_loaded_anew(lexicon_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(lexicon_model, tmp_path / "model")
    first = as_tagger(folder)
    assert as_tagger(str(folder)) is first
    os.utime(folder / "config.json", (1, 1))
    assert as_tagger(folder) is not first


def test_load_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(CalqueError, match="auto, onnx or torch"):
        load("mini", backend="tensorflow")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"config\.json"):
        load(tmp_path, backend="onnx")
    with pytest.raises(ModelError, match="xlm_roberta_base"):
        load("xlm_robert_base")
    with pytest.raises(ModelError, match="no such folder"):
        load("./nowhere")
    for odd in (3, b"mini", Lengths()):
        with pytest.raises(ModelError, match="a model is loaded by its name or folder, and not by"):
            load(odd)  # type: ignore[call-overload]


def test_a_revision_of_what_has_none_is_refused(lexicon_model: Path) -> None:
    for name in (None, "default", lexicon_model):
        with pytest.raises(ModelError, match="no revisions"):
            load(name, revision="v2")


def test_a_model_that_is_not_exported_is_not_told_to_need_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "has_torch", lambda: True)
    with pytest.raises(ModelError, match="mini is not exported to ONNX: load it with another backend") as stop:
        load("mini", backend="onnx")
    assert "pip install" not in str(stop.value)


@pytest.mark.parametrize("name", ["xlm_roberta_base", "mini"])
def test_without_pytorch_an_encoder_names_the_extra(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(loading, "has_torch", lambda: False)
    with pytest.raises(calque.CalqueError, match=r"pip install 'calque\[train\]'"):
        load(name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "a text is a string, and not NoneType: give a string, or a list of strings"),
        (b"el gato", "a text is a string, and not bytes"),
        (Path("text.txt"), "a text is a string, and not .*Path"),
        (["el gato", None], r"text 2 of 2 is NoneType \(None\), and not a string: leave it out"),
        ([float("nan"), "el gato"], r"text 1 of 2 is float \(nan\), and not a string"),
        ([["el", "gato"]], r"text 1 of 1 is list .*, and not a string: words that are cut already go to .* calque\.annotate$"),
    ],
)
def test_what_is_no_text_is_named(given: object, message: str) -> None:
    for answer in (lambda: parse(given, model=Lengths()), lambda: calque.classify(given, ["a", "b"], model=Lengths())):  # type: ignore[call-overload]
        with pytest.raises(CalqueError, match=message):
            answer()


def test_texts_may_come_from_anything_that_gives_them_in_order() -> None:
    texts = (text for text in ["el gato", "the dog sleeps"])
    found = parse(texts, lang="es", model=Lengths())
    assert [[token.upos for token in one.sentences[0].tokens] for one in found] == [["2", "4"], ["3", "3", "6"]]
