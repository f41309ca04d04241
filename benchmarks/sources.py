"""How good ``calque sources`` is for languages, and families, that it has never seen.

    python benchmarks/sources.py --data ../shared/data                 # some minutes; runs the embedded default on sentences
    python benchmarks/sources.py --data ../shared/data --only language # or family, or text

Measured transfer of XLM-R base (65 sources, 105 targets; de Vries et al. 2022). A target is left out as a target and as a
source, and settings are chosen from a grid without it (the shape of the grid was tried out on the same languages); a family is
left out as targets. Ways to compare: always English; the source best on average on the other targets; the nearest relative in
the family tree (ties to the one with more training data); ``calque.languages.nearest``, whose weights were fitted to all of
this; LangRank's features and learner (``langrank.py``; a twenty-first of the targets left out at a time). A language is no
source of its own, but where a line says so. Loss: points below the best source by following the first recommendation;
intervals are 95 % bootstraps over targets.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "recipes" / "sources"))
import langrank
from fit import following, grid
from measured import accuracies, read

from calque.languages.nearest import WEIGHTS, parts
from calque.transfer.sources.checking import coverage, folds, leave_out, losses, ndcg, regimes, spread_of
from calque.transfer.sources.features import Atlas, tree_distance
from calque.transfer.sources.fitting import Measured
from calque.transfer.sources.ranking import hedge

RESAMPLES = 10_000
LANGRANK_FOLDS = 21  # of targets, when one language after the other would take too long


@dataclass
class Row:
    """One way to choose a source."""

    name: str
    scores: np.ndarray  # [S, T], the higher the better
    accuracy: bool = False  # whether the scores are predicted accuracies
    regimes: list[str] | None = None


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % of the means of resampled targets."""
    draws = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def nested(data: Measured, groups: list[str] | None) -> tuple[np.ndarray, list[str], list[int]]:
    """Predictions for languages left out, by the settings best on the other groups; their regimes; and which settings."""
    every = grid()
    found = [leave_out(data, settings, groups) for settings in every]
    lost = np.array([following(data, scores) for scores in found])
    names = [regimes(data, settings, groups) for settings in every]
    scores, chosen, picks = np.full(data.accuracy.shape, np.nan), [""] * len(data.targets), []
    for group in folds(groups or list(data.targets)):
        pick = int(lost[:, ~group].mean(axis=1).argmin())
        picks.append(pick)
        for t in np.flatnonzero(group):
            scores[:, t], chosen[t] = found[pick][:, t], names[pick][t]
    return scores, chosen, picks


def constant(values: np.ndarray, data: Measured) -> np.ndarray:
    """One order of sources for all targets."""
    return np.repeat(values[:, None], len(data.targets), axis=1).astype(float)


def on_average(data: Measured, groups: list[str]) -> np.ndarray:
    """How much better than others sources are on the targets of other groups."""
    over = data.accuracy - np.nanmean(data.accuracy, axis=0)
    return np.stack([np.nanmean(over[:, [g != group for g in groups]], axis=1) for group in groups], axis=1)


def relatives(data: Measured, atlas: Atlas, sizes: dict[str, int]) -> np.ndarray:
    """The nearest in the family tree, then the one with more training data."""
    found = np.zeros(data.accuracy.shape)
    for s, source in enumerate(data.sources):
        for t, target in enumerate(data.targets):
            apart = tree_distance(atlas.facts(source).nodes, atlas.facts(target).nodes)
            found[s, t] = -apart + 1e-7 * sizes.get(source, 0)
    return found


def by_langrank(data: Measured, x: np.ndarray, groups: list[str]) -> np.ndarray:
    """LangRank, targets of a group left out together."""
    found = np.zeros(data.accuracy.shape)
    for group in folds(groups):
        ranker = langrank.LambdaMart(x, data.accuracy, data.measured & ~group[None, :])
        for t in np.flatnonzero(group):
            found[:, t] = ranker.score(x[:, t])
    return found


def others(data: Measured, atlas: Atlas, x: np.ndarray, sizes: dict[str, int], groups: list[str], few: list[str]) -> list[Row]:
    """The ways that are compared with."""
    average = on_average(data, groups)
    english = average + 1000 * constant(np.array([s == "en" for s in data.sources]), data)
    near = np.array([[-np.dot(WEIGHTS, parts(s, t)) for t in data.targets] for s in data.sources])
    return [
        Row("always English", english),
        Row("best on average on other targets", average),
        Row("nearest in the family tree", relatives(data, atlas, sizes)),
        Row("calque.languages.nearest", near),
        Row("LangRank's features, LambdaMART", by_langrank(data, x, few)),
    ]


