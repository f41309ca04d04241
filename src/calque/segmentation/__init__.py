"""Raw text → sentences → tokens → words, as Universal Dependencies splits them.

Rules first: Unicode-aware patterns, abbreviations, contractions and clitics; a small character tagger for Chinese, Japanese
and Thai. :func:`register_segmenter` is the place for a learned segmenter.
"""

from __future__ import annotations

from calque.segmentation.interface import (
    Segmenter,
    register_segmenter,
    segment,
    segment_stream,
    segmenter_for,
    split_words,
    unregister_segmenter,
)

__all__ = ["Segmenter", "register_segmenter", "segment", "segment_stream", "segmenter_for", "split_words", "unregister_segmenter"]
