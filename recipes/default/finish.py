"""Export the embedded default, measure it on every test file of its languages, and write its card.

    python recipes/default/finish.py --data ../shared/data --work build/default --encoder src/calque/bundled/mini \\
        --output src/calque/bundled/default

The embedding table and the tokenizer are those of the encoder it was trained on, which ships beside it: written once.
The 8-bit weights are checked against float on the sentences that were kept aside for model selection, up to forty a language.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from dataclasses import replace
from pathlib import Path

from calque.config import ModelConfig
from calque.evaluation.metrics import macro_accuracy
from calque.evaluation.report import evaluate
from calque.formats.conllu import read_conllu
from calque.models.card import model_card
from calque.runtime.export import export
from calque.runtime.sharing import share

LEAST = 500  # training sentences of a language that counts in the macro average
LICENCE = "CC-BY-SA-4.0"


def test_files(data: Path) -> dict[str, list[Path]]:
    """Language → test files, every treebank at hand."""
    found: dict[str, list[Path]] = {}
    with (data / "ud" / "INDEX.tsv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == "test":
                found.setdefault(row["iso"], []).append(data / "ud" / row["treebank"] / "test.conllu.xz")
    return found


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True, help="mini, beside the output")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--quantise", choices=("int8", "none"), default="int8")
    args = parser.parse_args()
    check = []
    for path in sorted(args.work.glob("*.dev.conllu")):
        for number, sentence in enumerate(read_conllu(path)):
            if number >= 40:
                break
            check.append([t.text for t in sentence.tokens])
    report = export(args.work / "model", args.output, quantise=args.quantise, check=check)
    print(report, flush=True)
    share(args.output, args.encoder, place=os.path.relpath(args.encoder, args.output))
    sources = json.loads((args.work / "sources.json").read_text(encoding="utf-8"))
    config = ModelConfig.from_folder(args.output)
    files = {lang: paths for lang, paths in sorted(test_files(args.data).items()) if lang in config.languages}
    found = evaluate(str(args.output), files, on_error="skip")
    enough = {lang: tally for lang, tally in found.tallies.items() if sources["languages"][lang]["train"] >= LEAST}
    macro = macro_accuracy(enough, no_mwt=False, resamples=1000, seed=0)
    scores = []
    for result in found.to_json_dict()["results"]:
        name = Path(result["file"]).parent.name + " test" if result["file"] else "all files"
        scores.append(
            {**result, "file": name, "value": round(result["value"], 5), "interval": [round(v, 5) for v in result["interval"]]}
        )
    data: dict[tuple[str, str], int] = {}
    for t in sources["treebanks"]:
        data[t["treebank"], t["licence"]] = data.get((t["treebank"], t["licence"]), 0) + t["sentences"]
    training = config.provenance.get("training", [])
    kept = [
        {
            k: v
            for k, v in entry.items()
            if k in ("task", "date", "model", "versions", "options", "seconds", "steps", "words", "epochs")
        }
        for entry in training
    ]
    provenance = {
        "about": "UPOS for running text in many languages; trained by recipes/default on Universal Dependencies treebanks with "
        "free licences. Where the train file of a treebank was not at hand its dev file trained (nine tenths of it). Test files "
        "never did.",
        "data": [{"name": name, "licence": licence, "sentences": n} for (name, licence), n in sorted(data.items())],
        "training": kept,
        "training_sentences": {lang: r["train"] for lang, r in sources["languages"].items()},
        "macro": {
            "metric": "upos.accuracy",
            "languages": len(enough),
            "least_training_sentences": LEAST,
            "value": round(macro.value, 5),
            "interval": [round(v, 5) for v in macro.interval],
        },
    }
    config = replace(config, name="default", base="mini", licence=LICENCE, scores=scores, provenance=provenance)
    (args.output / "config.json").write_text(config.to_json(), encoding="utf-8")
    (args.output / "README.md").write_text(model_card(config), encoding="utf-8")
    (args.work / "evaluation.json").write_text(json.dumps(found.to_json_dict(), indent=1), encoding="utf-8")
    for lang in sorted(found.tallies):
        result = found.score(lang)
        print(f"{lang}: {result.value:.4f}" if result else lang, sources["languages"][lang]["train"])
    for result in found.results:
        if (
            result.metric == "upos.accuracy"
            and result.file
            and any(n in result.file for n in ("EWT", "AnCora", "_French-GSD", "_German-GSD", "Spanish-GSD"))
        ):
            print(Path(result.file).parent.name, f"{result.value:.4f}", result.words)
    print(f"macro over {len(enough)} languages: {macro.value:.4f} {macro.interval}; {found.words_per_second:,.0f} words/s")


if __name__ == "__main__":
    main()
