"""UDPipe 1.4 and spaCy trained on the same few hundred sentences that calque's few-shot runs draw, those alone.

    python benchmarks/few_shot_peers.py --data ../shared/data/ud --work runs/peers

Makes an environment of its own under WORK/venv (ufal.udpipe 1.4.0.1, spacy 3.8), writes the draws as CoNLL-U (the same as
``calque train pos --limit 500 --seed S``), trains on each and scores UPOS on the test file, gold words. UDPipe: its tagger as
it is tuned for UD by default, twenty iterations. spaCy: a blank pipeline with its default tok2vec and morphologizer, a tenth
of the sentences choosing the epoch. Finished runs are lines in WORK/peers.jsonl and are not run again.

    python benchmarks/few_shot_peers.py --draws runs/comparison/draws --work runs/peers --languages es,cy --limit 100

trains on the draws, and scores on the test sentences, that `calque compare --output runs/comparison` wrote.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PACKAGES = ["ufal.udpipe==1.4.0.1", "spacy>=3.8,<3.9"]
TREEBANKS = {
    "es": "UD_Spanish-GSD",
    "ca": "UD_Catalan-AnCora",
    "fr": "UD_French-GSD",
    "de": "UD_German-GSD",
    "zh": "UD_Chinese-GSDSimp",
}
EPOCHS, BATCH, PATIENCE = 60, 16, 8


def sentences(path: Path) -> list[tuple[list[str], list[str]]]:
    """Words and tags of a CoNLL-U file."""
    found: list[tuple[list[str], list[str]]] = []
    words: list[str] = []
    tags: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split("\t")
        if cells[0].isdigit():
            words.append(cells[1])
            tags.append(cells[3])
        elif not line.strip() and words:
            found.append((words, tags))
            words, tags = [], []
    return found


def udpipe_sentences(path: Path) -> Any:
    """A CoNLL-U file as UDPipe holds it."""
    from ufal.udpipe import InputFormat, ProcessingError, Sentence, Sentences

    reader, error, out = InputFormat.newConlluInputFormat(), ProcessingError(), Sentences()
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    reader.setText("\n\n".join(block for block in blocks if _fits(block)) + "\n")
    sentence = Sentence()
    while reader.nextSentence(sentence, error):
        out.append(sentence)
        sentence = Sentence()
    return out


def _fits(block: str) -> bool:
    """UDPipe keeps the length of a form in one byte, and fails where one (a web address in a treebank) is longer."""
    return all(len(cell.encode()) < 250 for row in block.split("\n") for cell in row.split("\t")[1:3])


def udpipe_train(train: Path, model: Path, *, parser: bool = False) -> None:
    """Train UDPipe's tagger, and its parser if wanted, as they are by default."""
    from ufal.udpipe import ProcessingError, Sentences, Trainer

    error = ProcessingError()
    made = Trainer.train("morphodita_parsito", udpipe_sentences(train), Sentences(), "none", "", "" if parser else "none", error)
    if error.occurred():
        sys.exit(error.message)
    model.write_bytes(made if isinstance(made, bytes) else bytes(made, "latin-1"))


def udpipe_score(model: Path, test: Path) -> tuple[int, int]:
    """Right words and all words, gold segmentation."""
    from ufal.udpipe import Model

    loaded = Model.load(str(model))
    right = words = 0
    for sentence in udpipe_sentences(test):
        gold = [w.upostag for w in sentence.words][1:]
        for k in range(1, len(sentence.words)):
            sentence.words[k].upostag = ""
        loaded.tag(sentence, Model.DEFAULT)
        right += sum(a == w.upostag for a, w in zip(gold, list(sentence.words)[1:], strict=True))
        words += len(gold)
    return right, words


def train_udpipe(train: Path, test: Path) -> float:
    """Accuracy of UDPipe's tagger."""
    model = train.with_suffix(".udpipe")
    udpipe_train(train, model)
    right, words = udpipe_score(model, test)
    model.unlink()
    return right / words


def spacy_fit(nlp: Any, optimiser: Any, rest: list[Any], score: Callable[[], float], *, least: int = 0) -> None:
    """Train a pipeline until its score on kept sentences rises no more, and leave it as it was best.

    :param least: epochs before it may end; where these sentences are too few to tell (ten without an entity), the last of those
        with the best score are kept.
    """
    import random

    from spacy.util import minibatch

    best, kept, since = -1.0, b"", 0
    for epoch in range(1, EPOCHS + 1):
        random.shuffle(rest)
        for batch in minibatch(rest, BATCH):
            nlp.update(batch, sgd=optimiser, drop=0.1)
        now = score()
        since = 0 if now > best else since + 1
        if now > best or (least and now == best):
            best, kept = now, nlp.to_bytes()
        if since >= PATIENCE and epoch >= least:
            break
    nlp.from_bytes(kept)


