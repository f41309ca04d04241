from __future__ import annotations

import pytest

from calque.languages import script_of


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("El gato", "Latn"),
        ("Привет, мир", "Cyrl"),
        ("مرحبا بالعالم", "Arab"),
        ("नमस्ते", "Deva"),
        ("שלום", "Hebr"),
        ("Γειά σου", "Grek"),
        ("สวัสดี", "Thai"),
        ("你好，世界", "Hani"),
        ("ひらがな", "Jpan"),
        ("漢字とひらがな", "Jpan"),
        ("カタカナ", "Jpan"),
        ("안녕하세요", "Kore"),
        ("გამარჯობა", "Geor"),
        ("Բարեւ", "Armn"),
        ("ሰላም", "Ethi"),
        ("ਸਤਿ ਸ੍ਰੀ ਅਕਾਲ", "Guru"),
        ("ภาษาไทย OK", "Thai"),
    ],
)
def test_dominant_script(text: str, script: str):
    assert script_of(text) == script


@pytest.mark.parametrize("text", ["", "123", "?!…", "😀", " \n", "１２３"])
def test_text_without_letters_has_no_script(text: str):
    assert script_of(text) is None


def test_a_kana_word_in_a_chinese_sentence_leaves_it_chinese():
    assert script_of("这个日语词の意思是什么，我们今天来学习一下") == "Hani"
