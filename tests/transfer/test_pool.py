"""What can be chosen from: samples, repetitions, what is known, what is too short or too long."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from calque.document import Sentence, Token
from calque.errors import CalqueError, DataError
from calque.transfer.pool import gather, read_known, read_raw


def sentence(text: str) -> Sentence:
    return Sentence([Token(word) for word in text.split()], text=text)


def texts(sentences: list[Sentence]) -> list[str | None]:
    return [s.text for s in sentences]


def test_all_that_fits_is_there_in_the_order_of_the_text() -> None:
    lines = [f"this is line {n}" for n in range(30)]
    assert texts(gather(map(sentence, lines)).sentences) == lines


def test_a_sample_has_the_size_and_depends_on_the_seed_alone() -> None:
    lines = [f"this is line {n}" for n in range(300)]
    one = gather(map(sentence, lines), size=20, seed=1)
    assert len(one.sentences) == 20 and one.surplus == 280 and one.read == 300
    again = gather(map(sentence, reversed(lines)), size=20, seed=1)
    assert set(texts(again.sentences)) == set(texts(one.sentences))
    assert set(texts(gather(map(sentence, lines), size=20, seed=2).sentences)) != set(texts(one.sentences))


def test_a_sample_prefers_no_part_of_the_text() -> None:
    lines = [f"this is line {n}" for n in range(100)]
    times = Counter(t for seed in range(60) for t in texts(gather(map(sentence, lines), size=10, seed=seed).sentences))
    halves = [sum(times[line] for line in lines[half : half + 50]) for half in (0, 50)]
    assert sum(halves) == 600 and abs(halves[0] - halves[1]) < 100  # four standard deviations


def test_repetitions_come_once_whatever_their_case_and_cut() -> None:
    again = Sentence([Token(w) for w in ("Je", "l'", "ai", "vu", ".")], text="Je l'ai vu .")
    pool = gather([sentence("Je l'ai vu ."), again, sentence("JE L'AI VU ."), sentence("Tu l'as vu .")])
    assert texts(pool.sentences) == ["Je l'ai vu .", "Tu l'as vu ."]
    assert pool.left_out() == {"repeated": 2}


def test_what_is_repeated_often_is_in_a_sample_no_more_often() -> None:
    lines = ["all rights are reserved"] * 500 + [f"this is line {n}" for n in range(500)]
    assert sum("all rights are reserved" in texts(gather(map(sentence, lines), size=50, seed=s).sentences) for s in range(20)) < 8


def test_what_is_labelled_already_is_left_out(tmp_path: Path) -> None:
    known = tmp_path / "known.conllu"
    rows = ["1\tEste", "2\tes", "3-4\tdel", "3\tde", "4\tel", "5\trey"]
    known.write_text("# text = Este es del rey\n" + "".join(row + "\t_" * 8 + "\n" for row in rows) + "\n", encoding="utf-8")
    pool = gather([sentence("este es del rey"), sentence("este es del gato")], known=read_known([known]))
    assert texts(pool.sentences) == ["este es del gato"] and pool.left_out() == {"labelled already": 1}


def test_short_and_long_ones_and_lines_without_letters_are_left_out() -> None:
    pool = gather(map(sentence, ["a b", "a b c d", "1 2 3 4 5", "a b c d e f g"]), shortest=3, longest=6)
    assert texts(pool.sentences) == ["a b c d"]
    assert pool.left_out() == {"too short": 2, "too long": 1}


def test_progress_is_told() -> None:
    told = []
    gather((sentence(f"this is line {n}") for n in range(2500)), progress=lambda *said: told.append(said))
    assert told == [("read", 1000, None), ("read", 2000, None)]


def test_raw_text_is_cut_and_conllu_keeps_its_words(tmp_path: Path) -> None:
    raw, conllu = tmp_path / "raw.txt.gz", tmp_path / "words"
    raw.write_bytes(gzip.compress("Vengo del mercado. ¿Y tú?\nElla duerme.\n".encode()))
    conllu.write_text(
        "# text = Ab cd\n1\tA\t_\tX\t_\t_\t_\t_\t_\tSpaceAfter=No\n2\tb\t_\tX\t_\t_\t_\t_\t_\t_\n\n", encoding="utf-8"
    )
    cut = list(read_raw(raw, lang="es"))
    assert [s.words for s in cut] == [["Vengo", "de", "el", "mercado", "."], ["¿", "Y", "tú", "?"], ["Ella", "duerme", "."]]
    assert [(s.words, s.lang) for s in read_raw(conllu, lang="es")] == [(["A", "b"], "es")]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        list(read_raw(tmp_path / "none.txt"))
    with pytest.raises(CalqueError, match="unknown language"):
        list(read_raw(tmp_path / "none.txt", lang="Klingonish"))


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_conllu_comes_whole_through_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forms = [f"word{n}" for n in range(2000)]  # more than is looked at, and more than a pipe holds
    rows = "".join(f"1\t{form}\t_\t_\t_\t_\t_\t_\t_\t_\n\n" for form in forms)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(rows.encode())))
    assert [s.words[0] for s in read_raw("-")] == forms
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(rows,))
    writer.start()
    assert [s.words[0] for s in read_raw(pipe)] == forms
    writer.join()
