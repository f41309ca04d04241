"""Train the embedded default on top of the encoder: one tagger for every language with a free treebank.

    python recipes/default/train.py --work build/default --encoder src/calque/bundled/mini --minutes 100

Choices and trade-offs
- The encoder with word features (hashed forms and affixes) beside it. They train alone for three tenths of the run, at four to
  five times as many words a second, and then together with the encoder.
- The encoder's embeddings stay as they are (its default): the default uses the table of ``mini``, which ships beside it, and what
  was aligned for languages without a treebank stays aligned.
- A fifth of the words have their features hidden: what a word is must be read from the encoder too, as it must in languages whose
  words were never trained on.
- Languages are drawn in proportion to the square root of their sentences; the five that the project measures itself by in every
  release count more: es, ca, fr and de double, since their large train files are not at hand, and en three times.
- Half as much again as the default rate for the encoder's width: millions of labelled words teach it more than forgetting costs.
- A few words and pieces are hidden: rare words of small treebanks must be read from their surroundings. No dropout inside the
  encoder: the data is seen once or twice, and on a processor dropout costs speed (random numbers; no fused attention).
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

FACTORS = {"es": 2, "ca": 2, "fr": 2, "de": 2, "en": 3}


def shares(files: dict[str, Path], factors: dict[str, int]) -> str:
    """The argument of ``--mix``."""
    weights = []
    for lang, path in files.items():
        sentences = path.read_text(encoding="utf-8").count("\n\n")
        weights.append(math.sqrt(sentences) * factors.get(lang, 1))
    return ",".join(f"{w:.2f}" for w in weights)


def main() -> None:
    """Run the step: ``calque train pos`` with every language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--minutes", type=float, default=100)
    args = parser.parse_args()
    work: Path = args.work
    train = {p.name.split(".")[0]: p for p in sorted(work.glob("*.train.conllu"))}
    dev = {p.name.split(".")[0]: p for p in sorted(work.glob("*.dev.conllu"))}
    command = [sys.executable, "-m", "calque", "train", "pos", "--model", args.encoder, "--output", str(work / "model")]
    for lang, path in train.items():
        command += ["--train", f"{lang}={path}"]
    for lang, path in dev.items():
        # a handful of sentences says nothing about a language and would sway the mean
        if path.read_text(encoding="utf-8").count("\n\n") >= 10:
            command += ["--validation", f"{lang}={path}"]
    command += [
        "--mix",
        shares(train, FACTORS),
        "--epochs",
        "30",
        "--max-minutes",
        str(args.minutes),
        "--patience",
        "0",
        "--eval-limit",
        "30",
    ]
    command += [
        "--learning-rate",
        "2e-4",
        "--head-factor",
        "8",
        "--batch-words",
        "900",
        "--warmup",
        "0.05",
        "--schedule",
        "cosine",
    ]
    command += ["--dropout", "0", "--word-dropout", "0.04", "--piece-dropout", "0.02"]
    command += ["--word-features", "--feature-dropout", "0.2", "--lexical-warmup", "0.3"]
    command += ["--licence", "CC BY-SA 4.0 and freer"]
    if code := subprocess.call(command):
        raise SystemExit(code)


if __name__ == "__main__":
    main()