def train_spacy(train: Path, test: Path, lang: str, seed: int) -> float:
    """Accuracy of spaCy's morphologizer."""
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example
    from spacy.util import fix_random_seed

    fix_random_seed(seed)
    try:
        nlp = spacy.blank(lang if lang != "zh" else "xx")
    except ImportError:  # a language that spaCy has no rules of
        nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("morphologizer")

    def examples(path: Path) -> list[Example]:
        found = []
        for words, tags in sentences(path):
            gold = Doc(nlp.vocab, words=words, pos=tags, morphs=[""] * len(words))
            found.append(Example(Doc(nlp.vocab, words=words), gold))
        return found

    everything, scored = examples(train), examples(test)
    dev, rest = everything[: len(everything) // 10], everything[len(everything) // 10 :]
    optimiser = nlp.initialize(lambda: rest)

    def accuracy(items: list[Example]) -> float:
        right = words = 0
        docs = list(pipe.pipe([Doc(nlp.vocab, words=[t.text for t in e.reference]) for e in items]))
        for doc, example in zip(docs, items, strict=True):
            right += sum(a.pos_ == b.pos_ for a, b in zip(doc, example.reference, strict=True))
            words += len(doc)
        return right / words

    spacy_fit(nlp, optimiser, rest, lambda: accuracy(dev))
    return accuracy(scored)


def write_draws(data: Path, work: Path, langs: list[str], limit: int, seeds: int) -> None:
    """The sentences that ``calque train pos --limit N --seed S`` trains on."""
    from calque.formats.conllu import read_conllu
    from calque.training.mixtures import draw

    for lang in langs:
        folder = data / TREEBANKS[lang]
        train = next(p for name in ("train", "dev") if (p := folder / f"{name}.conllu.xz").is_file())
        everything = list(read_conllu(train))
        for seed in range(seeds):
            chosen = draw(everything, limit, seed=seed, name=lang)
            text = "".join(s.to_conllu() for s in chosen)
            (work / f"{lang}-{limit}-{seed}.conllu").write_text(text, encoding="utf-8")
        (work / f"{lang}-test.conllu").write_text(
            "".join(s.to_conllu() for s in read_conllu(folder / "test.conllu.xz")), encoding="utf-8"
        )


def copy_draws(draws: Path, work: Path, langs: list[str], limit: int, seeds: int) -> None:
    """The same, out of the folder of a comparison; as many seeds as it has."""
    for lang in langs:
        names = [f"{lang}-test.conllu", *(f"{lang}-{limit}-{seed}.conllu" for seed in range(seeds))]
        for name in names:
            if not (draws / name).is_file():
                sys.exit(f"{draws / name}: no such draw: give --limit and --seeds that the comparison had")
            if (work / name).is_file() and (work / name).read_bytes() != (draws / name).read_bytes():
                sys.exit(f"{work / name}: of other sentences: give another --work")
            shutil.copyfile(draws / name, work / name)


def run_one(work: Path, peer: str, lang: str, limit: int, seed: int) -> None:
    """Train and score one; a line on the log. Runs in the peers' environment."""
    train, test = work / f"{lang}-{limit}-{seed}.conllu", work / f"{lang}-test.conllu"
    begun = time.monotonic()
    value = train_udpipe(train, test) if peer == "udpipe" else train_spacy(train, test, lang, seed)
    line = {"peer": peer, "lang": lang, "limit": limit, "seed": seed, "accuracy": value, "seconds": time.monotonic() - begun}
    with (work / "peers.jsonl").open("a") as log:
        log.write(json.dumps(line) + "\n")


def environment(venv: Path, packages: Sequence[str] = PACKAGES) -> Path:
    """The Python of the peers' environment, made when it is missing or was not finished."""
    python, whole = venv / "bin" / "python", venv / "packages.txt"
    wanted = "\n".join(packages)
    if not whole.exists() or whole.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
        whole.write_text(wanted, encoding="utf-8")
    return python


def read_log(work: Path) -> list[dict[str, object]]:
    """Finished runs."""
    path = work / "peers.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--draws", type=Path, help="draws of a comparison, in place of --data")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--languages", default=",".join(TREEBANKS))
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", default="udpipe,spacy")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # peer/lang/seed, in the peers' environment
    args = parser.parse_args()
    work: Path = args.work
    if args.one:
        peer, lang, seed = args.one.split("/")
        run_one(work, peer, lang, args.limit, int(seed))
        return
    work.mkdir(parents=True, exist_ok=True)
    python = environment(work / "venv")
    langs = args.languages.split(",")
    if args.draws:
        copy_draws(args.draws, work, langs, args.limit, args.seeds)
    else:
        write_draws(args.data, work, langs, args.limit, args.seeds)
    done = {(r["peer"], r["lang"], r["limit"], r["seed"]) for r in read_log(work)}
    for peer in args.peers.split(","):
        for lang in langs:
            for seed in range(args.seeds):
                if (peer, lang, args.limit, seed) not in done:
                    one = ["--limit", str(args.limit), "--one", f"{peer}/{lang}/{seed}"]
                    subprocess.run([str(python), __file__, "--work", str(work), *one], check=True)
    print("| test | " + " | ".join(args.peers.split(",")) + " |\n|---|" + "--:|" * len(args.peers.split(",")))
    for lang in langs:
        cells = []
        for peer in args.peers.split(","):
            runs = [r for r in read_log(work) if (r["peer"], r["lang"], r["limit"]) == (peer, lang, args.limit)]
            values = [100 * float(str(r["accuracy"])) for r in runs]
            spread = f" (sd {statistics.stdev(values):.2f})" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.1f}{spread}" if values else "–")
        print(f"| {lang} ({TREEBANKS.get(lang, 'the draws')}) | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
