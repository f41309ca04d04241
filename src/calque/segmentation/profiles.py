"""What the rules need to know of each language: one small record a language, plain data.

The choices follow how the language's Universal Dependencies treebanks cut text (looked up in their training and
development files, never in a test file). Where two treebanks of a language disagree (`60%` is one token in Spanish
AnCora, two in Spanish GSD) the more common convention over all of UD was taken. A language that is not listed gets
:data:`DEFAULT`, which is right for most scripts that put spaces between words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Profile:
    """How one language's text is cut; see the comments for what each field decides."""

    hyphens: Literal["keep", "split"] = "keep"  # "well-known": one token, or three
    slashes: Literal["keep", "split"] = "split"  # "and/or" between letters
    hyphen_prefixes: frozenset[str] = frozenset()  # where hyphens split: prefixes that stay ("e-mail", "non-smoker")
    apostrophe: Literal["join", "after"] = "join"  # "after": cut after every apostrophe (Italian "dell'" "uomo")
    elisions: str | None = None  # regular expression of what may stand before a cutting apostrophe
    extra: str | None = None  # regular expression of further tokens, tried before ordinary words
    no_hyphen_before: str | None = None  # regular expression: a hyphen before this does not join
    abbreviations: frozenset[str] = frozenset()  # lower case, without the last full stop
    initials: bool = True  # one capital letter and a full stop is one token ("J.")
    apostrophe_s: bool = False  # "'s" is a token of its own (German "ist" "'s")
    split_marks: bool = False  # "!!" is two tokens
    colon_suffix: bool = False  # "EU:n" is one token
    suspended_hyphen: bool = False  # "mor- och farföräldrar": the hyphen stays on the word
    ordinal_dot: bool = False  # "13." is one token (German, Danish, Finnish, Czech …)
    spaced_numbers: bool = False  # "80 000" is one token
    enders: str = ""  # further characters that end a sentence
    tagger: str | None = None  # name of the character tagger for runs without spaces


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Abbreviations that many European languages share.
_COMMON = _words(
    "dr prof st mr mrs ms etc vs fig no nr tel ed vol cf art jr sr al pp ph.d m.a b.a op cit ca resp corp inc ltd co bros"
)

_MONTHS_EN = _words("jan feb mar apr jun jul aug sep sept oct nov dec")

_ENGLISH_PREFIXES = _words(
    "e- a- u- x- co- re- un- pre- non- anti- counter- mis- multi- semi- ex- post- pro- sub- super- ultra- inter- intra- mid-"
    " mini-"
    " neo- over- under- de- bi- tri- micro- macro- mega- trans- extra- infra- pseudo- quasi-"
)

