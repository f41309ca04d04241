"""Words to pieces, for each family of tokenizers, trained here on a few lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from calque.errors import ModelError
from calque.pieces import MAX_PIECES_A_WORD, POOLINGS, WordPieces, budget_batches
from calque.tokenizing import has_letter
from calque.wordforms import HIDDEN, WordForms

LINES = [
    "one horse and another horse went to the market in 2024 .",
    "el gato negro está en la mesa , y la casa también .",
    "der Hund schläft auf dem Sofa , aber die Katze nicht !",
    "кошка спит на столе и собака спит на полу .",
    "猫 在 桌子 上 睡觉 。",
    "don't stop , it's re-entry at 10:30 — naïve café",
] * 3
WORDS = [
    "one",
    "horse",
    "gato",
    "está",
    "Don't",
    "кошка",
    "猫",
    "桌子上",
    "2024",
    ",",
    "—",
    "re-entry",
    "🙂",
    "zzz",
    "Ünïted",
    "ﬁn",
]
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def _ends(tokenizer: Tokenizer, first: str, last: str) -> Tokenizer:
    ids = [(name, tokenizer.token_to_id(name)) for name in (first, last)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=ids)
    return tokenizer


def wordpiece() -> Tokenizer:
    """BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(LINES, trainers.WordPieceTrainer(vocab_size=160, special_tokens=special, show_progress=False))
    return _ends(tokenizer, "[CLS]", "[SEP]")


def unigram(scheme: str) -> Tokenizer:
    """XLM-R (``always`` or ``first``)."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    trainer = trainers.UnigramTrainer(vocab_size=160, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return _ends(tokenizer, "<s>", "</s>")


def t5() -> Tokenizer:
    """T5: whitespace first, then Metaspace; nothing before a sentence, one piece after."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=160, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def byte_level(prefix_space: bool, vocabulary: int = 400) -> Tokenizer:
    """RoBERTa and ModernBERT: a word's first piece holds the space before it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    return _ends(tokenizer, "<s>", "</s>")


def gemma() -> Tokenizer:
    """Gemma and mmBERT: spaces become ``▁`` in the normaliser, and no word gets one of its own."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{i:02X}>" for i in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return _ends(tokenizer, "<bos>", "<eos>")


