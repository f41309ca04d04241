from __future__ import annotations

import io

import pytest
from rich.console import Console

from calque.evaluation import evaluate


def drawn(evaluation, **options):
    stream = io.StringIO()
    evaluation.print(Console(file=stream, width=80, markup=False, highlight=False), **options)
    return stream.getvalue()


@pytest.fixture
def one(spanish, spanish_tagger):
    return evaluate(spanish_tagger, {"es": spanish})


def test_a_language_has_a_row_with_its_figures_in_per_cent(one):
    row = next(line for line in drawn(one).splitlines() if "Spanish (es)" in line)
    assert row.split()[2] == "75.00"
    assert "87.50" in row
    assert row.split()[-2:] == ["12", "3"]


def test_the_table_fits_eighty_columns_and_says_what_the_interval_is(one):
    text = drawn(one, per_tag=True, confusion=True)
    assert max(map(len, text.splitlines())) <= 80
    assert "bootstrap" in text
    assert "words/s" in text


def test_one_language_has_no_mean(one):
    assert "Mean" not in drawn(one)


def test_several_languages_have_a_mean_and_several_files_their_names(write_conllu, spanish, spanish_tagger):
    french = write_conllu("fr.conllu", ["le/DET pain/NOUN"])
    more = write_conllu("more.conllu", ["pan/NOUN"])
    text = drawn(evaluate(spanish_tagger, {"es": [spanish, more], "fr": french}))
    assert text.index("Spanish (es)") < text.index("es_toy-ud") < text.index("more.conllu") < text.index("French (fr)")
    assert "Mean of 2" in text


def test_per_tag_and_confusion_come_on_request(one):
    plain = drawn(one)
    assert "Precision" not in plain
    assert "Taken for" not in plain
    text = drawn(one, per_tag=True, confusion=True)
    assert "Precision" in text
    assert "Taken for" in text


def test_f1_of_many_languages_comes_in_blocks_that_fit(write_conllu, dictionary_tagger):
    path = write_conllu("x.conllu", ["a/NOUN b/VERB"])
    evaluation = evaluate(dictionary_tagger(), {f"q{letter}a": path for letter in "abcdefghijkl"})
    text = drawn(evaluation, per_tag=True)
    assert text.count("F1 by tag") == 2
    assert max(map(len, text.splitlines())) <= 80
