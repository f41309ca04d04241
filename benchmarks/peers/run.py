"""calque and its peers on the same machine, file and words: words a second, start-up, peak memory.

    python benchmarks/peers/run.py --train es_gsd-ud-train.conllu --input es_gsd-ud-test.conllu --lang es --work runs/speed

Each peer has an environment of its own under WORK/envs (``venv`` and ``pip``; ``--python NAME=PATH`` takes one that is there),
is trained once on the first ``--train-limit`` sentences of the same treebank (a WORK folder for each treebank: models that lie
there are used again), and then labels the same gold words in a fresh process, one peer after the other, ``--rounds`` times over:
what else the machine does hits all alike. WORK/speed.jsonl has a line for each process and starts anew with each call; the table
goes to the screen and to WORK/speed.md: words a second with the slowest and the fastest round, the median start-up of all of a
peer's processes, the highest peak of memory among them.

What is compared
- Speed alone, and not how good the labels are. Yet train on enough: a UDPipe that has seen a few dozen sentences has hardly a
  choice of tags for a word, and is many times faster than one that is of use.
- Tags: UDPipe's tagger gives features and lemmas with them; the others give tags alone. Tags and trees: those that do both.
- spaCy and UDPipe use one processor in one process, whatever ``--threads`` says: compare with one.
- The transformers pipeline runs the encoder ``--encoder`` in float32 under a random head (needs calque's extra ``train`` here, to
  write it down for transformers). By default pip fetches PyTorch with CUDA, some gigabytes; ``PIP_CONSTRAINT`` or ``--python``
  spare them.
- Stanza and Trankit are left out: both fetch models, and vectors or encoders to train with, from the network, so neither can be
  measured on a machine without one.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from few_shot_peers import environment
from measuring import WHAT

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


class Peer(NamedTuple):
    """A script beside this one, what it installs, and what it can do."""

    packages: tuple[str, ...]
    what: tuple[str, ...]
    trained: bool  # on the treebank, in its own environment


PEERS = {
    "calque": Peer((), WHAT, trained=False),
    "udpipe": Peer(("ufal.udpipe==1.4.0.1",), WHAT, trained=True),
    "spacy": Peer(("spacy>=3.8,<3.9",), WHAT, trained=True),
    "transformers": Peer(("transformers>=5.0", "torch>=2.6"), ("tags",), trained=False),
}
HEADINGS = {"tags": "tags", "tree": "tags + tree"}


def write_words(path: Path, to: Path, limit: int | None) -> None:
    """The first sentences of a treebank as plain CoNLL-U, but those with a word too long for UDPipe's byte of a length."""
    from itertools import islice

    from calque.formats.conllu import read_conllu, write_conllu

    fitting = (s for s in read_conllu(path) if all(len(word.encode()) < 250 for word in s.words))
    write_conllu(islice(fitting, limit), to)


def write_encoder(name: str, folder: Path) -> None:
    """An encoder as transformers reads it."""
    if not folder.is_dir():
        from calque.models import Model

        part = folder.with_suffix(".part")
        Model.load(name, heads=False).encoder.save_pretrained(part)
        part.rename(folder)


def python_of(peer: str, work: Path, given: dict[str, str]) -> str:
    """The interpreter of a peer's environment, which is made if it is not there."""
    if peer in given or peer == "calque":
        return given.get(peer, sys.executable)
    return str(environment(work / "envs" / peer, PEERS[peer].packages))


