"""Fifty adapters on an encoder the size of XLM-R base: memory, switching, batches that mix sixteen languages; beside ``peft``.

    python benchmarks/adapter_batches.py --work runs/adapter-batches [--rounds 7] [--threads 2]

The encoder has random weights (speed does not depend on them), 12 layers of 768 and 250,002 pieces; the sentences are those that
``calque export`` checks itself with (fifty languages). The same batches go through every way in turn, round by round; reported
are medians, and ratios of ways within a round. ``peft``: LoRA of the same rank (64) in one matrix a layer, which is as many
numbers as a bottleneck of 64, mixed by its ``adapter_names``. ``--onnx`` also exports the model (minutes), runs the same padded
batch through its graph (``onnx-int8``) and the same sentences as a user gives them (``tag-int8``: cut into pieces, sorted into
windows by length, labelled).
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import psutil
import torch
from transformers import XLMRobertaConfig, XLMRobertaModel

from calque.loading import bundled_folder
from calque.models import Model
from calque.models.adapters import routed
from calque.models.encoder import Encoder, load_pieces
from calque.runtime.samples import SENTENCES
from calque.training.device import choose_precision

ADAPTERS, LANGUAGES, SIZE = 50, 16, 64


def kinds() -> dict[str, bool]:
    """Number formats; bfloat16 where the processor is faster at it: emulated it takes a hundred times as long."""
    there = choose_precision("auto", torch.device("cpu"), 768) == "bf16"
    return {"fp32": False, **({"bf16": True} if there else {})}


def new_model(layers: int) -> Model:
    """An encoder of the size of XLM-R base with random weights."""
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=250_002, hidden_size=768, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=3072,
        max_position_embeddings=514, pad_token_id=1, type_vocab_size=1,
    )  # fmt: skip
    model = Model(Encoder(XLMRobertaModel(config, add_pooling_layer=False), load_pieces(bundled_folder("mini")), name="xlm-r"))
    return model.eval()


def resident() -> float:
    """Megabytes of this process."""
    return psutil.Process().memory_info().rss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=64, help="sentences a batch")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--onnx", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    rows = args.rows
    model = new_model(args.layers)
    found: dict[str, float] = {"parameters": sum(p.numel() for p in model.encoder.parameters())}
    sentences = [SENTENCES[k % len(SENTENCES)] for k in range(rows)]
    pieces = model.encoder.pieces
    batch = pieces.batch(pieces.rows(sentences))
    ids, mask = torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)
    words = sum(len(s) for s in sentences)
    found |= {"rows": rows, "words": words, "pieces": int(mask.sum()), "padded": ids.numel()}
    with torch.inference_mode():
        model.encoder(ids, mask)
    before = resident()
    for k in range(ADAPTERS):
        model.add_adapter(f"a{k}", adapter_size=SIZE)
    for bank in model.adapters.banks:
        for stack in bank.stacks.values():
            stack.data.normal_(std=0.01)  # fresh ones are zeros in part
    with torch.inference_mode(), routed(model.adapters.plan(["a0"] * rows)):
        model.encoder(ids, mask)
    base = sum(p.numel() * p.element_size() for p in model.encoder.parameters())
    banks = sum(p.numel() * p.element_size() for p in model.adapters.parameters())
    found |= {"base MB": base / 1e6, "adapters MB": banks / 1e6, "memory": (base + banks) / base}
    found |= {"resident MB before": before, "resident MB after": resident()}
    found["adapter parameters"] = model.adapters.size("a0")
    started = time.perf_counter()
    for k in range(1000):
        model.use_adapter(f"a{k % ADAPTERS}")
    found["switch ms"] = time.perf_counter() - started
    started = time.perf_counter()
    for k in range(200):
        model.adapters.plan([f"a{(k + row) % LANGUAGES}" for row in range(rows)])
    found["plan of a mixed batch ms"] = (time.perf_counter() - started) / 200 * 1000
    model.use_adapter(None)
    ways = torch_ways(model, ids, mask)
    if args.onnx:
        ways |= onnx_ways(model, args.work, sentences, args.threads)
    ways |= peft_ways(args.layers, ids, mask)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds + 1):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    seconds = {name: values[1:] for name, values in seconds.items()}  # the first round warms up
    print("| way | words/s, median | of calque's one language, same precision |\n|---|--:|--:|")
    for name, values in seconds.items():
        one = seconds[f"calque {name.split()[1]} one language"] if f"calque {name.split()[1]} one language" in seconds else values
        ratio = statistics.median(a / b for a, b in zip(one, values, strict=True))
        print(f"| {name} | {words / statistics.median(values):,.0f} | {ratio:.2f} |")
    for ours in [n for n in seconds if n.startswith("calque") and n.endswith("16 languages")]:
        for theirs in [n for n in seconds if n.startswith("peft") and n.endswith("16 languages")]:
            ratio = statistics.median(b / a for a, b in zip(seconds[ours], seconds[theirs], strict=True))
            print(f"{ours} : {theirs} = {ratio:.2f}")
            found[f"{ours} : {theirs}"] = ratio
    found |= {f"{name} words/s": words / statistics.median(values) for name, values in seconds.items()}
    print(json.dumps({key: round(value, 3) for key, value in found.items()}, indent=1))
    (args.work / "adapter-batches.json").write_text(json.dumps(found, indent=1))


def torch_ways(model: Model, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, Callable[[], object]]:
    """Our adapters in PyTorch."""
    rows = len(ids)
    setups = {
        "no adapter": [None] * rows,
        "one language": ["a3"] * rows,
        "16 languages": [f"a{row % LANGUAGES}" for row in range(rows)],
    }

    def way(names: list[str | None], bf16: bool) -> Callable[[], object]:
        def run() -> object:
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else nullcontext():
                with routed(model.adapters.plan(names)):
                    return model.encoder(ids, mask)

        return run

    return {f"calque {kind} {name}": way(names, bf16) for kind, bf16 in kinds().items() for name, names in setups.items()}


def onnx_ways(model: Model, work: Path, sentences: list[list[str]], threads: int) -> dict[str, Callable[[], object]]:
    """Our adapters in the exported model, 8-bit weights (whatever they do to random ones: speed does not depend on it)."""
    from calque.runtime.export import export
    from calque.runtime.quantise import quantise_matrices, shrink_embeddings
    from calque.runtime.session import OnnxModel

    out = work / "exported"
    if not (out / "config.json").exists():
        model.add_head("pos", ["A", "B"])
        export(model, out, quantise="none")
        quantise_matrices(out / "model.onnx", work / "matrices.onnx", outputs=["pos_logits"])
        shrink_embeddings(work / "matrices.onnx", out / "model.onnx", kind="int8")
        (work / "matrices.onnx").unlink()
    exported = OnnxModel.from_folder(out, threads=threads)
    cut, rows = exported.pieces.rows(sentences), len(sentences)
    setups: dict[str, list[tuple[str, ...]]] = {
        "one language": [("a3",)] * rows,
        "16 languages": [(f"a{row % LANGUAGES}",) for row in range(rows)],
    }
    ways: dict[str, Callable[[], object]] = {}
    for name, chosen in setups.items():
        ways[f"calque onnx-int8 {name}"] = lambda s=chosen: exported._run_rows(cut, ["pos_logits"], s)
        ways[f"calque tag-int8 {name}"] = lambda s=chosen: exported.tag(sentences, adapters=s)
    return ways


def peft_ways(layers: int, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, Callable[[], object]]:
    """LoRA of the library ``peft``, mixed by its ``adapter_names``."""
    import peft

    rows = len(ids)
    backbone = new_model(layers).encoder.backbone
    config = peft.LoraConfig(r=SIZE, lora_alpha=SIZE, target_modules=["query"], init_lora_weights=False)
    wrapped = peft.get_peft_model(backbone, config, adapter_name="a0")
    for k in range(1, LANGUAGES):
        wrapped.add_adapter(f"a{k}", config)
    wrapped.eval()
    mixed = [f"a{row % LANGUAGES}" for row in range(rows)]

    def way(names: list[str] | None, bf16: bool) -> Callable[[], object]:
        options = {} if names is None else {"adapter_names": names}

        def run() -> object:
            with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16) if bf16 else nullcontext():
                return wrapped(input_ids=ids, attention_mask=mask, **options).last_hidden_state

        return run

    return {
        f"peft {kind} {name}": way(names, bf16)
        for kind, bf16 in kinds().items()
        for name, names in {"one language": None, "16 languages": mixed}.items()
    }


if __name__ == "__main__":
    main()
