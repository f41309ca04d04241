"""Write the encoder's card from what the other steps left behind.

python recipes/mini/card.py --work build/mini --output src/calque/bundled/mini
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    corpus = json.loads((args.work / "corpus.json").read_text(encoding="utf-8"))
    config = json.loads((args.output / "config.json").read_text(encoding="utf-8"))
    log = [json.loads(line) for line in (args.work / "pretrain.jsonl").read_text(encoding="utf-8").splitlines()]
    languages = {lang: sum(used.values()) for lang, used in corpus["bytes"].items()}
    totals: dict[str, int] = {}
    for used in corpus["bytes"].values():
        for name, n in used.items():
            totals[name] = totals.get(name, 0) + n
    licences: dict[str, set[str]] = {}
    for name, licence in corpus["licences"]:
        licences.setdefault(name, set()).add(licence)
    lines = [
        "---",
        f"language: {json.dumps(sorted(languages))}",
        "license: cc-by-sa-4.0",
        "library_name: transformers",
        'tags: ["calque", "fill-mask"]',
        "---",
        "",
        "# mini",
        "",
        "A compact multilingual encoder, trained on raw and parallel text only: it has seen no label of any kind, so zero-shot",
        "figures that start from it are clean. It ships with calque and any tool that reads Hugging Face models loads it.",
        "",
        f"- {config['num_hidden_layers']} layers of {config['hidden_size']}, embeddings of {config['embedding_size']}, "
        f"{config['vocab_size']:,} pieces, windows of {config['max_position_embeddings']} pieces, float16 on disk",
        f"- embeddings started from counts (positive PMI, SVD, rotated onto English over pieces of parallel lines); then masked "
        f"language modelling over {log[-1]['pieces'] / 1e6:.1f} million pieces ({log[-1]['minutes']:.0f} minutes of two "
        f"processor cores; last loss {log[-1]['loss']:.2f} over sampled pieces)",
        "- made by `recipes/mini`; lines that share eight words in a row with a test sentence of Universal Dependencies were",
        "  left out",
        "- limits: a first, quick version, far from converged; the Bible is a large part of many languages' text",
        "",
        "## Text",
        "",
        "| corpus | MB | licence |",
        "|---|---:|---|",
        *(
            f"| {name} | {n / 1e6:.1f} | {'; '.join(sorted(licences[name]))} |"
            for name, n in sorted(totals.items(), key=lambda t: -t[1])
        ),
        "",
        "`bible-christos` is the parallel Bible corpus by Christodouloupoulos and Steedman, whose collection claims CC0.",
        "",
        f"## Languages ({len(languages)})",
        "",
        ", ".join(f"{lang} {n / 1e6:.1f}" for lang, n in sorted(languages.items())) + " (MB of text)",
        "",
        "## Licence",
        "",
        "CC BY-SA 4.0, after the strictest of the text's licences.",
        "",
    ]
    (args.output / "README.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
