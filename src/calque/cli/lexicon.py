"""``calque lexicon``: a bilingual word list out of translated text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.errors import DataError


def lexicon_command(
    files: Annotated[list[str], typer.Argument(metavar="LANG=FILE LANG=FILE", help="A text and its translation, line by line.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Word, tab, translation, tab, links.")],
    fewest: Annotated[int, typer.Option(min=1, help="How often two words must be linked.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on standard output.")] = False,
) -> None:
    """Make a bilingual word list out of translated text.

    The first file's words come first. Give the list to  calque train pos --lexicon, or to  calque pretrain --lexicon.

    Example:  calque lexicon en=news.en.txt es=news.es.txt --output es.tsv
    """
    from calque.cli._common import console, echo_json, one_each, parse_lang_files
    from calque.cli._outputs import check_output

    found = list(one_each(parse_lang_files(files)).items())
    if len(found) != 2 or any(lang == "und" for lang, _ in found):
        raise DataError("give two files of two languages, such as  en=news.en.txt es=news.es.txt")
    (one, source), (other, target) = found
    check_output(output, (source, target))

    from calque.transfer.lexicons import lexicon_of, write_lexicon

    terminal = console(stderr=True)
    made = lexicon_of(source, target, (one, other), fewest=fewest, warn=lambda text: terminal.print(f"warning: {text}"))
    write_lexicon(made, output)
    words = len({entry[0] for entry in made})
    if as_json:
        echo_json({"output": str(output), "source": one, "target": other, "pairs": len(made), "words": words})
    else:
        terminal.print(f"{output}: {len(made):,} translations of {words:,} words")
