"""Chinese, Japanese and Thai words without SentencePiece's mark of a space; all others with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from calque.spacemarks import without_space_marks

WORDS = ["▁", "▁the", "cat", "我", "们", "学", "习", "ไ", "ท", "ย", "か", "な", "ー", "한", "국"]
METASPACE = pre_tokenizers.Metaspace()
AS_CONVERTED = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])  # XLM-R, mT5


def tokenizer(before: object = METASPACE) -> Tokenizer:
    made = Tokenizer(models.Unigram([("<unk>", 0.0), *((w, -3.0) for w in WORDS)], unk_id=0))
    made.pre_tokenizer = before
    return made


def cut(made: Tokenizer, word: str) -> list[str]:
    return made.encode([word], is_pretokenized=True, add_special_tokens=False).tokens


@pytest.mark.parametrize("before", [METASPACE, AS_CONVERTED])
@pytest.mark.parametrize("word", ["我们", "学习", "ไทย", "かな"])
def test_scripts_without_spaces_lose_the_mark(before: object, word: str) -> None:
    assert cut(tokenizer(before), word) == ["▁", *word]
    assert cut(without_space_marks(tokenizer(before)), word) == list(word)


@pytest.mark.parametrize("word", ["the", "한국", "the我", "cat"])
def test_other_words_keep_it(word: str) -> None:
    assert cut(without_space_marks(tokenizer()), word) == cut(tokenizer(), word)
    assert cut(tokenizer(), word)[0].startswith("▁")


def test_it_is_done_once_and_kept_in_the_file(tmp_path: Path) -> None:
    made = without_space_marks(tokenizer())
    assert without_space_marks(made) is made
    made.save(str(tmp_path / "tokenizer.json"))
    again = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert cut(again, "学习") == ["学", "习"] and without_space_marks(again) is again


@pytest.mark.parametrize("before", [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel(), None])
def test_tokenizers_without_marks_are_left_alone(before: object) -> None:
    made = Tokenizer(models.WordPiece({"[UNK]": 0, "cat": 1}, unk_token="[UNK]"))
    if before is not None:
        made.pre_tokenizer = before
    assert without_space_marks(made) is made
