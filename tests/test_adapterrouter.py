"""From the language of a sentence to its adapters."""

from __future__ import annotations

import pytest

from calque.adapterrouter import AdapterRouter, adapters_for, by_text
from calque.adapters import AdapterConfig
from calque.config import TaskConfig
from calque.document import Sentence
from calque.errors import CalqueError


def language(name, *langs):
    return AdapterConfig(name, role="language", languages=list(langs or (name,)))


def task(name, *langs, under=None):
    config = AdapterConfig(name, role="task", languages=list(langs), task="pos", head=TaskConfig(["A"]))
    config.training["under"] = under or {}
    return config


CONFIGS = {c.name: c for c in (language("en"), language("es"), language("ca"), task("pos", "en"))}


class Tagger:
    adapter_configs = CONFIGS
    tasks = ("pos",)

    @staticmethod
    def mean_adapter(names):
        return "mean of " + " ".join(names)


def said(lang=None):
    return Sentence([], lang=lang)


@pytest.mark.parametrize(
    ("otherwise", "lang", "setup"),
    [
        ("nearest", "es", ("es", "pos")),
        ("nearest", "gl", ("es", "pos")),
        ("nearest", "de", ("en", "pos")),
        ("nearest", None, ("pos",)),
        ("base", "gl", ("pos",)),
        ("base", "ca", ("ca", "pos")),
        ("mean", "gl", ("mean of ca en es", "pos")),
        ("mean", None, ("mean of ca en es", "pos")),
        ("mean", "en", ("en", "pos")),
    ],
)
def test_a_language_without_an_adapter_goes_where_it_is_told(otherwise, lang, setup):
    choose = adapters_for(Tagger(), "auto,pos", otherwise=otherwise)
    assert choose(said(lang)) == setup


def test_auto_alone_takes_adapters_with_a_head_and_what_lay_under_them():
    configs = {**CONFIGS, "es-pos": task("es-pos", "es", under={"es": ["es"]})}
    router = AdapterRouter(configs)
    assert router("es") == ("es", "es-pos")
    assert router("en") == ("pos",)
    assert router("gl") == ("es", "es-pos")


def test_auto_alone_takes_language_adapters_where_no_other_has_a_head():
    router = AdapterRouter({c.name: c for c in (language("romance", "es", "ca", "fr"), language("de"))})
    assert router("fr") == ("romance",)
    assert router("nl") == ("de",)


def test_a_language_adapter_goes_to_the_heads_of_the_model_where_other_languages_have_adapters_with_one():
    configs = {c.name: c for c in (task("x", "es"), language("eo"))}
    assert AdapterRouter(configs, headed=True)("eo") == ("eo",)
    assert AdapterRouter(configs, headed=True)("es") == ("x",)
    assert AdapterRouter(configs)("eo") == ("x",)  # no head of the model's own: the nearest language's


def test_of_several_adapters_of_a_language_none_is_guessed():
    entities = AdapterConfig("a", role="task", languages=["es"], task="ner", head=TaskConfig(["O"], kind="iob2"))
    router = AdapterRouter({c.name: c for c in (entities, task("p", "es"), task("ca", "ca"))})
    assert router("ca") == ("ca",)
    with pytest.raises(CalqueError, match=r"es has several adapters, a \(ner\), p \(pos\): name the one to go through"):
        router("es")
    with pytest.raises(CalqueError, match="es has several adapters, es, es-text:"):
        AdapterRouter({c.name: c for c in (language("es"), language("es-text", "es"))})("es")


def test_a_fusion_goes_before_its_members():
    fused = task("romance", "es", "ca")
    fused.role, fused.members = "fusion", ["es", "ca"]
    router = AdapterRouter({c.name: c for c in (task("es", "es"), task("ca", "ca"), fused)})
    assert router("es") == ("romance",)


def test_of_several_adapters_of_a_language_all_are_in_the_mean():
    configs = {c.name: c for c in (task("a", "es"), task("b", "es"), task("ca", "ca"))}
    assert AdapterRouter(configs, otherwise="mean", mean="+".join)("gl") == ("a+b+ca",)


def test_adapters_of_different_tasks_have_no_mean():
    entities = AdapterConfig("a", role="task", languages=["es"], task="ner", head=TaskConfig(["O"], kind="iob2"))
    with pytest.raises(CalqueError, match="a, ca are of different tasks and have no mean"):
        AdapterRouter({c.name: c for c in (entities, task("ca", "ca"))}, otherwise="mean", mean=lambda names: "mean")


def test_the_language_of_a_file_stands_in_for_sentences_that_name_none():
    choose = adapters_for(Tagger(), "auto,pos", lang="ca")
    assert choose(said()) == ("ca", "pos")
    assert choose(said("es")) == ("es", "pos")


def test_each_text_may_have_its_own():
    texts = [[said("es")], [said("gl"), said("en")], [said("es")]]
    choose = by_text(Tagger(), [None, "auto,pos", ("ca", "pos")], texts)
    assert [choose(s) for t in texts for s in t] == [(), ("es", "pos"), ("en", "pos"), ("ca", "pos")]
    with pytest.raises(CalqueError, match="3 texts but 1 adapters"):
        by_text(Tagger(), ["es"], texts)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("sp", "no adapter 'sp': the nearest names are .*es"),
        ("auto,pso", "no adapter 'pso': the nearest names are pos"),
    ],
)
def test_unknown_names_list_the_nearest(wanted, message):
    with pytest.raises(CalqueError, match=message):
        adapters_for(Tagger(), wanted)


def test_what_lay_under_an_adapter_must_be_there():
    with pytest.raises(CalqueError, match="'es-pos' \\(es\\) was trained on top of 'gone', which is not there"):
        AdapterRouter({"es-pos": task("es-pos", "es", under={"es": ["gone"]})})


def test_what_cannot_be_routed_is_an_error():
    with pytest.raises(CalqueError, match="there are none yet"):
        adapters_for(object(), "es")
    with pytest.raises(CalqueError, match="has no adapters yet: train one"):
        adapters_for(object(), "auto")
    with pytest.raises(CalqueError, match="no adapter says which language it is for"):
        AdapterRouter({"x": AdapterConfig("x")})
    with pytest.raises(CalqueError, match="'zero' is none of nearest, base, mean"):
        AdapterRouter(CONFIGS, otherwise="zero")
