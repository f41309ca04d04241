"""Read measured transfer and the facts of its languages; shared by the fit here and by ``benchmarks/sources.py``.

Sources of the data: accuracies of XLM-R base by de Vries, Wieling and Nissim (2022), 65 sources x 105 targets, of which only
fitted weights ship; gigabytes of CC-100 by language (Conneau et al. 2020, appendix); Glottolog (CC BY 4.0) for the four
targets that the package's tables lack.
"""

from __future__ import annotations

import csv
import lzma
import re
from pathlib import Path

import numpy as np

from calque.languages import languages, normalize
from calque.transfer.sources.features import Atlas, Facts
from calque.transfer.sources.fitting import Measured, measure

# Scripts of treebanks that are not the usual ones of their languages, ISO 15924.
SCRIPTS = {
    "aii": "Syrc", "ajp": "Arab", "akk": "Latn", "got": "Latn", "hyw": "Armn", "otk": "Orkh", "sa": "Latn", "sr": "Latn",
}  # fmt: skip
# Languages of the study that the package's tables lack: where Glottolog has them, and their script.
MORE = {"aqz": ("akun1241", "Latn"), "mpu": ("maku1278", "Latn"), "nyq": ("nayi1242", "Arab"), "xnr": ("kang1280", "Deva")}


def gigabytes(path: Path) -> dict[str, float]:
    """Text in each language that XLM-R was trained on."""
    found: dict[str, float] = {}
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            fields = line.split()
            if len(fields) < 4:
                continue
            code, size = fields[0], float(fields[-1])
            if code == "lzh":  # traditional characters, which the list gives another code
                code = "zh"
            code = {"ku": "kmr"}.get(code, code)
            code = code if code in languages() else normalize(code)
            # a second line of a language is a script that its treebanks are not written in, but for Chinese
            if code == "zh" or code not in found:
                found[code] = round(found.get(code, 0.0) + size, 1)
    return found


def accuracies(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """Sources, targets and the table between them, in per cent."""
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        rows = [(r["source"], r["target"], float(r["accuracy"])) for r in csv.DictReader(stream, delimiter="\t")]
    sources, targets = sorted({r[0] for r in rows}), sorted({r[1] for r in rows})
    table = np.full((len(sources), len(targets)), np.nan)
    for source, target, accuracy in rows:
        table[sources.index(source), targets.index(target)] = accuracy
    return sources, targets, table


def more_facts(glottolog: Path) -> dict[str, Facts]:
    """Facts of the languages in :data:`MORE`."""
    with lzma.open(glottolog / "languages.csv.xz", "rt", encoding="utf-8") as stream:
        rows = {row["ID"]: row for row in csv.DictReader(stream)}
    with lzma.open(glottolog / "classification.nex.xz", "rt", encoding="utf-8") as stream:
        trees = [match[1] for line in stream if (match := re.search(r"\[&R\] (.*);", line))]
    found = {}
    for code, (name, script) in MORE.items():
        row = rows[name]
        nodes = next(path for tree in trees if (path := _above(tree, name)))
        place = float(row["Latitude"]), float(row["Longitude"])
        found[code] = Facts(code, tuple(nodes), rows[nodes[0]]["Name"], "", *place, script=script)
    return found


def _above(tree: str, name: str) -> list[str]:
    """The nodes of a Newick tree from its root to one, which is the last."""
    above: list[str] = []
    last = ""
    for token in reversed(re.findall(r"[(),]|[a-z0-9]{8}", re.sub(r":[\d.]+", "", tree))):
        if token == ")":
            above.append(last)
        elif token == "(":
            above.pop()
        elif token != ",":
            last = token
            if token == name:
                return [*above, token]
    return []


def read(data: Path, table: str = "xpos_english.tsv.xz") -> tuple[Atlas, Measured]:
    """The languages of the study and its accuracies.

    :param data: a folder with ``labelled/xpos`` and ``labelled/typology``.
    """
    typology = data / "labelled" / "typology"
    atlas = Atlas(gigabytes(typology / "xpos" / "langs-xlmr.txt.xz"), more_facts(typology / "glottolog"), SCRIPTS)
    return atlas, measure(atlas, *accuracies(data / "labelled" / "xpos" / table))
