"""Chinese, Japanese and Thai: characters to words."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from calque.errors import CalqueError
from calque.segmentation import characters, register_segmenter, segment, segmenter_for, unregister_segmenter
from calque.segmentation.libraries import sudachi
from calque.segmentation.rules import RuleSegmenter


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("zh", "我们在北京学习。", "我们 在 北京 学习 。"),
        ("zh", "我喜欢吃苹果，也喜欢看电影。", "我 喜欢 吃 苹果 ， 也 喜欢 看 电影 。"),
        ("zh", "2019年GDP增长6.1%", "2019 年 GDP 增长 6.1 %"),
        ("ja", "今日は天気がいいですね。", "今日 は 天気 が いい です ね 。"),
        ("ja", "私は学生です。", "私 は 学生 です 。"),
        ("th", "ผมชอบกินข้าว", "ผม ชอบ กิน ข้าว"),
    ],
)
def test_everyday_sentences_are_cut_into_words(lang: str, text: str, expected: str) -> None:
    assert " ".join(t.text for s in segment(text, lang).sentences for t in s.tokens) == expected


def test_the_script_chooses_the_tagger_when_the_language_is_unknown() -> None:
    tokens = [t.text for t in segment("I live in 北京 now").sentences[0].tokens]
    assert tokens == ["I", "live", "in", "北京", "now"]
    assert len(segment("私は学生です").sentences[0].tokens) == 4


def test_a_long_paragraph_is_cut_the_same_wherever_it_is_read() -> None:
    unit = "我们在北京学习。"
    text = unit * 8000  # longer than what is computed at once
    starts = characters.word_starts(text, "zh")
    assert len(starts) == len(text)
    inner = starts[len(unit) : -len(unit)]
    assert inner == starts[len(unit) : 2 * len(unit)] * (len(inner) // len(unit))


@pytest.mark.parametrize("name", ["zh", "ja", "th"])
def test_the_tables_are_small_and_load_without_pickle(name: str) -> None:
    path = characters.WEIGHTS / f"{name}.npz"
    assert path.stat().st_size < 300_000
    tagger = characters.load(name)
    assert tagger.weights.dtype == np.int8 and np.count_nonzero(tagger.weights) > 10_000


def test_another_source_of_word_starts_can_be_used_and_registered() -> None:
    every_character = RuleSegmenter("zh", starts=lambda text: [True] * len(text))
    register_segmenter("zh", every_character)
    try:
        assert segmenter_for("zh-Hant") is every_character
        assert len(segment("我们在北京", "zh").sentences[0].tokens) == 5
    finally:
        unregister_segmenter("zh")
    assert len(segment("我们在北京", "zh").sentences[0].tokens) == 3


def test_a_language_code_may_have_a_region_or_be_auto() -> None:
    assert segmenter_for("pt-BR") is segmenter_for("pt")
    assert segmenter_for("auto") is segmenter_for(None)


def test_a_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sudachipy", None)
    with pytest.raises(CalqueError, match="pip install sudachipy sudachidict_core"):
        sudachi()


def test_numpy_is_not_imported_for_languages_with_spaces() -> None:
    code = (
        "import sys; from calque.segmentation import segment; segment('Vamos al cine.', 'es'); sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
