"""Fine-tuning a model of XLM-R base's size: calque against transformers' Trainer with its defaults, on the same treebank.

    python benchmarks/train_vs_trainer.py en_ewt-ud-train.conllu [--steps 100] [--threads 2] [--all] [--json FILE]

Makes a checkpoint in XLM-R base's format (12 layers of 768, 250,002 rows of embeddings, random weights; a unigram tokenizer
trained on the treebank, whose pieces use the first few thousand rows), trains each side for about ``--steps`` steps in a process
of its own, and prints words a second (words of the treebank that got a label and were trained on, over the seconds of the
training loop; loading and cutting into pieces are left out on both sides), the ratio, and the peak memory of the process.

The Trainer runs as its arguments are when none is given but the number of steps: 8 sentences a batch in random order, padded to
the longest, float32, AdamW over all weights, learning rate 5e-5. calque runs with its own defaults. Both read 512 pieces at most.
``--all`` adds what takes the two apart: calque with batches of the Trainer's size, in float32, with the embeddings trained too.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MAX_LENGTH = 512
SIDES: dict[str, tuple[str, dict[str, Any]]] = {
    "calque": ("calque, defaults", {}),
    "trainer": ("Trainer, defaults", {}),
    "calque-small": ("calque, batches as the Trainer's", {"batch_words": "trainer"}),
    "calque-small-fp32": ("… and float32", {"batch_words": "trainer", "precision": "fp32"}),
    "calque-small-fp32-all": (
        "… and embeddings trained",
        {"batch_words": "trainer", "precision": "fp32", "freeze_embeddings": False},
    ),
}


def make_checkpoint(folder: Path, treebank: Path, *, layers: int, rows: int) -> None:
    """A random XLM-R in the right format."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=8000, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator((" ".join(words) for words, _ in sentences(treebank)), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=rows, num_hidden_layers=layers, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5,
        pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    XLMRobertaModel(config, add_pooling_layer=False).save_pretrained(folder)


def sentences(treebank: Path) -> list[tuple[list[str], list[str]]]:
    from calque.formats.conllu import read_conllu

    return [([t.text for t in s.tokens], [t.upos or "_" for t in s.tokens]) for s in read_conllu(treebank)]


def run_calque(folder: Path, treebank: Path, steps: int, options: dict[str, Any]) -> dict[str, Any]:
    from calque.training import Options, run_training
    from calque.training.options import default_batch_words

    data = sentences(treebank)
    words = sum(len(w) for w, _ in data)
    if options.get("batch_words") == "trainer":
        options["batch_words"] = round(8 * words / len(data))
    epochs = steps * options.get("batch_words", default_batch_words(words)) / words
    chosen = Options(epochs=epochs, max_length=MAX_LENGTH, **options)
    report = run_training(folder, {"en": treebank}, chosen, validation="none").report
    return {"words": report.words, "seconds": report.seconds, "steps": report.steps, **report.decided}


def run_trainer(folder: Path, treebank: Path, steps: int) -> dict[str, Any]:
    import torch
    from transformers import (
        AutoModelForTokenClassification,
        DataCollatorForTokenClassification,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
    )

    from calque.training.options import UPOS

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>", unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    model = AutoModelForTokenClassification.from_pretrained(folder, num_labels=len(UPOS))
    features = []
    for words, tags in sentences(treebank):
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=MAX_LENGTH)
        labels, last = [], None
        for word in encoded.word_ids():
            labels.append(UPOS.index(tags[word]) if word is not None and word != last and tags[word] in UPOS else -100)
            last = word
        features.append({"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"], "labels": labels})
    pad = DataCollatorForTokenClassification(tokenizer)
    seen = 0

    def collate(batch: list[dict[str, Any]]) -> Any:
        nonlocal seen
        padded = pad(batch)
        seen += int((padded["labels"] != -100).sum())
        return padded

    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            scratch, max_steps=steps, save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True
        )
        trainer = Trainer(model, arguments, data_collator=collate, train_dataset=features)
        result = trainer.train()
    kind = "bf16" if arguments.bf16 else "fp32"
    return {
        "words": seen,
        "seconds": result.metrics["train_runtime"],
        "steps": result.global_step,
        "batch_words": round(seen / result.global_step),
        "precision": kind,
        "threads": torch.get_num_threads(),
        "frozen": [],
    }


def one_side(arguments: argparse.Namespace) -> None:
    """In a process of its own: train and print one JSON line."""
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    folder = Path(arguments.checkpoint)
    if arguments.side == "trainer":
        found = run_trainer(folder, arguments.treebank, arguments.steps)
    else:
        found = run_calque(folder, arguments.treebank, arguments.steps, dict(SIDES[arguments.side][1]))
    found["memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    found["words_per_second"] = round(found["words"] / found["seconds"], 1)
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("treebank", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0, help="0: as PyTorch decides")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rows", type=int, default=250_002, help="of the embeddings")
    parser.add_argument("--all", action="store_true", help="also what takes the two apart")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--checkpoint", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        one_side(arguments)
        return
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        make_checkpoint(Path(scratch), arguments.treebank, layers=arguments.layers, rows=arguments.rows)
        for side in SIDES if arguments.all else ("calque", "trainer"):
            print(f"running: {SIDES[side][0]}", file=sys.stderr)
            command = [sys.executable, __file__, str(arguments.treebank), "--side", side, "--checkpoint", scratch]
            command += ["--steps", str(arguments.steps), "--threads", str(arguments.threads)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found[side] = json.loads(done.stdout.splitlines()[-1])
    print(f"{'':34}{'steps':>6}{'words/step':>12}{'seconds':>9}{'words/s':>9}{'ratio':>7}{'peak MB':>9}")
    for side, row in found.items():
        ratio = row["words_per_second"] / found["trainer"]["words_per_second"]
        print(
            f"{SIDES[side][0]:34}{row['steps']:6}{row['words'] / row['steps']:12.0f}{row['seconds']:9.1f}"
            f"{row['words_per_second']:9.0f}{ratio:7.2f}{row['memory_mb']:9}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
