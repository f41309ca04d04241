"""Word segmentation by other libraries, for those who have them installed; nothing here is used unless asked for.

The tagger that ships finds Japanese words well enough for a base install; SudachiPy (Apache-2.0, with its dictionary of
some 70 MB) finds more. It is opt-in and not picked up by itself: a result must not depend on what happens to be installed.
"""

from __future__ import annotations

from calque.errors import CalqueError
from calque.segmentation.rules import RuleSegmenter


def sudachi(dictionary: str = "core") -> RuleSegmenter:
    """Make a segmenter of Japanese that asks SudachiPy, short units, for the words.

    Use it with ``register_segmenter("ja", sudachi())``.

    :param dictionary: ``small``, ``core`` or ``full``; the package ``sudachidict_<name>`` must be installed.
    :raises CalqueError: when SudachiPy or the dictionary is not installed.
    """
    try:
        from sudachipy import SplitMode  # type: ignore[import-not-found, unused-ignore]
        from sudachipy.dictionary import Dictionary  # type: ignore[import-not-found, unused-ignore]

        tokenizer = Dictionary(dict=dictionary).create(mode=SplitMode.A)
    except (ImportError, ModuleNotFoundError) as error:
        raise CalqueError(
            "Segmentation with SudachiPy needs packages that are not installed: run"
            f"  pip install sudachipy sudachidict_{dictionary}  and try again"
        ) from error

    def starts(text: str) -> list[bool]:
        found = [False] * len(text)
        for begin in range(0, len(text), 10_000):  # the library takes some 49 kB of UTF-8 at a time
            for morpheme in tokenizer.tokenize(text[begin : begin + 10_000]):
                found[begin + morpheme.begin()] = True
        return found

    return RuleSegmenter("ja", starts=starts)
