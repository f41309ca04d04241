from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.config import FORMAT_VERSION, ModelConfig, TaskConfig, is_calque_model
from calque.errors import ModelError


def _write(folder: Path, text: str) -> Path:
    (folder / "config.json").write_text(text, encoding="utf-8")
    return folder


def test_everything_survives_a_round_trip(tmp_path: Path) -> None:
    config = ModelConfig(
        name="m",
        encoder="org/name",
        encoder_revision="abc",
        pooling="first",
        max_length=128,
        tasks={"pos": TaskConfig(labels=["NOUN", "VERB"], transform={"activation": "gelu"})},
        languages=["es", "ca"],
        provenance={"data": [{"name": "UD_Catalan-AnCora"}], "seed": 3},
        scores=[{"language": "ca", "value": 0.951}],
    )
    _write(tmp_path, config.to_json())
    assert ModelConfig.from_folder(tmp_path) == config
    assert is_calque_model(tmp_path)


def test_keys_of_a_newer_calque_are_kept(tmp_path: Path) -> None:
    plain = json.loads(ModelConfig(tasks={"pos": TaskConfig(["X"])}).to_json())
    plain["adapters"] = ["es"]
    plain["tasks"]["pos"]["shades"] = 3
    config = ModelConfig.from_folder(_write(tmp_path, json.dumps(plain)))
    again = json.loads(config.to_json())
    assert again["adapters"] == ["es"]
    assert again["tasks"]["pos"]["shades"] == 3
    assert again["tasks"]["pos"]["labels"] == ["X"]


def test_a_newer_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    plain = json.loads(ModelConfig().to_json()) | {"format_version": FORMAT_VERSION + 1}
    with pytest.raises(ModelError, match="install a newer calque"):
        ModelConfig.from_folder(_write(tmp_path, json.dumps(plain)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"model_type": "bert"}',
        "\x00",
        '{"format": "calque-model", "format_version": "one"}',
        '{"format": "calque-model", "format_version": 1, "tasks": []}',
        '{"format": "calque-model", "format_version": 1, "tasks": {"pos": {}}}',
        '{"format": "calque-model", "format_version": 1, "tasks": {"pos": {"labels": "NOUN"}}}',
        '{"format": "calque-model", "format_version": 1, "tasks": {"pos": 3}}',
        '{"format": "calque-model", "format_version": 1, "max_length": "many"}',
        '{"format": "calque-model", "format_version": 1, "languages": "es"}',
        '{"format": "calque-model", "format_version": 1, "scores": {"es": 1}}',
    ],
)
def test_damage_is_an_error_that_names_the_folder(tmp_path: Path, text: str) -> None:
    with pytest.raises(ModelError) as caught:
        ModelConfig.from_folder(_write(tmp_path, text))
    assert str(tmp_path) in str(caught.value)


def test_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    assert not is_calque_model(tmp_path)
    assert not is_calque_model(tmp_path / "nowhere")
    assert not is_calque_model(_write(tmp_path, "[1]"))
    with pytest.raises(ModelError, match="no model here"):
        ModelConfig.from_folder(tmp_path / "nowhere")
