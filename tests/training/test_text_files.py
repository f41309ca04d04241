"""Files of whole texts as training reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import DataError
from calque.training.corpus import read_treebanks


@pytest.mark.parametrize("content", ["", "text\tlabel\n", "text\tlabel\n\tthing\n"])
def test_a_file_without_any_text_is_an_error_as_one_without_sentences_is(content: str, tmp_path: Path) -> None:
    (tmp_path / "es.tsv").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"es.tsv: no texts with labels here"):
        read_treebanks({"es": [tmp_path / "es.tsv"]}, ("classify",), skip_errors=True)


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json"])
def test_json_lines_are_texts_beside_treebanks_too(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"en{suffix}"
    path.write_text('{"text": "the cat", "label": "thing"}\n', encoding="utf-8")
    (found,) = read_treebanks({"en": [path]}, ("pos", "classify")).sentences["en"]
    assert (found.words, found.gold) == (["the cat"], {"classify": [("thing",)]})
