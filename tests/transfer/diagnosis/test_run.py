"""The whole diagnosis: every check speaks, findings become tables and JSON."""

from __future__ import annotations

import io
import json
import shlex

import pytest
from rich.console import Console

import calque
from calque.errors import DataError, ModelError
from calque.pipeline import Tagged
from calque.transfer.diagnosis import CHECKS, Diagnosis, Finding, Remedy, diagnose

TRAIN = ["the/DET cat/NOUN sleeps/VERB in/ADP houses/NOUN ./PUNCT"] * 40
TEST = ["el/DET gato/NOUN duerme/VERB en/ADP casas/NOUN ./PUNCT"] * 40


class Lexicon:
    """Knows English, and calls all else a noun."""

    tasks = ("pos",)
    known = dict(pair.rpartition("/")[::2] for pair in TRAIN[0].split())

    def tag(self, sentences):
        return [Tagged([self.known.get(w, "NOUN") for w in words], [0.9] * len(words)) for words in sentences]


def test_every_check_speaks_whatever_is_given(write):
    found = diagnose(Lexicon(), raw={"es": write("es.txt", ["El gato duerme."])})
    assert list(dict.fromkeys(finding.check for finding in found.findings)) == list(CHECKS)
    assert (found.model, found.task) == ("Lexicon", "pos")


def test_a_bad_target_is_seen_from_several_sides(write):
    found = diagnose(
        Lexicon(),
        test={"es": write("es.conllu", TEST)},
        source={"en": write("en.conllu", TRAIN)},
        train={"en": write("train.conllu", TRAIN)},
    )
    assert found.of("weak source")[0].status == "ok"
    assert found.of("distant pair")[0].status == "warning"
    assert found.of("miscalibration")[0].status == "problem"
    assert [one.status for one in found.of("duplicates")] == ["ok", "problem"]
    assert found.status == "problem" and found.counts["problem"] >= 2


def test_the_model_from_before_measures_what_was_forgotten(write):
    class Forgetful(Lexicon):
        known = Lexicon.known | {"cat": "VERB"}

    source = {"en": write("en.conllu", TRAIN)}
    (found,) = diagnose(Forgetful(), source=source, before=Lexicon()).of("forgetting")
    assert found.status == "problem" and found.evidence["fell"] == pytest.approx(1 / 6)
    with pytest.raises(DataError, match="--source"):
        diagnose(Lexicon(), test=source, before=Lexicon())


def test_only_the_first_sentences_are_read_and_a_note_says_so(write):
    path = write("es.conllu", TEST)
    found = diagnose(Lexicon(), test={"es": path}, limit=5)
    assert found.notes == ["only the first 5 sentences of es.conllu (--limit)"]
    assert diagnose(Lexicon(), test={"es": path}, limit=None).notes == []


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, DataError, "nothing to look at"),
        ({"test": "es.conllu"}, DataError, "test are given by language, such as"),
        ({"raw": {"es": 3}}, DataError, "raw of es: a file is given by its path"),
        ({"test": {"es": "none.conllu"}}, DataError, r"none.conllu: no such file \(given for the language 'es'\)"),
        ({"raw": {"es": "."}}, DataError, "is a folder"),
        ({"raw": {"es": __file__}, "limit": 0}, DataError, "limit is 0"),
        ({"raw": {"es": __file__}, "task": "dep"}, ModelError, r"no head for dep \(it has: pos\)"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_read(given, error, message):
    with pytest.raises(error, match=message):
        diagnose(Lexicon(), **given)


def test_a_bare_encoder_is_told_how_to_get_a_head(monkeypatch):
    class Bare:
        tasks = ()

    monkeypatch.setattr("calque.loading.load", lambda name, backend: Bare())
    with pytest.raises(ModelError, match="mini: no head that labels words .* calque train pos --model mini"):
        diagnose("mini", raw={"es": __file__})


def finding(status, *remedies, check="weak source"):
    return Finding(check=check, status=status, told="what was seen", language="en", file="a/en.conllu", remedies=remedies)


def test_the_table_names_remedies_once_the_worst_first():
    again = Remedy("do this", "calque models list")
    diagnosis = Diagnosis("m", "pos", [finding("warning", again), finding("problem", again, Remedy("then", "calque data list"))])
    console = Console(file=io.StringIO(), width=100)
    diagnosis.print(console)
    told = console.file.getvalue()
    assert told.count("calque models list") == 1
    assert told.index("problem") < told.index("calque models list") < told.index("calque data list")
    assert "1 warning, 1 problem" in told


def test_long_commands_are_not_folded():
    command = "calque train pos " + "--train en=FILE " * 20 + "--output DIR"
    console = Console(file=io.StringIO(), width=60)
    Diagnosis("m", "pos", [finding("problem", Remedy("run", command))]).print(console)
    assert command in console.file.getvalue()


def test_json_has_every_finding_with_its_evidence_and_its_remedies(write):
    plain = diagnose(Lexicon(), test={"es": write("es.conllu", TEST)}).to_json_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain) == {"model", "task", "status", "counts", "findings", "notes"}
    off = next(f for f in plain["findings"] if f["check"] == "miscalibration" and f["status"] == "problem")
    assert off["evidence"]["gap"] == pytest.approx(0.4) and set(off["remedies"][0]) == {"what", "command"}
    assert sum(plain["counts"].values()) == len(plain["findings"])


def test_it_is_a_public_name():
    assert calque.diagnose is diagnose and calque.Diagnosis is Diagnosis


@pytest.mark.bundled
def test_the_embedded_default_is_diagnosed_without_pytorch(write, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    texts = ["El/DET gato/NOUN está/AUX en/ADP la/DET mesa/NOUN ./PUNCT"] * 12
    found = diagnose(test={"es": write("es.conllu", texts)}, raw={"es": write("es.txt", ["El gato está en la mesa."])})
    assert found.model == "default" and found.of("unknown pieces")[0].status == "ok"
    assert found.of("distant pair")[0].told == "the model has been trained on it"


def test_a_models_name_with_a_space_stays_one_word(write, tmp_path, monkeypatch):
    from calque.transfer.diagnosis import run

    folder = str(tmp_path / "my models" / "m")
    monkeypatch.setattr(run, "_load", lambda model, backend: (Lexicon(), str(model)))
    found = diagnose(folder, test={"es": write("es.conllu", TEST)})
    assert found.model == folder
    commands = [shlex.split(one.command) for finding in found.findings for one in finding.remedies]
    assert any(folder in words for words in commands)
    assert not any("models/m" in words for words in commands)
