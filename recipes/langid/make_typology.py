"""Write ``src/calque/languages/typology.tsv``: where a language stands in its family, on the map, and how its grammar works.

Sources, all facts under CC BY 4.0: Glottolog (family trees, coordinates), WALS (values of :data:`FEATURES`). The weights in
``calque.languages.nearest`` are fitted here to measured transfer: XLM-R base trained on one language's treebanks and scored on
another's (de Vries, Wieling and Nissim 2022; 65 x 105 pairs).

    python recipes/langid/make_typology.py --data ../shared/data
    python recipes/langid/make_typology.py --data ../shared/data --fit
"""

from __future__ import annotations

import argparse
import csv
import io
import lzma
import re
from pathlib import Path

import numpy as np

from calque.languages.codes import languages
from calque.languages.nearest import PARTS, parts

TARGET = Path(__file__).parents[2] / "src" / "calque" / "languages" / "typology.tsv"
# order of subject, verb and object; of adpositions, genitives, adjectives, demonstratives, numerals, relative clauses; affixes,
# cases, genders, articles, number, tense and aspect, alignment, pronouns left out, negation, polar questions
FEATURES = [
    "81A", "82A", "83A", "85A", "86A", "87A", "88A", "89A", "90A", "26A", "49A", "30A", "37A", "38A", "33A", "69A", "67A", "65A",
    "98A", "101A", "112A", "92A", "51A", "57A", "22A", "20A", "116A", "143A", "144A", "102A",
]  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def paths(nexus: Path) -> dict[str, list[str]]:
    """Glottocode → the nodes above it, the family first, itself last."""
    found: dict[str, list[str]] = {}
    with lzma.open(nexus, "rt", encoding="utf-8") as stream:
        for line in stream:
            tree = re.search(r"\[&R\] (.*);", line)
            if tree:
                _walk(re.findall(r"[(),]|[a-z0-9]{8}", re.sub(r":[\d.]+", "", tree[1])), found)
    return found


def _walk(tokens: list[str], found: dict[str, list[str]]) -> None:
    above: list[str] = []
    last = ""
    for token in reversed(tokens):  # read backwards, a node's name comes before its children
        if token == ")":
            above.append(last)
        elif token == "(":
            above.pop()
        elif token != ",":
            last = token
            found[token] = [*above, token]


def write(data: Path) -> None:
    """Make the table."""
    trees = paths(data / "glottolog" / "classification.nex.xz")
    places = {row["ID"]: (row["Latitude"], row["Longitude"]) for row in table(data / "glottolog" / "languages.csv.xz")}
    of_wals: dict[str, list[str]] = {}
    for row in table(data / "wals" / "languages.csv.xz"):
        of_wals.setdefault(row["Glottocode"], []).append(row["ID"])
    values: dict[tuple[str, str], str] = {}
    for path in (data / "wals").glob("values*.csv.xz"):
        for row in table(path):
            values[row["Language_ID"], row["Parameter_ID"]] = row["Value"]
    out = io.StringIO()
    out.write("# code\tnodes of the family tree (Glottolog)\tlatitude\tlongitude\tvalues of WALS " + " ".join(FEATURES) + "\n")
    for code, language in sorted(languages().items()):
        if not language.glottocode:
            continue
        latitude, longitude = (f"{float(x):.1f}" if x else "" for x in places.get(language.glottocode, ("", "")))
        named = of_wals.get(language.glottocode, [])
        features = [next((values[w, f] for w in named if (w, f) in values), "") for f in FEATURES]
        above = trees.get(language.glottocode, [language.glottocode])
        out.write("\t".join([code, " ".join(above), latitude, longitude, ",".join(features)]) + "\n")
    TARGET.write_text(out.getvalue(), encoding="utf-8")
    print(f"{TARGET.name}: {out.getvalue().count(chr(10)) - 1} languages, {TARGET.stat().st_size / 1024:.0f} KB")


def fit(data: Path) -> None:
    """Weights of the parts of a distance, by least squares on measured losses, and how well the nearest source does by them."""
    with lzma.open(data.parent / "xpos" / "xpos_english.tsv.xz", "rt", encoding="utf-8") as stream:
        rows = [(r["source"], r["target"], float(r["accuracy"])) for r in csv.DictReader(stream, delimiter="\t")]
    rows = [r for r in rows if r[0] != r[1]]
    known = set(languages())
    rows = [r for r in rows if r[0] in known and r[1] in known]
    x = np.array([parts(s, t) for s, t, _ in rows])
    y = np.array([a for _, _, a in rows])
    targets = np.array([t for _, t, _ in rows])
    sources = np.array([s for s, _, _ in rows])
    centred_x, centred_y = x.copy(), y.copy()
    for group in (targets, sources):  # neither hard targets nor good sources are a matter of distance
        for name in set(group):
            at = group == name
            centred_x[at] -= centred_x[at].mean(0)
            centred_y[at] -= centred_y[at].mean()
    weights, *_ = np.linalg.lstsq(centred_x, -centred_y, rcond=None)
    print({name: round(float(w), 1) for name, w in zip(PARTS, weights, strict=True)}, "points of accuracy a unit")
    for what, w in (("fitted", weights), ("family alone", np.array([1.0, 0, 0, 0])), ("no weights", np.ones(4))):
        regret, first, chosen = [], 0, []
        for name in sorted(set(targets)):
            at = np.flatnonzero(targets == name)
            pick = at[np.argmin(x[at] @ w)]
            regret.append(y[at].max() - y[pick])
            chosen.append(y[pick])
            first += regret[-1] < 1e-9
        mean = np.mean([y[targets == n].mean() for n in set(targets)])
        best = np.mean(chosen) + np.mean(regret)
        print(f"{what}: the nearest source gives {np.mean(chosen):.1f} on average over {len(regret)} targets", end="; ")
        print(f"the best one {best:.1f}, one at random {mean:.1f}; the nearest is the best for {first}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    typology = args.data / "labelled" / "typology"
    if args.fit:
        fit(typology)
    else:
        write(typology)


if __name__ == "__main__":
    main()
