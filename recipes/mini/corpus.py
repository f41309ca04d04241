"""Raw text for the encoder: a balanced, licence-clean sample with every UD test sentence taken out.

Choices and trade-offs
- A language's budget is split evenly over its corpora (small ones are used whole), so that a Bible does not drown the rest.
- A line goes when it shares eight words in a row (24 characters in scripts without spaces) with any UD test sentence, or is
  such a sentence whole.
- Only licences that allow shipping weights: corpora whose licence is mixed or unclear are left out by name.
"""

from __future__ import annotations

import csv
import hashlib
import lzma
import random
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

UNCLEAR = {"pilar", "udhr", "dogv-ca-es", "dogc-ca-oc", "stellarium-skycultures", "python-docs"}
ALIASES = {
    "nb": "no",
    "nn": "no",
    "zh-Hant": "zh",
    "sr-Latn": "sr",
    "prs": "fa",
    "ku": "kmr",
    "arz": "ar",
    "ary": "ar",
    "mnw": "mnw",
}
WORDS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\uacff\U00020000-\U0003ffff]|\w+")
GRAM = 8


def read_lines(path: Path) -> Iterator[str]:
    """Lines of an xz file, NFC, without surrounding space."""
    with lzma.open(path, "rt", encoding="utf-8", newline="\n") as f:
        for line in f:
            yield unicodedata.normalize("NFC", line.strip())


def grams(text: str) -> list[int]:
    """Hashes of all runs of eight words (24 characters in unspaced scripts); of the whole text when it is shorter."""
    words = WORDS.findall(text.casefold())
    # characters stand for words where none are written; eight of those in a row are common phrases
    run = GRAM if len(words) < 3 or sum(map(len, words)) > 1.5 * len(words) else 3 * GRAM
    if len(words) < run:
        return [hash((len(words), *words))] if len(words) >= 3 else []
    return [hash(tuple(words[i : i + run])) for i in range(len(words) - run + 1)]


def test_grams(ud: Path) -> set[int]:
    """What no training line may share with a UD test file."""
    found: set[int] = set()
    for path in sorted(ud.glob("*/test.conllu.xz")):
        words: list[str] = []
        with lzma.open(path, "rt", encoding="utf-8") as f:
            for line in f:
                if line.startswith("# text = "):
                    found.update(grams(unicodedata.normalize("NFC", line[9:].strip())))
                elif line[:1].isdigit():
                    cells = line.split("\t", 2)
                    if cells[0].isdigit():
                        words.append(cells[1])
                elif not line.strip() and words:
                    found.update(grams(unicodedata.normalize("NFC", " ".join(words))))
                    words = []
    return found


def ud_languages(ud: Path) -> set[str]:
    """Codes of every language with a treebank."""
    with (ud / "INDEX.tsv").open(encoding="utf-8") as f:
        return {row["iso"] for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)}


def sources(text: Path, wanted: set[str]) -> dict[str, list[tuple[str, str, Path]]]:
    """Language → [(corpus, licence, file)] of what may be used."""
    found: dict[str, list[tuple[str, str, Path]]] = defaultdict(list)
    with (text / "INDEX.tsv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            lang = ALIASES.get(row["lang"], row["lang"])
            if row["corpus"] in UNCLEAR or lang not in wanted:
                continue
            path = (
                text / "parallel" / row["corpus"] / f"{row['lang']}.txt.xz"
                if row["kind"] == "parallel"
                else text / "mono" / row["lang"] / f"{row['corpus']}.txt.xz"
            )
            if path.exists():
                found[lang].append((row["corpus"], row["licence"], path))
    return found


def sample(files: list[tuple[str, str, Path]], budget: int, banned: set[int], seed: int) -> tuple[list[str], dict[str, int]]:
    """About ``budget`` bytes of lines, evenly over the corpora; also bytes taken from each corpus.

    Parallel text of many short interface strings repeats itself: equal lines are kept once.
    """
    rng = random.Random(seed)
    pools: list[tuple[str, list[str]]] = []
    seen: set[bytes] = set()
    for corpus, _, path in files:
        lines = []
        for line in read_lines(path):
            key = hashlib.blake2b(line.casefold().encode(), digest_size=8).digest()
            if len(line) >= 12 and key not in seen:
                seen.add(key)
                lines.append(line)
        rng.shuffle(lines)
        pools.append((corpus, lines))
    pools.sort(key=lambda p: sum(map(len, p[1])))
    taken: list[str] = []
    used: dict[str, int] = defaultdict(int)
    left = budget
    for number, (corpus, lines) in enumerate(pools):
        share = left // (len(pools) - number)
        got = 0
        for line in lines:
            if got >= share:
                break
            if any(g in banned for g in grams(line)):
                continue
            taken.append(line)
            got += len(line.encode())
        left -= got
        used[corpus] += got
    rng.shuffle(taken)
    return taken, dict(used)
