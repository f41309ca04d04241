"""Words of scripts that are written without spaces, without SentencePiece's mark of a space.

Choices and trade-offs
- A SentencePiece vocabulary marks where a space was: ``▁the``. Given in words, Chinese comes to it as ``▁`` and the word: a
  lone mark before nearly every word, which text never had, since such scripts are written without spaces. Fresh encoders get no
  mark there: a linear tagger on the vectors of multilingual-e5-small (XLM-R's vocabulary) rises from 49 to 63 per cent in
  Chinese and from 35 to 50 in Japanese (``docs/lab.md``).
- Only fresh encoders: taggers that others published were trained with the marks, and a saved model keeps the tokenizer it was
  trained with.
- The change is in the tokenizer itself (a further step that cuts the mark off), so it is saved, exported and loaded with it.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizers import Tokenizer

SCRIPTS = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"


def without_space_marks(tokenizer: Tokenizer) -> Tokenizer:
    """The same, but words of scripts that are written without spaces start without a mark of one.

    :returns: the tokenizer itself where it makes no such marks, or has lost them already.
    """
    if tokenizer.pre_tokenizer is None:
        return tokenizer
    before: dict[str, Any] = json.loads(tokenizer.pre_tokenizer.__getstate__())  # the whole may be 20 MB of JSON
    steps = before["pretokenizers"] if before["type"] == "Sequence" else [before]
    marks = next((step["replacement"] for step in steps if step["type"] == "Metaspace"), None)
    if marks is None:
        return tokenizer
    cut = {"type": "Split", "pattern": {"Regex": f"^{marks}(?=[{SCRIPTS}])"}, "behavior": "Removed", "invert": False}
    if cut in steps:
        return tokenizer
    data: dict[str, Any] = json.loads(tokenizer.to_str())
    data["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*steps, cut]}
    made = Tokenizer.from_str(json.dumps(data))
    made.encode_special_tokens = tokenizer.encode_special_tokens
    return made
