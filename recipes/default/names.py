"""Entities for the embedded default: Universal NER's train and dev files with free licences.

    python recipes/default/names.py --data ../shared/data --work build/default

Writes ``<lang>.names.train.iob2`` and ``<lang>.names.dev.iob2``, and adds the files to ``sources.json``; run
``recipes/default/treebanks.py`` before it.

Choices and trade-offs
- Persons, places and organisations, as Universal NER has them (Mayhew et al. 2024), under CC BY-SA; what is NC is left out.
- Nine tenths of the dev files train, like those of the treebanks; a sentence whose words stand in any test file of the language,
  of Universal NER or of a treebank, never does.
- English is the pre-release of its train split (2,873 of 2,874 persons, 2,698 of 2,712 places, 1,434 of 1,436 organisations of
  the release), since the release was not at hand.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

from treebanks import kept_aside, key

from calque.document import Sentence
from calque.formats.conllu import read_conllu
from calque.formats.entities import read_entities
from calque.formats.entities_writer import write_entities

CODES = {"nno": "no", "nob": "no"}
LEAVE_OUT = ("raw.iob2",)  # the pre-release with types beside the three


def main() -> None:
    """Run the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    labelled = args.data / "labelled"
    with (labelled / "INDEX.tsv").open(encoding="utf-8") as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE) if r["dataset"] == "uner"]
    free = [r for r in rows if "ShareAlike" in r["licence"] or r["licence"].startswith("CC BY-SA")]
    free = [r for r in free if "NonCommercial" not in r["licence"]]
    banned: dict[str, set[str]] = defaultdict(set)
    with (args.data / "ud" / "INDEX.tsv").open(encoding="utf-8") as f:
        for row in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["split"] == "test":
                path = args.data / "ud" / row["treebank"] / "test.conllu.xz"
                banned[row["iso"]].update(key(s) for s in read_conllu(path, on_error="skip", skipped=[]))
    train: dict[str, list[Sentence]] = defaultdict(list)
    dev: dict[str, list[Sentence]] = defaultdict(list)
    used = []
    for row in sorted(rows, key=lambda r: r["split"] != "test"):  # test files first: nothing of them may train
        lang, path = CODES.get(row["language"], row["language"]), labelled / (row["path"] + ".xz")
        if row["split"] != "test" and (row not in free or path.name.removesuffix(".xz").endswith(LEAVE_OUT)):
            continue
        sentences = list(read_entities(path, lang=lang, mapping={"OTH": "O"}))
        if row["split"] == "test":
            banned[lang].update(key(s) for s in sentences)
            continue
        kept = [s for s in sentences if key(s) not in banned[lang]]
        for sentence in kept:
            (dev if row["split"] == "dev" and kept_aside(key(sentence)) else train)[lang].append(sentence)
        entry = {"treebank": f"UNER {path.parent.name} ({row['split']})", "language": lang, "split": row["split"]}
        used.append({**entry, "licence": "CC BY-SA 4.0", "sentences": len(kept)})
    for lang in sorted(train):
        aside = {key(s) for s in dev[lang]}
        for part, sentences in (("train", [s for s in train[lang] if key(s) not in aside]), ("dev", dev[lang])):
            with (args.work / f"{lang}.names.{part}.iob2").open("w", encoding="utf-8", newline="\n") as stream:
                write_entities(sentences, stream)
            print(f"{lang} {part}: {len(sentences):,} sentences")
    sources = json.loads((args.work / "sources.json").read_text(encoding="utf-8"))
    sources["entities"] = used
    (args.work / "sources.json").write_text(json.dumps(sources, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
