"""Files of entities as training reads them: where their tags stand, and what is said of files that have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import FormatError, TrainingError
from calque.training import fine_tune
from calque.training.corpus import read_treebanks

PLAIN = "1\thola\t_\tINTJ\t_\t_\t0\troot\t_\t_\n\n"
NAMED = "1\tRoma\t_\tPROPN\t_\t_\t0\troot\t_\tNER=B-LOC\n2\tya\t_\tADV\t_\t_\t1\tadvmod\t_\t_\n\n"


@pytest.mark.parametrize("tasks", [("ner",), ("pos", "ner")])
def test_words_without_a_tag_are_outside_however_late_the_first_tag_comes(tasks: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "es.conllu"
    path.write_text(PLAIN * 600 + NAMED, encoding="utf-8")
    found = read_treebanks({"es": [path]}, tasks).sentences["es"]
    assert len(found) == 601
    assert [found[0].gold["ner"], found[-1].gold["ner"]] == [["O"], ["B-LOC", "O"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"text": "In Rome", "entities": [[3, 7, "LOC"]]}]\n', "a JSON list: write one object a line"),
        ('{"text": "In Rome", "entities": null}\n', "no entities .its keys are entities, text"),
        ("Rome LOC\nis O\n", "not a file of entities: rows must end in a tag"),
    ],
)
def test_a_file_that_holds_no_entities_is_told_by_what_entities_need(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=rf"en.txt:1: {message}"):
        read_treebanks({"en": [tmp_path / "en.txt"]}, ("ner",))


@pytest.mark.parametrize("renamed", [None, "LOC=O"])
def test_a_new_head_needs_some_type_of_entities(renamed: str | None, encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "en.iob2").write_text(f"Rome\t{'B-LOC' if renamed else 'O'}\nis\tO\n", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"the training data has no entities \(IOB2 tags\)"):
        fine_tune(encoder, {"en": tmp_path / "en.iob2"}, task="ner", label_map=renamed, validation="none", progress=False)


def test_a_head_is_kept_where_the_sentences_hold_no_entity(encoder: Path, tmp_path: Path) -> None:
    (tmp_path / "en.iob2").write_text("Rome\tB-LOC\nis\tO\n", encoding="utf-8")
    (tmp_path / "es.iob2").write_text("llueve\tO\nhoy\tO\n", encoding="utf-8")
    first = fine_tune(encoder, {"en": tmp_path / "en.iob2"}, task="ner", validation="none", epochs=1, progress=False)
    then = fine_tune(first, {"es": tmp_path / "es.iob2"}, task="ner", validation="none", epochs=1, progress=False)
    assert then.config.tasks["ner"].labels == ["O", "B-LOC", "I-LOC"]
