"""Calibrate and export the embedded default, measure it on every test file of its languages, and write its card.

    python recipes/default/finish.py --data ../shared/data --work build/default --encoder src/calque/bundled/mini \\
        --output src/calque/bundled/default

The embedding table and the tokenizer are those of the encoder it was trained on, which ships beside it: written once.
The 8-bit weights are checked against float on the sentences that were kept aside for model selection, up to forty a language.
How cosines of texts and labels become probabilities is fitted on SIB-200's English train split (topics; no label of it trains a
weight).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calque.config import ModelConfig
from calque.evaluation.counting import Counter, macro
from calque.evaluation.report import Evaluation, evaluate
from calque.formats.classification import read_texts
from calque.formats.conllu import read_conllu
from calque.models import Model
from calque.models.card import model_card
from calque.runtime.export import export
from calque.runtime.sharing import share

LEAST = 500  # training sentences of a language that counts in the macro average
LICENCE = "CC-BY-SA-4.0"
SHOWN = ("EWT", "AnCora", "_French-GSD", "_German-GSD", "Spanish-GSD", "GSDSimp")
CODES = {"nno": "no", "nob": "no"}


def treebank_files(data: Path) -> dict[str, list[Path]]:
    """Language → test files of every treebank at hand."""
    found: dict[str, list[Path]] = defaultdict(list)
    with (data / "ud" / "INDEX.tsv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == "test":
                found[row["iso"]].append(data / "ud" / row["treebank"] / "test.conllu.xz")
    return found


def entity_files(data: Path) -> dict[str, list[Path]]:
    """Language → test files of Universal NER. Entities that treebanks bring in MISC have other types."""
    found: dict[str, list[Path]] = defaultdict(list)
    with (data / "labelled" / "INDEX.tsv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["dataset"] == "uner" and row["split"] == "test":
                found[CODES.get(row["language"], row["language"])].append(data / "labelled" / (row["path"] + ".xz"))
    return found


def calibrate(folder: Path, data: Path) -> dict[str, float]:
    """Temperature and offset of the model's cosines, by the likelihood of labelled texts; written into its config."""
    model = Model.load(folder)
    texts = list(read_texts(data / "labelled" / "sib200" / "eng_Latn" / "train.tsv.xz"))
    labels = sorted({text.labels[0] for text in texts})
    cosines = model.embed([t.text for t in texts]) @ model.embed([label.replace("/", " and ") for label in labels]).T
    right = np.array([labels.index(t.labels[0]) for t in texts])
    is_right = np.arange(len(labels)) == right[:, None]

    def loss(temperature: float) -> float:
        scaled = cosines / temperature
        scaled -= scaled.max(axis=1, keepdims=True)
        return float(-(scaled[is_right] - np.log(np.exp(scaled).sum(axis=1))).mean())

    temperature = min((round(t, 3) for t in np.geomspace(0.01, 0.5, 60)), key=loss)

    def several(offset: float) -> float:
        chance = 1.0 / (1.0 + np.exp(-(cosines - offset) / temperature))
        return float(-np.log(np.where(is_right, chance, 1.0 - chance) + 1e-9).mean())

    offset = min((round(o, 3) for o in np.linspace(-0.2, 0.8, 101)), key=several)
    found = {"temperature": float(temperature), "offset": float(offset)}
    config = ModelConfig.from_folder(folder)
    head = next(name for name, made in config.tasks.items() if made.kind == "vectors")
    config.tasks[head].options.update(found)
    (folder / "config.json").write_text(config.to_json(), encoding="utf-8")
    accuracy = float((cosines.argmax(axis=1) == right).mean())
    print(
        f"topics of {len(texts)} English texts by likeness: {accuracy:.3f}; temperature {temperature}, offset {offset}",
        flush=True,
    )
    return found


def scores_of(found: Evaluation) -> list[dict[str, Any]]:
    """Every figure as the card has it, named by its treebank."""
    scores = []
    for result in found.to_json_dict()["results"]:
        path = Path(result["file"]) if result["file"] else None
        named = "UNER " * bool(path and path.suffixes[0] == ".iob2") + (path.parent.name + " test" if path else "all files")
        named += ", told" * ("treebank" in result)
        interval = [round(v, 5) for v in result["interval"]]
        scores.append({**result, "file": named, "value": round(result["value"], 5), "interval": interval})
    return scores


