"""Which sentences to label: methods of ``calque select`` against random ones, over budgets, ten languages and five draws.

    python benchmarks/selection.py --data ../shared/data/ud --work runs/selection
    python benchmarks/selection.py --data ../shared/data/ud --work runs/selection --probe
    python benchmarks/selection.py --data ../shared/data/ud --work runs/selection --probe --develop

The first takes hours: it trains `mini` for each figure. With ``--probe`` heads train on a frozen encoder, which takes minutes.

A draw is a sample of the train file (four fifths of 1,000 sentences) that stands for raw text; its gold tags are only looked
at for sentences that a method chose. Each figure is a training from the English model on what was chosen, scored on the first 500
sentences of the test file (all are scored once), or with ``--develop`` on 250 of the dev file of languages that are not
reported, where methods are chosen.

Beside each method stand random sentences, as many, and random sentences of as many words: to win by longer sentences is no
win. Draws share the test file, and their pools overlap; intervals are over draws (Student's t), of the difference to random.
Without ``--probe`` everything goes through the commands a user types. Finished steps are lines in WORK/log.jsonl.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from steps import note, read_log

from calque.document import Sentence

ROOT = Path(__file__).resolve().parents[1]
REPORTED = {
    "fr": "UD_French-Sequoia", "ga": "UD_Irish-IDT", "id": "UD_Indonesian-GSD", "ko": "UD_Korean-GSD", "lv": "UD_Latvian-LVTB",
    "ru": "UD_Russian-Taiga", "sv": "UD_Swedish-LinES", "tr": "UD_Turkish-IMST", "ug": "UD_Uyghur-UDT", "vi": "UD_Vietnamese-VTB",
}  # fmt: skip
DEVELOPED = {"et": "UD_Estonian-EDT", "lt": "UD_Lithuanian-ALKSNIS", "nl": "UD_Dutch-Alpino"}
BUDGETS = (10, 25, 50, 100, 250, 500)
POOL, DEVELOP_POOL = 1_000, 800
TEST, DEVELOP_TEST = 500, 250
PART = 0.8
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}  # 95 %, by draws

Train = Callable[[list[int]], float]
"""Accuracy after training on some sentences of the pool."""


def main() -> None:
    """Run what is missing, print the tables."""
    args = read_options()
    args.work.mkdir(parents=True, exist_ok=True)
    if not args.report:
        for lang, treebank in args.treebanks.items():
            (probe_language if args.probe else real_language)(args, lang, treebank)
    print(report(args))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of treebanks")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--model", default="mini", help="an encoder that has seen no labels")
    parser.add_argument("--probe", action="store_true", help="heads on a frozen encoder, in place of training all of it")
    parser.add_argument("--develop", action="store_true", help="other languages, dev files")
    parser.add_argument("--languages", help="some of them: el,fr")
    parser.add_argument("--methods", default="coverage,combined,uncertainty,diversity")
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)))
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument(
        "--exponent", type=float, help="with --probe: of a sentence's words in its cost, for coverage and combined"
    )
    parser.add_argument("--report", action="store_true", help="only print the tables of what the log has")
    args = parser.parse_args()
    everything = DEVELOPED if args.develop else REPORTED
    wanted = args.languages.split(",") if args.languages else list(everything)
    args.treebanks = {lang: everything[lang] for lang in wanted}
    args.methods, args.budgets = args.methods.split(","), [int(b) for b in args.budgets.split(",")]
    args.kind = ("probe" if args.probe else "full") + ("-develop" if args.develop else "")
    if args.exponent is not None:
        if not args.probe:
            parser.error("--exponent needs --probe: the command has one exponent a method")
        from calque.transfer.selection import EXPONENT

        EXPONENT.update(coverage=args.exponent, combined=args.exponent)
        args.kind += f"-{args.exponent:g}"
    return args


def probe_language(args: argparse.Namespace, lang: str, treebank: str) -> None:
    from selection_probe import Probe, Seen, orders

    if not hasattr(args, "judge"):
        args.judge = Probe(args.data, args.work / "vectors", args.model)
    probe: Probe = args.judge
    pool = probe.read(treebank, "train", DEVELOP_POOL if args.develop else POOL)
    test = probe.read(treebank, "dev" if args.develop else "test", DEVELOP_TEST if args.develop else TEST)
    if f"{args.kind}/{lang}/zero" not in read_log(args.work):
        note(args.work, f"{args.kind}/{lang}/zero", accuracy=probe.accuracy(probe.start, test))
    probabilities = probe.probabilities(pool)
    for draw in range(args.draws):
        numbers = drawn(len(pool.words), draw)
        own = pool.some(numbers)
        seen = Seen(own, [probabilities[i] for i in numbers])
        methods = {name: partial(orders()[name], seen, draw) for name in args.methods}
        compare(args, lang, draw, seen.sizes, methods, partial(probe.after, own, test))


def drawn(count: int, draw: int) -> list[int]:
    """The pool of a draw."""
    return sorted(np.random.default_rng([draw, 7]).permutation(count)[: int(PART * count)].tolist())


def compare(
    args: argparse.Namespace,
    lang: str,
    draw: int,
    sizes: Sequence[int],
    chosen: dict[str, Callable[[int], list[int]]],
    train: Train,
) -> None:
    """All budgets of one draw: random sentences, each method, and random sentences of as many words as each method took."""
    log = read_log(args.work)
    prefix = f"{args.kind}/{lang}/{draw}"
    shuffled = np.random.default_rng([draw, 11]).permutation(len(sizes)).tolist()
    of_random: dict[int, float] = {}  # by sentences: several methods may come to as many

    def random(count: int) -> float:
        step = f"{prefix}/random/{count}"
        if count not in of_random:
            told = log.get(step)
            of_random[count] = told["accuracy"] if told else train(shuffled[:count])
            if not told:
                note(args.work, step, accuracy=of_random[count], words=sum(sizes[i] for i in shuffled[:count]), sentences=count)
        return of_random[count]

    grown = np.cumsum([sizes[i] for i in shuffled])
    for budget in args.budgets:
        random(budget)
    for method, order in chosen.items():
        steps = {budget: f"{prefix}/{method}/{budget}" for budget in args.budgets}
        if all(step in log for step in steps.values()):
            continue
        numbers = order(max(args.budgets))
        for budget, step in steps.items():
            if step not in log:
                own = numbers[:budget]  # the first k are the choice for k
                words = sum(sizes[i] for i in own)
                accuracy = train(own)
                alike = int(np.abs(grown - words).argmin()) + 1
                note(
                    args.work,
                    step,
                    accuracy=accuracy,
                    words=words,
                    sentences=len(own),
                    alike=random(alike),
                    alike_sentences=alike,
                )


def real_language(args: argparse.Namespace, lang: str, treebank: str) -> None:
    """The same by commands: select, train, evaluate."""
    from calque.formats.conllu import read_conllu, write_conllu
    from calque.transfer.pool import gather

    english = args.work / "english"
    if not (english / "config.json").exists():
        source = args.data / "UD_English-EWT"
        calque(
            "train", "pos", "--model", args.model, "--train", f"en={source}/train.conllu.xz",
            "--validation", f"en={source}/dev.conllu.xz", "--output", english, "--quiet",
        )  # fmt: skip
    folder = args.data / treebank
    split, most = ("dev", DEVELOP_TEST) if args.develop else ("test", TEST)
    test = args.work / f"{args.kind}-{lang}-{split}.conllu"
    write_conllu(islice(read_conllu(folder / f"{split}.conllu.xz"), most), test)
    if f"{args.kind}/{lang}/zero" not in read_log(args.work):
        note(args.work, f"{args.kind}/{lang}/zero", accuracy=score(english, lang, test))
    pool = gather(read_conllu(folder / "train.conllu.xz"), size=DEVELOP_POOL if args.develop else POOL).sentences
    for draw in range(args.draws):
        real = Real(args, lang, draw, [pool[i] for i in drawn(len(pool), draw)], test)
        sizes = [len(s.tokens) for s in real.own]
        compare(args, lang, draw, sizes, {name: partial(real.choose, name) for name in args.methods}, real.train)


@dataclass
class Real:
    """One draw, by commands."""

    args: argparse.Namespace
    lang: str
    draw: int
    own: list[Sentence]
    test: Path

    def choose(self, method: str, most: int) -> list[int]:
        from calque.formats.conllu import read_conllu, write_conllu

        raw, out, english = (self.args.work / name for name in ("raw.conllu", "chosen.conllu", "english"))
        write_conllu(self.own, raw)
        calque(
            "select", raw, "--lang", self.lang, "--model", english, "--n", most, "--method", method, "--seed", self.draw,
            "--output", out,
        )  # fmt: skip
        place = {tuple(s.words): i for i, s in enumerate(self.own)}
        return [place[tuple(s.words)] for s in read_conllu(out)]

    def train(self, chosen: list[int]) -> float:
        from calque.formats.conllu import write_conllu

        labels, model, english = (self.args.work / name for name in ("labels.conllu", "few", "english"))
        write_conllu((self.own[i] for i in chosen), labels)
        calque(
            "train", "pos", "--model", english, "--train", f"{self.lang}={labels}", "--seed", self.draw, "--output", model,
            "--overwrite", "--no-resume", "--quiet",
        )  # fmt: skip
        return score(model, self.lang, self.test)


def calque(*arguments: object) -> str:
    """Run a command as a user does, from this checkout."""
    paths = filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "calque", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def score(model: Path, lang: str, test: Path) -> float:
    found = json.loads(calque("evaluate", model, f"{lang}={test}", "--json"))["results"]
    return float(next(r["value"] for r in found if r["metric"] == "upos.accuracy"))


def report(args: argparse.Namespace) -> str:
    """Markdown: means over languages by budget, and each language at 100 sentences."""
    log = {k: v for k, v in read_log(args.work).items() if k.startswith(f"{args.kind}/") and k.split("/")[1] in args.treebanks}
    lines = [f"Zero-shot, mean of languages: {100 * mean(log[k]['accuracy'] for k in log if k.endswith('/zero')):.2f}", ""]
    lines += ["| mean of languages | " + " | ".join(map(str, args.budgets)) + " |", "|---|" + "--:|" * len(args.budgets)]
    lines.append("| random | " + " | ".join(cell(args, log, "random", b) for b in args.budgets) + " |")
    for method in args.methods:
        lines.append(f"| {method} | " + " | ".join(cell(args, log, method, b) for b in args.budgets) + " |")
        lines.append(
            "| … − random of as many words | " + " | ".join(cell(args, log, method, b, alike=True) for b in args.budgets) + " |"
        )
    at = 100 if 100 in args.budgets else args.budgets[-1]
    lines += ["", f"| {at} sentences | random | " + " | ".join(args.methods) + " |", "|---|--:|" + "--:|" * len(args.methods)]
    several = [list(args.treebanks)] if len(args.treebanks) > 1 else []
    for langs in [[lang] for lang in args.treebanks] + several:
        random = [v["accuracy"] for k, v in log.items() if k.split("/")[1] in langs and k.endswith(f"/random/{at}")]
        cells = [f"{100 * mean(random):.2f}" if random else "–"]
        for method in args.methods:
            gains = []
            for alike in (False, True):
                by_draw = zip(*(differences(args, log, lang, method, at, alike=alike) for lang in langs), strict=False)
                gains.append(interval([mean(draw) for draw in by_draw]))
            cells.append("; ".join(gains))
        lines.append(f"| {langs[0] if len(langs) == 1 else 'mean'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def differences(
    args: argparse.Namespace, log: dict[str, dict[str, Any]], lang: str, method: str, budget: int, *, alike: bool
) -> list[float]:
    """Of each draw, what a method is better than random sentences: as many, or of as many words."""
    found = []
    for draw in range(args.draws):
        own, random = (log.get(f"{args.kind}/{lang}/{draw}/{name}/{budget}") for name in (method, "random"))
        if own and random:
            found.append(100 * (own["accuracy"] - (own["alike"] if alike else random["accuracy"])))
    return found


def cell(args: argparse.Namespace, log: dict[str, dict[str, Any]], method: str, budget: int, *, alike: bool = False) -> str:
    """Mean over languages and draws; of random the accuracy, of others the difference, and the words a sentence."""
    ends = (f"/{method}/{budget}",)
    steps = [v for k, v in log.items() if k.endswith(ends)]
    if not steps:
        return "–"
    words = f"{mean(s['words'] / s['sentences'] for s in steps):.0f}"
    if method == "random":
        return f"{100 * mean(s['accuracy'] for s in steps):.2f} ({words})"
    gains = [mean(d) for lang in args.treebanks if (d := differences(args, log, lang, method, budget, alike=alike))]
    return f"{mean(gains):+.2f}" + ("" if alike else f" ({words})")


def interval(values: list[float]) -> str:
    """Mean and 95 % interval over draws."""
    if not values:
        return "–"
    if len(values) == 1:
        return f"{values[0]:+.2f}"
    half = STUDENT.get(len(values), 1.96) * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean(values):+.2f} ({mean(values) - half:+.2f} to {mean(values) + half:+.2f})"


def mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


if __name__ == "__main__":
    main()
