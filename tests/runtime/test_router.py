"""Languages to models: which way a sentence goes, what goes in one call, and what is wrong with a table."""

from __future__ import annotations

import pickle
import threading
import time

import pytest

import calque
from calque.adapterrouter import adapters_for
from calque.adapters import AdapterConfig
from calque.analysis import Tagged
from calque.config import TaskConfig
from calque.errors import CalqueError, ModelError
from calque.pipeline import Tagger, annotate, check_tasks
from calque.runtime.router import Router
from calque.zeroshot import prepare

SPANISH = "El gato duerme en la mesa de la cocina".split()
CATALAN = "El gat s' asseu a la taula de la cuina".split()
ENGLISH = "The cat sleeps on the table in the kitchen".split()


class Model:
    """Labels every word with its own name, and remembers how it was asked."""

    def __init__(self, name, tasks=("pos",), adapters=(), by_language=True):
        self.name, self.tasks, self.by_language = name, tasks, by_language
        self.adapter_configs = {a.name: a for a in adapters}
        self.asked = []

    def analyse(self, sentences, tasks=None, **options):
        self.asked.append({"sentences": len(sentences), "tasks": tasks, **options})
        wanted = self.tasks if tasks is None else tasks
        return [{task: Tagged([self.name] * len(s), [1.0] * len(s)) for task in wanted} for s in sentences]

    def tag(self, sentences):
        return [found["pos"] for found in self.analyse(sentences, ["pos"])]

    def classify_texts(self, texts, *, task, threshold, langs):
        self.asked.append({"langs": langs, "threshold": threshold})
        return [f"{self.name}: {text}" for text in texts]


class Plain:
    """A tagger of nothing but tags."""

    tasks = ("pos",)

    def tag(self, sentences):
        return [Tagged(["PLAIN"] * len(s), [1.0] * len(s)) for s in sentences]


def adapter(name, task=None):
    return AdapterConfig(name, task=task, head=TaskConfig(["A"]) if task else None)


def said(found, task="pos"):
    return [analysis[task].labels[0] for analysis in found]


def test_each_sentence_goes_the_way_of_its_language_and_comes_back_in_its_place():
    router = Router({"es": Model("es"), "en": Model("en"), "*": Model("others")})
    langs = ["en", "es", None, "ca", "es", "Spanish", "en-GB", "qzz"]
    found = router.analyse([["a"]] * len(langs), langs=langs)
    assert said(found) == ["en", "es", "others", "others", "es", "es", "en", "others"]


def test_sentences_of_all_routes_of_a_model_go_through_it_in_one_call():
    multi = Model("multi", adapters=[adapter("es"), adapter("ca"), adapter("pos")])
    english = Model("en", by_language=False)
    router = Router({"en": english, "es": (multi, "es"), "ca": (multi, ["ca", "pos"]), "*": multi})
    router.analyse([["a"]] * 5, ["pos"], langs=["ca", "en", "es-MX", None, "fr"])
    assert multi.asked == [
        {
            "sentences": 4,
            "tasks": ["pos"],
            "langs": ["ca", "es", None, "fr"],
            "adapters": [("ca", "pos"), ("es",), None, None],
        }
    ]
    assert english.asked == [{"sentences": 1, "tasks": ["pos"]}]  # told nothing that it does not ask for


def test_a_text_is_identified_and_the_undecided_takes_the_multilingual_path():
    router = Router({"ca": Model("ca"), "en": Model("en"), "*": Model("others")})
    documents = router.parse(["El gat es va asseure a la taula", "The cat sat on the mat", "OK", "Die Katze sitzt am Tisch"])
    assert [d.tokens[0].upos for d in documents] == ["ca", "en", "others", "others"]
    assert router.parse("OK", lang="en").tokens[0].upos == "en"
    assert calque.parse("El gat es va asseure a la taula", model=router).lang == "ca"


def test_words_without_languages_are_identified_by_what_they_are():
    router = Router({"es": Model("es"), "ca": Model("ca"), "en": Model("en"), "*": Model("others")})
    assert [t.labels[0] for t in router.tag([CATALAN, ENGLISH, ["OK"], SPANISH])] == ["ca", "en", "others", "es"]


def test_a_language_that_is_said_not_to_be_known_is_not_asked_for_again():
    router = Router({"es": Model("es"), "*": Model("others")})
    assert said(router.analyse([SPANISH], langs=[None])) == ["others"]


