"""Language adapters by translations: what was trained on the source works through them."""

from __future__ import annotations

import json
import random

import pytest
import torch
from torch.nn import functional

import calque
from calque.adapters import adapters_in
from calque.errors import CalqueError, DataError, FormatError, TrainingError
from calque.models import Model
from calque.pretraining import alignedadapters
from calque.pretraining.alignedadapters import PairOptions, align_language_adapters
from calque.pretraining.linkedpairs import Pair, read_linked
from calque.training.adapterloop import Ways

EN = "the a every red old tiny cat dog garden river sees finds paints in under .".split()
ES = "el un cada rojo viejo pequeño gato perro jardín río ve encuentra pinta en bajo .".split()
PATTERN = [(0, 3), (3, 6), (6, 10), (10, 13), (0, 3), (6, 10), (13, 15), (0, 3), (6, 10), (15, 16)]
QUICK = {"epochs": 12, "learning_rate": 5e-3, "batch_words": 256, "anchor": 0.1}


def accuracy(model, path, adapters=None):
    return calque.evaluate(model, {"es": path}, tasks="pos", adapters=adapters).score("es", metric="upos.accuracy").value


def state(model):
    return {k: v.numpy().tobytes() for k, v in model.state_dict().items() if not k.startswith("_adapters")}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Word for word, but for Spanish adjectives, which follow their noun."""
    rng, lines = random.Random(5), []
    for _ in range(400):
        drawn = [rng.randrange(a, b) for a, b in PATTERN]
        there = [ES[k] for k in drawn]
        there[1], there[2] = there[2], there[1]
        lines.append(" ".join(EN[k] for k in drawn) + "\t" + " ".join(there))
    path = tmp_path_factory.mktemp("pairs") / "en-es.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def english(encoder, treebanks, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagger") / "english"
    calque.fine_tune(encoder, treebanks["en"], validation=treebanks["en-dev"], epochs=8, learning_rate=5e-3,
                     progress=False, keep_start=0, output=folder)  # fmt: skip
    return folder


def test_an_english_tagger_reads_spanish_through_an_aligned_adapter(english, pairs, treebanks):
    model = Model.load(english)
    before, zero = state(model), accuracy(model, treebanks["es-dev"])
    made = model.align_adapter("es", {"es": pairs}, progress=False, **QUICK)
    assert accuracy(model, treebanks["es-dev"], "es") > zero + 0.2
    assert state(model) == before  # byte for byte: encoder and heads
    assert accuracy(model, treebanks["es-dev"]) == zero
    score = made.scores[0]
    assert (score["task"], score["metric"]) == ("links", "cosine")
    assert score["value"] > score["without"] + 0.1
    assert (made.role, made.languages) == ("language", ["es"])
    assert made.training["source"] == "en"
    assert made.data[0]["name"] == "en-es.tsv"
    assert made.data[0]["sentences"] > 300
    assert not any(p.requires_grad for p in model.adapters.parameters())


def test_an_anchor_holds_words_where_they_were(english, pairs):
    moved = {}
    for anchor in (0.0, 0.9):
        model = Model.load(english)
        made = model.align_adapter("es", {"es": pairs}, progress=False, **{**QUICK, "anchor": anchor, "epochs": 4})
        moved[anchor] = made.scores[0]["value"] - made.scores[0]["without"]
    assert moved[0.0] > 2 * moved[0.9] > 0


def test_the_loss_is_what_it_is_said_to_be(english):
    model = Model.load(english)
    model.add_adapter("es", adapter_size=4, seed=1)
    model.adapters.set_weights("es", {k: t + 0.3 for k, t in model.adapters.state("es").items()})
    some = [Pair("the cat sees".split(), "el gato ve un río".split(), [(0, 0), (1, 1), (2, 2)]),
            Pair("a dog in the garden".split(), "un perro".split(), [(1, 1)])]  # fmt: skip
    options = PairOptions(precision="fp32", anchor=0.25)
    lesson = alignedadapters._Lesson.of(
        model, {"es": some}, "en", model.encoder.pieces, torch.device("cpu"), options, Ways({"es": ()}, {"es": "es"})
    )
    with torch.inference_mode():
        found = float(lesson.loss([0, 1], [("es",), ("es",)], None))

    def vectors(words, adapter):
        """One sentence, one layer after the other, no padding: the upper of two layers alone is compared."""
        model.use_adapter(adapter)
        batch = model.encoder.pieces.batch(model.encoder.pieces.rows([words]))
        arrays = [torch.from_numpy(a) for a in (batch.input_ids, batch.attention_mask, batch.pooling)]
        model.set_layer_mix(True)
        with torch.inference_mode():
            return model.vectors(*arrays, route=model.adapters.plan([adapter])).layers[2][0].double()

    def apart(a, b):
        a, b = ((x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt() for x in (a, b)), (a, b)
        (na, nb), (a, b) = a, b
        return float(((na - nb) ** 2).mean()), float(1 - functional.cosine_similarity(a, b, dim=0))

    linked, held = [], []
    for pair in some:
        here, there, bare = vectors(pair.source, None), vectors(pair.target, "es"), vectors(pair.target, None)
        linked += [apart(there[j], here[i]) for i, j in pair.links]
        held += [apart(a, b) for a, b in zip(there, bare, strict=True)]
    means = [sum(sum(one) for one in some) / len(some) for some in (linked, held)]
    assert found == pytest.approx(0.75 * means[0] + 0.25 * means[1], rel=1e-4)


def test_several_languages_in_one_run(english, pairs, tmp_path):
    other = tmp_path / "en-ca.tsv"
    other.write_text(pairs.read_text(encoding="utf-8").replace(" gato", " gat").replace("río", "riu"), encoding="utf-8")
    model = Model.load(english)
    for name in ("es", "ca"):
        model.add_adapter(name, adapter_size=8)
    report = align_language_adapters(
        model, {"es": "es", "ca": "ca"}, {"es": pairs, "ca": other}, PairOptions(**{**QUICK, "epochs": 2}), output=tmp_path / "m"
    )
    assert set(adapters_in(tmp_path / "m")) == {"es", "ca"}
    assert all(after > before for before, after in report.nearness.values())
    assert report.links["es"] > 3000
    assert model.adapters.config("ca").training["together with"] == ["es"]


def test_interrupted_it_goes_on_where_it_was(english, pairs, tmp_path, monkeypatch):
    options = {**QUICK, "epochs": 3, "checkpoint_seconds": 0.0, "progress": False}
    whole = Model.load(english)
    whole.align_adapter("es", {"es": pairs}, output=tmp_path / "whole", **options)
    broken, steps, loss = Model.load(english), [], alignedadapters._Lesson.loss

    def stop(self, *arguments):
        steps.append(1)
        if len(steps) == 20:
            raise KeyboardInterrupt
        return loss(self, *arguments)

    monkeypatch.setattr(alignedadapters._Lesson, "loss", stop)
    with pytest.raises(KeyboardInterrupt):
        broken.align_adapter("es", {"es": pairs}, output=tmp_path / "broken", **options)
    assert "es" not in broken.adapters
    assert adapters_in(tmp_path / "broken") == {}
    broken.align_adapter("es", {"es": pairs}, output=tmp_path / "broken", **options)
    wanted = whole.adapters.config("es").training["steps"]
    assert len(steps) == wanted + 1  # the one that was stopped is made again, no other
    found = broken.adapters.state("es")
    assert all(torch.equal(t, found[k]) for k, t in whole.adapters.state("es").items())


def test_links_and_what_is_passed_over(tmp_path, pairs):
    path = tmp_path / "pairs.tsv"
    long = " ".join(["cat"] * 90)
    odd = f"the cat\tthe cat\n{long}\t{long} gato\nthe\t{' '.join(['el gato'] * 4)}\n"
    lines = pairs.read_text(encoding="utf-8")
    path.write_text(odd + lines + lines.splitlines()[0] + "\n", encoding="utf-8")
    said = []
    found, notes = read_linked([path], "en", "es", most_words=10**6, least=0.6, licence="CC0", tell=said.append)
    assert notes[0]["sentences"] == len({line.split("\t")[1] for line in lines.splitlines()})
    assert notes[0]["licence"] == "CC0"
    assert "pairs are few" in said[0]
    pair = found[0]
    right = {(EN.index(pair.source[i]), ES.index(pair.target[j])) for i, j in pair.links}
    assert all(a == b for a, b in right)
    assert (1, 2) in pair.links  # the adjective
    few, _ = read_linked([path], "en", "es", most_words=100, least=0.0, licence="", tell=said.append)
    assert sum(len(p.target) for p in few) < 111


@pytest.mark.parametrize(
    ("text", "options", "error", "message"),
    [
        ("the cat\tel gato\tx\n", {}, FormatError, "bad.tsv:1: 3 columns"),
        ("\n", {}, DataError, "holds no text"),
        ("the cat\n", {}, DataError, "no sentence in en with a translation"),
        ("the cat\tel gato\n", {"least_link": 2.0}, TrainingError, "--least-link 2: must be"),
        ("the cat\tel gato\n", {"anchor": 1.0}, TrainingError, "--anchor 1: must be"),
        ("the cat\tel gato\n", {"hide": 0.1}, TrainingError, "no option 'hide' here"),
        ("the cat\tel gato\n", {"source": "es"}, TrainingError, "name the language of the first column"),
        ("the cat\tel gato\n", {"source": "Spanish"}, TrainingError, "name the language of the first column"),
        ("the cat\tel gato\n", {"source": "englisch"}, CalqueError, "englisch"),
    ],
)
def test_what_is_wrong_is_said_and_the_model_is_as_it_was(english, tmp_path, text, options, error, message):
    path = tmp_path / "bad.tsv"
    path.write_text(text, encoding="utf-8")
    model = Model.load(english)
    with pytest.raises(error, match=message):
        model.align_adapter("es", {"es": path}, progress=False, **options)
    assert "es" not in model.adapters


def test_pairs_that_no_window_holds_are_an_error_that_names_the_language(english, pairs, tmp_path):
    path = tmp_path / "long.tsv"
    rows = [line.split("\t") for line in pairs.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(f"{' '.join([a] * 4)}\t{' '.join([b] * 4)}\n" for a, b in rows), encoding="utf-8")
    with pytest.raises(DataError, match="es: no pair fits into 16 pieces"):
        Model.load(english).align_adapter("es", {"es": path}, progress=False, max_length=16)


def test_the_command(english, pairs, tmp_path):
    from typer.testing import CliRunner

    from calque.cli import app

    def call(*arguments):
        result = CliRunner().invoke(app, ["adapters", *map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.stdout

    out = tmp_path / "m"
    told = json.loads(
        call(
            "train", "es", "-m", english, "--pairs", f"es={pairs}", "--epochs", 2, "--adapter-size", 8, "-o", out, "-q", "--json"
        )
    )
    before, after = told["nearness"]["es"]
    assert after > before
    assert adapters_in(out)["es"].name == "es"
    assert "cosine" in call("list", out)
    assert "cosine of linked words" in call("train", "es", "-m", out, "--pairs", f"es={pairs}", "--epochs", 1, "-q")
    for arguments, message in (
        (("--pairs", f"es={pairs}", "--text", f"es={pairs}"), "give either --train .* --pairs .* or --text"),
        (("--text", f"es={pairs}", "--source", "en"), "--source, --anchor and --least-link are for translations"),
        (("--train", f"es={pairs}", "--anchor", 0.1), "--source, --anchor and --least-link are for translations"),
        (("--pairs", f"es={pairs}", "--anchor", 1), "--anchor 1: must be"),
        (("--pairs", f"es={pairs}", "--limit", 5), "--limit, .* leave them out with --pairs"),
    ):
        with pytest.raises(CalqueError, match=message):
            call("train", "x", "-m", out, *arguments)
