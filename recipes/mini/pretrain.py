"""Step 3 of the recipe: the student learns from the teacher.

    python recipes/mini/pretrain.py --work build/mini --init FOLDER --stage lower --depth 3 --freeze --minutes 10
    python recipes/mini/pretrain.py --work build/mini --start lower --stage whole --minutes 66

Stage ``lower``: the piece embeddings alone, under the teacher's three lowest layers, which stay as they are. Stage ``whole``:
everything, four layers deep, against the teacher's third and fourth layer. Each stage starts from what the one before left under
``--work/<stage>/encoder``, and goes on after being killed.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from languages import FIRST, LANGUAGES
from tokenizers import Tokenizer

from calque.models.encoder import Encoder, load_backbone
from calque.pretraining.batches import Sampler
from calque.pretraining.loop import Plan, pretrain_loop
from calque.pretraining.model import save_encoder, with_vocabulary
from calque.pretraining.objectives import parse_objectives
from calque.pretraining.probe import Probe, pieces_of
from calque.pretraining.run import PROBE_SENTENCES, tagged
from calque.pretraining.sentences import Sentences

PROBES = {
    "en": "English-EWT", "es": "Spanish-GSD", "ca": "Catalan-AnCora", "fr": "French-GSD", "de": "German-GSD",
    "it": "Italian-ISDT", "pt": "Portuguese-GSD", "zh": "Chinese-GSDSimp", "ru": "Russian-GSD", "fi": "Finnish-TDT",
}  # fmt: skip


def new_probe(tokenizer: Tokenizer, ud: Path, layer: int) -> Probe:
    """The linear tagger that watches: English EWT, and dev files."""
    files = {lang: ud / f"UD_{name}" / "dev.conllu.xz" for lang, name in PROBES.items()}
    tests = {lang: tagged(path, PROBE_SENTENCES[1]) for lang, path in files.items()}
    return Probe(pieces_of(tokenizer), tagged(ud / "UD_English-EWT" / "train.conllu.xz", PROBE_SENTENCES[0]), tests, layer=layer)


def weights(data: dict[str, Sentences], exponent: float, first: float) -> dict[str, float]:
    """How much of each language: its linked words to a power, the first ones several times."""
    return {lang: float((s.links >= 0).sum()) ** exponent * (first if lang in FIRST else 1.0) for lang, s in data.items()}


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--init", type=Path, help="folder of the English encoder, for the first stage")
    parser.add_argument("--stage", required=True, help="name of the stage's folder under --work")
    parser.add_argument("--start", help="stage to start from, or an encoder: mini, or its folder")
    parser.add_argument("--layers", type=int, default=4, help="of the English encoder that are taken over, from the lowest")
    parser.add_argument("--depth", type=int, default=0)
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("--objectives", default="distil=1")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--pieces", type=float, default=0, help="millions")
    parser.add_argument("--batch-pieces", type=int, default=4096)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--embedding-rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.3)
    parser.add_argument("--random-embeddings", action="store_true", help="ablation: no aligned initialisation")
    parser.add_argument("--random-body", action="store_true", help="ablation: nothing of the English encoder but its words")
    parser.add_argument("--noise", type=float, default=0)
    parser.add_argument("--exponent", type=float, default=0.5)
    parser.add_argument("--first", type=float, default=3.0)
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--probe-layer", type=int, default=-1, help="whose vectors the probe reads; -1: the last one")
    parser.add_argument("--ud", type=Path, help="folder of treebanks: dev files for the probe, which only watches")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    work: Path = args.work
    tok = Tokenizer.from_file(str(work / "tokenizer.json"))
    chosen = [x for x in args.languages.split(",") if (work / "sentences" / f"{x}.source.npy").exists()]
    data = {lang: Sentences.load(work / "sentences", lang) for lang in chosen}
    objectives = parse_objectives(args.objectives)
    sampler = Sampler(
        data, weights(data, args.exponent, args.first), batch_pieces=args.batch_pieces,
        linked=set(objectives) == {"distil"}, vocabulary=tok.get_vocab_size(), seed=args.seed,
    )  # fmt: skip
    if args.start:
        own = work / args.start / "encoder"
        backbone = load_backbone(own, args.start) if own.exists() else Encoder.load(args.start).backbone
    else:
        table = np.load(work / "embeddings.npy")
        if args.random_embeddings:
            table = np.random.default_rng(args.seed).normal(table.mean(0), table.std(0), table.shape).astype(np.float32)
        backbone = with_vocabulary(args.init, "the English encoder", table, layers=args.layers)
        if args.random_body:
            fresh = type(backbone)(backbone.config, add_pooling_layer=False)
            fresh.set_input_embeddings(backbone.get_input_embeddings())
            backbone = fresh
    compared = (args.layers - 1,) if args.depth else (args.layers - 1, args.layers)
    plan = Plan(
        objectives=objectives, layers=compared, depth=args.depth, freeze=args.freeze, minutes=args.minutes,
        steps=args.steps, pieces=int(args.pieces * 1e6), rate=args.rate, embedding_rate=args.embedding_rate, decay=args.decay,
        seed=args.seed, noise=args.noise,
    )  # fmt: skip
    teacher = np.load(work / "teacher.npy", mmap_mode="r")
    teacher = teacher[:, :1] if args.depth else teacher
    print({n: round(float(s), 4) for n, s in zip(sampler.names, sampler.shares, strict=True)}, flush=True)
    probe = new_probe(tok, args.ud, args.probe_layer) if args.ud else None
    state = pretrain_loop(
        backbone, sampler, plan, work / args.stage, teacher=teacher, probe=probe,
        tell=lambda line: print(json.dumps(line), flush=True),
    )  # fmt: skip
    if PartialState().is_main_process:
        save_encoder(backbone, tok, work / args.stage / "encoder")
        print(f"{state.pieces / 1e6:.1f} M pieces in {state.seconds / 60:.0f} minutes", flush=True)


if __name__ == "__main__":
    main()
