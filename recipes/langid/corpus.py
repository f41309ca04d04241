"""The text the identifier learns from: free licences only, nothing that stands in an evaluation set.

Choices:

- Sources in order of likeness to what users type: Tatoeba, NLLB Seed, TICO-19, storybooks, news, treebanks (train and dev),
  novels; translations of the Bible and of software fill up languages that lack other text.
- At most ``CAP`` characters a language and ``SHARE`` of them from one corpus, so that no domain owns a language.
- A line is dropped when its cleaned text is a test sentence (Tatoeba/LASER, all UD test files), when it was seen already for
  the language, when it equals the English line of the same place (untranslated), or when it is mostly in a script foreign to
  the language.
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
# Characters without which a script of a language is left out; a third of it for widely written languages.
LEAST = 40_000

FREE = (
    "CC0",
    "Public Domain",
    "PD",
    "CC BY 2.0",
    "CC BY 3.0",
    "CC BY 4.0",
    "CC BY-SA 3.0",
    "CC BY-SA 4.0",
    "CC BY (Leipzig",
    "MIT",
    "MPL-2.0",
    "BSD",
    "UDHR texts",
    "Creative Commons Attribution 3.0",
    "official gazettes",
)
NOT_FREE = ("NC", "ND", "GPL", "originals", "per culture", "restricted")
ORDER = [
    "tatoeba",
    "nllb-seed",
    "tico19",
    "storybooks-asp",
    "globalvoices-en-ca",
    "ud",
    "lingua-leipzig",
    "indian-wikipedia",
    "softcatala",
    "eltec",
    "dogc-ca-oc",
    "dogv-ca-es",
    "udhr",
    "faker-novels",
    "opensource-guide",
    "bible",
    "bible-christos",
    "gnome-help",
    "tldr-pages",
    "mozilla-www",
    "scratch-l10n",
    "godot-editor",
    "bitcoin-org",
]
# Left out besides: python-docs, whose untranslated lines are code, in every language.
SKIP = {("lingua-leipzig", "es")}  # its letters with accents are missing

LABELS = {
    "nb": "no",
    "es_AR": "es",
    "pt_PT": "pt",
    "zh-Hant": "zh",
    "zh_Hant_HK": "zh",
    "sr-Latn": "sr",
    "ti_ER": "ti",
    "ti_ET": "ti",
    "prs": "fa",
    "ku": "kmr",
    "ks-Deva": "ks",
    "taq-Tfng": "taq",
    "bm-Nkoo": "bm",
}
# Collections, constructed languages few write, historical stages and creoles of English that would take answers from living
# neighbours, and codes whose text here is of mixed varieties.
LEFT_OUT = set(
    "ber tok toki jbo tlh hbs vo ie io lfn nov tzl pcm frm fro pro orv ota ang grc qtd qti qte qaf qfn qpm cbk prg xal dtp "
    "kzj swl yrl bor say myx nuj lwg ttj xog kwn adx khg tuv guz kln keo lsm koo kpz sco rn luc tsc teo gur rom mas din".split()
)


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


def gather(
    label: str, files: Iterable[tuple[str, Path, str]], forbidden: set[str]
) -> dict[str, tuple[list[str], dict[str, int]]]:
    """Return, for each script of one label, the cleaned lines and the characters taken from each corpus.

    :param label: the identifier's label.
    :param files: of :func:`sources`.
    :param forbidden: of :func:`evaluation_texts`.
    """
    english: dict[Path, list[str]] = {}
    found: dict[str, dict[str, list[str]]] = {}  # script -> corpus -> lines
    seen: set[str] = set()
    for corpus, path, _licence in files:
        lines = list(conllu_texts(path)) if corpus == "ud" else read_lines(path)
        twin = path.parent / "en.txt.xz"
        if path.parent.parent.name == "parallel" and label != "en" and twin.exists():
            originals = english.setdefault(twin, read_lines(twin))
            lines = [line for line, original in zip(lines, originals, strict=False) if line != original]
        sizes: dict[str, int] = {}
        for line in sorted(set(lines), key=lambda line: zlib.crc32(line.encode("utf-8", "replace"))):  # a fixed shuffle
            if sizes and sum(sizes.values()) > 3 * CAP:
                break
            text = clean(line[:600])
            script = script_of(text)
            if script is None or len(text) < 4 or text in seen or text in forbidden or sizes.get(script, 0) > CAP:
                continue
            seen.add(text)
            found.setdefault(script, {}).setdefault(corpus, []).append(text)
            sizes[script] = sizes.get(script, 0) + len(text)
    shared = {script: _share(by_corpus) for script, by_corpus in found.items()}
    total = sum(sum(taken.values()) for _, taken in shared.values())
    # Latin lines in the text of a language written otherwise are names, code and quotations.
    least = {script: (0.2 if script == "Latn" else 0.03) * total for script in shared}
    return {script: some for script, some in shared.items() if sum(some[1].values()) >= least[script]}


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
