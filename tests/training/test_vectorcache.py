"""Vectors of a frozen encoder: the same heads as without them, found again, and never those of something else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from filelock import FileLock

from calque.errors import TrainingError
from calque.formats.conllu import read_conllu
from calque.models import mixer
from calque.models.encoder import Encoder
from calque.models.model import Model
from calque.training import Options, run_training, vectorcache, word_vectors
from calque.training.folders import training_path
from calque.training.progress import Reporter

MANY = {"layer_mix": True, "word_features": True, "lexical_warmup": 0.3}
CASES = {
    "a head": {},
    "two heads": {"task": "pos,dep"},
    "all layers and word features": {"task": "pos,dep", **MANY},
    "windows": {"max_length": 16},
    "more of some": {"temperature": 4.0, "recase": 0.5},
}


class Heard(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(show=False)
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def about(self) -> str:
        """The one line about vectors."""
        (found,) = [text for text in self.said if "vectors" in text]
        return found


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mixer.DEFAULTS, "rows", 64)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many rows each pass of the encoder read."""
    seen: list[int] = []
    for name in ("forward", "all_layers"):
        plain = getattr(Encoder, name)
        monkeypatch.setattr(Encoder, name, lambda own, ids, mask, plain=plain: (seen.append(len(ids)), plain(own, ids, mask))[1])
    return seen


def run(encoder, treebanks, *, output=None, reporter=None, source=None, **options):
    plain = {"freeze_backbone": True, "precision": "fp32", "patience": 0, "eval_every": 8, "epochs": 2.0}
    data = {"en": [treebanks["en"], treebanks["long"]], "es": treebanks["es"]}
    made = Options(**{**plain, **options})
    return run_training(
        encoder, data, made, validation={"es": treebanks["es-dev"]}, source=source, output=output, reporter=reporter
    )


def trained(model: Model) -> dict[str, torch.Tensor]:
    return {name: p.detach() for name, p in model.named_parameters() if not name.startswith("encoder.")}


def apart(one: Model, other: Model) -> float:
    """The mean difference of their trained numbers, over the mean size of a number."""
    theirs = trained(other)
    pairs = [(value, theirs[name]) for name, value in trained(one).items()]
    return float(sum((a - b).abs().sum() for a, b in pairs) / sum(a.abs().sum() for a, _ in pairs))


def windows_of(encoder: Path, treebanks: dict[str, Path]) -> list[tuple[int, ...]]:
    """The pieces of every window of every sentence."""
    pieces = Encoder.load(encoder).pieces
    sentences = [[t.text for t in s.tokens] for path in treebanks.values() for s in read_conllu(path)]
    return [tuple(row.ids.tolist()) for row in pieces.rows(sentences)]


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_what_is_learnt_from_kept_vectors_is_what_is_learnt_without(encoder, treebanks, read, monkeypatch, options):
    monkeypatch.setattr(vectorcache, "KIND", np.dtype(np.float32))
    kept = run(encoder, treebanks, **options)
    often = len(read)
    plain = run(encoder, treebanks, cache_limit=0, **options)
    assert often < len(read) / 4
    assert (
        apart(kept.model, plain.model) < 0.01 < apart(kept.model, run(encoder, treebanks, cache_limit=0, seed=1, **options).model)
    )
    assert [r.value for r in kept.report.validation] == [r.value for r in plain.report.validation]


def test_sixteen_bits_are_enough(encoder, treebanks):
    kept, plain = run(encoder, treebanks, **MANY), run(encoder, treebanks, cache_limit=0, **MANY)
    seeded = run(encoder, treebanks, cache_limit=0, seed=1, **MANY)
    # Adam makes a step of a gradient that is nothing but rounding as long as any other: single numbers may end far apart
    assert 0 < apart(kept.model, plain.model) < 0.01 < apart(kept.model, seeded.model)


def test_in_bfloat16_nothing_is_lost(encoder, treebanks):
    """What such a pass gives, float16 holds as it is."""
    model = Model.load(encoder).eval()
    rows = model.encoder.pieces.rows([["the", "red", "cat"], ["a", "dog"]])
    batch = model.encoder.pieces.batch(rows)
    arrays = {name: torch.from_numpy(a) for name, a in batch.arrays().items()}
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        wanted = model.vectors(**arrays).layers[0]
    cpu = torch.device("cpu")
    frozen = vectorcache.Frozen(encoder=model.encoder, pieces=model.encoder.pieces, device=cpu, precision="bf16")
    assert wanted.dtype == torch.bfloat16
    assert torch.equal(torch.from_numpy(frozen.read(rows))[:, :, 0].to(torch.bfloat16), wanted)


def test_each_row_is_read_once_and_the_line_says_so(encoder, treebanks, read, tmp_path):
    reporter = Heard()
    outcome = run(encoder, treebanks, reporter=reporter, output=tmp_path / "m", source={"en": treebanks["en-dev"]})
    assert outcome.report.decided["vectors"]["sentences"] == 30 + 3 + 30 + 12 + 12
    rows = len(set(windows_of(encoder, treebanks)))
    assert sum(read) == rows
    assert f"vectors of 87 sentences kept in {tmp_path / 'm.training'}, " in reporter.about()
    assert not training_path(tmp_path / "m").exists()
    assert not list((tmp_path / "m").rglob("vectors*"))


