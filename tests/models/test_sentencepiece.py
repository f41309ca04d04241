"""Checkpoints without tokenizer.json (mT5, mDeBERTa, old XLM-R): the converted tokenizer cuts as SentencePiece itself does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch")
spm = pytest.importorskip("sentencepiece")

from calque.errors import ModelError  # noqa: E402
from calque.models import spm as ours_spm  # noqa: E402
from calque.models.encoder import Encoder, load_pieces  # noqa: E402

Checkpoint = Callable[..., Path]

LINES = [
    "one horse and another horse went to the market in 2024 .",
    "el gato negro está en la mesa , y la casa también .",
    "der Hund schläft auf dem Sofa , aber die Katze nicht !",
    "кошка спит на столе и собака спит на полу .",
    "猫在桌子上睡觉。",
    "ﬁne naïve café don't re-entry",
]
SENTENCES = [line.split() for line in LINES] + [["Ünïted", "ﬁn", "①", "…", "１２３", "horses", "столы", "🙂", "ไทย"]]

# model type → file of the SentencePiece model, its special pieces, ids of the library minus those of SentencePiece
FAMILIES = {
    "mt5": ("spiece.model", {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "byte_fallback": True}, 0),
    "umt5": ("spiece.model", {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "byte_fallback": True}, 0),
    "xlm-roberta": ("sentencepiece.bpe.model", {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}, 1),
    "deberta-v2": (
        "spm.model",
        {
            **{"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3},
            **{"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"},
        },
        0,
    ),
    "rembert": (
        "sentencepiece.model",
        {
            **{"pad_id": 0, "unk_id": 1, "bos_id": 2, "eos_id": 3},
            **{"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"},
        },
        0,
    ),
}  # fmt: skip
ENDS = {"mt5": ["", "</s>"], "umt5": ["", "</s>"], "xlm-roberta": ["<s>", "</s>"]}  # the others': [CLS] and [SEP]


@pytest.mark.parametrize("kind", FAMILIES)
def test_pieces_are_sentencepieces_own(checkpoint: Checkpoint, tmp_path: Path, kind: str) -> None:
    name, special, offset = FAMILIES[kind]
    folder = tmp_path / "encoder"
    shutil.copytree(checkpoint(kind), folder)
    (folder / "tokenizer.json").unlink()
    (tmp_path / "text").write_text("\n".join(LINES * 5), encoding="utf-8")
    spm.SentencePieceTrainer.train(
        input=str(tmp_path / "text"),
        model_prefix=str(tmp_path / "spm"),
        vocab_size=350,
        hard_vocab_limit=False,
        character_coverage=1.0,
        minloglevel=3,
        normalization_rule_name="nmt_nfkc",
        **special,
    )
    shutil.copy(tmp_path / "spm.model", folder / name)
    reference = spm.SentencePieceProcessor(model_file=str(folder / name))
    pieces = load_pieces(folder)
    ends = ["".join(map(pieces.tokenizer.id_to_token, part)) for part in (pieces.prefix, pieces.suffix)]
    assert ends == ENDS.get(kind, ["[CLS]", "[SEP]"])
    for words in SENTENCES:
        (row,) = pieces.rows([words])
        wanted = [i for word in words for i in reference.encode(word)]
        ours = [pieces.tokenizer.id_to_token(i) for i in row.ids.tolist()]
        unknown = reference.unk_id()
        theirs = [pieces.tokenizer.id_to_token(pieces.unknown_id) if i == unknown else reference.id_to_piece(i) for i in wanted]
        assert ours == theirs
        known = [(a, b) for a, b in zip(row.ids.tolist(), wanted, strict=True) if b != unknown]
        assert all(a == b + offset for a, b in known), "the numbers must be those the encoder's embeddings were trained with"


@pytest.mark.parametrize("keep", [0, 1, 10, 200, 0.5, 0.99])
def test_a_damaged_file_is_an_error(tmp_path: Path, keep: float) -> None:
    (tmp_path / "text").write_text("\n".join(LINES * 5), encoding="utf-8")
    spm.SentencePieceTrainer.train(
        input=str(tmp_path / "text"), model_prefix=str(tmp_path / "spm"), vocab_size=90, hard_vocab_limit=False, minloglevel=3
    )
    path = tmp_path / "spm.model"
    content = path.read_bytes()
    assert len(ours_spm.read(path).pieces) > 60
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(ModelError, match="damaged"):
        ours_spm.convert(path, "mt5")


def test_a_tokenizer_of_another_family_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\n".join(LINES * 5), encoding="utf-8")
    for model_type, says in (("unigram", "CLS"), ("bpe", "Unigram")):
        spm.SentencePieceTrainer.train(
            input=str(tmp_path / "text"),
            model_prefix=str(tmp_path / "spm"),
            vocab_size=90,
            model_type=model_type,
            hard_vocab_limit=model_type == "bpe",
            minloglevel=3,
        )
        with pytest.raises(ModelError, match=says):
            ours_spm.convert(tmp_path / "spm.model", "deberta-v2")
    assert ours_spm.convert(tmp_path / "spm.model", "camembert") is None


def test_a_converted_tokenizer_is_saved_with_the_encoder(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(checkpoint("bert"), folder)
    vocabulary = load_pieces(folder).tokenizer.get_vocab()
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=lambda token: vocabulary[token])), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false, "tokenizer_class": "BertTokenizer"}')
    encoder = Encoder.load(folder)
    encoder.save_pretrained(tmp_path / "saved")
    assert (tmp_path / "saved" / "tokenizer.json").is_file()
    again, before = Encoder.load(tmp_path / "saved").pieces, load_pieces(checkpoint("bert"))
    assert again.rows(SENTENCES)[1].ids.tolist() == before.rows(SENTENCES)[1].ids.tolist()