def told(data: Measured, rows: list[Row], groups: list[str] | None) -> list[dict]:
    """The table."""
    first = losses(data, rows[0].scores).mean()
    found = []
    for row in rows:
        lost = losses(data, row.scores)
        low, high = interval(lost)
        line = {
            "way": row.name, "loss": lost.mean(), "low": low, "high": high, "of_english": lost.mean() / first,
            "read": lost[data.seen].mean(), "unread": lost[~data.seen].mean(), "ndcg": ndcg(data, row.scores).mean(),
        }  # fmt: skip
        if row.accuracy:
            errors = data.accuracy - row.scores
            pick = np.where(data.measured, row.scores, -np.inf).argmax(axis=0)
            line |= {
                "mae": np.nanmean(np.abs(errors)), "mae_of_first": np.abs(errors[pick, np.arange(len(pick))]).mean(),
                "coverage": coverage(errors, row.regimes or [], groups).mean(),
            }  # fmt: skip
        found.append(line)
    return found


def show(title: str, lines: list[dict]) -> None:
    """As Markdown."""
    print(f"\n{title}\n\n| | loss | of English's | read by XLM-R | unread | NDCG@3 | MAE | MAE of the first | coverage of 80 % |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for x in lines:
        tail = f"{x['mae']:.1f} | {x['mae_of_first']:.1f} | {x['coverage']:.0%}" if "mae" in x else "| |"
        print(f"| {x['way']} | {x['loss']:.2f} ({x['low']:.1f}–{x['high']:.1f}) | {x['of_english']:.0%} | {x['read']:.2f} | "
              f"{x['unread']:.2f} | {x['ndcg']:.3f} | {tail} |", flush=True)  # fmt: skip


def sets(data: Measured, scores: np.ndarray, sizes: tuple[int, ...] = (2, 3, 5)) -> None:
    """Loss of the best member of the recommended set, beside the first recommendations and the best on average."""
    average = on_average(data, list(data.targets))
    print("\n| sources | the first ones | the best set | best on average on other targets |\n|--:|--:|--:|--:|")
    errors = data.accuracy - scores
    ways: dict[str, Callable[[int, int], list[int]]] = {
        "first": lambda t, n: list(np.argsort(-np.where(data.measured[:, t], scores[:, t], -np.inf))[:n]),
        "set": lambda t, n: _hedged(t, n),
        "average": lambda t, n: list(np.argsort(-np.where(data.measured[:, t], average[:, t], -np.inf))[:n]),
    }

    def _hedged(t: int, n: int) -> list[int]:
        keep = np.arange(len(data.targets)) != t
        factors, rest = spread_of(errors[:, keep])
        here = np.flatnonzero(data.measured[:, t])
        return [int(here[k]) for k in hedge(scores[here, t], factors[here], rest[here], n)[0]]

    for n in sizes:
        lost = {
            name: np.mean([np.nanmax(data.accuracy[:, t]) - data.accuracy[way(t, n), t].max() for t in range(len(data.targets))])
            for name, way in ways.items()
        }
        print(f"| {n} | {lost['first']:.2f} | {lost['set']:.2f} | {lost['average']:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("language", "family", "text"), help="one of the three parts")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    atlas, data = read(args.data)
    sizes = langrank.sizes(args.data)[0]
    x = (
        langrank.features(args.data, atlas, list(data.sources), list(data.targets))
        if args.only != "text"
        else np.zeros((0, 0, 0))
    )
    alone = list(data.targets)
    families = [atlas.facts(t).family or t for t in data.targets]
    out = {}
    for title, groups in (("One language left out", None), ("A family left out", families)):
        if args.only and args.only not in title:
            continue
        names = groups or alone
        few = groups or [str(k % LANGRANK_FOLDS) for k in range(len(alone))]
        scores, chosen, picks = nested(data, groups)
        rows = [*others(data, atlas, x, sizes, names, few), Row("calque sources", scores, True, chosen)]
        lines = told(data, rows, groups)
        show(f"{title} ({len(set(names))} folds; settings {sorted(set(picks))})", lines)
        out[title] = lines
        if groups is None:
            sets(data, scores)
            own(data, args.data, scores)
    if args.only in (None, "text"):
        import sources_text

        sources_text.report(args.data, atlas, data)
    if args.json:
        args.json.write_text(json.dumps(out, indent=2), encoding="utf-8")


def own(data: Measured, folder: Path, scores: np.ndarray) -> None:
    """The same where a language may be its own source, which is trivial: it is recommended wherever it has data."""
    _, _, table = accuracies(folder / "labelled" / "xpos" / "xpos_english.tsv.xz")
    best = table.max(axis=0)
    picked = np.where(data.measured, scores, -np.inf).argmax(axis=0)
    columns = np.arange(len(data.targets))
    itself = [data.sources.index(t) if t in data.sources else picked[k] for k, t in enumerate(data.targets)]
    english = table[data.sources.index("en")]
    print(f"\nA language its own source where it has data ({sum(t in data.sources for t in data.targets)} of {len(columns)}): "
          f"loss {np.mean(best - table[itself, columns]):.2f}, always English {np.mean(best - english):.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
