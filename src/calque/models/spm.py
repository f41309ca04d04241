"""A SentencePiece model as a fast tokenizer: for checkpoints published without ``tokenizer.json`` (mT5, mDeBERTa, older XLM-R).

Choices and trade-offs
- Own conversion for the three layouts that matter. The library's (transformers 5) drops the normaliser of mDeBERTa, so that
  ligatures and full-width characters become unknown, the byte pieces of mT5, so that rare characters do, and the pieces before
  and after a sentence of RemBERT. Ours is tested piece by piece against SentencePiece.
- The file is a protocol buffer of which five fields are needed; reading them takes thirty lines and spares two dependencies.
- Unigram models only: all of these are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from calque.errors import ModelError

FILES = ("spiece.model", "sentencepiece.bpe.model", "sentencepiece.model", "spm.model")

_UNIGRAM = 1
_UNKNOWN, _USER = 2, 4  # types of pieces


@dataclass(frozen=True, slots=True)
class SentencePiece:
    """What a ``.model`` file says: pieces as (text, score, type), and how text is normalised."""

    pieces: list[tuple[str, float, int]]
    kind: int
    byte_fallback: bool
    charsmap: bytes


def convert(path: Path, model_type: str) -> Tokenizer | None:
    """The tokenizer of a SentencePiece model as an encoder's family numbers its pieces, or None for a family not known here.

    :raises ModelError: when the file is damaged or no Unigram model.
    """
    if model_type in {"xlm-roberta", "xlm-roberta-xl"}:
        first, last = "<s>", "</s>"
    elif model_type in {"t5", "mt5", "umt5"}:
        first, last = "", "</s>"
    elif model_type in {"deberta-v2", "rembert"}:
        first, last = "[CLS]", "[SEP]"
    else:
        return None
    model = read(path)
    if model.kind != _UNIGRAM:
        raise ModelError(f"{path}: not a Unigram SentencePiece model: give an encoder that has a tokenizer.json")
    vocabulary = [(text, score) for text, score, _ in model.pieces]
    unknown = next((i for i, (_, _, kind) in enumerate(model.pieces) if kind == _UNKNOWN), 0)
    if first == "<s>":  # XLM-R's numbers are fairseq's: four pieces of its own first, SentencePiece's three controls dropped
        vocabulary = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *vocabulary[3:], ("<mask>", 0.0)]
        unknown = 3
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=unknown, byte_fallback=model.byte_fallback))
    tokenizer.normalizer = normalizers.Sequence(
        [
            *([normalizers.Precompiled(model.charsmap)] if model.charsmap else []),
            normalizers.Strip(left=False, right=True),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text, _, kind in model.pieces if kind == _USER])
    special = [
        name
        for name in (first, last, "<pad>", "[PAD]", "<unk>", "[UNK]", "<mask>")
        if name and tokenizer.token_to_id(name) is not None
    ]
    if first not in ("", *special) or last not in special:
        raise ModelError(f"{path}: has no pieces {first} {last}: this is not the tokenizer of a {model_type} encoder")
    tokenizer.add_special_tokens(special)
    ends = [(name, tokenizer.token_to_id(name)) for name in (first, last) if name]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}".strip(), special_tokens=ends)
    return tokenizer


def read(path: Path) -> SentencePiece:
    """Parse a ``.model`` file.

    :raises ModelError: when it is damaged.
    """
    pieces: list[tuple[str, float, int]] = []
    kind, byte_fallback, charsmap = _UNIGRAM, False, b""
    try:
        for number, value in _fields(path.read_bytes()):
            if not isinstance(value, bytes):
                continue
            inner = dict(_fields(value)) if number in (1, 2, 3) else {}
            if number == 1:  # a piece: text, score, type
                score = inner.get(2, b"\0\0\0\0")
                pieces.append((_bytes(inner[1]).decode(), struct.unpack("<f", _bytes(score))[0], _int(inner.get(3, 1))))
            elif number == 2:  # how it was trained
                kind, byte_fallback = _int(inner.get(3, _UNIGRAM)), bool(inner.get(35, 0))
            elif number == 3:  # how text is normalised
                charsmap = _bytes(inner.get(2, b""))
        if len(pieces) < 4:
            raise ValueError(f"{len(pieces)} pieces")
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise ModelError(f"{path}: not a SentencePiece model, or damaged ({error}): download the encoder again") from error
    return SentencePiece(pieces, kind, byte_fallback, charsmap)


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of one protocol buffer message (its wire format; floats stay four bytes)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            number, at = _varint(data, at)
            yield tag >> 3, number
            continue
        if wire not in (1, 2, 5):
            raise ValueError(f"byte {at} is of no known kind")
        size, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}[wire], at)
        if at + size > len(data):
            raise ValueError("it ends too early")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where text should be")
    return value


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise ValueError("text where a number should be")
    return value
