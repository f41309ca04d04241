"""Step 3 of the recipe: masked language modelling on raw text; the encoder leaves in Hugging Face format.

    python recipes/mini/pretrain.py --work build/mini --minutes 45 --output src/calque/bundled/mini

Choices and trade-offs
- An ELECTRA-shaped transformer (BERT with narrow embeddings projected up): half of a small model's weights are embeddings, and
  192 columns serve 40,000 pieces well. Any tool that reads Hugging Face models reads it.
- Lines of one language are packed into rows of 128 pieces: no padding. Half of the rows start at a random position, so that
  positions up to the window are trained though rows are short.
- The softmax runs over the pieces of the batch and a random 4,096 others: the full one would cost as much as two layers.
- The schedule follows the clock: the learning rate is down to a twentieth when the minutes are used up. A killed run goes on
  from its last checkpoint (every three minutes), counting the minutes already spent.
- bfloat16 autocast; no dropout: the text is seen about once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import ElectraConfig, ElectraForMaskedLM, PreTrainedTokenizerFast

LINE_END, MASK, RESERVED, WINDOW = 0, 4, 5, 256
EXPONENT = 0.6  # of a language's size in sampling


class Rows:
    """Rows of packed pieces, drawn by language; the n-th batch depends on the seed and n alone, so runs resume exactly."""

    def __init__(self, folder: Path, length: int, seed: int) -> None:
        self.texts = {p.stem: np.load(p, mmap_mode="r") for p in sorted(folder.glob("*.npy"))}
        self.names = list(self.texts)
        weights = np.array([len(t) for t in self.texts.values()], dtype=np.float64) ** EXPONENT
        self.weights = weights / weights.sum()
        self.length, self.seed = length, seed

    def batch(self, number: int, rows: int) -> NDArray[np.int64]:
        rng = np.random.default_rng((self.seed, number))
        out = np.empty((rows, self.length), dtype=np.int64)
        for i, lang in enumerate(rng.choice(len(self.names), size=rows, p=self.weights)):
            text = self.texts[self.names[lang]]
            at = int(rng.integers(0, len(text) - self.length))
            out[i] = text[at : at + self.length]
        # the stored mark between lines is <s>; the encoder sees </s>
        out[out == LINE_END] = 2
        out[:, 0] = 0
        return out


def mask_pieces(ids: torch.Tensor, size: int, rate: float, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """BERT's masking: of the chosen pieces 80 % become <mask>, 10 % a random piece, 10 % stay. Returns input and choice."""
    chosen = (torch.rand(ids.shape, generator=generator) < rate) & (ids >= RESERVED)
    how = torch.rand(ids.shape, generator=generator)
    masked = torch.where(chosen & (how < 0.8), MASK, ids)
    noise = torch.randint(RESERVED, size, ids.shape, generator=generator)
    return torch.where(chosen & (how >= 0.9), noise, masked), chosen


def new_model(size: int, embeddings: Path | None, args: argparse.Namespace) -> ElectraForMaskedLM:
    config = ElectraConfig(
        vocab_size=size, embedding_size=args.embedding, hidden_size=args.width, num_hidden_layers=args.layers,
        num_attention_heads=args.width // 64, intermediate_size=4 * args.width, max_position_embeddings=WINDOW,
        hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1, type_vocab_size=1,
        pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    model = ElectraForMaskedLM(config)
    if embeddings is not None:
        start = torch.from_numpy(np.load(embeddings))
        # unit rows scaled to the spread that the initialisation of the other weights expects of a row
        model.electra.embeddings.word_embeddings.weight.data.copy_(start * (0.04 * math.sqrt(args.embedding)))
    return model


def save(model: ElectraForMaskedLM, work: Path, output: Path) -> None:
    """Write the encoder (float16) beside and rename."""
    beside = output.with_name(output.name + ".part")
    beside.mkdir(parents=True, exist_ok=True)
    model.config.architectures = ["ElectraForMaskedLM"]
    model.config.dtype = "float16"
    model.config.save_pretrained(beside)
    tied = "generator_lm_head.weight"
    weights = {
        k: v.detach().to(torch.float16).contiguous()
        for k, v in model.state_dict().items()
        if k != tied and "position_ids" not in k
    }
    save_file(weights, beside / "model.safetensors", metadata={"format": "pt"})
    PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(work / "tokenizer.json")), bos_token="<s>", eos_token="</s>", cls_token="<s>",
        sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", model_max_length=WINDOW,
    ).save_pretrained(beside)  # fmt: skip
    cutter = str(beside / "tokenizer.json")
    Tokenizer.from_file(cutter).save(cutter, pretty=False)  # half the size
    if output.exists():
        for path in beside.iterdir():
            os.replace(path, output / path.name)
        beside.rmdir()
    else:
        beside.rename(output)


