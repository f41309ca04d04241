"""Train what stands on the encoder once more, the encoder frozen: word features, treebanks and heads.

    python recipes/default/settle.py --work build/default --model build/default/model --output build/default/settled

Choices and trade-offs
- The encoder takes nine tenths of a training step. Its vectors are worked out once, for some sentences of each language, and what
  reads them goes through these several times at seven times the speed: it had seen most sentences once or twice, and was
  not done with them (``docs/lab.md``).
- Languages are drawn alike, up to ``--limit`` sentences each: small ones have had the fewest steps so far.
- Sentence vectors read the encoder alone and stay as they are.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from train import LEAST, by_language, items

TASKS = "pos,feats,dep,ner"


def main() -> None:
    """Run the step: ``calque train --freeze-backbone`` with every language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=1200, help="sentences of a language")
    parser.add_argument("--epochs", type=float, default=2)
    args = parser.parse_args()
    command = [sys.executable, "-m", "calque", "train", TASKS, "--model", str(args.model), "--output", str(args.output)]
    for lang, paths in by_language(args.work, ("*.train.conllu", "*.names.train.iob2")).items():
        for path in paths:
            command += ["--train", f"{lang}={path}"]
    for lang, paths in by_language(args.work, ("*.dev.conllu", "*.names.dev.iob2")).items():
        for path in paths:
            if items(path) >= LEAST:
                command += ["--validation", f"{lang}={path}"]
    command += ["--freeze-backbone", "--limit", str(args.limit), "--epochs", str(args.epochs), "--patience", "0"]
    command += ["--learning-rate", "1e-4", "--head-factor", "10", "--batch-words", "900", "--schedule", "cosine"]
    command += ["--feature-dropout", "0.3", "--eval-limit", "30", "--cache-limit", "16", "--licence", "CC BY-SA 4.0 and freer"]
    if code := subprocess.call(command):
        raise SystemExit(code)


if __name__ == "__main__":
    main()