@pytest.mark.parametrize(
    ("key", "lang", "taken"),
    [
        ("pt", "pt-BR", True),
        ("pt-BR", "pt", True),
        ("Norwegian Bokmål", "nb", True),
        ("no", "nn", True),
        ("nor", "nn", True),
        ("nb", "nn", False),
        ("zh", "yue", True),
        ("cmn", "yue", False),
        ("hbs", "hr", True),
        ("sr", "hbs", False),
        ("ku", "ckb", True),
        ("kmr", "ckb", False),
        ("es", "ca", False),
    ],
)
def test_a_macrolanguage_takes_its_members_and_a_member_takes_no_other(key, lang, taken):
    router = Router({key: Model("own"), "*": Model("others")})
    assert said(router.analyse([["a"]], langs=[lang])) == ["own" if taken else "others"]


def test_a_member_with_a_route_of_its_own_goes_that_way():
    router = Router({"no": Model("no"), "nn": Model("nn"), "*": Model("others")})
    assert said(router.analyse([["a"]] * 3, langs=["nn", "nb", "no"])) == ["nn", "no", "no"]


def test_each_sentence_gets_what_its_route_can_and_tasks_are_what_all_can():
    router = Router({"es": Model("es", tasks=("ner", "pos", "dep")), "*": Model("others", tasks=("pos", "feats"))})
    assert isinstance(router, Tagger)
    assert router.tasks == ("pos",)
    found = router.analyse([["a"], ["a"]], langs=["es", "en"])
    assert [list(analysis) for analysis in found] == [["ner", "pos", "dep"], ["pos", "feats"]]
    apart = Router({"es": Model("es", tasks=("ner",)), "*": Model("others")})
    assert apart.tasks == ()
    assert calque.parse("hola", lang="es", model=apart).tokens[0].entity == "es"


def test_a_task_that_a_route_lacks_is_refused_before_anything_is_read():
    router = Router({"es": Model("es", tasks=("pos", "dep")), "Catalan": Model("ca"), "*": Model("others", tasks=("pos", "dep"))})

    def never():
        raise AssertionError("read")
        yield

    with pytest.raises(ModelError, match=r"route 'Catalan': Model has no head for dep \(it has: pos\)"):
        next(annotate(never(), router, tasks="pos,dep"))
    with pytest.raises(ModelError, match="route 'Catalan'"):
        router.analyse([], ["dep"])
    texts = Router({"es": Model("es", tasks=("classify",)), "*": Model("others")})
    with pytest.raises(ModelError, match="route 'es': Model has no head that labels words"):
        check_tasks(texts)


def test_adapters_bring_their_heads_to_the_route_that_names_them():
    multi = Model("multi", adapters=[adapter("es"), adapter("es-ner", task="ner")])
    router = Router({"es": (multi, "es,es-ner"), "ca": (multi, "es"), "*": multi})
    assert {route.lang: route.tasks for route in router.routes} == {"es": ("pos", "ner"), "ca": ("pos",), "*": ("pos",)}
    headless = Model("bare", tasks=(), adapters=[adapter("es-pos", task="pos")])
    assert Router({"es": (headless, "es-pos"), "*": Plain()}).tasks == ("pos",)


def test_any_tagger_will_do():
    router = Router({"es": Plain(), "*": Model("others")})
    assert [t.labels for t in router.tag([["a", "b"], ["c"]], langs=["es", "fr"])] == [["PLAIN"] * 2, ["others"]]


def test_the_table_decides_on_adapters_and_a_call_does_not():
    multi = Model("multi", adapters=[adapter("es")])
    router = Router({"es": (multi, "es"), "*": multi})
    with pytest.raises(CalqueError, match="a table of routes says itself which adapters"):
        adapters_for(router, "es")
    with pytest.raises(CalqueError, match="a table of routes says itself"):
        calque.parse("hola", model=router, adapters="auto")
    with pytest.raises(ModelError, match="leave them out"):
        router.analyse([["a"]], langs=["es"], adapters=["es"])


def test_a_route_without_adapters_goes_through_none_whatever_is_active():
    later = Model("later")
    router = Router({"es": later, "*": Plain()})
    later.adapter_configs = {"es": adapter("es")}  # added, and perhaps made active, after the table was made
    router.tag([["a"]], langs=["es"])
    assert later.asked[0]["adapters"] == [None]


