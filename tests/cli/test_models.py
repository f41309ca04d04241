"""``calque models``: what there is, and what a model is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from calque import inventory, loading
from calque.errors import ModelError
from calque.inventory import describe, known_models


@pytest.fixture
def described(lexicon_model: Path, tmp_path: Path) -> Path:
    """A model that tells everything of itself."""
    folder = Path(shutil.copytree(lexicon_model, tmp_path / "mine" / "described"))
    config = json.loads((folder / "config.json").read_text())
    scores = [
        {
            "language": "es",
            "file": "x/es_gsd-ud-test.conllu",
            "metric": metric,
            "value": value,
            "interval": [0.93, 0.95],
            "words": 12000,
        }
        for metric, value in (("upos.accuracy", 0.9412), ("upos.accuracy.no_mwt", 0.9523))
    ]
    data = [{"name": "UD_Spanish-GSD", "licence": "CC BY-SA 4.0", "sentences": 14187}]
    onnx = {"format": 1, "weights": "int8", "embeddings": "float16", "agreement": 0.9975, "checked_words": 4000}
    onnx["languages_under_bar"] = ["eu", "kmr"]
    config |= {"scores": scores, "provenance": {"data": data, "seed": 3}, "onnx": onnx, "base": "mini", "treebanks": ["es_gsd"]}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub's client."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_list_names_the_encoders_and_what_they_cost(main: Any) -> None:
    out = main("models", "list").out
    [line] = [line for line in out.splitlines() if line.startswith("xlm_roberta_base")]
    assert "278 M" in line
    assert "MIT" in line
    assert "Hub" in line
    assert len({len(line.split("  ")) > 3 for line in out.splitlines()}) == 1  # one line a model, whatever the width


def test_list_as_json_is_a_list(main: Any) -> None:
    found = {model["name"]: model for model in json.loads(main("models", "list", "--json").out)}
    assert found["mini"]["where"] == "embedded"
    assert found["mbert"]["parameters"] == 178


def test_a_folder_s_own_models_come_first(main: Any, described: Path) -> None:
    (described.parent / "damaged").mkdir()
    (described.parent / "damaged" / "config.json").write_text('{"format": "calque-model", "format_version": 99}')
    out = main("models", "list", str(described.parent)).out.splitlines()
    assert "damaged" in out[1]
    assert "newer calque" in out[1]
    assert str(described) in out[2]
    assert main("models", "list", "nowhere").status == 1


def test_what_the_cache_holds_is_told(cache: Path) -> None:
    snapshot = cache / "models--FacebookAI--xlm-roberta-base" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text('{"model_type": "xlm-roberta", "architectures": ["XLMRobertaForMaskedLM"]}')
    assert next(m for m in known_models() if m.name == "xlm_roberta_base").where == "Hub"  # no weights yet
    (snapshot / "model.safetensors").write_bytes(b"0" * 1000)
    listed = next(m for m in known_models() if m.name == "xlm_roberta_base")
    assert (listed.where, listed.parameters) == ("downloaded", 278)
    assert describe("xlm-roberta-base").where == "downloaded"


def test_the_revision_that_is_asked_for_is_told(cache: Path) -> None:
    root = cache / "models--org--tagger"
    for commit, labels in (("aaa", {"0": "NOUN"}), ("bbb", {"0": "VERB"})):
        (root / "snapshots" / commit).mkdir(parents=True)
        config = {"model_type": "bert", "architectures": ["BertForTokenClassification"], "id2label": labels}
        (root / "snapshots" / commit / "config.json").write_text(json.dumps(config))
        (root / "snapshots" / commit / "model.safetensors").write_bytes(b"0" * 100)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text("bbb")
    (root / "refs" / "v1").write_text("aaa")
    assert describe("org/tagger").tasks == {"pos": ["VERB"]}
    assert describe("org/tagger@v1").tasks == describe("org/tagger@aaa").tasks == {"pos": ["NOUN"]}
    assert describe("org/tagger@v2").where == "Hub"


def test_info_tells_size_licences_data_and_scores(main: Any, described: Path) -> None:
    done = main("models", "info", str(described))
    assert done.status == 0
    text = " ".join(done.out.split())
    for told in (
        "Apache-2.0",
        "es en",
        "es_gsd-ud-test.conllu",
        "94.12 (93.0–95.0)",
        "95.23",
        "12,000",
        "UD_Spanish-GSD",
        "CC BY-SA 4.0",
        "1 known by name: es_gsd",
    ):
        assert told in text
    assert "weights int8, embeddings float16, 99.75% of 4,000 words labelled as in float" in text
    assert "; in fewer than the bars ask: eu kmr" in text


def test_info_as_json_is_one_object(main: Any, described: Path) -> None:
    found = json.loads(main("models", "info", str(described), "--json").out)
    assert found["licence"] == "Apache-2.0"
    assert found["scores"][0]["value"] == 0.9412
    assert found["provenance"] == {"seed": 3}
    assert found["bytes"] > 0


def test_info_of_an_encoder_comes_from_the_registry(main: Any) -> None:
    out = main("models", "info", "xlm-r-base").out
    assert "FacebookAI/xlm-roberta-base" in out
    assert "278 million" in out


def test_info_of_any_hub_id_tells_what_is_known() -> None:
    told = describe("someone/something")
    assert (told.where, told.path) == ("Hub", "someone/something")


def test_parameters_are_counted_from_the_weights(tmp_path: Path) -> None:
    header = json.dumps({"__metadata__": {}, "a": {"shape": [2000, 1000]}, "b": {"shape": [500_000]}}).encode()
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert describe(tmp_path).parameters == 2
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    assert describe(tmp_path).parameters is None


def test_parameters_of_an_export_are_not_counted_from_what_lies_beside_the_graph(described: Path) -> None:
    header = json.dumps({"a": {"shape": [2000, 1000]}}).encode()
    (described / "relations.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert (described / "model.onnx").is_file()
    assert describe(described).parameters is None


@pytest.mark.parametrize("languages", ['["ca", "es"]', "[ca, es]", "\n- ca\n- es\ntags: [x]"])
def test_languages_and_licence_of_an_encoder_come_from_its_card(tmp_path: Path, languages: str) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    assert describe(tmp_path).languages == []
    (tmp_path / "README.md").write_text(f"---\nlicense: mit\nlanguage: {languages}\n---\n# Mine\n\nlicense: none\n")
    told = describe(tmp_path)
    assert (told.languages, told.licence) == (["ca", "es"], "mit")


@pytest.mark.parametrize("card", ["# Mine\n\nlanguage: [ca]\nlicense: mit\n", "---\nlanguage: multilingual\n---\n"])
def test_a_card_that_names_no_codes_tells_none(tmp_path: Path, card: str) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    (tmp_path / "README.md").write_text(card)
    assert (describe(tmp_path).languages, describe(tmp_path).licence) == ([], "")


def test_info_of_a_table_shows_its_routes(main: Any, lexicon_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "routes.toml"
    path.write_text(f'[routes]\nes = "{lexicon_model}"\n"*" = {{ model = "{lexicon_model}" }}\n')
    rows = [line.split() for line in main("models", "info", str(path)).out.splitlines()]
    assert rows == [
        ["language", "model", "adapters", "tasks"],
        ["es", str(lexicon_model), "pos"],
        ["*", str(lexicon_model), "pos"],
    ]
    told = json.loads(main("models", "info", str(path), "--json").out)
    assert told["routes"][0] == {"language": "es", "model": str(lexicon_model), "adapters": [], "tasks": ["pos"]}
    path.write_text(f'[routes]\nSpanisch = "{lexicon_model}"\n')
    done = main("models", "info", str(path))
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith(f"error: {path}: route 'Spanisch': unknown language")


@pytest.mark.parametrize("name", ["xlm_robert_base", "./nowhere"])
def test_an_unknown_name_is_an_error(main: Any, name: str) -> None:
    done = main("models", "info", name)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: ")


def test_a_missing_default_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:

    monkeypatch.setattr(loading, "__file__", str(tmp_path / "loading.py"))
    monkeypatch.setattr(inventory, "BUNDLED", tmp_path)
    assert "default" not in {model.name for model in known_models()}
    with pytest.raises(ModelError, match="install calque again"):
        describe()


@pytest.mark.bundled
def test_the_embedded_default_tells_its_scores(main: Any) -> None:
    if not (inventory.BUNDLED / "default" / "model.onnx").is_file():
        pytest.skip("the embedded model is not built here")
    found = json.loads(main("models", "info", "default", "--json").out)
    assert found["licence"]
    assert found["data"]
    assert found["scores"]
    assert found["bytes"] < 50_000_000


@pytest.mark.bundled
def test_mini_tells_its_languages_and_licence(main: Any) -> None:
    if not (inventory.BUNDLED / "mini" / "config.json").is_file():
        pytest.skip("the embedded encoder is not built here")
    listed = next(model for model in known_models() if model.name == "mini")
    told = json.loads(main("models", "info", "mini", "--json").out)
    assert listed.languages == len(told["languages"]) == 67
    assert listed.licence == told["licence"] == "CC-BY-SA-4.0"
    assert "67: af am ar" in main("models", "info", "mini").out
