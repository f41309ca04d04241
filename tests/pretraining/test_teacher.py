"""A teacher that reads beside the student: its vectors are its own, word by word, whatever the student's pieces are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.pretraining.conftest import sentences
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import RobertaConfig, RobertaModel

from calque.errors import ModelError
from calque.models.encoder import Encoder
from calque.pretraining import loop
from calque.pretraining.batches import Sampler
from calque.pretraining.sentences import encode
from calque.pretraining.teacher import Reader
from calque.pretraining.teachers import special_ids
from calque.pretraining.vocabulary import new_tokenizer
from calque.training import device


def sampler(tokenizer: object, lines: list[list[str]]) -> Sampler:
    none = np.full(sum(map(len, lines)), -1, dtype=np.int32)
    data = encode(tokenizer, lines, none, np.full(len(lines), -1, dtype=np.int32))  # type: ignore[arg-type]
    return Sampler({"en": data}, {"en": 1.0}, batch_pieces=400, linked=False)


def letters() -> object:
    """A student's tokenizer that cuts words into letters."""
    return new_tokenizer(
        [(x, 0.0) for x in ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]] + [(c, -3.0) for c in "▁abcdefghijklmnopqrstuvwxyz"]
    )


def test_targets_are_the_teacher_s_own_vectors(english: Path) -> None:
    teacher = Encoder.load(english)
    lines = sentences(30, 3)
    student = sampler(letters(), lines)
    reader = Reader(teacher.backbone, sampler(teacher.pieces.tokenizer, lines), (1, 2), special_ids(teacher.pieces))
    _, batch = next(student.batches())
    words, target = reader.targets(batch)
    assert words.tolist() == list(range(len(batch.links))) and target.shape == (len(words), 2, 64)
    said = [lines[int(k)] for _, k in batch.rows]
    pieces = teacher.pieces.batch(teacher.pieces.rows(said))
    teacher.backbone.eval()
    with torch.no_grad():
        states = teacher.backbone(
            input_ids=torch.from_numpy(pieces.input_ids), attention_mask=torch.from_numpy(pieces.attention_mask),
            output_hidden_states=True,
        ).hidden_states  # fmt: skip
    for k, layer in enumerate((1, 2)):
        means = torch.from_numpy(pieces.pooling) @ states[layer]
        own = torch.cat([means[row, : len(sentence)] for row, sentence in enumerate(said)])
        assert torch.nn.functional.cosine_similarity(own, target[:, k]).min() > 0.999  # the reader may compute in bfloat16


@pytest.mark.parametrize("faster", [True, False])
def test_bfloat16_is_for_processors_that_are_faster_at_it(
    english: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster: bool
) -> None:
    monkeypatch.setattr(device, "_bf16_pays", lambda: faster)
    teacher = Encoder.load(english)
    seen: list[bool] = []
    teacher.backbone.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    reader = Reader(teacher.backbone, sampler(teacher.pieces.tokenizer, [["cat"]]), (2,), special_ids(teacher.pieces))
    reader.targets(sampler(letters(), [["cat"]]).build(np.array([[0, 0]])))
    assert seen == [faster]
    assert loop._Run(Encoder.load(english).backbone, loop.Plan(steps=1), tmp_path, 64, None, None).precision == (
        "bf16" if faster else "fp32"
    )


def test_words_beyond_the_teacher_s_window_have_no_target(english: Path) -> None:
    teacher = Encoder.load(english)  # 64 pieces
    lines = [["cat"] * 100, ["dog"] * 5]
    reader = Reader(teacher.backbone, sampler(teacher.pieces.tokenizer, lines), (2,), special_ids(teacher.pieces))
    words, target = reader.targets(sampler(letters(), lines).build(np.array([[0, 0], [0, 1]])))
    assert len(words) == len(target) == 63 + 5
    assert words.tolist() == [*range(63), *range(100, 105)]


def test_other_sentences_than_the_student_s_are_refused(english: Path) -> None:
    teacher = Encoder.load(english)
    reader = Reader(teacher.backbone, sampler(teacher.pieces.tokenizer, [["cat"]]), (2,), special_ids(teacher.pieces))
    with pytest.raises(ModelError, match="the teacher's batch has 1 words, the student's 2"):
        reader.targets(sampler(letters(), [["cat", "dog"]]).build(np.array([[0, 0]])))


def test_a_teacher_that_counts_positions_after_its_padding_reads_no_more_than_it_can() -> None:
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "cat": 4}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    config = RobertaConfig(
        vocab_size=5, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=18, pad_token_id=1, type_vocab_size=1,
    )  # fmt: skip
    lines = [["cat"] * 20]
    reader = Reader(RobertaModel(config, add_pooling_layer=False), sampler(tokenizer, lines), (2,), (0, 2, 1))
    words, _ = reader.targets(sampler(letters(), lines).build(np.array([[0, 0]])))
    assert words.tolist() == list(range(15))  # of 18 positions the first two are never used
