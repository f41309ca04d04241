import gzip
import lzma
import os

import pytest

from calque.errors import DataError
from calque.formats.files import atomic_write, atomic_write_bytes, open_binary, open_text


@pytest.mark.parametrize(("suffix", "unpack"), [("", bytes), (".gz", gzip.decompress), (".xz", lzma.decompress)])
def test_what_is_written_is_compressed_by_its_suffix_and_read_again(tmp_path, suffix, unpack):
    path = tmp_path / f"a.txt{suffix}"
    text = "línea\u2028una\r\notra\n"
    with atomic_write(path) as stream:
        stream.write(text)
    assert unpack(path.read_bytes()) == text.encode()
    with open_text(path) as stream:
        assert list(stream) == ["línea\u2028una\r\n", "otra\n"]
    with open_text(path, "wt") as stream:
        stream.write("x\n")
    assert unpack(path.read_bytes()) == b"x\n"


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path, suffix):
    path = tmp_path / f"a.txt{suffix}"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as stream:
        stream.write("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_equal_content_gives_equal_gzip_bytes(tmp_path):
    for name in ("a.gz", "b.gz"):
        with atomic_write_bytes(tmp_path / name) as stream:
            stream.write(b"same")
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_links_are_written_through_and_rights_are_kept(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    with atomic_write(link) as stream:
        stream.write("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_devices_are_written_to_and_not_replaced():
    with atomic_write(os.devnull) as stream:
        stream.write("gone")
    assert not os.path.isfile(os.devnull)


def test_where_one_cannot_write_the_error_names_the_file_asked_for(tmp_path):
    with (
        pytest.raises(DataError, match=r"none/x: cannot be written, its folder does not exist"),
        atomic_write(tmp_path / "none" / "x"),
    ):
        pass
    with pytest.raises(DataError, match="is a folder: give a file"), atomic_write(tmp_path):
        pass


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_rights_is_an_error(tmp_path):
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(DataError, match="no permission to read it"):
        open_binary(path)


def test_only_reading_and_writing_are_modes(tmp_path):
    with pytest.raises(ValueError, match="only 'r' and 'w'"):
        open_text(tmp_path / "x", "a")


def test_half_a_character_is_named_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(DataError, match=r"a\.txt: half a character \(U\+D83D\) is in the text"), atomic_write(target) as stream:
        stream.write("hola \ud83d mundo")
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