def test_texts_are_classified_by_the_route_of_their_language():
    spanish, others = Model("es", tasks=("classify",)), Model("others", tasks=("classify", "pos"))
    router = Router({"es": spanish, "*": others})
    assert calque.classify(["good", "bueno"], model=router, lang="es") == ["es: good", "es: bueno"]
    assert router.classify_texts(["a", "b", "c"], langs=["fr", "es", None]) == ["others: a", "es: b", "others: c"]
    assert others.asked == [{"langs": ["fr", None], "threshold": None}]
    lacking = Router({"es": spanish, "*": Plain()})
    for ask in (lambda: lacking.classify_texts(["a"]), lambda: prepare(model=lacking)):
        with pytest.raises(ModelError, match=r"route '\*': Plain has no head for classify"):
            ask()


def test_languages_are_one_for_each_sentence():
    router = Router({"es": Plain(), "*": Plain()})
    with pytest.raises(ModelError, match="1 languages for 2 sentences"):
        router.tag([["a"], ["b"]], langs=["es"])
    with pytest.raises(ModelError, match="for 2 sentences: give a list with one for each"):
        router.tag([["a"], ["b"]], langs="es")
    assert router.analyse([], langs=[]) == []


def test_threads_that_come_at_once_load_a_model_once(lexicon_model, monkeypatch):
    loads = []
    real = calque.loading.load

    def slow(*arguments, **options):
        loads.append(arguments)
        time.sleep(0.05)
        return real(*arguments, **options)

    monkeypatch.setattr(calque.loading, "load", slow)
    router = Router({"es": str(lexicon_model), "en": lexicon_model / ".." / "lexicon", "*": Plain()})
    assert not loads
    found = {}

    def ask(number):
        found[number] = router.tag([["el", "gato"]] * 3, langs=["es", "en", "fr"])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert all([t.labels for t in found[n]] == [["DET", "NOUN"]] * 2 + [["PLAIN"] * 2] for n in range(8))


def test_what_is_no_table_is_said():
    with pytest.raises(CalqueError, match="is a mapping of languages to models"):
        Router("routes.toml")  # type: ignore[arg-type]
    with pytest.raises(CalqueError, match="a table without routes"):
        Router({})
    with pytest.raises(CalqueError, match="unknown backend 'gpu': auto, onnx, torch"):
        Router({"es": Plain()}, backend="gpu")  # type: ignore[arg-type]
    with pytest.raises(CalqueError, match="route 'es': a table of routes cannot be a route of another"):
        Router({"es": Router({"*": Plain()})})


@pytest.mark.bundled
def test_without_a_multilingual_path_the_embedded_default_is_it():
    router = Router({"es": Plain()})
    assert router.route("ca").source.name == "default"
    assert not router.route("ca").source.loaded
    assert [t.labels[0] for t in router.tag([["el"], ["the"]], langs=["es", "en"])] == ["PLAIN", "DET"]
    with pytest.raises(ModelError, match=r"route '\*' \(the embedded default, since the table names no other\)"):
        Router({"es": Model("es", tasks=("lemma",))}).check_tasks(["lemma"])


def test_one_exported_model_takes_its_adapters_sentence_by_sentence(make_model, tmp_path):
    torch = pytest.importorskip("torch")
    model = make_model("electra")
    for seed, name in enumerate(("es", "ca")):
        model.add_adapter(name, adapter_size=8, seed=seed)
        torch.manual_seed(seed)
        for bank in model.adapters.banks:
            for stack in bank.stacks.values():
                stack.data[bank.names.index(name)] = 0.5 * torch.randn(stack.shape[1:])
    calque.export(model, tmp_path / "multi", quantise="none")
    sentences = ["el gato está en la mesa".split(), "el gat és a la taula".split(), "the cat sat".split()]
    wanted = calque.load(tmp_path / "multi").tag(sentences, adapters=["es", "ca", None])
    for multi in (str(tmp_path / "multi"), model):
        router = Router({"es": (multi, "es"), "ca": (multi, "ca"), "*": multi})
        found = router.tag(sentences, langs=["es", "ca", "en"])
        assert [t.labels for t in found] == [t.labels for t in wanted]
        for one, other in zip(found, wanted, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-3)
    with pytest.raises(ModelError, match="route 'es': no adapter 'x' in tiny"):
        Router({"es": (calque.load(tmp_path / "multi"), "es,ca,x")})


def test_a_router_travels_with_its_models(lexicon_model):
    router = Router({"es": str(lexicon_model), "*": Model("others")})
    before = router.tag([["gato"], ["cat"]], langs=["es", "en"])
    assert pickle.loads(pickle.dumps(router)).tag([["gato"], ["cat"]], langs=["es", "en"]) == before
