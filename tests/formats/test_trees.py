from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from calque.document import Document, MultiwordToken, Sentence, Token
from calque.formats.render import UPOS
from calque.formats.trees import render_svg, render_svgs, render_tree

SVG = "{http://www.w3.org/2000/svg}"


def sentence_of(*rows, multiwords=(), lang=None):
    """Rows are ``form/UPOS/head/relation``."""
    tokens = []
    for form, upos, head, relation in (row.split("/") for row in rows):
        tokens.append(Token(form, upos=upos or None, head=int(head) if head else None, deprel=relation or None))
    return Sentence(tokens, [MultiwordToken(*m) for m in multiwords], lang=lang)


def vengo():
    rows = ["Vengo/VERB/0/root", "de/ADP/4/case", "el/DET/4/det", "mercado/NOUN/1/obl", "./PUNCT/1/punct"]
    return sentence_of(*rows, multiwords=[(1, 2, "del")])


class Drawing:
    """What stands where in a picture, after checking that it is XML."""

    def __init__(self, picture: str) -> None:
        self.root = ElementTree.fromstring(picture)
        self.texts = [(t.get("class"), float(t.get("x")), float(t.get("y")), t.text or "") for t in self.root.iter(f"{SVG}text")]
        self.arcs, self.lines = [], []  # (start, end, height) of an arc; (x, top, bottom) of what stands upright
        for path in self.root.iter(f"{SVG}path"):
            data = path.get("d")
            if path.get("class") == "a" and "Q" in data:
                start, low, *_, height, end = map(
                    float, re.match(r"M(\S+) (.+?)V\S+Q\S+ \S+ (\S+) (\S+)H\S+Q(\S+) ", data).groups()
                )
                self.arcs.append((start, end, height))
                self.lines += [(start, height, low), (end, height, low)]
            elif path.get("class") == "a" and "H" not in data:
                x, top, bottom = map(float, re.fullmatch(r"M(\S+) (\S+)V(\S+)", data).groups())
                self.lines.append((x, top, bottom))
        self.points = [path.get("d") for path in self.root.iter(f"{SVG}path") if path.get("class") == "h"]

    def words(self):
        return [(x, text) for kind, x, _, text in self.texts if kind == "w"]

    def labels(self):
        """(left, right, base line, text); letters of labels are at most 0.6 em wide here."""
        return [(x - 3.3 * len(t), x + 3.3 * len(t), y, t) for kind, x, y, t in self.texts if kind == "r"]

    def size(self):
        return float(self.root.get("width")), float(self.root.get("height"))


def apart(low, high, others):
    return all(high <= o_low or o_high <= low for o_low, o_high in others)


def assert_nothing_on_the_same_spot(drawing):
    labels, arcs = drawing.labels(), drawing.arcs
    for n, (left, right, y, _) in enumerate(labels):
        assert apart(left, right, [(a, b) for a, b, other, _ in labels[n + 1 :] if abs(other - y) < 11])
    for n, (start, end, height) in enumerate(arcs):
        same = [sorted((a, b)) for a, b, other in arcs[n + 1 :] if other == height]
        assert apart(min(start, end), max(start, end), same)
        assert any(min(start, end) < left and right < max(start, end) for left, right, y, _ in labels if y == height - 3)
    legs = [x for x, _, _ in drawing.lines]
    assert len(set(legs)) == len(legs)
    width, height = drawing.size()
    assert all(0 <= x <= width and 0 < y < height for _, x, y, _ in drawing.texts)
    assert all(left >= 0 and right <= width and y > 8 for left, right, y, _ in labels)


any_heads = st.integers(1, 9).flatmap(
    lambda n: st.lists(st.tuples(st.integers(0, n + 1), st.sampled_from(["x", "nsubj", "obl:agent"])), min_size=n, max_size=n)
)


