"""Adapters on the encoder that ships: zero-shot with and without language adapters, few-shot beside full fine-tuning.

    python benchmarks/adapters_table.py --data ../shared/data --work runs/adapters --minutes 40
    python benchmarks/adapters_table.py --work runs/adapters --report

Steps, each logged (``--log``) and not run again: raw text and translations of each language (what shares a run of words with a
test sentence is left out); language adapters of all of them and of English on the text in one run (``--minutes``), and of all but
English on the translations in one run (``--align-minutes``); an English task adapter on the bare encoder (``pos``), and one on
top of the English language adapter (``pos-en``); every test file by these; then, for each language that has 500 sentences which
are not in a test file, five draws: the English task adapter trained further on them (``few``), and the English model fine-tuned
as a whole (``full``), each as it comes and with a fifth of the weights from before averaged in (``kept``). Test files, gold
words, all of them. The source is scored by the English task adapter before and after.
"""

from __future__ import annotations

import argparse
import json
import lzma
import statistics
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

# language: (training sentences for few-shot, test file); masakhapos is in columns of its own
SETS = {
    "es": ("UD_Spanish-GSD/dev", "UD_Spanish-GSD/test"),
    "ca": ("UD_Catalan-AnCora/dev", "UD_Catalan-AnCora/test"),
    "fr": ("UD_French-GSD/dev", "UD_French-GSD/test"),
    "de": ("UD_German-GSD/dev", "UD_German-GSD/test"),
    "it": ("UD_Italian-ISDT/dev", "UD_Italian-ISDT/test"),
    "hi": ("", "UD_Hindi-PUD/test"),
    "tr": ("UD_Turkish-BOUN/dev", "UD_Turkish-BOUN/test"),
    "zh": ("UD_Chinese-GSDSimp/dev", "UD_Chinese-GSDSimp/test"),
    "gv": ("UD_Manx-Cadhan/train", "UD_Manx-Cadhan/test"),
    "ga": ("UD_Irish-IDT/train", "UD_Irish-IDT/test"),
    "ha": ("hau/train", "hau/test"),
    "yo": ("yor/train", "yor/test"),
    "zu": ("zul/train", "zul/test"),
}
MASAKHA = {"ha", "yo", "zu"}
DRAWS, LIMIT, KEPT = 5, 500, 0.2


class Log:
    """Finished steps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.found: dict[str, dict[str, Any]] = {line["step"]: line for line in map(json.loads, lines)}

    def add(self, step: str, **told: Any) -> None:
        self.found[step] = {"step": step, **told}
        with self.path.open("a") as stream:
            stream.write(json.dumps(self.found[step]) + "\n")


def treebank(data: Path, work: Path, lang: str, name: str) -> Path:
    """A CoNLL-U file; masakhapos' is made one."""
    if lang not in MASAKHA:
        return data / "ud" / f"{name}.conllu.xz"
    out = work / "treebanks" / f"{name.replace('/', '-')}.conllu"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("".join(masakha(data / "labelled" / "masakhapos" / f"{name}.txt.xz")), encoding="utf-8")
    return out


def masakha(path: Path) -> Iterator[str]:
    """Sentences of ``word TAG`` lines, as CoNLL-U."""
    number = 0
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            word, _, tag = line.strip().rpartition(" ")
            if not line.strip():
                yield "\n" if number else ""
                number = 0
                continue
            number += 1
            yield f"{number}\t{word}\t_\t{tag}\t_\t_\t{number - 1}\t{'root' if number == 1 else 'dep'}\t_\t_\n"
    yield "\n" if number else ""


def words_of(path: Path) -> Iterator[str]:
    """Sentences of a CoNLL-U file, as words with spaces between."""
    words: list[str] = []
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as stream:
        for line in stream:
            cells = line.split("\t", 2)
            if cells[0].isdigit():
                words.append(cells[1])
            elif not line.strip() and words:
                yield " ".join(words)
                words = []


def write_texts(data: Path, work: Path, most: int) -> dict[str, Path]:
    """Raw text of each language, a sentence a line."""
    from calque.pretraining.text import Corpus, find_corpora

    corpora = find_corpora(data / "text" / "parallel", ["en", *SETS])
    return {
        lang: write(
            work / "text" / f"{lang}.txt",
            [Corpus(c.name, lang, c.path) for c in corpora if c.lang == lang]
            + [Corpus(p.name.split(".")[0], lang, p) for p in sorted((data / "text" / "mono" / lang).glob("*.txt.xz"))],
            data, work, most,
        )
        for lang in ("en", *SETS)
    }  # fmt: skip


