"""What a tokenizer does, found by trying it and not by a list of names.

Choices and trade-offs
- Only ``tokenizers``: what is found here holds for any ``tokenizer.json``.
- A text that the library refuses (lone surrogates) is put right and cut, since a stream must not end at one odd character.
"""

from __future__ import annotations

import unicodedata

from tokenizers import Encoding, Tokenizer

FIRST_CONTROL, FIRST_BYTE = 256, 290  # characters that stand for bytes 0 to 32 and 127, and for the first beyond ASCII


def encoded(tokenizer: Tokenizer, texts: list[str]) -> list[Encoding]:
    """Texts cut into pieces; lone surrogates, which are no characters and which tokenizers refuse, are unknown ones (U+FFFD)."""
    try:
        return tokenizer.encode_batch(texts, add_special_tokens=False)
    except TypeError:
        whole = [text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace") for text in texts]
        return tokenizer.encode_batch(whole, add_special_tokens=False)


def has_letter(piece: str, *, byte_level: bool = False) -> bool:
    """Whether a piece holds a letter, digit or accent.

    :param byte_level: pieces are spelt in characters that stand for bytes (GPT-2's): bytes of other than ASCII count as letters.
    """
    if byte_level:
        return any(c.isalnum() if ord(c) < 128 else not FIRST_CONTROL <= ord(c) < FIRST_BYTE for c in piece)
    return any(unicodedata.category(c)[0] in "LMN" for c in piece)


def special_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The pieces the tokenizer puts before and after a sentence."""
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    full = tokenizer.encode("a", add_special_tokens=True).ids
    for at in range(len(full) - len(bare) + 1):
        if full[at : at + len(bare)] == bare:
            return full[:at], full[at + len(bare) :]
    return [], []


def first_id(tokenizer: Tokenizer, *names: str) -> int:
    """The number of the first of these pieces that there is; 0 where there is none."""
    for name in names:
        found = tokenizer.token_to_id(name)
        if found is not None:
            return int(found)
    return 0


def word_start_needs_space(tokenizer: Tokenizer) -> bool:
    """Whether a word inside running text is cut as `` word`` (with its space) and not as the bare word."""
    bare = spaced = 0
    for first, second in (("one", "horse"), ("el", "gato"), ("a", "b"), ("in", "2024")):
        text, head, alone, after = (
            tokenizer.encode(t, add_special_tokens=False).ids for t in (f"{first} {second}", first, second, f" {second}")
        )
        bare += text == head + alone
        spaced += text == head + after
    return spaced > bare
