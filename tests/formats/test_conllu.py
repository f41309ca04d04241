import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.document import Document, EmptyNode, MultiwordToken, Sentence, Token
from calque.errors import CalqueError, DataError, FormatError
from calque.formats import conllu
from calque.formats.conllu import format_sentence, format_sentences, read_conllu, summarise_skipped, write_conllu


def read(text: str, **options) -> list[Sentence]:
    return list(read_conllu(io.StringIO(text, newline="\n"), **options))


def again(text: str) -> str:
    return "".join(format_sentences(read(text)))


def row(number: object, form: str = "x", *, head: object = 0, misc: str = "_") -> str:
    return f"{number}\t{form}\t_\t_\t_\t_\t{head}\t_\t_\t{misc}\n"


# what is read


def test_reads_words_with_their_columns(sample):
    first = read(sample)[0]
    assert first.words == ["Voy", "a", "el", "mercado", "de", "el", "pueblo"]
    assert first.tokens[0] == Token("Voy", "ir", "VERB", None, "Mood=Ind|Number=Sing", 0, "root")
    assert first.tokens[0].features == {"Mood": "Ind", "Number": "Sing"}
    assert first.text == "Voy al mercado del pueblo"
    assert first.sent_id == "s1"


def test_reads_multiword_tokens_and_empty_nodes(sample):
    first, second = read(sample)
    assert first.multiwords == [MultiwordToken(1, 2, "al"), MultiwordToken(4, 5, "del", feats="Typo=Yes")]
    assert [(n.after, n.number, n.token.text) for n in second.empty_nodes] == [(0, 1, "now"), (3, 1, "_"), (3, 2, "going")]


def test_reads_language_and_entity_from_misc(sample):
    second = read(sample)[1]
    assert [t.lang for t in second.tokens] == [None, None, None, "es", "es", None, None, None]
    assert second.tokens[6].entity == "B-QUANTITY"


def test_coreference_entities_and_foreign_ner_schemes_are_left_in_misc():
    (sentence,) = read(row(1, misc="Entity=(e1-person)|NER=person|OrigLang=de"))
    assert (sentence.tokens[0].entity, sentence.tokens[0].lang) == (None, None)
    (sentence,) = read(row(1, misc="NER=B- "))  # no type
    assert sentence.tokens[0].entity is None and sentence.to_dict()["entities"] == []


def test_an_underscore_is_a_form_and_elsewhere_nothing():
    token = read("1\t_\t_\t_\t_\t_\t_\t_\t_\t_\n\n")[0].tokens[0]
    assert token == Token("_")


def test_unicode_line_ends_and_no_break_spaces_stay_inside_columns():
    text = "# text = a\u0085b\u2028c\u00a0d\x0b\x1c\n" + row(1, "a\u0085b\u2028c\u00a0d")
    (sentence,) = read(text)
    assert sentence.words == ["a\u0085b\u2028c\u00a0d"]
    assert again(text + "\n") == text + "\n"


def test_text_comment_is_found_in_its_variants_only():
    assert read("#text=a\n" + row(1))[0].text == "a"
    assert read("# text_en = a\n" + row(1))[0].text is None
    assert read("# lang = es\n" + row(1))[0].lang == "es"
    assert read("# lang = Old_Egyptian\n" + row(1))[0].lang is None


# byte for byte


def test_everything_in_the_sample_comes_back_byte_for_byte(sample):
    assert again(sample) == sample


@pytest.mark.parametrize(
    "text",
    [
        row(1, "a b") + "\n",
        "# text =\ta\u00a0 b\n" + row(1) + "\n",
        "# text = x \n#\n##\n#x\n" + row(1) + "\n",
        row("1-2", "al", head="_", misc="Gloss=to|SpaceAfter=No") + row(1) + row(2) + "\n",
        "1-2\tal\tal\tADP\tX\tTypo=Yes\t3\tdep\t3:dep\tY\n" + row(1) + row(2) + row(3) + "\n",
        row("0.1", head="_") + row("1-2", head="_") + row(1) + row("1.1", head="_") + row(2) + row("2.1", head=1) + "\n",
        "# lang = xx_YY\n# text=odd\n" + row(1, misc="Lang=xx|Lang=yy|NER=B-x") + "\n",
        "".join(row(i, head=i - 1) for i in range(1, 1200)) + "\n",
    ],
)
def test_odd_but_valid_sentences_come_back_byte_for_byte(text):
    assert again(text) == text


