"""A language's own vocabulary: the same numbers, its own pieces first, kept in a few bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from calque.errors import ModelError
from calque.pieces import WordPieces
from calque.vocabularies import FILE, Vocabularies

PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0), ("gift", -2.0), ("gi", -3.0), ("ft", -3.0)]


def shared() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(PIECES, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    return tokenizer


def members(*own: str) -> np.ndarray:
    return np.array([k < 5 or piece in own for k, (piece, _) in enumerate(PIECES)])


def test_a_language_prefers_its_own_pieces_and_numbers_them_alike() -> None:
    own = Vocabularies(shared(), {"de": members("gi", "ft"), "en": members("gift")})
    german, english = own.tokenizer("de"), own.tokenizer("en")
    assert german is not None and english is not None
    assert german.encode("gift").ids == [4, 6, 7]
    assert english.encode("gift").ids == shared().encode("gift").ids == [4, 5]


def test_what_a_language_cannot_write_with_its_own_it_borrows() -> None:
    own = Vocabularies(shared(), {"xx": members()}).tokenizer("xx")
    assert own is not None and 3 not in own.encode("gift").ids


def test_a_language_without_a_vocabulary_has_none() -> None:
    own = Vocabularies(shared(), {"de": members("gi")})
    assert own.tokenizer("fr") is None and own.tokenizer(None) is None


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    Vocabularies(shared(), {"de": members("gi", "ft")}).save(tmp_path)
    again = Vocabularies.load(tmp_path, shared())
    assert again is not None and again.members["de"].tolist() == members("gi", "ft").tolist()
    assert Vocabularies.load(tmp_path / "none", shared()) is None


@pytest.mark.parametrize("text", ["{", "[1]", '{"de": 5}', '{"de": ""}'])
def test_a_damaged_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ModelError):
        Vocabularies.load(tmp_path, shared())


def test_only_unigram_vocabularies_can_be_parted() -> None:
    with pytest.raises(ModelError, match="unigram"):
        Vocabularies(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")), {})


def test_a_batch_may_hold_several_languages(tmp_path: Path) -> None:
    shared().save(str(tmp_path / "tokenizer.json"))
    Vocabularies(shared(), {"de": members("gi", "ft")}).save(tmp_path)
    pieces = WordPieces.from_folder(tmp_path, max_length=32)
    rows = pieces.rows([["gift"], ["gift"], ["gift"]], langs=["de", "en", None])
    assert [row.ids.tolist() for row in rows] == [[4, 6, 7], [4, 5], [4, 5]]
    assert pieces.rows([["gift"]])[0].ids.tolist() == [4, 5]
    (tmp_path / "again").mkdir()
    pieces.save(tmp_path / "again")
    assert json.loads((tmp_path / "again" / FILE).read_text()).keys() == {"de"}
