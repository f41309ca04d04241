from __future__ import annotations

import pytest

from calque.errors import CalqueError, DataError, MissingExtraError
from calque.evaluation import Evaluation, evaluate
from calque.evaluation.plots import plot

pytest.importorskip("matplotlib")
MAGIC = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.fixture
def evaluation(write_conllu, spanish, spanish_tagger):
    return evaluate(spanish_tagger, {"es": spanish, "fr": write_conllu("fr.conllu", ["le/DET pain/NOUN"])})


@pytest.mark.parametrize("suffix", MAGIC)
def test_a_picture_of_each_kind_is_written(evaluation, tmp_path, suffix):
    path = plot(evaluation, tmp_path / f"scores{suffix}")
    assert path.read_bytes().startswith(MAGIC[suffix])
    assert not list(tmp_path.glob(".*partial"))


def test_languages_stand_in_the_picture_by_name(evaluation, tmp_path, monkeypatch):
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "svg.fonttype", "none")
    text = plot(evaluation, tmp_path / "scores.svg").read_text()
    assert text.index("Spanish (es)") > 0
    assert "French (fr)" in text
    assert "mean 62.5" in text


def test_a_hundred_languages_take_columns_not_a_tower(write_conllu, spanish_tagger, tmp_path):
    from PIL import Image

    path = write_conllu("x.conllu", ["el/DET pan/NOUN"])
    evaluation = evaluate(spanish_tagger, {f"q{a}{b}": path for a in "abcdefghij" for b in "abcdefghij"}, resamples=10)
    with Image.open(plot(evaluation, tmp_path / "many.png")) as picture:
        width, height = picture.size
    assert 1 < width / height < 2.5


def test_another_suffix_or_folder_is_refused_by_name(evaluation, tmp_path):
    with pytest.raises(CalqueError, match=r"\.png, \.svg, \.pdf"):
        plot(evaluation, tmp_path / "scores.bmp")
    with pytest.raises(CalqueError, match="no such folder"):
        plot(evaluation, tmp_path / "nowhere" / "scores.png")


def test_nothing_to_draw_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no scores"):
        plot(Evaluation("m"), tmp_path / "scores.png")


def test_without_matplotlib_the_extra_is_named(evaluation, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"calque\[report\]"):
        plot(evaluation, tmp_path / "scores.png")