FAMILIES = {
    "bert": wordpiece,
    "xlmr-always": lambda: unigram("always"),
    "xlmr-first": lambda: unigram("first"),
    "t5": t5,
    "roberta": lambda: byte_level(prefix_space=False),
    "roberta-prefix": lambda: byte_level(prefix_space=True),
    "bytes-only": lambda: byte_level(prefix_space=False, vocabulary=261),
    "gemma": gemma,
}
WITH_SPACE = {"roberta", "bytes-only", "gemma"}


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    return {name: make() for name, make in FAMILIES.items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_of_words_are_those_of_running_text(tokenizers: dict[str, Tokenizer], family: str) -> None:
    tokenizer = tokenizers[family]
    pieces = WordPieces(tokenizer)
    assert pieces.space == (family in WITH_SPACE)
    for words in (WORDS, WORDS[::-1], ["gato"], [w for line in LINES[:6] for w in line.split()]):
        (row,) = pieces.rows([words])
        running = (" " if pieces.space else "") + " ".join(words)
        assert row.ids.tolist() == tokenizer.encode(running, add_special_tokens=False).ids


@pytest.mark.parametrize("family", FAMILIES)
def test_special_pieces_stand_around_each_row(tokenizers: dict[str, Tokenizer], family: str) -> None:
    tokenizer = tokenizers[family]
    pieces = WordPieces(tokenizer)
    batch = pieces.batch(pieces.rows([["el", "gato"], ["horse"]]))
    text = (" " if pieces.space else "") + "el gato"
    assert batch.input_ids[0, : batch.attention_mask[0].sum()].tolist() == tokenizer.encode(text).ids
    assert (batch.input_ids[1][batch.attention_mask[1] == 0] == pieces.pad_id).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_odd_words_have_at_least_one_piece(tokenizers: dict[str, Tokenizer], family: str) -> None:
    words = ["", " ", "\u200b", "\x00", "\ufe0f", "\u0301", "10 000", "  a  ", "\n", "<s>", "</s>", "[SEP]", "<pad>", "a" * 5000]
    pieces = WordPieces(tokenizers[family])
    (row,) = pieces.rows([words])
    lengths = np.diff(np.append(row.starts, len(row.ids)))
    assert len(lengths) == len(words)
    assert lengths.min() >= 1
    assert lengths.max() <= MAX_PIECES_A_WORD


@pytest.mark.parametrize("family", FAMILIES)
def test_words_that_spell_special_pieces_are_text(tokenizers: dict[str, Tokenizer], family: str) -> None:
    pieces = WordPieces(tokenizers[family])
    special = {pieces.pad_id, *pieces.prefix, *pieces.suffix}
    for word in ("<s>", "</s>", "<pad>", "[CLS]", "[SEP]", "[PAD]", "<bos>", "<eos>", "<unk>"):
        (row,) = pieces.rows([[word]])
        assert not special & set(row.ids.tolist()), word


def test_a_megabyte_word_is_cut_quickly(tokenizers: dict[str, Tokenizer]) -> None:
    (row,) = WordPieces(tokenizers["xlmr-always"]).rows([["ab" * 500_000, "gato"]])
    assert row.words == 2


def test_remembered_words_are_cut_as_fresh_ones(tokenizers: dict[str, Tokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calque.pieces.WORDS_KEPT", 3)
    pieces = WordPieces(tokenizers["gemma"])
    wanted = WordPieces(tokenizers["gemma"]).rows([WORDS])[0].ids.tolist()
    for _ in range(3):
        assert pieces.rows([WORDS])[0].ids.tolist() == wanted
    (row,) = pieces.rows([["gato"]])
    pieces.pad_with(int(row.ids[0]))
    assert pieces.rows([["gato"]])[0].ids[0] == pieces.unknown_id


@pytest.mark.parametrize("pooling", ["mean", "first", "letters"])
def test_pooling_takes_every_word_and_nothing_else(tokenizers: dict[str, Tokenizer], pooling: str) -> None:
    pieces = WordPieces(tokenizers["bert"], pooling=pooling)
    rows = pieces.rows([["re-entry", "gato"], ["zzzzzz"]])
    batch = pieces.batch(rows)
    sums = batch.pooling.sum(axis=2)
    assert np.allclose(sums, [[1, 1], [1, 0]])
    assert batch.pooling.dtype == np.float32
    starts = [r.starts + len(pieces.prefix) for r in rows]
    for i, row in enumerate(rows):
        used = np.flatnonzero(batch.pooling[i].sum(axis=0))
        wanted = starts[i] if pooling == "first" else np.arange(len(row.ids)) + len(pieces.prefix)
        assert set(used) <= set(wanted) if pooling == "letters" else used.tolist() == list(wanted)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_letters_pooling_leaves_out_pieces_without_any(tokenizers: dict[str, Tokenizer], family: str) -> None:
    """``l'`` is read as its l, ``'`` and ``...`` as they are."""
    mean, letters = (WordPieces(tokenizers[family], pooling=p) for p in ("mean", "letters"))  # type: ignore[arg-type]
    said = [["l'", "...", "3,5", "gato", "niño"]]
    a, b = (p.batch(p.rows(said)).pooling[0] for p in (mean, letters))
    assert np.allclose(b.sum(axis=1), 1.0)
    assert np.allclose(a[1], b[1])  # nothing but points
    ids = letters.batch(letters.rows(said)).input_ids[0]
    for word in (0, 2):
        used = {letters.tokenizer.id_to_token(int(ids[k])) for k in np.flatnonzero(b[word])}
        assert all(any(c.isalnum() for c in piece) for piece in used), used
    names = [letters.tokenizer.id_to_token(int(ids[k])) for k in np.flatnonzero(a[0])]
    if len(names) > 1 and all(name.strip("Ġ▁#") in ("l", "'", "") for name in names):
        assert len(np.flatnonzero(b[0])) == 1


@pytest.mark.parametrize(
    ("piece", "byte_level", "letter"),
    [
        ("▁l", False, True), ("'", False, False), ("▁", False, False), ("##s", False, True), ("學", False, True),
        ("ा", False, True), ("7", False, True), ("...", False, False), ("²", False, True), ("Ġthe", True, True),
        ("Ġ", True, False), ("Ã©", True, True), ("Ġ'", True, False), ("ł", True, True), ("Ċ", True, False),
    ],
)  # fmt: skip
def test_what_counts_as_a_letter(piece: str, byte_level: bool, letter: bool) -> None:
    assert has_letter(piece, byte_level=byte_level) is letter


word = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(WORDS)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), family=st.sampled_from(sorted(FAMILIES)), length=st.integers(16, 60))
def test_windows_keep_every_word_once_in_order_within_room(
    tokenizers: dict[str, Tokenizer], data: st.DataObject, family: str, length: int
) -> None:
    sentences = data.draw(st.lists(st.lists(word, max_size=60), max_size=4))
    pieces = WordPieces(tokenizers[family], max_length=length, pooling=data.draw(st.sampled_from(POOLINGS)))
    rows = pieces.rows(sentences, first=7)
    kept = [(r.sentence, r.first_word + i) for r in rows for i in range(*r.keep)]
    assert kept == [(s, i) for s, words in enumerate(sentences, 7) for i in range(len(words))]
    for row in rows:
        assert 0 < len(row.ids) <= pieces.room
        assert row.starts[0] == 0
        assert (np.diff(np.append(row.starts, len(row.ids))) >= 1).all()
        assert 0 <= row.keep[0] <= row.keep[1] <= row.words
    if rows:
        batch = pieces.batch(rows)
        assert batch.input_ids.shape[1] <= length
        assert np.allclose(batch.pooling.sum(axis=2).sum(axis=1), [r.words for r in rows])


def test_words_in_the_middle_of_a_long_sentence_have_context_on_both_sides(tokenizers: dict[str, Tokenizer]) -> None:
    pieces = WordPieces(tokenizers["bert"], max_length=42)
    rows = pieces.rows([["gato"] * 100])
    assert len(rows) > 2
    for row in rows[1:-1]:
        assert row.keep[0] >= 1
        assert row.words - row.keep[1] >= 1


def test_a_window_too_small_is_refused(tokenizers: dict[str, Tokenizer]) -> None:
    with pytest.raises(ModelError, match="max-length 16"):
        WordPieces(tokenizers["bert"], max_length=9)


def test_a_folder_without_tokenizer_is_an_error_that_names_the_file(tmp_path: object) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        WordPieces.from_folder(str(tmp_path))


@given(lengths=st.lists(st.integers(1, 50), max_size=40), budget=st.integers(1, 200))
def test_batches_hold_each_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = list(budget_batches(lengths, budget))
    assert sorted(i for g in groups for i in g) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[i] for i in group) <= budget