@settings(max_examples=150, deadline=None)
@given(any_heads)
def test_no_labels_arcs_or_ends_of_arcs_share_a_spot_whatever_the_heads(heads):
    sentence = Sentence([Token("a", upos="X", head=head, deprel=label) for head, label in heads])
    assert_nothing_on_the_same_spot(Drawing(render_svg(sentence)))


@st.composite
def projective_heads(draw, first=1, last=None, head=0):
    last = draw(st.integers(1, 9)) if last is None else last
    if first > last:
        return {}
    root = draw(st.integers(first, last))
    return {
        root: head,
        **draw(projective_heads(first, root - 1, root)),
        **draw(projective_heads(root + 1, last, root)),
    }


@settings(max_examples=100, deadline=None)
@given(projective_heads(), st.sampled_from(["ltr", "rtl"]))
def test_in_a_projective_tree_nothing_crosses_anything(heads, direction):
    sentence = Sentence([Token("a", upos="X", head=heads[n], deprel="advcl:relcl") for n in sorted(heads)])
    drawing = Drawing(render_svg(sentence, direction=direction))
    assert_nothing_on_the_same_spot(drawing)
    assert len(drawing.arcs) == len(heads) - 1
    for x, top, _ in drawing.lines:
        for start, end, height in drawing.arcs:
            assert not (min(start, end) < x < max(start, end) and top < height)
        for left, right, y, _ in drawing.labels():
            assert not (left < x < right and top < y - 8)


def test_words_stand_in_order_over_their_tags_with_an_arrow_into_each():
    drawing = Drawing(render_svg(vengo()))
    assert [text for _, text in drawing.words()] == ["Vengo", "de", "el", "mercado", "."]
    assert drawing.words() == sorted(drawing.words())
    tags = [(x, text, kind) for kind, x, _, text in drawing.texts if kind.startswith("u")]
    assert [text for _, text, _ in tags] == ["VERB", "ADP", "DET", "NOUN", "PUNCT"]
    assert [x for x, _, _ in tags] == [x for x, _ in drawing.words()]
    assert tags[0][2] == "u VERB"
    assert sorted(text for *_, text in drawing.labels()) == ["case", "det", "obl", "punct", "root"]
    assert len(drawing.points) == 5
    top = min(y for _, _, y, _ in drawing.labels())
    assert [text for *_, y, text in drawing.labels() if y == top] == ["root"]


def test_longer_arcs_lie_above_those_that_they_span():
    drawing = Drawing(render_svg(vengo()))
    heights = {text: y for *_, y, text in drawing.labels()}
    assert heights["root"] < heights["punct"] < heights["obl"] < heights["case"] < heights["det"]


def test_a_script_from_right_to_left_is_laid_out_from_the_right():
    hebrew = sentence_of("הילד/NOUN/2/nsubj", "אכל/VERB/0/root", "תפוח/NOUN/2/obj", "A4/NOUN/3/nmod", lang="he")
    drawing = Drawing(render_svg(hebrew))
    assert drawing.words() == sorted(drawing.words(), reverse=True)
    assert (drawing.root.get("lang"), drawing.root.get("direction")) == ("he", "rtl")
    assert_nothing_on_the_same_spot(drawing)
    forced = Drawing(render_svg(hebrew, direction="ltr"))
    assert forced.words() == sorted(forced.words())
    assert Drawing(render_svg(vengo(), direction="rtl")).words()[0][1] == "Vengo"


def test_wide_characters_get_the_room_they_need_and_marks_none():
    def distance(form):
        (first, _), (second, _) = Drawing(render_svg(sentence_of(f"{form}/X//", f"{form}/X//"))).words()
        return second - first

    assert distance("漢字漢字") > 4 * 16
    assert distance("abcd") < 4 * 16
    assert distance("a\u0308" * 4) == distance("aaaa")


