"""Adapters in the exported model: inputs of its graph, chosen sentence by sentence, added without writing the graph again."""

from __future__ import annotations

import copy
import shutil

import numpy as np
import onnx
import pytest
import torch

from calque.adapters import adapters_in
from calque.config import TaskConfig
from calque.cutting import cut
from calque.errors import CalqueError, ModelError
from calque.loading import load
from calque.models.adapters.slots import layout_of
from calque.models.heads import WordHead
from calque.parallel import annotate_parallel
from calque.runtime.export import export
from calque.runtime.session import OnnxModel

LABELS = ("NOUN", "VERB", "DET")
SETUPS = [None, "es", ("es", "pos"), "pos"]


def give_head(model, name, labels, seed):
    torch.manual_seed(seed)
    head = WordHead(model.encoder.hidden_size, len(labels))
    torch.nn.init.normal_(head.linear.weight, std=2.0)
    model.adapters.set_head(name, "pos", head.eval(), TaskConfig(list(labels)))


@pytest.fixture
def make(make_model, add_adapter):
    def build(kind="xlm-roberta", placement="feed_forward", labels=LABELS):
        model = make_model(kind, labels=labels)
        add_adapter(model, "es", seed=1, invertible=4, placement=placement).languages = ["es"]
        add_adapter(model, "ca", seed=2, size=5, placement=placement).languages = ["ca"]
        add_adapter(model, "pos", seed=3, placement=placement)
        give_head(model, "pos", ("A", "B", "C", "D"), seed=4)
        return model

    return build


def same(found, wanted, tolerance=1e-3):
    for a, b in zip(found, wanted, strict=True):
        assert a.labels == b.labels
        assert a.scores == pytest.approx(b.scores, abs=tolerance)


@pytest.mark.parametrize("placement", ["feed_forward", "both"])
@pytest.mark.parametrize("kind", ["xlm-roberta", "bert", "modernbert", "mt5", "deberta-v2"])
def test_the_exported_model_says_what_the_model_says(kind, placement, make, sentences, tmp_path):
    model = make(kind, placement)
    report = export(model, tmp_path / "out", quantise="none")
    assert report.difference < 1e-4
    exported = load(tmp_path / "out")
    assert isinstance(exported, OnnxModel)
    for setups in (SETUPS, ["ca", "es", "ca,pos", None], [None] * 4):
        same(exported.tag(sentences, adapters=setups), model.tag(sentences, adapters=setups))
    same(exported.tag(sentences), model.tag(sentences))
    nodes = [node.op_type for node in onnx.load(str(tmp_path / "out" / "model.onnx")).graph.node]
    assert nodes.count("If") == 2 * len(exported.adapters.layout.sites)  # a level that no row asks for is not run


def test_a_level_that_no_row_asks_for_is_not_run(make, sentences, tmp_path):
    """Weights that are not numbers, in the second level alone, reach nothing."""
    model = make()
    export(model, tmp_path / "out", quantise="none")
    exported = load(tmp_path / "out")
    wanted = exported.tag(sentences, adapters="es")
    feed = exported.adapters.feed

    def spoilt(setups):
        arrays = feed(setups)
        used = {int(n) for n in arrays["adapter_index"][:, 0]}
        up = arrays["adapter_up"].copy()
        up[:, [n for n in range(up.shape[1]) if n not in used]] = np.nan
        return {**arrays, "adapter_up": up}

    exported.adapters.feed = spoilt  # number 0 is what rows without a second adapter would be given
    same(exported.tag(sentences, adapters="es"), wanted)
    spoilt_none = exported.tag(sentences, adapters=["es", "es,pos", None, "es"])
    assert any(np.isnan(score) for tagged in spoilt_none for score in tagged.scores)  # beside rows that have one, it is run


def test_a_model_whose_heads_all_come_with_adapters(make, sentences, tmp_path):
    model = make(labels=())
    export(model, tmp_path / "out", quantise="none")
    exported = load(tmp_path / "out")
    assert tuple(exported.tasks) == ("pos",)
    same(exported.tag(sentences, adapters="es,pos"), model.tag(sentences, adapters="es,pos"))
    with pytest.raises(ModelError, match="only adapters have: give one of pos"):
        exported.tag(sentences, adapters="es")


