"""What raw text of a target adds to ``calque sources``; the last part of ``benchmarks/sources.py``.

The text is 25 sentences of a language's treebanks without their labels (train before dev before test), for the targets that
have them. Three questions, each target left out: how far does text alone go, for a language that no table knows; do subwords
shared with a source help; do neighbours among sentence vectors (NN-Rank's idea: of the ten nearest sentences in all sources, the
share that are this source's; vectors of the embedded default)?
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from fit import grid
from langrank import splits_with_text

import calque
from calque.formats.conllu import read_conllu
from calque.transfer.sources.checking import leave_out, left_out, losses, ndcg
from calque.transfer.sources.features import Atlas, Blend, Facts
from calque.transfer.sources.fitting import Measured, fit
from calque.transfer.sources.overlap import pieces_of
from calque.transfer.sources.predictor import Predictor, Settings, Weights, regime
from calque.transfer.sources.targets import TRUST, _kin, unread

SENTENCES = 25
NEIGHBOURS = 10


def texts(data: Path, codes: list[str]) -> dict[str, list[str]]:
    """Language → sentences."""
    found = {}
    for code in codes:
        for paths in splits_with_text(data, code):
            read = (s.text for path in paths for s in islice(read_conllu(path, on_error="skip"), 8 * SENTENCES))
            lines = [text for text in read if text and len(text) > 15]
            if len(lines) >= SENTENCES:
                found[code] = lines[:: max(1, len(lines) // SENTENCES)][:SENTENCES]
                break
    return found


def report(folder: Path, atlas: Atlas, data: Measured) -> None:
    """Both tables."""
    settings = grid()[0]
    found = texts(folder, sorted({*data.sources, *data.targets}))
    kept = [t for t, code in enumerate(data.targets) if code in found]
    print(f"\n{len(kept)} targets with text, settings as shipped\n")
    print("| from | loss | read by XLM-R | unread | MAE, unread |\n|---|--:|--:|--:|--:|")
    unknown(atlas, data, settings, found, kept)
    more(data, settings, found, kept)


def unknown(atlas: Atlas, data: Measured, settings: Settings, found: dict[str, list[str]], kept: list[int]) -> None:
    """As if no table knew the target."""
    ways: dict[str, list[tuple[float, float]]] = {
        "the tables": [],
        "nothing but the script": [],
        "script and letters of 25 sentences": [],
    }
    for t in kept:
        code = data.targets[t]
        weights = fit(data, settings, without=left_out(data, np.arange(len(data.targets)) == t, strict=True))
        model = _without(atlas, data, settings, weights, t)
        script = atlas.facts(code).script
        rest = unread(model, script, code)
        kin = _kin(found[code], script, atlas, code)
        mixed: Blend = [*((TRUST * w, f) for w, f in kin), *(((1 - TRUST) * w, f) for w, f in rest)] if kin else rest
        for name, blend in zip(ways, ([(1.0, atlas.facts(code))], rest, mixed), strict=True):
            ways[name].append(_followed(model, data, blend, t))
    seen = data.seen[kept]
    for name, values in ways.items():
        lost, error = np.array(values).T
        print(
            f"| {name} | {lost.mean():.2f} | {lost[seen].mean():.2f} | {lost[~seen].mean():.2f} | {error[~seen].mean():.1f} |",
            flush=True,
        )


def _without(atlas: Atlas, data: Measured, settings: Settings, weights: Weights, t: int) -> Predictor:
    """A predictor that has not seen a target."""
    keep = np.arange(len(data.targets)) != t
    cut = replace(weights, pattern=weights.pattern[:, keep], level_pattern=weights.level_pattern[keep])
    names = tuple(code for code, kept in zip(data.targets, keep, strict=True) if kept)
    width = {f"{regime(seen, near)}{tail}": 0.0 for seen in (True, False) for near in (0.0, 1.0) for tail in ("", ", unmeasured")}
    empty = np.zeros((len(data.sources), 1))
    return Predictor(atlas, data.sources, names, settings, cut, width, empty, empty[:, 0], {})


def _followed(model: Predictor, data: Measured, blend: Blend, t: int) -> tuple[float, float]:
    """Points lost, and mean absolute error."""
    rows = np.flatnonzero(data.measured[:, t])
    facts: list[Facts] = [model.atlas.facts(data.sources[s]) for s in rows]
    expected, truth = model.predict(blend, facts).accuracy, data.accuracy[rows, t]
    return float(truth.max() - truth[expected.argmax()]), float(np.abs(expected - truth).mean())


def more(data: Measured, settings: Settings, found: dict[str, list[str]], kept: list[int]) -> None:
    """Features of text beside those of the tables; zero where there is none."""
    pieces = {code: pieces_of(lines) for code, lines in found.items()}
    model = calque.load("default")
    vectors = {code: model.embed(lines) for code, lines in found.items()}
    overlap, votes = np.zeros(data.accuracy.shape), np.zeros(data.accuracy.shape)
    for t in kept:
        target = data.targets[t]
        others = [s for s, code in enumerate(data.sources) if code in found and code != target]
        owner = np.repeat(others, [len(vectors[data.sources[s]]) for s in others])
        likeness = vectors[target] @ np.concatenate([vectors[data.sources[s]] for s in others]).T
        nearest = owner[np.argsort(-likeness, axis=1)[:, :NEIGHBOURS]].ravel()
        votes[:, t] = np.bincount(nearest, minlength=len(data.sources)) / len(nearest)
        for s in others:
            overlap[s, t] = len(pieces[target] & pieces[data.sources[s]]) / max(1, len(pieces[target]))
    print("\n| features | loss | NDCG@3 |\n|---|--:|--:|")
    for name, extra in (("the tables", []), ("and shared subwords", [overlap]), ("and neighbours of sentences", [votes]),
                        ("and both", [overlap, votes])):  # fmt: skip
        widened = replace(data, features=np.concatenate([data.features, *(e[:, :, None] for e in extra)], axis=2))
        scores = leave_out(widened, settings)
        print(f"| {name} | {losses(data, scores)[kept].mean():.2f} | {ndcg(data, scores)[kept].mean():.3f} |", flush=True)
    print(f"| neighbours of sentences alone | {losses(data, votes)[kept].mean():.2f} | {ndcg(data, votes)[kept].mean():.3f} |")
    print(f"| shared subwords alone | {losses(data, overlap)[kept].mean():.2f} | {ndcg(data, overlap)[kept].mean():.3f} |")
