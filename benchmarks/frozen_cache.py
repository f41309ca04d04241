"""A head on a frozen encoder: the encoder in every epoch, its vectors kept, and its vectors found from the run before.

    python benchmarks/frozen_cache.py --train nl=nl_alpino-ud-train.conllu --validation nl=nl_alpino-ud-dev.conllu \\
        [--model mini] [--task pos] [--epochs 5] [--seeds 2] [--limit 2000] [--threads 1] [--option word_features=true]

Each side is ``calque train --freeze-backbone`` on the same data with the same seed, with no early stopping. Seconds are those of
the whole run (reading and cutting the data, the encoder's pass, steps and evaluations), and of the part that keeps vectors or
finds them. Each ratio is that of the first side's seconds, of the same seed, to its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

Files = dict[str, str]
SIDES = ("every epoch", "kept", "found")


def one(model: Any, train: Files, held: Files | None, options: dict[str, Any], side: str, kept: Path) -> dict[str, Any]:
    """Train once."""
    from calque.training import Options, run_training

    own = {"cache_limit": 0.0} if side == "every epoch" else {"cache": str(kept)}
    began = time.monotonic()
    outcome = run_training(model, train, Options(freeze_backbone=True, **options, **own), validation=held)
    seconds = time.monotonic() - began
    report = outcome.report
    vectors = report.decided.get("vectors")
    if (vectors is not None) != (side != "every epoch") or (vectors is not None and vectors["found"] != (side == "found")):
        raise SystemExit(f"the side '{side}' was not run as it should be: {vectors}")
    return {
        "side": side,
        "seed": options["seed"],
        "seconds": round(seconds, 2),
        "vector_seconds": vectors["seconds"] if vectors else None,
        "steps": report.steps,
        "scores": {f"{r.language} {r.metric}": r.value for r in report.validation},
    }


def main() -> None:
    """Print a row a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True, help="lang=file")
    parser.add_argument("--validation", help="lang=file; by default a tenth of the training data")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--task", default="pos")
    parser.add_argument("--epochs", type=float, default=5.0)
    parser.add_argument("--limit", type=int, help="training sentences")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=0, help="0: as PyTorch decides")
    parser.add_argument("--option", action="append", default=[], help="of training, such as word_features=true; JSON values")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()

    import torch

    from calque.models.model import Model

    if args.threads:
        torch.set_num_threads(args.threads)
    more = {name: json.loads(value) for name, _, value in (text.partition("=") for text in args.option)}
    train, held = (dict([text.split("=", 1)]) if text else None for text in (args.train, args.validation))
    assert train is not None  # noqa: S101 - required
    model = Model.load(args.model)
    rows: list[dict[str, Any]] = []
    for seed in range(args.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            for side in SIDES:
                options = {"task": args.task, "epochs": args.epochs, "limit": args.limit, "seed": seed, "patience": 0, **more}
                row = one(model, train, held, options, side, Path(scratch))
                rows.append(row)
                ratio = next(r for r in rows if r["seed"] == seed)["seconds"] / row["seconds"]
                vectors = "" if row["vector_seconds"] is None else f", of these {row['vector_seconds']:.1f} for vectors"
                scores = "  ".join(f"{name} {100 * value:.2f}" for name, value in row["scores"].items())
                print(f"seed {seed}  {side:12}{row['seconds']:8.1f} s  {ratio:5.1f} x  {scores}{vectors}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