def test_adding_an_adapter_does_not_write_the_graph_again(make, add_adapter, sentences, tmp_path):
    model = make()
    export(model, tmp_path / "out", quantise="none")
    graph = (tmp_path / "out" / "model.onnx").read_bytes()
    add_adapter(model, "fr", seed=9, size=11)  # larger than all that were there
    model.save_adapter("fr", tmp_path / "out" / "adapters" / "fr")
    exported = load(tmp_path / "out")
    setups = ["fr", ("fr", "pos"), "es", None]
    same(exported.tag(sentences, adapters=setups), model.tag(sentences, adapters=setups))
    shutil.rmtree(tmp_path / "out" / "adapters" / "ca")
    assert set(load(tmp_path / "out").adapter_configs) == {"es", "pos", "fr"}
    assert (tmp_path / "out" / "model.onnx").read_bytes() == graph


def test_two_adapters_of_one_name_are_refused(make, tmp_path):
    export(make(), tmp_path / "out", quantise="none")
    place = tmp_path / "out" / "adapters"
    shutil.copytree(place / "es", place / "es-before")
    with pytest.raises(ModelError, match="es-before: there is an adapter 'es' already"):
        load(tmp_path / "out")


def test_an_adapter_with_a_head_that_no_other_had_can_be_added(make_model, add_adapter, sentences, tmp_path):
    model = make_model()
    add_adapter(model, "es", seed=1)
    export(model, tmp_path / "out", quantise="none")
    add_adapter(model, "ca", seed=2)
    give_head(model, "ca", ("A", "B"), seed=4)
    add_adapter(model, "names", seed=3)
    model.adapters.set_head("names", "ner", copy.deepcopy(model.adapters.head("ca")), TaskConfig(["O", "B-PER"], "entities"))
    for name in ("ca", "names"):
        model.save_adapter(name, tmp_path / "out" / "adapters" / name)
    exported = load(tmp_path / "out")
    same(exported.tag(sentences, adapters=["ca", None, "es", "ca"]), model.tag(sentences, adapters=["ca", None, "es", "ca"]))
    same(exported.label(sentences, task="ner", adapters="names"), model.tag(sentences, task="ner", adapters="names"))


def test_a_mean_has_the_mean_of_the_heads(make_model, add_adapter, tmp_path):
    model = make_model()
    for seed, name in enumerate(("es", "ca")):
        add_adapter(model, name, seed=seed).languages = [name]
        give_head(model, name, ("A", "B"), seed)
    export(model, tmp_path / "out", quantise="none")
    options = {"lang": "gl", "adapters": "auto", "otherwise": "mean"}
    wanted, found = (m.parse("el gato dorme aquí", **options).tokens for m in (model, load(tmp_path / "out")))
    assert [t.upos for t in found] == [t.upos for t in wanted]
    assert [t.score for t in found] == pytest.approx([t.score for t in wanted], abs=1e-3)


def test_quantised_weights_are_checked_through_the_adapters_too(make, sentences, tmp_path):
    model = make()
    report = export(model, tmp_path / "out")
    assert report.attempts
    exported = load(tmp_path / "out")
    words = exported.tag(sentences, adapters="es,pos")
    assert {label for tagged in words for label in tagged.labels} <= set("ABCD")


def test_routing_by_language_and_means(make, sentences, tmp_path):
    model = make()
    model.adapters.remove("ca")
    add = copy.deepcopy(model.adapters.configs["es"])
    add.name, add.languages = "ca", ["ca"]
    model.adapters.add(add, {k: v + 0.1 for k, v in model.adapters.state("es").items()})
    export(model, tmp_path / "out", quantise="none")
    exported = load(tmp_path / "out")
    texts = ["el gato duerme", "el gat dorm"]
    for otherwise in ("nearest", "base", "mean"):
        options = {"lang": ["gl", "ca"], "adapters": "auto,pos", "otherwise": otherwise}
        wanted = model.parse(texts, **options)
        found = exported.parse(texts, **options)
        for a, b in zip(found, wanted, strict=True):
            assert [t.upos for t in a.tokens] == [t.upos for t in b.tokens]
            assert [t.score for t in a.tokens] == pytest.approx([t.score for t in b.tokens], abs=1e-3)
    several = {"adapters": "auto,pos", "otherwise": "mean", "workers": 2, "batch_words": 6}  # each makes the mean itself
    sentences = [s for text, lang in 3 * list(zip(texts, ["gl", "ca"], strict=True)) for s in cut(text, lang=lang).sentences]
    for a, b in zip(annotate_parallel(sentences, tmp_path / "out", **several), found * 3, strict=True):
        assert [t.upos for t in a.tokens] == [t.upos for t in b.sentences[0].tokens]
        assert [t.score for t in a.tokens] == pytest.approx([t.score for t in b.sentences[0].tokens], abs=1e-6)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("spa", "no adapter 'spa': the nearest names are"),
        ("es,ca,pos", "has 2 levels of adapters"),
        (["es"], "1 adapters for 4 sentences"),
    ],
)
def test_what_cannot_be_run_is_said(wanted, message, make, sentences, tmp_path):
    export(make(), tmp_path / "out", quantise="none")
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "out").tag(sentences, adapters=wanted)


