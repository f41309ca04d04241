"""Adapters as a user handles them: verbs, names, routing by sentence, threads, heads."""

from __future__ import annotations

import threading

import pytest
import torch

from calque.adapters import AdapterConfig, AdapterShape
from calque.config import TaskConfig
from calque.errors import ModelError
from calque.models.heads import WordHead
from calque.tags import UPOS


def give_head(model, name, labels=("NOUN", "VERB", "DET"), seed=7):
    torch.manual_seed(seed)
    head = WordHead(model.encoder.hidden_size, len(labels))
    torch.nn.init.normal_(head.linear.weight, std=2.0)
    model.adapters.set_head(name, "pos", head.eval(), TaskConfig(list(labels)))


def scores(tagged):
    return [t.scores for t in tagged]


def test_a_call_says_which_adapter_each_sentence_has(make_model, add_adapter, sentences):
    model = make_model()
    add_adapter(model, "es", seed=1)
    add_adapter(model, "ca", seed=2)
    mixed = model.tag(sentences, adapters=[None, "es", "ca", ("es", "ca")])
    for k, wanted in enumerate([None, "es", "ca", ("es", "ca")]):
        alone = model.tag([sentences[k]], adapters=[wanted])
        assert mixed[k].labels == alone[0].labels
        assert mixed[k].scores == pytest.approx(alone[0].scores, abs=2e-4)
    assert scores(model.tag(sentences)) == scores(model.tag(sentences, adapters=[None] * 4))


def test_the_active_adapter_is_for_calls_that_say_nothing(make_model, add_adapter, sentences):
    model = make_model()
    add_adapter(model, "es", seed=1)
    add_adapter(model, "pos", seed=2)
    plain = model.tag(sentences)
    model.use_adapter("es")
    assert scores(model.tag(sentences)) == scores(model.tag(sentences, adapters="es")) != scores(plain)
    model.stack("es", "pos")
    assert scores(model.tag(sentences)) == scores(model.tag(sentences, adapters="es,pos"))
    assert scores(model.tag(sentences, adapters=[None] * 4)) == scores(plain)
    model.use_adapter(None)
    assert scores(model.tag(sentences)) == scores(plain)


def test_two_threads_use_two_languages_at_once(make_model, add_adapter, sentences):
    model = make_model()
    names = ["es", "ca", None]
    add_adapter(model, "es", seed=1)
    add_adapter(model, "ca", seed=2)
    wanted = {name: scores(model.tag(sentences, adapters=[name] * 4)) for name in names}
    wrong: list[object] = []
    barrier = threading.Barrier(3)

    def work(name):
        barrier.wait()
        for _ in range(40):
            if scores(model.tag(sentences, adapters=[name] * 4)) != wanted[name]:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("spa", "no adapter 'spa': the nearest names are spanish"),
        ("es,pso", "nearest names are pos"),
        ("pos,pos", "each once"),
        ("es,", "give names"),
    ],
)
def test_unknown_names_are_an_error_that_lists_the_nearest(asked, message, make_model, add_adapter, sentences):
    model = make_model()
    for name in ("spanish", "pos", "es", "catalan"):
        add_adapter(model, name)
    for call in (lambda: model.use_adapter(asked), lambda: model.tag(sentences, adapters=[asked] * 4)):
        with pytest.raises(ModelError, match=message):
            call()


def test_without_any_adapter_the_error_says_how_to_make_one(make_model):
    with pytest.raises(ModelError, match="there are none yet; train one with"):
        make_model().use_adapter("es")


def test_a_list_of_another_length_is_refused(make_model, add_adapter, sentences):
    model = make_model()
    add_adapter(model, "es")
    with pytest.raises(ModelError, match="2 adapters for 4 sentences"):
        model.tag(sentences, adapters=["es", None])


def test_names_that_combine_or_are_taken_are_refused(make_model):
    model = make_model()
    model.add_adapter("es")
    for name in ("es,ca", "", "a/b", "..", "-x"):
        with pytest.raises(ModelError, match="cannot be the name of an adapter"):
            model.add_adapter(name)
    with pytest.raises(ModelError, match="there is an adapter 'es' already"):
        model.add_adapter("es")
    assert list(model.adapters) == ["es"]


