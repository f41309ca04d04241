"""Step 3 of the recipe: the lower half of the teacher, with fewer pieces, learns to say what the whole teacher says.

    torchrun --nproc-per-node 2 -- recipes/mini/pretrain.py --work build/mini --teacher build/teacher --stage whole --minutes 30

The student is the teacher's ``--layers`` lowest layers and the pieces that step 2 kept. Both read the same sentences, cut into
their own pieces; every word's vector is compared at the layers ``--compare``. The probe only watches. A killed run goes on.
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

from calque.models.encoder import Encoder, load_backbone, load_pieces
from calque.pretraining import steps
from calque.pretraining.batches import Sampler
from calque.pretraining.loop import Plan, pretrain_loop
from calque.pretraining.model import keep_layers, save_encoder, with_vocabulary
from calque.pretraining.objectives import parse_objectives
from calque.pretraining.probe import Probe, pieces_of
from calque.pretraining.run import PROBE_SENTENCES, tagged
from calque.pretraining.sentences import Sentences
from calque.pretraining.teacher import Reader
from calque.pretraining.teachers import special_ids
from calque.pretraining.trimming import KEPT, TEACHER_SENTENCES

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
    """How much of each language: its words to a power, the first ones several times."""
    return {lang: float(len(s.links)) ** exponent * (first if lang in FIRST else 1.0) for lang, s in data.items()}


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--stage", required=True, help="name of the stage's folder under --work")
    parser.add_argument("--from", dest="start", help="stage to start from, or an encoder: mini, or its folder")
    parser.add_argument("--layers", type=int, default=6, help="of the teacher that are taken over, from the lowest")
    parser.add_argument("--compare", default="5,6", help="layers")
    parser.add_argument("--freeze", action="store_true", help="train the piece embeddings alone")
    parser.add_argument("--objectives", default="distil=1")
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--pieces", type=float, default=0, help="millions")
    parser.add_argument("--batch-pieces", type=int, default=2560)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--embedding-rate", type=float, default=5e-4)
    parser.add_argument("--decay", type=float, default=0.5)
    parser.add_argument("--random-embeddings", action="store_true", help="ablation: nothing of the teacher's embeddings")
    parser.add_argument("--random-body", action="store_true", help="ablation: nothing of the teacher's layers")
    parser.add_argument("--noise", type=float, default=0.05)
    parser.add_argument("--exponent", type=float, default=0.5)
    parser.add_argument("--first", type=float, default=3.0)
    parser.add_argument("--languages", default=",".join(LANGUAGES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--probe-layer", type=int, default=-1, help="whose vectors the probe reads; -1: the last one")
    parser.add_argument("--ud", type=Path, help="folder of treebanks: dev files for the probe, which only watches")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    work: Path = args.work
    tok = Tokenizer.from_file(str(work / "tokenizer.json"))
    chosen = [x for x in args.languages.split(",") if (work / "sentences" / f"{x}.source.npy").exists()]
    data = steps.load_sentences(work, chosen)
    share = weights(data, args.exponent, args.first)
    sampler = Sampler(
        data, share, batch_pieces=args.batch_pieces, linked=False, vocabulary=tok.get_vocab_size(), seed=args.seed,
    )  # fmt: skip
    compared = tuple(int(x) for x in args.compare.split(","))
    teacher = load_backbone(args.teacher, "the teacher")
    table = teacher.get_input_embeddings().weight.detach().numpy()[np.load(work / KEPT)]  # type: ignore[operator]
    keep_layers(teacher, max(compared))
    theirs = Sampler(steps.load_sentences(work, chosen, TEACHER_SENTENCES), dict.fromkeys(chosen, 1.0), linked=False)
    reader = Reader(teacher, theirs, compared, special_ids(load_pieces(args.teacher)))
    if args.start:
        own = work / args.start / "encoder"
        backbone = load_backbone(own, args.start) if own.exists() else Encoder.load(args.start).backbone
    else:
        if args.random_embeddings:
            table = np.random.default_rng(args.seed).normal(table.mean(0), table.std(0), table.shape).astype(np.float32)
        backbone = with_vocabulary(args.teacher, "the teacher", table, layers=args.layers)
        if args.random_body:
            fresh = type(backbone)(backbone.config, add_pooling_layer=False)
            fresh.set_input_embeddings(backbone.get_input_embeddings())
            backbone = fresh
    plan = Plan(
        objectives=parse_objectives(args.objectives), layers=compared, freeze=args.freeze, minutes=args.minutes,
        steps=args.steps, pieces=int(args.pieces * 1e6), rate=args.rate, embedding_rate=args.embedding_rate, decay=args.decay,
        seed=args.seed, noise=args.noise,
    )  # fmt: skip
    probe = new_probe(tok, args.ud, args.probe_layer) if args.ud else None
    state = pretrain_loop(
        backbone, sampler, plan, work / args.stage, teacher=reader, probe=probe,
        tell=lambda line: print(json.dumps(line), flush=True),
    )  # fmt: skip
    if PartialState().is_main_process:
        save_encoder(backbone, tok, work / args.stage / "encoder")
        print(f"{state.pieces / 1e6:.1f} M pieces in {state.seconds / 60:.0f} minutes", flush=True)


if __name__ == "__main__":
    main()
