"""Measure language identification: calque's own model beside py3langid and lingua.

Test sets, never trained on: the Tatoeba/LASER sentences of 112 languages, and the ``# text`` of UD test files, whole and cut to
the first five words. Accuracy is the mean over languages, of all texts (``all``: as if it always answered) and of answered ones.

    python benchmarks/langid.py --data ../shared/data                  # ours
    pip install py3langid lingua-language-detector
    python benchmarks/langid.py --data ../shared/data --rivals         # side by side, on the languages that all three know
    python benchmarks/langid.py --data ../shared/data --words          # false switches of word_languages in UD test sentences
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from calque import languages
from calque.languages.identification import identifier

CLOSE = [
    ("es", "ca", "gl", "pt", "oc"),
    ("no", "nn", "da", "sv"),
    ("hr", "sr", "bs", "sl"),
    ("cs", "sk"),
    ("id", "ms"),
    ("ru", "uk", "be", "bg", "mk"),
    ("nl", "af", "de"),
    ("fr", "it", "ro"),
    ("hi", "mr", "ne"),
    ("ar", "fa", "ur"),
]
Answer = tuple[str | None, float]  # most likely code, its probability
Items = dict[str, list[str]]


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of an xz file."""
    with lzma.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield line.rstrip("\n")


def code_of(language: str) -> str | None:
    """Return our code of a test set's or rival's code, None when it is unknown."""
    try:
        return languages.normalize(language)
    except languages.LanguageError:
        return None


def tatoeba(data: Path, limit: int) -> Items:
    """Read the Tatoeba/LASER sentences."""
    found: Items = {}
    for path in sorted((data / "text-eval" / "tatoeba").glob("*.src.xz")):
        code = code_of(path.name.split(".")[0])
        if code:
            found.setdefault(code, []).extend([line for line in lines(path) if line.strip()][:limit])
    found["en"] = [line for line in lines(data / "text-eval" / "tatoeba" / "es.eng.xz")][:limit]
    return found