def write_pairs(data: Path, work: Path, most: int) -> dict[str, Path]:
    """English sentences and their translations into each language, a tab between, of the same corpora."""
    from calque.pretraining.text import find_corpora

    corpora = [c for c in find_corpora(data / "text" / "parallel", list(SETS)) if c.source is not None]
    return {
        lang: write(work / "pairs" / f"{lang}.tsv", [c for c in corpora if c.lang == lang], data, work, most) for lang in SETS
    }


def write(path: Path, corpora: list[Any], data: Path, work: Path, most: int) -> Path:
    """Lines of one language that share no eight words in a row with a test sentence; those with a translation after it."""
    from calque.pretraining.text import collect

    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        taken = collect(corpora, most, held_out=held_out(data, work), seed=0)
        lines = ("\t".join(filter(None, (" ".join(a.split()), " ".join(words)))) + "\n" for a, words in taken.sentences)
        path.with_suffix(".part").write_text("".join(lines), encoding="utf-8")
        path.with_suffix(".part").rename(path)
        print(f"{path.name}: {sum(taken.words.values()):,} words", flush=True)
    return path


@cache
def held_out(data: Path, work: Path) -> set[int]:
    """What no line may share with the test files."""
    from calque.pretraining.text import held_out_grams

    tests = [treebank(data, work, lang, test) for lang, (_, test) in SETS.items()]
    english = data / "ud" / "UD_English-EWT" / "test.conllu.xz"
    return held_out_grams(s for path in (*tests, english) for s in words_of(path))


def accuracy(model: Any, path: Path, adapters: str | None) -> dict[str, Any]:
    """UPOS accuracy on a file, with its interval."""
    from calque.evaluation.report import evaluate

    found = evaluate(model, {"xx": path}, adapters=adapters).score("xx")
    assert found is not None
    return {"value": found.value, "interval": list(found.interval), "words": found.words, "sentences": found.sentences}


def run(args: argparse.Namespace) -> None:
    """All steps that are not done."""
    data, work, log = args.data, args.work, Log(args.log)
    english = {name: data / "ud" / "UD_English-EWT" / f"{name}.conllu.xz" for name in ("train", "dev", "test")}
    if args.only_aligned:
        by_translations(data, work, log, args)
        return
    if not args.only_full:
        (by_few_shot if args.only_few else by_adapters)(data, work, english, log, args)
    if not args.no_full and not args.only_few:
        for lang, seed, files in draws(data, work, args):
            whole(lang, seed, files, english, log, args)


def draws(data: Path, work: Path, args: argparse.Namespace) -> Iterator[tuple[str, int, tuple[Path, Path]]]:
    """Each language's training and test file, once for each draw: all languages' first draws first."""
    for seed in args.draws:
        for lang in args.languages:
            train, test = SETS[lang]
            if train:
                yield lang, seed, (treebank(data, work, lang, train), treebank(data, work, lang, test))


def by_adapters(data: Path, work: Path, english: dict[str, Path], log: Log, args: argparse.Namespace) -> None:
    """The steps that leave the encoder frozen."""
    from calque.models import Model

    texts = write_texts(data, work, args.words)
    folder = work / "model"
    model = Model.load(folder) if folder.exists() else Model.load("mini")
    if "languages" not in log.found:
        train_languages(model, texts, folder, log, args)
    for name, under in (("pos", None), ("pos-en", "en")):
        if name not in model.adapters:
            train_task(model, name, under, english, folder, log, args)
    if "source" not in log.found:
        stacked = accuracy(model, english["test"], "en,pos-en")
        log.add("source", **accuracy(model, english["test"], "pos"), english_adapter=stacked)
    for lang, (_, test) in SETS.items():
        if f"zero {lang}" not in log.found:
            path = treebank(data, work, lang, test)
            log.add(f"zero {lang}", plain=accuracy(model, path, "pos"), language=accuracy(model, path, f"{lang},pos-en"))
    by_translations(data, work, log, args)
    for lang, seed, files in draws(data, work, args):
        few_shot(model, lang, seed, files, log, args)
    log.add("source after", **accuracy(model, english["test"], "pos"))


def by_few_shot(data: Path, work: Path, english: dict[str, Path], log: Log, args: argparse.Namespace) -> None:
    """The English task adapter and the few-shot ones from it, which need no text and no language adapter."""
    from calque.models import Model

    folder = work / "model"
    model = Model.load(folder) if folder.exists() else Model.load("mini")
    if "pos" not in model.adapters:
        if not folder.exists():
            model.save_pretrained(folder)
        train_task(model, "pos", None, english, folder, log, args)
    if "source" not in log.found:
        log.add("source", **accuracy(model, english["test"], "pos"))
    for lang, seed, files in draws(data, work, args):
        few_shot(model, lang, seed, files, log, args)
    log.add("source after", **accuracy(model, english["test"], "pos"))


