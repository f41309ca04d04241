"""Training and validation files of the embedded default, from the treebanks with free licences.

    python recipes/default/treebanks.py --data ../shared/data --work build/default

Writes ``<lang>.train.conllu`` and ``<lang>.dev.conllu`` a language (words, tags, universal features, trees; a comment names each
sentence's treebank, ``es_gsd``), and ``sources.json`` (treebanks, licences, sentences).

Choices and trade-offs
- Licences: CC0, public domain, CC BY, CC BY-SA. No NC, no GPL or LGPL-LR.
- A tenth of every dev file is kept aside for model selection; the rest trains, since the train files of many languages are
  not at hand. Which tenth is decided by a hash of the words, so that the same sentence in two treebanks falls on one side
  (Chinese ones compared in simplified characters: GSD and GSDSimp are one text in two scripts).
- A sentence whose case-folded words also stand in any test file of the language never trains, nor one kept aside.
- Releases of UD 1 (``ud-older``) write CONJ for CCONJ and tag copulas as verbs: a form whose most frequent tag differs from
  the language's newer files is left without a tag there (training skips such words). Their trees and features follow other rules
  and are left out.
- Features are the universal ones (language-specific ones are of use in one language each). Subtypes of relations that all
  treebanks together have less than a hundred times are left out.
- Chinese treebanks in traditional characters train twice, once converted to simplified ones (OpenCC; GSD's are then GSDSimp's).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from opencc import OpenCC

from calque.document import Sentence
from calque.evaluation.counting import UNIVERSAL_FEATURES
from calque.formats.conllu import format_sentence, read_conllu

UPOS = set("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())
LEAST_SUBTYPE = 100
FREE = re.compile(r"^(CC0|PD|CC BY(-SA)? )")
OLDER = {"UD_Swedish-Talbanken": "sv", "UD_Dutch-LassySmall": "nl", "UD_Chinese-GSD": "zh"}


def short_name(treebank: str, lang: str) -> str:
    """``es_gsd`` of ``UD_Spanish-GSD``."""
    return f"{lang}_{treebank.rpartition('-')[2].lower()}"


def key(sentence: Sentence, converter: OpenCC | None = None) -> str:
    """The words, case-folded; with a converter in simplified characters, so that a sentence is the same one in both scripts."""
    words = " ".join(t.text.casefold() for t in sentence.tokens)
    return str(converter.convert(words)) if converter else words


def kept_aside(text: str) -> bool:
    """A tenth of all sentences, by a hash of their words."""
    return hashlib.sha256(text.encode()).digest()[0] < 26


def simplified(sentence: Sentence, converter: OpenCC) -> Sentence:
    """A copy in simplified characters (word by word: the number of words stays)."""
    copy = Sentence(tokens=[], comments=list(sentence.comments))
    for token in sentence.tokens:
        copy.tokens.append(replace(token, text=converter.convert(token.text)))
    return copy


def plain(sentence: Sentence, treebank: str, *, older: bool = False) -> Sentence:
    """Words, universal tags, universal features, trees and multiword tokens only; of an older release no features and trees."""
    sentence.comments = [f"# treebank = {treebank}"]
    sentence.empty_nodes = []
    for token in sentence.tokens:
        token.lemma = token.xpos = token.deps = token.misc = token.entity = None
        if older:
            token.feats = token.deprel = token.head = None
        elif token.feats:
            kept = [part for part in token.feats.split("|") if part.partition("=")[0] in UNIVERSAL_FEATURES]
            token.feats = "|".join(kept) or None
        token.upos = {"CONJ": "CCONJ"}.get(token.upos or "", token.upos)
        token.upos = token.upos if token.upos in UPOS else None
    return sentence


def reconcile(older: list[Sentence], newer: list[Sentence]) -> None:
    """Take the tag off words of ``older`` whose form is usually tagged otherwise in ``newer``."""

    def usual(sentences: list[Sentence]) -> dict[str, str]:
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for s in sentences:
            for t in s.tokens:
                if t.upos:
                    counts[t.text.casefold()][t.upos] += 1
        return {form: c.most_common(1)[0][0] for form, c in counts.items()}

    ours, theirs = usual(newer), usual(older)
    clash = {form for form, tag in theirs.items() if ours.get(form, tag) != tag}
    for s in older:
        for t in s.tokens:
            copula = t.upos in {"AUX", "VERB"} and t.text.casefold() not in ours
            if copula or t.text.casefold() in clash:
                t.upos = None


class Collection:
    """Sentences of every language, and where they come from."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with (data / "ud" / "INDEX.tsv").open(encoding="utf-8") as f:
            self.index = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
        self.converter = OpenCC("t2s")
        self.banned: dict[str, set[str]] = defaultdict(set)  # words of test sentences
        self.train: dict[str, list[Sentence]] = defaultdict(list)
        self.dev: dict[str, list[Sentence]] = defaultdict(list)
        self.used: list[dict[str, object]] = []
        for row in self.index:
            if row["split"] == "test":
                test = self.read("ud", row["treebank"], "test")
                self.banned[row["iso"]].update(self.key(s, row["iso"]) for s in test)

    def key(self, sentence: Sentence, lang: str) -> str:
        """What tells a sentence from another one of its language."""
        return key(sentence, self.converter if lang == "zh" else None)

    def read(self, folder: str, treebank: str, split: str) -> list[Sentence]:
        return list(read_conllu(self.data / folder / treebank / f"{split}.conllu.xz", on_error="skip", skipped=[]))

    def note(self, treebank: str, lang: str, split: str, licence: str, sentences: int) -> None:
        entry = {"treebank": treebank, "language": lang, "split": split, "licence": licence, "sentences": sentences}
        self.used.append(entry)

    def add_current(self) -> None:
        """Train and dev files of the free treebanks."""
        for row in self.index:
            if row["split"] == "test" or not FREE.match(row["licence"]):
                continue
            lang, named = row["iso"], short_name(row["treebank"], row["iso"])
            sentences = [plain(s, named) for s in self.read("ud", row["treebank"], row["split"])]
            if row["treebank"] == "UD_Chinese-GSD":
                others = [simplified(s, self.converter) for s in sentences]
                for s in others:
                    s.comments = ["# treebank = zh_gsdsimp"]
                sentences += others
            for s in sentences:
                aside = row["split"] == "dev" and kept_aside(self.key(s, lang))
                (self.dev if aside else self.train)[lang].append(s)
            self.note(row["treebank"], lang, row["split"], row["licence"], len(sentences))

    def add_older(self) -> None:
        """Train files of UD 1 for languages that have too little."""
        licence = {row["treebank"]: row["licence"] for row in self.index}
        for name, lang in OLDER.items():
            if not FREE.match(licence[name]):
                continue
            sentences = [plain(s, f"{short_name(name, lang)}1", older=True) for s in self.read("ud-older", name, "train")]
            if lang == "zh":  # every second one, in both scripts: eight times as many as of today's release would be too many
                sentences = sentences[::2]
                sentences += [simplified(s, self.converter) for s in sentences]
            reconcile(sentences, self.train[lang])
            self.train[lang] += sentences
            self.note(name, lang, "train (UD 1)", licence[name], len(sentences))

    def rare_subtypes(self) -> set[str]:
        """Relations with a subtype that is too rare to be learnt."""
        counts = Counter(
            t.deprel for found in self.train.values() for s in found for t in s.tokens if t.deprel and ":" in t.deprel
        )
        return {relation for relation, count in counts.items() if count < LEAST_SUBTYPE}

    def split(self, lang: str) -> tuple[list[Sentence], list[Sentence]]:
        """What trains and what validates, without test sentences and very short repetitions."""
        aside = {self.key(s, lang) for s in self.dev[lang]}
        seen: set[str] = set()
        kept = []
        for s in self.train[lang]:
            k = self.key(s, lang)
            short = k in seen and len(s.tokens) < 4
            if not (short or k in self.banned[lang] or k in aside) and any(t.upos for t in s.tokens):
                seen.add(k)
                kept.append(s)
        valid = [s for s in self.dev[lang] if self.key(s, lang) not in self.banned[lang] and any(t.upos for t in s.tokens)]
        if valid:
            return kept, valid
        # languages with a train file only: hold out a twentieth
        return [s for i, s in enumerate(kept) if i % 20], kept[::20]


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    collection = Collection(args.data)
    collection.add_current()
    collection.add_older()
    rare = collection.rare_subtypes()
    report = {}
    for lang in sorted(collection.train):
        parts = dict(zip(("train", "dev"), collection.split(lang), strict=True))
        report[lang] = {
            "train": len(parts["train"]),
            "validation": len(parts["dev"]),
            "dropped": len(collection.train[lang]) - len(parts["train"]),
            "words": sum(len(s.tokens) for s in parts["train"]),
        }
        for part, sentences in parts.items():
            for token in (t for s in sentences for t in s.tokens if t.deprel in rare):
                token.deprel = str(token.deprel).partition(":")[0]
            text = "".join(format_sentence(s) for s in sentences)
            (args.work / f"{lang}.{part}.conllu").write_text(text, encoding="utf-8", newline="\n")
    path = args.work / "sources.json"
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}  # what names.py and pairs.py noted
    sources = before | {"treebanks": collection.used, "languages": report}
    path.write_text(json.dumps(sources, indent=1), encoding="utf-8")
    sentences, words = (sum(r[name] for r in report.values()) for name in ("train", "words"))
    print(f"{len(report)} languages, {sentences:,} sentences, {words:,} words")
    print({k: (v["train"], v["validation"], v["dropped"]) for k, v in report.items()})


if __name__ == "__main__":
    main()