def called(python: str, peer: str, verb: str, *options: str, threads: int) -> str:
    """What a peer's script prints."""
    limits = dict.fromkeys(("CALQUE_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    environ = os.environ | limits | {"TOKENIZERS_PARALLELISM": "false"}
    environ.pop("PYTHONPATH", None)  # of this environment, and not of the peer's
    if peer == "calque":
        environ["PYTHONPATH"] = str(ROOT / "src")
    command = [python, str(HERE / f"{peer}_peer.py"), verb, *options, "--threads", str(threads)]
    return subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True).stdout


def prepare(args: argparse.Namespace, pythons: dict[str, str]) -> dict[str, str]:
    """Each peer's model: trained, written down, or named."""
    train = args.work / "train.conllu"
    models = {"calque": args.calque}
    for peer, python in pythons.items():
        if PEERS[peer].trained:
            models[peer] = str(args.work / f"{peer}.model")
            if not Path(models[peer]).exists():
                print(f"training {peer} …", file=sys.stderr)
                part = f"{models[peer]}.part"
                called(python, peer, "train", "--train", str(train), "--model", part, "--lang", args.lang, threads=args.threads)
                Path(part).rename(models[peer])
    if "transformers" in pythons:
        models["transformers"] = str(args.work / "encoder")
        write_encoder(args.encoder, args.work / "encoder")
    return models


def able(args: argparse.Namespace, pythons: dict[str, str]) -> list[tuple[str, str]]:
    """What is measured in a round: peers and what they do; of calque what the model has heads for."""
    import calque

    heads = set(calque.load(args.calque).tasks)
    lacking = {what for what, task in (("tags", "pos"), ("tree", "dep")) if task not in heads}
    return [(peer, what) for peer in pythons for what in PEERS[peer].what if peer != "calque" or what not in lacking]


def table(lines: list[dict[str, object]], base: str = "calque") -> str:
    """Medians with the slowest and the fastest round, and beside them the ratio to one peer's."""
    by: dict[tuple[str, str], list[dict[str, float]]] = {}
    for line in lines:
        by.setdefault((str(line["peer"]), str(line["what"])), []).append(line)  # type: ignore[arg-type]
    peers = list(dict.fromkeys(peer for peer, _ in by))
    heads = " | ".join(f"{HEADINGS[what]}, words/s | to {base}" for what in WHAT)
    rows = [f"| | threads | {heads} | start-up, s | peak, MB |", "|---|--:|" + "--:|" * (2 * len(WHAT) + 2)]

    def speeds(peer: str, what: str) -> list[float]:
        return [line["words"] / line["seconds"] for line in by.get((peer, what), [])]

    for peer in peers:
        cells = []
        for what in WHAT:
            own, ours = speeds(peer, what), speeds(base, what)
            shown = f"{statistics.median(own):,.0f} ({min(own):,.0f}–{max(own):,.0f})" if own else "–"
            ratio = f"{statistics.median(own) / statistics.median(ours):.2f}" if own and ours else "–"
            cells += [shown, ratio]
        mine = [line for (who, _), found in by.items() if who == peer for line in found]
        startup = statistics.median(line["startup"] for line in mine)
        peak = max(line["peak_mb"] for line in mine)
        rows.append(f"| {peer} | {mine[0]['threads']} | {' | '.join(cells)} | {startup:.2f} | {peak:,.0f} |")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Prepare all, measure in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True, help="CoNLL-U that spaCy and UDPipe are trained on")
    parser.add_argument("--input", type=Path, required=True, help="CoNLL-U whose words are labelled")
    parser.add_argument("--lang", default="xx", help="the file's language: a code that spaCy knows, or xx for any")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--calque", default="default", help="the model to compare: a name or folder")
    parser.add_argument(
        "--encoder", default="mini", help="of the transformers pipeline: a name, folder or Hub id that calque knows"
    )
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=int, help="sentences to label")
    parser.add_argument("--train-limit", type=int, default=2000, help="sentences to train on")
    parser.add_argument("--python", action="append", default=[], metavar="PEER=PATH", help="use an environment that is there")
    args = parser.parse_args()
    chosen = args.peers.split(",")
    if unknown := set(chosen) - set(PEERS):
        parser.error(f"unknown peers: {', '.join(sorted(unknown))} (there are: {', '.join(PEERS)})")
    if min(args.rounds, args.threads) < 1:
        parser.error("--rounds and --threads: 1 or more")
    args.work.mkdir(parents=True, exist_ok=True)
    words = args.work / "words.conllu"
    write_words(args.input, words, args.limit)
    write_words(args.train, args.work / "train.conllu", args.train_limit)
    given = dict(item.split("=", 1) for item in args.python)
    pythons = {peer: python_of(peer, args.work, given) for peer in PEERS if peer in chosen}
    models = prepare(args, pythons)
    lines: list[dict[str, object]] = []
    tried = able(args, pythons)
    with (args.work / "speed.jsonl").open("w", encoding="utf-8") as log:
        for number in range(1, args.rounds + 1):
            for peer, what in tried:
                print(f"round {number} of {args.rounds}: {peer}, {HEADINGS[what]}", file=sys.stderr)
                options = ["--model", models[peer], "--input", str(words), "--lang", args.lang, "--what", what]
                printed = called(pythons[peer], peer, "measure", *options, threads=args.threads)
                lines.append({"round": number, "peer": peer, "what": what, **json.loads(printed.splitlines()[-1])})
                log.write(json.dumps(lines[-1]) + "\n")
                log.flush()
    (args.work / "speed.md").write_text(table(lines), encoding="utf-8")
    print(table(lines), end="")


if __name__ == "__main__":
    main()
