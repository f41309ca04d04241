"""A multilingual encoder's vocabulary, cut down to what some languages use.

Choices and trade-offs
- The embeddings are most of a multilingual encoder (XLM-R base: 192 of 278 million parameters), and a handful of languages use
  a small part of them (Abdaoui et al. 2020, "Load What You Need"). Pieces are dropped by how much each language uses them; words
  that used a dropped piece are cut into smaller ones, which training then has to make good
  (:class:`calque.pretraining.teacher.Reader`).
- What a language uses is half the counts in its text, and half their geometric mean with how frequent the vocabulary itself
  says a piece is (Unigram scores): text at hand is narrow, and the vocabulary's own text was broad.
- In rounds, each of which cuts the words anew: what is used changes when neighbours in the vocabulary go.
- Unigram vocabularies (XLM-R, mT5, DeBERTa-v3 and their kin) and WordPiece (multilingual BERT). In byte-pair vocabularies, pieces
  are made of each other, so none can be taken out alone.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.errors import ModelError
from calque.pretraining import steps
from calque.pretraining.vocabulary import SPECIAL, SPECIAL_NAMES
from calque.spacemarks import without_space_marks

ROUNDS = (2.3, 1.45, 1.0)  # times the size that is wanted
LETTER_COUNT = 3  # a character met as often is kept: without it words could not be spelt
MARKS = ("▁", "##")
BYTE = re.compile("<0x[0-9A-F]{2}>")
KEPT = "kept.npy"
TEACHER_SENTENCES = "teacher-sentences"


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A smaller vocabulary: its tokenizer, and the id that each of its pieces had."""

    tokenizer: Tokenizer
    kept: NDArray[np.int64]


def trim(tokenizer: Tokenizer, words: Mapping[str, Mapping[str, int]], size: int, weights: Mapping[str, float]) -> Trimmed:
    """Keep the pieces that some languages use most.

    :param words: language → word → how often.
    :param size: pieces that are left, special ones included.
    :param weights: how much each language counts.
    :returns: a vocabulary with the special pieces first, in the order of :data:`calque.pretraining.vocabulary.SPECIAL`.
    :raises ModelError: when the vocabulary is of a kind that cannot be trimmed, or lacks a special piece.
    """
    whole, names, scores, special = _parts(tokenizer)
    kept = np.array([*special, *(k for k in range(len(names)) if k not in set(special))], dtype=np.int64)
    for part in ROUNDS:
        most = round(size * part)
        if most >= len(kept) and part != ROUNDS[-1]:
            continue
        use, counts = _use(_cut(whole, names, kept), words, weights, None if scores is None else scores[kept])
        letters = np.array([_is_letter(names[k]) for k in kept])
        score = use + 1e6 * (letters & (counts >= LETTER_COUNT))
        score[np.array([bool(BYTE.fullmatch(names[k])) for k in kept])] += 1e6  # what spells all that has no piece
        score[: len(SPECIAL)] = np.inf
        best = np.argsort(-score, kind="stable")[:most]
        kept = kept[np.concatenate([np.arange(len(SPECIAL)), np.sort(best[best >= len(SPECIAL)])])]
    return Trimmed(_cut(whole, names, kept), kept)


def check_trimmable(tokenizer: Tokenizer) -> None:
    """Look whether :func:`trim` can do it.

    :raises ModelError: when the vocabulary is of a kind that cannot be trimmed, or lacks a special piece.
    """
    _parts(tokenizer)


def word_counts(work: Path, source: str) -> dict[str, Counter[str]]:
    """Words of each language's text in a work folder (:mod:`calque.pretraining.steps`)."""
    found = {source: Counter(word for sentence in steps.read_source(work, source) for word in sentence)}
    for lang in steps.languages_of(work):
        found[lang] = Counter(word for sentence in steps.read_text(work, lang)[1] for word in sentence)
    return {lang: counts for lang, counts in found.items() if counts}


def write_trimmed(
    work: Path,
    source: str,
    tokenizer: Tokenizer,
    size: int,
    weights: Mapping[str, float],
    *,
    teacher: Tokenizer | None = None,
    workers: int = 2,
    tell: steps.Tell = print,
) -> Tokenizer:
    """The trimmed vocabulary and the sentences in its pieces and in the teacher's, in a work folder with text.

    Writes ``tokenizer.json``, :data:`KEPT`, ``sentences/`` and :data:`TEACHER_SENTENCES`; what is there is not made again.

    :param tokenizer: of the encoder that is trimmed.
    :param weights: how much each language counts; languages without one are left out.
    :param teacher: the teacher's tokenizer, where it is another encoder.
    :raises ModelError: when the vocabulary cannot be trimmed.
    """
    path, whole = work / "tokenizer.json", work / "teacher-tokenizer.json"
    unmarked = without_space_marks(tokenizer)
    if not path.exists():
        counts = {lang: words for lang, words in word_counts(work, source).items() if lang in weights}
        made = trim(unmarked, counts, size, weights)
        steps.save_array(work / KEPT, made.kept)
        made.tokenizer.save(str(path.with_suffix(".part")))
        path.with_suffix(".part").replace(path)
        tell(f"vocabulary: {len(made.kept):,} of {tokenizer.get_vocab_size():,} pieces are kept")
    (without_space_marks(teacher) if teacher else unmarked).save(str(whole))
    steps.write_sentences(work, source, workers=workers, tell=tell)
    steps.write_sentences(work, source, folder=TEACHER_SENTENCES, tokenizer=whole, workers=workers, tell=lambda _: None)
    return Tokenizer.from_file(str(path))


