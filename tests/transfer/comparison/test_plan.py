"""Which runs a comparison is made of, and what cannot be one."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from calque.errors import CalqueError
from calque.training.options import Options
from calque.transfer.comparison.plan import ALL, Experiment, Language, Run, command_of, left_out, read_shots, runs_of
from calque.transfer.strategies.data import Ways

FILES = Language((Path("train.conllu"),), (Path("test.conllu"),))


def made(**more) -> Experiment:
    given = {
        "model": "mini", "sources": {"en": FILES}, "targets": {"es": FILES}, "shots": (0, 10, ALL), "seeds": 3,
        "strategies": ("zero-shot", "few-shot"), "options": Options(), "source_options": Options(),
    }  # fmt: skip
    return Experiment(**{**given, **more})


def test_runs_without_a_draw_are_made_once():
    assert runs_of(made()) == [
        Run("es", 0, "zero-shot", 0), Run("es", 10, "few-shot", 0), Run("es", ALL, "few-shot", 0), Run("es", 10, "few-shot", 1),
        Run("es", 10, "few-shot", 2),
    ]  # fmt: skip


def test_the_base_line_is_there_asked_for_or_not():
    assert Run("es", 0, "zero-shot", 0) in runs_of(made(shots=(10,)))


def test_a_target_without_training_data_is_measured_without_shots():
    bare = Language((), (Path("test.conllu"),))
    found = runs_of(made(targets={"es": FILES, "ca": bare}, strategies=("zero-shot", "few-shot", "averaging")))
    assert {(run.strategy, run.shots) for run in found if run.language == "ca"} == {("zero-shot", 0), ("averaging", 0)}


def test_strategies_that_need_labels_have_no_run_without():
    found = runs_of(made(strategies=("joint", "self-training", "monolingual"), shots=(0, 10)))
    assert {run.strategy for run in found if not run.shots} == {"self-training"}


def test_self_training_on_what_is_left_of_the_training_data_ends_where_nothing_is_left():
    runs = runs_of(made(strategies=("self-training",)))
    assert ALL not in {run.shots for run in runs}
    assert ALL in {run.shots for run in runs_of(made(strategies=("self-training",), raw={"es": (Path("es.txt"),)}))}


def test_a_run_has_one_name():
    assert Run("es", ALL, "few-shot", 0).name == "es.few-shot.all.0"
    assert str(Run("es", 10, "joint", 2)) == "es, joint, 10 shots, seed 2"


@pytest.mark.parametrize(("text", "numbers"), [("0,10,100", (0, 10, 100)), ("all, 50,0,50", (0, 50, ALL))])
def test_shots_are_read_in_order(text, numbers):
    assert read_shots(text) == numbers


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": {}}, "--targets: give at least one"),
        ({"shots": ()}, "--shots: give at least one"),
        ({"shots": (0, -5)}, "--shots -5"),
        ({"seeds": 0}, "--seeds 0"),
        ({"strategies": ("magic",)}, "--strategy magic: no such strategy"),
        ({"strategies": ("best-source",)}, "needs several source languages"),
        ({"targets": {"en": FILES}}, "en is both source and target"),
        ({"raw": {"es": (Path("es.txt"),)}}, "no strategy that reads text without labels"),
        ({"raw": {"fr": (Path("fr.txt"),)}, "strategies": ("self-training",)}, "fr, which is neither source nor target"),
        ({"targets": {"es": Language((Path("train.conllu"),))}}, "es: no test file"),
        ({"options": Options(task="pos,dep")}, "one of pos, feats, lemma, dep, ner, classify can be compared"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, message):
    with pytest.raises(CalqueError, match=message):
        made(**change)


def test_a_language_is_a_pair_of_files():
    assert Language.of(("a.conllu", ["b.conllu", "c.conllu"])) == Language(
        (Path("a.conllu"),), (Path("b.conllu"), Path("c.conllu"))
    )
    assert Language.of((None, "b.conllu")).train == ()
    with pytest.raises(CalqueError, match="as a pair"):
        Language.of("a.conllu")


def test_wrong_shots_are_told():
    with pytest.raises(CalqueError, match="'many' is no number of sentences"):
        read_shots("0,many")


def test_the_command_names_what_differs_from_the_defaults():
    own = made(
        ways=Ways(share=0.3),
        options=Options(epochs=4),
        test_limit=100,
        raw={"es": (Path("es.txt"),)},
        strategies=("self-training",),
    )
    assert command_of(own, "lab", strategy="self-training", shots=10, language="es") == (
        "calque compare --task pos --model mini --source en=train.conllu:test.conllu --targets es=train.conllu:test.conllu "
        "--raw es=es.txt --shots 10 --seeds 3 --strategies self-training --epochs 4 --test-limit 100 --share 0.3 --output lab"
    )


def test_the_command_of_a_row_has_the_text_that_this_row_reads():
    texts = {"es": (Path("es.txt"),), "ca": (Path("ca.txt"),), "en": (Path("en.txt"),)}
    own = made(raw=texts, strategies=("few-shot", "self-training"), targets={"es": FILES, "ca": FILES})
    assert "--raw" not in command_of(own, "lab", strategy="few-shot", shots=10, language="es")
    told = command_of(own, "lab", strategy="self-training", shots=10, language="es")
    assert "--raw es=es.txt --raw en=en.txt --shots" in told  # of another target it would be refused
    assert "--raw ca=ca.txt" in command_of(own, "lab")


def test_the_command_of_several_files_can_be_read_again(tmp_path):
    from calque.cli.compare import _languages

    paths = [tmp_path / name for name in ("a.conllu", "b.conllu", "c.conllu")]
    for path in paths:
        path.write_text("1\tno\t_\tINTJ\t_\t_\t0\troot\t_\t_\n\n")
    files = Language((paths[0], paths[1]), (paths[2],))
    words = shlex.split(command_of(made(sources={"en": files}, targets={"es": files}), "lab", resamples=100))
    options = list(zip(words, words[1:], strict=False))
    assert _languages([value for name, value in options if name == "--source"], "--source") == {"en": files}
    assert _languages([value for name, value in options if name == "--targets"], "--targets") == {"es": files}
    assert ("--resamples", "100") in options


def test_what_makes_no_run_is_said():
    bare = Language((), (Path("test.conllu"),))
    assert left_out(made()) == []
    assert left_out(made(targets={"es": FILES, "ca": bare})) == [
        "ca: no training data, so nothing with labelled sentences of it is run"
    ]
    assert left_out(made(shots=(0,), strategies=("zero-shot",))) == []
    assert left_out(made(shots=(0,), strategies=("zero-shot", "joint"))) == ["joint: left out, for want of labelled sentences"]
