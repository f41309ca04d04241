"""Write ``src/calque/languages/languages.tsv``: codes, names, families, usual scripts.

Sources, all facts with free licences: Glottolog (CC BY 4.0: glottocode, family), WALS (CC BY 4.0: genus), CLDR through the
package ``language_data`` (MIT, Unicode licence: names, native names, likely scripts), the languages of Universal Dependencies.

    python recipes/langid/make_languages.py --data ../shared/data
"""

from __future__ import annotations

import argparse
import csv
import io
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

import langcodes
from corpus import LEFT_OUT, sources
from train import WIDELY_WRITTEN

from calque.languages.codes import _ALIASES

TARGET = Path(__file__).parents[2] / "src" / "calque" / "languages" / "languages.tsv"
ALSO = set(
    "bar hsb dsb lb fo gsw wa ast br frp rm fur lld sc co nap scn gag kaa ba cv udm kv kpv koi mhr mrj xal tyv alt os ce av "
    "lez inh nog krc kum nds frr fy stq ilo war pam bcl pag su min mad ban bug ace tet ty sm haw fj to mh lah pnb sat mai "
    "bho awa mag doi gom kok ks dv bgc raj new lus kha grt arz ary aeb arq apc acm afb ajp ars ckb sdh zza glk mzn lrs bal "
    "prs haz tyz wuu hak nan cdo gan hsn ii za bo dz cnr hbs lad ln lu kg kab ff wo bm dyu ee tw fon ig ha yo sw rw rn ny "
    "zu ss nr ve ti aa om so qu ay gn nah nhi yua quc kek cr iu kl oj nv chr vo ia ie io lfn jbo tok zgh shi rif tzm xmf "
    "lzz abk abq ady kbd".split()
)
# UD codes without an ISO language of their own, and names where UD's or CLDR's would mislead: code -> (name, native, glottocode)
OWN: dict[str, tuple[str, str, str]] = {
    "qaf": ("Maghrebi Arabic French", "", ""),
    "qtd": ("Turkish German", "", ""),
    "qte": ("Telugu English", "", ""),
    "qti": ("Turkish English", "", ""),
    "qfn": ("Frisian Dutch", "", ""),
    "qhe": ("Hindi English", "", ""),
    "qpm": ("Pomak", "Помацки", "poma1238"),
    "no": ("Norwegian", "norsk", "norw1258"),
    "nn": ("Norwegian Nynorsk", "nynorsk", "norw1262"),
    "kmr": ("Kurmanji", "kurmancî", "nort2641"),
    "sme": ("North Sami", "davvisámegiella", "nort2671"),
    "zh": ("Chinese", "中文", "mand1415"),
    "ar": ("Arabic", "العربية", "stan1318"),
    "fa": ("Persian", "فارسی", "west2369"),
    "ms": ("Malay", "Bahasa Melayu", "stan1306"),
    "az": ("Azerbaijani", "azərbaycan", "nort2697"),
    "sw": ("Swahili", "Kiswahili", "swah1253"),
    "uz": ("Uzbek", "o‘zbek", "nort2690"),
    "mn": ("Mongolian", "монгол", "halh1238"),
    "sq": ("Albanian", "shqip", "tosk1239"),
    "et": ("Estonian", "eesti", "esto1258"),
    "lv": ("Latvian", "latviešu", "latv1249"),
    "ne": ("Nepali", "नेपाली", "nepa1254"),
    "or": ("Odia", "ଓଡ଼ିଆ", "oriy1255"),
    "mg": ("Malagasy", "Malagasy", "plat1254"),
    "yi": ("Yiddish", "ייִדיש", "east2295"),
    "gn": ("Guarani", "avañe'ẽ", "para1311"),
    "hbs": ("Serbo-Croatian", "srpskohrvatski", "sout1528"),
    "sr": ("Serbian", "српски", "serb1264"),
    "el": ("Greek", "Ελληνικά", "mode1248"),
    "ps": ("Pashto", "پښتو", "pash1269"),
    "om": ("Oromo", "Oromoo", "west2721"),
    "ff": ("Fulah", "Pulaar", "fula1264"),
    "ku": ("Kurdish", "kurdî", "kurd1259"),
    "lzh": ("Classical Chinese", "文言", "lite1248"),
    "hbo": ("Ancient Hebrew", "", "anci1244"),
    "qu": ("Quechua", "Runasimi", "quec1387"),
    "ay": ("Aymara", "aymar aru", "ayma1253"),
    "sd": ("Sindhi", "سنڌي", "sind1272"),
    "bxr": ("Buryat", "буряад", "russ1264"),
    "tl": ("Tagalog", "Tagalog", "taga1270"),
    "ca": ("Catalan", "català", "stan1289"),
}
GENUS = {
    "qpm": "Slavic",
    "hbs": "Slavic",
    "kmr": "Iranian",
    "nn": "Germanic",
    "sr": "Slavic",
    "bs": "Slavic",
    "hr": "Slavic",
    "cnr": "Slavic",
    "cu": "Slavic",
    "orv": "Slavic",
    "grc": "Greek",
    "la": "Italic",
    "xum": "Italic",
    "fro": "Romance",
    "frm": "Romance",
    "pro": "Romance",
    "lzh": "Chinese",
    "xcl": "Armenian",
    "hyw": "Armenian",
    "hbo": "Semitic",
    "akk": "Semitic",
    "ota": "Turkic",
    "otk": "Turkic",
    "sa": "Indic",
    "kfm": "Iranian",
    "got": "Germanic",
    "ang": "Germanic",
    "sga": "Celtic",
    "olo": "Finnic",
    "krl": "Finnic",
    "vep": "Finnic",
    "et": "Finnic",
    "fi": "Finnic",
    "sw": "Bantoid",
    "aln": "Albanian",
    "nhi": "Aztecan",
    "azz": "Aztecan",
    "gub": "Tupi-Guaraní",
    "ps": "Iranian",
    **dict.fromkeys("vec lmo lij fur sc frp ast an".split(), "Romance"),
    "ltg": "Baltic",
    "szl": "Slavic",
    "afb": "Semitic",
    "bjn": "Malayo-Sumbawan",
    "ms": "Malayo-Sumbawan",
    "id": "Malayo-Sumbawan",
    "crh": "Turkic",
    "yi": "Germanic",
    "li": "Germanic",
    "nds": "Germanic",
    "tpn": "Tupi-Guaraní",
    "yrl": "Tupi-Guaraní",
}
FAMILY = {
    "ber": "Afro-Asiatic",
    "iu": "Eskimo-Aleut",
    "kok": "Indo-European",
    "lah": "Indo-European",
    "raj": "Indo-European",
    "sc": "Indo-European",
    "bal": "Indo-European",
    "prs": "Indo-European",
    "kg": "Atlantic-Congo",
    "nah": "Uto-Aztecan",
    "oj": "Algic",
    "kr": "Saharan",
    "son": "Songhay",
}
SCRIPT = {
    "grc": "Grek",
    "kfm": "Arab",
    "lzh": "Hant",
    "zh": "Hans",
    "hbo": "Hebr",
    "orv": "Cyrl",
    "cu": "Cyrl",
    "qte": "Telu",
    "qpm": "Cyrl",
    "hit": "Xsux",
    "akk": "Xsux",
    "swl": "",
    "ota": "Arab",
    "xum": "Latn",
    "ckt": "Cyrl",
    "egy": "Egyp",
    "qhe": "Deva",
}
# Names people write: native forms without a CLDR entry, other English names, regional names.
ALIASES = {
    "es": "castellano|castilian|castellà|español",
    "ca": "valencian|valencià",
    "ro": "moldovan|moldavian",
    "fa": "farsi",
    "kmr": "kurmanji",
    "no": "bokmål|norwegian bokmål|norwegian bokmal|bokmal|dano-norwegian",
    "nn": "nynorsk",
    "nl": "flemish|vlaams",
    "el": "modern greek",
    "zh": "mandarin|mandarin chinese|simplified chinese|traditional chinese|putonghua|汉语|漢語|普通话",
    "he": "ivrit|modern hebrew",
    "tl": "filipino|pilipino",
    "my": "myanmar",
    "or": "oriya",
    "ug": "uighur",
    "ky": "kirghiz",
    "sah": "sakha",
    "ht": "haitian",
    "si": "sinhalese",
    "dv": "maldivian",
    "km": "cambodian",
    "sme": "northern sami|north sámi|northern saami",
    "oc": "occitan|provençal",
    "grc": "ancient greek",
    "cu": "church slavic|old church slavonic|old slavonic",
    "pcm": "nigerian pidgin|naija",
    "gd": "gaelic",
    "hr": "croat",
    "sr": "serb",
    "id": "bahasa indonesia",
    "ms": "bahasa malaysia",
    "yue": "cantonese",
    "iu": "inuktitut",
    "te": "telegu",
    "ny": "chichewa|chewa|nyanja",
    "st": "sotho",
    "nso": "sepedi|northern sotho",
    "tn": "setswana",
    "pa": "panjabi",
    "ckb": "sorani",
    "lb": "luxembourgish",
    "ti": "tigrigna",
    "ka": "kartuli",
    "ff": "fula|fulfulde",
    "ak": "twi",
    "rm": "romansh",
}