_SPANISH = _COMMON | _words(
    "sr sra sres sras srta d dª dña da ud uds vd vds ee.uu cía cia núm nº n.º pág págs pg avda av c/ ctra gral lic ing arq"
    " aprox p.ej ej dpto depto admón cap tít tel teléf máx mín s.a s.l a.c d.c ss.mm rr.hh jj.oo izq dcha prov sto sta kms"
    " vol hnos hab"
)
_CATALAN = _COMMON | _words(
    "sr sra srs sres srta d dr dra drs núm pàg pàgs av avda ctra tel aprox vostè p.ex ex s.a a.c d.c ee.uu gral hble"
    " il·lm excm ptge pl pça dept ed màx mín km"
)
_GALICIAN = _COMMON | _words("sr sra sres srta d núm páx páxs av avda cap tel aprox p.ex ex s.a cc ee.uu art arts dna dpto")
_PORTUGUESE = _COMMON | _words(
    "sr sra srs sras srta dr dra drs dras d pág págs av r tel núm nº cap ex p.ex exmo exma prof profa eng gen cel cap maj"
    " séc ltda cia s.a a.c d.c min seg ter qua qui sex sáb dom jan fev mar abr mai jun jul ago set out nov dez"
)
_FRENCH = _COMMON | _words(
    "m mm mme mmes mlle mlles me mgr dr pr st ste av bd éd env p pp ex c.-à-d j.-c j.-b jc chap fig hab tél boul art"
    " janv févr avr juil sept oct nov déc min max apr"
)
_ITALIAN = _COMMON | _words(
    "sig sigg sig.ra sig.na dott dott.ssa ing avv arch geom prof prof.ssa on sen pag pagg art artt es ecc n v l s p.es d.lgs"
    " d.l d.p.r c.c c.p s.p.a s.r.l a.c d.c tel fig cap ca min max cd cod proc comm lett distr prot gazz uff"
)
_GERMAN = _COMMON | _words(
    "dr hr fr frl bzw ca usw evtl ggf inkl exkl z z.b d.h u.a o.ä i.d.r v.a z.t u.u s.o s.u bspw nr str abs bd jh jhd jg tel"
    " geb gest verh ehem mind max min mio mrd sog vgl abb kap usf ff bez allg div entspr insb lt rd versch zzgl az st hl dipl ing"
    " jan feb mär apr jun jul aug sep sept okt nov dez mo di mi do sa so e.v prof a.d n.chr v.chr u.s.w"
)
_ENGLISH = (
    _COMMON
    | _MONTHS_EN
    | _words(
        "messrs mme rev hon gen col maj capt lt cmdr sgt cpl gov sen rep pres supt dept univ assn bldg ave blvd rd hwy mt ft esq"
        " u.s u.k u.n u.s.a e.g i.e a.m p.m p.s a.k.a b.c a.d d.c l.p l.a n.y est approx min max misc attn ext fwd orig tues"
        " thurs"
        " wed fri sat sun mon tue thu govt intl natl mfg mgr asst atty adm"
    )
)
_DUTCH = _COMMON | _words(
    "dhr mevr mw drs ir ing mr bijv bv d.w.z d.m.v i.p.v m.b.t o.a m.a.w t.a.v t.o.v enz nl blz jl ong resp incl excl evt"
    " zgn z.g m.i o.i.d e.d max min mln mld st jan febr mrt apr aug sept okt nov dec"
)
_SCANDINAVIAN = _COMMON | _words(
    "bl.a f.eks t.ex d.v.s dvs osv m.m m.fl o.s.v ca kl nr s.k jf iflg inkl ekskl tlf mill mrd kr pga p.g.a fr.o.m t.o.m"
    " e.kr f.kr st bl a.s hr fru frk adr afd dir tel min maks pct red evt feks mfl mv mht ifm gl"
)
_SLAVIC = _COMMON | _words(
    "např tzv tj atd apod mj str č čl odst sb ing mgr mudr judr phdr rndr doc prof tř ul nám kč mil mld hod min tis sv zv tzn"
    " np tzw itd itp m.in tj ok ul godz zł tys mln mld wg św ks inż hab dr r w s nr pt tzn"
    " napr atď tzv resp sv hod t.j ods"
    " npr itn itd oz tzv tj st sv ur g dr mr"
    " г гг г.г т т.е т.д т.п т.к др пр см ср стр рис руб тыс млн млрд им ул д кв обл р в вв н.э до акад проф"
    " т.н напр вид грн див ст м"
)
_GREEK = _COMMON | _words("κ κκ κα δρ π.χ μ.χ κ.λπ κλπ κ.ά δηλ σελ αρ αριθ βλ εκ χλμ δισ εκατ λ.χ κ.α δις")
_FINNISH = _COMMON | _words("esim mm ym jne ks vrt n klo s v milj mrd ns so ts tms yms toim synt k huom kpl p puh nro")
_ROMANIAN = _COMMON | _words(
    "dl dna dvs dv nr art alin lit str bd pag ex etc d.hr î.hr s.a sf jud com op cit cap mil mld ing prof"
)
_TURKISH = _COMMON | _words("dr prof doç yrd av sn vb vs bkz örn cad sok mah no tel m.ö m.s yy yk çev haz")

DEFAULT = Profile(abbreviations=_COMMON)

_CLITICS_FR = "(?:t[-‐‑])?(?:ils?|elles?|on)|je|tu|nous|vous|ce|moi|toi|les?|la|lui|leur|y|en"

