"""The library ``adapters`` 1.3 (AdapterHub) beside ours: its numbers, and how fast both train. In an environment of its own.

    python benchmarks/adapterhub.py --work runs/adapterhub
    python benchmarks/adapterhub.py --work runs/adapterhub --train UD_English-EWT/train.conllu.xz --sentences 2000

Makes WORK/venv (adapters 1.3.0 with its transformers 4.57). The first form writes random adapters there (one place a layer and
two, invertible, stacked, fused) for encoders of XLM-R's and BERT's shape, loads them here, and ours there: the largest difference
of a vector, both ways. ``--train`` trains a tagger's adapter on a frozen ``mini`` by their own ``AdapterTrainer`` and by calque:
same data, sizes, passes and words a batch; words a second of training, side by side, in turn.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

PACKAGES = ["adapters==1.3.0", "torch==2.13.0", "accelerate"]
SETUPS = ("none", "es", "deep", "es,pos", "deep,pos", "a+b", "a+b,pos")

THEIRS = """
import sys, torch, adapters
from adapters import DoubleSeqBnInvConfig, Fuse, SeqBnConfig, SeqBnInvConfig, Stack
from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaModel
root, mode = sys.argv[1:]
SETUPS = {"none": None, "es": "es", "deep": "deep", "es,pos": Stack("es", "pos"), "deep,pos": Stack("deep", "pos"),
          "a+b": Fuse("a", "b"), "a+b,pos": Stack(Fuse("a", "b"), "pos")}
for kind, config, cls in (("xlm-roberta", XLMRobertaConfig, XLMRobertaModel), ("bert", BertConfig, BertModel)):
    torch.manual_seed(0)
    if mode == "make":
        model = cls(config(vocab_size=80, hidden_size=64, num_hidden_layers=4, num_attention_heads=4, intermediate_size=128,
                           max_position_embeddings=70), add_pooling_layer=False)
        model.save_pretrained(f"{root}/{kind}/base")
        adapters.init(model)
        for name, made in {"es": SeqBnInvConfig(reduction_factor=4), "pos": SeqBnConfig(reduction_factor=8, non_linearity="gelu"),
                           "deep": DoubleSeqBnInvConfig(reduction_factor=4), "a": SeqBnConfig(reduction_factor=4),
                           "b": SeqBnConfig(reduction_factor=4)}.items():
            model.add_adapter(name, config=made)
        model.add_adapter_fusion(Fuse("a", "b"))
        for name, parameter in model.named_parameters():
            if "adapter" in name:
                parameter.data += 0.1 * torch.randn_like(parameter)
        for name in ("es", "pos", "deep", "a", "b"):
            model.save_adapter(f"{root}/{kind}/{name}", name)
        model.save_adapter_fusion(f"{root}/{kind}/a+b", Fuse("a", "b"))
    else:
        model = cls.from_pretrained(f"{root}/{kind}/base", add_pooling_layer=False)
        adapters.init(model)
        for name in ("es", "pos", "deep", "a", "b"):
            model.load_adapter(f"{root}/{kind}/ours/{name}")
        model.load_adapter_fusion(f"{root}/{kind}/ours/a+b")
    model.eval()
    ids = torch.randint(5, 80, (4, 21), generator=torch.Generator().manual_seed(1))
    found = {}
    for name, setup in SETUPS.items():
        model.set_active_adapters(setup)
        with torch.no_grad():
            found[name] = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
    torch.save({"ids": ids, "vectors": found}, f"{root}/{kind}/{mode}.pt")
"""

TRAIN = """
import json, sys, time, torch
from adapters import AdapterTrainer, AutoAdapterModel, SeqBnConfig
from transformers import DataCollatorForTokenClassification, PreTrainedTokenizerFast, TrainingArguments
spec = json.load(open(sys.argv[1]))
torch.set_num_threads(spec["threads"])
tokenizer = PreTrainedTokenizerFast(tokenizer_file=spec["base"] + "/tokenizer.json", pad_token="<pad>", cls_token="<s>",
                                    sep_token="</s>", unk_token="<unk>", mask_token="<mask>")
model = AutoAdapterModel.from_pretrained(spec["base"])
model.add_adapter("pos", config=SeqBnConfig(reduction_factor=model.config.hidden_size / spec["size"]))
model.add_tagging_head("pos", num_labels=17)
model.train_adapter("pos")
rows = []
for words, labels in spec["sentences"]:
    cut = tokenizer(words, is_split_into_words=True, truncation=True, max_length=512)
    seen, row = None, []
    for word in cut.word_ids():
        row.append(-100 if word is None or word == seen else labels[word])
        seen = word
    rows.append({"input_ids": cut["input_ids"], "attention_mask": cut["attention_mask"], "labels": row})
