"""Run an exported model with ONNX Runtime and NumPy: no PyTorch, safe to share between threads.

Choices and trade-offs
- The graph does everything up to the logits of every word (encoder, pooling of pieces to words, head), so what is left here is
  cutting words into pieces, padding, and putting windows together again.
- The session is made at the first sentence, not when the model is opened: ``calque models info`` and a server's start-up do not
  pay for it, and a damaged file is still found before the first result.
- Labels are made of what the graph gives by the same code as PyTorch models' (:mod:`calque.labelling`). Batches are small
  (:data:`BATCH_PIECES`): on a CPU, larger ones fall out of its caches.
- With two processors or more, the two halves of a call's words go through at once, so that one is cut or decoded in Python while
  the other runs: a tenth faster where products are quick (VNNI; ``docs/lab.md``), the same where they are slow.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calque.adapters import AdapterConfig, Setup, Wanted, as_setup
from calque.analysis import Analysis, Parsing, Tagged, Tree, check_texts, check_words
from calque.config import ModelConfig, TaskConfig
from calque.errors import ModelError
from calque.labelling import Head, analyse
from calque.pieces import Row, WordPieces, pooling_named
from calque.runtime.adapters import ExportedAdapters, mixed_logits
from calque.runtime.opening import default_threads, first_line, open_session
from calque.runtime.packing import read_packed
from calque.runtime.sharing import shared_tables
from calque.tasks import OF_TEXTS, kind_of, names_of, output_size, outputs_of
from calque.texts import MEAN_VECTOR, Embedding, classify, embed, embedder
from calque.wordforms import forms_of

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from calque.zeroshot import Classified

ONNX_FILE = "model.onnx"
ONNX_FORMAT = 1  # of the graph: its inputs, its outputs, and what they mean
INPUTS = ("input_ids", "attention_mask", "pooling")  # and "features" where the model reads word features
RELATIONS_FILE = "relations.safetensors"  # of trees: the relations of chosen pairs are named outside the graph
BATCH_PIECES = 512
LANE_WORDS = 1024


class OnnxModel(Parsing, Embedding):
    """A model that runs without PyTorch: a folder with ``config.json``, ``tokenizer.json`` and ``model.onnx``.

    Implements :class:`calque.pipeline.Tagger`. One object serves many threads at once, and can be sent to other processes.

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
        self._at = folder.absolute()  # what is read later is read from there, wherever the process stands by then
        self.config = config
        self.pieces = pieces
        self.adapters = adapters
        self.threads = threads if threads is not None else default_threads()
        self._session: InferenceSession | None = None
        self._tree_weights: dict[str, NDArray[Any]] | None = None
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
        for task, made in config.tasks.items():
            kind_of(made, task)  # refuses what this calque does not know
        pooling = pooling_named(config.pooling, folder)
        at = folder / str(_shared(config)["encoder"]) if _shared(config) else folder
        pieces = WordPieces.from_folder(at, max_length=config.max_length, pooling=pooling)
        pieces.forms = forms_of(config.word_features, folder, config.treebanks)
        pieces.named = config.language_token
        pieces.treebanks = frozenset(config.treebanks)
        pieces.pad_id = int(_onnx_section(config).get("pad_id", pieces.pad_id))  # the encoder's own; some count positions by it
        slots = _onnx_section(config).get("adapters")
        adapters = ExportedAdapters.from_folder(folder, slots) if isinstance(slots, dict) else None
        return cls(folder, config, pieces, threads=threads, adapters=adapters)

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the heads, those that adapters bring included: ``("pos",)``."""
        return tuple(self._configs())

    @property
    def adapter_configs(self) -> dict[str, AdapterConfig]:
        """What is known about the adapters in its folder, by name."""
        return dict(self.adapters.configs) if self.adapters is not None else {}

    def mean_adapter(self, names: Sequence[str]) -> str:
        """The name of an adapter whose weights are the mean of others'."""
        assert self.adapters is not None  # noqa: S101 - names come from adapter_configs
        return self.adapters.mean(names)

    def __reduce__(self) -> tuple[Any, ...]:
        """A session does not travel: a copy, and the same in another process, opens the folder again."""
        return _reopened, (self._at, self.threads)

    def __repr__(self) -> str:
        return f"OnnxModel({str(self.folder)!r}, tasks={list(self.tasks)})"

    @property
    def treebanks(self) -> list[str]:
        """Those it was told by name in training, whose conventions it follows where it is told so again: ``es_gsd``."""
        return self.config.treebanks

    @property
    def by_language(self) -> bool:
        """Whether the language of a sentence matters: :meth:`analyse` then wants ``langs``.

        It does where words are cut by the vocabulary of their language, where word features are hidden in strange ones, and
        where the encoder is told the language or the treebank.
        """
        pieces = self.pieces
        return pieces.own is not None or pieces.told or (pieces.forms is not None and bool(self.config.formed))

    def tag(
        self,
        sentences: Sequence[Sequence[str]],
        *,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
    ) -> list[Tagged | Tree]:
        """UPOS tag and its probability for each word of each sentence: :meth:`label` for the task ``pos``."""
        return self.label(sentences, task="pos", langs=langs, adapters=adapters)

    def label(
        self,
        sentences: Sequence[Sequence[str]],
        *,
        task: str,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
    ) -> list[Tagged | Tree]:
        """Label and its probability for each word of each sentence: :meth:`analyse` for one task."""
        return [found[task] for found in self.analyse(sentences, [task], langs=langs, adapters=adapters)]

    def analyse(
        self,
        sentences: Sequence[Sequence[str]],
        tasks: str | Sequence[str] | None = None,
        *,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
    ) -> list[Analysis]:
        """Label the words of sentences with several heads in one pass.

        :param sentences: words of each sentence; a sentence may be empty or longer than the encoder's window.
        :param tasks: which heads (``["pos", "ner"]``, or ``"pos,ner"``); by default all that label words.
        :param langs: the language of each sentence, for encoders with vocabularies by language; and for models with word
            features, which are hidden in languages that the model has not learnt.
        :param adapters: those of each sentence (None, ``"es"``, ``"es,pos"`` …), or a name for all; by default none.
        :returns: one for each sentence, in order: by task a label and its probability for every word (:mod:`calque.analysis`).
        :raises CalqueError: for what are no lists of words; when the model has no such head or adapter, or its files are damaged.
        """
        check_words(sentences, langs)
        asked = None if tasks is None else names_of(tasks)
        setups = self._setups(adapters, len(sentences))
        known = {setup: self._heads(asked, setup) for setup in dict.fromkeys(setups)}
        heads = [known[setup] for setup in setups]

        def lane(at: slice) -> list[Analysis]:
            return analyse(
                self.pieces, self._run_rows, sentences[at], heads[at],
                langs=langs[at] if langs is not None else None, setups=setups[at],
                batch_pieces=BATCH_PIECES, formed=self.config.formed,
            )  # fmt: skip

        lanes = _lanes(sentences)
        if len(lanes) < 2 or self.threads < 2:  # one thread takes the same batches: what comes out must not depend on it
            return [one for at in lanes for one in lane(at)]
        from concurrent.futures import ThreadPoolExecutor  # takes as long to import as a short text to label

        self._open()
        with ThreadPoolExecutor(len(lanes)) as pool:
            return [one for found in pool.map(lane, lanes) for one in found]

    def classify_texts(
        self,
        texts: Sequence[str],
        *,
        task: str = "classify",
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
        threshold: float | None = None,
    ) -> list[Classified]:
        """Classes of texts by a head that was trained on such (``calque train classify``).

        :param threshold: of a head for several labels a text: those above it are the text's; by default 0.5.
        :raises ModelError: when the model has no such head.
        """
        check_texts(texts, langs)
        setups = self._setups(adapters, len(texts))
        known = {setup: self._head(task, setup).config for setup in dict.fromkeys(setups)}
        return classify(
            self.pieces, self._run_rows, texts, task, [known[s] for s in setups],
            langs=langs, setups=setups, threshold=threshold, batch_pieces=BATCH_PIECES,
        )  # fmt: skip

    def embed(self, texts: Sequence[str], *, langs: Sequence[str | None] | None = None) -> NDArray[np.float32]:
        """Vectors of texts, ``[texts, D]``, of length one: of a head for sentence vectors, else the mean over the pieces.

        :raises ModelError: for a model that was exported before calque knew of them.
        """
        check_texts(texts, langs)
        head = embedder(self.config)
        if head is None and MEAN_VECTOR not in {output.name for output in self._open().get_outputs()}:
            raise ModelError(
                f"{self.folder}: this exported model gives no vectors of texts: export it again, or take an encoder, such as "
                "--model mini (pip install 'calque[train]')"
            )
        return embed(self.pieces, self._run_rows, texts, head, langs=langs, batch_pieces=BATCH_PIECES)

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

    def _configs(self) -> dict[str, TaskConfig]:
        """Of all heads, those that adapters bring included."""
        brought = {c.task: c.head for c in self.adapter_configs.values() if c.task and c.head is not None}
        return {**brought, **self.config.tasks}

    def _heads(self, tasks: Sequence[str] | None, setup: Setup) -> dict[str, Head]:
        """Heads that sentences with these adapters go to, by task."""
        if tasks is None:
            mine = [t for t, c in self._configs().items() if c.kind not in OF_TEXTS]
            tasks = [t for t in mine if t in self.config.tasks or self._owner(setup, t) is not None]
        return {task: self._head(task, setup) for task in tasks}

    def _head(self, task: str, setup: Setup) -> Head:
        if task not in self.tasks:
            raise ModelError(f"{self.folder}: this model has no head for {task} (its heads: {', '.join(self.tasks) or 'none'})")
        owner = self._owner(setup, task)
        if owner is not None and self.adapters is not None:
            return Head(self.adapters.head_config(owner), {})
        if task not in self.config.tasks:
            names = ", ".join(n for n, c in self.adapter_configs.items() if c.task == task)
            raise ModelError(f"{self.folder}: no '{task}' head of its own, only adapters have: give one of {names}")
        config = self.config.tasks[task]
        return Head(config, self._relations(task) if config.kind == "tree" else {})

    def _owner(self, setup: Setup, task: str) -> str | None:
        return self.adapters.owner(setup, task) if self.adapters is not None else None

    def _relations(self, task: str) -> Mapping[str, NDArray[Any]]:
        """Weights that name the relations of a tree."""
        path = self._at / RELATIONS_FILE
        if self._tree_weights is None:
            self._tree_weights = {key: np.asarray(value, dtype=np.float32) for key, value in read_packed(path).items()}
        mine = {k.removeprefix(f"{task}."): v for k, v in self._tree_weights.items() if k.startswith(f"{task}.")}
        if set(mine) != {"labels.weight", "labels.bias"}:
            raise ModelError(f"{path}: it lacks the relations of '{task}': export the model again")
        return mine

    def _run_rows(self, rows: Sequence[Row], wanted: Sequence[str], setups: Sequence[Setup]) -> dict[str, NDArray[np.float32]]:
        """A batch through the graph (:class:`calque.labelling.Runner`)."""
        feed: dict[str, NDArray[Any]] = self.pieces.batch(rows).arrays()
        adapters = self.adapters
        if adapters is not None:
            feed |= adapters.feed(setups)
        owners: dict[str, list[str | None]] = {}  # of outputs that some rows have from the head of an adapter
        asked: list[str] = []
        for task, config in self._configs().items():
            for name in (n for n in outputs_of(task, config.kind) if n in wanted):
                mine = [self._owner(setup, task) for setup in setups]
                asked += [name] * (None in mine) + [f"{task}_vectors"] * any(mine)
                if any(mine):
                    owners[name] = mine
        asked += [MEAN_VECTOR] * (MEAN_VECTOR in wanted)
        found = dict(zip(asked, self._run(asked, feed), strict=True))
        for name, mine in owners.items():
            found[name] = mixed_logits(found[name.replace("_logits", "_vectors")], found.get(name), mine, adapters)
        self._check_sizes(found, owners)
        return found

    def _check_sizes(self, found: Mapping[str, NDArray[np.float32]], mixed: Collection[str]) -> None:
        """Refuse logits that are not as many as the labels."""
        for task, config in self.config.tasks.items():
            value = found.get(f"{task}_logits")
            if value is not None and f"{task}_logits" not in mixed and (value.ndim != 3 or value.shape[2] != output_size(config)):
                raise ModelError(
                    f"{self.folder}: {ONNX_FILE} and config.json do not belong together"
                    f" ({value.shape[-1]} scores a word, {output_size(config)} labels): export the model again"
                )

    def _run(self, wanted: list[str], feed: dict[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        session = self._open()
        try:
            return [np.asarray(value, dtype=np.float32) for value in session.run(wanted, feed)]
        except Exception as error:  # ONNX Runtime's errors share no base class of their own
            if lacking := set(wanted) - {output.name for output in session.get_outputs()}:
                told = f"has no {', '.join(sorted(lacking))}, which the head of an adapter reads: export the model again"
                raise ModelError(f"{self.folder / ONNX_FILE}: {told}") from error
            raise ModelError(f"{self.folder / ONNX_FILE}: running the model failed: {first_line(error)}") from error

    def _open(self) -> InferenceSession:
        """The session, made once even when many threads ask for it at the same time."""
        if self._session is None:
            with self._lock:
                if self._session is None:
                    shared = _shared(self.config)
                    tables = shared_tables(self._at, shared) if shared else {}
                    beside = self._at / str(shared["encoder"]) if shared else None
                    fused = bool(_onnx_section(self.config).get("fused"))
                    self._session = open_session(
                        self._at / ONNX_FILE, threads=self.threads, tables=tables, beside=beside, optimise=not fused
                    )
                    slots = [one.name for one in self.adapters.layout.inputs()] if self.adapters is not None else []
                    inputs = [*inputs_of(features=bool(self.config.word_features)), *slots]
                    outputs = [name for task, made in self.config.tasks.items() for name in outputs_of(task, made.kind)]
                    _check_graph(self._at, self._session, outputs, inputs)
        return self._session


def _reopened(folder: Path, threads: int) -> OnnxModel:
    return OnnxModel.from_folder(folder, threads=threads)


def _lanes(sentences: Sequence[Sequence[str]]) -> list[slice]:
    """Two halves of about as many words; one part where each half would have fewer than :data:`LANE_WORDS`."""
    ends = np.cumsum([len(words) for words in sentences])
    if not len(ends) or ends[-1] < 2 * LANE_WORDS:
        return [slice(None)]
    middle = int(np.searchsorted(ends, ends[-1] / 2)) + 1
    return [slice(0, middle), slice(middle, None)] if middle < len(sentences) else [slice(None)]


def check_onnx_format(folder: Path, config: ModelConfig) -> None:
    """Refuse a graph of a newer layout than this version knows.

    :raises ModelError: with the version that is needed.
    """
    version = _onnx_section(config).get("format", ONNX_FORMAT)
    if not isinstance(version, int) or version > ONNX_FORMAT:
        raise ModelError(
            f"{folder}: its {ONNX_FILE} was written by a newer calque (format {version}, this one reads {ONNX_FORMAT}): "
            "install a newer calque"
        )


def inputs_of(*, features: bool) -> tuple[str, ...]:
    """Names of the graph's inputs, in order; ``features``: of a model that reads word features."""
    return (*INPUTS, "features") if features else INPUTS


def _check_graph(folder: Path, session: InferenceSession, outputs: Sequence[str], wanted: Sequence[str]) -> None:
    inputs = {i.name for i in session.get_inputs()}
    missing = sorted((set(wanted) ^ inputs) | (set(outputs) - {o.name for o in session.get_outputs()}))
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
