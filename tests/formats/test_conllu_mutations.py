"""A thousand damaged CoNLL-U files: each is read, or refused with the line, and what can be read can be written."""

import gzip
import lzma
import random
import re
import time

import pytest

from calque.errors import FormatError
from calque.formats.conllu import format_sentences, read_conllu

FILES = 1000
JUNK = [
    b"\t",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"_",
    b"#",
    b"-",
    b".",
    b" ",
    b"\xff",
    b"\xc3",
    b"\xe2\x80\xa8",
    b"99",
    b"1-2\t",
    b"0.1\t",
]


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def insert_junk(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(JUNK) + data[at:]


def delete_span(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 40) :]


def truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def change_lines(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randrange(4)
    if kind == 0:
        lines.insert(a, lines[b])
    elif kind == 1:
        del lines[a]
    elif kind == 2:
        lines[a], lines[b] = lines[b], lines[a]
    else:
        lines[a : a + 2] = [b"".join(lines[a : a + 2])]
    return b"\n".join(lines)


def change_columns(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.choice([i for i, line in enumerate(lines) if b"\t" in line] or [0])
    columns = lines[at].split(b"\t")
    place = rng.randrange(len(columns))
    kind = rng.randrange(4)
    if kind == 0:
        columns.insert(place, columns[rng.randrange(len(columns))])
    elif kind == 1:
        del columns[place]
    elif kind == 2:
        columns[place] = rng.choice(JUNK)
    else:
        rng.shuffle(columns)
    lines[at] = b"\t".join(columns)
    return b"\n".join(lines)


MUTATORS = [flip_bytes, insert_junk, delete_span, truncate, change_lines, change_columns]


def test_a_thousand_mutated_files_are_read_or_refused_with_their_line(sample, tmp_path):
    rng = random.Random(20260)
    whole = sample.encode() * 3
    refused = 0
    begin = time.monotonic()
    for number in range(FILES):
        data = whole
        for _ in range(rng.randint(1, 3)):
            data = rng.choice(MUTATORS)(data, rng) or b"\n"
        path = tmp_path / f"{number}.conllu"
        path.write_bytes(data)
        try:
            list(read_conllu(path))
        except FormatError as error:
            refused += 1
            match = re.match(rf"{re.escape(str(path))}:(\d+): .{{10}}", str(error), re.DOTALL)
            assert match, error
            assert 1 <= int(match[1]) <= data.count(b"\n") + 1
        skipped: list[FormatError] = []
        kept = "".join(format_sentences(read_conllu(path, on_error="skip", skipped=skipped)))
        path.write_text(kept, encoding="utf-8", newline="")
        assert "".join(format_sentences(read_conllu(path))) == kept
    assert FILES // 2 < refused < FILES
    assert time.monotonic() - begin < 120  # a few seconds; this is about hanging


@pytest.mark.parametrize(("compress", "suffix"), [(gzip.compress, ".gz"), (lzma.compress, ".xz")])
def test_mutated_archives_are_read_or_refused_with_their_line(sample, tmp_path, compress, suffix):
    rng = random.Random(7)
    whole = compress(sample.encode() * 20)
    path = tmp_path / f"x.conllu{suffix}"
    for _ in range(200):
        head = 8  # the magic stays: without it the file is of another kind, which is another error
        data = whole[:head] + (rng.choice([flip_bytes, delete_span, truncate])(whole[head:], rng))
        path.write_bytes(data)
        try:
            list(read_conllu(path))
        except FormatError as error:
            assert re.match(rf"{re.escape(str(path))}:\d+: ", str(error)), error


@pytest.mark.shared
def test_real_treebanks_survive_byte_for_byte(shared_data):
    files = sorted((shared_data / "ud").glob("*/*.conllu.xz"))
    if not files:
        pytest.skip("no treebanks there")
    small = [p for p in files if p.stat().st_size < 60_000]
    words = 0
    for path in random.Random(1).sample(small, min(len(small), 60)):
        before = lzma.decompress(path.read_bytes())
        if not before.endswith(b"\n\n"):  # the one thing that is put right
            continue
        sentences = list(read_conllu(path))
        words += sum(len(s.tokens) for s in sentences)
        assert "".join(format_sentences(sentences)).encode() == before, path
    assert words > 0