def test_sizes_are_given_outright_or_by_a_factor(make_model):
    model = make_model()  # 32 wide, two layers
    assert model.add_adapter("es").shape == AdapterShape(64)
    assert model.add_adapter("ca", reduction_factor=16).shape.size == 2
    assert model.add_adapter("fr", adapter_size=8, invertible=True, placement="both").shape.invertible == 8
    assert model.adapters.size("ca") == 2 * (2 * 2 * 32 + 2 + 32)
    assert model.adapters.size("fr") == 2 * 2 * (2 * 8 * 32 + 8 + 32) + 2 * (2 * 16 * 8 + 8 + 16)
    with pytest.raises(ModelError, match="leaves out layer 2"):
        model.add_adapter("de", skip_layers=[2])
    with pytest.raises(ModelError, match="size 0"):
        model.adapters.add(AdapterConfig("it", AdapterShape(0)))


def test_the_first_adapter_goes_where_the_encoder_is(make_model):
    model = make_model().to("meta")  # any device that is not the processor
    model.add_adapter("es")
    assert {p.device.type for p in model.adapters.parameters()} == {"meta"}


def test_removing_one_leaves_the_others_as_they_are(make_model, add_adapter, sentences):
    model = make_model()
    for seed, name in enumerate(("es", "ca", "fr")):
        add_adapter(model, name, seed=seed)
    before = scores(model.tag(sentences, adapters=["es", "fr", "fr", "es"]))
    model.use_adapter("ca")
    del model.adapters["ca"]
    assert scores(model.tag(sentences, adapters=["es", "fr", "fr", "es"])) == before
    assert model.adapters.active == ()
    assert "ca" not in model.adapters


def test_a_merge_is_the_mean_of_the_weights(make_model, add_adapter):
    model = make_model()
    add_adapter(model, "es", seed=1)
    add_adapter(model, "ca", seed=2)
    add_adapter(model, "small", size=4)
    made = model.merge({"es": 3, "ca": 1}, "both")
    es, ca, both = (model.adapters.state(n) for n in ("es", "ca", "both"))
    for key in es:
        torch.testing.assert_close(both[key], 0.75 * es[key] + 0.25 * ca[key])
    assert made.training["merged"] == {"es": 0.75, "ca": 0.25}
    with pytest.raises(ModelError, match=r"cannot be merged.*es 8, feed_forward, relu; small 4, feed_forward"):
        model.merge(["es", "small"], "no")
    for share in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ModelError, match=f"a share of {share:g} for 'ca'"):
            model.merge({"es": 3, "ca": share}, "no")
    assert "no" not in model.adapters


def test_a_merge_lies_on_what_all_of_them_lay_on(make_model, add_adapter):
    model = make_model()
    add_adapter(model, "en", seed=1)
    for seed, name in enumerate(("a", "b", "c")):
        made = add_adapter(model, name, seed=seed)
        made.below, made.training = (["en"], {"under": {"*": ["en"]}}) if name != "c" else ([], {})
    both = model.merge(["a", "b"], "both")
    assert (both.below, both.training["under"]) == (["en"], {"*": ["en"]})
    mixed = model.merge(["a", "c"], "mixed")
    assert (mixed.below, "under" in mixed.training) == ([], False)


def test_heads_of_one_task_and_its_labels_are_merged_too(make_model, add_adapter):
    model = make_model()
    for seed, name in enumerate(("es", "ca", "fr")):
        add_adapter(model, name, seed=seed)
        give_head(model, name, ("NOUN", "VERB") if name != "fr" else ("VERB", "NOUN"), seed=seed)
    made = model.merge({"es": 3, "ca": 1}, "both")
    es, ca, both = (model.adapters.head(n).linear.weight for n in ("es", "ca", "both"))
    torch.testing.assert_close(both, 0.75 * es + 0.25 * ca)
    assert (made.task, made.head.labels) == ("pos", ["NOUN", "VERB"])
    assert model.merge(["es", "fr"], "mixed").head is None  # their labels stand in another order


def test_fusions_stand_on_their_members(make_model, add_adapter, sentences):
    model = make_model()
    for seed, name in enumerate(("es", "ca", "fr")):
        add_adapter(model, name, seed=seed)
    add_adapter(model, "small", size=4)
    assert model.fuse(["es", "ca", "fr"]).name == "es+ca+fr"
    assert model.tag(sentences, adapters="es+ca+fr")
    with pytest.raises(ModelError, match="is part of the fusion es\\+ca\\+fr"):
        del model.adapters["ca"]
    with pytest.raises(ModelError, match="must be bottleneck adapters of one shape"):
        model.fuse(["es", "small"])
    with pytest.raises(ModelError, match="two adapters or more"):
        model.fuse(["es"])
    del model.adapters["es+ca+fr"]
    del model.adapters["ca"]
    assert set(model.adapters) == {"es", "fr", "small"}


