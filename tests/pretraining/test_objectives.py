"""The objectives: what is parsed, what is hidden, and that each loss falls when it is what is trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.pretraining.test_batches import made

from calque.errors import TrainingError
from calque.pretraining.batches import Sampler
from calque.pretraining.model import new_backbone
from calque.pretraining.objectives import (
    FIRST_PIECE,
    NOTHING,
    Student,
    contrast,
    draw_kind,
    hide_words,
    parse_objectives,
    to_work,
    total,
)
from calque.pretraining.vocabulary import MASK


def test_weights_are_read() -> None:
    assert parse_objectives("distil=1,mlm=0.5") == {"distil": 1.0, "mlm": 0.5}
    assert parse_objectives("mlm") == {"mlm": 1.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [("bert=1", "there are distil"), ("mlm=x", "no number"), ("mlm=-1", "0 or more"), ("mlm=0", "nothing to learn")],
)
def test_what_is_no_objective_is_an_error(text: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        parse_objectives(text)


def test_steps_are_shared_out_by_the_weights() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_kind({"distil": 2, "tlm": 1, "align": 0.5, "sentence": 0.5}, rng) for _ in range(2000)]
    assert drawn.count("single") == pytest.approx(1000, abs=80)
    assert drawn.count("joined") == pytest.approx(500, abs=70)
    assert draw_kind({"mlm": 1}, rng) == "single"


def test_whole_words_are_hidden_and_can_be_guessed_from_the_candidates() -> None:
    sampler = Sampler({"en": made([[2, 1, 3, 2, 2, 1]] * 20)}, {"en": 1.0})
    work = to_work(sampler.build(np.stack([np.zeros(20, dtype=int), np.arange(20)], axis=1)))
    before = work.ids.clone()
    hide_words(work, 0.3, 500, np.random.default_rng(0))
    assert work.labels is not None and work.hidden_at is not None and work.candidates is not None
    assert torch.equal(work.candidates[work.labels], before.reshape(-1)[work.hidden_at])
    hidden = set(work.hidden_at.tolist())
    words = {w for p, w in zip(work.place.tolist(), work.word.tolist(), strict=True) if p in hidden}
    assert hidden == {p for p, w in zip(work.place.tolist(), work.word.tolist(), strict=True) if w in words}
    assert 0.6 < float((work.ids.reshape(-1)[work.hidden_at] == MASK).float().mean()) < 0.95
    changed = (work.ids != before).reshape(-1).nonzero().reshape(-1).tolist()
    assert set(changed) <= hidden
    assert int(work.ids.min()) >= 0 and int(work.candidates.max()) < 500 and int(work.candidates[0]) < FIRST_PIECE


def test_contrast_is_least_when_each_row_finds_its_own() -> None:
    rows = torch.eye(6)
    assert float(contrast(rows, rows)) < 1e-3 < float(contrast(rows, rows.roll(1, 0)))


def test_a_batch_with_nothing_to_learn_from_still_gives_gradients() -> None:
    # several processes wait for each other's
    student = Student(new_backbone(200, layers=1, width=64, window=64), {"align": 1.0}, (1,))
    losses = student(to_work(Sampler({"en": made([[1, 2]])}, {"en": 1.0}, linked=False).build(np.zeros((1, 2), dtype=int))))
    assert set(losses) == {NOTHING} and float(losses[NOTHING].detach()) == 0.0
    total(losses, {"align": 1.0}).backward()
    assert student.backbone.get_input_embeddings().weight.grad is not None


def test_distillation_pulls_linked_words_towards_the_teacher() -> None:
    torch.manual_seed(0)
    backbone = new_backbone(200, layers=2, width=64, window=64)
    student = Student(backbone, {"distil": 1.0}, (1, 2))
    data = made([[1, 2, 1]] * 8, links=[k % 5 if k % 3 else -1 for k in range(24)])
    batch = Sampler({"en": data}, {"en": 1.0}).build(np.stack([np.zeros(8, dtype=int), np.arange(8)], axis=1))
    work = to_work(batch)
    work.linked = torch.from_numpy(np.flatnonzero(batch.links >= 0))
    teacher = torch.randn(5, 2, 64)
    work.target = teacher[batch.links[batch.links >= 0]].half()
    optimiser = torch.optim.Adam(student.parameters(), lr=3e-3)
    losses = []
    for _ in range(40):
        loss = student(work)["distil"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
