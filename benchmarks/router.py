"""Routing by identified language: how often it is right, how often it abstains, and what its errors cost in tags.

    python benchmarks/router.py --data ../shared/data --languages es,ca,pt,gl                  # the embedded default
    python benchmarks/router.py --data ../shared/data --languages es,ca --model routes.toml

Test sentences of Universal Dependencies, spread evenly over a language's treebanks. The language is identified from the text of
a sentence, whole or cut to its first words (at spaces: Chinese, Japanese and Thai stay whole). Its gold words are then tagged
twice, by the route of the language that was identified (of an abstention: the multilingual path) and by that of the true one. The
loss is the difference of UPOS accuracy, in points; means weigh every language the same, and intervals are paired 95 % bootstraps
over sentences, for these languages. With one model for all, the loss is what it costs to tell that model another language.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from langid import code_of, spread

from calque import Router
from calque.config import is_routes
from calque.document import Sentence
from calque.evaluation.metrics import percentile_interval, resampled_accuracies
from calque.formats.conllu import read_conllu
from calque.languages import identifiable, identify

WHOLE = 0
CUTS = (3, 5, 10, WHOLE)  # words of a text that are identified


@dataclass(slots=True)
class Row:
    """One language at one length of text; numbers of sentences, and words right by the true and by the identified language."""

    right: int
    wrong: int
    abstained: int
    astray: int  # went another route than that of the language
    words: np.ndarray
    known: np.ndarray
    routed: np.ndarray
    others: Counter[str]  # the languages that were wrongly identified

    @property
    def sentences(self) -> int:
        """How many."""
        return len(self.words)

    def loss(self) -> float:
        """Points of accuracy."""
        return 100 * float((self.known.sum() - self.routed.sum()) / self.words.sum())

    def losses(self, lang: str, resamples: int) -> np.ndarray:
        """Of resampled sentences; the same draws for both."""
        known, routed = (resampled_accuracies(c, self.words, resamples=resamples, name=lang) for c in (self.known, self.routed))
        return 100 * (known - routed)


def read(data: Path, wanted: list[str], limit: int) -> dict[str, list[Sentence]]:
    """Language → test sentences that have a text and gold tags."""
    found: dict[str, list[list[Sentence]]] = {}
    with (data / "ud" / "INDEX.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            path = data / "ud" / row["treebank"] / "test.conllu.xz"
            code = "nn" if "Nynorsk" in row["treebank"] else code_of(row["iso"])
            if row["split"] == "test" and code in wanted and path.exists():
                sentences = [s for s in read_conllu(path, on_error="skip") if s.text and any(map(counted, s.tokens))]
                found.setdefault(code, []).append(sentences)
    return {code: spread(lists, limit) for code, lists in sorted(found.items())}


def counted(token: object) -> bool:
    """Whether a word has a gold tag."""
    return getattr(token, "upos", None) not in (None, "_")


def right_words(router: Router, sentences: list[Sentence], langs: list[str | None]) -> np.ndarray:
    """Words with the gold tag, of each sentence."""
    tagged = router.tag([s.words for s in sentences], langs=langs)
    return np.array(
        [
            sum(counted(t) and t.upos == label for t, label in zip(s.tokens, found.labels, strict=True))
            for s, found in zip(sentences, tagged, strict=True)
        ],
        dtype=np.int64,
    )


def measure(router: Router, lang: str, sentences: list[Sentence]) -> dict[int, Row]:
    """Rows by the length of text."""
    words = np.array([sum(map(counted, s.tokens)) for s in sentences], dtype=np.int64)
    known = right_words(router, sentences, [lang] * len(sentences))
    rows = {}
    for cut in CUTS:
        texts = [s.text or "" for s in sentences]
        codes = [identify(" ".join(text.split()[:cut]) if cut else text).code for text in texts]
        routed = known.copy()
        other = [i for i, code in enumerate(codes) if code != lang]  # the rest goes the same way with the same words
        if other:
            routed[other] = right_words(router, [sentences[i] for i in other], [codes[i] for i in other])
        said = Counter(codes)
        rows[cut] = Row(
            right=said[lang], abstained=said[None], wrong=len(codes) - said[lang] - said[None],
            astray=sum(router.route(code) is not router.route(lang) for code in codes),
            words=words, known=known, routed=routed,
            others=Counter(code for code in codes if code not in (lang, None)),
        )  # fmt: skip
    return rows


def called(cut: int) -> str:
    """A length of text, for people."""
    return f"{cut} words" if cut else "whole"


def table(found: dict[str, dict[int, Row]], resamples: int) -> list[dict[str, object]]:
    """Print the tables; the same as values."""
    values: list[dict[str, object]] = []
    print(
        "| language | text | sentences | right | wrong | abstains | other route | UPOS, known | UPOS, routed | loss | taken for |"
    )
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    for lang, rows in found.items():
        for cut, row in rows.items():
            n, share = row.sentences, [100 * x / row.sentences for x in (row.right, row.wrong, row.abstained, row.astray)]
            accuracies = [100 * float(c.sum() / row.words.sum()) for c in (row.known, row.routed)]
            others = " ".join(f"{code} {count}" for code, count in row.others.most_common(3))
            cells = [f"{x:.1f}" for x in (*share, *accuracies)]
            print(f"| {lang} | {called(cut)} | {n} | {' | '.join(cells)} | {row.loss():.2f} | {others} |")
            names = ("right", "wrong", "abstains", "other_route", "known", "routed")
            figures = dict(zip(names, (*share, *accuracies), strict=True))
            values.append({"language": lang, "text": called(cut), "sentences": n, **figures, "loss": row.loss()})
    print(f"\n| mean of {len(found)} languages | right | wrong | abstains | other route | loss | 95 % interval |")
    print("|---|--:|--:|--:|--:|--:|---|")
    for cut in CUTS:
        rows_of = {lang: rows[cut] for lang, rows in found.items()}
        shares = [
            float(np.mean([100 * getattr(row, name) / row.sentences for row in rows_of.values()]))
            for name in ("right", "wrong", "abstained", "astray")
        ]
        loss = float(np.mean([row.loss() for row in rows_of.values()]))
        drawn = np.mean([row.losses(lang, resamples) for lang, row in rows_of.items()], axis=0)
        low, high = percentile_interval(drawn)
        print(f"| {called(cut)} | {' | '.join(f'{x:.1f}' for x in shares)} | {loss:.2f} | {low:.2f} to {high:.2f} |")
        figures = dict(zip(("right", "wrong", "abstains", "other_route"), shares, strict=True))
        values.append({"language": None, "text": called(cut), **figures, "loss": loss, "interval": [low, high]})
    return values


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", help="codes with commas between; by default all that can be identified")
    parser.add_argument("--limit", type=int, default=200, help="sentences of each language")
    parser.add_argument("--model", default="default", help="a table of routes, or one model for all languages")
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    router = Router.from_toml(args.model) if is_routes(args.model) else Router({"*": args.model})
    wanted = [code_of(lang) or lang for lang in args.languages.split(",")] if args.languages else identifiable()
    sentences = read(args.data, wanted, args.limit)
    missing = [lang for lang in wanted if lang not in sentences] if args.languages else []
    if missing or not sentences:
        parser.error(f"no test sentences with text of {', '.join(missing) or 'any language'} in {args.data / 'ud'}")
    print(f"{args.model}: {router}\n")
    values = table({lang: measure(router, lang, some) for lang, some in sentences.items()}, args.resamples)
    if args.json:
        args.json.write_text(json.dumps(values, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