def test_forms_are_shown_in_a_language_by_its_macrolanguage_too() -> None:
    pieces = WordPieces(wordpiece())
    pieces.forms = WordForms(1000)
    langs = ["no", "nn", "nb", "es", "xx-unknown", None]
    rows = pieces.rows([["hus"]] * len(langs), langs=langs, formed=["no", "en"])
    shown = [row.features is not None and bool((row.features != HIDDEN).any()) for row in rows]
    assert shown == [True, True, True, False, False, True]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_name_of_a_known_language_stands_before_its_words(tokenizers: dict[str, Tokenizer], family: str) -> None:
    plain, named = WordPieces(tokenizers[family]), WordPieces(tokenizers[family], named=True)
    sentences = [["el", "gato", "negro"], ["one", "horse"], ["кошка"], ["gato"]]
    langs = ["es", "en", None, "qqz"]
    bare, told = plain.rows(sentences, langs=langs), named.rows(sentences, langs=langs)
    assert [len(row.lead) > 0 for row in told] == [True, True, False, False]
    assert told[0].lead != told[1].lead
    assert all((a.ids == b.ids).all() for a, b in zip(bare, told, strict=True))
    batch = named.batch(told)
    before = len(named.prefix)
    assert batch.input_ids[0, before : before + len(told[0].lead)].tolist() == list(told[0].lead)
    for row, ids, pooling in zip(told, batch.input_ids, batch.pooling, strict=True):  # words are their own pieces, no others
        pieces = [ids[weights > 0].tolist() for weights in pooling[: row.words]]
        assert [piece for word in pieces for piece in word] == row.ids.tolist()
    assert named.text_rows(["el gato"], langs=["es"])[0].lead == told[0].lead


def test_a_long_sentence_leaves_room_for_the_name(tokenizers: dict[str, Tokenizer]) -> None:
    pieces = WordPieces(tokenizers["bert"], max_length=32, named=True)
    batch = pieces.batch(pieces.rows([["horse", "gato"] * 40], langs=["es"]))
    assert batch.input_ids.shape[1] <= 32


def test_a_lone_surrogate_is_an_unknown_character() -> None:
    pieces = WordPieces(wordpiece())
    rows = pieces.rows([["el", "caf\udce9", "\ud800", "gato"], ["caf\ufffd"]])
    assert rows[0].words == 4
    assert rows[1].ids.tolist() == rows[0].ids[rows[0].starts[1] : rows[0].starts[2]].tolist()
    assert pieces.text_rows(["caf\udce9"])[0].ids.tolist() == pieces.text_rows(["caf\ufffd"])[0].ids.tolist()


def test_numbers_of_pieces_may_have_gaps() -> None:
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "one": 4, "horse": 90, ",": 91}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    pieces = WordPieces(tokenizer, pooling="letters")
    (weights,) = pieces.batch(pieces.rows([["one", "horse,"]])).pooling
    assert weights[:, len(pieces.prefix) :].tolist() == [[1, 0, 0], [0, 1, 0]]  # the comma has no say