def test_texts_are_kept_too(encoder, treebanks, tmp_path, read):
    table = tmp_path / "texts.tsv"
    table.write_text("".join(f"the {'red cat' if k % 2 else 'old dog'} sees {k}\t{'ab'[k % 2]}\n" for k in range(30)))
    options = {"epochs": 3.0, "freeze_backbone": True, "precision": "fp32", "task": "classify,pos"}
    data = {"en": [table, treebanks["en"]]}
    kept = run_training(encoder, data, Options(**options))
    often = len(read)
    plain = run_training(encoder, data, Options(**options, cache_limit=0))
    assert often < len(read) / 4
    assert apart(kept.model, plain.model) < 0.01


def test_a_folder_serves_other_tasks_seeds_rates_and_draws(encoder, treebanks, tmp_path, read):
    cache, data, held = str(tmp_path / "kept"), {"en": treebanks["en"]}, None
    plain = Options(freeze_backbone=True, epochs=1.0, cache=cache)
    first = run_training(encoder, data, plain, validation=held)
    assert not first.report.decided["vectors"]["found"]
    files = sorted(p.name for p in Path(cache).iterdir())
    read.clear()
    for other in ({"task": "dep"}, {"seed": 3}, {"learning_rate": 1e-2}, {"limit": 10}, {"layer_mix": False}):
        options = Options(freeze_backbone=True, epochs=1.0, cache=cache, **other)
        outcome = run_training(encoder, data, options, validation=held)
        assert outcome.report.decided["vectors"]["found"], other
    assert not read
    assert sorted(p.name for p in Path(cache).iterdir()) == files
    assert str(tmp_path) not in first.model.config.to_json()


def test_another_encoder_precision_layers_or_more_data_are_worked_out_anew(encoder, treebanks, tmp_path):
    cache = str(tmp_path / "kept")

    def found(model=encoder, data=treebanks["en"], **more) -> bool:
        options = Options(**{"freeze_backbone": True, "epochs": 0.5, "precision": "fp32", "cache": cache, **more})
        decided = run_training(model, {"en": data}, options, validation="none").report.decided
        return decided["vectors"]["found"]

    assert not found()
    assert found()
    changed = Model.load(encoder)
    with torch.no_grad():
        next(changed.encoder.parameters())[-1, -1] += 1e-3  # a single number, which no sample of them would show
    assert not found(changed)
    other_cut = Model.load(encoder)
    other_cut.encoder.pieces.pooling = "first"
    assert not found(other_cut)
    assert not found(precision="bf16")
    assert not found(layer_mix=True)
    assert not found(max_length=16, data=treebanks["long"])
    assert not found(data=[treebanks["en"], treebanks["es"]])
    assert found()


def test_what_was_not_written_whole_is_not_read(encoder, treebanks, tmp_path):
    cache = tmp_path / "kept"
    options = Options(freeze_backbone=True, epochs=0.5, cache=str(cache))

    def found() -> bool:
        return run_training(encoder, {"en": treebanks["en"]}, options, validation="none").report.decided["vectors"]["found"]

    assert not found()
    (numbers,), (index,) = cache.glob("*[0-9a-f].npy"), cache.glob("*.index.npz")
    good, known = numbers.read_bytes(), index.read_bytes()
    numbers.write_bytes(good[:-1])
    assert not found()
    index.unlink()
    assert not found()
    index.write_bytes(known[:-30])
    assert not found()
    assert numbers.read_bytes() == good
    assert found()
    assert not list(cache.glob("*.part"))


class Killed(BaseException):
    """Stands for a kill inside this process."""


def test_killed_while_vectors_are_written_nothing_of_them_is_used(encoder, treebanks, tmp_path, monkeypatch):
    read = vectorcache.Frozen.read
    monkeypatch.setattr(vectorcache, "AT_ONCE", 64)
    calls: list[int] = []

    def dying(self, rows):
        calls.append(1)
        if len(calls) == 3:
            raise Killed
        return read(self, rows)

    monkeypatch.setattr(vectorcache.Frozen, "read", dying)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # kill -9 tidies nothing up
    options = {"cache": str(tmp_path / "kept"), "batch_words": 16}
    with pytest.raises(Killed):
        run(encoder, treebanks, **options)
    assert list((tmp_path / "kept").glob("*.part"))
    monkeypatch.undo()
    monkeypatch.setitem(mixer.DEFAULTS, "rows", 64)
    outcome = run(encoder, treebanks, **options)
    assert not outcome.report.decided["vectors"]["found"]
    assert not list((tmp_path / "kept").glob("*.part"))


