"""Tags carried through the New Testament, beside zero-shot transfer.

    python benchmarks/projection.py --data ../shared/data --work runs/projection
    python benchmarks/projection.py --data ../shared/data --work runs/projection-dev --targets et,bg --dev

Targets are languages that the embedded default has been trained on no treebank of, with a Bible and a test file. Five source
languages are labelled once by the default; then, for each target, tags are carried over from English alone and from all five, a
tagger is trained on each (``mini``, :data:`RECIPE`), and the test file is scored: by the default as it is (language told), by
both taggers. Verses that share eight words in a row with a test sentence, or are one, are left out of the target's text.

``direct`` measures the carried tags themselves where the test file has translations (``# text_en``): these sentences and their
translations are added to the parallel text (their labels are not read), and every word is compared; English is the only source.

Finished steps are not run again (``results.jsonl`` in ``--work``).
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from calque import evaluate, fine_tune

SOURCES = ("en", "es", "de", "ru", "fi")
TESTS = {
    "am": ["ud/UD_Amharic-ATT"],
    "eo": ["ud/UD_Esperanto-Prago"],
    "et": ["ud/UD_Estonian-EDT"],
    "eu": ["ud/UD_Basque-BDT"],
    "gu": ["ud/UD_Gujarati-GujTB"],
    "hi": ["ud/UD_Hindi-PUD"],
    "hu": ["ud/UD_Hungarian-Szeged"],
    "la": ["ud/UD_Latin-UDante"],
    "ml": ["ud/UD_Malayalam-UFAL"],
    "tl": ["ud/UD_Tagalog-TRG", "ud/UD_Tagalog-Ugnayan"],
    "sw": ["labelled/masakhapos/swa"],
    "zu": ["labelled/masakhapos/zul"],
    "bg": ["ud/UD_Bulgarian-BTB"],
}
TEN = "am,eo,et,eu,gu,hi,hu,la,ml,tl"
FIRST = "MAT 1:1"
RUN = 8  # words in a row that make a verse and a test sentence the same
RECIPE: dict[str, Any] = {"freeze_backbone": True, "learning_rate": 5e-4, "validation": "none", "patience": 0, "progress": False}
X_SYSTEM = {a + x: b for a, b in zip("cghjsuCGHJSU", "ĉĝĥĵŝŭĈĜĤĴŜŬ", strict=True) for x in "xX"}


def read(path: Path) -> list[str]:
    """Lines of a compressed file."""
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        return stream.read().split("\n")[:-1]


@cache
def testament(data: Path, lang: str) -> list[str]:
    """The verses of the New Testament, empty where one is missing."""
    for corpus in ("bible", "bible-christos"):
        folder = data / "text" / "parallel" / corpus
        if (folder / f"{lang}.txt.xz").exists():
            verses = read(folder / f"{lang}.txt.xz")[read(folder / "ids.txt.xz").index(FIRST) :]
            if lang == "eo":
                for written, letter in X_SYSTEM.items():
                    verses = [v.replace(written, letter) for v in verses]
            return verses
    raise SystemExit(f"no Bible of {lang}")


@cache
def common(data: Path) -> list[bool]:
    """Which verses all five sources and all ten targets have: the same text for all of them."""
    return [
        all(v.strip() for v in verse) for verse in zip(*(testament(data, x) for x in (*SOURCES, *TEN.split(","))), strict=True)
    ]


def text_of(data: Path, lang: str) -> list[str]:
    """The verses in common, the others empty."""
    return [verse if there else "" for verse, there in zip(testament(data, lang), common(data), strict=True)]


def scored(args: argparse.Namespace, lang: str) -> list[Path]:
    """The files that a target is scored on, as CoNLL-U."""
    found = []
    for name in TESTS[lang]:
        split = "dev" if args.dev else "test"
        path = args.data / name / f"{split}.conllu.xz"
        if not path.exists():
            path = args.work / "text" / f"{lang}-{split}.conllu"
            sentences = "\n".join(read(args.data / name / f"{split}.txt.xz")).split("\n\n")
            with path.open("w", encoding="utf-8") as out:
                for sentence in sentences:
                    rows = [row.rsplit(maxsplit=1) for row in sentence.split("\n") if len(row.split()) > 1]
                    out.writelines(f"{k}\t{w}\t_\t{t}\t_\t_\t_\t_\t_\t_\n" for k, (w, t) in enumerate(rows, 1))
                    out.write("\n" if rows else "")
        found.append(path)
    return found


def grams(words: Sequence[str]) -> Iterator[str]:
    folded = [w.casefold() for w in words if any(c.isalnum() for c in w)]
    if 3 <= len(folded) < RUN:
        yield " ".join(folded)
    yield from (" ".join(folded[k : k + RUN]) for k in range(len(folded) - RUN + 1))


def sentences(paths: Sequence[Path]) -> list[Any]:
    from calque.formats.conllu import read_conllu

    return [s for path in paths for s in read_conllu(path, on_error="skip")]


def prepare(args: argparse.Namespace, targets: Sequence[str]) -> None:
    """Write the texts, and label the sources."""
    from calque.segmentation import split_words
    from calque.transfer.paralleltext import label_sources, read_parallel

    folder = args.work / "text"
    folder.mkdir(parents=True, exist_ok=True)
    for lang in targets:
        path = folder / f"{lang}.txt"
        tests = scored(args, lang)
        if not path.exists():
            seen = {g for s in sentences(tests) for g in grams(s.words)}
            kept = []
            for verse in text_of(args.data, lang):
                own = list(grams(split_words(verse, lang).words))
                alike = [g for g in own if g in seen and (len(g.split()) == RUN or len(own) == 1)]
                kept.append("" if alike else verse)
            dropped = sum(1 for a, b in zip(kept, text_of(args.data, lang), strict=True) if a != b)
            print(f"{lang}: {sum(map(bool, kept)):,} verses, {dropped:,} left out that stand in the test file", flush=True)
            path.write_text("".join(f"{v}\n" for v in kept), encoding="utf-8")
    for lang in SOURCES:
        if not (args.work / "labelled" / f"{lang}.conllu").exists():
            raw = folder / f"{lang}.txt"
            raw.write_text("".join(f"{v}\n" for v in text_of(args.data, lang)), encoding="utf-8")
            began = time.monotonic()
            text = read_parallel({lang: raw}, raw, "und")
            from calque.pipeline import as_tagger

            label_sources(text, lambda: as_tagger(None), ["pos"], keep=args.work / "labelled")
            print(f"{lang} labelled, {time.monotonic() - began:.0f} s", flush=True)


def score(args: argparse.Namespace, lang: str, model: Any) -> dict[str, Any]:
    """UPOS accuracy over all files of a target."""
    results = evaluate(model, {lang: scored(args, lang)}, tasks="pos", on_error="skip", limit=args.limit).to_json_dict()[
        "results"
    ]
    mine = [r for r in results if r["metric"] == "upos.accuracy"]
    whole = next((r for r in mine if not r["file"]), mine[0])
    return {"accuracy": whole["value"], "interval": whole["interval"], "words": whole["words"]}


def direct(args: argparse.Namespace, lang: str) -> dict[str, Any] | None:
    """Accuracy of the carried tags on test sentences that come with an English translation."""
    from calque.document import Sentence, Token, comment_pair
    from calque.segmentation import split_words
    from calque.transfer.paralleltext import ParallelText, read_parallel
    from calque.transfer.projection import ProjectionOptions, project_text

    gold = [(s, e) for s in sentences(scored(args, lang)) if (e := dict(map(comment_pair, s.comments)).get("text_en"))]
    if len(gold) < 50:
        return None
    text = read_parallel({"en": args.work / "labelled" / "en.conllu"}, args.work / "text" / f"{lang}.txt", lang)
    verses = len(text.target)
    words = [Sentence([Token(t.text) for t in s.tokens], lang=lang) for s, _ in gold]
    english = [split_words(e, "en") for _, e in gold]
    from calque.pipeline import annotate, as_tagger

    labelled = list(annotate(english, as_tagger(None), tasks="pos"))
    both = ParallelText(lang, [*text.target, *words], {"en": [*text.sources["en"], *labelled]})
    project_text(both, options=ProjectionOptions(min_coverage=0.0))
    pairs = [
        (t.upos, g.upos)
        for s, (true, _) in zip(both.target[verses:], gold, strict=True)
        for t, g in zip(s.tokens, true.tokens, strict=True)
    ]
    tagged = [(a, b) for a, b in pairs if a is not None]
    return {"accuracy": sum(a == b for a, b in tagged) / len(tagged), "coverage": len(tagged) / len(pairs), "words": len(pairs)}


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--targets", default=TEN)
    parser.add_argument("--dev", action="store_true", help="score on dev files: for trying things out")
    parser.add_argument("--methods", default="zero-shot,one,five,direct")
    parser.add_argument("--best", type=int, default=400, help="verses that a tagger is trained on")
    parser.add_argument("--limit", type=int, help="test sentences of each file")
    args = parser.parse_args()
    targets = args.targets.split(",")
    args.work.mkdir(parents=True, exist_ok=True)
    prepare(args, targets)
    log = args.work / "results.jsonl"
    done = {(r["target"], r["method"]): r for r in map(json.loads, log.read_text().splitlines())} if log.exists() else {}
    for lang in targets:
        for method in args.methods.split(","):
            key = (lang, method)
            if key in done:
                continue
            began = time.monotonic()
            found = run(args, lang, method)
            if found is not None:
                done[key] = {"target": key[0], "method": key[1], "seconds": round(time.monotonic() - began, 1), **found}
                with log.open("a") as stream:
                    stream.write(json.dumps(done[key]) + "\n")
                print(key, f"{100 * found['accuracy']:.1f}", f"{done[key]['seconds']} s", flush=True)
    show(targets, done)


def run(args: argparse.Namespace, lang: str, method: str) -> dict[str, Any] | None:
    """One cell of the table."""
    from calque.transfer.projection import ProjectionOptions, project

    if method == "zero-shot":
        return score(args, lang, "default")
    if method == "direct":
        return direct(args, lang)
    langs = SOURCES[:1] if method == "one" else SOURCES
    output = args.work / f"{lang}-{method}.conllu"
    options = ProjectionOptions(best=args.best, own_vote=method == "own")
    sources = {x: args.work / "labelled" / f"{x}.conllu" for x in langs}
    report = project(sources, (lang, args.work / "text" / f"{lang}.txt"), output=output, options=options).report
    tagger = fine_tune("mini", {lang: output}, **RECIPE)
    kept = {k: report[k] for k in ("lines", "sentences", "words", "coverage", "confidence", "agreement", "sources")}
    return {**score(args, lang, tagger), "projection": kept}


def show(targets: Sequence[str], done: dict[tuple[str, str], Any]) -> None:
    """The table, in Markdown."""
    methods = list(dict.fromkeys(method for lang, method in done if lang in targets))
    print("| target | " + " | ".join(methods) + " |\n|---|" + "--:|" * len(methods))
    for lang in targets:
        cells = []
        for method in methods:
            r = done.get((lang, method))
            low, high = (100 * x for x in r["interval"]) if r and "interval" in r else (0, 0)
            cells.append("" if r is None else f"{100 * r['accuracy']:.1f}" + (f" ({low:.1f}–{high:.1f})" if high else ""))
        print(f"| {lang} | " + " | ".join(cells) + " |")
    for method in methods:
        values = [done[lang, method]["accuracy"] for lang in targets if (lang, method) in done]
        print(f"mean of {len(values)}, {method}: {100 * sum(values) / len(values):.1f}")


if __name__ == "__main__":
    main()