def table(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of an xz-compressed CSV file.

    :param path: the file.
    """
    with lzma.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(io.StringIO(file.read()))


def main() -> int:
    """Build the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    data = parser.parse_args().data
    typology = data / "labelled" / "typology"
    glottolog = {row["ID"]: row for row in table(typology / "glottolog" / "languages.csv.xz")}
    by_iso = {row["ISO639P3code"]: row for row in glottolog.values() if row["ISO639P3code"]}
    genus = {}
    for row in table(typology / "wals" / "languages.csv.xz"):
        for code in row["ISO_codes"].split() or [row["ISO639P3code"]]:
            genus.setdefault(code or row["ID"], row["Genus"])
    ud = {}
    with open(data / "ud" / "INDEX.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            ud[row["iso"]] = row["language"]
    codes = set(ud) | WIDELY_WRITTEN | set(sources(data)) | set(OWN) | ALSO | LEFT_OUT
    codes -= {"toki", "tyz", "lrs", *_ALIASES}
    lines = []
    for code in sorted(codes):
        language = langcodes.Language.get(code)
        try:
            three = language.to_alpha3()
        except LookupError:
            three = code if len(code) == 3 else ""
        own = OWN.get(code)
        entry = glottolog.get(own[2]) if own else by_iso.get(three)
        name = own[0] if own else ud.get(code) or language.display_name()
        if name.startswith("Unknown language"):
            name = entry["Name"] if entry else ""
        if not name:
            continue
        native = own[1] if own else language.autonym()
        native = "" if native == code or native.startswith(("Unknown", name)) and not own else native
        family = (
            glottolog[entry["Family_ID"]]["Name"]
            if entry and entry["Family_ID"]
            else (entry["Name"] if entry and entry["Level"] == "family" else "")
        )
        if entry and entry["Is_Isolate"] == "true":
            family = "isolate"
        family = FAMILY.get(code, family)
        script = SCRIPT.get(code, language.maximize().script or "")
        extra = ALIASES.get(code, "").split("|")
        other = language.display_name()
        extra += [] if other.startswith("Unknown") else [other.lower()]
        extra += [entry["Name"].lower()] if entry else []
        extra = [alias for alias in extra if alias not in ("", name.lower(), native)]
        iso = (entry or {}).get("ISO639P3code") or "?"
        branch = GENUS.get(code) or genus.get(three) or genus.get(iso, "")
        others = "|".join(dict.fromkeys(extra))
        row = (code, three if three != code else "", name, native, others, family, branch, entry["ID"] if entry else "", script)
        lines.append("\t".join(row))
    header = "# code\tiso639-3\tname\tnative name\tother names\tfamily (Glottolog)\tgenus (WALS)\tglottocode\tusual script (CLDR)"
    TARGET.write_text(header + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{main()} languages written to {TARGET}\n")
