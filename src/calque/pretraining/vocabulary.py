"""A unigram vocabulary for many languages (Kudo 2018): trained language by language, then merged.

Choices and trade-offs
- One small vocabulary a language, then their union: no language can be crowded out, training takes seconds a language and runs
  in parallel, and the same pieces can also be used as separate vocabularies. A piece's probability in the union is the weighted
  mean of its probabilities in the languages, weighted as the languages are sampled.
- A language's share of the pieces grows with its text to the power of ``exponent`` (0: all alike, 1: as the text is).
- Words come cut already, as a treebank cuts them, and pieces never reach beyond a word: raw text and gold words get the same
  pieces. Words of scripts without spaces get no mark of their start.
- Case is kept. NFKC, and one form for quotation marks.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

import regex
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from calque.errors import DataError

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
START, PAD, END, UNKNOWN, MASK = range(5)
SPECIAL_NAMES = {  # what other encoders call them
    "<s>": ("[CLS]", "<s>"), "<pad>": ("[PAD]", "<pad>"), "</s>": ("[SEP]", "</s>"),
    "<unk>": ("[UNK]", "<unk>"), "<mask>": ("[MASK]", "<mask>"),
}  # fmt: skip
# Where words are not separated by spaces there is no mark of a word's start: raw text and gold words are then cut alike.
UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
LONGEST_PIECE = 14
DOUBLE = "\x01"
UNSPACED_CHARACTER = regex.compile(UNSPACED)
RARE = 6  # a character seen less often is not worth a piece


def new_tokenizer(vocabulary: list[tuple[str, float]] | None = None) -> Tokenizer:
    """A unigram tokenizer with our normalisation and pre-tokenisation; empty unless pieces and their scores are given."""
    tok = Tokenizer(models.Unigram(vocabulary, unk_id=UNKNOWN) if vocabulary else models.Unigram())
    tok.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"[’‘`´]"), "'"), normalizers.Replace(Regex("[“”„]"), '"')]
    )
    tok.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(r"[\p{P}\p{S}]"), "isolated"),
            pre_tokenizers.Digits(individual_digits=False),
            # last, so that what follows an apostrophe or precedes a comma starts a word here as it does in a treebank
            pre_tokenizers.Metaspace(prepend_scheme="always"),
            pre_tokenizers.Split(Regex(f"^▁(?={UNSPACED})"), "removed"),
        ]
    )
    tok.decoder = decoders.Metaspace()
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
    return tok


def train_language(sentences: Iterable[str], size: int) -> dict[str, float]:
    """Pieces of one language and their probabilities.

    :param sentences: words apart by spaces.
    :param size: pieces at most; characters seen :data:`RARE` times or more all become pieces.
    :raises DataError: when there is no text.
    """
    chosen = list(sentences)
    chars: Counter[str] = Counter()
    for line in chosen:
        chars.update(line)
    common = {c for c, n in chars.items() if n >= RARE}
    chosen = [x for x in chosen if common.issuperset(x)]
    if not chosen:
        raise DataError("no text to train a vocabulary on: give some hundred sentences a language at least")
    words = Counter(word for line in chosen for word in line.split())
    # The trainer's first candidates are what stands in two different words or more. A frequent word that no other one contains
    # would not be among them: its double with a mark at the end makes two.
    chosen.append(" ".join(word + DOUBLE for word, n in words.items() if n > 1))
    tok = new_tokenizer()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False, max_piece_length=LONGEST_PIECE
    )
    tok.train_from_iterator(chosen, trainer, length=len(chosen))
    # the trainer's scores are log-probabilities of pieces, those of special ones 0
    pieces = json.loads(tok.to_str())["model"]["vocab"]
    found = {piece: math.exp(score) for piece, score in pieces if piece not in SPECIAL and DOUBLE not in piece}
    # marks stand alone and have no double
    whole = sum(words.values())
    for word, n in words.items():
        mark = unicodedata.normalize("NFKC", word)
        if len(mark) == 1 and n >= RARE and not UNSPACED_CHARACTER.match(mark):
            found["▁" + mark] = max(found.get("▁" + mark, 0.0), n / (1.5 * whole))
    return found


def shares(sizes: Mapping[str, float], exponent: float) -> dict[str, float]:
    """Each language's share, by the size of its text to a power."""
    powers = {lang: max(size, 1.0) ** exponent for lang, size in sizes.items()}
    whole = sum(powers.values())
    return {lang: power / whole for lang, power in powers.items()}


def merge(vocabularies: Mapping[str, Mapping[str, float]], weights: Mapping[str, float], size: int) -> list[tuple[str, float]]:
    """The union of languages' vocabularies, cut to ``size``: pieces and log-probabilities, special ones first.

    What goes is what is least probable under the weighted mean; single characters stay.

    :raises DataError: when not even the characters fit.
    """
    total: dict[str, float] = {}
    for lang, pieces in vocabularies.items():
        for piece, probability in pieces.items():
            total[piece] = total.get(piece, 0.0) + weights[lang] * probability
    total.setdefault("▁", min(total.values(), default=1e-6))
    ranked = sorted(total, key=lambda p: (len(p) > 1, -total[p], p))
    room = size - len(SPECIAL)
    characters = sum(len(p) == 1 for p in ranked)
    if characters > room:
        raise DataError(f"a vocabulary of {size} is too small: the languages have {characters} characters; give a larger one")
    kept = ranked[:room]
    whole = sum(total[p] for p in kept)
    scored = [(p, math.log(total[p] / whole)) for p in kept]
    return [(piece, 0.0) for piece in SPECIAL] + sorted(scored, key=lambda x: (-x[1], x[0]))
