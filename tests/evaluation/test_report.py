from __future__ import annotations

import gzip
import json
import lzma
import os
import subprocess
import sys

import pytest

from calque.errors import DataError, FormatError, ModelError
from calque.evaluation import evaluate
from calque.pipeline import Tagged


def rows(evaluation):
    return [(r.language, r.file, r.metric, r.value, r.words, r.sentences) for r in evaluation.results]


def test_two_accuracies_a_file(spanish, spanish_tagger):
    assert rows(evaluate(spanish_tagger, {"es": spanish})) == [
        ("es", str(spanish), "upos.accuracy", 9 / 12, 12, 3),
        ("es", str(spanish), "upos.accuracy.no_mwt", 7 / 8, 8, 2),
    ]


def test_json_has_the_promised_keys_and_nothing_else(spanish, spanish_tagger):
    plain = evaluate(spanish_tagger, {"es": spanish}).to_json_dict()
    assert list(plain) == ["model", "results"]
    for row in plain["results"]:
        assert list(row) == ["language", "file", "task", "metric", "value", "interval", "words", "sentences"]
        assert row["task"] == "pos"
        assert isinstance(row["interval"], list)
        assert 0 <= row["interval"][0] <= row["value"] <= row["interval"][1] <= 1
    assert json.loads(json.dumps(plain)) == plain


def test_json_is_the_same_for_the_same_seed(spanish, spanish_tagger):
    first, second, other = (evaluate(spanish_tagger, {"es": spanish}, seed=seed).to_json_dict() for seed in (0, 0, 1))
    assert first == second
    assert [row["value"] for row in other["results"]] == [row["value"] for row in first["results"]]


def test_per_tag_and_confusion_are_added_on_request(spanish, spanish_tagger):
    plain = evaluate(spanish_tagger, {"es": spanish}).to_json_dict(per_tag=True, confusion=True)
    noun = next(row for row in plain["per_tag"]["es"] if row["tag"] == "NOUN")
    assert noun == {"tag": "NOUN", "precision": 3 / 5, "recall": 1.0, "f1": 6 / 8, "support": 3}
    assert plain["confusion"]["es"][1] == {"gold": "DET", "predicted": "PRON", "count": 1, "share": 0.5}


def test_several_files_of_a_language_have_a_row_each_and_one_together(write_conllu, spanish, spanish_tagger):
    other = write_conllu("other.conllu", ["pan/NOUN y/CCONJ vino/NOUN"])
    evaluation = evaluate(spanish_tagger, {"es": [spanish, other]})
    everything = [row for row in rows(evaluation) if row[2] == "upos.accuracy"]
    assert everything == [
        ("es", str(spanish), "upos.accuracy", 9 / 12, 12, 3),
        ("es", str(other), "upos.accuracy", 2 / 3, 3, 1),
        ("es", None, "upos.accuracy", 11 / 15, 15, 4),
    ]
    assert evaluation.score("es").value == 11 / 15


def test_two_languages_have_a_macro_average(write_conllu, spanish, spanish_tagger):
    french = write_conllu("fr.conllu", ["le/DET pain/NOUN"])
    evaluation = evaluate(spanish_tagger, {"es": spanish, "fr": french})
    macro = evaluation.to_json_dict()["macro"]
    assert macro["upos.accuracy"]["value"] == pytest.approx((9 / 12 + 1 / 2) / 2)
    assert macro["upos.accuracy.no_mwt"]["value"] == pytest.approx((7 / 8 + 1 / 2) / 2)
    assert len(macro["upos.accuracy"]["interval"]) == 2


def test_intervals_of_a_language_do_not_change_when_another_is_added(write_conllu, spanish, spanish_tagger):
    french = write_conllu("fr.conllu", ["le/DET pain/NOUN"])
    alone = evaluate(spanish_tagger, {"es": spanish}).score("es")
    assert evaluate(spanish_tagger, {"fr": french, "es": spanish}).score("es") == alone


def test_sentences_are_tagged_in_batches_of_so_many_words(write_conllu, dictionary_tagger):
    path = write_conllu("many.conllu", ["a/NOUN b/NOUN c/NOUN"] * 10)
    tagger = dictionary_tagger()
    seen = []
    evaluation = evaluate(tagger, {"en": path}, batch_words=7, progress=lambda *now: seen.append(now))
    assert tagger.batches == [[3, 3, 3]] * 3 + [[3]]
    assert seen[-1] == (str(path), 10, 30)
    assert evaluation.words == 30
    assert evaluation.words_per_second > 0


def test_limit_takes_the_first_sentences_and_reads_no_further(write_conllu, dictionary_tagger):
    path = write_conllu("long.conllu", ["a/NOUN", "b/VERB", "c/NOUN"])
    path.write_text(path.read_text() + "this is not CoNLL-U\n\n")
    assert evaluate(dictionary_tagger(), {"en": path}, limit=2).score("en").value == 0.5


