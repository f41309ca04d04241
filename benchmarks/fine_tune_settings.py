"""What each fine-tuning setting is worth for zero-shot transfer: one source treebank, scored on dev files of other languages.

    python benchmarks/fine_tune_settings.py --model mini --data ../shared/data/ud --work runs/settings \\
        "defaults:" "frozen: --freeze-embeddings" "mixed: --freeze-embeddings --layer-mix"

Settings are chosen on languages that no mark of the project is about (``TREEBANKS``), and on dev files, so that those that are
reported stay unseen. Two settings train side by side on a thread each (``--at-once``): accuracy is compared here, not speed. A
setting whose model lies under ``--work`` is not trained again.

``--keep 0.3`` adds to each setting a row whose encoder is three tenths what it was before fine-tuning (WiSE-FT: Wortsman et al.
2022, averaging weights, for robustness to another distribution; here the other languages).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean

SOURCE = "UD_English-EWT"
TREEBANKS = {
    "en": SOURCE, "nl": "UD_Dutch-Alpino", "ru": "UD_Russian-GSD", "fi": "UD_Finnish-TDT", "sv": "UD_Swedish-Talbanken",
    "id": "UD_Indonesian-GSD", "hr": "UD_Croatian-SET", "el": "UD_Greek-GDT", "ro": "UD_Romanian-RRT",
    "no": "UD_Norwegian-Bokmaal", "tr": "UD_Turkish-IMST",
}  # fmt: skip


def calque(*arguments: str | Path, threads: int) -> str:
    """Run a command; returns what it prints."""
    environment = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CALQUE_THREADS"), str(threads))}
    command = [sys.executable, "-m", "calque", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def interpolate(start: str, tuned: Path, output: Path, keep: float) -> None:
    """A copy of a tagger whose encoder is ``keep`` parts what it started from."""
    import torch

    from calque.models import Encoder, Model

    model = Model.from_pretrained(tuned)
    before = Encoder.load(start).state_dict()
    with torch.no_grad():
        for name, tensor in model.encoder.state_dict().items():
            if tensor.is_floating_point():
                tensor.lerp_(before[name], keep)
    model.save_pretrained(output)


def one(args: argparse.Namespace, setting: str) -> list[tuple[str, dict[str, float]]]:
    """Train a setting, and score it."""
    name, _, options = setting.partition(":")
    output = args.work / name.strip()
    train, dev = (args.data / SOURCE / f"{split}.conllu.xz" for split in ("train", "dev"))
    if not (output / "config.json").exists():
        calque(
            "train", "pos", "--model", args.model, "--train", f"en={train}", "--validation", f"en={dev}",
            "--output", output, "--quiet", *options.split(), threads=args.threads,
        )  # fmt: skip
    models = [(name.strip(), output)]
    for keep in args.keep:
        mixed = args.work / f"{name.strip()}-keep-{keep:g}"
        if not (mixed / "config.json").exists():
            interpolate(args.model, output, mixed, keep)
        models.append((mixed.name, mixed))
    return [(label, score(args, folder)) for label, folder in models]


def score(args: argparse.Namespace, model: Path) -> dict[str, float]:
    """Accuracy in per cent on each language's file."""
    files = [f"{lang}={path}" for lang, path in args.files.items()]
    found = json.loads(calque("evaluate", model, *files, "--json", "--on-error", "skip", threads=args.threads))["results"]
    return {r["language"]: 100 * r["value"] for r in found if r["metric"] == "upos.accuracy" and r["file"]}


def table(rows: Sequence[tuple[str, dict[str, float]]], langs: Sequence[str]) -> str:
    """Markdown: a row a setting, the mean without English last."""
    lines = ["| setting | " + " | ".join(langs) + " | mean without en |", "|---|" + "--:|" * (len(langs) + 1)]
    for name, found in rows:
        others = mean(found[lang] for lang in langs if lang != "en")
        lines.append(f"| {name} | " + " | ".join(f"{found[lang]:.1f}" for lang in langs) + f" | {others:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Train, score, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="+", help="NAME: OPTIONS of calque train pos")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--data", type=Path, required=True, help="folder of treebanks")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--keep", type=float, action="append", default=[], help="may be repeated")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    args.files = {lang: path for lang, name in TREEBANKS.items() if (path := args.data / name / "dev.conllu.xz").exists()}
    rows = []
    with ThreadPoolExecutor(args.at_once) as pool:
        for found in pool.map(lambda s: one(args, s), args.settings):
            rows += found
            print(found, file=sys.stderr, flush=True)
    print(table(rows, list(args.files)))


if __name__ == "__main__":
    main()
