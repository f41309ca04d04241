"""Entailment checkpoints: the numbers of transformers' own pipeline, which output is which, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from calque.errors import CalqueError, ModelError  # noqa: E402
from calque.models import entailment  # noqa: E402
from calque.models.entailment import Entailment, Outputs, find_outputs  # noqa: E402
from calque.zeroshot import classify  # noqa: E402

NLI = ["contradiction", "neutral", "entailment"]
TASK = "ForSequenceClassification"
TEXTS = [
    "el gato negro está en la mesa",
    "one horse",
    "кошка спит на столе и собака спит на полу . " * 20,  # longer than the window
    "der Hund schläft auf dem Sofa , aber die Katze nicht !",
]
LABELS = ["casa", "the market , en la mesa", "x"]


def config(*labels: str, **more: Any) -> dict[str, Any]:
    return {"architectures": [f"Bert{TASK}"], "id2label": {str(i): label for i, label in enumerate(labels)}, **more}


def pipeline_scores(folder: Path, texts: list[str], labels: list[str], **options: Any) -> list[list[float]]:
    """What transformers' zero-shot pipeline says, in the order of the labels."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, model_max_length=64)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
    pipeline = transformers.pipeline("zero-shot-classification", model=model, tokenizer=tokenizer)
    found = [pipeline(text, labels, **options) for text in texts]
    return [[f["scores"][f["labels"].index(label)] for label in labels] for f in found]


@pytest.mark.parametrize("kind", ["bert", "xlm-roberta", "deberta-v2"])
@pytest.mark.parametrize("names", [NLI, NLI[::-1], ["entailment", "not_entailment"]])
def test_scores_are_those_of_the_library_s_pipeline(checkpoint: Callable[..., Path], kind: str, names: list[str]) -> None:
    folder = checkpoint(kind, task=TASK, labels=names)
    model = Entailment.load(folder)
    for multi_label in (False, True):
        expected = pipeline_scores(folder, TEXTS, LABELS, multi_label=multi_label)
        assert model.scores(TEXTS, LABELS, multi_label=multi_label) == pytest.approx(np.array(expected), abs=1e-6)


def test_a_hypothesis_of_one_s_own_and_a_single_label_are_as_in_the_pipeline(checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint("xlm-roberta", task=TASK, labels=NLI)
    model = Entailment.load(folder)
    expected = pipeline_scores(folder, TEXTS, LABELS, hypothesis_template="la casa {} .")
    assert model.scores(TEXTS, LABELS, hypothesis="la casa {} .") == pytest.approx(np.array(expected), abs=1e-6)
    expected = pipeline_scores(folder, TEXTS, LABELS[:1])
    assert model.scores(TEXTS, LABELS[:1]) == pytest.approx(np.array(expected), abs=1e-6)


def test_a_bart_checkpoint_serves_too(checkpoint: Callable[..., Path], tmp_path: Path, fake_hub: Any) -> None:
    source = checkpoint("roberta", task=TASK, labels=NLI)  # for its tokenizer
    (tmp_path / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes())
    options = {"encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    torch.manual_seed(0)
    made = transformers.BartConfig(
        vocab_size=400, d_model=16, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64, **options,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, init_std=0.5, num_labels=3, id2label=dict(enumerate(NLI)),
        label2id={name: i for i, name in enumerate(NLI)},
    )  # fmt: skip
    transformers.BartForSequenceClassification(made).save_pretrained(tmp_path)
    expected = pipeline_scores(tmp_path, TEXTS, LABELS)
    assert Entailment.load(tmp_path).scores(TEXTS, LABELS) == pytest.approx(np.array(expected), abs=1e-6)
    fake_hub.add("org/bart-nli", tmp_path)
    assert Entailment.load("org/bart-nli").scores(TEXTS, LABELS) == pytest.approx(np.array(expected), abs=1e-6)


@pytest.fixture
def model(checkpoint: Callable[..., Path]) -> Entailment:
    return Entailment.load(checkpoint("bert", task=TASK, labels=NLI))


def test_batches_change_nothing_but_the_speed(model: Entailment, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.scores(TEXTS, LABELS)
    monkeypatch.setattr(entailment, "TEXTS_AT_ONCE", 3)
    for pieces in (1, 150, 100_000):
        assert model.scores(TEXTS, LABELS, batch_pieces=pieces) == pytest.approx(whole, abs=1e-6)
    assert model.scores([], LABELS).shape == (0, len(LABELS))


def test_batches_hold_the_pieces_asked_for_and_all_labels_of_a_text(model: Entailment) -> None:
    shapes = []
    model.model.register_forward_hook(lambda *told: shapes.append(told[2]["input_ids"].shape), with_kwargs=True)
    model.scores([*TEXTS, *TEXTS], LABELS, batch_pieces=300)
    assert sum(rows for rows, _ in shapes) == 2 * len(TEXTS) * len(LABELS)
    assert all(rows % len(LABELS) == 0 and rows * pieces <= 300 for rows, pieces in shapes)
    assert [pieces for _, pieces in shapes] == sorted(pieces for _, pieces in shapes)
    shapes.clear()
    model.scores(TEXTS, LABELS, batch_pieces=100)  # less than the labels of the longest text
    assert all(rows * pieces <= 100 for rows, pieces in shapes)


def test_a_label_as_long_as_the_window_is_refused(model: Entailment) -> None:
    with pytest.raises(CalqueError, match=r"the label .* pieces long, and .* reads 64"):
        model.scores(TEXTS, ["casa", "la mesa " * 40])


def test_a_hypothesis_without_a_place_is_refused(model: Entailment) -> None:
    with pytest.raises(CalqueError, match="no place for the label"):
        model.scores(TEXTS, LABELS, hypothesis="This example is it.")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (config(*NLI), Outputs(2, 0)),
        (config("ENTAILMENT", "Neutral", "CONTRADICTION"), Outputs(0, 2)),
        (config("neutral", "entailment", "contradiction"), Outputs(1, 2)),
        (config("entailment", "not_entailment"), Outputs(0, 1)),
        (config("not_entailment", "entailment"), Outputs(1, 0)),
        (config("entailment", "contradiction"), Outputs(0, 1)),
        (config("LABEL_0", "LABEL_1", label2id={"entails": 1, "not": 0}), Outputs(1, 0)),
        (config(label2id={"contradicts": 1, "entails": 0, "neither": 2}), Outputs(0, 1)),
    ],
)
def test_outputs_are_found_by_their_names(given: dict[str, Any], expected: Outputs) -> None:
    assert find_outputs(given, "some/model") == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (config("LABEL_0", "LABEL_1", "LABEL_2"), r"no names \(LABEL_0 …\).*outputs=\("),
        (config(), "no names"),
        (config(id2label={"zero": "entailment"}), "no names"),
        (config("negative", "positive"), "its outputs are negative, positive, not entailment"),
        (config("entailment", "neutral", "other"), "its outputs are entailment, neutral, other"),
        (config("score"), "its outputs are score"),
        ({"architectures": ["BertForMaskedLM"]}, "no entailment model"),
        ({}, "no entailment model"),
    ],
)
def test_other_outputs_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=f"some/model: .*{message}"):
        find_outputs(given, "some/model")