def train_task(
    model: Any, name: str, under: str | None, english: dict[str, Path], folder: Path, log: Log, args: argparse.Namespace
) -> None:
    """An English task adapter, on top of another or on the bare encoder, into a saved model."""
    began = time.monotonic()
    model.add_adapter(name, adapter_size=args.size)
    model.train_adapter(name, {"en": english["train"]}, validation={"en": english["dev"]}, on=under)
    model.save_adapter(name, folder / "adapters" / name)
    log.add(name, wall=time.monotonic() - began, parameters=model.adapters.size(name))


def by_translations(data: Path, work: Path, log: Log, args: argparse.Namespace) -> None:
    """Language adapters on translations, under the English adapter that was trained without any."""
    from calque.models import Model
    from calque.pretraining.alignedadapters import PairOptions, align_language_adapters
    from calque.training.progress import Reporter

    pairs, folder = write_pairs(data, work, args.words), work / "aligned"
    model = Model.load(folder if folder.exists() else work / "model")
    names = {lang: f"{lang}-aligned" for lang in pairs}
    if "aligned" not in log.found:
        for name in names.values():
            if name not in model.adapters:
                model.add_adapter(name, adapter_size=args.size)
        options = PairOptions(max_minutes=args.align_minutes, temperature=2.0, most_words=args.words)
        with Reporter() as reporter:
            told = align_language_adapters(model, names, pairs, options, output=folder, reporter=reporter)
        log.add("aligned", **told.to_json_dict())
    for lang, (_, test) in SETS.items():
        if f"aligned {lang}" not in log.found:
            log.add(f"aligned {lang}", **accuracy(model, treebank(data, work, lang, test), f"{names[lang]},pos"))


def train_languages(model: Any, texts: dict[str, Path], folder: Path, log: Log, args: argparse.Namespace) -> None:
    """All language adapters in one run."""
    from calque.training.language_adapters import TextOptions, train_language_adapters
    from calque.training.progress import Reporter

    began = time.monotonic()
    for lang in texts:
        model.add_adapter(lang, adapter_size=args.size, invertible=True, languages=[lang])
    options = TextOptions(max_minutes=args.minutes, epochs=10, temperature=2.0, most_words=args.words)
    with Reporter() as reporter:
        told = train_language_adapters(model, {x: x for x in texts}, texts, options, reporter=reporter)
    model.save_pretrained(folder)
    log.add("languages", **told.to_json_dict(), wall=time.monotonic() - began)


def few_shot(model: Any, lang: str, seed: int, files: tuple[Path, Path], log: Log, args: argparse.Namespace) -> None:
    """One draw, by an adapter that starts from the English one."""
    step = f"few {lang} {seed}"
    if step in log.found:
        return
    began = time.monotonic()
    model.add_adapter("few", adapter_size=args.size)
    model.train_adapter("few", {lang: files[0]}, start="pos", limit=LIMIT, seed=seed, progress=False)
    seconds = time.monotonic() - began
    told = accuracy(model, files[1], "few")
    if args.kept:
        keep_adapter(model, "pos", "few", KEPT)
        told["kept"] = accuracy(model, files[1], "few")["value"]
    log.add(step, **told, wall=seconds, parameters=model.adapters.size("few"))
    model.adapters.remove("few")


def keep_adapter(model: Any, before: str, after: str, part: float) -> None:
    """Average part of one adapter and its head into another that was trained from it."""
    import torch

    adapters = model.adapters
    start = adapters.state(before)
    adapters.set_weights(after, {name: torch.lerp(w, start[name], part) for name, w in adapters.state(after).items()})
    head, other = adapters.head(after), adapters.head(before).state_dict()
    head.load_state_dict({name: torch.lerp(w, other[name], part) for name, w in head.state_dict().items()})


def whole(lang: str, seed: int, files: tuple[Path, Path], english: dict[str, Path], log: Log, args: argparse.Namespace) -> None:
    """One draw, by fine-tuning the whole English model."""
    import calque

    step, start = f"full {lang} {seed}", args.english or args.work / "english"
    if step in log.found:
        return
    if not start.exists():
        calque.fine_tune("mini", {"en": english["train"]}, validation={"en": english["dev"]}, output=start)
    began = time.monotonic()
    tuned = calque.fine_tune(start, {lang: files[0]}, limit=LIMIT, seed=seed, progress=False)
    seconds = time.monotonic() - began
    told = accuracy(tuned, files[1], None)
    told["source"] = accuracy(tuned, english["test"], None)["value"]
    if args.kept:
        keep_whole(tuned, start, KEPT)
        told["kept"] = accuracy(tuned, files[1], None)["value"]
        told["source_kept"] = accuracy(tuned, english["test"], None)["value"]
    log.add(step, **told, wall=seconds)


