"""``calque parse``: text in, analysed sentences out.

Choices and trade-offs
- A text on the command line is shown as a table; a file or standard input becomes CoNLL-U, which other tools read, whether it
  goes to the screen, a pipe or ``--output``. A suffix of ``--output`` (.json, .jsonl, .html) says what it wants; ``--format``
  decides.
- A stream is analysed as it comes, in constant memory, in every format but HTML and SVG (one page needs all of it). JSON of a
  stream is JSON Lines, one sentence a line; a single text is one JSON object with the text and offsets into it.
- ``--workers`` shares a stream among processes (:mod:`calque.parallel`); what is written is the same. Workers also name the
  languages of words.
- ``--pretokenized`` keeps the words it is given: CoNLL-U (only the tag column is filled anew) or one sentence a line, told apart
  by the first lines.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from calque.cli._common import AdapterNames, ForOthers, Otherwise, check_typed, hint_file, output_stream
from calque.errors import DataError

if TYPE_CHECKING:
    from calque.adapterrouter import Choose
    from calque.document import Document, Sentence
    from calque.errors import FormatError
    from calque.pipeline import Tagger

SECONDS_A_COUNT = 0.5
TABLE_SENTENCES = 20  # of a stream, drawn with columns of one width


class Format(StrEnum):
    """How the analysis is written."""

    table = "table"
    conllu = "conllu"
    json = "json"
    html = "html"
    tree = "tree"
    svg = "svg"


class Backend(StrEnum):
    """How a model is run."""

    auto = "auto"
    onnx = "onnx"
    torch = "torch"


class OnError(StrEnum):
    """What to do with a malformed sentence."""

    stop = "raise"
    skip = "skip"


SUFFIXES = {
    ".conllu": Format.conllu,
    ".json": Format.json,
    ".jsonl": Format.json,
    ".html": Format.html,
    ".htm": Format.html,
    ".svg": Format.svg,
}


def parse_command(
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="The text, between quotes.", show_default=False)] = None,
    source: Annotated[
        str | None, typer.Option("--input", "-i", metavar="FILE", help="A UTF-8 file (.gz and .xz too); - for standard input.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file.")] = None,
    lang: Annotated[
        str, typer.Option("--lang", "-l", metavar="CODE", help="Language of the text (es, Spanish), or auto.")
    ] = "auto",
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", help="A model's name or folder, or a table of routes (.toml).", show_default="the embedded one"
        ),
    ] = None,
    tasks: Annotated[
        str | None,
        typer.Option("--tasks", metavar="pos,ner", help="Do these of the model's tasks alone.", show_default="all it has"),
    ] = None,
    treebank: Annotated[
        str | None,
        typer.Option(
            "--treebank", metavar="es_gsd", help="Label as this treebank does, of those that the model knows.", show_default=False
        ),
    ] = None,
    adapters: AdapterNames = None,
    otherwise: ForOthers = Otherwise.nearest,
    backend: Annotated[Backend, typer.Option("--backend", help="How the model is run.")] = Backend.auto,
    style: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="How to write the analysis.", show_default="table for TEXT, conllu for --input"),
    ] = None,
    pretokenized: Annotated[
        bool, typer.Option("--pretokenized", help="Keep the words given: CoNLL-U, or a sentence a line, words between spaces.")
    ] = False,
    on_error: Annotated[
        OnError, typer.Option("--on-error", help="At a malformed CoNLL-U sentence: stop, or skip it.")
    ] = OnError.stop,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes that share a big --input.")] = 1,
) -> None:
    """Analyse text: sentences, words, and what the model knows of them: tags, features, lemmas, trees, entities.

    Examples:  calque parse "El gato está en la mesa" --lang es

    calque parse --input book.txt.gz --output book.conllu --lang ca
    """
    if (text is None) == (source is None):
        raise typer.BadParameter(
            "give a TEXT, or a file with --input FILE (- for standard input)" + ("" if text is None else ", not both")
        )
    if on_error is OnError.skip and not pretokenized:
        raise typer.BadParameter("--on-error is for CoNLL-U, read with --pretokenized: raw text has no malformed sentences")
    if text is not None and workers > 1:
        raise typer.BadParameter("--workers is for --input FILE: a TEXT is analysed in one process")
    if text is not None:
        check_typed(text)
    tagger, lang = _prepare(model, backend, lang, tasks, treebank, adapters)
    from calque.adapterrouter import adapters_for
    from calque.pipeline import annotate

    choose = adapters_for(tagger, adapters, otherwise=otherwise.value, lang=None if lang == "auto" else lang)
    if text is not None:
        hint_file(text, "analysed")
        document = _of_text(text, lang, tagger, pretokenized, tasks, choose)
        with output_stream(output) as stream:
            _write_document(document, style or _style(output, Format.table), stream)
        return
    skipped: list[FormatError] = []
    label: Callable[[Iterable[Sentence]], Iterator[Sentence]]
    if workers == 1:
        label = partial(annotate, tagger=tagger, tasks=tasks, choose=choose)
    else:  # each opens the model by itself; here it was opened to see whether all is well
        from calque.parallel import annotate_parallel

        del tagger, choose
        label = partial(
            annotate_parallel, model=model, workers=workers, tasks=tasks, adapters=adapters, otherwise=otherwise.value,
            lang=None if lang == "auto" else lang, backend=backend.value, name_languages=not pretokenized and lang == "auto",
            treebank=treebank,
        )  # fmt: skip
    named = workers == 1  # else the workers name words' languages: it takes longer than all the rest that is done here
    # closed at once whatever happens: workers must not outlive an error of the writer
    with (
        output_stream(output) as stream,
        closing(_of_file(str(source), lang, label, pretokenized, on_error, skipped, named)) as sentences,
    ):
        _write_stream(_counted(sentences, output), style or _style(output, Format.conllu), stream)
    if skipped:
        from calque.formats.conllu import summarise_skipped

        typer.echo(summarise_skipped(skipped), err=True)


def _style(output: Path | None, usual: Format) -> Format:
    if output is None:
        return usual
    from calque.formats.files import suffix_of

    return SUFFIXES.get(suffix_of(output), Format.conllu)


def _prepare(
    model: str | None, backend: Backend, lang: str, tasks: str | None, treebank: str | None, adapters: str | None
) -> tuple[Tagger, str]:
    """The model and the language's code; what is wrong with either is said before any text is read."""
    from calque.conventions import following
    from calque.cutting import language_code
    from calque.loading import load
    from calque.pipeline import check_reach, check_tasks

    code = language_code(lang) or "auto"
    tagger: Tagger = load(model, backend=backend.value)
    check_tasks(tagger, tasks)
    check_reach(tagger, adapters)
    return (following(tagger, treebank, langs=[code]) if treebank else tagger), code


