"""Texts: topics and sentiment from labels that nobody trained, from English training, and sentence retrieval.

    python benchmarks/classification.py --data ../shared/data --work runs/texts
    python benchmarks/classification.py --work runs/texts --report

1. ``topics`` (SIB-200, test, 204 texts a language) and ``sentiment`` (XLM-T, test, 870 tweets a language) by the likeness of
   vectors with the labels of ``TOPICS`` and ``FEELINGS``, in every language.
2. The same from English training: ``calque train classify`` on the English train split, zero-shot on the others.
3. Tatoeba (LASER's test pairs): of each sentence, is its translation the nearest of all? Both ways, the mean.
Beside them what always giving the most frequent label reaches, and a linear model over words and characters (TF-IDF, logistic
regression of scikit-learn, in an environment of its own) trained on 500 sentences of the language (of its own train split, seed
0). Finished steps are lines in WORK/log.jsonl and are not run again. XLM-T is tweets: for benchmarks only.
"""

from __future__ import annotations

import argparse
import json
import lzma
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from steps import note, read_log

TOPICS = {
    "science/technology": "science and technology",
    "travel": "travel and tourism",
    "politics": "politics and government",
    "sports": "sports and games",
    "health": "health and medicine",
    "entertainment": "entertainment, film and music",
    "geography": "geography, places and nature",
}
FEELINGS = {"negative": "I hate this, it is bad", "neutral": "this is a fact", "positive": "I love this, it is great"}
FEELING_NAMES = ("negative", "neutral", "positive")
SENTIMENT = ("en", "es", "fr", "de", "ar", "hi")
TATOEBA = 60
SHOTS = 500


def lines_of(path: Path) -> list[str]:
    """Lines of an xz file, without their ends."""
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        return stream.read().split("\n")[:-1]


def tables(data: Path, work: Path) -> dict[str, dict[str, Path]]:
    """Tables of every language and split, as ``label TAB text``; of sentiment those made here."""
    found: dict[str, dict[str, Path]] = {"topics": {}, "sentiment": {}}
    for folder in sorted((data / "labelled" / "sib200").iterdir()):
        for split in ("train", "test") if folder.is_dir() else ():
            found["topics"][f"{folder.name} {split}"] = folder / f"{split}.tsv.xz"
    (work / "tables").mkdir(parents=True, exist_ok=True)
    for lang in SENTIMENT:
        for split in ("train", "test"):
            path = work / "tables" / f"{lang}.{split}.tsv"
            if not path.exists():
                folder = data / "labelled" / "xlmt_sentiment" / lang
                texts, labels = (lines_of(folder / f"{split}_{what}.txt.xz") for what in ("text", "labels"))
                rows = [
                    f"{FEELING_NAMES[int(label)]}\t{' '.join(text.split())}\n"
                    for text, label in zip(texts, labels, strict=True)
                    if text.strip()
                ]
                path.write_text("label\ttext\n" + "".join(rows), encoding="utf-8")
            found["sentiment"][f"{lang} {split}"] = path
    return found


def run(args: argparse.Namespace) -> None:
    """All of ours that is not done."""
    import calque
    from calque.evaluation.texts import evaluate_texts

    work, files = args.work, tables(args.data, args.work)
    model: Any = calque.load(args.model, **({} if args.model is None else {"backend": "torch"}))
    english = {"topics": "eng_Latn", "sentiment": "en"}
    labels = {"topics": TOPICS, "sentiment": FEELINGS}
    for task, start in english.items():
        languages = [name.split()[0] for name in files[task] if name.endswith("test")]
        for lang in languages:
            step = f"invented {task} {lang}"
            if step not in read_log(work):
                found = evaluate_texts(model, {code(lang): files[task][f"{lang} test"]}, labels=labels[task])
                note(work, step, **figures(found, lang))
        folder = work / f"{task}-english"
        if not (folder / "config.json").exists():
            calque.fine_tune(args.encoder, {"en": files[task][f"{start} train"]}, task="classify", output=folder)
        trained = None
        for lang in languages:
            step = f"english {task} {lang}"
            if step not in read_log(work):
                trained = trained or calque.load(folder, backend="torch")
                found = evaluate_texts(trained, {code(lang): files[task][f"{lang} test"]})
                note(work, step, **figures(found, lang))
    sets = sorted({p.name.split(".")[0] for p in (args.data / "text-eval" / "tatoeba").glob("*.src.xz")})
    known = {*model.config.languages, *languages_of_mini()}  # what the encoder has read
    for lang in [s for s in sets if s in known][:TATOEBA]:
        if f"tatoeba {lang}" not in read_log(work):
            folder = args.data / "text-eval" / "tatoeba"
            a, b = (model.embed(lines_of(folder / f"{lang}.{side}.xz")) for side in ("src", "eng"))
            likeness, number = a @ b.T, np.arange(len(a))
            both = [float((likeness.argmax(axis=1) == number).mean()), float((likeness.argmax(axis=0) == number).mean())]
            note(work, f"tatoeba {lang}", value=sum(both) / 2, both=both, texts=len(a))