@pytest.mark.parametrize(("suffix", "opened"), [(".gz", gzip.open), (".xz", lzma.open)])
def test_compressed_files_are_read_as_they_are(spanish, spanish_tagger, suffix, opened):
    packed = spanish.with_name(spanish.name + suffix)
    with opened(packed, "wb") as stream:
        stream.write(spanish.read_bytes())
    assert evaluate(spanish_tagger, {"es": packed}).score("es").value == 9 / 12


def test_files_with_only_multiword_sentences_have_no_second_figure_and_say_so(write_conllu, dictionary_tagger):
    path = write_conllu("mwt.conllu", ["del=de/ADP+el/DET"])
    evaluation = evaluate(dictionary_tagger(), {"es": path})
    assert [r.metric for r in evaluation.results] == ["upos.accuracy"]
    assert "every sentence has a multiword token" in evaluation.notes[0]


def test_gold_tags_of_universal_dependencies_1_are_pointed_out(write_conllu, dictionary_tagger):
    evaluation = evaluate(dictionary_tagger(), {"es": write_conllu("old.conllu", ["pan/NOUN y/CONJ vino/NOUN"])})
    assert "CONJ (1)" in evaluation.notes[0]


def test_skipped_sentences_are_told(write_conllu, dictionary_tagger):
    path = write_conllu("bad.conllu", ["a/NOUN"])
    path.write_text(path.read_text() + "1\tbroken\n\n")
    with pytest.raises(FormatError, match="bad.conllu:3"):
        evaluate(dictionary_tagger(), {"en": path})
    evaluation = evaluate(dictionary_tagger(), {"en": path}, on_error="skip")
    assert evaluation.score("en").sentences == 1
    assert "bad.conllu" in evaluation.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no sentences"), ("\n\n", "no sentences"), ("1\tpan\t_\t_\t_\t_\t0\troot\t_\t_\n\n", "no gold tags")],
)
def test_a_file_that_cannot_be_measured_is_an_error_that_names_it(tmp_path, dictionary_tagger, text, message):
    path = tmp_path / "odd.conllu"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        evaluate(dictionary_tagger(), {"es": path})
    assert "odd.conllu" in str(caught.value)


def test_a_missing_file_is_found_before_anything_is_tagged(spanish, dictionary_tagger):
    tagger = dictionary_tagger()
    with pytest.raises(DataError, match="missing.conllu: no such file"):
        evaluate(tagger, {"es": [spanish, "missing.conllu"]})
    assert tagger.batches == []


def test_a_folder_is_not_a_file(tmp_path, dictionary_tagger):
    with pytest.raises(DataError, match="is a folder"):
        evaluate(dictionary_tagger(), {"es": tmp_path})


@pytest.mark.parametrize("files", [{}, {"es": []}])
def test_no_files_is_an_error(dictionary_tagger, files):
    with pytest.raises(DataError, match="at least one"):
        evaluate(dictionary_tagger(), files)


@pytest.mark.parametrize("files", ["es.conllu", ["es.conllu"], None, 3, {"es": None}, {"es": [3]}, {None: "a"}])
def test_what_are_no_files_by_language_is_named(dictionary_tagger, files):
    with pytest.raises(DataError, match=r"files (are given by language, such as  \{'es'|of es: a file is given by its path)"):
        evaluate(dictionary_tagger(), files)


def test_a_seed_below_zero_is_refused(spanish, dictionary_tagger):
    with pytest.raises(DataError, match="seed is -1"):
        evaluate(dictionary_tagger(), {"es": spanish}, seed=-1)


@pytest.mark.parametrize("option", [{"resamples": 0}, {"limit": 0}, {"batch_words": 0}])
def test_numbers_out_of_range_are_refused(spanish, dictionary_tagger, option):
    with pytest.raises(DataError, match="give 1 or more"):
        evaluate(dictionary_tagger(), {"es": spanish}, **option)


def test_a_model_without_a_head_for_words_is_refused(spanish, dictionary_tagger):
    bare = dictionary_tagger()
    bare.tasks = ()
    with pytest.raises(ModelError, match="bare encoder"):
        evaluate(bare, {"es": spanish})
    bare.tasks = ("classify",)
    with pytest.raises(ModelError, match="its tasks: classify"):
        evaluate(bare, {"es": spanish})


def test_a_tagger_that_loses_words_is_caught(spanish, dictionary_tagger):
    class Loses(dictionary_tagger):
        def tag(self, sentences):
            return [Tagged(labels[:-1], scores[:-1]) for labels, scores in super().tag(sentences)]

    with pytest.raises(ModelError, match="2 labels for a sentence of 3 words"):
        evaluate(Loses(), {"es": spanish})


def test_evaluation_needs_no_pytorch():
    code = "import sys, calque.evaluation, calque.evaluation.tables; sys.exit('torch' in sys.modules or 'rich' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
