"""Training folders: whose they are, and that nothing of others is removed."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from calque.errors import TrainingError
from calque.training.folders import training_folder


@pytest.mark.parametrize("resume", [True, False])
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("a.conllu", r"does not write \(a.conllu\)"),
        ("checkpoint-notes.txt", r"does not write \(checkpoint-notes.txt\)"),
        ("weights-old.safetensors", r"does not write \(weights-old"),
        ("work/text/es.tsv", r"does not write \(work\)"),
    ],
)
def test_a_folder_of_other_things_is_refused_and_kept(tmp_path, resume, name, told):
    path = tmp_path / "es.training" / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with pytest.raises(TrainingError, match=told), training_folder(tmp_path / "es", resume=resume):
        raise AssertionError("nothing is to begin here")
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    (tmp_path / "m.training").mkdir()

    def refused(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    with (
        pytest.raises(TrainingError, match=r"m.training: cannot be read \(Permission denied\)"),
        training_folder(tmp_path / "m", resume=True),
    ):
        pass


def test_a_runs_own_files_go_when_it_is_done(tmp_path):
    with training_folder(tmp_path / "es", resume=True) as folder:
        for name in ("checkpoint.safetensors", "weights-10.safetensors.new", "train-log.jsonl", "teacher.npy", "vectors-a-b.npy"):
            (folder / name).write_text("x")
        (folder / "notes.txt").write_text("put here meanwhile")
    assert {path.name for path in folder.iterdir()} == {"lock", "notes.txt"}
    (folder / "notes.txt").unlink()
    with training_folder(tmp_path / "es", resume=True):
        pass
    assert not folder.exists()


def test_what_can_be_gone_on_with_stays_after_an_error_and_goes_when_begun_anew(tmp_path):
    with pytest.raises(ValueError, match="killed"), training_folder(tmp_path / "es", resume=True) as folder:
        (folder / "checkpoint.safetensors").write_text("x")
        raise ValueError("killed")
    assert (folder / "checkpoint.safetensors").exists()
    with pytest.raises(ValueError, match="again"), training_folder(tmp_path / "es", resume=False):
        assert [path.name for path in folder.iterdir()] == ["lock"]
        raise ValueError("again")
    assert not folder.exists()
