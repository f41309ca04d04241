"""The runtime: words to labels with ONNX Runtime, whatever the sentences look like, and clear errors for broken folders."""

from __future__ import annotations

import copy
import json
import pickle
import shutil
import threading
from collections.abc import Callable
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque import labelling
from calque.errors import CalqueError, ModelError
from calque.pipeline import Tagger
from calque.runtime import session
from calque.runtime.opening import MAX_DEFAULT_THREADS, default_threads
from calque.runtime.session import OnnxModel

SPANISH = "el gato está en la mesa".split()
TAGS = "DET NOUN AUX ADP DET NOUN".split()


@pytest.fixture
def folder(lexicon_model: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(lexicon_model, tmp_path / "model"))


def change_config(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_words_get_their_labels_and_probabilities(lexicon_model: Path) -> None:
    [tagged] = OnnxModel.from_folder(lexicon_model).tag([SPANISH])
    assert tagged.labels == TAGS
    assert all(0.99 < score <= 1 for score in tagged.scores)


def test_a_score_is_the_softmax_of_its_label(lexicon_model: Path) -> None:
    [tagged] = OnnxModel.from_folder(lexicon_model).tag([["xyz"]])
    assert tagged.labels == ["X"]
    assert tagged.scores[0] == pytest.approx(np.e / (np.e + 12))


def test_an_onnx_model_is_a_tagger(lexicon_model: Path) -> None:
    model = OnnxModel.from_folder(lexicon_model)
    assert isinstance(model, Tagger)
    assert list(model.tasks) == ["pos"]


def test_sentences_of_all_lengths_come_back_in_order(lexicon_model: Path) -> None:
    rng = np.random.default_rng(0)
    vocabulary = dict(zip(SPANISH, TAGS, strict=True))
    sentences = [list(rng.choice(list(vocabulary), size=size)) for size in rng.integers(0, 70, size=60)]
    tagged = OnnxModel.from_folder(lexicon_model).tag(sentences)
    assert [t.labels for t in tagged] == [[vocabulary[word] for word in words] for words in sentences]
    assert all(len(t.scores) == len(words) for t, words in zip(tagged, sentences, strict=True))


def test_no_sentences_and_empty_sentences_are_fine(lexicon_model: Path) -> None:
    model = OnnxModel.from_folder(lexicon_model)
    assert model.tag([]) == []
    assert model.tag([[], []]) == [([], []), ([], [])]


def test_a_sentence_longer_than_the_window_loses_no_word(lexicon_model: Path) -> None:
    model = OnnxModel.from_folder(lexicon_model)  # a window of 64 pieces
    [tagged] = model.tag([SPANISH * 100])
    assert tagged.labels == TAGS * 100


def test_many_sentences_are_cut_into_chunks(lexicon_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "CHUNK_WORDS", 10)
    monkeypatch.setattr(session, "BATCH_PIECES", 16)
    model = OnnxModel.from_folder(lexicon_model)
    assert [t.labels for t in model.tag([SPANISH] * 9 + [SPANISH * 5])] == [TAGS] * 9 + [TAGS * 5]


def test_words_of_odd_characters_get_a_label(lexicon_model: Path) -> None:
    words = ["", " ", "\u200b", "😀", "a" * 5000, "\x00", "10 000", "\ufffd"]
    [tagged] = OnnxModel.from_folder(lexicon_model).tag([words])
    assert len(tagged.labels) == len(words)


def test_threads_share_a_model(lexicon_model: Path) -> None:
    model = OnnxModel.from_folder(lexicon_model)
    results: list[bool] = []

    def work() -> None:
        results.extend(model.tag([SPANISH, ["perro"]])[0].labels == TAGS for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 160


@pytest.mark.parametrize("again", [copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_and_what_was_pickled_label_alike(
    lexicon_model: Path, again: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lexicon_model.parent)
    model = OnnxModel.from_folder(lexicon_model.name, threads=1)
    monkeypatch.chdir("/")  # another process may stand elsewhere
    other = again(model)
    assert other.threads == 1
    assert other.tag([SPANISH]) == model.tag([SPANISH])


def test_a_model_works_after_a_fork_and_in_processes_of_its_own(lexicon_model: Path) -> None:
    model = OnnxModel.from_folder(lexicon_model, threads=2)
    model.tag([SPANISH])  # its session is made, with threads that a fork does not take along
    for method in {"fork", "spawn"} & set(get_all_start_methods()):
        with get_context(method).Pool(1) as pool:
            assert pool.apply_async(model.tag, ([SPANISH] * 30,)).get(timeout=120)[0].labels == TAGS


def test_the_session_is_made_once_however_many_ask(lexicon_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    real = session.open_session
    monkeypatch.setattr(session, "open_session", lambda *a, **k: made.append(0) or real(*a, **k))
    model = OnnxModel.from_folder(lexicon_model)
    assert made == []  # opening a folder costs no session
    threads = [threading.Thread(target=model.tag, args=([SPANISH],)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.onnx"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        OnnxModel.from_folder(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nowhere"):
        OnnxModel.from_folder(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"not a graph", None])
def test_a_damaged_graph_says_what_to_do(folder: Path, content: bytes | None) -> None:
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    with pytest.raises(ModelError, match=r"model\.onnx: .*(damaged|not a graph).*export"):
        OnnxModel.from_folder(folder).tag([SPANISH])


def test_a_graph_for_other_labels_is_refused(folder: Path) -> None:
    change_config(folder, tasks={"pos": {"labels": ["NOUN", "VERB"], "kind": "words"}})
    with pytest.raises(ModelError, match="do not belong together"):
        OnnxModel.from_folder(folder).tag([SPANISH])


def test_a_graph_without_the_head_is_refused(folder: Path) -> None:
    tasks = json.loads((folder / "config.json").read_text())["tasks"]
    change_config(folder, tasks={"ner": tasks["pos"]})
    model = OnnxModel.from_folder(folder)
    with pytest.raises(ModelError, match="no head for pos"):
        model.tag([SPANISH])
    with pytest.raises(ModelError, match="ner_logits"):
        model.label([SPANISH], task="ner")


@pytest.mark.parametrize("change", [{"format_version": 99}, {"onnx": {"format": 99}}])
def test_a_newer_format_asks_for_a_newer_calque(folder: Path, change: dict[str, Any]) -> None:
    change_config(folder, **change)
    with pytest.raises(ModelError, match="newer calque.*install a newer calque"):
        OnnxModel.from_folder(folder)


def test_an_unknown_pooling_is_refused(folder: Path) -> None:
    change_config(folder, pooling="max")
    with pytest.raises(ModelError, match="pooling"):
        OnnxModel.from_folder(folder)


def test_the_padding_piece_is_the_exported_encoders_own(folder: Path) -> None:
    change_config(folder, onnx={"format": 1, "pad_id": 1})
    assert OnnxModel.from_folder(folder).pieces.pad_id == 1


def test_threads_are_asked_for_by_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALQUE_THREADS", "3")
    assert default_threads() == 3
    monkeypatch.delenv("CALQUE_THREADS")
    assert 1 <= default_threads() <= MAX_DEFAULT_THREADS


@pytest.mark.parametrize("value", ["0", "many", "-2", "1.5"])
def test_a_wrong_number_of_threads_is_an_error(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CALQUE_THREADS", value)
    with pytest.raises(CalqueError, match="CALQUE_THREADS"):
        default_threads()


def test_a_model_without_vectors_of_texts_says_so(lexicon_model: Path) -> None:
    with pytest.raises(ModelError, match=r"no vectors of texts.*--model mini"):
        OnnxModel.from_folder(lexicon_model).embed(["el gato"])


@pytest.mark.parametrize(
    ("lengths", "parts"),
    [
        ([], 1),
        ([0, 0], 1),
        ([5] * 10, 1),
        ([1] * (2 * session.LANE_WORDS - 1), 1),
        ([1] * (2 * session.LANE_WORDS), 2),
        ([5, 3 * session.LANE_WORDS], 1),
        ([3 * session.LANE_WORDS, 5], 2),
        ([session.LANE_WORDS, 0, session.LANE_WORDS], 2),
    ],
)
def test_lanes_hold_every_sentence_once_and_few_words_go_through_together(lengths: list[int], parts: int) -> None:
    sentences = [["a"] * n for n in lengths]
    lanes = session._lanes(sentences)
    assert len(lanes) == parts
    assert [words for lane in lanes for words in sentences[lane]] == sentences


def test_two_lanes_say_what_one_says_and_stay_in_order(lexicon_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [["el", "gato", "azul"][: 1 + i % 3] for i in range(3000)]
    langs = [("es", "en", None)[i % 3] for i in range(3000)]
    one, two = (OnnxModel.from_folder(lexicon_model, threads=n) for n in (1, 2))
    threads = set()
    real = two._run_rows

    def watched(*given: Any) -> Any:
        threads.add(threading.get_ident())
        return real(*given)

    monkeypatch.setattr(two, "_run_rows", watched)
    assert two.tag(sentences, langs=langs) == one.tag(sentences, langs=langs)
    assert len(threads) == 2


def test_batches_do_not_depend_on_the_number_of_threads(lexicon_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [["el", "gato", "azul"][: 1 + i % 3] for i in range(3000)]
    seen: dict[int, set[tuple[bytes, ...]]] = {}
    for threads in (1, 2):
        model = OnnxModel.from_folder(lexicon_model, threads=threads)
        batches = seen[threads] = set()

        def watched(rows: Any, *given: Any, real: Any = model._run_rows, batches: set[tuple[bytes, ...]] = batches) -> Any:
            batches.add((str(len(rows)).encode(), *(row.ids.tobytes() for row in rows)))
            return real(rows, *given)

        monkeypatch.setattr(model, "_run_rows", watched)
        model.tag(sentences)
    assert seen[1] == seen[2]


def test_what_goes_wrong_in_a_lane_is_raised(lexicon_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = OnnxModel.from_folder(lexicon_model, threads=2)
    monkeypatch.setattr(model, "_run_rows", lambda *given: (_ for _ in ()).throw(ModelError("no memory")))
    with pytest.raises(ModelError, match="no memory"):
        model.tag([["el", "gato"]] * 3000)


def test_a_graph_without_what_an_adapters_head_reads_is_to_be_exported_again(lexicon_model: Path) -> None:
    with pytest.raises(ModelError, match="has no feats_vectors, which the head of an adapter reads: export the model again"):
        OnnxModel.from_folder(lexicon_model)._run(["feats_vectors"], {})