def test_windows_line_ends_are_kept(sample, tmp_path):
    path = tmp_path / "windows.conllu"
    path.write_bytes(sample.replace("\n", "\r\n").encode())
    write_conllu(read_conllu(path), tmp_path / "out.conllu")
    assert (tmp_path / "out.conllu").read_bytes() == path.read_bytes()
    assert list(read_conllu(path))[0].words[0] == "Voy"


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s[:-2], lambda s: s + "\n\n", lambda s: "\n" + s, lambda s: "\ufeff" + s]
)
def test_missing_or_extra_empty_lines_and_a_byte_order_mark_are_put_right(sample, change):
    assert again(change(sample)) == sample


def test_files_with_byte_order_marks_can_be_put_together(sample):
    one, two = (list(read_conllu(io.StringIO(text))) for text in (sample, f"\ufeff{sample}\ufeff{sample}\ufeff"))
    assert [format_sentence(s) for s in two] == 2 * [format_sentence(s) for s in one]


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_files_are_streamed_compressed_or_not(sample, tmp_path, suffix):
    path = tmp_path / f"a.conllu{suffix}"
    write_conllu(read(sample), path)
    assert list(read_conllu(path)) == read(sample)
    path.rename(tmp_path / "renamed")  # what it is, its first bytes say
    assert list(read_conllu(str(tmp_path / "renamed"))) == read(sample)


def test_reads_standard_input_and_writes_standard_output(sample, monkeypatch, capsysbinary):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sample.encode())))
    write_conllu(read_conllu("-"), "-")
    assert capsysbinary.readouterr().out == sample.encode()


def test_reading_is_lazy_and_leaves_a_given_stream_open(sample):
    stream = io.StringIO(sample + row("nonsense"))
    sentences = read_conllu(stream)
    assert next(sentences).sent_id == "s1"
    assert next(sentences).sent_id == "s2"
    assert not stream.closed


# what is wrong

WRONG = {
    "9 columns": "1\tx\t_\t_\t_\t_\t0\t_\t_\n",
    "11 columns": row(1)[:-1] + "\t_\n",
    "separate columns by tabs": "1 x _ _ _ _ 0 _ _ _\n",
    "a line of white space": row(1) + " \t\n",
    "word 3 where 2 is expected": row(1) + row(3),
    "word 1 comes twice": row(1) + row(1),
    "word 2 where 1 is expected": row(2),
    "word 0 where 1": row(0),
    "id '01' is not a number": row("01"),
    "id 'x' is not a number": row("x"),
    "id '²' is not a number": row("²"),
    "id '' is not a number": row(""),
    "head 'x' is not a number": row(1, head="x"),
    "head '-1' is not a number": row(1, head="-1"),
    "head '00' is not a number": row(1, head="00"),
    "head '²' is not a number": row(1, head="²"),
    "head 2 is out of range": row(1, head=2),
    "head 123456 is out of range": row(1, head=123456),
    "a comment inside a sentence": row(1) + "# late\n",
    "a comment inside": row(1) + "# \t\t\t\t\t\t\t\t\t\n".replace("\t", "x\t"),
    "comments without a sentence": "# a\n",
    "the form is empty": row(1, ""),
    "a blank form": row(1, "\u00a0"),
    "column LEMMA is empty": row(1).replace("x\t_", "x\t"),
    "column MISC is empty": row(1)[:-2] + "\n",
    "1-1 is no range": row("1-1") + row(1),
    "2-1 is no range": row("2-1") + row(1),
    "-2 is no range": row("-2") + row(1),
    "1-2-3 is no range": row("1-2-3") + row(1) + row(2),
    "overlaps": row("1-2") + row("1-2") + row(1) + row(2),
    "1-2 is out of place": row(1) + row("1-2") + row(2),
    "3-4 is out of place": row(1) + row("3-4") + row(2),
    "1-2 passes the end": row("1-2") + row(1),
    "multiword token 1-2 has a blank form": row("1-2", " ") + row(1) + row(2),
    "2.1 is out of place": row(1) + row("2.1"),
    "here 1.1 is expected": row(1) + row("1.2"),
    "no proper id": row(1) + row("1.x"),
    "stands between": row("1-2") + row("0.1") + row(1) + row(2),
    "without words": row("0.1"),
    "a NUL character": row(1, "a\0"),
    "a carriage return inside": row(1, "a\rb"),
    "lines end partly in CRLF": row(1)[:-1] + "\r\n" + row(2),
    "not UTF-8": row(1, "a\ud800"),
}


