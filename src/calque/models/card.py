"""The model card (``README.md``): what a model is, from which data, under which licence, and what it scored.

The front matter follows the Hub's model-card format (``language``, ``license``, ``base_model``, ``model-index``), so that the Hub
shows scores and licence. JSON is YAML: values are written as JSON, and no YAML library is needed. PyTorch-free.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from calque.config import ModelConfig
from calque.tasks import TASKS

_METRICS = {
    "upos.accuracy": "accuracy",
    "upos.accuracy.no_mwt": "accuracy",
    "classify.accuracy": "accuracy",
    "ner.f1": "f1",
    "dep.las": "las",
    "dep.uas": "uas",
}
_WORDS = "token-classification"
_TEXTS: dict[str, tuple[str, str]] = {  # kind of a head that reads whole texts → what the Hub calls it, and a call of it
    "texts": ("text-classification", 'classify("Me encanta este producto", model="{}")'),
    "vectors": ("sentence-similarity", 'load("{}").embed(["El gato está en la mesa", "The cat is on the table"])'),
}


def model_card(config: ModelConfig) -> str:
    """The text of a model's ``README.md``.

    Scores are ``{"language", "file", "task", "metric", "value", "interval": [low, high], "words", "sentences"}``; in
    ``provenance``, ``data`` is a list of ``{"name", "licence", "sentences"}`` (any keys; the missing are left out).
    """
    lines = ["---", *_front_matter(config), "---", "", f"# {config.name or 'A calque model'}", ""]
    base = f" It started from `{config.base}`." if config.base and config.base != config.name else ""
    what = ", ".join(f"`{task}` ({len(made.labels)} labels)" for task, made in config.tasks.items()) or "none yet"
    lines += [f"A model for calque, with the heads: {what}.{base}", ""]
    lines += [
        "```python",
        "import calque",
        "",
        f"calque.{_call(config).format(config.name or 'path/to/this/folder')}",
        "```",
        "",
    ]
    lines += [*_data(config.provenance), *_scores(config.scores), *_training(config.provenance)]
    lines += [
        "## Licence",
        "",
        config.licence or "Not stated. It follows from the encoder's and the training data's licences.",
        "",
    ]
    return "\n".join(lines)


def _reads_texts(config: ModelConfig) -> tuple[str, str] | None:
    """The entry in :data:`_TEXTS` of a model none of whose heads labels words."""
    kinds = [made.kind for made in config.tasks.values()]
    return _TEXTS[kinds[0]] if kinds and all(kind in _TEXTS for kind in kinds) else None


def _call(config: ModelConfig) -> str:
    found = _reads_texts(config)
    return found[1] if found else 'load("{}").parse("El gato está en la mesa", lang="es")'


def _front_matter(config: ModelConfig) -> Iterator[str]:
    if config.languages:
        yield f"language: {_yaml(config.languages)}"
    if config.licence:
        yield f"license: {_yaml(config.licence.lower())}"
    yield "library_name: calque"
    found = _reads_texts(config)
    yield f"pipeline_tag: {found[0] if found else _WORDS}"
    yield f"tags: {_yaml(['calque', *config.tasks])}"
    if config.base.count("/") == 1 and not config.base.startswith((".", "/")):
        yield f"base_model: {_yaml(config.base)}"
    data = [str(d["name"]) for d in _list(config.provenance.get("data")) if d.get("name")]
    if data:
        yield f"# training data: {', '.join(data)}".replace("\n", " ")
    if config.scores:
        main = {kind.metric for kind in TASKS.values()}  # of each task the one that counts: the Hub lists them all
        known = any(s.get("metric") in main for s in config.scores)
        results = [_result(s) for s in config.scores if "value" in s and (s.get("metric") in main or not known)]
        yield f"model-index: {_yaml([{'name': config.name or 'model', 'results': results}])}"


def _result(score: Mapping[str, Any]) -> dict[str, Any]:
    metric, task = str(score.get("metric", "accuracy")), str(score.get("task", "pos"))
    of_texts = _TEXTS.get(TASKS[task].kind if task in TASKS else "")
    where = " ".join(str(score[key]) for key in ("language", "file") if score.get(key))
    return {
        "task": {"type": of_texts[0] if of_texts else _WORDS, "name": task},
        "dataset": {"type": "texts" if of_texts else "universal_dependencies", "name": where or "unnamed"},
        "metrics": [{"type": _METRICS.get(metric, metric), "name": metric, "value": score["value"]}],
    }


def _data(provenance: Mapping[str, Any]) -> Iterator[str]:
    data = _list(provenance.get("data"))
    if not data:
        return
    yield from ("## Training data", "", "| data | licence | sentences |", "|---|---|---:|")
    for item in data:
        yield f"| {_cell(item.get('name'))} | {_cell(item.get('licence'))} | {_cell(item.get('sentences'))} |"
    yield ""


def _scores(scores: list[dict[str, Any]]) -> Iterator[str]:
    if not scores:
        return
    metrics = list(dict.fromkeys(_cell(score.get("metric")) for score in scores))
    rows: dict[tuple[str, str], dict[str, str]] = {}
    words: dict[tuple[str, str], int] = {}
    for score in scores:
        place = (_cell(score.get("language")), _cell(score.get("file")))
        rows.setdefault(place, {})[_cell(score.get("metric"))] = _shown(score)
        words[place] = max(words.get(place, 0), int(score.get("words") or 0))
    yield from ("## Scores", "", "In per cent, with 95 % intervals.", "")
    yield f"| language | file | words | {' | '.join(metrics)} |"
    yield f"|---|---|---:|{'---:|' * len(metrics)}"
    for place, found in rows.items():
        yield f"| {' | '.join([*place, str(words[place] or ''), *(found.get(metric, '') for metric in metrics)])} |"
    yield ""


def _shown(score: Mapping[str, Any]) -> str:
    value = score.get("value")
    if not isinstance(value, (int, float)):
        return ""
    interval = "–".join(f"{100 * float(v):.1f}" for v in score.get("interval") or ())
    return f"{100 * float(value):.2f}{f' ({interval})' if interval else ''}"


def _training(provenance: Mapping[str, Any]) -> Iterator[str]:
    rest = {key: value for key, value in provenance.items() if key != "data"}
    if rest:
        yield from ("## How it was made", "", "```json", json.dumps(rest, ensure_ascii=False, indent=2, default=str), "```", "")


def _list(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    return [v if isinstance(v, dict) else {"name": v} for v in value] if isinstance(value, list) else []


def _cell(value: Any) -> str:  # noqa: ANN401 - JSON
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


def _yaml(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, ensure_ascii=False, default=str)
