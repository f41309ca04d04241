"""Train the embedded default on top of the encoder: one tagger for every language with a free treebank, in three runs.

    python recipes/default/train.py --work build/default --encoder src/calque/bundled/mini --minutes 35 54 12

Choices and trade-offs
- The first run trains the encoder with a plain head, ``<work>/encoder``. The second adds word features (hashed forms and
  affixes), which train alone for two fifths of it, at four to five times as many words a second, and then together with it.
- The third, short, goes on with everything, and shows the treebanks of current releases twice more in languages that also train
  on older ones: guidelines have changed (Spanish ``que``, participles), and the newer reading is the one to give.
- Languages are drawn in proportion to the square root of their sentences; the five that the project measures itself by in every
  release count more: es, ca, fr and de double, since their large train files are not at hand, and en three
  times from the second run on.
- A rate four times the default for the encoder's width in the first run: this encoder is small and far from converged, and
  millions of labelled words teach it more than forgetting costs. Half of that in the second, whose new parts have five times as
  much.
- A few words and pieces are hidden: rare words of small treebanks must be read from their surroundings. No dropout inside the
  encoder: the data is seen once or twice, and on a processor dropout costs speed (random numbers; no fused attention).
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

DOUBLE = {"es": 2, "ca": 2, "fr": 2, "de": 2}
SECOND = {**DOUBLE, "en": 3}


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
    parser.add_argument("--minutes", type=float, nargs=3, default=(35, 54, 12), help="of each run")
    args = parser.parse_args()
    first, second, third = args.work / "encoder", args.work / "both", args.work / "model"
    if not (first / "config.json").exists():
        run(args.work, args.encoder, first, DOUBLE, minutes=args.minutes[0], rate=1e-3)
    features = ["--word-features", "--feature-dropout", "0.1", "--head-factor", "5"]
    if not (second / "config.json").exists():
        run(args.work, str(first), second, SECOND, *features, "--lexical-warmup", "0.4", minutes=args.minutes[1], rate=5e-4)
    again: list[str] = []
    for path in sorted(args.work.glob("*.current.conllu")):
        again += ["--train", f"{path.name.split('.')[0]}={path}"] * 2
    run(args.work, str(second), third, SECOND, *features, *again, minutes=args.minutes[2], rate=2e-4)


def run(work: Path, start: str, output: Path, factors: dict[str, int], *more: str, minutes: float, rate: float) -> None:
    """One ``calque train pos`` with every language."""
    train = {p.name.split(".")[0]: p for p in sorted(work.glob("*.train.conllu"))}
    dev = {p.name.split(".")[0]: p for p in sorted(work.glob("*.dev.conllu"))}
    command = [sys.executable, "-m", "calque", "train", "pos", "--model", start, "--output", str(output)]
    for lang, path in train.items():
        command += ["--train", f"{lang}={path}"]
    for lang, path in dev.items():
        # a handful of sentences says nothing about a language and would sway the mean
        if path.read_text(encoding="utf-8").count("\n\n") >= 10:
            command += ["--validation", f"{lang}={path}"]
    command += [
        "--mix",
        shares(train, factors),
        "--epochs",
        "30",
        "--max-minutes",
        str(minutes),
        "--patience",
        "0",
        "--eval-limit",
        "30",
    ]
    command += [
        "--learning-rate",
        str(rate),
        *(more or ("--head-factor", "1")),
        "--batch-words",
        "900",
        "--warmup",
        "0.05",
        "--schedule",
        "cosine",
    ]
    command += ["--dropout", "0", "--word-dropout", "0.04", "--piece-dropout", "0.02", "--no-freeze-embeddings"]
    command += ["--licence", "CC BY-SA 4.0 and freer"]
    if code := subprocess.call(command):
        raise SystemExit(code)


if __name__ == "__main__":
    main()