def _of_text(text: str, lang: str, tagger: Tagger, pretokenized: bool, tasks: str | None, choose: Choose | None) -> Document:
    from calque.cutting import cut
    from calque.pipeline import annotate

    if not pretokenized:
        document = cut(text, lang=lang)
        for _ in annotate(document.sentences, tagger, tasks=tasks, choose=choose):
            pass
        return document
    from calque.document import Document
    from calque.formats.text import looks_like_conllu, split_lines

    lines = re.findall(r".*\n|.+", text)  # as a file has them: other line ends of Unicode stand inside words
    if looks_like_conllu(lines):
        document = Document.from_conllu(text if text.endswith("\n\n") else text.rstrip("\n") + "\n\n")
    else:
        document = Document(list(split_lines(lines)), text=text)
    for _ in annotate([_speak(sentence, lang) for sentence in document.sentences], tagger, tasks=tasks, choose=choose):
        pass
    return document


def _of_file(
    source: str,
    lang: str,
    label: Callable[[Iterable[Sentence]], Iterator[Sentence]],
    pretokenized: bool,
    on_error: OnError,
    skipped: list[FormatError],
    named: bool,
) -> Generator[Sentence]:
    from calque.cutting import cut_stream
    from calque.formats.text import read_lines, read_pretokenized

    if not pretokenized:
        yield from label(cut_stream(_prose(read_lines(source), source), lang=lang, words=named))
        return
    read = read_pretokenized(source, on_error=on_error.value, skipped=skipped)
    yield from label(_speak(sentence, lang) for sentence in read)