arguments = TrainingArguments(
    output_dir=spec["out"], per_device_train_batch_size=spec["batch"], num_train_epochs=spec["epochs"], learning_rate=1e-3,
    use_cpu=True, bf16=spec["bf16"], save_strategy="no", report_to=[], logging_strategy="no", disable_tqdm=True,
    group_by_length=True,
)
collator = DataCollatorForTokenClassification(tokenizer)
trainer = AdapterTrainer(model=model, args=arguments, train_dataset=rows, data_collator=collator)
began = time.perf_counter()
trainer.train()
seconds = time.perf_counter() - began
print(json.dumps({"seconds": seconds, "words": sum(len(w) for w, _ in spec["sentences"]) * spec["epochs"]}))
"""


def environment(work: Path) -> Path:
    """The Python of an environment with the library."""
    python = work / "venv" / "bin" / "python"
    if not (work / "venv" / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(work / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (work / "venv" / "ready").touch()
    return python


def numbers(work: Path, python: Path) -> None:
    """The largest difference of a vector, theirs here and ours there."""
    import torch

    from calque.models.adapters import Adapters, routed
    from calque.models.adapters.adapterhub import read_adapterhub, write_adapterhub
    from calque.models.encoder import load_backbone

    root = work / "numbers"
    root.mkdir(exist_ok=True)
    script = work / "theirs.py"
    script.write_text(THEIRS)

    def theirs(mode: str) -> None:
        subprocess.run(
            [str(python), str(script), str(root), mode], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    theirs("make")
    rows: dict[tuple[str, str], list[float]] = {}
    for kind in ("xlm-roberta", "bert"):
        backbone = load_backbone(root / kind / "base", kind)
        held = Adapters(backbone)
        for name in ("es", "pos", "deep", "a", "b", "a+b"):
            read_adapterhub(held, root / kind / name, model_type=kind)
            write_adapterhub(held, name, root / kind / "ours" / name, model_type=kind)
        made = torch.load(root / kind / "make.pt")
        for setup in SETUPS:
            with torch.inference_mode(), routed(held.plan([None if setup == "none" else setup] * len(made["ids"]))):
                found = backbone(input_ids=made["ids"], attention_mask=torch.ones_like(made["ids"])).last_hidden_state
            rows[kind, setup] = [float((found - made["vectors"][setup]).abs().max())]
    theirs("back")
    print("| encoder | adapters | theirs here | ours there |\n|---|---|--:|--:|")
    for (kind, setup), values in rows.items():
        made, back = (torch.load(root / kind / f"{mode}.pt")["vectors"][setup] for mode in ("make", "back"))
        print(f"| {kind} | {setup} | {values[0]:.1e} | {float((made - back).abs().max()):.1e} |")


def training(work: Path, python: Path, args: argparse.Namespace) -> None:
    """Words a second of training, by their trainer and by ours, in turn."""
    import torch

    from calque.models import Model
    from calque.tags import UPOS
    from calque.training.adapters import train_task_adapter
    from calque.training.device import choose_precision
    from calque.training.options import Options

    torch.set_num_threads(args.threads)
    sentences = read(args.train, args.sentences)
    words = sum(len(w) for w, _ in sentences)
    data = work / "train.conllu"
    data.write_text("".join(conllu(w, t) for w, t in sentences), encoding="utf-8")
    Model.load("mini").save_pretrained(work / "base-model")
    base = work / "base-model" / "encoder"
    (base / "tokenizer.json").write_bytes((work / "base-model" / "tokenizer.json").read_bytes())
    spec = {
        "base": str(base), "size": 64, "epochs": args.epochs, "batch": args.batch, "threads": args.threads,
        "out": str(work / "out"),
        "sentences": [[w, [UPOS.index(x) if x in UPOS else -100 for x in t]] for w, t in sentences],
    }  # fmt: skip
    (work / "train.py").write_text(TRAIN)
    theirs = {"theirs, as it comes (float32)": False}
    if choose_precision("auto", torch.device("cpu"), 384) == "bf16":  # emulated it takes a hundred times as long
        theirs["theirs, bf16"] = True
    found: dict[str, list[float]] = {}
    for _ in range(args.rounds):
        for name, bf16 in theirs.items():
            (work / "spec.json").write_text(json.dumps({**spec, "bf16": bf16}))
            done = subprocess.run(
                [str(python), str(work / "train.py"), str(work / "spec.json")], check=True, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            told = json.loads(done.stdout.strip().splitlines()[-1])
            found.setdefault(name, []).append(told["words"] / told["seconds"])
        for name, precision in (("calque, as it comes", "auto"), ("calque, float32", "fp32")):
            model = Model.load("mini")
            model.add_adapter("pos", adapter_size=64)
            options = Options(epochs=args.epochs, batch_words=round(args.batch * words / len(sentences)), precision=precision)
            began = time.perf_counter()
            told = train_task_adapter(model, "pos", {"en": data}, options, validation="none")
            assert told.report.words
            found.setdefault(name, []).append(told.report.words / told.report.seconds)
            print(f"{name}: {time.perf_counter() - began:.1f} s in all", file=sys.stderr)
    print(f"{len(sentences):,} sentences, {words:,} words, {args.epochs} passes", end=", ")
    print(f"{args.batch} sentences a batch, {args.threads} threads")
    print("| trainer | words/s, median | of theirs as it comes |\n|---|--:|--:|")
    first = next(iter(found.values()))
    for name, values in found.items():
        middle = sorted(values)[len(values) // 2]
        ratio = sorted(a / b for a, b in zip(values, first, strict=True))[len(values) // 2]
        print(f"| {name} | {middle:,.0f} | {ratio:.2f} |")


def read(path: Path, limit: int) -> list[tuple[list[str], list[str]]]:
    """Words and tags of the first sentences of a treebank."""
    from calque.formats.conllu import read_conllu

    first = islice(read_conllu(path), limit)
    return [([t.text for t in s.tokens], [str(t.upos) for t in s.tokens]) for s in first]


def conllu(words: list[str], tags: list[str]) -> str:
    """One sentence."""
    rows = []
    for i, (word, tag) in enumerate(zip(words, tags, strict=True), 1):
        rows.append(f"{i}\t{word}\t_\t{tag}\t_\t_\t{i - 1}\t{'root' if i == 1 else 'dep'}\t_\t_\n")
    return "".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--train", type=Path, help="a treebank: measure training, not numbers")
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16, help="sentences")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    python = environment(args.work)
    if args.train is None:
        numbers(args.work, python)
    else:
        training(args.work, python, args)


if __name__ == "__main__":
    main()
