"""Zero-shot and few-shot, end to end, by the commands a user types.

    python benchmarks/zero_few_shot.py --data ../shared/data/ud --work runs/zero-few --model mini

1. ``calque train pos --model MODEL --train en=…EWT/train… --output m``       (the encoder must have seen no labels)
2. ``calque evaluate m es=… ca=… …``                                          zero-shot, on test files
3. for each language and each of five seeds: ``calque train pos --model m --train LANG=… --limit 500 --seed S``
4. ``calque evaluate`` each of these on the test file of its language and of the source (what was forgotten)

Prints a Markdown table: zero-shot with its interval over sentences, few-shot as the mean, range and standard deviation over the
draws. Few-shot sentences come from the train file, or from the dev file where the data has no train file; never from test. In
the few-shot step a tenth of the 500 chooses the weights (calque's default), so nothing but the 500 is seen.

Each finished step is a line in WORK/log.jsonl and is not run again; a training that was killed goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TREEBANKS = {
    "en": "UD_English-EWT",
    "es": "UD_Spanish-GSD",
    "ca": "UD_Catalan-AnCora",
    "fr": "UD_French-GSD",
    "de": "UD_German-GSD",
    "zh": "UD_Chinese-GSDSimp",
}
METRIC, NO_MWT = "upos.accuracy", "upos.accuracy.no_mwt"
SAME_RUN = ("model", "source", "limit", "epochs", "few_epochs", "train_options", "few_options")


def main() -> None:
    options = read_options()
    options.work.mkdir(parents=True, exist_ok=True)
    check_settings(options)
    log = Log(options.work / "log.jsonl")
    tests = {lang: data_file(options, lang, "test") for lang in [options.source, *options.languages]}
    if not options.report:
        zero = zero_shot(options, log, tests)
        for lang in options.languages:
            for seed in range(options.seeds):
                few_shot(options, log, zero, tests, lang, seed)
    print(table(options, log.read()))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of treebanks: UD_English-EWT/train.conllu.xz and so on")
    parser.add_argument("--work", type=Path, default=Path("runs/zero-few-shot"), help="models and the log")
    parser.add_argument("--model", default="mini", help="an encoder that has seen no labels: a name, a Hub id or a folder")
    parser.add_argument("--source", default="en")
    parser.add_argument("--languages", type=lambda text: text.split(","), default=["es", "ca", "fr", "de", "zh"])
    parser.add_argument("--treebank", action="append", default=[], metavar="LANG=FOLDER", help="another treebank for a language")
    parser.add_argument("--limit", type=int, default=500, help="few-shot sentences")
    parser.add_argument("--seeds", type=int, default=5, help="draws of them")
    parser.add_argument("--epochs", type=float, help="of the source training (calque's default)")
    parser.add_argument("--few-epochs", type=float, help="of the few-shot training (calque's default)")
    parser.add_argument("--train-options", default="", help='more options of the source training, such as "--max-minutes 30"')
    parser.add_argument("--few-options", default="", help="more options of the few-shot training")
    parser.add_argument("--keep", action="store_true", help="keep the few-shot models")
    parser.add_argument("--report", action="store_true", help="only print the table of what the log has")
    options = parser.parse_args()
    options.treebanks = TREEBANKS | dict(item.split("=", 1) for item in options.treebank)
    unknown = [lang for lang in [options.source, *options.languages] if lang not in options.treebanks]
    if unknown:
        parser.error(f"no treebank known for {', '.join(unknown)}: give --treebank {unknown[0]}=UD_…")
    return options


def check_settings(options: argparse.Namespace) -> None:
    """A log mixes no two experiments."""
    path = options.work / "settings.json"
    now = {name: getattr(options, name) for name in SAME_RUN}
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before != now:
            changed = ", ".join(name for name in now if now[name] != before.get(name))
            sys.exit(f"{options.work} holds a run with other settings ({changed}): give another --work")
    else:
        path.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


class Log:
    """Finished steps, a line each; a line cut short by a kill is not a finished step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, dict[str, Any]]:
        steps = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    step = json.loads(line)
                    steps[step["step"]] = step
                except (ValueError, KeyError):
                    continue
        return steps

    def add(self, step: dict[str, Any]) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            if self.path.stat().st_size and not self.path.read_bytes().endswith(b"\n"):
                stream.write("\n")
            stream.write(json.dumps(step, ensure_ascii=False) + "\n")


def data_file(options: argparse.Namespace, lang: str, *splits: str) -> Path:
    folder: Path = options.data / options.treebanks[lang]
    for split in splits:
        for suffix in (".conllu.xz", ".conllu.gz", ".conllu"):
            if (folder / f"{split}{suffix}").is_file():
                return folder / f"{split}{suffix}"
    sys.exit(f"{folder}: no {' or '.join(splits)} file (.conllu, .conllu.gz, .conllu.xz)")


def calque(*arguments: object, capture: bool = False) -> str:
    """Run a command as a user does, from this checkout."""
    command = [sys.executable, "-m", "calque", *map(str, arguments)]
    print("$ calque", shlex.join(command[3:]), file=sys.stderr, flush=True)
    paths = filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE if capture else None, text=True, encoding="utf-8")
    if done.returncode:
        sys.exit(f"ended with status {done.returncode}: calque {shlex.join(command[3:])}")
    return done.stdout or ""


def train(output: Path, *arguments: object) -> float:
    """Train unless the finished model is there; seconds taken."""
    begin = time.monotonic()
    if not (output / "config.json").is_file():
        calque("train", "pos", *arguments, "--output", output)
    return time.monotonic() - begin


