"""The text the identifier learns from: free licences only, nothing that stands in an evaluation set.

Choices:

- Sources in order of likeness to what users type: Tatoeba, NLLB Seed, TICO-19, storybooks, news, treebanks (train and dev), novels;
  translations of the Bible and of software fill up languages that lack other text.
- At most ``CAP`` characters a language and ``SHARE`` of them from one corpus, so that no domain owns a language.
- A line is dropped when its cleaned text is a test sentence (Tatoeba/LASER, all UD test files), when it was seen already for the
  language, when it equals the English line of the same place (untranslated), or when it is mostly in a script foreign to the language.
"""

from __future__ import annotations

import csv
import lzma
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from calque.languages.features import clean
from calque.languages.scripts import script_of

CAP = 700_000
SHARE = 0.35
LEAST = 40_000  # characters without which a language is left out

FREE = ("CC0", "Public Domain", "PD", "CC BY 2.0", "CC BY 3.0", "CC BY 4.0", "CC BY-SA 3.0", "CC BY-SA 4.0", "CC BY (Leipzig", "MIT",
        "MPL-2.0", "BSD", "UDHR texts", "Creative Commons Attribution 3.0", "official gazettes")  # fmt: skip
NOT_FREE = ("NC", "ND", "GPL", "originals", "per culture", "restricted")
ORDER = ["tatoeba", "nllb-seed", "tico19", "storybooks-asp", "globalvoices-en-ca", "ud", "lingua-leipzig", "indian-wikipedia",
         "softcatala", "eltec", "dogc-ca-oc", "dogv-ca-es", "udhr", "faker-novels", "opensource-guide", "bible", "bible-christos",
         "gnome-help", "tldr-pages", "python-docs", "mozilla-www", "scratch-l10n", "godot-editor", "bitcoin-org"]  # fmt: skip
SKIP = {("lingua-leipzig", "es")}  # its letters with accents are missing

LABELS = {"nb": "no", "es_AR": "es", "pt_PT": "pt", "zh-Hant": "zh", "zh_Hant_HK": "zh", "sr-Latn": "sr", "ti_ER": "ti", "ti_ET": "ti",
          "prs": "fa", "ku": "kmr", "ks-Deva": "ks", "taq-Tfng": "taq", "bm-Nkoo": "bm"}  # fmt: skip
# Collections, constructed languages few people write, historical stages and creoles of English that would take answers from living
# neighbours, and codes whose text here is of mixed varieties.
LEFT_OUT = set("ber tok toki jbo tlh hbs vo ie io lfn nov tzl pcm frm fro pro orv ota ang grc qtd qti qte qaf qfn qpm cbk prg xal dtp "
               "kzj swl yrl bor say myx nuj lwg ttj xog kwn adx khg tuv guz kln keo lsm koo kpz".split())  # fmt: skip


def is_free(licence: str) -> bool:
    """Say whether text under this licence may go into shipped weights.

    :param licence: the ``licence`` column of an INDEX.tsv.
    """
    return licence.startswith(FREE) and not any(word in licence for word in NOT_FREE)


def read_lines(path: Path) -> list[str]:
    """Read an xz file as lines.

    :param path: the file.
    """
    with lzma.open(path, "rt", encoding="utf-8", errors="replace", newline="\n") as file:
        return file.read().split("\n")


def conllu_texts(path: Path) -> Iterator[str]:
    """Yield the ``# text`` of each sentence of a treebank file.

    :param path: an xz-compressed CoNLL-U file.
    """
    for line in read_lines(path):
        if line.startswith("# text = "):
            yield line[9:]


def treebank_label(treebank: str, iso: str) -> str:
    """Return the identifier's label of a treebank.

    :param treebank: its name, such as ``UD_Norwegian-Nynorsk``.
    :param iso: its code in ``ud/INDEX.tsv``.
    """
    return "nn" if "Nynorsk" in treebank else LABELS.get(iso, iso)