def test_outputs_without_names_can_be_named(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    source = checkpoint("bert", task=TASK, labels=NLI)
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    bare = json.loads((tmp_path / "config.json").read_text())
    numbers = {str(i): f"LABEL_{i}" for i in range(3)}
    bare |= {"id2label": numbers, "label2id": {name: int(i) for i, name in numbers.items()}}
    (tmp_path / "config.json").write_text(json.dumps(bare))
    with pytest.raises(ModelError, match="no names"):
        Entailment.load(tmp_path)
    named = Entailment.load(tmp_path, outputs=NLI)
    assert named.scores(TEXTS, LABELS) == pytest.approx(Entailment.load(source).scores(TEXTS, LABELS), abs=1e-6)


def test_a_checkpoint_comes_from_the_hub(checkpoint: Callable[..., Path], fake_hub: Any) -> None:
    folder = checkpoint("bert", task=TASK, labels=NLI)
    fake_hub.add("org/nli", folder)
    fake_hub.add("org/nli", folder, revision="v2")
    found = Entailment.load("org/nli", revision="v2")
    assert found.name == "org/nli"
    assert found.scores(TEXTS, LABELS) == pytest.approx(Entailment.load(folder).scores(TEXTS, LABELS))
    with pytest.raises(ModelError, match="org/none"):
        Entailment.load("org/none")


def test_a_hub_id_classifies_texts(checkpoint: Callable[..., Path], fake_hub: Any) -> None:
    folder = checkpoint("bert", task=TASK, labels=NLI)
    fake_hub.add("org/for-zero-shot", folder)
    found = classify(TEXTS, {"casa": LABELS[0], "mercado": LABELS[1], "x": LABELS[2]}, model="org/for-zero-shot")
    expected = Entailment.load(folder).scores(TEXTS, LABELS)
    assert [one.score for one in found] == pytest.approx(expected.max(axis=1))
    assert [one.label for one in found] == [("casa", "mercado", "x")[i] for i in expected.argmax(axis=1)]


def test_weights_of_another_kind_of_model_are_not_downloaded(checkpoint: Callable[..., Path], fake_hub: Any) -> None:
    fake_hub.add("org/sentiment", checkpoint("bert", task=TASK, labels=["negative", "positive"]))
    with pytest.raises(ModelError, match="negative, positive"):
        Entailment.load("org/sentiment")
    assert fake_hub.downloads == ["config.json"]


def test_a_damaged_tokenizer_says_so(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    for file in checkpoint("bert", task=TASK, labels=NLI).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="tokenizer in .* cannot be read"):
        Entailment.load(tmp_path)
