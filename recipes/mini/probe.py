"""How well languages are aligned in each layer of a stage: the linear probe on its last checkpoint, or on what it left.

    python recipes/mini/probe.py --work build/mini --stage whole --layers 3,4,5,6 --ud ../shared/data/ud

Trained on the first sentences of English EWT, scored on the first sentences of dev files; see ``calque.pretraining.probe``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from pretrain import new_probe
from tokenizers import Tokenizer

from calque.models.encoder import load_backbone


def main() -> None:
    """Print a row a layer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--stage", required=True)
    parser.add_argument("--start", default="lower", help="a finished stage, whose configuration an unfinished one has too")
    parser.add_argument("--layers", default="3,4,5,6")
    parser.add_argument("--ud", type=Path, required=True)
    args = parser.parse_args()
    done = (args.work / args.stage / "encoder" / "config.json").exists()
    backbone = load_backbone(args.work / (args.stage if done else args.start) / "encoder", args.stage)
    if not done:
        state = torch.load(args.work / args.stage / "state.pt", weights_only=True, map_location="cpu")
        own = {k.removeprefix("backbone."): v for k, v in state["student"].items() if k.startswith("backbone.")}
        backbone.load_state_dict(own, strict=False)
        print(state["state"])
    tokenizer = Tokenizer.from_file(str(args.work / "tokenizer.json"))
    for layer in map(int, args.layers.split(",")):
        scores = new_probe(tokenizer, args.ud, layer)(backbone)
        print(f"| {layer} | " + " | ".join(f"{lang} {100 * score:.1f}" for lang, score in scores.items()) + " |", flush=True)


if __name__ == "__main__":
    main()