def measure(
    folder: Path, data: Path, own: dict[str, int], *, limit: int | None, entities: bool
) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Every figure of the model's languages, and the means over languages with much training data.

    Once as of any text, and once more told the treebank where the model knows it ("told"; means: with ``.told``).

    :param own: training sentences of each language.
    :param entities: the model finds them too.
    """
    scores: list[dict[str, Any]] = []
    means: dict[str, dict[str, Any]] = {}
    rounds = [(treebank_files(data), False, "none"), *([(entity_files(data), True, "none")] * entities)]
    if ModelConfig.from_folder(folder).treebanks:
        rounds.append((treebank_files(data), False, "auto"))
    for made, of_entities, told in rounds:
        files = {lang: paths for lang, paths in sorted(made.items()) if lang in own}
        tasks = "ner" if of_entities else None
        found = evaluate(str(folder), files, tasks=tasks, on_error="skip", limit=limit, treebank=told)
        mine = [score for score in scores_of(found) if (score["task"] == "ner") == of_entities]
        scores += [score for score in mine if told == "none" or "treebank" in score]
        enough = {lang: counters for lang, counters in found.counts.items() if own[lang] >= LEAST}
        for task, metric in dict.fromkeys((r.task, r.metric) for r in found.results if (r.task == "ner") == of_entities):
            counters: dict[str, Counter] = {lang: counted[task] for lang, counted in enough.items() if task in counted}
            mean = macro(task, metric, counters, resamples=1000, seed=0)
            interval = [round(v, 5) for v in mean.interval]
            means[metric + ".told" * (told == "auto")] = {
                "languages": len(counters),
                "value": round(mean.value, 5),
                "interval": interval,
            }
    return scores, means


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="by default WORK/model")
    parser.add_argument("--encoder", type=Path, required=True, help="mini, beside the output")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--quantise", choices=("int8", "none"), default="int8")
    parser.add_argument("--limit", type=int, help="only the first sentences of each test file, for a trial")
    args = parser.parse_args()
    model = args.model or args.work / "model"
    sources = json.loads((args.work / "sources.json").read_text(encoding="utf-8"))
    kinds = {made.kind for made in ModelConfig.from_folder(model).tasks.values()}
    for kind, part, step in (("entities", "entities", "names"), ("vectors", "pairs", "pairs")):
        if kind in kinds and not sources.get(part):
            parser.error(f"{args.work / 'sources.json'} names no {part}, which the card must: run recipes/default/{step}.py")
    if "vectors" in kinds:
        calibrate(model, args.data)
    check = []
    for path in sorted(args.work.glob("*.dev.conllu")):
        for number, sentence in enumerate(read_conllu(path)):
            if number >= 40:
                break
            check.append([t.text for t in sentence.tokens])
    report = export(model, args.output, quantise=args.quantise, check=check)
    print(report, flush=True)
    share(args.output, args.encoder, place=os.path.relpath(args.encoder, args.output))
    config = ModelConfig.from_folder(args.output)
    own = {lang: r["train"] for lang, r in sources["languages"].items()}
    scores, means = measure(args.output, args.data, own, limit=args.limit, entities="ner" in config.tasks)
    data: dict[tuple[str, str], int] = defaultdict(int)
    for part in ("treebanks", "entities", "pairs"):
        for t in sources.get(part, []):
            data[t["treebank"], t["licence"]] += t["sentences"]
    wanted = ("task", "date", "model", "versions", "options", "seconds", "steps", "words", "epochs")
    training = [{k: v for k, v in entry.items() if k in wanted} for entry in config.provenance.get("training", [])]
    provenance = {
        "about": "Tags, features, trees, entities and sentence vectors for running text in many languages; trained by "
        "recipes/default on Universal Dependencies treebanks, Universal NER and parallel text with free licences. Where the "
        "train file of a treebank was not at hand its dev file trained (nine tenths of it). Test files never did.",
        "data": [{"name": name, "licence": licence, "sentences": n} for (name, licence), n in sorted(data.items())],
        "training": training,
        "training_sentences": own,
        "macro": {"least_training_sentences": LEAST, **means},
    }
    languages = sorted(own)  # those of pairs of texts alone have taught it no word forms
    config = replace(
        config, name="default", base="mini", licence=LICENCE, languages=languages, scores=scores, provenance=provenance
    )
    (args.output / "config.json").write_text(config.to_json(), encoding="utf-8")
    (args.output / "README.md").write_text(model_card(config), encoding="utf-8")
    for score in scores:
        if any(name in score["file"] for name in SHOWN):
            print(score["file"], score["metric"], f"{score['value']:.4f}", score["words"])
    for metric, told in means.items():
        print(f"{metric}, mean of {told['languages']} languages: {told['value']:.4f} {told['interval']}")


if __name__ == "__main__":
    main()
