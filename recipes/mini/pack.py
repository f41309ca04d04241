"""Step 4 of the recipe: the encoder in 8 bits, with its card.

python recipes/mini/pack.py --work build/mini --stage whole --output src/calque/bundled/mini
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from tokenizers import Tokenizer

from calque.models.encoder import load_backbone
from calque.pretraining.model import save_packed

TEACHER = "all-MiniLM-L6-v2 (Apache-2.0; Reimers and Gurevych 2019, on MiniLM by Wang et al. 2020)"


def card(work: Path, folder: Path, stages: list[str]) -> str:
    """The model card, from what the other steps left behind."""
    words = json.loads((work / "corpus.json").read_text(encoding="utf-8"))["words"]
    licences: dict[str, list[str]] = {}
    for name, licence in json.loads((work / "licences.json").read_text(encoding="utf-8")):
        licences.setdefault(name, []).append(licence)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    runs = []
    for stage in stages:
        log = [json.loads(line) for line in (work / stage / "log.jsonl").read_text(encoding="utf-8").splitlines()]
        runs.append(f"{stage}: {log[-1]['pieces'] / 1e6:.1f} million pieces in {log[-1]['minutes']:.0f} minutes")
    totals: dict[str, int] = {}
    for parts in words.values():
        for name, n in parts.items():
            totals[name] = totals.get(name, 0) + n
    languages = {lang: sum(parts.values()) for lang, parts in words.items()}
    lines = [
        "---",
        f"language: {json.dumps(sorted({*languages, 'en'}))}",
        "license: cc-by-sa-4.0",
        "library_name: calque",
        'tags: ["calque", "multilingual"]',
        "---",
        "",
        "# mini",
        "",
        "A compact multilingual encoder, made from an English one with raw and parallel text only. It has seen no tag, tree or",
        "entity of any language, so zero-shot figures that start from it are clean. (The English encoder was tuned by its",
        "authors on pairs of English sentences that belong together, such as questions and answers.) It ships with calque.",
        "",
        f"- {config['num_hidden_layers']} layers of {config['hidden_size']}, {config['vocab_size']:,} pieces, windows of "
        f"{config['max_position_embeddings']} pieces; 8-bit weights with a scale a row, read as float32",
        f"- body: the {config['num_hidden_layers']} lowest layers of {TEACHER},",
        "  an English encoder, which is the teacher too. The vocabulary is new (unigram, a language at a time, merged); each",
        "  piece started as the mean of the English pieces that it is linked to in parallel text; then the encoder",
        "  learnt to give linked words the vectors that the teacher gives their translations",
        f"- trained on two processor cores: {'; '.join(runs)}",
        "- made by `recipes/mini`; lines that share eight words in a row with a test sentence of Universal Dependencies were",
        "  left out",
        "- limits: Bible, software and short everyday sentences are most of the text; names and news are rare",
        "",
        "## Text",
        "",
        "| corpus | words | licence |",
        "|---|---:|---|",
        *(
            f"| {name} | {n:,} | {'; '.join(licences[name])} |"
            for name, n in sorted(totals.items(), key=lambda t: -t[1])
            if name in licences
        ),
        "",
        "Words of the target languages; the English side of the same corpora comes with them. `bible-christos` is the parallel",
        "Bible corpus by Christodouloupoulos and Steedman, whose collection claims CC0.",
        "",
        f"## Languages ({len({*languages, 'en'})})",
        "",
        ", ".join(f"{lang} {n:,}" for lang, n in sorted(languages.items())) + " (words at hand)",
        "",
        "## Licence",
        "",
        "CC BY-SA 4.0, after the strictest of the text's licences.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--stage", default="whole")
    parser.add_argument("--stages", default="lower,whole", help="for the card, in order")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    encoder = args.work / args.stage / "encoder"
    fresh = args.work / "packed"
    shutil.rmtree(fresh, ignore_errors=True)
    save_packed(load_backbone(encoder, encoder), Tokenizer.from_file(str(args.work / "tokenizer.json")), fresh)
    (fresh / "README.md").write_text(card(args.work, fresh, args.stages.split(",")), encoding="utf-8")
    shutil.rmtree(args.output, ignore_errors=True)
    shutil.copytree(fresh, args.output)
    print(f"{args.output}: {sum(p.stat().st_size for p in args.output.iterdir()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
