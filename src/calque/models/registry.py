"""The encoders known by name, with what a user wants to know before a download: size, languages, licence.

The figures are the publishers' own (model cards and papers), rounded; ``calque models info`` shows them. Sizes are of the
files that calque fetches. Of mT5 only the encoder half is loaded, but the file holds both halves.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

BUNDLED = Path(__file__).resolve().parent.parent / "bundled"


@dataclass(frozen=True, slots=True)
class Entry:
    """One known encoder: parameters in millions (of what is loaded), size of the download in megabytes."""

    name: str
    repo: str | None
    parameters: int
    megabytes: int
    languages: int
    licence: str
    note: str = ""
    folder: Path | None = None  # ships with calque


ENTRIES: dict[str, Entry] = {
    e.name: e
    for e in (
        Entry("mini", None, 0, 0, 67, "CC-BY-SA-4.0", "ours, ships with calque; small and quick", BUNDLED / "mini"),
        Entry("xlm_roberta_base", "FacebookAI/xlm-roberta-base", 278, 1116, 100, "MIT", "the field's usual baseline"),
        Entry("xlm_roberta_large", "FacebookAI/xlm-roberta-large", 560, 2244, 100, "MIT", "better and three times slower"),
        Entry("mbert", "google-bert/bert-base-multilingual-cased", 178, 714, 104, "Apache-2.0", "Wikipedia, 2018"),
        Entry("xlm_v_base", "facebook/xlm-v-base", 779, 3115, 100, "MIT", "a million pieces: fewer a word outside Latin script"),
        Entry("mt5_small", "google/mt5-small", 147, 1201, 101, "Apache-2.0", "encoder half"),
        Entry("mt5_base", "google/mt5-base", 277, 2330, 101, "Apache-2.0", "encoder half"),
        Entry("mt5_large", "google/mt5-large", 564, 4918, 101, "Apache-2.0", "encoder half"),
        Entry("mt5_xl", "google/mt5-xl", 1670, 14970, 101, "Apache-2.0", "encoder half"),
        Entry("mt5_xxl", "google/mt5-xxl", 5655, 51700, 101, "Apache-2.0", "encoder half"),
        Entry("mmbert_small", "jhu-clsp/mmBERT-small", 140, 562, 1833, "MIT", "ModernBERT, 2025"),
        Entry("mmbert_base", "jhu-clsp/mmBERT-base", 307, 1230, 1833, "MIT", "ModernBERT, 2025"),
        Entry("mdeberta", "microsoft/mdeberta-v3-base", 276, 560, 100, "MIT", "strong on XNLI; slow attention"),
        Entry("glot500", "cis-lmu/glot500-base", 395, 1580, 511, "Apache-2.0", "low-resource languages"),
        Entry("roberta_base", "FacebookAI/roberta-base", 125, 499, 1, "MIT", "English only, for comparison"),
        Entry("roberta_large", "FacebookAI/roberta-large", 355, 1422, 1, "MIT", "English only, for comparison"),
    )
}

ALIASES = {
    "xlmr_base": "xlm_roberta_base",
    "xlm_r_base": "xlm_roberta_base",
    "xlmr_large": "xlm_roberta_large",
    "xlm_r_large": "xlm_roberta_large",
    "bert_base_multilingual_cased": "mbert",
    "xlm_v": "xlm_v_base",
    "mmbert": "mmbert_base",
    "mdeberta_v3_base": "mdeberta",
    "mdeberta_base": "mdeberta",
    "glot500_base": "glot500",
}


def plain(name: str) -> str:
    """A name without the differences that do not count: ``XLM-RoBERTa-base`` is ``xlm_roberta_base``."""
    return name.strip().lower().replace("-", "_")


def find(name: str) -> Entry | None:
    """The entry of a known name, or None."""
    key = plain(name)
    return ENTRIES.get(ALIASES.get(key, key))


def nearest(name: str, count: int = 3) -> list[str]:
    """Known names (for a Hub id: known ids) most like the given one, best first; may be empty."""
    if "/" in name:
        ids = {e.repo.lower(): e.repo for e in ENTRIES.values() if e.repo}
        return [ids[i] for i in difflib.get_close_matches(name.lower(), list(ids), n=count, cutoff=0.7)]
    return difflib.get_close_matches(plain(name), [*ENTRIES, *ALIASES], n=count, cutoff=0.5)