def treebanks(data: Path, limit: int, *, words: bool = False, split: str = "test") -> dict[str, list[list[str]]] | Items:
    """Read the test sentences of UD, as texts or as lists of words; sentences are spread over a language's treebanks."""
    found: dict[str, list[list]] = {}
    with open(data / "ud" / "INDEX.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            path = data / "ud" / row["treebank"] / f"{split}.conllu.xz"
            if row["split"] == split and path.exists():
                code = "nn" if "Nynorsk" in row["treebank"] else code_of(row["iso"])
                found.setdefault(code or "", []).append(sentences(path) if words else texts(path))
    return {code: spread(lists, limit) for code, lists in found.items() if code}


def texts(path: Path) -> list[str]:
    """Return the text of each sentence of a treebank file."""
    return [line[9:] for line in lines(path) if line.startswith("# text = ")]


def sentences(path: Path) -> list[list[str]]:
    """Return the surface tokens of each sentence of a treebank file."""
    result: list[list[str]] = [[]]
    inside = 0
    for line in lines(path):
        if not line:
            result.append([])
            inside = 0
        elif line[0].isdigit():
            number, form = line.split("\t", 2)[:2]
            if "-" in number:
                inside = int(number.split("-")[1])
                result[-1].append(form)
            elif number.isdigit() and int(number) > inside:
                result[-1].append(form)
    return [sentence for sentence in result if sentence]


def spread(lists: list[list], limit: int) -> list:
    """Take sentences at even distances, the same number from each treebank."""
    result = []
    for some in lists:
        step = max(1, len(some) * len(lists) // limit)
        result += some[::step][: limit // len(lists) + 1]
    return result


def systems(names: list[str]) -> dict[str, tuple[Callable[[str], Answer], set[str], float]]:
    """Load the systems: how to ask, the codes each knows, seconds to load."""
    found: dict[str, tuple[Callable[[str], Answer], set[str], float]] = {}
    for name in names:
        begun = time.process_time()
        if name == "calque":

            def ask(text: str) -> Answer:
                guess = languages.identify(text)
                return guess.best, guess.probability

            codes = set(identifier().labels)
        elif name == "py3langid":
            from py3langid.langid import MODEL_FILE, LanguageIdentifier

            model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
            codes = {code for label in model.labels if (code := code_of(label))}

            def ask(text: str, model: LanguageIdentifier = model) -> Answer:
                label, probability = model.classify(text)
                return code_of(label), float(probability)

        else:
            from lingua import LanguageDetectorBuilder

            builder = LanguageDetectorBuilder.from_all_languages()
            detector = (
                (builder.with_low_accuracy_mode() if name == "lingua-low" else builder).with_preloaded_language_models().build()
            )
            codes = {code_of(language.iso_code_639_1.name) or "" for language in __import__("lingua").Language.all()}

            def ask(text: str, detector: object = detector) -> Answer:
                values = detector.compute_language_confidence_values(text)  # type: ignore[attr-defined]
                top = values[0]
                return (code_of(top.language.iso_code_639_1.name), top.value) if top.value > 0 else (None, 0.0)

        ask("Load everything that is loaded late, please.")
        found[name] = (ask, codes, time.process_time() - begun)
    return found


def measure(ask: Callable[[str], Answer], items: Items, threshold: float) -> dict[str, dict[str, float]]:
    """Ask about all texts; return per language: accuracy, accuracy when answered, share answered, calibration."""
    result = {}
    for code, some in items.items():
        answers = [ask(text) for text in some]
        right = np.array([answer[0] == code for answer in answers], float)
        sure = np.array([answer[1] for answer in answers])
        answered = sure >= threshold
        result[code] = {
            "all": right.mean(), "answered": answered.mean(), "right": right[answered].mean() if answered.any() else np.nan,
            "probability": sure.mean(), "wrong": float((answered * (1 - right)).mean()),
            "other": Counter(answer[0] or "-" for answer in answers if answer[0] != code).most_common(3),
            "_sure": sure, "_right": right,
        }  # fmt: skip
    return result


def calibration_error(result: dict[str, dict]) -> float:
    """Return the expected calibration error over ten bins of probability."""
    sure = np.concatenate([row["_sure"] for row in result.values()])
    right = np.concatenate([row["_right"] for row in result.values()])
    bins = np.minimum((sure * 10).astype(int), 9)
    return float(
        sum(
            abs(right[bins == at].mean() - sure[bins == at].mean()) * (bins == at).mean()
            for at in range(10)
            if (bins == at).any()
        )
    )


def summary(result: dict[str, dict]) -> str:
    """Format the means over languages."""
    mean = {key: np.nanmean([row[key] for row in result.values()]) for key in ("all", "answered", "right", "wrong")}
    return (
        f"{len(result):3d} languages  accuracy {100 * mean['all']:5.1f}  when answered {100 * mean['right']:5.1f}  "
        f"abstains {100 * (1 - mean['answered']):5.1f}  wrong answers {100 * mean['wrong']:4.1f}  "
        f"calibration error {100 * calibration_error(result):4.1f}"
    )


def sweep(result: dict[str, dict]) -> str:
    """Format the share of texts answered wrongly and not at all for several thresholds, means over languages."""
    cells = []
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9):
        wrong = np.mean([((row["_sure"] >= threshold) * (1 - row["_right"])).mean() for row in result.values()])
        silent = np.mean([(row["_sure"] < threshold).mean() for row in result.values()])
        cells.append(f"at {threshold}: wrong {100 * wrong:.1f} abstains {100 * silent:.1f}")
    return "; ".join(cells)


def words_table(data: Path, limit: int, split: str) -> None:
    """Print how often words of monolingual sentences get another language."""
    for code, some in sorted(treebanks(data, limit, words=True, split=split).items()):
        if code not in WORD_LANGUAGES:
            continue
        total = wrong = none = touched = 0
        others: Counter[str] = Counter()
        begun = time.process_time()
        for sentence in some:
            tags = languages.word_languages(sentence)
            letters = [tag for tag, word in zip(tags, sentence, strict=True) if any(map(str.isalpha, word))]
            total += len(letters)
            none += sum(tag is None for tag in letters)
            foreign = [tag for tag in letters if tag not in (None, code)]
            wrong += len(foreign)
            touched += len(set(filter(None, letters))) > 1
            others.update(foreign)
        spent = (time.process_time() - begun) / len(some)
        print(
            f"{code:4s} {len(some):4d} sentences {total:6d} words  wrong {100 * wrong / total:5.2f} %  "
            f"none {100 * none / total:5.2f} %  "
            f"switching sentences {100 * touched / len(some):5.2f} %  {1000 * spent:.2f} ms  {others.most_common(4)}"
        )


WORD_LANGUAGES = "en es ca fr de gl pt it nl sv da no nn hi tr pl ru ar zh fi".split()


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--words", action="store_true")
    parser.add_argument("--languages", action="store_true", help="a line for each language")
    parser.add_argument("--split", default="test")
    parser.add_argument("--limit", type=int, default=200, help="texts of each language")
    parser.add_argument("--threshold", type=float, default=languages.THRESHOLD)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.words:
        words_table(options.data, options.limit, options.split)
        return
    asked = systems(["calque", "py3langid", "lingua", "lingua-low"] if options.rivals else ["calque"])
    common = set.intersection(*(codes for _, codes, _ in asked.values()))
    ud: Items = treebanks(options.data, options.limit)  # type: ignore[assignment]
    five = {code: [" ".join(text.split()[:5]) for text in some] for code, some in ud.items()}
    sets = {"Tatoeba": tatoeba(options.data, options.limit), "UD": ud, "UD, five words": five}
    kept = {}
    for name, (ask, _, load) in asked.items():
        print(f"\n{name}: {load * 1000:.0f} ms (processor time) to load, knows {len(asked[name][1])} languages")
        for title, items in sets.items():
            chosen = {code: some for code, some in items.items() if code in common and len(some) >= 20}
            begun = time.process_time()
            result = measure(ask, chosen, options.threshold)
            spent = (time.process_time() - begun) / sum(map(len, chosen.values()))
            print(f"  {title:15s} {summary(result)}  {1000 * spent:.3f} ms a text")
            print("      " + sweep(result))
            for group in CLOSE:
                some = {code: result[code] for code in group if code in result}
                cells = [f"{code} {100 * row['all']:.1f}/{100 * row['wrong']:.1f}" for code, row in some.items()]
                print("      " + "  ".join(cells))
            if options.languages:
                for code, row in sorted(result.items(), key=lambda item: item[1]["all"]):
                    print(f"      {code:4s} {100 * row['all']:5.1f} {100 * row['wrong']:5.1f} {row['other']}")
            kept[f"{name} {title}"] = {
                code: {key: value for key, value in row.items() if key[0] != "_"} for code, row in result.items()
            }
    if options.json:
        options.json.write_text(json.dumps(kept, indent=1, default=float), encoding="utf-8")


if __name__ == "__main__":
    main()
    sys.exit(0)
