"""Tables of routes: TOML files, names of folders in them, and what is checked before a weight is read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import calque
from calque import loading
from calque.adapters import AdapterConfig, AdapterShape
from calque.config import TaskConfig
from calque.errors import CalqueError, MissingExtraError, ModelError
from calque.models.hub import resolve
from calque.pipeline import as_tagger
from calque.runtime.router import Router


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No test asks the Hub, and one that would fails at once."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def place(lexicon_model, tmp_path):
    """A user's folder: models/en, and models/multi with adapters whose weights nobody reads."""
    shutil.copytree(lexicon_model, tmp_path / "models" / "en")
    multi = Path(shutil.copytree(lexicon_model, tmp_path / "models" / "multi"))
    layout = {"layers": 2, "width": 8, "embeddings": 8, "invertible": True}
    change(multi, onnx={"adapters": {"layout": layout, "fingerprint": "x"}})
    add(multi, AdapterConfig("es", AdapterShape(4)))
    add(multi, AdapterConfig("ca", AdapterShape(4)))
    add(multi, AdapterConfig("houlsby", AdapterShape(4, "both")))
    add(multi, AdapterConfig("ner", AdapterShape(4), role="task", task="ner", head=TaskConfig(["O"], "entities")))
    return tmp_path


def change(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def add(folder, config):
    at = folder / "adapters" / config.name
    at.mkdir(parents=True)
    (at / "config.json").write_text(config.to_json())


def table(place, *lines, name="routes.toml"):
    path = place / name
    path.write_text("\n".join(["[routes]", *lines]) + "\n", encoding="utf-8")
    return path


def test_a_file_says_what_the_table_says(place):
    path = table(
        place,
        'en = "models/en"',
        'Spanish = { model = "models/multi", adapter = "es" }',
        'ca = { model = "./models/../models/multi", adapter = ["ca", "ner"] }',
        '"*" = "models/multi"',
    )
    router = Router.from_toml(path)
    assert [route.to_dict() for route in router.routes] == [
        {"language": "en", "model": "models/en", "adapters": [], "tasks": ["pos"]},
        {"language": "es", "model": "models/multi", "adapters": ["es"], "tasks": ["pos"]},
        {"language": "ca", "model": "models/multi", "adapters": ["ca", "ner"], "tasks": ["pos", "ner"]},
        {"language": "*", "model": "models/multi", "adapters": [], "tasks": ["pos"]},
    ]
    assert router.route("es").source is router.route("ca").source is router.route("de").source
    assert repr(router) == f"Router({str(path)!r}, en, es, ca, *; 2 models, tasks=['pos'])"


def test_names_of_folders_are_relative_to_the_file(place, monkeypatch):
    path = table(place, '"*" = "models/en"')
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert [t.labels for t in Router.from_toml(path).tag([["el", "gato"]])] == [["DET", "NOUN"]]
    assert [t.labels for t in Router({"*": "../models/en"}).tag([["el"]])] == [["DET"]]
    shutil.copytree(place / "models", place / "elsewhere" / "mine")
    with pytest.raises(ModelError, match="relative to the file.*the one of that name in the working folder is not meant"):
        Router.from_toml(table(place, '"*" = "mine/en"'))


def test_weights_are_read_when_a_route_is_first_used(place):
    (place / "models" / "multi" / "model.onnx").write_bytes(b"damaged")
    shutil.rmtree(place / "models" / "multi" / "adapters")
    router = Router.from_toml(table(place, 'en = "models/en"', '"*" = "models/multi"'))
    assert [t.labels for t in router.tag([["the"]], langs=["en"])] == [["DET"]]
    assert router.route("en").source.loaded
    assert not router.route("es").source.loaded
    with pytest.raises(ModelError, match="multi/model.onnx: cannot be read"):
        router.tag([["el"]], langs=["es"])


def test_a_file_goes_wherever_a_models_name_goes(place, monkeypatch):
    path = table(place, 'en = "models/en"', '"*" = "models/en"')
    assert isinstance(calque.load(path), Router)
    assert isinstance(calque.load(str(path), backend="onnx"), Router)
    assert calque.parse("el gato", lang="es", model=path).tokens[1].upos == "NOUN"
    assert as_tagger(path) is as_tagger(str(path))
    with pytest.raises(ModelError, match="a file has no revisions"):
        calque.load(path, revision="main")
    with pytest.raises(ModelError, match="a table of routes runs models, and is none itself"):
        resolve(path)


def test_a_file_that_was_changed_is_read_again(place):
    path = table(place, '"*" = "models/en"')
    first = as_tagger(path)
    path.write_text(path.read_text() + 'es = "models/en"\n')
    os.utime(path, (1, 1))
    second = as_tagger(path)
    assert [r.lang for r in first.routes] == ["*"]
    assert [r.lang for r in second.routes] == ["*", "es"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('es = "models/es"', r"route 'es': there is no folder .*models/es \(folders are relative to the file\)"),
        ('es = "./nowhere"', r"route 'es': there is no folder .*nowhere \(folders"),
        ('es = "/nowhere/at/all"', "route 'es': there is no folder /nowhere/at/all"),
        ('es = "some/where"', r"route 'es': there is no folder .*some/where \(.*\), and some/where: not in the cache"),
        ('es = "xlm_roberta_bse"', "route 'es': unknown model 'xlm_roberta_bse': did you mean xlm_roberta_base"),
        ('es = "mini"', "route 'es': mini has no head: train one with  calque train pos --model mini"),
        ('es = "models"', r"route 'es': .*models: no model in this folder \(config.json is missing\)"),
        ('es = "other.toml"', "route 'es': other.toml is itself a table of routes"),
        ("es = 5", "route 'es': 5 is no model"),
        ('es = ["models/multi", "es", "ner"]', "route 'es': 3 values: give a model, or a model and its adapters"),
        ('es = { adapter = "es" }', "route 'es': no model is named: give a model, or"),
        ('es = { model = "models/multi", adaptor = "es" }', "route 'es': unknown key 'adaptor'"),
        ('es = { model = "models/multi", adapter = 3 }', "route 'es': the adapter is 3: give its name"),
        ('es = { model = "models/multi", adapter = "" }', "route 'es': adapters '': give names"),
        (
            'es = { model = "models/multi", adapter = "se" }',
            "route 'es': no adapter 'se' in models/multi: the nearest .*es",
        ),
        ('es = { model = "models/multi", adapter = ["es", "es"] }', "route 'es': adapters .* each once"),
        ('es = { model = "models/multi", adapter = "es,ca,ner" }', "route 'es': .*has 2 levels of adapters"),
        ('es = { model = "models/multi", adapter = "houlsby" }', "route 'es': .*'houlsby' does not fit .*it is both with relu"),
        ('es = { model = "models/en", adapter = "es" }', "route 'es': models/en: this exported model has no slots for adapters"),
        ('xq = "models/en"', "route 'xq': unknown language 'xq'.* is the route of all other languages"),
        ('Spanisch = "models/en"', r"route 'Spanisch': unknown language 'Spanisch': nearest known: Spanish \(es\)"),
        ('es = "models/en"\nSpanish = "models/multi"', "the routes 'es' and 'Spanish' are both of es: leave one out"),
        ('es = "models/en"\nes = "models/multi"', r"is not TOML \(.*line 3"),
        ("es = models/en", r"is not TOML \(.*line 2"),
        ('es = "models/en"\n[settings]\nx = 1', r"unknown key 'settings': a table of routes has \[routes\] and nothing else"),
        ("", "a table without routes"),
    ],
)
def test_what_is_wrong_is_said_at_once_with_the_file_and_the_route(place, line, message):
    path = table(place, line)
    with pytest.raises(CalqueError, match=message) as found:
        Router.from_toml(path)
    assert str(found.value).startswith(f"{path}: ")


