"""A vocabulary cut down to what some languages use: what is left, how words are cut, and what cannot be trimmed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.pretraining.conftest import WORDS
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from calque.errors import ModelError
from calque.pretraining.trimming import trim
from calque.pretraining.vocabulary import SPECIAL
from calque.spacemarks import without_space_marks


def unigram(words: list[str]) -> Tokenizer:
    """As XLM-R's: special pieces in another order than ours, the mask last."""
    letters = sorted({c for w in words for c in w})
    vocab = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    vocab += [(f"▁{w}", -5.0 - k / 100) for k, w in enumerate(words)] + [
        ("▁", -4.0),
        *((c, -9.0) for c in letters),
        ("<mask>", 0.0),
    ]
    made = Tokenizer(models.Unigram(vocab, unk_id=3))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    made.encode_special_tokens = True
    return made


def wordpiece(words: list[str]) -> Tokenizer:
    letters = sorted({c for w in words for c in w})
    names = list(dict.fromkeys(["[PAD]", *words, "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]))
    made = Tokenizer(models.WordPiece({name: k for k, name in enumerate(names)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", names.index("[SEP]")), ("[CLS]", names.index("[CLS]")))
    return made


def pieces(tokenizer: Tokenizer, word: str) -> list[str]:
    return tokenizer.encode([word], is_pretokenized=True, add_special_tokens=False).tokens


FRENCH = list(WORDS.values())
LETTERS = sorted({c for w in [*WORDS, *FRENCH] for c in w})
COUNTS = {"fr": {**{w: 100 - k for k, w in enumerate(FRENCH)}, **{3 * c: 1 for c in LETTERS}}}  # each letter is met


@pytest.mark.parametrize("kind", [unigram, wordpiece])
def test_used_pieces_stay_and_every_word_can_still_be_spelt(kind: object) -> None:
    tokenizer = kind([*WORDS, *FRENCH])  # type: ignore[operator]
    before = tokenizer.get_vocab_size()
    size = before - len(WORDS)
    made = trim(tokenizer, COUNTS, size, {"fr": 1.0})
    assert made.tokenizer.get_vocab_size() == size == len(made.kept) < before
    for word in FRENCH[:15]:
        assert pieces(made.tokenizer, word) == pieces(tokenizer, word) and len(pieces(made.tokenizer, word)) == 1
    cut = pieces(made.tokenizer, "garden")  # English, which nothing was counted of
    assert len(cut) > 1 and "".join(cut).replace("▁", "").replace("##", "") == "garden"


@pytest.mark.parametrize("kind", [unigram, wordpiece])
def test_the_special_pieces_come_first_and_every_piece_knows_its_old_number(kind: object) -> None:
    tokenizer = kind([*WORDS, *FRENCH])  # type: ignore[operator]
    made = trim(tokenizer, COUNTS, 60, {"fr": 1.0})
    names = [made.tokenizer.id_to_token(k) for k in range(len(SPECIAL))]
    assert [n.strip("<>[]/").lower() for n in names][1:] in (["pad", "s", "unk", "mask"], ["pad", "sep", "unk", "mask"])
    assert [made.tokenizer.id_to_token(k) for k in range(60)] == [tokenizer.id_to_token(int(k)) for k in made.kept]
    whole = made.tokenizer.encode(["chat"], is_pretokenized=True)
    assert whole.ids[0] == 0 and whole.ids[-1] == 2


def test_a_language_that_counts_more_keeps_more() -> None:
    tokenizer = unigram([*WORDS, *FRENCH])
    counts = {"en": dict.fromkeys(WORDS, 5), "fr": dict.fromkeys(FRENCH, 5)}
    size = tokenizer.get_vocab_size() - len(WORDS)
    for heavy, words in (("en", list(WORDS)), ("fr", FRENCH)):
        made = trim(tokenizer, counts, size, {"en": 0.1, "fr": 0.1, heavy: 10.0})
        assert all(len(pieces(made.tokenizer, w)) == 1 for w in words)


def test_a_character_seen_often_is_kept_though_no_word_needs_it_much() -> None:
    tokenizer = unigram([*WORDS, "ß"])
    counts = {"de": {"ß": 3, **dict.fromkeys(WORDS, 1000)}}
    made = trim(tokenizer, counts, 40, {"de": 1.0})
    assert pieces(made.tokenizer, "ß") == ["▁ß"]


def test_pieces_that_stand_for_bytes_are_kept() -> None:
    data = json.loads(unigram([*WORDS, *FRENCH]).to_str())
    mask = data["model"]["vocab"].pop()
    data["model"]["vocab"] += [[f"<0x{k:02X}>", -20.0] for k in range(256)] + [mask]
    data["model"]["byte_fallback"] = True
    data["added_tokens"][-1]["id"] = len(data["model"]["vocab"]) - 1
    made = trim(Tokenizer.from_str(json.dumps(data)), COUNTS, 300, {"fr": 1.0})
    assert "<unk>" not in pieces(made.tokenizer, "猫") and "<0xE7>" in pieces(made.tokenizer, "猫")


def test_what_cannot_be_trimmed_is_refused_with_the_reason() -> None:
    bpe = Tokenizer(models.BPE({"<s>": 0, "a": 1, "b": 2, "ab": 3}, [("a", "b")]))
    with pytest.raises(ModelError, match="a BPE vocabulary cannot be trimmed"):
        trim(bpe, COUNTS, 3, {})
    with pytest.raises(ModelError, match="gaps"):
        trim(Tokenizer(models.WordPiece({"[UNK]": 0, "cat": 2}, unk_token="[UNK]")), COUNTS, 2, {})
    bare = json.loads(unigram(FRENCH).to_str())
    bare["model"]["vocab"].pop()
    bare["added_tokens"].pop()
    with pytest.raises(ModelError, match="no piece like <mask>"):
        trim(Tokenizer.from_str(json.dumps(bare)), COUNTS, 40, {})


def test_marks_are_trimmed_along(tmp_path: Path) -> None:
    """The trimmed tokenizer, written and read again, still takes the marks away."""
    made = trim(without_space_marks(unigram([*WORDS, "我们"])), {"zh": {"我们": 9, "cat": 3}}, 40, {"zh": 1.0})
    made.tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert pieces(Tokenizer.from_file(str(tmp_path / "tokenizer.json")), "我们") == ["我", "们"]
    assert np.unique(made.kept).size == 40
