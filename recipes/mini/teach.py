"""Step 2 of the recipe: the teacher reads every English sentence once.

    python recipes/mini/teach.py --work build/mini --teacher FOLDER

Writes ``teacher.npy`` (float16 ``[words, layers, width]``, some gigabytes) under ``--work``; a killed run goes on.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from calque.models.encoder import load_backbone, load_pieces
from calque.pretraining import steps
from calque.pretraining.model import keep_layers
from calque.pretraining.teacher import cache_vectors


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--layers", default="3,4")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pieces = load_pieces(args.teacher)
    begun = time.time()

    def say(done: int, whole: int) -> None:
        print(f"{done:,} of {whole:,} words, {(time.time() - begun) / 60:.1f} minutes", flush=True)

    layers = [int(x) for x in args.layers.split(",")]
    teacher = load_backbone(args.teacher, args.teacher)
    keep_layers(teacher, max(layers))  # those above are not looked at
    cache_vectors(
        teacher, pieces.tokenizer, steps.read_source(args.work, "en"), layers, args.work / "teacher.npy",
        special=(pieces.prefix[0], pieces.suffix[0], pieces.pad_id), progress=say,
    )  # fmt: skip


if __name__ == "__main__":
    main()
