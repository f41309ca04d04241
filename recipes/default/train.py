"""Train the embedded default on top of the encoder: tags, features, trees, entities and sentence vectors, in one run.

    python recipes/default/train.py --work build/default --encoder src/calque/bundled/mini --teacher build/teacher --minutes 150
    python recipes/default/train.py --work build/default --encoder build/default/model --minutes 42 --frozen \\
        --output build/default/settled

Choices and trade-offs
- One encoder for all tasks, each with its own mean over the layers; every sentence trains what its file is labelled with.
- The encoder with word features (hashed forms and affixes) beside it. They train alone for a fifth of the run, at four to five
  times as many words a second, and then together with the encoder.
- The encoder's embeddings stay as they are (its default): the default uses the table of ``mini``, which ships beside it, and what
  was aligned for languages without a treebank stays aligned.
- Three words in ten have features hidden, some of them in whole sentences: what a word is must be read from the encoder too, as
  it must in languages whose words were never trained on.
- Languages are drawn in proportion to the square root of their sentences; the six that the project measures itself by in every
  release count more, since most of their large train files are not at hand: es three times, ca, fr and de double, en and zh
  by half.
- The model is told the treebank of three sentences in five: those of one language label differently (calque/conventions.py).
- Half as much again as the default rate for the encoder's width: millions of labelled words teach it more than forgetting costs.
- What stands on the encoder needs more passes than the encoder does. A second run (``--frozen``) gives it those alone, on vectors
  that are kept on disk (some 20 GB), of 6,000 sentences a language at most: six times as many words a second.
- A few words and pieces are hidden: rare words of small treebanks must be read from their surroundings. No dropout inside the
  encoder: the data is seen once or twice, and on a processor dropout costs speed (random numbers; no fused attention).
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

TASKS = "pos,feats,dep,ner,embed"
FACTORS = {"es": 3, "ca": 2, "fr": 2, "de": 2, "en": 1.5, "zh": 1.5}
LEAST = 10  # validation sentences: a handful says nothing about a language and would sway the mean
FROZEN = "--freeze-backbone --cache-limit 30 --limit 6000 --word-dropout 0 --piece-dropout 0"
PAIRS_WEIGH = 0.3  # of a pair of texts over a sentence: they are many, and of one task


def by_language(work: Path, patterns: tuple[str, ...]) -> dict[str, list[Path]]:
    """Files of each language."""
    found: dict[str, list[Path]] = {}
    for pattern in patterns:
        for path in sorted(work.glob(pattern)):
            found.setdefault(path.name.split(".")[0], []).append(path)
    return dict(sorted(found.items()))


def items(path: Path) -> float:
    """Sentences of a file."""
    text = path.read_text(encoding="utf-8")
    return PAIRS_WEIGH * text.count("\n") if path.suffix == ".tsv" else text.count("\n\n")


def shares(files: dict[str, list[Path]], factors: dict[str, int]) -> str:
    """The argument of ``--mix``."""
    return ",".join(f"{math.sqrt(sum(map(items, paths))) * factors.get(lang, 1):.2f}" for lang, paths in files.items())


def main() -> None:
    """Run the step: ``calque train`` with every language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--teacher", help="of sentence vectors")
    parser.add_argument("--minutes", type=float, default=150)
    parser.add_argument("--tasks", help=f"by default {TASKS}; with --frozen those of words")
    parser.add_argument("--output", type=Path, help="by default WORK/model")
    parser.add_argument("--alone", type=float, help="part of the run in which word features train alone: 0.2; with --frozen 0")
    parser.add_argument("--learning-rate", help="by default 2e-4; with --frozen 1e-4")
    parser.add_argument("--frozen", action="store_true", help="the encoder stays as it is, and what it says is kept on disk")
    parser.add_argument("--options", default="", help="more options of calque train")
    args = parser.parse_args()
    work: Path = args.work
    tasks = (args.tasks or (TASKS.replace(",embed", "") if args.frozen else TASKS)).split(",")
    if "embed" in tasks and not args.teacher:
        parser.error("--teacher is what sentence vectors (embed) are learnt from: give its folder")
    patterns = ["*.train.conllu"] * bool({"pos", "feats", "dep"} & set(tasks))
    patterns += ["*.names.train.iob2"] * ("ner" in tasks) + ["*.pairs.tsv"] * ("embed" in tasks)
    train = by_language(work, tuple(patterns))
    if not train:
        parser.error(f"{work} has no {' or '.join(patterns)}: treebanks.py, names.py and pairs.py beside this script write them")
    dev = by_language(work, tuple(p.replace("train", "dev") for p in patterns if "pairs" not in p))
    command = [sys.executable, "-m", "calque", "train", ",".join(tasks), "--model", args.encoder]
    command += ["--output", str(args.output or work / "model")]
    for lang, paths in train.items():
        for path in paths:
            command += ["--train", f"{lang}={path}"]
    for lang, paths in dev.items():
        for path in paths:
            if items(path) >= LEAST:
                command += ["--validation", f"{lang}={path}"]
    command += ["--mix", shares(train, FACTORS), "--epochs", "30", "--max-minutes", str(args.minutes)]
    command += ["--patience", "0", "--eval-limit", "30"]
    rate = args.learning_rate or ("1e-4" if args.frozen else "2e-4")
    command += ["--learning-rate", rate, "--head-factor", "8", "--batch-words", "900"]
    command += ["--warmup", "0.05", "--schedule", "cosine"]
    command += ["--dropout", "0", "--word-dropout", "0.04", "--piece-dropout", "0.02", "--layer-mix", "--treebank-token"]
    alone = args.alone if args.alone is not None else 0 if args.frozen else 0.2
    command += ["--word-features", "--feature-dropout", "0.3", "--lexical-warmup", str(alone)]
    if "embed" in tasks:
        command += ["--teacher", args.teacher]
    if args.frozen:
        command += ["--cache", str(work / "vectors"), *FROZEN.split()]
    command += ["--licence", "CC BY-SA 4.0 and freer", *args.options.split()]
    if code := subprocess.call(command):
        raise SystemExit(code)


if __name__ == "__main__":
    main()
