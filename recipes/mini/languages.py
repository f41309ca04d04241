"""What the encoder is trained on: languages, how much of each, what files are called, and what is left out."""

from __future__ import annotations

# Corpora whose licence is mixed or unclear, or does not allow shipping weights.
UNCLEAR = {"pilar", "udhr", "dogv-ca-es", "dogc-ca-oc", "stellarium-skycultures", "python-docs"}
ALIASES = {"nb": "no", "nn": "no", "zh-Hant": "zh", "sr-Latn": "sr", "prs": "fa", "pt_PT": "pt", "es_AR": "es"}
FIRST = "en es ca fr de it pt zh".split()
PRIORITY = "gl ro nl ru uk pl cs bg el tr fi hu ar he fa hi ja ko vi id th sw eu".split()
OTHERS = ("sv da no hr sr sk sl lt lv et is ga cy af sq hy ka kk mr te ta ur la be mk eo ht tl ml gu bn az am ha gv oc").split()
LANGUAGES = FIRST + PRIORITY + OTHERS


def most_words(lang: str) -> int:
    """Words of a language at most."""
    return 1_300_000 if lang in FIRST else 400_000 if lang in PRIORITY else 200_000


def register_segmenters() -> None:
    """Dictionary segmenters (no treebank has a part in them) for the languages written without spaces."""
    from calque.segmentation import register_segmenter
    from calque.segmentation.rules import RuleSegmenter

    register_segmenter("zh", RuleSegmenter("zh", starts=_chinese))
    register_segmenter("ja", RuleSegmenter("ja", starts=_japanese))
    register_segmenter("th", RuleSegmenter("th", starts=_thai))


def _starts(text: str, words: list[str]) -> list[bool]:
    found, at = [False] * len(text), 0
    for word in words:
        at = text.index(word, at)
        found[at] = True
        at += len(word)
    return found


def _chinese(text: str) -> list[bool]:
    import jieba

    return _starts(text, list(jieba.cut(text, HMM=False)))


_TAGGER: list = []  # type: ignore[type-arg]


def _japanese(text: str) -> list[bool]:
    import fugashi

    if not _TAGGER:
        _TAGGER.append(fugashi.Tagger())
    return _starts(text, [w.surface for w in _TAGGER[0](text)])


def _thai(text: str) -> list[bool]:
    from pythainlp.tokenize import word_tokenize

    return _starts(text, word_tokenize(text, engine="newmm"))