PROFILES: dict[str, Profile] = {
    "en": Profile(
        hyphens="split",
        extra=r"(?<![\p{L}\p{N}])(?i:b/c|w/o|w/|c/o|n/a|a/c)(?![\p{L}\p{N}])",
        hyphen_prefixes=_ENGLISH_PREFIXES,
        abbreviations=_ENGLISH,
    ),
    "de": Profile(
        hyphens="split",
        abbreviations=_GERMAN,
        ordinal_dot=True,
        apostrophe_s=True,
        split_marks=True,
        extra=r"(?<=\p{L})['’]s(?![\p{L}\p{M}\p{N}])",
    ),
    "es": Profile(abbreviations=_SPANISH, slashes="keep", elisions="[dDlL]"),
    "gl": Profile(abbreviations=_GALICIAN),
    "pt": Profile(abbreviations=_PORTUGUESE),
    "ca": Profile(
        abbreviations=_CATALAN,
        elisions="[dDlLsSnNmMtT]",
        extra=r"(?<![\p{L}\p{N}-])(?i:[smtn]e|no|qui|que|ja|hi|li)(?=['’](?:ns|ls|[nlmts])(?![\p{L}\p{M}\p{N}]))"
        r"|(?:(?<=[aeiouAEIOUàèéíòóú])|(?<![\p{L}\p{N}]))['’](?:ns|ls|[nlmts])(?![\p{L}\p{M}\p{N}])|\d+(?:[.,]\d+)*%",
    ),
    "oc": Profile(elisions="(?i:qu|[dlsnmtcj])", abbreviations=_CATALAN),
    "fr": Profile(
        abbreviations=_FRENCH,
        elisions="(?i:(?:jus|lors|puis|quoi|quel)?qu|[cdjlmnst])",
        extra=rf"(?<=[\p{{L}}])[-‐‑](?i:{_CLITICS_FR})(?![-‐‑’'\p{{L}}\p{{M}}\p{{N}}])"
        r"|(?<![\p{L}\p{N}])(?i:c['’]est-à-dire|aujourd['’]hui|presqu['’][iî]les?|prud['’]hom\w+|l['’]on|quelqu['’]une?s?)(?![\p{L}\p{N}])"
        r"|\d+(?=(?:h\d|h|km|kg|cm|mm|m|e)(?:\b|\d))(?!e|er|ème)|(?<=\d)(?:h|km)(?![\p{L}])|n°",
        no_hyphen_before=rf"(?i:{_CLITICS_FR})(?![-‐‑’'\p{{L}}\p{{M}}\p{{N}}])",
        spaced_numbers=True,
    ),
    "it": Profile(apostrophe="after", abbreviations=_ITALIAN),
    "nl": Profile(abbreviations=_DUTCH, suspended_hyphen=True, extra=r"(?<![\p{L}\p{N}])['’][tsnkrm](?![\p{L}\p{M}\p{N}])"),
    "af": Profile(abbreviations=_DUTCH),
    "sv": Profile(abbreviations=_SCANDINAVIAN, suspended_hyphen=True, colon_suffix=True),
    "da": Profile(abbreviations=_SCANDINAVIAN, ordinal_dot=True),
    "nb": Profile(abbreviations=_SCANDINAVIAN, ordinal_dot=True),
    "nn": Profile(abbreviations=_SCANDINAVIAN, ordinal_dot=True),
    "no": Profile(abbreviations=_SCANDINAVIAN, ordinal_dot=True),
    "is": Profile(abbreviations=_SCANDINAVIAN, ordinal_dot=True),
    "fi": Profile(abbreviations=_FINNISH, ordinal_dot=True, suspended_hyphen=True, colon_suffix=True),
    "et": Profile(abbreviations=_FINNISH, ordinal_dot=True),
    "el": Profile(
        abbreviations=_GREEK,
        enders=";\u037e",
        extra=r"(?<![\p{L}\p{N}])(?:\p{Greek}{1,4}['’΄](?=\s+\p{L})|\p{Lu}['’΄])(?!\p{L})",
    ),
    "ro": Profile(abbreviations=_ROMANIAN, elisions=None),
    "tr": Profile(abbreviations=_TURKISH),
    "ru": Profile(abbreviations=_SLAVIC),
    "uk": Profile(abbreviations=_SLAVIC),
    "be": Profile(abbreviations=_SLAVIC),
    "bg": Profile(abbreviations=_SLAVIC),
    "pl": Profile(abbreviations=_SLAVIC),
    "cs": Profile(abbreviations=_SLAVIC, hyphens="split"),
    "sk": Profile(abbreviations=_SLAVIC, hyphens="split"),
    "sl": Profile(abbreviations=_SLAVIC, ordinal_dot=True),
    "hr": Profile(abbreviations=_SLAVIC, ordinal_dot=True),
    "sr": Profile(abbreviations=_SLAVIC, ordinal_dot=True),
    "zh": Profile(tagger="zh"),
    "yue": Profile(tagger="zh"),
    "ja": Profile(tagger="ja"),
    "th": Profile(tagger="th"),
}


def profile_of(lang: str | None) -> Profile:
    """The profile of a language code, :data:`DEFAULT` when it has none of its own.

    :param lang: ISO 639 code or None.
    """
    return PROFILES.get(lang, DEFAULT) if lang else DEFAULT
