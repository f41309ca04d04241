"""One compiled regular expression a language: what a token looks like.

Every alternative consumes at least one character that is not white space, the last one takes any such character, so
matching never loses text. Quantifiers are possessive and look-ahead that may fail is bounded in length, so that 100 KB of
one character, or of any two, stays linear.

The name of a group says what the caller must look at again: ``dot`` (a full stop may belong to an abbreviation), ``end`` and
``abbreviation`` (may end a sentence), ``run`` (letters of a script without spaces). Ordinary tokens have no
group: the common case is the cheapest.
"""

from __future__ import annotations

from functools import cache

import regex

from calque.segmentation.profiles import Profile

# Scripts written without spaces between words, for which there is a character tagger.
RUN = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Thai}ー々〆ヶ]"
_SPACE = r"\s\x1c-\x1f"  # what str.isspace() calls white space
_LETTERS = rf"[\p{{L}}\p{{M}}\p{{Nd}}\p{{Nl}}\p{{No}}_\u200c\u200d\u00ad--{RUN}--[\u20e3\ufe0f]]"
_HYPHEN = "[-‐‑]"
_APOSTROPHE = "['’ʼ`´]"
_TLD = (
    "com|org|net|edu|gov|mil|int|info|io|ai|biz|eu|cat|es|fr|de|it|pt|uk|co|us|ca|ch|at|be|nl|se|no|dk|fi|pl|cz|ru|ua|tr|br|mx|ar|cl"
    "|in|cn|jp|kr|tw|hk|th|vn|id|my|au|nz|za|gal|eus|tv|me|html?|php|pdf|jpe?g|png|gif|docx?|xlsx?|txt|zip|csv|json|py"
)
_URL = (
    r"(?i:https?|ftp)://[^\s<>\"“”«»]*[^\s<>\"“”«».,;:!?'’)\]}…。，、！？]"
    r"|(?i:www)\.[^\s<>\"“”«»]*[^\s<>\"“”«».,;:!?'’)\]}…。，、！？]"
)
_EMAIL = r"[A-Za-z0-9][\w.+-]{0,63}+@[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,63}+)*+"
_DOMAIN = rf"[A-Za-z0-9](?:[\w-]|(?<=\w)\.(?=\w)){{0,80}}+(?<=\.(?:(?i:{_TLD})))(?:/[\w./%~?=&#+-]*+(?<![.?]))?"
_DOTTED = r"[a-z]{2,20}+(?:\.[a-z]{2,20}+){2,5}+(?!\w)"  # alt.animals.cat
_EMOJI = (
    r"\p{Regional_Indicator}\p{Regional_Indicator}"
    r"|[0-9#*]\ufe0f?\u20e3"
    r"|\p{Extended_Pictographic}[\p{Emoji_Modifier}\ufe0f\U000e0020-\U000e007f]*+"
    r"(?:\u200d\p{Extended_Pictographic}[\p{Emoji_Modifier}\ufe0f]*+)*+"
)
_EMOTICON = r"(?<![\p{L}\p{N}])(?:[:;=8][-'^o]?[()\[\]DPpOo3/\\|*]|<3|\^_?\^|[xX]D|:'\(|T_T|-_-)(?![\p{L}\p{N}])"
_SOCIAL = r"(?<![\p{L}\p{N}])[@#＃](?=[\p{L}_])[\p{L}\p{M}\p{N}_]++"
_DATE = r"\d{1,4}(?:[-/.]\d{1,4}){2,4}(?!\d)|(?<!\d)\d{3}-\d{4}(?!\d)"  # and telephone numbers


