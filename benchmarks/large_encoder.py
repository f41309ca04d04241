"""An encoder of XLM-R base's size beside the ``transformers`` pipeline: words a second, float and 8 bits.

    python benchmarks/large_encoder.py --input es_ancora-ud-test.conllu --work runs/large --threads 2

The encoder has XLM-R base's twelve layers of 768 and random weights (``--layers``, ``--width`` for other sizes), and the
vocabulary of ``--tokenizer``: speed depends on neither the weights nor, but for a lookup, the vocabulary. A head for tags stands
on it. calque runs its own export in float32 and in 8 bits (every matrix but the head's, rows of embeddings; whether 8 bits agree
with float has no meaning with random weights, and is measured on trained models by ``calque export`` and
``benchmarks/agreement.py``); the pipeline labels the same sentences in float32 (``benchmarks/peers/transformers_peer.py``). Each
is a process of its own, in turn, ``--rounds`` times.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))
from run import called, table, write_words

HEADS_OF = 64  # numbers of a vector that an attention head reads


def make_encoder(folder: Path, tokenizer: str, layers: int, width: int) -> None:
    """A random encoder of XLM-R's shape in Hugging Face format."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaModel

    from calque.models.encoder import Encoder

    pieces = Encoder.load(tokenizer).pieces
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=pieces.tokenizer.get_vocab_size(with_added_tokens=True), hidden_size=width, num_hidden_layers=layers,
        num_attention_heads=width // HEADS_OF, intermediate_size=4 * width, max_position_embeddings=514, type_vocab_size=1,
        pad_token_id=pieces.pad_id, layer_norm_eps=1e-5,
    )  # fmt: skip
    part = folder.with_suffix(".part")
    Encoder(XLMRobertaModel(config, add_pooling_layer=False).eval(), pieces, name="large").save_pretrained(part)
    part.rename(folder)


def make_exports(encoder: Path, work: Path) -> dict[str, Path]:
    """The model as calque runs it, by how its weights are stored."""
    from calque.models import Model
    from calque.runtime.export import export
    from calque.runtime.quantise import quantise_matrices, shrink_embeddings
    from calque.tags import UPOS

    found = {"float32": work / "float32", "int8": work / "int8"}
    if not found["float32"].is_dir():
        model = Model.load(encoder)
        model.add_head("pos", list(UPOS))
        export(model, found["float32"], quantise="none")
    if not found["int8"].is_dir():
        part = work / "int8.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(found["float32"], part)
        matrices = work / "matrices.onnx"
        quantise_matrices(found["float32"] / "model.onnx", matrices, outputs=["pos_logits"])
        shrink_embeddings(matrices, part / "model.onnx", kind="int8")
        matrices.unlink()
        part.rename(found["int8"])
    return found


def main() -> None:
    """Make what is missing, measure in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True, help="CoNLL-U whose words are labelled")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tokenizer", default="mini", help="whose vocabulary the encoder has")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--limit", type=int, default=100, help="sentences")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    encoder = args.work / "encoder"
    if not encoder.is_dir():
        make_encoder(encoder, args.tokenizer, args.layers, args.width)
    models = {f"calque, {weights}": ("calque", folder) for weights, folder in make_exports(encoder, args.work).items()}
    models["transformers"] = ("transformers", encoder)
    words = args.work / "words.conllu"
    write_words(args.input, words, args.limit)
    lines: list[dict[str, object]] = []
    for number in range(1, args.rounds + 1):
        for name, (peer, folder) in models.items():
            print(f"round {number} of {args.rounds}: {name}", file=sys.stderr)
            printed = called(sys.executable, peer, "measure", "--model", str(folder), "--input", str(words), threads=args.threads)
            lines.append({"round": number, "peer": name, "what": "tags", **json.loads(printed.splitlines()[-1])})
    print(table(lines, base="transformers"), end="")


if __name__ == "__main__":
    main()