def test_a_file_from_windows_may_begin_with_a_byte_order_mark(place):
    path = table(place, 'es = "models/en"', '"*" = "models/multi"')
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [route.lang for route in Router.from_toml(path).routes] == ["es", "*"]


def test_what_is_no_table_at_all_is_said(place):
    with pytest.raises(CalqueError, match="nowhere.toml: no such file"):
        calque.load("nowhere.toml")
    with pytest.raises(CalqueError, match="cannot be read"):
        (place / "folder.toml").mkdir()
        calque.load(place / "folder.toml")
    path = place / "x.toml"
    for text, message in ((b'es = "models/en"', "unknown key 'es'"), (b"", r"no table \[routes\]"), (b"\xff", "is not TOML")):
        path.write_bytes(text)
        with pytest.raises(CalqueError, match=message):
            calque.load(path)


def test_a_model_damaged_or_not_to_be_run_here_is_found_at_once(place, monkeypatch):
    change(place / "models" / "en", tasks={"pos": 5})
    with pytest.raises(ModelError, match="route 'en': .*the labels of task 'pos' are damaged"):
        Router.from_toml(table(place, 'en = "models/en"'))
    (place / "models" / "multi" / "model.onnx").unlink()
    path = table(place, '"*" = "models/multi"')
    with pytest.raises(ModelError, match=r"no model.onnx here"):
        Router.from_toml(path, backend="onnx")
    monkeypatch.setattr(loading, "has_torch", lambda: False)
    with pytest.raises(MissingExtraError, match=r"models/multi: .*calque\[train\]"):
        Router.from_toml(path)
