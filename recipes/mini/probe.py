"""How well languages are aligned in each layer of a stage: the linear probe on its last checkpoint, or on what it left.

    python recipes/mini/probe.py --work build/mini --stage whole --layers 3,4 --ud ../shared/data/ud
    python recipes/mini/probe.py --encoder FOLDER --layers 0,1,2,3,4,5,6 --ud ../shared/data/ud

Trained on the first sentences of English EWT, scored on the first sentences of dev files; see ``calque.pretraining.probe``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from pretrain import new_probe
from tokenizers import Tokenizer

from calque.models.encoder import load_backbone, load_pieces


def main() -> None:
    """Print a row a layer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, help="any encoder's folder, in place of a stage: the English one, say")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--stage")
    parser.add_argument("--start", default="lower", help="a finished stage, whose configuration an unfinished one has too")
    parser.add_argument("--layers", default="3,4,5,6")
    parser.add_argument("--ud", type=Path, required=True)
    args = parser.parse_args()
    if args.encoder:
        report(load_backbone(args.encoder, args.encoder), load_pieces(args.encoder).tokenizer, args)
        return
    if args.work is None or args.stage is None:
        parser.error("give --work and --stage, or --encoder")
    done = (args.work / args.stage / "encoder" / "config.json").exists()
    backbone = load_backbone(args.work / (args.stage if done else args.start) / "encoder", args.stage)
    if not done:
        state = torch.load(args.work / args.stage / "state.pt", weights_only=True, map_location="cpu")
        own = {k.removeprefix("backbone."): v for k, v in state["student"].items() if k.startswith("backbone.")}
        backbone.load_state_dict(own, strict=False)
        print(state["state"])
    report(backbone, Tokenizer.from_file(str(args.work / "tokenizer.json")), args)


def report(backbone: torch.nn.Module, tokenizer: Tokenizer, args: argparse.Namespace) -> None:
    """Print a row a layer."""
    for layer in map(int, args.layers.split(",")):
        scores = new_probe(tokenizer, args.ud, layer)(backbone)
        print(f"| {layer} | " + " | ".join(f"{lang} {100 * score:.1f}" for lang, score in scores.items()) + " |", flush=True)


if __name__ == "__main__":
    main()
