"""How much of a text stands in a source's data: distinct pieces of the multilingual vocabulary that ships.

It is told, not predicted from: on languages left out it added nothing to the facts (``docs/lab.md``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from calque.formats.conllu import read_conllu

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SENTENCES = 300  # of each file that are read


def shared_pieces(lines: Sequence[str], paths: Sequence[Path]) -> float:
    """The share of a text's distinct pieces that occur in the words of CoNLL-U files, from 0 to 1."""
    here = pieces_of(lines)
    there = _of_files(tuple(paths))
    return len(here & there) / len(here) if here else 0.0


@lru_cache(maxsize=256)
def _of_files(paths: tuple[Path, ...]) -> frozenset[int]:
    texts = (" ".join(s.words) for path in paths for s in islice(read_conllu(path, on_error="skip"), SENTENCES))
    return pieces_of(texts)


def pieces_of(texts: Iterable[str]) -> frozenset[int]:
    """Distinct pieces of texts in the vocabulary of ``mini``."""
    found: set[int] = set()
    for encoded in _tokenizer().encode_batch(list(texts), add_special_tokens=False):
        found.update(encoded.ids)
    return frozenset(found)


@lru_cache(maxsize=1)
def _tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer

    from calque.loading import bundled_folder

    return Tokenizer.from_file(str(bundled_folder("mini") / "tokenizer.json"))
