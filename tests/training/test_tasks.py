"""Features, lemmas, trees, entities and classes: trained, run, exported and measured, on a toy grammar."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

import calque
from calque.analysis import Tree
from calque.errors import CalqueError, DataError, ModelError, TrainingError
from calque.evaluation import evaluate
from calque.evaluation.texts import evaluate_texts
from calque.models.model import Model
from calque.training import fine_tune
from calque.training.finetune import run_training
from calque.training.options import Options

from .conftest import PATTERN, SMALL  # isort: skip

FAST = {"epochs": 25.0, "learning_rate": 5e-3, "precision": "fp32", "validation": "none", "progress": False, "keep_start": 0.0}
PEOPLE, PLACES = {"cat", "dog"}, {"house", "river", "garden"}
RELATIONS = {"DET": "det", "ADJ": "amod", "ADP": "case", "VERB": "root", "PUNCT": "punct"}


def tree_of(tags: list[str]) -> list[tuple[int, str]]:
    """Determiners, adjectives and adpositions hang on the next noun, all else on the verb."""
    verb = tags.index("VERB") + 1
    nouns = [i + 1 for i, tag in enumerate(tags) if tag == "NOUN"]
    arcs = []
    for i, tag in enumerate(tags, 1):
        if tag == "NOUN":
            arcs.append((verb, ("nsubj", "obj", "obl:where")[nouns.index(i)]))
        elif tag == "VERB":
            arcs.append((0, "root"))
        else:
            arcs.append((verb if tag == "PUNCT" else next(n for n in nouns if n > i), RELATIONS[tag]))
    return arcs


def sentences(count: int, seed: int) -> list[tuple[list[str], list[str]]]:
    rng = random.Random(seed)
    made = []
    for _ in range(count):
        tags = [t for t in PATTERN if t != "ADJ" or rng.random() < 0.5]
        made.append(([rng.choice(SMALL[t]) for t in tags], tags))
    return made


def conllu(items: list[tuple[list[str], list[str]]]) -> str:
    blocks = []
    for words, tags in items:
        rows = []
        for i, (word, tag, (head, relation)) in enumerate(zip(words, tags, tree_of(tags), strict=True), 1):
            lemma = word[:-1] if tag == "VERB" else word
            feats = {"NOUN": "Number=Sing", "VERB": "Mood=Ind|Number=Sing"}.get(tag, "_")
            rows.append(f"{i}\t{word}\t{lemma}\t{tag}\t_\t{feats}\t{head}\t{relation}\t_\t_")
        blocks.append("\n".join(rows) + "\n\n")
    return "".join(blocks)


def iob2(items: list[tuple[list[str], list[str]]], *, person: str = "PER") -> str:
    lines = []
    for words, tags in items:
        inside = ""
        for i, (word, tag) in enumerate(zip(words, tags, strict=True)):
            noun = words[i + 1] if tag == "ADJ" else word
            kind = person if noun in PEOPLE else "LOC" if noun in PLACES else ""
            lines.append(f"{word}\t{('I-' if inside else 'B-') + kind if kind else 'O'}")
            inside = kind if tag == "ADJ" else ""
        lines.append("")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tasks")
    train, test = sentences(60, 0), sentences(20, 1)
    texts = {"train.conllu": conllu(train), "test.conllu": conllu(test), "train.iob2": iob2(train), "test.iob2": iob2(test)}
    texts["person.iob2"] = iob2(train, person="PERSON")
    rng = random.Random(2)
    rows = [
        (label, " ".join(rng.choice(SMALL[kind]) for _ in range(5))) for label, kind in [("thing", "NOUN"), ("deed", "VERB")] * 40
    ]
    texts["texts.tsv"] = "label\ttext\n" + "".join(f"{label}\t{text}\n" for label, text in rows)
    both = "".join(f"thing|deed\t{a[1]} {b[1]}\n" for a, b in zip(rows[::2], rows[1::2], strict=True))
    texts["several.tsv"] = texts["texts.tsv"] + both
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {name: folder / name for name in texts}


@pytest.fixture(scope="module")
def joint(encoder: Path, files: dict[str, Path]) -> Model:
    data = {"en": [files["train.conllu"], files["train.iob2"]]}
    return fine_tune(encoder, data, task="pos,feats,lemma,dep,ner", layer_mix=True, **FAST)


def test_one_model_learns_all_of_it(joint: Model, files: dict[str, Path]) -> None:
    assert joint.tasks == ["pos", "feats", "lemma", "dep", "ner"]
    found = evaluate(joint, {"en": [files["test.conllu"], files["test.iob2"]]})
    values = {r.metric: r.value for r in found.results if r.file is None}
    assert set(values) == {
        "upos.accuracy", "upos.accuracy.no_mwt", "feats.accuracy", "ufeats.accuracy", "lemma.accuracy", "uas", "las",
        "las.subtypes", "clas", "ner.f1",
    }  # fmt: skip
    assert all(value > 0.9 for value in values.values()), values


def test_parsing_fills_what_the_model_knows(joint: Model) -> None:
    words = joint.parse("the old cat sees a house near the river .", lang="en").tokens
    assert [t.upos for t in words] == "DET ADJ NOUN VERB DET NOUN ADP DET NOUN PUNCT".split()
    assert (words[3].lemma, words[3].feats, words[3].head, words[3].deprel) == ("see", "Mood=Ind|Number=Sing", 0, "root")
    assert [t.head for t in words] == [3, 3, 4, 0, 6, 4, 9, 9, 4, 4]
    assert [t.entity for t in words] == "O B-PER I-PER O O B-LOC O O B-LOC O".split()
    assert words[0].feats is None


def test_fewer_tasks_leave_the_rest_alone(joint: Model) -> None:
    document = joint.parse("the old cat sees a house .", lang="en", tasks="pos,ner")
    assert document.tokens[1].entity == "B-PER"
    assert all(t.head is None and t.lemma is None and t.feats is None for t in document.tokens)
    with pytest.raises(ModelError, match=r"^task 'chunk' is unknown: for words .* has pos, feats, lemma, dep, ner$"):
        joint.parse("the cat", lang="en", tasks="chunk")


def test_a_saved_model_says_the_same(joint: Model, tmp_path: Path) -> None:
    items = [words for words, _ in sentences(10, 5)]
    again = Model.from_pretrained(joint.save_pretrained(tmp_path / "m"))
    for one, other in zip(joint.analyse(items), again.analyse(items), strict=True):
        assert {t: said[:-1] for t, said in one.items()} == {t: said[:-1] for t, said in other.items()}
        assert all(np.allclose(one[t][-1], other[t][-1], atol=1e-5) for t in one)


def test_the_exported_model_says_the_same_without_pytorch(joint: Model, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from calque.runtime.export import export
    from calque.runtime.session import OnnxModel

    items = [[], *(words for words, _ in sentences(10, 6)), ["cat"]]
    report = export(joint, tmp_path / "out", quantise="none")
    assert report.difference < 1e-4
    exported = OnnxModel.from_folder(tmp_path / "out")
    assert list(exported.tasks) == joint.tasks
    for one, other in zip(joint.analyse(items), exported.analyse(items), strict=True):
        assert {t: said[:-1] for t, said in one.items()} == {t: said[:-1] for t, said in other.items()}
    small = export(joint, tmp_path / "small", check=items[1:])
    assert set(small.attempts[-1].tasks) == set(joint.tasks)
    assert np.allclose(joint.embed(["the cat", "a river"]), exported.embed(["the cat", "a river"]), atol=1e-4)
    (tmp_path / "out" / "relations.safetensors").unlink()
    with pytest.raises(ModelError, match="relations"):
        OnnxModel.from_folder(tmp_path / "out").label(items[1:2], task="dep")


def test_a_sentence_of_several_windows_has_one_tree(joint: Model) -> None:
    words = [word for one, _ in sentences(12, 7) for word in one]
    found = joint.analyse([words], ["dep", "ner"])[0]
    tree = found["dep"]
    assert isinstance(tree, Tree)
    assert len(tree.heads) == len(found["ner"].labels) == len(words) > 64
    assert sum(head == 0 for head in tree.heads) == 1
    for i in range(len(words)):  # every word reaches the root
        seen, at = set(), i + 1
        while at and at not in seen:
            seen.add(at)
            at = tree.heads[at - 1]
        assert at == 0


def test_what_is_no_sentence_is_parsed_in_parts(joint: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calque.labelling.TREE_WORDS", 80)
    words = [word for one, _ in sentences(12, 7) for word in one]
    tree = joint.analyse([words], ["dep"])[0]["dep"]
    assert isinstance(tree, Tree)
    assert [tree.labels[i] for i, head in enumerate(tree.heads) if head == 0] == ["root"]
    assert "parataxis" in tree.labels


def test_a_head_grows_by_new_labels_and_keeps_the_old(joint: Model, files: dict[str, Path], tmp_path: Path) -> None:
    text = files["train.conllu"].read_text().replace("obl:where", "obl:place").replace("Number=Sing", "Number=Sing|Tense=Pres")
    (tmp_path / "more.conllu").write_text(text, encoding="utf-8")
    options = Options(task="feats,dep", epochs=0.05, learning_rate=1e-9, precision="fp32", keep_start=0.0)
    grown = run_training(joint, {"es": tmp_path / "more.conllu"}, options, validation="none").model
    before, after = joint.config.tasks["dep"].labels, grown.config.tasks["dep"].labels
    assert after == [*before, "obl:place"]
    assert grown.config.tasks["feats"].labels == ["Mood=Ind", "Number=Sing", "Tense=Pres"]
    words = [words for words, _ in sentences(8, 8)]
    assert [a["feats"].labels for a in joint.analyse(words, ["feats"])] == [
        [label.replace("|Tense=Pres", "") for label in a["feats"].labels] for a in grown.analyse(words, ["feats"])
    ]
    assert joint.config.tasks["dep"].labels == before, "the model that is given stays as it is"


def test_new_labels_of_a_head_are_drawn_with_the_seed(joint: Model, files: dict[str, Path], tmp_path: Path) -> None:
    text = files["train.conllu"].read_text().replace("Number=Sing", "Number=Sing|Tense=Pres")
    (tmp_path / "more.conllu").write_text(text, encoding="utf-8")
    rows, new = [], joint.config.tasks["feats"].labels.index("Number=Sing") + 3  # after "Number=" and "Tense="
    for process, seed in ((1, 5), (2, 5), (2, 6)):  # PyTorch seeds every process anew
        torch.manual_seed(process)
        options = Options(task="feats", epochs=0.05, learning_rate=1e-9, keep_start=0.0, seed=seed)
        head = run_training(joint, {"es": tmp_path / "more.conllu"}, options, validation="none").model.heads["feats"]
        rows.append(head.linear.weight[new:])
    assert len(rows[0]) > 0
    torch.testing.assert_close(rows[0], rows[1])
    assert not torch.allclose(rows[1], rows[2], atol=1e-3)


def test_types_of_entities_can_be_renamed(encoder: Path, files: dict[str, Path]) -> None:
    model = fine_tune(encoder, {"en": files["person.iob2"]}, task="ner", label_map="PERSON=PER", **{**FAST, "epochs": 0.2})
    assert model.config.tasks["ner"].labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]


def test_entities_are_always_valid(encoder: Path, files: dict[str, Path]) -> None:
    model = fine_tune(encoder, {"en": files["train.iob2"]}, task="ner", **{**FAST, "epochs": 0.2})  # it knows next to nothing
    torch.nn.init.normal_(model.heads["ner"].linear.weight)
    for tagged in model.tag([words for words, _ in sentences(30, 9)], task="ner"):
        for before, tag in zip(["O", *tagged.labels], tagged.labels, strict=False):
            assert tag[0] != "I" or before[2:] == tag[2:]


def test_classes_of_texts(encoder: Path, files: dict[str, Path], tmp_path: Path) -> None:
    model = fine_tune(encoder, {"en": files["texts.tsv"]}, task="classify", **FAST)
    found = model.classify_texts(["cat house river dog", "sees finds likes"])
    assert [one.label for one in found] == ["thing", "deed"]
    assert sum(found[0].scores) == pytest.approx(1.0, abs=1e-5)
    pytest.importorskip("onnx")
    from calque.runtime.export import export
    from calque.runtime.session import OnnxModel

    export(model, tmp_path / "out", quantise="none")
    exported = OnnxModel.from_folder(tmp_path / "out")
    assert [one.label for one in exported.classify_texts(["cat house river dog", "sees finds likes " * 60])] == ["thing", "deed"]
    with pytest.raises(ModelError, match="labels whole texts"):
        exported.parse("the cat", lang="en")


def test_texts_with_several_labels(encoder: Path, files: dict[str, Path]) -> None:
    model = fine_tune(encoder, {"en": files["several.tsv"]}, task="classify", multi_label=True, **FAST)
    found = model.classify_texts(["cat house river dog", "cat river dog sees finds likes"])
    assert [set(one.labels) for one in found] == [{"thing"}, {"thing", "deed"}]
    for told in ({"multi_label": True}, {}):  # what it was trained for is read off the model
        found_out = evaluate_texts(model, {"en": files["several.tsv"]}, **told)
        score = found_out.score("en", metric="classify.accuracy")
        assert score is not None and score.value > 0.9
        assert found_out.score("en", metric="classify.micro_f1") is not None


def test_a_run_of_several_tasks_reports_each(encoder: Path, files: dict[str, Path], tmp_path: Path) -> None:
    data = {"en": [files["train.conllu"], files["train.iob2"]]}
    options = Options(task="ner,pos", epochs=1.0, precision="fp32")
    outcome = run_training(encoder, data, options, source={"en": files["test.conllu"]}, output=tmp_path / "m")
    assert {r.metric for r in outcome.report.validation} == {"upos.accuracy", "ner.f1"}
    entry = json.loads((tmp_path / "m" / "config.json").read_text())["provenance"]["training"][0]
    assert entry["task"] == "pos,ner"
    assert [r["task"] for r in entry["source_after"]] == ["pos"]


def test_data_without_a_tasks_labels_says_so(encoder: Path, files: dict[str, Path], treebanks: dict[str, Path]) -> None:
    with pytest.raises(TrainingError, match=r"no morphological features \(FEATS, column 6\)"):
        fine_tune(encoder, {"en": treebanks["en"]}, task="pos,feats", **FAST)
    with pytest.raises(DataError, match="entities"):
        fine_tune(encoder, {"en": treebanks["en"]}, task="ner", **FAST)
    with pytest.raises(CalqueError, match="one after the other"):
        Options(task="classify,embed", teacher="mini")
    with pytest.raises(TrainingError, match="--label-map"):
        Options(task="pos", label_map=(("A", "B"),))


def test_an_adapter_can_label_entities(encoder: Path, files: dict[str, Path]) -> None:
    model = Model.load(encoder)
    options = {"epochs": 20.0, "learning_rate": 1e-2, "validation": "none", "progress": False}
    model.train_adapter("names", {"en": files["train.iob2"]}, task="ner", **options)
    score = evaluate(model, {"en": files["test.iob2"]}, adapters="names").score("en", metric="ner.f1")
    assert score is not None and score.value > 0.6
    document = model.parse("the old cat sees a house .", lang="en", adapters="names")
    assert document.tokens[5].entity == "B-LOC"
    assert document.tokens[0].upos is None


def test_an_adapter_can_label_texts(encoder: Path, files: dict[str, Path]) -> None:
    model = Model.load(encoder)
    options = {"epochs": 20.0, "learning_rate": 1e-2, "validation": "none", "progress": False}
    model.train_adapter("topics", {"en": files["texts.tsv"]}, task="classify", **options)
    for names in ("topics", "auto"):
        score = evaluate_texts(model, {"en": files["texts.tsv"]}, adapters=names).score("en", metric="classify.accuracy")
        assert score is not None and score.value > 0.9
    assert calque.classify("cat house river dog", model=model, adapters="auto", lang="en").label == "thing"
    with pytest.raises(CalqueError, match="no adapter 'topic': the nearest names are topics"):
        evaluate_texts(model, {"en": files["texts.tsv"]}, adapters="topic")
    with pytest.raises(CalqueError, match="adapters label with what they were trained on"):
        calque.classify("cat", ["a", "b"], model=model, adapters="topics")


def test_what_an_adapter_brings_is_measured_through_it_alone(encoder: Path, files: dict[str, Path]) -> None:
    model = Model.load(encoder)
    model.add_head("pos", ["NOUN", "VERB"])
    options = {"epochs": 0.1, "validation": "none", "progress": False}
    model.train_adapter("names", {"en": files["train.iob2"]}, task="ner", **options)
    model.train_adapter("trees", {"en": files["train.conllu"]}, task="dep", **options)
    gold = {"en": files["test.conllu"]}
    assert {result.task for result in evaluate(model, gold).results} == {"pos"}
    assert {result.task for result in evaluate(model, gold, adapters="trees").results} == {"pos", "dep"}
    with pytest.raises(ModelError, match="no 'dep' head of its own, only adapters have: give one of trees"):
        evaluate(model, gold, tasks="dep")