def test_a_multiword_token_stands_under_its_words():
    drawing = Drawing(render_svg(vengo()))
    places = {text: x for x, text in drawing.words()}
    ((_, x, y, text),) = [t for t in drawing.texts if t[0] == "m"]
    assert text == "del"
    assert places["de"] < x < places["el"]
    assert y > max(y for kind, _, y, _ in drawing.texts if kind != "m")
    assert drawing.size()[1] > y
    wide = sentence_of("a/X//", "b/X//", "c/X//", multiwords=[(0, 1, "w" * 40), (2, 2, "z" * 30), (2, 7, "beyond")])
    drawing = Drawing(render_svg(wide))
    texts = [(x - 3 * len(t), x + 3 * len(t)) for kind, x, _, t in drawing.texts if kind == "m"]
    assert len(texts) == 2  # the last one is of words that are not there
    assert texts[0][0] >= 0
    assert texts[0][1] <= texts[1][0]
    assert texts[1][1] <= drawing.size()[0]


def test_the_picture_stands_alone_and_follows_darkness():
    picture = render_svg(vengo())
    for absent in ("<script", "href", "onload", "@import", "url(", " id="):
        assert absent not in picture
    assert "@media (prefers-color-scheme:dark)" in picture
    style = Drawing(picture).root.find(f"{SVG}style").text
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", style.replace("@media (prefers-color-scheme:dark){", ""))
    assert all(rule.strip().startswith(".calque-tree ") for rule in rules)
    assert all(sum(rule.endswith(f".{tag}") for rule in rules) == 2 for tag in UPOS)


def test_texts_cannot_break_the_picture():
    odd = sentence_of('<script>"&\x1b\ud800\uffff/X<y>/0/r<"&', lang='x"y')
    picture = render_svg(odd)
    drawing = Drawing(picture.encode().decode())
    assert drawing.words()[0][1] == '<script>"&\ufffd\ufffd\ufffd'
    assert drawing.labels()[0][3] == 'r<"&'
    assert "\x1b" not in picture
    assert drawing.root.get("lang") == 'x"y'
    assert [kind for kind, *_ in drawing.texts if kind.startswith("u")] == ["u X"]


def test_a_screen_reader_gets_the_sentence_and_the_head_of_each_word():
    root = Drawing(render_svg(vengo())).root
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert root[0].text == "Vengo del mercado ."
    assert root[1].text == (
        "1 Vengo: root. 2 de: case of 4 mercado. 3 el: det of 4 mercado. 4 mercado: obl of 1 Vengo. 5 .: punct of 1 Vengo."
    )


@pytest.mark.parametrize("heads", [[None, None, None], [1, 2, 3], [4, 99, -1]])
def test_words_without_a_head_among_the_others_have_no_arc(heads):
    sentence = Sentence([Token(form, upos="X", head=head, deprel="dep") for form, head in zip("abc", heads, strict=True)])
    drawing = Drawing(render_svg(sentence))
    assert [text for _, text in drawing.words()] == ["a", "b", "c"]
    assert (drawing.arcs, drawing.points) == ([], [])
    assert "1 a: no head. 2 b: no head." in drawing.root[1].text


def test_several_sentences_stand_under_each_other_each_with_its_names():
    hebrew = sentence_of("אכל/VERB/0/root", lang="he")
    drawing = Drawing(render_svgs(Document([vengo(), hebrew], lang="es")))
    groups = drawing.root.findall(f"{SVG}g")
    assert [(g.get("lang"), g.get("role"), g[0].text) for g in groups] == [
        ("es", "img", "Vengo del mercado ."),
        ("he", "img", "אכל"),
    ]
    (x1, y1), (x2, y2) = (map(float, re.findall(r"[\d.]+", g.get("transform"))) for g in groups)
    assert (x1, y1) == (0, 0)
    assert x2 > 0  # at the right edge
    assert y2 == pytest.approx(float(Drawing(render_svg(vengo())).root.get("viewBox").split()[3]), abs=0.1)
    assert drawing.size()[1] > y2
    assert drawing.root[0].text == "Vengo del mercado . אכל"


@pytest.mark.parametrize("picture", [render_svgs(Document()), render_svg(Sentence()), render_svgs(Document([Sentence()]))])
def test_nothing_to_draw_says_so(picture):
    assert Drawing(picture).words()[0][1] == "No words."


# On the terminal


def tree(*sentences, **options):
    console = Console(file=io.StringIO(), **options)
    render_tree(Document(list(sentences)), console)
    return console.file.getvalue()


def test_a_tree_in_a_file_is_plain():
    assert tree(vengo()) == (
        "Vengo del mercado .\n"
        "Vengo        VERB   root\n"
        "├── mercado  NOUN   obl\n"
        "│   ├── de   ADP    case  (del)\n"
        "│   └── el   DET    det  (del)\n"
        "└── .        PUNCT  punct\n"
    )


def test_wide_characters_keep_columns_straight_and_sentences_are_set_apart():
    chinese = sentence_of("我/PRON/2/nsubj", "喜欢/VERB/0/root")
    assert tree(chinese, chinese).split("\n\n")[0].split("\n") == ["我 喜欢", "喜欢    VERB   root", "└── 我  PRON   nsubj"]
    assert tree(chinese, chinese).count("\n\n") == 1


def test_a_terminal_gets_colours_and_the_same_lines():
    out = tree(vengo(), force_terminal=True, color_system="standard", width=80)
    assert "\x1b[36mNOUN" in out
    assert re.sub(r"\x1b\[[\d;]*m", "", out) == tree(vengo())


def test_lines_are_never_cut_or_wrapped():
    long = sentence_of(f"{'x' * 300}/X/0/root", f"{'y' * 300}/X/1/dep")
    for options in ({}, {"force_terminal": True, "color_system": None}):
        lines = tree(long, width=40, **options).split("\n")
        assert len(lines) == 4
        assert lines[2].startswith("└── " + "y" * 300)


def test_text_cannot_steer_the_terminal_and_is_not_taken_for_markup():
    out = tree(sentence_of("\x1b[31m[bold]x\x9b/\x07/0/\x1b"), force_terminal=True, color_system=None)
    assert not set("\x1b\x9b\x07") & set(out)
    assert out.count("\ufffd[31m[bold]x\ufffd") == 2


def test_no_heads_are_words_and_a_line_that_says_how_to_get_a_tree():
    lines = tree(sentence_of("a/X//", "b///")).split("\n")
    assert lines[:3] == ["a b", "a  X", "b  –"]
    assert lines[3].startswith("No tree")
    assert "calque train dep" in lines[3]
    assert "No tree" not in tree(vengo())


def test_heads_that_make_no_tree_are_shown_with_what_is_wrong():
    odd = sentence_of("a/X/3/dep", "b/X/1/dep", "c/X/1/dep", "d/X/0/root", "e/X/5/dep", "f/X/99/dep", "g/X//", "h/X/4/dep")
    assert tree(odd).split("\n")[1:-1] == [
        "d      X      root",
        "└── h  X      dep",
        "e      X      dep  its own head",
        "f      X      dep  no word 99",
        "g      X        no head",
        "a      X      dep  in a circle: its head is c",
        "├── b  X      dep",
        "└── c  X      dep",
    ]


@settings(max_examples=100, deadline=None)
@given(any_heads)
def test_every_word_is_shown_once_whatever_the_heads(heads):
    out = tree(Sentence([Token(f"w{n}", head=head, deprel=label) for n, (head, label) in enumerate(heads)], text="s"))
    shown = [re.match(r"[├└─│ ]*(w\d)  ", line)[1] for line in out.splitlines()[1:]]
    assert sorted(shown) == [f"w{n}" for n in range(len(heads))]


def test_no_words_at_all():
    assert tree() == "No words.\n"
