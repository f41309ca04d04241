"""A document as plain dictionaries and lists, and back; the shape is described at ``Document.to_dict``.

Choices and trade-offs
- Every key is always there, so that readers need no defaults; what is read may lack keys, so that people can write it by hand.
- FEATS is an object; where it follows no ``Name=Value`` scheme the text stays a text, so that nothing is lost.
- What has the wrong shape is an error that names the place: ``sentences[3].tokens[0].head``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calque.document import Document, EmptyNode, MultiwordToken, Sentence, Token, parse_features
from calque.errors import FormatError
from calque.spans import to_iob2

JSON_FORMAT = "calque-document"
JSON_VERSION = 1


def document_to_dict(document: Document) -> dict[str, Any]:
    """See :meth:`calque.document.Document.to_dict`."""
    return {
        "format": JSON_FORMAT,
        "version": JSON_VERSION,
        "text": document.text,
        "lang": document.lang,
        "sentences": [sentence_to_dict(s) for s in document.sentences],
    }


def sentence_to_dict(sentence: Sentence) -> dict[str, Any]:
    """One element of ``sentences``."""
    return {
        "sent_id": sentence.sent_id,
        "text": sentence.text,
        "lang": sentence.lang,
        "start": sentence.start,
        "end": sentence.end,
        "comments": list(sentence.comments),
        "tokens": [{"id": i, **_token_dict(t)} for i, t in enumerate(sentence.tokens, 1)],
        "multiword_tokens": [_multiword_dict(m) for m in sentence.multiwords],
        "empty_nodes": [{"id": f"{n.after}.{n.number}", **_token_dict(n.token)} for n in sentence.empty_nodes],
        "entities": [
            {"label": e.label, "text": e.text, "words": [e.first + 1, e.last + 1], "start": e.start, "end": e.end}
            for e in sentence.entities
        ],
    }


def document_from_dict(data: Any) -> Document:
    """See :meth:`calque.document.Document.from_dict`.

    :raises FormatError: when the data has another shape, naming the place.
    """
    if not isinstance(data, Mapping) or data.get("format", JSON_FORMAT) != JSON_FORMAT:
        raise FormatError(f"document: not a calque document (an object whose format is {JSON_FORMAT!r})")
    version = data.get("version", JSON_VERSION)
    if not isinstance(version, int) or version > JSON_VERSION:
        raise FormatError(
            f"document: version {version!r} is newer than {JSON_VERSION}, which this calque reads: install a newer one"
        )
    sentences = [_sentence(s, f"sentences[{i}]") for i, s in enumerate(_list(data, "sentences", "document"))]
    return Document(sentences, _get(data, "text", str, "document"), _get(data, "lang", str, "document"))


def _features_or_text(feats: str | None) -> dict[str, str] | str:
    """The dictionary, or the text itself when the dictionary would not give the text back."""
    parsed = parse_features(feats)
    return parsed if feats is None or _features_text(parsed) == feats else feats


def _features_text(feats: Mapping[str, str]) -> str | None:
    return "|".join(f"{name}={value}" if value else name for name, value in feats.items()) or None


def _token_dict(token: Token) -> dict[str, Any]:
    return {
        "text": token.text,
        "lemma": token.lemma,
        "upos": token.upos,
        "xpos": token.xpos,
        "feats": _features_or_text(token.feats),
        "head": token.head,
        "deprel": token.deprel,
        "deps": token.deps,
        "misc": token.misc,
        "entity": token.entity,
        "lang": token.lang,
        "score": token.score,
        "start": token.start,
        "end": token.end,
    }


def _multiword_dict(token: MultiwordToken) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": [token.first + 1, token.last + 1], "text": token.text, "feats": _features_or_text(token.feats)}
    plain |= {"misc": token.misc, "start": token.start, "end": token.end}
    return plain if token.others is None else {**plain, "others": list(token.others)}


def _get(data: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    value = data.get(key)
    if value is None or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    raise FormatError(f"{where}.{key}: {value!r:.80} is of the wrong kind")


def _list(data: Mapping[str, Any], key: str, where: str) -> list[Any]:
    return _get(data, key, list, where) or []


def _text(data: Any, where: str) -> str:
    if not isinstance(data, Mapping) or not isinstance(data.get("text"), str) or not data["text"]:
        raise FormatError(f"{where}: not an object with a 'text'")
    return str(data["text"])


def _feats(data: Mapping[str, Any], where: str) -> str | None:
    feats = _get(data, "feats", (str, dict), where)
    if not isinstance(feats, dict):
        return feats or None
    return _features_text({str(name): str(value) for name, value in feats.items()})


def _token(data: Any, where: str) -> Token:
    text = _text(data, where)
    texts = {k: _get(data, k, str, where) for k in ("lemma", "upos", "xpos", "deprel", "deps", "misc", "entity", "lang")}
    numbers = {k: _get(data, k, int, where) for k in ("head", "start", "end")}
    try:
        to_iob2([texts["entity"]])
    except ValueError as error:
        raise FormatError(f"{where}.entity: {error}") from None
    return Token(text, feats=_feats(data, where), score=_get(data, "score", (int, float), where), **texts, **numbers)


def _numbers(value: Any, where: str) -> tuple[int, int]:
    parts = value.split(".") if isinstance(value, str) else value
    try:
        first, last = (int(p) for p in parts)
    except (TypeError, ValueError):
        raise FormatError(f"{where}.id: {value!r:.80} is not an id") from None
    return first, last


def _sentence(data: Any, where: str) -> Sentence:
    if not isinstance(data, Mapping):
        raise FormatError(f"{where}: not an object")
    sentence = Sentence(
        tokens=[_token(t, f"{where}.tokens[{i}]") for i, t in enumerate(_list(data, "tokens", where))],
        comments=[str(c) for c in _list(data, "comments", where)],
        text=_get(data, "text", str, where),
        start=_get(data, "start", int, where),
        end=_get(data, "end", int, where),
        lang=_get(data, "lang", str, where),
    )
    for i, plain in enumerate(_list(data, "multiword_tokens", where)):
        here = f"{where}.multiword_tokens[{i}]"
        text = _text(plain, here)
        first, last = _numbers(plain.get("id"), here)
        others = _get(plain, "others", list, here)
        multiword = MultiwordToken(first - 1, last - 1, text, _get(plain, "misc", str, here), feats=_feats(plain, here))
        multiword.start, multiword.end = _get(plain, "start", int, here), _get(plain, "end", int, here)
        multiword.others = None if others is None else tuple(str(o) for o in others)
        sentence.multiwords.append(multiword)
    for i, plain in enumerate(_list(data, "empty_nodes", where)):
        here = f"{where}.empty_nodes[{i}]"
        token = _token(plain, here)
        sentence.empty_nodes.append(EmptyNode(*_numbers(plain.get("id"), here), token))
    return sentence