def evaluation_texts(data: Path) -> set[str]:
    """Return the cleaned text of all test sentences.

    :param data: the folder with ``ud`` and ``text-eval``.
    """
    seen = set()
    for path in sorted((data / "text-eval" / "tatoeba").glob("*.xz")):
        seen.update(clean(line) for line in read_lines(path))
    for path in sorted((data / "ud").glob("*/test.conllu.xz")):
        seen.update(clean(line) for line in conllu_texts(path))
    return seen - {" "}


def sources(data: Path) -> dict[str, list[tuple[str, Path, str]]]:
    """List the usable files of each label, best first: (corpus, path, licence).

    :param data: the folder with ``text`` and ``ud``.
    """
    found: dict[str, list[tuple[str, Path, str]]] = {}
    with open(data / "text" / "INDEX.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            corpus, lang = row["corpus"], row["lang"]
            label = LABELS.get(lang, lang)
            if not is_free(row["licence"]) or corpus not in ORDER or (corpus, lang) in SKIP or label in LEFT_OUT:
                continue
            folder = data / "text" / ("mono/" + lang if row["kind"] == "mono" else "parallel/" + corpus)
            path = folder / (f"{corpus}.txt.xz" if row["kind"] == "mono" else f"{lang}.txt.xz")
            if path.exists():
                found.setdefault(label, []).append((corpus, path, row["licence"]))
    with open(data / "ud" / "INDEX.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            label = treebank_label(row["treebank"], row["iso"])
            path = data / "ud" / row["treebank"] / f"{row['split']}.conllu.xz"
            if row["split"] != "test" and is_free(row["licence"]) and label not in LEFT_OUT and path.exists():
                found.setdefault(label, []).append(("ud", path, row["licence"]))
    for files in found.values():
        files.sort(key=lambda item: ORDER.index(item[0]))
    return found


def gather(label: str, files: Iterable[tuple[str, Path, str]], forbidden: set[str]) -> tuple[list[str], dict[str, int]]:
    """Return the cleaned lines of one label and the characters taken from each corpus.

    :param label: the identifier's label.
    :param files: of :func:`sources`.
    :param forbidden: of :func:`evaluation_texts`.
    """
    english: dict[Path, list[str]] = {}
    by_corpus: dict[str, list[str]] = {}
    seen: set[str] = set()
    for corpus, path, _licence in files:
        lines = conllu_texts(path) if corpus == "ud" else read_lines(path)
        twin = path.parent / "en.txt.xz"
        if path.parent.parent.name == "parallel" and label != "en" and twin.exists():
            originals = english.setdefault(twin, read_lines(twin))
            lines = [line for line, original in zip(lines, originals, strict=False) if line != original]
        kept = by_corpus.setdefault(corpus, [])
        size = sum(map(len, kept))
        order = sorted(set(lines), key=lambda line: zlib.crc32(line.encode("utf-8", "replace")))  # a fixed shuffle
        for line in order:
            text = clean(line[:600])
            if len(text) < 4 or text in seen or text in forbidden:
                continue
            seen.add(text)
            kept.append(text)
            size += len(text)
            if size > CAP:
                break
    return _share(by_corpus)


def _share(by_corpus: dict[str, list[str]]) -> tuple[list[str], dict[str, int]]:
    """Fill the cap corpus by corpus, first up to the share of each, then with what is left over."""
    taken = dict.fromkeys(by_corpus, 0)
    result: list[str] = []
    total, position = 0, dict.fromkeys(by_corpus, 0)
    for share in (SHARE, 1.0):
        for corpus, lines in by_corpus.items():
            while position[corpus] < len(lines) and taken[corpus] < share * CAP and total < CAP:
                text = lines[position[corpus]]
                position[corpus] += 1
                taken[corpus] += len(text)
                total += len(text)
                result.append(text)
    return result, {corpus: size for corpus, size in taken.items() if size}


def main_scripts(lines: list[str], *, share: float = 0.03) -> dict[str, list[str]]:
    """Group lines by their script and keep the scripts that hold a fair share of the lines.

    :param lines: cleaned lines.
    :param share: the least share of the characters.
    """
    groups: dict[str, list[str]] = {}
    for line in lines:
        groups.setdefault(script_of(line) or "", []).append(line)
    total = sum(map(len, lines))
    return {script: group for script, group in groups.items() if script and sum(map(len, group)) >= share * total}
