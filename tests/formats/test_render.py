import html
import io
import re
from html.parser import HTMLParser

from rich.console import Console

from calque.document import Document, MultiwordToken, Sentence, Token
from calque.formats.render import UPOS, render_html, render_table


def table(document: Document, **options) -> str:
    console = Console(file=io.StringIO(), **options)
    render_table(document, console)
    return console.file.getvalue()


def del_gato() -> Document:
    tokens = [Token("de", upos="ADP", score=0.9), Token("el", upos="DET", score=1.0), Token("gato", upos="NOUN", score=0.25)]
    return Document([Sentence(tokens, [MultiwordToken(0, 1, "del")])], "del gato", "es")


class Tags(HTMLParser):
    """Checks that every element is closed in order, and collects the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_table_that_goes_to_a_file_is_plain_and_aligned():
    assert table(del_gato()) == (
        "#    word  UPOS  score\n1-2  del\n1      de  ADP   0.90\n2      el  DET   1.00\n3    gato  NOUN  0.25\n"
    )


def test_wide_characters_keep_the_columns_straight():
    document = Document([Sentence([Token("你好", upos="INTJ"), Token("a", upos="X")])])
    assert table(document) == "#  word  UPOS\n1  你好  INTJ\n2  a     X\n"


def test_plain_tables_never_wrap_or_cut_and_sentences_are_set_apart():
    long = Token("x" * 300, upos="X", feats="F=" + "y" * 300)
    document = Document([Sentence([long]), Sentence([Token("z")])])
    lines = table(document, width=40).split("\n")
    assert lines[1] == f"1  {'x' * 300}  X     F={'y' * 300}"
    assert lines[2:] == ["", "1  z", ""]


def test_a_terminal_gets_colours_and_bars():
    out = table(del_gato(), force_terminal=True, color_system="standard", width=80)
    assert "\x1b[36mNOUN" in out
    assert "█████ " in out
    assert "█▎" in out
    assert "del" in re.sub(r"\x1b\[[\d;]*m", "", out)


def test_a_narrow_terminal_loses_no_letter():
    document = Document([Sentence([Token("Donaudampfschifffahrtsgesellschaft", upos="NOUN")])])
    out = re.sub(r"\x1b\[[\d;]*m", "", table(document, force_terminal=True, width=24))
    assert "".join(re.findall(r"[A-Za-z]+", out)).replace("NOUN", "").endswith("Donaudampfschifffahrtsgesellschaft")


def test_columns_appear_only_where_there_is_something_to_show():
    token = Token("x", "x", "X", None, "A=B", 0, "root", entity="B-PER")
    header = table(Document([Sentence([token])])).split("\n")[0]
    assert header.split() == ["#", "word", "UPOS", "entity", "lemma", "features", "head", "relation"]
    assert table(Document([Sentence([Token("x", entity="O")])])).split("\n")[0].split() == ["#", "word", "UPOS"]


def test_the_language_column_appears_when_languages_are_mixed():
    def header(*langs: str | None, lang: str | None = None) -> str:
        return table(Document([Sentence([Token("x", lang=code) for code in langs])], lang=lang)).split("\n")[0]

    assert "language" in header("en", "es")
    assert "language" in header("es", None, lang="en")
    assert "language" not in header("es", "es", None)
    assert "language" not in header("es", lang="es")


def test_text_cannot_steer_the_terminal_and_is_not_taken_for_markup():
    document = Document([Sentence([Token("\x1b[31m[bold]x[/bold]\x9b", upos="X")])])
    for out in (table(document), table(document, force_terminal=True, color_system=None)):
        assert "\x1b[31m" not in out
        assert "\x9b" not in out
        assert "\ufffd[31m[bold]x[/bold]\ufffd" in out


def test_an_empty_document_is_a_header_and_a_page():
    assert table(Document()) == "#  word  UPOS\n"
    assert "No words." in Tags(render_html(Document())).text
    assert "No words." in Tags(render_html(Document([Sentence()]))).text


def test_the_page_is_whole_escaped_and_self_contained():
    document = del_gato()
    document.sentences[0].tokens[2].text = '<script>"&'
    page = render_html(document)
    tags = Tags(page)
    assert "<script" not in page
    assert not any(key in attributes for _, attributes in tags.seen for key in ("src", "href", "onclick"))
    assert "http" not in page
    assert '<script>"&' in tags.text
    assert ("html", {"lang": "es"}) in tags.seen


def test_the_page_follows_direction_and_darkness_and_names_the_tags():
    sentence = Sentence([Token("שלום", upos="INTJ", lang="he"), Token("?", upos="PUNCT")], lang="he", text="שלום?")
    page = render_html(Document([sentence]))
    assert 'dir="auto" lang="he"' in page
    assert "prefers-color-scheme:dark" in page
    assert 'class="u INTJ" title="שלום · interjection · he"' in page
    assert '<th scope="col">word</th>' in page


def test_the_page_shows_multiword_tokens_over_the_tags_of_their_words_and_spacing_as_written():
    page = render_html(del_gato())
    assert re.search(
        r'<span class="f">del</span><span class="us"><span class="u ADP".*?>ADP</span><span class="u DET".*?>DET<', page
    )
    sentence = Sentence([Token("a", misc="SpaceAfter=No"), Token("b", upos="odd\x1b<")])
    page = render_html(Document([sentence]))
    assert "</span><wbr><span" in page
    assert "odd\ufffd&lt;" in page


def test_every_universal_tag_has_a_name_and_a_colour():
    assert len(UPOS) == 17
    page = render_html(Document([Sentence([Token("x", upos=tag) for tag in UPOS])]))
    assert all(f".{tag}{{--h:" in page for tag in UPOS)


def test_the_page_shows_entities_and_the_tree() -> None:
    words = [
        Token("Ana", upos="PROPN", head=2, deprel="nsubj", entity="B-PER"),
        Token("duerme", upos="VERB", head=0, deprel="root", entity="O"),
    ]
    page = render_html(Document([Sentence(tokens=words)]))
    assert '<span class="f n">Ana</span>' in page
    assert '<span class="e" dir="ltr">PER</span>' in page
    assert "<svg" in page and "nsubj" in page
    plain = render_html(Document([Sentence(tokens=[Token("Ana", upos="PROPN")])]))
    assert "<svg" not in plain and 'class="e"' not in plain


def test_a_notebook_shows_the_page_in_a_frame_and_not_all_of_a_long_text():
    short = Document([Sentence([Token('"a"', upos="NOUN")])])
    assert html.unescape(short._repr_html_()).count("<html") == 1
    assert 'srcdoc="&lt;!' in short._repr_html_()
    assert "more sentences" not in short._repr_html_()
    long = Document([Sentence([Token(f"word{n}", upos="NOUN")]) for n in range(1_050)])
    assert "<p>… and 1,030 more sentences</p>" in long._repr_html_()
    assert "word19" in long._repr_html_()
    assert "word20" not in long._repr_html_()
