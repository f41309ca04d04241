"""A linear tagger on frozen vectors, trained on English, scored on languages that no mark is about.

    python benchmarks/trials/languages_probe.py --data ../shared/data/ud mini build/mini/arm-plain/encoder --adapt

1,500 sentences of EWT; the first 250 dev sentences of each language of ``fine_tune_settings``; layers 3 and 4. ``--adapt`` also
moves each language's vectors to the mean (and spread, and covariance) of English, by its own unlabelled words. (It did not help.)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from calque.models.encoder import Encoder
from calque.pieces import budget_batches
from calque.pretraining.run import tagged

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from fine_tune_settings import TREEBANKS  # noqa: E402

LAYERS = (3, 4)


def vectors(encoder: Encoder, sentences: list[list[str]]) -> list[Tensor]:
    """``[words, d]`` for each layer."""
    rows = encoder.pieces.rows(sentences)
    found: list[dict[int, Tensor]] = [{} for _ in LAYERS]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        for group in budget_batches([len(r.ids) + 2 for r in rows], 8192):
            batch = encoder.pieces.batch([rows[k] for k in group])
            states = encoder.all_layers(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
            for at, layer in enumerate(LAYERS):
                words = torch.from_numpy(batch.pooling).float() @ states[layer].float()
                for k, row in enumerate(rows[i] for i in group):
                    found[at][row.sentence] = words[k, : row.words].float()
    return [torch.cat([part[k] for k in range(len(sentences))]) for part in found]


def fitted(x: Tensor, y: Tensor, tags: int) -> Callable[[Tensor], Tensor]:
    """The tagger."""
    weight, bias = torch.zeros(x.shape[1], tags, requires_grad=True), torch.zeros(tags, requires_grad=True)
    optimiser = torch.optim.Adam([weight, bias], lr=0.05)
    for _ in range(150):
        loss = torch.nn.functional.cross_entropy(x @ weight + bias, y) + 1e-4 * weight.pow(2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return lambda z: (z @ weight + bias).argmax(1)


def root(x: Tensor, power: float) -> Tensor:
    """A power of the covariance of columns that were standardised by English."""
    values, directions = torch.linalg.eigh(torch.cov(x.T).double())
    return ((directions * (values + 0.03).pow(power)) @ directions.T).float()


def main() -> None:
    """Print a row an encoder and layer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--adapt", action="store_true")
    args = parser.parse_args()
    train = tagged(args.data / TREEBANKS["en"] / "train.conllu.xz", 1500)
    number = {tag: k for k, tag in enumerate(sorted({t for _, tags in train for t in tags}))}
    dev = {lang: tagged(args.data / name / "dev.conllu.xz", 250) for lang, name in TREEBANKS.items()}
    gold = {lang: torch.tensor([number.get(t, -1) for _, tags in found for t in tags]) for lang, found in dev.items()}
    y = torch.tensor([number[t] for _, tags in train for t in tags])
    for name in args.encoders:
        encoder = Encoder.load(name).eval()
        english = vectors(encoder, [list(words) for words, _ in train])
        others = {lang: vectors(encoder, [list(words) for words, _ in found]) for lang, found in dev.items()}
        for at, layer in enumerate(LAYERS):
            middle, spread = english[at].mean(0), english[at].std(0).clamp(min=1e-6)
            x = (english[at] - middle) / spread
            tagger = fitted(x, y, len(number))
            ways: dict[str, Callable[[Tensor], Tensor]] = {"as they are": lambda z: z}
            if args.adapt:
                ways["centred"] = lambda z: z - z.mean(0)
                ways["standardised"] = lambda z: (z - z.mean(0)) / z.std(0).clamp(min=1e-6)
                ways["covariance"] = lambda z, x=x: (z - z.mean(0)) @ root(z, -0.5) @ root(x, 0.5)  # type: ignore[misc]
            for way, change in ways.items():
                scores = {
                    lang: 100 * float((tagger(change((found[at] - middle) / spread)) == gold[lang]).float().mean())
                    for lang, found in others.items()
                }
                rest = mean(v for lang, v in scores.items() if lang != "en")
                print(f"| {name} | {layer} | {way} | " + " | ".join(f"{v:.1f}" for v in scores.values()) + f" | {rest:.2f} |")


if __name__ == "__main__":
    main()
