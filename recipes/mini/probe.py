"""How well languages are aligned in each layer of an encoder: the linear probe.

    python recipes/mini/probe.py --encoder build/teacher --layers 2,4,5,6,8,10,12 --ud ../shared/data/ud
    python recipes/mini/probe.py --encoder build/mini/whole/encoder --layers 5,6 --ud ../shared/data/ud

Trained on the first sentences of English EWT, scored on the first sentences of dev files; see ``calque.pretraining.probe``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pretrain import new_probe

from calque.models.encoder import load_backbone, load_pieces
from calque.spacemarks import without_space_marks


def main() -> None:
    """Print a row a layer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True, help="any encoder's folder")
    parser.add_argument("--layers", default="3,4,5,6")
    parser.add_argument("--unmarked", action="store_true", help="no mark of a space before words of scripts without spaces")
    parser.add_argument("--ud", type=Path, required=True)
    args = parser.parse_args()
    backbone = load_backbone(args.encoder, args.encoder)
    tokenizer = load_pieces(args.encoder).tokenizer
    tokenizer = without_space_marks(tokenizer) if args.unmarked else tokenizer
    for layer in map(int, args.layers.split(",")):
        scores = new_probe(tokenizer, args.ud, layer)(backbone)
        print(f"| {layer} | " + " | ".join(f"{lang} {100 * score:.1f}" for lang, score in scores.items()) + " |", flush=True)


if __name__ == "__main__":
    main()