def _prose(lines: Iterator[str], source: str) -> Iterator[str]:
    """Lines of text, as they come.

    :raises DataError: when they are CoNLL-U, whose columns are no sentences.
    """
    from calque.formats.text import LOOK_AHEAD, called, is_conllu

    head = []
    for line in islice(lines, LOOK_AHEAD):  # a text may be nothing but lines that begin with #
        head.append(line)
        if line.strip() and not line.startswith("#"):
            break
    if is_conllu(source, head):
        raise DataError(
            f"{called(source)}: is CoNLL-U, which is read with  --pretokenized  (its words are kept, and labelled); for raw text "
            "give it another name"
        )
    yield from chain(head, lines)


def _speak(sentence: Sentence, lang: str) -> Sentence:
    """Words that were given keep what is known of them: a language is added only when the user names it."""
    if lang != "auto":
        sentence.lang = lang
    return sentence


def _write_document(document: Document, style: Format, stream: TextIO) -> None:
    if style is Format.table:
        _draw(document, stream)
        return
    if style is Format.tree:
        _draw(document, stream, trees=True)
        return
    if style is Format.html:
        from calque.formats.render import render_html

        stream.write(render_html(document))
    elif style is Format.svg:
        from calque.formats.trees import render_svgs

        stream.write(render_svgs(document))
    elif style is Format.json:
        stream.write(document.to_json(indent=2) + "\n")
    else:
        stream.write(document.to_conllu())


def _write_stream(sentences: Iterator[Sentence], style: Format, stream: TextIO) -> None:
    from calque.document import Document

    if style in (Format.html, Format.svg):
        _write_document(Document(list(sentences)), style, stream)
    elif style is Format.json:
        import json

        for sentence in sentences:
            stream.write(json.dumps(sentence.to_dict(), ensure_ascii=False) + "\n")
    elif style is Format.conllu:
        from calque.formats.conllu import write_conllu

        write_conllu(sentences, stream)
    else:
        between = ""
        while some := list(islice(sentences, TABLE_SENTENCES)):
            stream.write(between)
            _draw(Document(some), stream, trees=style is Format.tree)
            between = "\n"


def _draw(document: Document, stream: TextIO, *, trees: bool = False) -> None:
    from rich.console import Console

    from calque.formats.render import render_table
    from calque.formats.trees import render_tree

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    if trees:
        render_tree(document, console)
    else:
        render_table(document, console)


def _counted(sentences: Iterator[Sentence], output: Path | None) -> Iterator[Sentence]:
    """The sentences, and on a terminal a line that counts them, unless the analysis goes to that terminal itself."""
    if not sys.stderr.isatty() or (output is None and sys.stdout.isatty()):
        yield from sentences
        return
    import time

    started = shown = time.monotonic()
    count = words = 0
    for sentence in sentences:
        yield sentence
        count, words = count + 1, words + len(sentence.tokens)
        now = time.monotonic()
        if now - shown > SECONDS_A_COUNT:
            shown = now
            _say(f"{count:,} sentences, {words:,} words, {words / (now - started):,.0f} words/s")
    _say(f"{count:,} sentences, {words:,} words, {words / max(time.monotonic() - started, 1e-9):,.0f} words/s\n")


def _say(text: str) -> None:
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()