def test_the_uppermost_head_of_a_stack_labels_a_sentence(make_model, add_adapter, sentences):
    model = make_model()
    add_adapter(model, "es", seed=1)
    add_adapter(model, "pos", seed=2)
    add_adapter(model, "tags", seed=3)
    give_head(model, "pos", ("A", "B"), seed=1)
    give_head(model, "tags", ("C", "D", "E", "F"), seed=2)
    found = model.tag(sentences, adapters=[None, "es,pos", "pos,tags", "es"])
    assert set(found[0].labels + found[3].labels) <= {"NOUN", "VERB", "DET"}
    assert set(found[1].labels) <= {"A", "B"}
    assert set(found[2].labels) <= {"C", "D", "E", "F"}
    alone = model.tag([sentences[1]], adapters="es,pos")[0]
    assert found[1].labels == alone.labels
    assert found[1].scores == pytest.approx(alone.scores, abs=2e-4)


def test_an_encoder_without_heads_tags_by_its_adapters_heads(make_model, add_adapter, sentences):
    model = make_model(labels=())
    add_adapter(model, "es", seed=1)
    add_adapter(model, "pos", seed=2)
    assert model.tasks == []
    give_head(model, "pos")
    assert model.tasks == ["pos"]
    assert model.tag(sentences, adapters="es,pos")
    with pytest.raises(ModelError, match="only adapters have: give one of pos"):
        model.tag(sentences, adapters="es")
    with pytest.raises(ModelError, match="only adapters have: give one of pos"):
        model.tag(sentences)


def test_parsing_by_nothing_is_refused_where_adapters_alone_have_heads(make_model, add_adapter):
    model = make_model(labels=())
    add_adapter(model, "pos", seed=2)
    give_head(model, "pos", ("NOUN", "VERB"))
    with pytest.raises(ModelError, match=r"labels words through its adapters alone, pos \(pos\): name one"):
        model.parse("The cat sleeps.", lang="en")
    assert all(token.upos for token in model.parse("The cat sleeps.", lang="en", adapters="pos").tokens)
    model.use_adapter("pos")
    assert all(token.upos for token in model.parse("The cat sleeps.", lang="en").tokens)


def test_adapters_are_trained_apart_and_come_back(make_model, add_adapter, sentences):
    model = make_model()
    add_adapter(model, "es", seed=1)
    add_adapter(model, "ca", seed=2)
    give_head(model, "es")
    kept = model.adapters.state("ca")
    with model.adapters.unlock(["es"]) as parameters:
        assert sum(p.numel() for p in parameters) == model.adapters.size("es")
        assert all(p.requires_grad for p in parameters)
        model.requires_grad_(False)
        for p in parameters:
            p.requires_grad_(True)
        plan = model.adapters.plan(["es", "ca", None, ("ca", "es")])
        pieces = model.encoder.pieces
        arrays = {k: torch.from_numpy(a) for k, a in pieces.batch(pieces.rows(sentences)).arrays().items()}
        model(**arrays, adapters=plan)["pos_logits"].exp().sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parameters)
        for p in parameters:
            p.data.zero_()
    assert not any(p.requires_grad for p in model.adapters.parameters())
    assert all(not t.any() for t in model.adapters.state("es").values())
    assert all(torch.equal(t, kept[key]) for key, t in model.adapters.state("ca").items())
    assert len(model.adapters.banks) == 1


def test_parse_routes_each_text_and_by_language(make_model, add_adapter):
    model = make_model(labels=UPOS)
    for seed, name in enumerate(("en", "es")):
        add_adapter(model, name, seed=seed).languages = [name]
    texts = ["The cat sleeps.", "El gato duerme."]
    tags = [[(t.upos, t.score) for t in d.tokens] for d in model.parse(texts, lang=["en", "es"], adapters=[None, "es"])]
    alone = [[(t.upos, t.score) for t in model.parse(t, lang=lang).tokens] for t, lang in zip(texts, ("en", "es"), strict=True)]
    assert [u for u, _ in tags[0]] == [u for u, _ in alone[0]]
    assert tags[1] != alone[1]
    auto = [[(t.upos, t.score) for t in d.tokens] for d in model.parse(texts, lang=["en", "gl"], adapters="auto")]
    assert auto == [[(t.upos, t.score) for t in d.tokens] for d in model.parse(texts, lang=["en", "gl"], adapters=["en", "es"])]
    mean = model.parse(texts[1], lang="gl", adapters="auto", otherwise="mean")
    assert [t.upos for t in mean.tokens] == [t.upos for t in model.parse(texts[1], lang="gl", adapters="mean-of-2").tokens]
    expected = {k: (v + model.adapters.state("es")[k]) / 2 for k, v in model.adapters.state("en").items()}
    torch.testing.assert_close(model.adapters.state("mean-of-2"), expected)
