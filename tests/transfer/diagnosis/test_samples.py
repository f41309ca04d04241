"""Reading and labelling what a diagnosis looks at."""

from __future__ import annotations

import pytest

from calque.analysis import Tagged, Tree
from calque.document import Sentence, Token
from calque.errors import DataError, ModelError
from calque.transfer.diagnosis.samples import Sample, classes_of, label_of, label_sample, read_sample

SENTENCE = Sentence(
    [Token("Ana", upos="PROPN", head=2, deprel="nsubj", feats="Number=Sing", entity="B-PER"), Token("come", head=0)]
)


@pytest.mark.parametrize(
    ("task", "label", "classes"),
    [
        ("pos", "PROPN", ["PROPN"]),
        ("dep", "nsubj", ["nsubj"]),
        ("feats", "Number=Sing", ["Number=Sing"]),
        ("ner", "B-PER", ["PER"]),
        ("lemma", None, []),
    ],
)
def test_the_label_of_a_word_is_that_of_its_task(task, label, classes):
    assert label_of(task, SENTENCE.tokens[0]) == label
    assert classes_of(task, label) == classes if label else True


def test_labels_that_name_no_class(case):
    assert classes_of("ner", "O") == [] and classes_of("feats", "_") == []
    assert classes_of("feats", "Case=Nom|Number=Sing") == ["Case=Nom", "Number=Sing"]
    assert label_of("pos", Token("x", upos="_")) is None and label_of("feats", Token("x")) == "_"


def test_of_trees_the_heads_are_right_or_wrong(case):
    sample = Sample(role="test", language="es", file="es.conllu", task="dep", sentences=[SENTENCE], whole=True)
    sample.said = [Tree([2, 1], ["obj", "root"], [0.9, 0.4])]
    assert sample.right == [[True, False]]
    assert sample.sureness.score.tolist() == [0.9, 0.4]


def test_a_file_is_read_up_to_the_limit_and_says_whether_there_is_more(write):
    path = str(write("es.conllu", ["el/DET gato/NOUN"] * 5))
    assert read_sample("test", "es", path, "pos", limit=5, skipped=None).whole
    cut = read_sample("test", "es", path, "pos", limit=3, skipped=None)
    assert (len(cut.sentences), cut.whole, cut.words) == (3, False, 6)


def test_raw_text_is_cut_into_sentences_and_words(write):
    path = str(write("es.txt", ["El gato duerme. El perro no."]))
    assert [s.words for s in read_sample("raw", "es", path, "pos", limit=None, skipped=None).sentences] == [
        ["El", "gato", "duerme", "."],
        ["El", "perro", "no", "."],
    ]


def test_a_treebank_is_known_by_its_lines_under_any_name(write, tmp_path):
    path = write("es.conllu", ["el/DET gato/NOUN"]).rename(tmp_path / "es.dat")
    (found,) = read_sample("raw", "es", str(path), "pos", limit=None, skipped=None).sentences
    assert found.words == ["el", "gato"]


def test_a_treebank_serves_as_raw_text_with_its_own_words(write):
    path = str(write("es.conllu", ["de el"]))
    assert read_sample("raw", "es", path, "pos", limit=None, skipped=None).sentences[0].words == ["de", "el"]


def test_a_test_without_labels_says_how_to_give_raw_text(write):
    path = str(write("es.conllu", ["el gato"]))
    with pytest.raises(DataError, match=r"no part-of-speech tags .* --raw es="):
        read_sample("test", "es", path, "pos", limit=None, skipped=None)
    empty = write("none.conllu", [])
    with pytest.raises(DataError, match="no sentences"):
        read_sample("raw", "es", str(empty), "pos", limit=None, skipped=None)


def test_a_file_without_a_single_feature_has_no_features(write):
    path = str(write("es.conllu", ["el/DET gato/NOUN"]))
    with pytest.raises(DataError, match="no morphological features"):
        read_sample("test", "es", path, "feats", limit=None, skipped=None)


def test_malformed_sentences_are_skipped_only_where_that_is_asked_for(write, tmp_path):
    path = write("es.conllu", ["el/DET gato/NOUN"] * 2)
    path.write_text(path.read_text() + "1\tbroken\n\n")
    skipped = []
    assert len(read_sample("test", "es", str(path), "pos", limit=None, skipped=skipped).sentences) == 2
    assert len(skipped) == 1


def test_a_model_that_gives_too_few_labels_is_refused():
    class Short:
        tasks = ("pos",)

        def tag(self, sentences):
            return [Tagged(["X"], [1.0]) for _ in sentences]

    sample = Sample(role="raw", language="es", file="es.txt", task="pos", sentences=[SENTENCE], whole=True)
    with pytest.raises(ModelError, match="1 labels for a sentence of 2 words"):
        label_sample(sample, Short())
