"""Train the embedded default on top of the encoder: one tagger for every language with a free treebank.

    python recipes/default/train.py --work build/default --encoder src/calque/bundled/mini --minutes 40

Choices and trade-offs
- Languages are drawn in proportion to the square root of their sentences; the four that the project measures itself by in every
  release (es, ca, fr, de) count double, since their large train files are not at hand.
- A rate four times the default for the encoder's width: this encoder is small and far from converged, and millions of
  labelled words teach it more than forgetting costs.
- A few words and pieces are hidden: rare words of small treebanks must be read from their surroundings. No dropout inside the
  encoder: the data is seen once or twice, and on a processor dropout costs speed (random numbers; no fused attention).
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

DOUBLE = {"es", "ca", "fr", "de"}


def shares(files: dict[str, Path]) -> str:
    """The argument of ``--mix``."""
    weights = []
    for lang, path in files.items():
        sentences = path.read_text(encoding="utf-8").count("\n\n")
        weights.append(math.sqrt(sentences) * (2 if lang in DOUBLE else 1))
    return ",".join(f"{w:.2f}" for w in weights)


def main() -> None:
    """Run the step: ``calque train pos`` with every language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    args = parser.parse_args()
    train = {p.name.split(".")[0]: p for p in sorted(args.work.glob("*.train.conllu"))}
    dev = {p.name.split(".")[0]: p for p in sorted(args.work.glob("*.dev.conllu"))}
    command = [sys.executable, "-m", "calque", "train", "pos", "--model", args.encoder, "--output", str(args.work / "model")]
    for lang, path in train.items():
        command += ["--train", f"{lang}={path}"]
    for lang, path in dev.items():
        # a handful of sentences says nothing about a language and would sway the mean
        if path.read_text(encoding="utf-8").count("\n\n") >= 10:
            command += ["--validation", f"{lang}={path}"]
    command += [
        "--mix",
        shares(train),
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
        str(args.learning_rate),
        "--head-factor",
        "1",
        "--batch-words",
        "900",
        "--warmup",
        "0.05",
        "--schedule",
        "cosine",
    ]
    command += ["--dropout", "0", "--word-dropout", "0.04", "--piece-dropout", "0.02", "--no-freeze-embeddings"]
    command += ["--licence", "CC BY-SA 4.0 and freer"]
    raise SystemExit(subprocess.call(command))


if __name__ == "__main__":
    main()