def evaluate(model: Path, tests: dict[str, Path]) -> list[dict[str, Any]]:
    files = [f"{lang}={path}" for lang, path in tests.items()]
    results: list[dict[str, Any]] = json.loads(calque("evaluate", model, *files, "--json", capture=True))["results"]
    return results


def zero_shot(options: argparse.Namespace, log: Log, tests: dict[str, Path]) -> Path:
    model: Path = options.work / f"{options.source}-model"
    arguments = ["--model", options.model, "--train", f"{options.source}={data_file(options, options.source, 'train')}"]
    arguments += ["--validation", f"{options.source}={data_file(options, options.source, 'dev')}"]
    if options.epochs is not None:
        arguments += ["--epochs", str(options.epochs)]
    seconds = train(model, *arguments, *shlex.split(options.train_options))
    done = log.read().get("zero", {"seconds": round(seconds, 1), "results": []})
    have = {result["language"] for result in done["results"]}
    missing = {lang: path for lang, path in tests.items() if lang not in have}
    if missing:
        log.add({**done, "step": "zero", "results": done["results"] + evaluate(model, missing)})
    return model


def few_shot(options: argparse.Namespace, log: Log, zero: Path, tests: dict[str, Path], lang: str, seed: int) -> None:
    step = f"few/{lang}/{seed}"
    if step in log.read():
        return
    data = data_file(options, lang, "train", "dev")
    model: Path = options.work / f"{lang}-{options.limit}-{seed}"
    arguments: list[object] = ["--model", zero, "--train", f"{lang}={data}", "--limit", options.limit, "--seed", seed]
    if options.few_epochs is not None:
        arguments += ["--epochs", options.few_epochs]
    seconds = train(model, *arguments, *shlex.split(options.few_options))
    wanted = {lang: tests[lang], options.source: tests[options.source]}
    log.add({"step": step, "seconds": round(seconds, 1), "data": data.name, "results": evaluate(model, wanted)})
    if not options.keep:
        shutil.rmtree(model)


def figure(results: list[dict[str, Any]], lang: str, metric: str = METRIC) -> dict[str, Any] | None:
    return next((r for r in results if r["language"] == lang and r["metric"] == metric), None)


def percent(result: dict[str, Any] | None) -> str:
    return f"{100 * result['value']:.1f}" if result else "–"


def with_interval(result: dict[str, Any] | None) -> str:
    if not result:
        return "–"
    low, high = (100 * end for end in result["interval"])
    return f"{percent(result)} ({low:.1f}–{high:.1f})"


def spread(values: list[float]) -> tuple[str, str, str]:
    """Mean, min–max and standard deviation (of the draws, n − 1), in per cent."""
    if not values:
        return "–", "–", "–"
    deviation = f"{100 * statistics.stdev(values):.2f}" if len(values) > 1 else "–"
    return f"{100 * statistics.mean(values):.1f}", f"{100 * min(values):.1f}–{100 * max(values):.1f}", deviation


def table(options: argparse.Namespace, steps: dict[str, dict[str, Any]]) -> str:
    zero = steps.get("zero", {"results": []})["results"]
    drawn = max([sum(f"few/{lang}/{seed}" in steps for seed in range(options.seeds)) for lang in options.languages], default=0)
    source = options.source
    own = f"{with_interval(figure(zero, source))} | {percent(figure(zero, source, NO_MWT))}"
    lines = [
        f"UPOS accuracy on test files, gold words, %. Encoder `{options.model}`, trained on {options.treebanks[source]}; "
        f"zero-shot with its 95 % bootstrap interval over sentences; {options.limit} sentences of the target, {drawn} draws.",
        "",
        f"| test | zero-shot | no MWT | few-shot mean | min–max | sd | no MWT mean | gain | {source} after (mean) |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        f"| {source} ({options.treebanks[source]}) | {own} | | | | | | |",
    ]
    gains = []
    for lang in options.languages:
        runs = [steps[name]["results"] for seed in range(options.seeds) if (name := f"few/{lang}/{seed}") in steps]
        few = [found["value"] for run in runs if (found := figure(run, lang))]
        few_no_mwt = [found["value"] for run in runs if (found := figure(run, lang, NO_MWT))]
        after = [found["value"] for run in runs if (found := figure(run, source))]
        before = figure(zero, lang)
        gain = "–"
        if before and few:
            gains.append((before["value"], statistics.mean(few)))
            gain = f"{100 * (gains[-1][1] - gains[-1][0]):+.1f}"
        mean, ends, deviation = spread(few)
        lines.append(
            f"| {lang} ({options.treebanks[lang]}) | {with_interval(before)} | {percent(figure(zero, lang, NO_MWT))} "
            f"| {mean} | {ends} | {deviation} | {spread(few_no_mwt)[0]} | {gain} | {spread(after)[0]} |"
        )
    if len(gains) == len(options.languages) > 1:
        first, last = (100 * statistics.mean(column) for column in zip(*gains, strict=True))
        lines.append(f"| mean of {len(gains)} | {first:.1f} | | {last:.1f} | | | | {last - first:+.1f} | |")
    seconds = [step["seconds"] for name, step in steps.items() if name != "zero"]
    if "zero" in steps and seconds:
        lines += ["", f"Training: source {steps['zero']['seconds']:.0f} s, a draw {statistics.mean(seconds):.0f} s."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