def test_an_export_without_slots_takes_no_adapters(make_model, sentences, tmp_path):
    model = make_model(labels=("NOUN", "VERB"))
    export(model, tmp_path / "out", quantise="none")
    exported = load(tmp_path / "out")
    assert exported.adapter_configs == {}
    with pytest.raises(ModelError, match="has no slots for adapters"):
        exported.tag(sentences, adapters="es")
    same(exported.tag(sentences, adapters=[None] * 4), model.tag(sentences))


def test_adapters_of_another_encoder_or_form_are_refused(make, make_model, add_adapter, tmp_path):
    export(make(), tmp_path / "out", quantise="none")
    other = make_model()
    with torch.no_grad():
        other.encoder.layers[0].output.dense.weight += 0.01
    add_adapter(other, "fr")
    other.save_adapter("fr", tmp_path / "out" / "adapters" / "fr")
    with pytest.raises(ModelError, match="'fr' was trained on another encoder"):
        load(tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "adapters" / "fr")
    same_encoder = make_model()
    add_adapter(same_encoder, "fr", activation="gelu")
    same_encoder.save_adapter("fr", tmp_path / "out" / "adapters" / "fr")
    with pytest.raises(ModelError, match="it is feed_forward with gelu, the graph has feed_forward with relu"):
        load(tmp_path / "out")


def test_one_graph_has_one_placement_and_activation(make, add_adapter, tmp_path):
    model = make()
    add_adapter(model, "deep", placement="both")
    add_adapter(model, "smooth", activation="gelu")
    report = export(model, tmp_path / "out", quantise="none")
    assert report.left_behind == ("deep", "smooth")
    assert set(adapters_in(tmp_path / "out")) == {"es", "ca", "pos"}
    with pytest.raises(ModelError, match="both with relu, feed_forward with relu"):
        layout_of(model.adapters, ["es", "deep"])


def test_fusions_stay_behind(make, tmp_path):
    model = make()
    model.adapters.remove("ca")
    add = copy.deepcopy(model.adapters.configs["es"])
    add.name = "ca"
    model.adapters.add(add)
    model.fuse(["es", "ca"])
    report = export(model, tmp_path / "out", quantise="none")
    assert report.left_behind == ("es+ca",)
    assert "stay behind, for PyTorch alone to run: es+ca" in str(report)
    assert set(adapters_in(tmp_path / "out")) == {"es", "ca", "pos"}


def test_an_export_does_not_lose_adapters_that_were_put_into_the_old_one(make, add_adapter, tmp_path):
    model = make()
    export(model, tmp_path / "out", quantise="none")
    richer = make()
    add_adapter(richer, "fr", seed=5)
    richer.save_adapter("fr", tmp_path / "out" / "adapters" / "fr")
    with pytest.raises(CalqueError, match="holds adapters that this model does not have \\(fr\\)"):
        export(model, tmp_path / "out", quantise="none")
    assert "fr" in adapters_in(tmp_path / "out")


def test_threads_that_make_means_do_not_disturb_the_others(make, sentences, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    model = make()
    model.adapters.remove("ca")
    for name in ("ca", "fr"):
        twin = copy.deepcopy(model.adapters.configs["es"])
        twin.name = name
        model.adapters.add(twin, {k: v + 0.1 for k, v in model.adapters.state("es").items()})
    export(model, tmp_path / "out", quantise="none")
    exported = load(tmp_path / "out")
    wanted = [t.labels for t in exported.tag(sentences, adapters="es,pos")]

    def work(k):
        if k % 3 == 0:
            members = ["ca", "es", "fr"][: 2 + k % 2]
            return exported.tag(sentences, adapters=f"{exported.mean_adapter(members)},pos") and wanted
        return [t.labels for t in exported.tag(sentences, adapters="es,pos")]

    with ThreadPoolExecutor(6) as pool:
        assert all(found == wanted for found in pool.map(work, range(60)))


def test_many_threads_share_one_exported_model(make, sentences, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    export(make(), tmp_path / "out", quantise="none")
    exported = load(tmp_path / "out")
    wanted = {setup: exported.tag(sentences, adapters=[setup] * 4) for setup in ("es", "ca", "es,pos", None)}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda s: (s, exported.tag(sentences, adapters=[s] * 4)), [*wanted] * 20))
    for setup, tagged in found:
        assert [t.labels for t in tagged] == [t.labels for t in wanted[setup]]
        np.testing.assert_allclose([s for t in tagged for s in t.scores], [s for t in wanted[setup] for s in t.scores], atol=1e-5)
