from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import calque
from calque.config import ModelConfig, TaskConfig
from calque.models.card import model_card
from calque.tasks import TASKS

CONFIG = ModelConfig(
    name="pos-es",
    base="FacebookAI/xlm-roberta-base",
    tasks={"pos": TaskConfig(labels=["NOUN", "VERB"])},
    languages=["es", "ca"],
    licence="CC-BY-SA-4.0",
    provenance={"data": [{"name": "UD_Spanish-AnCora", "licence": "CC BY 4.0", "sentences": 500}], "seed": 7},
    scores=[
        {
            "language": "es",
            "file": "es_ancora-ud-test.conllu",
            "task": "pos",
            "metric": "upos.accuracy",
            "value": 0.9512,
            "interval": [0.947, 0.955],
            "words": 52000,
            "sentences": 1721,
        }
    ],
)


def _front(card: str) -> dict[str, object]:
    """The front matter: every value is JSON, which is YAML."""
    _, front, _ = card.split("---\n", 2)
    pairs = [line.split(": ", 1) for line in front.splitlines() if not line.startswith("#")]
    return {key: json.loads(value) if value[0] in '["{' else value for key, value in pairs}


def test_the_front_matter_names_languages_licence_base_and_scores() -> None:
    front = _front(model_card(CONFIG))
    assert front["language"] == ["es", "ca"]
    assert front["license"] == "cc-by-sa-4.0"
    assert front["base_model"] == "FacebookAI/xlm-roberta-base"
    assert front["tags"] == ["calque", "pos"]
    (index,) = front["model-index"]  # type: ignore[misc]
    (result,) = index["results"]
    assert result["metrics"] == [{"type": "accuracy", "name": "upos.accuracy", "value": 0.9512}]
    assert "es_ancora" in result["dataset"]["name"]


def test_the_text_shows_data_scores_and_seed() -> None:
    card = model_card(CONFIG)
    assert "| UD_Spanish-AnCora | CC BY 4.0 | 500 |" in card
    assert "| language | file | words | upos.accuracy |" in card
    assert "| es | es_ancora-ud-test.conllu | 52000 | 95.12 (94.7–95.5) |" in card
    assert '"seed": 7' in card


def test_all_measures_of_a_file_stand_in_one_line_and_the_hub_has_one_of_each_task() -> None:
    more = [{**CONFIG.scores[0], "metric": metric, "value": value} for metric, value in (("uas", 0.9), ("las", 0.85))]
    card = model_card(replace(CONFIG, scores=[*CONFIG.scores, *more]))
    assert "| language | file | words | upos.accuracy | uas | las |" in card
    assert card.count("| es_ancora-ud-test.conllu |") == 1
    (index,) = _front(card)["model-index"]  # type: ignore[misc]
    assert [r["metrics"][0]["name"] for r in index["results"]] == ["upos.accuracy", "las"]


def test_an_empty_model_has_a_card_too() -> None:
    card = model_card(ModelConfig())
    assert "base_model" not in card
    assert "Not stated" in card


def test_a_folder_is_no_base_model() -> None:
    for base in ("/home/me/m", "./m", "mini", "a/b/c"):
        assert "base_model" not in model_card(ModelConfig(base=base))


def test_text_that_would_break_the_table_or_front_matter_does_not() -> None:
    config = ModelConfig(
        name="a: b\n---\n", provenance={"data": [{"name": "x|y\nz"}, "plain"]}, scores=[{"metric": "m", "value": 1}]
    )
    front, rest = model_card(config).split("---\n", 2)[1:]
    assert "model-index" in front
    assert "x\\|y z" in rest


def test_the_hub_client_reads_the_card() -> None:
    from huggingface_hub import ModelCard

    data = ModelCard(model_card(CONFIG)).data
    assert data.language == ["es", "ca"]
    assert data.eval_results[0].metric_value == 0.9512


def test_names_and_cards_need_no_pytorch() -> None:
    code = (
        "import sys, calque.models, calque.models.hub, calque.models.card, calque.models.saving, calque.pieces;"
        "print([m for m in ('torch', 'transformers', 'huggingface_hub.hf_api', 'safetensors') if m in sys.modules])"
    )
    source = {**os.environ, "PYTHONPATH": str(Path(calque.__file__).parents[1])}
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=source)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("task", "kind", "tag"), [("classify", "texts", "text-classification"), ("embed", "vectors", "sentence-similarity")]
)
def test_a_model_that_reads_texts_is_not_passed_off_as_a_tagger(task: str, kind: str, tag: str) -> None:
    score = {"task": task, "metric": TASKS[task].metric, "value": 0.9, "language": "en", "file": "validation"}
    card = model_card(ModelConfig(name="reviews", tasks={task: TaskConfig(["good", "bad"], kind)}, scores=[score]))
    front = _front(card)
    assert front["pipeline_tag"] == tag
    assert front["model-index"][0]["results"][0]["task"]["type"] == tag  # type: ignore[index]
    assert "universal_dependencies" not in card and ".parse(" not in card


def test_a_model_with_both_kinds_of_heads_is_a_tagger() -> None:
    both = {"classify": TaskConfig(["good", "bad"], "texts"), "pos": TaskConfig(["NOUN", "VERB"])}
    card = model_card(ModelConfig(name="both", tasks=both))
    assert _front(card)["pipeline_tag"] == "token-classification" and ".parse(" in card