def keep_whole(model: Any, start: Path, part: float) -> None:
    """Average part of the encoder that a model was trained from into its own, as ``calque train --keep-start`` does."""
    from calque.models import Model
    from calque.training.keeping import blend

    before = {name: p.detach() for name, p in Model.load(start).named_parameters() if name.startswith("encoder.")}
    blend(model, before, {name: p.detach().clone() for name, p in model.named_parameters()}, part)


def report(log: Path) -> None:
    """The table."""
    found = Log(log).found
    heads = [
        "zero-shot",
        "+ adapter by text",
        "+ adapter by translations",
        "whole",
        "adapter",
        "difference",
        "whole, kept",
        "adapter, kept",
        "difference",
    ]
    heads += ["draws", "seconds whole", "seconds adapter", "English after, whole", "whole, kept"]
    print(f"| language | {' | '.join(heads)} |\n|---|{'--:|' * len(heads)}")
    differences: dict[str, list[float]] = {"value": [], "kept": []}
    for lang in SETS:
        if not any(step.split()[1:2] == [lang] for step in found):
            continue
        zero = found.get(f"zero {lang}")
        cells = [f"{100 * zero[k]['value']:.1f}" if zero else "–" for k in ("plain", "language")]
        cells.append(f"{100 * line['value']:.1f}" if (line := found.get(f"aligned {lang}")) else "–")
        full, few = (
            {s: found[f"{kind} {lang} {s}"] for s in range(DRAWS) if f"{kind} {lang} {s}" in found} for kind in ("full", "few")
        )
        for what, told in differences.items():
            both = sorted(s for s in full.keys() & few.keys() if what in full[s] and what in few[s])
            cells += [spread([100 * lines[s][what] for s in both]) for lines in (full, few)]
            paired = [100 * (few[s][what] - full[s][what]) for s in both]
            cells.append(spread(paired, sign="+", digits=2))
            told += [statistics.mean(paired)] if paired else []
        both = sorted(full.keys() & few.keys())
        cells.append(str(len(both)))
        cells += [f"{statistics.median(line['wall'] for line in lines.values()):.0f}" if lines else "–" for lines in (full, few)]
        cells += [spread([100 * full[s][what] for s in both if what in full[s]]) for what in ("source", "source_kept")]
        print(f"| {lang} | {' | '.join(cells)} |")
    for what, told in differences.items():
        if told:
            name = f"adapter over whole{', each with a fifth kept' if what == 'kept' else ''}"
            print(f"{name}, mean of {len(told)} languages: {statistics.mean(told):+.2f}")
    for step in ("source", "source after"):
        if step in found:
            print(f"English by the English adapter ({step}): {100 * found[step]['value']:.3f}")
    if "pos" in found:
        print(f"parameters trained by an adapter: {found['pos']['parameters']:,}")


def spread(values: list[float], *, sign: str = "", digits: int = 1) -> str:
    """Mean and standard deviation."""
    if not values:
        return "–"
    return f"{statistics.mean(values):{sign}.{digits}f}" + (f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--log", type=Path, help="finished steps, of earlier runs too; by default WORK/log.jsonl")
    parser.add_argument("--minutes", type=float, default=40, help="of the language adapters' run")
    parser.add_argument("--align-minutes", type=float, default=40, help="of the run on translations")
    parser.add_argument("--words", type=int, default=300_000, help="of raw text, and of translations, a language")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument(
        "--english", type=Path, help="the English model that whole fine-tuning starts from; by default trained here"
    )
    parser.add_argument(
        "--draws", type=int, nargs="+", choices=range(DRAWS), default=list(range(DRAWS)), help="seeds to run, in this order"
    )
    parser.add_argument("--languages", nargs="+", choices=SETS, default=list(SETS), help="of the draws, in this order")
    parser.add_argument(
        "--no-kept", dest="kept", action="store_false", help="no scores with a fifth of the start kept: a quarter of the time"
    )
    parts = parser.add_mutually_exclusive_group()
    parts.add_argument("--no-full", action="store_true", help="leave whole fine-tuning out")
    parts.add_argument("--only-full", action="store_true", help="nothing but whole fine-tuning; may run beside those without it")
    parts.add_argument("--only-few", action="store_true", help="nothing but few-shot adapters on the bare encoder")
    parts.add_argument("--only-aligned", action="store_true", help="nothing but language adapters on translations")
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    args.log = args.log or args.work / "log.jsonl"
    if not args.report:
        if args.data is None:
            parser.error("--data is the folder of treebanks and text: give it, or --report to see what WORK holds")
        run(args)
    report(args.log)


if __name__ == "__main__":
    main()
