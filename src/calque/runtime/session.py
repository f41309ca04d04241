"""Run an exported model with ONNX Runtime and NumPy: no PyTorch, safe to share between threads.

Choices and trade-offs
- The graph does everything up to the logits of every word (encoder, pooling of pieces to words, head), so what is left here is
  cutting words into pieces, padding, and putting windows together again.
- The session is made at the first sentence, not when the model is opened: ``calque models info`` and a server's start-up do not
  pay for it, and a damaged file is still found before the first result.
- Sentences are cut in chunks of :data:`CHUNK_WORDS` and batched by padded pieces, so memory depends on neither the number of
  sentences nor their lengths. Batches are small (:data:`BATCH_PIECES`): on a CPU, larger ones fall out of its caches.
- Threads are set explicitly (``CALQUE_THREADS``, else the processors this process may use). ONNX Runtime's own default counts the
  machine's processors and pins threads to them, which fails noisily and slows down in containers.
- Graphs are optimised when they are opened, not when they are written: that takes 20 to 40 ms for a small model, and the file
  stays free of operators that only one version of ONNX Runtime knows.
- Threads do not spin while they wait: a service must not burn its processors between requests.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calque.adapters import AdapterConfig, Setup, Wanted, as_setup
from calque.config import ModelConfig
from calque.document import Document
from calque.errors import CalqueError, ModelError
from calque.pieces import Row, WordPieces, budget_batches, pooling_named
from calque.pipeline import Tagged
from calque.runtime.adapters import ExportedAdapters, mixed_logits
from calque.runtime.sharing import shared_tables
from calque.wordforms import forms_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ONNX_FILE = "model.onnx"
ONNX_FORMAT = 1  # of the graph: its inputs, its outputs, and what they mean
INPUTS = ("input_ids", "attention_mask", "pooling")  # and "features" where the model reads word features
CHUNK_WORDS = 16_384
BATCH_PIECES = 2_048
MAX_DEFAULT_THREADS = 8  # small encoders stop gaining here; CALQUE_THREADS goes beyond


class OnnxModel:
    """A model that runs without PyTorch: a folder with ``config.json``, ``tokenizer.json`` and ``model.onnx``.

    Implements :class:`calque.pipeline.Tagger`. One object serves many threads at once.

    :param folder: where the files are.
    :param config: what ``config.json`` says.
    :param pieces: the tokenizer.
    :param threads: processors to use; ``CALQUE_THREADS``, else those this process may use (at most 8).
    :param adapters: what its graph has slots for.
    """

    def __init__(
        self,
        folder: Path,
        config: ModelConfig,
        pieces: WordPieces,
        *,
        threads: int | None = None,
        adapters: ExportedAdapters | None = None,
    ) -> None:
        self.folder = folder
        self.config = config
        self.pieces = pieces
        self.adapters = adapters
        self.threads = threads if threads is not None else default_threads()
        self._session: InferenceSession | None = None
        self._lock = threading.Lock()

    @classmethod
    def from_folder(cls, folder: Path | str, *, threads: int | None = None) -> OnnxModel:
        """Open an exported model.

        :param folder: what ``calque export`` wrote.
        :param threads: processors to use (default: ``CALQUE_THREADS``, else those this process may use).
        :raises ModelError: when a file is missing or damaged, or of a newer format.
        """
        folder = Path(folder)
        config = ModelConfig.from_folder(folder)
        if not (folder / ONNX_FILE).is_file():
            raise ModelError(f"{folder}: no {ONNX_FILE} here: write one with  calque export {folder} --output DIR")
        check_onnx_format(folder, config)
        pooling = pooling_named(config.pooling, folder)
        at = folder / str(_shared(config)["encoder"]) if _shared(config) else folder
        pieces = WordPieces.from_folder(at, max_length=config.max_length, pooling=pooling)
        pieces.forms = forms_of(config.word_features, folder)
        pieces.pad_id = int(_onnx_section(config).get("pad_id", pieces.pad_id))  # the encoder's own; some count positions by it
        slots = _onnx_section(config).get("adapters")
        adapters = ExportedAdapters.from_folder(folder, slots) if isinstance(slots, dict) else None
        return cls(folder, config, pieces, threads=threads, adapters=adapters)

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the heads, those that adapters bring included: ``("pos",)``."""
        brought = [c.task for c in self.adapter_configs.values() if c.task and c.head is not None]
        return tuple(dict.fromkeys([*self.config.tasks, *brought]))

    @property
    def adapter_configs(self) -> dict[str, AdapterConfig]:
        """What is known about the adapters in its folder, by name."""
        return dict(self.adapters.configs) if self.adapters is not None else {}

    def mean_adapter(self, names: Sequence[str]) -> str:
        """The name of an adapter whose weights are the mean of others'."""
        assert self.adapters is not None  # noqa: S101 - names come from adapter_configs
        return self.adapters.mean(names)

    def __repr__(self) -> str:
        return f"OnnxModel({str(self.folder)!r}, tasks={list(self.tasks)})"

    @property
    def by_language(self) -> bool:
        """Whether words are cut by the vocabulary of their language: :meth:`tag` then wants ``langs``."""
        return self.pieces.own is not None

    def tag(
        self,
        sentences: Sequence[Sequence[str]],
        *,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
    ) -> list[Tagged]:
        """UPOS tag and its probability for each word of each sentence: :meth:`label` for the task ``pos``."""
        return self.label(sentences, task="pos", langs=langs, adapters=adapters)

    def label(
        self,
        sentences: Sequence[Sequence[str]],
        *,
        task: str,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
    ) -> list[Tagged]:
        """Label and its probability for each word of each sentence.

        :param sentences: words of each sentence; a sentence may be empty or longer than the encoder's window.
        :param task: the head that labels.
        :param langs: the language of each sentence, for encoders with vocabularies by language.
        :param adapters: those of each sentence (None, ``"es"``, ``"es,pos"`` …), or a name for all; by default none.
        :returns: one :class:`Tagged` a sentence, in order.
        :raises ModelError: when the model has no such head or adapter, or its files are damaged.
        """
        if task not in self.tasks:
            raise ModelError(f"{self.folder}: this model has no head for {task} (its heads: {', '.join(self.tasks) or 'none'})")
        setups = self._setups(adapters, len(sentences))
        found: list[Tagged] = []
        start = 0
        while start < len(sentences):
            stop, words = start, 0
            while stop < len(sentences) and (stop == start or words + len(sentences[stop]) <= CHUNK_WORDS):
                words += len(sentences[stop])
                stop += 1
            named = langs[start:stop] if langs is not None else None
            found.extend(self._label_chunk(sentences[start:stop], named, setups[start:stop], task))
            start = stop
        return found

    def parse(self, text: str, *, lang: str = "auto", **options: Any) -> Document:
        """Analyse text: the same as ``calque.parse(text, lang=lang, model=self)``."""
        from calque.pipeline import parse

        found: Document = parse(text, lang=lang, model=self, **options)
        return found

    def _setups(self, wanted: str | Sequence[Wanted] | None, count: int) -> list[Setup]:
        """What each sentence goes through."""
        if wanted is None:
            return [()] * count
        if not isinstance(wanted, str) and len(wanted) != count:
            raise ModelError(f"{len(wanted)} adapters for {count} sentences: give one for each, None for none")
        if self.adapters is None:
            if isinstance(wanted, str) or any(wanted):
                raise ModelError(f"{self.folder}: this exported model has no slots for adapters: export a model that has some")
            return [()] * count
        known: dict[Wanted, Setup] = {}
        found = []
        for one in [wanted] * count if isinstance(wanted, str) else wanted:
            key = one if one is None or isinstance(one, str) else tuple(one)
            if key not in known:
                known[key] = self.adapters.check(as_setup(key))
            found.append(known[key])
        return found

    def _labels(self, task: str, setup: Setup) -> list[str]:
        """Of the head that sentences with this setup go to."""
        owner = self.adapters.owner(setup, task) if self.adapters is not None else None
        if owner is not None and self.adapters is not None:
            return self.adapters.labels(owner)
        if task not in self.config.tasks:
            names = ", ".join(n for n, c in self.adapter_configs.items() if c.task == task)
            raise ModelError(f"{self.folder}: no '{task}' head of its own, only adapters have: give one of {names}")
        return self.config.tasks[task].labels

    def _label_chunk(
        self, sentences: Sequence[Sequence[str]], langs: Sequence[str | None] | None, setups: Sequence[Setup], task: str
    ) -> list[Tagged]:
        offsets = np.concatenate([[0], np.cumsum([len(s) for s in sentences], dtype=np.int64)])
        best = np.zeros(int(offsets[-1]), dtype=np.int64)
        scores = np.zeros(int(offsets[-1]), dtype=np.float32)
        labels = {setup: self._labels(task, setup) for setup in set(setups)}
        rows = self.pieces.rows(sentences, langs=langs)
        for group in budget_batches([len(row.ids) for row in rows], BATCH_PIECES):
            batch = [rows[i] for i in group]
            top, probability = _decide(self._logits(batch, task, [setups[row.sentence] for row in batch]))
            for i, row in enumerate(batch):
                low, high = row.keep
                at = int(offsets[row.sentence]) + row.first_word
                best[at + low : at + high] = top[i, low:high]
                scores[at + low : at + high] = probability[i, low:high]
        found = []
        for number, (start, stop) in enumerate(zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)):
            names = labels[setups[number]]
            found.append(Tagged([names[i] for i in best[start:stop].tolist()], scores[start:stop].tolist()))
        return found

    def _logits(self, rows: Sequence[Row], task: str, setups: Sequence[Setup]) -> NDArray[np.float32]:
        feed: dict[str, NDArray[Any]] = self.pieces.batch(rows).arrays()
        adapters = self.adapters
        owners = [adapters.owner(setup, task) if adapters is not None else None for setup in setups]
        wanted = [f"{task}_logits"] * (None in owners) + ["word_vectors"] * any(owners)
        if adapters is not None:
            feed |= adapters.feed(setups)
        outputs = dict(zip(wanted, self._run(wanted, feed), strict=True))
        own = outputs.get(f"{task}_logits")
        if own is not None and (own.ndim != 3 or own.shape[2] != len(self.config.tasks[task].labels)):
            raise ModelError(
                f"{self.folder}: {ONNX_FILE} and config.json do not belong together"
                f" ({own.shape[-1]} scores a word, {len(self.config.tasks[task].labels)} labels): export the model again"
            )
        return own if own is not None and not any(owners) else mixed_logits(outputs["word_vectors"], own, owners, adapters)

    def _run(self, wanted: list[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        session = self._open()
        try:
            return [np.asarray(value, dtype=np.float32) for value in session.run(wanted, feed)]
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            raise ModelError(f"{self.folder / ONNX_FILE}: running the model failed: {_first_line(error)}") from error

    def _open(self) -> InferenceSession:
        """The session, made once even when many threads ask for it at the same time."""
        if self._session is None:
            with self._lock:
                if self._session is None:
                    tables = shared_tables(self.folder, shared) if (shared := _shared(self.config)) else {}
                    self._session = open_session(self.folder / ONNX_FILE, threads=self.threads, tables=tables)
                    slots = [one.name for one in self.adapters.layout.inputs()] if self.adapters is not None else []
                    inputs = [*inputs_of(features=bool(self.config.word_features)), *slots]
                    _check_graph(self.folder, self._session, list(self.config.tasks), inputs)
        return self._session


def default_threads() -> int:
    """Processors to use: ``CALQUE_THREADS``, else those this process may use, at most 8.

    :raises CalqueError: when ``CALQUE_THREADS`` is not a number above 0.
    """
    asked = os.environ.get("CALQUE_THREADS", "").strip()
    if asked:
        if not asked.isdecimal() or int(asked) < 1:
            raise CalqueError(f"CALQUE_THREADS={asked}: give a whole number of threads, 1 or more, or leave it unset")
        return int(asked)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MAX_DEFAULT_THREADS)


def check_onnx_format(folder: Path, config: ModelConfig) -> None:
    """Refuse a graph of a newer layout than this version knows.

    :raises ModelError: with the version that is needed.
    """
    version = _onnx_section(config).get("format", ONNX_FORMAT)
    if not isinstance(version, int) or version > ONNX_FORMAT:
        raise ModelError(
            f"{folder}: its {ONNX_FILE} was written by a newer calque (format {version}, this one reads {ONNX_FORMAT}): "
            "pip install -U calque"
        )


def open_session(path: Path, *, threads: int, tables: Mapping[str, NDArray[Any]] | None = None) -> InferenceSession:
    """An ONNX Runtime session on the CPU.

    :param path: the graph.
    :param threads: threads inside one operator.
    :param tables: initial values that the graph leaves out (:mod:`calque.runtime.sharing`).
    :raises ModelError: when the file is damaged or needs a newer ONNX Runtime.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong is raised; warnings of the library say nothing to a user
    # every batch has another shape: a plan of memory made for one shape never serves again
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if tables:
        values = [ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(table)) for table in tables.values()]
        options.add_external_initializers(list(tables), values)
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class of their own
        reason = _first_line(error)
        if "opset" in reason.lower() or "ir version" in reason.lower():
            raise ModelError(f"{path}: needs a newer ONNX Runtime ({reason}): pip install -U onnxruntime") from error
        raise ModelError(
            f"{path}: cannot be read, it is damaged or incomplete; export or download it again ({reason})"
        ) from error


def _decide(logits: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best label and its probability (softmax) for logits ``[rows, words, labels]``."""
    top = logits.argmax(axis=2)
    highest = logits.max(axis=2, keepdims=True)
    return top, 1.0 / np.exp(logits - highest).sum(axis=2)


def inputs_of(*, features: bool) -> tuple[str, ...]:
    """Names of the graph's inputs, in order; ``features``: of a model that reads word features."""
    return (*INPUTS, "features") if features else INPUTS


def _check_graph(folder: Path, session: InferenceSession, tasks: Sequence[str], wanted: Sequence[str]) -> None:
    inputs = {i.name for i in session.get_inputs()}
    outputs = {o.name for o in session.get_outputs()}
    missing = sorted((set(wanted) ^ inputs) | ({f"{task}_logits" for task in tasks} - outputs))
    if missing:
        raise ModelError(
            f"{folder / ONNX_FILE}: not a graph that calque wrote for this config.json"
            f" (missing or unknown: {', '.join(missing)}): export the model again"
        )


def _onnx_section(config: ModelConfig) -> dict[str, Any]:
    section = config.extra.get("onnx")
    return section if isinstance(section, dict) else {}


def _shared(config: ModelConfig) -> dict[str, Any]:
    section = _onnx_section(config).get("shared")
    return section if isinstance(section, dict) else {}


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
