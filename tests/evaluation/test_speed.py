"""``calque.benchmark``: what is measured, in which units, on which input; and what it refuses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import types

import pytest

from calque.errors import CalqueError, DataError, FormatError, ModelError
from calque.evaluation.speed import Benchmark, benchmark, fresh, run
from calque.evaluation.speed.stages import STAGES, Clock, watched
from calque.loading import load
from calque.pipeline import annotate

TEXT = "El gato está en la mesa. La casa .\nThe cat sat on the mat .\n"


@pytest.fixture
def quick(monkeypatch):
    """No processes of their own; what they are asked is remembered."""
    asked = []
    monkeypatch.setattr(run, "seconds_to_start", lambda model, words, **options: asked.append((model, words, options)) or 0.5)
    monkeypatch.setattr(run, "peak_memory", lambda model, source, **options: asked.append((model, source, options)) or 123.0)
    return asked


@pytest.fixture
def gold(write_conllu):
    sentences = ["El/DET gato/NOUN ve/VERB", "la/DET casa/VERB ./PUNCT", "Vengo/VERB a/ADP la/DET mesa/NOUN"]
    return write_conllu("es_toy-ud-test.conllu", sentences)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "some.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.mark.slow
def test_processes_of_their_own_start_tag_and_tell_their_memory(lexicon_model, gold):
    found = benchmark(lexicon_model, gold, lang="es", rounds=1)
    assert found.starts == 3
    assert 0 < found.startup_s.low <= found.startup_s.median <= found.startup_s.high < 60
    assert found.peak_memory_mb is None or 10 < found.peak_memory_mb < 2000


def test_gold_words_are_tagged_and_accuracy_stands_beside_speed(lexicon_model, gold, quick):
    found = benchmark(lexicon_model, gold, lang="es", rounds=3)
    assert found.source == {"file": str(gold), "kind": "conllu", "lang": "es", "sentences": 3, "words": 10}
    assert found.segmentation is None
    (variant,) = found.variants
    assert variant.tasks == ("pos",)
    speed = variant.words_per_second
    assert 0 < speed.low <= speed.median <= speed.high
    assert 0 < variant.latency_ms.p50 <= variant.latency_ms.p99
    assert variant.latency_ms.sentences == 3
    assert variant.accuracy["upos.accuracy"]["value"] == pytest.approx(0.7)  # of ten words casa, Vengo and a come out otherwise
    assert set(variant.shares) == set(STAGES)
    assert sum(variant.shares.values()) == pytest.approx(1.0)
    assert all(share > 0 for share in variant.shares.values())


def test_processes_are_asked_for_the_same_model_file_and_threads(lexicon_model, gold, quick):
    found = benchmark(lexicon_model, gold, lang="es", rounds=1, threads=2)
    *starts, (model, source, options) = quick
    assert starts == [(str(lexicon_model), ["El", "gato", "ve"], {"lang": "es", "threads": 2})] * 3
    assert (model, source.path, source.lang, options) == (str(lexicon_model), str(gold), "es", {"threads": 2})
    assert (found.startup_s.median, found.peak_memory_mb) == (0.5, 123.0)
    assert found.machine["threads"] == 2


def test_threads_are_given_back(lexicon_model, gold, quick, monkeypatch):
    monkeypatch.setenv("CALQUE_THREADS", "1")
    benchmark(lexicon_model, gold, rounds=1, threads=2)
    assert benchmark(lexicon_model, gold, rounds=1).machine["threads"] == 1


def test_raw_text_is_cut_and_cutting_is_timed_apart(lexicon_model, text, quick):
    found = benchmark(lexicon_model, text, lang="es", rounds=2)
    assert (found.source["kind"], found.source["sentences"], found.source["words"]) == ("text", 3, 17)
    assert found.segmentation.low > 0
    assert found.variants[0].accuracy == {}


def test_without_a_file_the_sample_is_measured_and_said_to_be_one(lexicon_model, quick):
    found = benchmark(lexicon_model, rounds=1)
    assert (found.source["file"], found.source["kind"]) == (None, "sample")
    assert found.source["words"] > 1000
    assert found.variants[0].latency_ms.sentences == run.ONE_AT_A_TIME
    assert any("sample that ships" in note and "--input" in note for note in found.notes)


def test_only_the_first_sentences_with_a_limit(lexicon_model, gold, quick):
    found = benchmark(lexicon_model, gold, rounds=1, limit=2)
    assert (found.source["sentences"], found.source["words"]) == (2, 6)
    assert found.variants[0].accuracy["upos.accuracy"]["value"] == pytest.approx(5 / 6)


def test_the_size_is_of_the_folder_in_millions_of_bytes(lexicon_model, gold, quick):
    size = sum(path.stat().st_size for path in lexicon_model.iterdir())
    assert benchmark(lexicon_model, gold, rounds=1).size_mb == pytest.approx(size / 1e6)


def test_a_file_without_labels_has_speed_and_a_note(lexicon_model, tmp_path, quick):
    path = tmp_path / "bare.conllu"
    path.write_text("1\tgato\t_\t_\t_\t_\t_\t_\t_\t_\n\n", encoding="utf-8")
    found = benchmark(lexicon_model, path, lang="es", rounds=1)
    assert found.variants[0].accuracy == {}
    assert any(note.startswith("accuracy is not measured") and "no gold tags" in note for note in found.notes)


def test_conllu_by_another_name_is_known_by_its_lines(lexicon_model, gold, quick, tmp_path):
    other = tmp_path / "words.txt"
    other.write_bytes(gold.read_bytes())
    assert benchmark(lexicon_model, other, rounds=1).source["kind"] == "conllu"


def test_a_short_round_is_said_to_be_no_steady_figure(lexicon_model, gold, quick):
    assert any("larger file" in note for note in benchmark(lexicon_model, gold, rounds=1).notes)


class TwoHeads:
    """Remembers which tasks it was asked for."""

    tasks = ("pos", "ner")

    def __init__(self):
        self.asked = []

    def analyse(self, sentences, tasks=None):
        from calque.analysis import Tagged

        self.asked.append(tuple(tasks or self.tasks))
        return [{task: Tagged(["X"] * len(words), [1.0] * len(words)) for task in tasks or self.tasks} for words in sentences]

    def tag(self, sentences):
        raise NotImplementedError


@pytest.fixture
def two_heads(monkeypatch, quick):
    tagger = TwoHeads()
    monkeypatch.setattr("calque.evaluation.speed.machine.load", lambda name: tagger)
    monkeypatch.setattr(run, "size_on_disk", lambda name, tagger: None)
    return tagger


def test_sets_of_tasks_are_measured_in_turn_beside_all_heads(two_heads, text):
    found = benchmark("m", text, tasks=["pos", "ner", "pos, ner", "pos"], rounds=2)
    assert [variant.tasks for variant in found.variants] == [("pos", "ner"), ("pos",), ("ner",)]
    sets = [("pos", "ner"), ("pos",), ("ner",)]
    assert two_heads.asked[1:10] == sets * 3  # what it has at all, then one warming up and two rounds


def test_a_tagger_that_cannot_be_watched_has_no_shares(two_heads, text):
    assert benchmark("m", text, rounds=1).variants[0].shares is None


@pytest.mark.parametrize("tasks", ["dep", "pos,dep", ""])
def test_a_task_that_the_model_lacks_is_refused(tasks, lexicon_model, gold, quick):
    with pytest.raises(ModelError, match="has no head for"):
        benchmark(lexicon_model, gold, tasks=tasks, rounds=1)


def test_a_task_of_texts_is_refused(two_heads, text):
    two_heads.tasks = ("pos", "classify")
    with pytest.raises(ModelError, match="classify is about whole texts"):
        benchmark("m", text, tasks="classify", rounds=1)


@pytest.mark.parametrize("number", ["rounds", "threads", "limit"])
def test_a_number_below_one_is_refused(number):
    with pytest.raises(CalqueError, match=f"{number} is 0: give 1 or more"):
        benchmark(**{number: 0})


def test_a_missing_file_is_told_of_before_the_model_is_loaded(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        benchmark("no-such-model", tmp_path / "none.conllu")


@pytest.mark.parametrize("name", ["empty.txt", "empty.conllu"])
def test_an_empty_file_is_refused(name, tmp_path):
    (tmp_path / name).write_text("\n")
    with pytest.raises(DataError, match="no words in this file"):
        benchmark(None, tmp_path / name)


def test_standard_input_cannot_be_read_twice():
    with pytest.raises(DataError, match="write it to a file first"):
        benchmark(None, "-")


@pytest.mark.skipif(not os.path.isdir("/dev/fd"), reason="this system has no names for what is open")
def test_a_pipe_cannot_be_read_twice():
    reading, writing = os.pipe()
    os.write(writing, TEXT.encode())
    os.close(writing)
    with pytest.raises(DataError, match=r"the pipe /dev/fd/\d+ cannot be: write it to a file first"):
        benchmark(None, f"/dev/fd/{reading}")
    os.close(reading)


def test_malformed_conllu_is_told_with_its_line(tmp_path):
    (tmp_path / "bad.conllu").write_text("1\tgato\n\n")
    with pytest.raises(FormatError, match=r"bad\.conllu:1"):
        benchmark(None, tmp_path / "bad.conllu")


def test_a_process_that_fails_says_why(tmp_path):
    (tmp_path / "model.onnx").touch()  # and no config.json
    with pytest.raises(CalqueError, match=f"process of its own failed: .*{re.escape(str(tmp_path))}"):
        fresh.seconds_to_start(str(tmp_path), ["a"])


def test_memory_does_not_count_what_the_starting_program_has():
    code = "from calque.evaluation.speed.fresh import peak_bytes; print(peak_bytes())"
    ballast = b"x" * 300_000_000
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=fresh._environment(None), check=True)
    peak = int(done.stdout)
    assert len(ballast) == 300_000_000
    assert sys.platform != "linux" or 5_000_000 < peak < 250_000_000


def test_watching_changes_neither_labels_nor_the_model(lexicon_model, gold):
    from calque.formats.conllu import read_conllu

    model = load(lexicon_model)
    pieces = model.pieces
    plain = [[t.upos for t in s.tokens] for s in annotate(read_conllu(gold), model)]
    with watched(model) as (same, clock):
        assert [[t.upos for t in s.tokens] for s in annotate(read_conllu(gold), same)] == plain
    assert all(seconds > 0 for seconds in clock.seconds.values())
    assert model.pieces is pieces
    spent = dict(clock.seconds)
    list(annotate(read_conllu(gold), model))
    assert clock.seconds == spent


def test_a_watched_pass_is_made_by_one_thread(lexicon_model, monkeypatch):
    from calque.runtime import session

    monkeypatch.setattr(session, "LANE_WORDS", 2)  # a call goes in two halves at once
    monkeypatch.setenv("CALQUE_THREADS", "2")
    model, seen = load(lexicon_model), set()
    graph = model._run

    def heard(*given):
        seen.add(threading.current_thread())
        return graph(*given)

    monkeypatch.setattr(model, "_run", heard)
    model.tag([["El", "gato", "duerme"]] * 4)
    assert threading.current_thread() not in seen
    seen.clear()
    with watched(model) as (same, _):  # times of two threads would add up to more than the pass takes
        same.tag([["El", "gato", "duerme"]] * 4)
    assert seen == {threading.current_thread()}
    assert model.threads == 2


def test_shares_are_of_the_whole_pass():
    clock = Clock()
    clock.seconds.update(pieces=1.0, graph=2.0)
    assert clock.shares(4.0) == {"pieces": 0.25, "graph": 0.5, "decoding": 0.25}


def test_words_are_new_to_the_model_in_each_round(lexicon_model, gold, quick, monkeypatch):
    from calque.pieces import WordPieces

    forgotten = []
    monkeypatch.setattr(WordPieces, "forget", lambda self: forgotten.append(self))
    benchmark(lexicon_model, gold, rounds=4)
    assert len(forgotten) == 4 + 1  # and once for the shares


def test_a_system_that_tells_no_memory_has_a_note(lexicon_model, gold, quick, monkeypatch):
    monkeypatch.setattr(run, "peak_memory", lambda *_, **__: None)
    found = benchmark(lexicon_model, gold, rounds=1)
    assert found.peak_memory_mb is None
    assert any("peak memory is not measured" in note for note in found.notes)


def test_a_system_without_the_resource_module_tells_no_memory(monkeypatch):
    monkeypatch.setattr(fresh, "Path", lambda path: types.SimpleNamespace(read_text=lambda **_: (_ for _ in ()).throw(OSError)))
    monkeypatch.setitem(sys.modules, "resource", None)
    assert fresh.peak_bytes() is None


def test_the_plain_form_has_every_figure(lexicon_model, gold, quick):
    found = benchmark(lexicon_model, gold, rounds=1)
    assert isinstance(found, Benchmark)
    plain = found.to_json_dict()
    assert set(plain["machine"]) == {"processor", "cores", "threads", "device", "system"}
    assert {"calque", "python", "onnxruntime"} <= set(plain["versions"])
    assert set(plain["variants"][0]) == {"tasks", "words_per_second", "latency_ms", "shares", "accuracy"}
    assert plain["variants"][0]["words_per_second"].keys() == {"median", "low", "high"}


def test_a_table_of_routes_is_measured(lexicon_model, gold, quick, tmp_path, monkeypatch):
    from calque.pieces import WordPieces

    forgotten = []
    monkeypatch.setattr(WordPieces, "forget", lambda self: forgotten.append(self))
    table = tmp_path / "routes.toml"
    table.write_text(f'[routes]\nes = "{lexicon_model}"\n"*" = "{lexicon_model}"\n', encoding="utf-8")
    found = benchmark(table, gold, lang="es", rounds=2, threads=1)
    assert found.variants[0].words_per_second.median > 0
    assert (found.machine["threads"], found.size_mb) == (1, None)
    assert len(forgotten) == 2
    assert found.variants[0].accuracy


def test_all_heads_are_those_of_all_routes(two_heads, text, monkeypatch):
    def analyse(sentences, tasks=None):  # as a table of routes whose first route has a tagger alone
        from calque.analysis import Tagged

        able = [("pos",) if words[0] == "El" else ("pos", "ner") for words in sentences]
        return [{t: Tagged(["X"] * len(w), [1.0] * len(w)) for t in tasks or has} for w, has in zip(sentences, able, strict=True)]

    monkeypatch.setattr(two_heads, "analyse", analyse)
    assert [variant.tasks for variant in benchmark("m", text, tasks="pos", rounds=1).variants] == [("pos", "ner"), ("pos",)]
