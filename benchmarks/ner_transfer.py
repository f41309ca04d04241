"""Entities from English alone, then with a few sentences of the language, beside spaCy on those sentences alone.

    python benchmarks/ner_transfer.py --data ../shared/data/labelled/uner --work runs/ner
    python benchmarks/ner_transfer.py --work benchmarks/measured/ner.jsonl --report

Trains ``mini`` on Universal NER's English (the pre-release train split), measures F1 over whole entities on the test files of
eight languages, then goes on from that model with 100 and 500 sentences of each language that has so many (``--draws`` seeds),
and trains spaCy (blank, its default tok2vec and NER) on the same draws in an environment of its own. Each finished step
is a line in WORK/log.jsonl and is not run again. What was measured so far is in ``benchmarks/measured/ner.jsonl``: copied to
WORK/log.jsonl, it is gone on with.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from few_shot_peers import environment, spacy_fit
from steps import note, read_log

SETS = {
    "en": "English-EWT/en_ewt-ud",
    "da": "Danish-DDT/da_ddt-ud",
    "hr": "Croatian-SET/hr_set-ud",
    "pt": "Portuguese-Bosque/pt_bosque-ud",
    "sk": "Slovak-SNK/sk_snk-ud",
    "sr": "Serbian-SET/sr_set-ud",
    "sv": "Swedish-Talbanken/sv_talbanken-ud",
    "zh": "Chinese-GSDSIMP/zh_gsdsimp-ud",
}
ENGLISH = "English-EWT/PRERELEASE.en_ewt-ud-train.0c7ce0d.clean.iob2.xz"
LIMITS = (100, 500)
LEAST_EPOCHS = 30  # of spaCy: ten sentences may hold no entity to stop by


def part(data: Path, lang: str, name: str) -> Path:
    """A file of a language."""
    return data / ENGLISH if (lang, name) == ("en", "train") else data / f"{SETS[lang]}-{name}.iob2.xz"


def f1(model: Any, lang: str, path: Path) -> dict[str, Any]:
    """Of one test file, with its interval."""
    from calque.evaluation import evaluate

    found = evaluate(model, {lang: path}, tasks="ner").score(lang, metric="ner.f1")
    assert found is not None
    return {"value": found.value, "interval": list(found.interval), "sentences": found.sentences}


def zero_shot(data: Path, work: Path, languages: list[str], start: str) -> Any:
    """Our model after English, measured in every language."""
    import calque

    english = work / "english"
    if not (english / "config.json").exists():
        begun = time.monotonic()
        files = {name: {"en": part(data, "en", name)} for name in ("train", "dev")}
        calque.fine_tune(start, files["train"], task="ner", validation=files["dev"], output=english)
        note(work, "english", seconds=time.monotonic() - begun)
    model = calque.load(english, backend="torch")
    for lang in languages:
        if f"zero {lang}" not in read_log(work):
            note(work, f"zero {lang}", **f1(model, lang, part(data, lang, "test")))
    return model


def few_shot(model: Any, data: Path, work: Path, languages: list[str], seed: int) -> None:
    """What is not done of one draw in every language."""
    import calque

    for lang in languages[1:]:
        for limit in LIMITS:
            step = f"few {lang} {limit} {seed}"
            if step not in read_log(work):
                begun = time.monotonic()
                tuned = calque.fine_tune(
                    model, {lang: part(data, lang, "train")}, task="ner", limit=limit, seed=seed, progress=False
                )
                seconds = time.monotonic() - begun
                note(work, step, seconds=seconds, **f1(tuned, lang, part(data, lang, "test")))


def write_draws(data: Path, work: Path, languages: list[str], draws: int) -> None:
    """The sentences that our runs draw, as JSON for the peer."""
    from calque.formats.entities import read_entities
    from calque.training.mixtures import draw

    for lang in languages[1:]:
        everything = list(read_entities(part(data, lang, "train"), lang=lang))
        wanted = {f"{lang}-{n}-{s}": draw(everything, n, seed=s, name=lang) for n in LIMITS for s in range(draws)}
        wanted[f"{lang}-test"] = list(read_entities(part(data, lang, "test"), lang=lang))
        for name, chosen in wanted.items():
            rows = [{"words": s.words, "tags": [t.entity for t in s.tokens]} for s in chosen]
            (work / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")


def run_spacy(work: Path, lang: str, limit: int, seed: int) -> None:
    """Train and score one; runs in the peer's environment."""
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example, iob_to_biluo
    from spacy.util import fix_random_seed

    fix_random_seed(seed)
    nlp = spacy.blank(lang if lang != "zh" else "xx")
    ner = nlp.add_pipe("ner")

    def examples(name: str) -> list[Example]:
        rows = json.loads((work / f"{name}.json").read_text(encoding="utf-8"))
        found = []
        for row in rows:
            gold = {"words": row["words"], "entities": iob_to_biluo(row["tags"])}
            found.append(Example.from_dict(Doc(nlp.vocab, words=row["words"]), gold))
        return found

    begun = time.monotonic()
    everything, test = examples(f"{lang}-{limit}-{seed}"), examples(f"{lang}-test")
    dev, rest = everything[: len(everything) // 10], everything[len(everything) // 10 :]
    optimiser = nlp.initialize(lambda: rest)

    def score(items: list[Example]) -> float:
        docs = list(ner.pipe([Doc(nlp.vocab, words=[t.text for t in e.reference]) for e in items]))
        right = both = 0
        for doc, example in zip(docs, items, strict=True):
            found = {(e.start, e.end, e.label_) for e in doc.ents}
            wanted = {(e.start, e.end, e.label_) for e in example.reference.ents}
            right, both = right + 2 * len(found & wanted), both + len(found) + len(wanted)
        return right / max(1, both)

    spacy_fit(nlp, optimiser, rest, lambda: score(dev), least=LEAST_EPOCHS)
    note(work, f"spacy {lang} {limit} {seed}", value=score(test), seconds=time.monotonic() - begun)


def report(work: Path) -> None:
    """The table."""
    found = read_log(work)
    head = " | ".join(f"{who} {n}" for n in LIMITS for who in ("calque", "spaCy"))
    print(f"| test | sentences | zero-shot | {head} |\n|---|--:|--:|" + "--:|" * 2 * len(LIMITS))
    for lang, name in SETS.items():
        zero = found.get(f"zero {lang}")
        if zero is None:
            continue
        low, high = (100 * v for v in zero["interval"])
        cells = [f"{zero['sentences']:,}", f"{100 * zero['value']:.1f} ({low:.1f}–{high:.1f})"]
        for limit in LIMITS:
            for who in ("few", "spacy"):
                values = [100 * line["value"] for step, line in found.items() if step.startswith(f"{who} {lang} {limit} ")]
                spread = f" (sd {statistics.stdev(values):.1f})" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.1f}{spread}" if values else "–")
        print(f"| {lang} ({name.split('/')[0]}) | " + " | ".join(cells) + " |")


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--languages", default=",".join(SETS), help="English first")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)  # lang/limit/seed, in the peer's environment
    args = parser.parse_args()
    if args.one:
        lang, limit, seed = args.one.split("/")
        run_spacy(args.work, lang, int(limit), int(seed))
        return
    if not args.report:
        args.work.mkdir(parents=True, exist_ok=True)
        languages = args.languages.split(",")
        model = zero_shot(args.data, args.work, languages, args.model)
        python = None if args.no_peers else environment(args.work / "venv")
        write_draws(args.data, args.work, languages, args.draws)
        for seed in range(args.draws):  # a draw of everything first, so that what is done compares whenever it stops
            few_shot(model, args.data, args.work, languages, seed)
            for lang, limit in [(lang, limit) for lang in languages[1:] for limit in LIMITS]:
                if python is not None and f"spacy {lang} {limit} {seed}" not in read_log(args.work):
                    one = ["--work", str(args.work), "--one", f"{lang}/{limit}/{seed}"]
                    subprocess.run([str(python), __file__, *one], check=True)
    report(args.work)


if __name__ == "__main__":
    main()