def languages_of_mini() -> list[str]:
    """As its card has them."""
    from calque.loading import bundled_folder

    card = (bundled_folder("mini") / "README.md").read_text(encoding="utf-8")
    found: list[str] = json.loads(card.split("\nlanguage: ", 1)[1].split("\n", 1)[0])
    return found


def code(lang: str) -> str:
    """The language of a folder: ``spa_Latn`` is ``es``."""
    from calque.languages import normalize

    return normalize(lang.split("_")[0])


def figures(found: Any, lang: str) -> dict[str, Any]:
    """What the report needs of an evaluation."""
    score, classes = found.score(code(lang), metric="classify.accuracy"), found.classes[code(lang)]
    calibration = classes.calibration.ece if classes.calibration else None
    interval = [round(v, 5) for v in score.interval]
    told = {"value": score.value, "interval": interval, "texts": score.words, "macro_f1": classes.macro_f1.value}
    return {**told, "majority": classes.majority.accuracy, "ece": calibration}


def linear(work: Path, jobs: Path) -> None:
    """Train and score the linear models; runs in the peer's environment."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    done = read_log(work)
    for job in json.loads(jobs.read_text(encoding="utf-8")):
        if job["step"] in done:
            continue
        grams = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        )
        best = make_pipeline(grams, LogisticRegression(C=10, max_iter=2000))
        best.fit(job["train"]["texts"], job["train"]["labels"])
        said = best.predict(job["test"]["texts"])
        right = [a == b for a, b in zip(said, job["test"]["labels"], strict=True)]
        note(work, job["step"], value=sum(right) / len(right), train=len(job["train"]["texts"]))


def peers(args: argparse.Namespace) -> None:
    """The linear models on what a user with 500 labelled sentences of the language has."""
    from calque.formats.classification import read_texts
    from calque.training.mixtures import draw

    jobs = []
    for task, files in tables(args.data, args.work).items():
        for name, path in files.items():
            lang, split = name.split()
            if split == "test" and f"{lang} train" in files:
                train = draw(list(read_texts(files[f"{lang} train"])), SHOTS, seed=0, name=lang)
                sets = {"train": train, "test": list(read_texts(path))}
                plain = {k: {"texts": [t.text for t in v], "labels": [t.labels[0] for t in v]} for k, v in sets.items()}
                jobs.append({"step": f"linear {task} {lang}", **plain})
    at = args.work / "linear.json"
    at.write_text(json.dumps(jobs), encoding="utf-8")
    python = args.work / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(args.work / "venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "scikit-learn>=1.5", "numpy"], check=True)
    subprocess.run([str(python), __file__, "--work", str(args.work), "--linear", str(at)], check=True)


def report(work: Path) -> None:
    """The tables."""
    found = read_log(work)
    for task in ("topics", "sentiment"):
        languages = [step.split()[2] for step in found if step.startswith(f"invented {task} ")]
        print(f"\n| {task} | texts | majority | invented labels | trained on English | linear, 500 |\n|---|--:|--:|--:|--:|--:|")
        columns: dict[str, list[float]] = {"invented": [], "english": [], "linear": []}
        for lang in languages:
            first = found[f"invented {task} {lang}"]
            cells = []
            for kind, values in columns.items():
                line = found.get(f"{kind} {task} {lang}")
                values += [line["value"]] if line else []
                cells.append(f"{100 * line['value']:.1f}" if line else "–")
            print(f"| {lang} | {first['texts']} | {100 * first['majority']:.1f} | " + " | ".join(cells) + " |")
        means = [f"{100 * statistics.mean(values):.1f}" if values else "–" for values in columns.values()]
        print(f"| mean of {len(languages)} | | | " + " | ".join(means) + " |")
    rows = {step.split()[1]: line["value"] for step, line in found.items() if step.startswith("tatoeba ")}
    if rows:
        print(f"\nTatoeba, {len(rows)} languages, mean {100 * statistics.mean(rows.values()):.1f}:")
        print(", ".join(f"{lang} {100 * value:.1f}" for lang, value in sorted(rows.items())))


def main() -> None:
    """Run what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", help="by default the embedded one")
    parser.add_argument("--encoder", default="mini", help="that is trained on English")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--linear", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.linear:
        linear(args.work, args.linear)
        return
    if not args.report:
        args.work.mkdir(parents=True, exist_ok=True)
        run(args)
        peers(args)
    report(args.work)


if __name__ == "__main__":
    main()