@pytest.mark.parametrize(("what", "text"), WRONG.items())
def test_malformed_input_is_an_error_with_file_line_and_advice(what, text, tmp_path):
    path = tmp_path / "bad.conllu"
    before = "# good\n" + row(1) + "\n"
    path.write_bytes((before + text + "\n" + before).encode("utf-8", "surrogatepass"))
    with pytest.raises(FormatError) as caught:
        list(read_conllu(path))
    message = str(caught.value)
    name, line, _ = message.split(":", 2)
    assert name == str(path)
    assert what in message
    assert 4 <= int(line) < 4 + text.count("\n")


@pytest.mark.parametrize("text", WRONG.values())
def test_skipping_leaves_out_only_the_malformed_sentence(text, tmp_path):
    path = tmp_path / "bad.conllu"
    good = "# good\n" + row(1) + "\n"
    path.write_bytes((good + text + "\n" + good).encode("utf-8", "surrogatepass"))
    skipped: list[FormatError] = []
    assert len(list(read_conllu(path, on_error="skip", skipped=skipped))) == 2
    assert len(skipped) == 1


def test_the_line_is_that_of_the_second_of_two_equal_rows():
    with pytest.raises(FormatError, match=r"^<text>:3: word 2 comes twice"):
        read(row(1) + row(2) + row(2))


def test_the_line_of_bytes_that_are_not_utf8_is_named(tmp_path):
    path = tmp_path / "latin1.conllu"
    path.write_bytes((row(1) + row(2, "año") + "\n").encode("latin-1"))
    with pytest.raises(FormatError, match=r"latin1.conllu:2: not UTF-8 \(byte 0xf1 at position 4\)"):
        list(read_conllu(path))


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"\r\n"])
def test_an_empty_file_has_no_sentences(tmp_path, data):
    path = tmp_path / "empty.conllu"
    path.write_bytes(data)
    assert list(read_conllu(path)) == []


def test_utf16_is_refused_and_not_a_traceback(sample, tmp_path):
    path = tmp_path / "wide.conllu"
    path.write_bytes(sample.encode("utf-16"))
    with pytest.raises(FormatError, match=":1: not UTF-8"):
        list(read_conllu(path))


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_truncated_archive_gives_its_whole_sentences_and_an_error(sample, tmp_path, suffix):
    import random

    path = tmp_path / f"cut.conllu{suffix}"
    noise = random.Random(0)
    sentences = "".join(row(1, str(noise.getrandbits(200))) + "\n" for _ in range(2_000))
    write_conllu(read(sentences), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"cut.conllu\.\w\w:\d+: the compressed file is damaged or cut short"):
        list(read_conllu(path))
    skipped: list[FormatError] = []
    assert 0 < len(list(read_conllu(path, on_error="skip", skipped=skipped))) < 2_000
    assert len(skipped) == 1


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_damaged_archives_and_names_that_lie_are_errors(sample, tmp_path, suffix):
    path = tmp_path / f"a.conllu{suffix}"
    write_conllu(read(sample), path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FormatError, match="damaged or cut short"):
        list(read_conllu(path))
    path.write_text(sample)
    with pytest.raises(DataError, match="not (gzip|xz)-compressed although its name says so"):
        list(read_conllu(path))