def _word(profile: Profile) -> str:
    """The pattern of a word: chunks of letters and digits, and what joins them in this language."""
    joins = [
        r"(?<=\d)[.,:'’/](?=\d)",
        r"(?<=[\p{L}\p{N}])_++(?=[\p{L}\p{N}])",
        r"(?<=\p{Hebrew})[\"״](?=\p{Hebrew})",  # an abbreviation
        r"(?<=l)\.(?=l\p{Ll})",  # Catalan "col.legi"
        r"(?<=\p{L})[·‧•･](?=\p{L})",
        r"(?<=[\p{L}])&(?=\p{Lu})",
    ]
    if profile.apostrophe == "join":
        after = r"(?!s(?![\p{L}\p{M}\p{N}]))" if profile.apostrophe_s else ""
        joins.append(rf"(?<=[\p{{L}}\p{{N}}]){_APOSTROPHE}{after}(?=\p{{L}})")
    guard = rf"(?!{profile.no_hyphen_before})" if profile.no_hyphen_before else ""
    if profile.hyphens == "keep":
        joins.append(rf"(?<=[\p{{L}}\p{{M}}\p{{N}}]){_HYPHEN}{guard}(?=[\p{{L}}\p{{N}}])")
    elif profile.hyphen_prefixes:
        prefixes = "|".join(sorted(p.rstrip("-") for p in profile.hyphen_prefixes))
        joins.append(rf"(?<=(?<![\p{{L}}\p{{N}}-])(?i:{prefixes})){_HYPHEN}(?=\p{{L}})")
    if profile.colon_suffix:
        joins.append(r"(?<=[\p{Lu}\d]):(?=\p{Ll})")
    if profile.slashes == "keep":
        joins.append(r"(?<=\p{L})/(?=\p{L})")
    last = rf"(?:{_HYPHEN}(?![^\s,/;)]))?+" if profile.suspended_hyphen else ""
    return rf"{_LETTERS}++(?:(?:{'|'.join(joins)}){_LETTERS}++)*+{last}"


@cache
def token_pattern(profile: Profile) -> regex.Pattern[str]:
    """The compiled pattern of a profile; kept for the life of the process.

    :param profile: the language's choices.
    """
    parts = [_URL, _EMAIL, _DOMAIN, _DOTTED, _SOCIAL, _EMOJI, _EMOTICON, _DATE]
    if profile.spaced_numbers:
        parts.append(r"(?<![\d.,])\d{1,3}(?:[  \u00a0\u202f]\d{3})+(?!\d)(?:,\d+)?")
    parts.append(r"(?<![\p{L}\p{N}])['’]\d\ds?(?![\p{L}\p{N}])")  # '93
    parts.append(
        r"(?P<abbreviation>(?<![\p{L}\p{N}.])(?:(?:\p{L}{1,2}\.){2,8}(?!\p{L}{3})(?:\p{Lu}(?!\p{L}))?"  # U.S.A., z.B.
        r"|\p{Lu}\.(?:-?\p{Lu}\.|\p{Lu}(?![\p{L}\p{M}\p{N}.]))))"  # J.-C., U.S
    )
    parts.append(r"(?<![\p{L}\p{N}])(?:\p{L}{1,3}|\d{1,4})\.[ºª]")  # n.º, 5.º
    parts.append(r"(?<![\p{L}\p{N}])(?:US|R|AU|NZ|HK|CA?)\$|\$\$++")
    if profile.extra:
        parts.append(profile.extra)
    if profile.elisions:
        parts.append(rf"(?<![\p{{L}}\p{{N}}]){profile.elisions}['’](?=[\p{{L}}\p{{N}}\"«“])")
    if profile.apostrophe == "after":
        parts.append(rf"{_LETTERS}++['’](?=[\p{{L}}\p{{N}}\"«“])")
        parts.append(
            r"(?<![\p{L}\p{N}])(?i:po|mo|be|fe|di|e|cosi|citta|puo|piu|perche|gia|sara|verra|c|va|fa|sta|da)['’](?!\p{L})"
        )
    parts.append(rf"(?P<run>{RUN}[{RUN}\p{{M}}]*+)")
    parts.append(_word(profile))
    enders = regex.escape(profile.enders)
    parts.append(
        r"(?P<end>\.{2,}+|[…⋯]++\.?|[!?！？؟‼⁉⁇⁈]"
        + ("" if profile.split_marks else "++")
        + r"|[。｡।॥۔።᙮။៕៖՜՞՝։܀-܂\u1362\u1367-\u1368"
        + enders
        + r"])"
    )
    parts.append(r"(?P<dot>[.．])")
    parts.append("|".join(f"{regex.escape(mark)}{{2,}}+" for mark in "-–—―=_*~+#•·'`,<>"))
    parts.append(rf"[^{_SPACE}]\p{{M}}*+")
    return regex.compile("|".join(parts), regex.VERSION1)