def _parts(tokenizer: Tokenizer) -> tuple[dict[str, Any], list[str], NDArray[np.float64] | None, list[int]]:
    """The tokenizer's JSON, its pieces, their scores where it has some, and the numbers of the special ones."""
    whole = json.loads(tokenizer.to_str())
    names, scores = _vocabulary(whole)
    return whole, names, scores, _special(whole, {name: k for k, name in enumerate(names)})


def _vocabulary(whole: Mapping[str, Any]) -> tuple[list[str], NDArray[np.float64] | None]:
    model = whole["model"]
    if model["type"] == "Unigram":
        return [piece for piece, _ in model["vocab"]], np.array([score for _, score in model["vocab"]])
    if model["type"] == "WordPiece":
        names = sorted(model["vocab"], key=model["vocab"].__getitem__)
        if [model["vocab"][name] for name in names] != list(range(len(names))):
            raise ModelError("the vocabulary has gaps between its numbers: it cannot be trimmed")
        return names, None
    raise ModelError(
        f"a {model['type']} vocabulary cannot be trimmed (its pieces are made of each other): give an encoder with a Unigram or "
        "WordPiece one, such as xlm_roberta_base, or pre-train without --trim"
    )


def _special(whole: Mapping[str, Any], numbers: Mapping[str, int]) -> list[int]:
    added = {a["content"]: int(a["id"]) for a in whole["added_tokens"]}
    found = []
    for ours, theirs in SPECIAL_NAMES.items():
        name = next((n for n in theirs if n in added or n in numbers), None)
        if name is None or added.get(name, numbers.get(name)) != numbers.get(name):
            raise ModelError(f"the vocabulary has no piece like {ours}: it cannot be trimmed")
        found.append(numbers[name])
    return found


def _cut(whole: Mapping[str, Any], names: Sequence[str], kept: NDArray[np.int64]) -> Tokenizer:
    """The tokenizer with those pieces alone."""
    data = json.loads(json.dumps(whole))
    new = {int(old): k for k, old in enumerate(kept)}
    model = data["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [model["vocab"][k] for k in kept]
        model["unk_id"] = new[model["unk_id"]]
    else:
        model["vocab"] = {names[k]: n for n, k in enumerate(kept)}
    there = {names[k] for k in kept[: len(SPECIAL)]}
    data["added_tokens"] = sorted(
        ({**a, "id": new[a["id"]]} for a in data["added_tokens"] if a["content"] in there), key=lambda a: a["id"]
    )
    post = data.get("post_processor") or {}
    if isinstance(post.get("special_tokens"), dict):
        for entry in post["special_tokens"].values():
            entry["ids"] = [new[k] for k in entry["ids"]]
    for end in ("sep", "cls"):  # BERT's own post-processor
        if end in post:
            post[end] = [post[end][0], new[post[end][1]]]
    data["padding"] = data["truncation"] = None
    made = Tokenizer.from_str(json.dumps(data))
    made.encode_special_tokens = True
    return made


def _use(
    tokenizer: Tokenizer,
    words: Mapping[str, Mapping[str, int]],
    weights: Mapping[str, float],
    scores: NDArray[np.float64] | None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much the languages use each piece, and how often it was met."""
    size = tokenizer.get_vocab_size()
    use, met = np.zeros(size), np.zeros(size)
    for lang, counts in words.items():
        mine = np.zeros(size)
        kinds, times = list(counts), np.fromiter(counts.values(), dtype=np.float64, count=len(counts))
        for at in range(0, len(kinds), 50_000):
            chunk = [[word] for word in kinds[at : at + 50_000]]
            cut = [e.ids for e in tokenizer.encode_batch_fast(chunk, is_pretokenized=True, add_special_tokens=False)]
            ids = np.fromiter((k for ids in cut for k in ids), dtype=np.int64)
            mine += np.bincount(ids, np.repeat(times[at : at + len(cut)], [len(ids) for ids in cut]), minlength=size)
        met += mine
        mine[: len(SPECIAL)] = 0
        share = mine / max(1.0, mine.sum())
        if scores is not None:
            both = np.sqrt(share * np.exp(np.minimum(scores, 0)))
            share = share / 2 + both / max(1e-300, both.sum()) / 2
        use += weights.get(lang, 1.0) * share
    return use, met


def _is_letter(piece: str) -> bool:
    for mark in MARKS:
        piece = piece.removeprefix(mark)
    return len(piece) <= 1