def test_missing_files_and_folders_are_errors_that_say_so(tmp_path):
    with pytest.raises(DataError, match="no such file: check the path"):
        list(read_conllu(tmp_path / "none.conllu"))
    with pytest.raises(DataError, match="is a folder: give a file"):
        list(read_conllu(tmp_path))
    with pytest.raises(DataError, match="not a file name"):
        list(read_conllu("a\0b"))


def test_a_file_without_sentence_ends_is_refused_before_it_fills_the_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(conllu, "LONGEST_LINE", 1000)
    monkeypatch.setattr(conllu, "MOST_LINES", 1000)
    path = tmp_path / "endless"
    path.write_bytes(b"\0" * 5000)
    with pytest.raises(FormatError, match="1: a sentence without end"):
        list(read_conllu(path))
    path.write_text("".join(row(i) for i in range(1, 2000)))
    with pytest.raises(FormatError, match="1001: a sentence without end"):
        list(read_conllu(path))


def test_a_text_stream_of_another_encoding_is_an_error(tmp_path):
    path = tmp_path / "latin1.conllu"
    path.write_bytes(row(1, "año").encode("latin-1"))
    with open(path, encoding="utf-8") as stream, pytest.raises(FormatError, match="not UTF-8"):
        list(read_conllu(stream))


def test_the_summary_counts_and_shows_the_first_errors():
    skipped: list[FormatError] = []
    read((row(2) + "\n") * 7, on_error="skip", skipped=skipped)
    summary = summarise_skipped(skipped)
    assert summary.startswith("skipped 7 malformed sentences:\n  <text>:1: word 2")
    assert summary.endswith("… and 2 more")
    assert summarise_skipped(skipped[:1]).startswith("skipped 1 malformed sentence:\n")
    assert summarise_skipped([]) == ""


# what is written


def parsed() -> list[Sentence]:
    """Two sentences as segmentation and a tagger give them: «Voy al\tmercado!你好。»."""
    first = Sentence(
        [Token("Voy", upos="VERB", start=0, end=3, score=0.9), Token("a"), Token("el"), Token("mercado", start=7, end=14)],
        [MultiwordToken(1, 2, "al", start=4, end=6)],
        text="Voy al\tmercado!",
        start=0,
        end=15,
        lang="es",
    )
    first.tokens.append(Token("!", upos="PUNCT", start=14, end=15))
    second = Sentence(
        [Token("你好", start=15, end=17, lang="zh"), Token("。", start=17, end=18, entity="O")], text="你好。", start=15, end=18
    )
    return [first, second]


def test_a_sentence_from_raw_text_gets_its_id_text_and_spacing():
    out = Document(parsed()).to_conllu()
    assert out == (
        "# sent_id = 1\n# text = Voy al mercado!\n# lang = es\n"
        "1\tVoy\t_\tVERB\t_\t_\t_\t_\t_\t_\n2-3\tal\t_\t_\t_\t_\t_\t_\t_\t_\n2\ta\t_\t_\t_\t_\t_\t_\t_\t_\n3\tel\t_\t_\t_\t_\t_\t_\t_\t_\n"
        "4\tmercado\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n5\t!\t_\tPUNCT\t_\t_\t_\t_\t_\tSpaceAfter=No\n\n"
        "# sent_id = 2\n# text = 你好。\n"
        "1\t你好\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No|Lang=zh\n2\t。\t_\t_\t_\t_\t_\t_\t_\tNER=O\n\n"
    )


def test_what_was_written_for_raw_text_reads_again_with_the_same_text_and_offsets():
    document = Document.from_conllu(Document(parsed()).to_conllu())
    assert document.text == "Voy al mercado!你好。"
    assert [(t.start, t.end) for t in document.tokens] == [(t.start, t.end) for s in parsed() for t in s.tokens]
    assert [t.lang for t in document.tokens][-2:] == ["zh", None]
    assert document.sentences[0].lang == "es"