def keep(path: Path, model: ElectraForMaskedLM, optimiser: torch.optim.Optimizer, step: int, spent: float) -> None:
    """Write a checkpoint beside and rename it."""
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "spent": spent}
    torch.save(state, f"{path}.part")
    os.replace(f"{path}.part", path)


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=45)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many steps (for tests)")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--embedding", type=int, default=192)
    parser.add_argument("--learning-rate", type=float, default=1.5e-3)
    parser.add_argument("--mask-rate", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random-embeddings", action="store_true", help="ablation: leave out step 2")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--run", default="pretrain", help="name of the checkpoint and log under --work")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    size = Tokenizer.from_file(str(args.work / "tokenizer.json")).get_vocab_size()
    model = new_model(size, None if args.random_embeddings else args.work / "embeddings.npy", args)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    decay = [p for n, p in model.named_parameters() if p.dim() > 1]
    plain = [p for n, p in model.named_parameters() if p.dim() <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
        lr=args.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    checkpoint, log = args.work / f"{args.run}.pt", args.work / f"{args.run}.jsonl"
    step, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
        print(f"going on from step {step}, {spent / 60:.1f} minutes spent", flush=True)
    rows = Rows(args.work / "ids", args.length, args.seed)
    table = model.electra.embeddings.word_embeddings.weight
    bias = model.generator_lm_head.bias
    begun, saved, losses = time.time() - spent, time.time(), []
    total = args.minutes * 60
    while (spent := time.time() - begun) < total and not (args.steps and step >= args.steps):
        done = spent / total
        rate = args.learning_rate * min(1.0, (step + 1) / 300) * max(0.05, 1 - done)
        for group in optimiser.param_groups:
            group["lr"] = rate
        generator = torch.Generator().manual_seed(args.seed * 1_000_003 + step)
        ids = torch.from_numpy(rows.batch(step, args.rows))
        inputs, chosen = mask_pieces(ids, size, args.mask_rate, generator)
        offset = torch.randint(0, WINDOW - args.length, (args.rows, 1), generator=generator)
        offset[::2] = 0
        positions = torch.arange(args.length)[None] + offset
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = model.electra(inputs, position_ids=positions).last_hidden_state
            predicted = model.generator_predictions(hidden[chosen])
            candidates = torch.unique(
                torch.cat([ids[ids >= RESERVED], torch.randint(RESERVED, size, (4096,), generator=generator)])
            )
            scores = predicted @ table[candidates].T
        target = torch.searchsorted(candidates, ids[chosen])
        loss = functional.cross_entropy(scores.float() + bias[candidates], target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        losses.append(loss.item())
        if step % 50 == 0:
            entry = {
                "step": step,
                "minutes": round(spent / 60, 2),
                "loss": round(float(np.mean(losses[-50:])), 4),
                "pieces": step * args.rows * args.length,
            }
            with log.open("a") as f:
                f.write(json.dumps(entry) + "\n")
            print(entry, flush=True)
            losses.clear()
        if time.time() - saved > 180:
            keep(checkpoint, model, optimiser, step, time.time() - begun)
            saved = time.time()
    keep(checkpoint, model, optimiser, step, time.time() - begun)
    save(model, args.work, args.output)
    million, seen = sum(p.numel() for p in model.parameters()) / 1e6, step * args.rows * args.length / 1e6
    print(f"{args.output}: {million:.1f} M parameters, {seen:.1f} M pieces seen", flush=True)


if __name__ == "__main__":
    main()
