"""Checkpoints: two generations, always one whole; averages; fingerprints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from calque.errors import TrainingError
from calque.training.checkpoints import (
    CURRENT,
    PREVIOUS,
    Snapshot,
    State,
    drop_snapshots,
    load_average,
    named_snapshots,
    read_checkpoint,
    seed_step,
    write_checkpoint,
    write_snapshot,
)


class Small:
    """Two parameters and an optimiser that has made a step."""

    def __init__(self, value: float = 1.0) -> None:
        self.parameters = {"a.weight": nn.Parameter(torch.full((3, 2), value)), "weight": nn.Parameter(torch.full((2,), value))}
        self.optimiser = torch.optim.AdamW(self.parameters.values(), lr=0.1, fused=True)

    def step(self) -> None:
        self.optimiser.zero_grad()
        sum((p**2).sum() for p in self.parameters.values()).backward()
        self.optimiser.step()

    def write(self, folder: Path, state: State, options: dict | None = None) -> None:
        write_checkpoint(folder, state, self.parameters, self.optimiser, options or {})

    def read(self, folder: Path, options: dict | None = None) -> State | None:
        return read_checkpoint(folder, self.parameters, self.optimiser, options or {})

    def numbers(self) -> list[float]:
        return [x for p in self.parameters.values() for x in p.flatten().tolist()]


def test_going_on_from_a_checkpoint_is_going_on(tmp_path):
    one = Small()
    one.step()
    one.write(tmp_path, State(step=1, best=[Snapshot(1, 0.5)]))
    one.step()
    other = Small(7.0)
    state = other.read(tmp_path)
    other.step()
    assert state == State(step=1, best=[Snapshot(1, 0.5)])
    assert other.numbers() == one.numbers()


@pytest.mark.parametrize("damage", ["cut", "gone", "empty", "beside"])
def test_a_damaged_checkpoint_leaves_the_one_before(tmp_path, damage):
    one = Small()
    one.step()
    one.write(tmp_path, State(step=1))
    one.write(tmp_path, State(step=2))
    current = tmp_path / CURRENT
    if damage == "cut":
        current.write_bytes(current.read_bytes()[:-9])
    elif damage == "gone":
        current.unlink()  # killed between the two renames
    elif damage == "empty":
        current.write_bytes(b"")
    else:
        (tmp_path / "checkpoint.new").write_bytes(b"half")  # killed while writing
    state = one.read(tmp_path)
    assert state is not None
    assert state.step == (2 if damage == "beside" else 1)


def test_no_checkpoint_is_none(tmp_path):
    assert Small().read(tmp_path) is None


def test_other_options_are_refused_and_named(tmp_path):
    Small().write(tmp_path, State(), {"learning_rate": 1e-3, "seed": 0})
    with pytest.raises(TrainingError, match=r"learning_rate was 0\.001 and is 0\.01.*--no-resume"):
        Small().read(tmp_path, {"learning_rate": 1e-2, "seed": 0})


def test_snapshots_are_averaged(tmp_path):
    small = Small()
    snapshots = [Snapshot(1, 0.3), Snapshot(2, 0.2)]
    for snapshot, value in zip(snapshots, (2.0, 4.0), strict=True):
        for parameter in small.parameters.values():
            nn.init.constant_(parameter, value)
        write_snapshot(tmp_path, snapshot, small.parameters)
    load_average(tmp_path, snapshots, small.parameters)
    assert set(small.numbers()) == {3.0}
    load_average(tmp_path, snapshots[:1], small.parameters)
    assert set(small.numbers()) == {2.0}


def test_snapshots_of_both_generations_are_kept_and_others_go(tmp_path):
    small = Small()
    for step in (1, 2, 3, 4):
        write_snapshot(tmp_path, Snapshot(step, 0.1), small.parameters)
    for step in (1, 2, 3):
        small.write(tmp_path, State(step=step, best=[Snapshot(step, 0.1)]))
    assert (tmp_path / PREVIOUS).exists()
    drop_snapshots(tmp_path, named_snapshots(tmp_path))
    assert sorted(p.name for p in tmp_path.glob("weights-*")) == ["weights-2.safetensors", "weights-3.safetensors"]


def test_a_step_has_its_own_random_numbers():
    seed_step(0, 5)
    first = torch.rand(3)
    torch.rand(100)
    seed_step(0, 5)
    assert torch.equal(torch.rand(3), first)
    seed_step(0, 6)
    assert not torch.equal(torch.rand(3), first)


def test_a_full_disk_is_a_clear_error(tmp_path):
    with pytest.raises(TrainingError, match="cannot be written"):
        Small().write(tmp_path / "not" / "there", State())