def test_changed_text_language_and_entity_replace_what_was_read():
    (sentence,) = read("# text = x\n# sent_id = 7\n# lang = en\n" + row(1, misc="A=1|Lang=en|NER=B-PER"))
    sentence.text, sentence.lang = "X", "es"
    sentence.tokens[0].lang, sentence.tokens[0].entity = "ca", "B-LOC"
    assert sentence.to_conllu() == "# text = X\n# sent_id = 7\n# lang = es\n" + row(1, misc="A=1|Lang=ca|NER=B-LOC") + "\n"


def test_a_sentence_without_words_is_not_written():
    assert format_sentence(Sentence(comments=["# x"])) == ""


@pytest.mark.parametrize(
    "sentence",
    [
        Sentence([Token("a\tb")]),
        Sentence([Token("a\nb")]),
        Sentence([Token("a\rb")]),
        Sentence([Token("")]),
        Sentence([Token("a", head=2)]),
        Sentence([Token("a", misc="x\ty")]),
        Sentence([Token("a")], comments=["no hash"]),
        Sentence([Token("a")], comments=["# two\nlines"]),
        Sentence([Token("a")], [MultiwordToken(0, 1, "ab")]),
        Sentence([Token("a"), Token("b"), Token("c")], [MultiwordToken(0, 1, "ab"), MultiwordToken(1, 2, "bc")]),
        Sentence([Token("a")], empty_nodes=[EmptyNode(5, 1, Token("x"))]),
        Sentence([Token("a")], [MultiwordToken(4, 5, "x")]),
    ],
)
def test_what_conllu_cannot_hold_is_an_error_and_leaves_the_old_file(sentence, tmp_path):
    path = tmp_path / "out.conllu"
    path.write_text("old")
    with pytest.raises(CalqueError, match="sentence '"):
        write_conllu([sentence], path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# properties

SPACES = "\t\n\r\0"
columns = st.text(st.characters(exclude_characters=SPACES, exclude_categories=["Cs"]), min_size=1, max_size=8)
optional = st.none() | columns.filter(lambda s: s != "_")
forms = columns.filter(lambda s: not s.isspace())


@st.composite
def sentences(draw) -> Sentence:
    words = draw(st.lists(forms, min_size=1, max_size=6))
    heads = st.none() | st.integers(0, len(words))
    tokens = [Token(w, *(draw(optional) for _ in range(4)), draw(heads), *(draw(optional) for _ in range(3))) for w in words]
    sentence = Sentence(tokens, newline=draw(st.sampled_from(["\n", "\r\n"])))
    at = 0
    while at + 1 < len(words) and draw(st.booleans()):
        first = draw(st.integers(at, len(words) - 2))
        last = draw(st.integers(first + 1, len(words) - 1))
        sentence.multiwords.append(MultiwordToken(first, last, draw(forms), draw(optional), feats=draw(optional)))
        at = last + 1
    for after in sorted(draw(st.sets(st.integers(0, len(words)), max_size=3))):
        for number in range(1, draw(st.integers(1, 2)) + 1):
            sentence.empty_nodes.append(EmptyNode(after, number, Token(draw(forms), draw(optional))))
    sentence.comments = ["#" + c for c in draw(st.lists(columns, max_size=3))]
    return sentence


@given(st.lists(sentences(), max_size=3))
def test_generated_sentences_come_back_equal_and_their_bytes_too(generated):
    text = "".join(format_sentences(generated))
    back = read(text)
    for mine, theirs in zip(generated, back, strict=True):
        theirs.text = theirs.lang = None  # a comment may happen to be one
        for token in theirs.tokens:
            token.lang = token.entity = None
        assert theirs == mine
    assert again(text) == text


@given(st.text(st.sampled_from("12-.#_x\t\n \r\0é\u2028=") | st.characters(), max_size=200))
def test_any_text_is_read_or_refused_with_a_line(text):
    try:
        read(text)
    except FormatError as error:
        assert 1 <= int(str(error).split(":")[1]) <= text.count("\n") + 1


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("bytes") / "x"
    path.write_bytes(data)
    try:
        list(read_conllu(path))
    except FormatError as error:
        assert int(str(error).removeprefix(f"{path}:").split(":")[0]) >= 1