def test_a_run_that_goes_on_finds_its_vectors_and_ends_with_the_same_bytes(encoder, treebanks, tmp_path, monkeypatch):
    from calque.training import loop

    options = {"checkpoint_seconds": 0.0, **MANY}
    run(encoder, treebanks, output=tmp_path / "unbroken", **options)
    step = loop._step

    def dying(run, state, *rest, **more):
        if state.step == 9:
            raise Killed
        return step(run, state, *rest, **more)

    monkeypatch.setattr(loop, "_step", dying)
    with pytest.raises(Killed):
        run(encoder, treebanks, output=tmp_path / "broken", **options)
    monkeypatch.setattr(loop, "_step", step)
    reporter = Heard()
    outcome = run(encoder, treebanks, output=tmp_path / "broken", reporter=reporter, **options)
    assert outcome.report.decided["vectors"]["found"]
    assert "sentences found in" in reporter.about()
    for file in ("heads.safetensors", "mixer.safetensors", "layermix.safetensors"):
        assert (tmp_path / "unbroken" / file).read_bytes() == (tmp_path / "broken" / file).read_bytes()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"word_dropout": 0.1}, "--word-dropout hides others of its words each time"),
        ({"piece_dropout": 0.1}, "--piece-dropout hides"),
        ({"cache_limit": 1e-5}, "more than the limit of 1e-05"),
    ],
)
def test_where_nothing_can_be_kept_training_goes_the_slower_way_and_says_why(encoder, treebanks, read, tmp_path, options, why):
    reporter = Heard()
    outcome = run(encoder, treebanks, reporter=reporter, cache=str(tmp_path / "kept"), **options)
    assert reporter.about().startswith("no vectors are kept")
    assert why in reporter.about()
    assert "vectors" not in outcome.report.decided
    assert not list((tmp_path / "kept").glob("*.npy*"))
    assert len(read) > outcome.report.steps


def test_a_full_disk_is_no_end(encoder, treebanks, monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10_000))
    reporter = Heard()
    run(encoder, treebanks, reporter=reporter, output=tmp_path / "m")
    assert "0.0 GB left" in reporter.about()
    monkeypatch.undo()
    monkeypatch.setitem(mixer.DEFAULTS, "rows", 64)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(vectorcache, "_flush", full)
    reporter = Heard()
    run(encoder, treebanks, reporter=reporter, output=tmp_path / "other")
    assert "cannot be written (No space left" in reporter.about()


def test_numbers_beyond_float16_are_refused(encoder, treebanks):
    model = Model.load(encoder)
    with torch.no_grad():
        model.encoder.backbone.encoder.layer[-1].output.LayerNorm.weight *= 1e6
    reporter = Heard()
    run(model, treebanks, reporter=reporter)
    assert "numbers that float16 cannot hold" in reporter.about()


def test_adapters_at_work_in_the_encoder_are_left_to_it(encoder, treebanks, tmp_path):
    model = Model.load(encoder)
    model.add_adapter("es", adapter_size=4)
    model.use_adapter("es")
    reporter = Heard()
    run(model, treebanks, reporter=reporter)
    assert "adapters are at work in it" in reporter.about()


def test_a_second_run_waits_for_the_first(encoder, treebanks, tmp_path):
    lock = FileLock(tmp_path / "vectors.lock")

    class Waiting(Heard):
        def say(self, text: str) -> None:
            super().say(text)
            if "waiting for it" in text:
                lock.release()

    reporter = Waiting()
    lock.acquire()
    run(encoder, treebanks, cache=str(tmp_path), reporter=reporter)
    assert [text for text in reporter.said if "another run is at work" in text]


def test_a_folder_that_cannot_be_is_refused(encoder, treebanks, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="give another folder"):
        run(encoder, treebanks, cache=str(tmp_path / "file"))
    with pytest.raises(TrainingError, match="give a folder outside it"):
        run(encoder, treebanks, cache=str(tmp_path / "m" / "kept"), output=tmp_path / "m")


def test_word_vectors_are_the_encoders_also_of_long_sentences_and_are_found_again(encoder, tmp_path, read):
    model = Encoder.load(encoder).train()
    sentences = [["the", "red", "cat"], ["a", "dog"] * 40, ["the", "red", "cat"]]
    found = word_vectors(model, sentences, cache=tmp_path, every_layer=True)
    assert model.training
    assert [v.shape for v in found] == [(3, 3, 32), (80, 3, 32), (3, 3, 32)]
    batch = model.pieces.batch(model.pieces.rows(sentences[:1]))
    with torch.inference_mode():
        states = model.eval().all_layers(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask))
    wanted = torch.stack([torch.from_numpy(batch.pooling) @ state for state in states], dim=2)[0]
    assert np.allclose(found[0], wanted.numpy(), atol=1e-2)
    assert np.array_equal(found[0], found[2])
    read.clear()
    again = word_vectors(model, sentences[1:2], cache=tmp_path, every_layer=True)
    assert np.array_equal(again[0], found[1])
    assert not read
    assert word_vectors(model, [], cache=tmp_path) == []
    assert [v.shape for v in word_vectors(model, [[], ["cat"]], cache=tmp_path)] == [(0, 1, 32), (1, 1, 32)]
    assert [v.shape for v in word_vectors(model, [[]], cache=tmp_path)] == [(0, 1, 32)]
    with pytest.raises(TrainingError, match="more than the limit"):
        word_vectors(model, [["dog"]], cache=tmp_path, limit=1e-9)
