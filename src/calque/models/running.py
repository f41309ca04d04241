"""How a PyTorch model is run: labels for sentences, classes and vectors for texts.

Choices and trade-offs
- Decoding is shared with the ONNX runtime (:mod:`calque.labelling`, :mod:`calque.texts`): what is here turns rows into tensors,
  runs them, and gives arrays back.
- A model that was training is put into its evaluating state for the call, and back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calque.analysis import Analysis, Parsing, Tagged, Tree, check_texts, check_words
from calque.config import ModelConfig, TaskConfig
from calque.errors import ModelError
from calque.labelling import Head, analyse
from calque.models.adapted import Adapted
from calque.models.adapters import Setup, Wanted
from calque.models.adapters.heads import owner, tasks_of
from calque.models.treehead import TreeHead
from calque.pieces import Row
from calque.tasks import OF_TEXTS, names_of, outputs_of
from calque.texts import MEAN_VECTOR, Embedding, classify, embed, embedder

if TYPE_CHECKING:
    from calque.zeroshot import Classified

POS = "pos"


class Running(Adapted, Parsing, Embedding):
    """The part of a model that runs it."""

    config: ModelConfig
    heads: nn.ModuleDict

    @property
    def tasks(self) -> list[str]:
        """Names of the heads, those that adapters bring included."""
        return list(dict.fromkeys([*self.heads, *tasks_of(self.some_adapters)]))

    @property
    def treebanks(self) -> list[str]:
        """Those it was told by name in training, whose conventions it follows where it is told so again: ``es_gsd``."""
        return self.config.treebanks

    @property
    def by_language(self) -> bool:
        """Whether the language of a sentence matters: :meth:`analyse` then wants ``langs``.

        It does where words are cut by the vocabulary of their language, where word features are hidden in strange ones, and
        where the encoder is told the language.
        """
        pieces = self.encoder.pieces
        return pieces.own is not None or pieces.told or (pieces.forms is not None and bool(self.config.formed))

    def tag(
        self,
        sentences: Sequence[Sequence[str]],
        batch_pieces: int = 4096,
        *,
        task: str = POS,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
        bf16: bool = False,
    ) -> list[Tagged | Tree]:
        """Label the words of sentences with one head: :meth:`analyse` for one task."""
        found = self.analyse(sentences, [task], batch_pieces=batch_pieces, langs=langs, adapters=adapters, bf16=bf16)
        return [analysis[task] for analysis in found]

    def analyse(
        self,
        sentences: Sequence[Sequence[str]],
        tasks: str | Sequence[str] | None = None,
        *,
        batch_pieces: int = 4096,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
        bf16: bool = False,
    ) -> list[Analysis]:
        """Label the words of sentences, whatever their length, with several heads in one pass.

        :param tasks: which heads (``["pos", "ner"]``, or ``"pos,ner"``); by default all that label words.
        :param batch_pieces: padded pieces a forward pass; bounds the memory.
        :param langs: the language of each sentence, for encoders with vocabularies by language; and for models with word
            features, which are hidden in languages that the model has not learnt.
        :param adapters: those of each sentence (None, ``"es"``, ``"es,pos"`` …), or a name for all; by default the active ones.
        :param bf16: compute in bfloat16, where the hardware has it.
        :returns: one for each sentence, in order: by task a label and its probability for every word (:mod:`calque.analysis`).
        :raises CalqueError: for what are no lists of words; when the model has no such head, or no such adapter.
        """
        check_words(sentences, langs)
        asked = None if tasks is None else names_of(tasks)
        setups = self._setups(adapters, len(sentences))
        known = {setup: self._heads(asked, setup) for setup in dict.fromkeys(setups)}
        heads = [known[setup] for setup in setups]
        pieces = self.encoder.pieces
        with self._evaluating():
            return analyse(
                pieces, self._runner(bf16), sentences, heads,
                langs=langs, setups=setups, batch_pieces=batch_pieces, formed=self.config.formed,
            )  # fmt: skip

    def classify_texts(
        self,
        texts: Sequence[str],
        *,
        task: str = "classify",
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
        threshold: float | None = None,
        batch_pieces: int = 4096,
        bf16: bool = False,
    ) -> list[Classified]:
        """Classes of texts by a head that was trained on such (``calque train classify``).

        :param threshold: of a head for several labels a text: those above it are the text's; by default 0.5.
        :raises ModelError: when the model has no such head.
        """
        check_texts(texts, langs)
        setups = self._setups(adapters, len(texts))
        known = {setup: self._head(task, setup).config for setup in dict.fromkeys(setups)}
        with self._evaluating():
            return classify(
                self.encoder.pieces, self._runner(bf16), texts, task, [known[s] for s in setups],
                langs=langs, setups=setups, threshold=threshold, batch_pieces=batch_pieces,
            )  # fmt: skip

    def embed(
        self,
        texts: Sequence[str],
        *,
        langs: Sequence[str | None] | None = None,
        batch_pieces: int = 4096,
        bf16: bool = False,
    ) -> NDArray[np.float32]:
        """Vectors of texts, ``[texts, D]``, of length one: of a head for sentence vectors, else the mean over the pieces.

        They are the bare model's: adapters, active ones too, have no part in them.
        """
        check_texts(texts, langs)
        with self._evaluating():
            return embed(
                self.encoder.pieces, self._runner(bf16), texts, embedder(self.config), langs=langs, batch_pieces=batch_pieces
            )

    def _runner(self, bf16: bool) -> _Runner:
        return _Runner(self, bf16)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        training = self.training
        self.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            self.train(training)

    def train(self, mode: bool = True) -> Self:
        """Training changes the weights, and what was worked out from them goes."""
        if mode:
            self._centre = None
        return super().train(mode)

    def _setups(self, wanted: str | Sequence[Wanted] | None, count: int) -> list[Setup]:
        """What each sentence goes through."""
        if wanted is None:
            return [self.some_adapters.active if self.some_adapters is not None else ()] * count
        if isinstance(wanted, str):
            return [self.adapters.check(wanted)] * count
        if len(wanted) != count:
            raise ModelError(f"{len(wanted)} adapters for {count} sentences: give one for each, None for none")
        return [self.adapters.check(w) if w is not None else () for w in wanted]

    def _heads(self, tasks: Sequence[str] | None, setup: Setup) -> dict[str, Head]:
        """Heads that sentences with these adapters go to, by task."""
        if tasks is None:
            configs: dict[str, TaskConfig] = {**tasks_of(self.some_adapters), **self.config.tasks}
            mine = [t for t, c in configs.items() if c.kind not in OF_TEXTS]
            tasks = [t for t in mine if t in self.heads or owner(self.some_adapters, setup, t) is not None]
        return {task: self._head(task, setup) for task in tasks}

    def _head(self, task: str, setup: Setup) -> Head:
        name = owner(self.some_adapters, setup, task)
        config = self.config.tasks.get(task) if name is None else self.adapters.configs[name].head
        if config is None:
            raise ModelError(self._headless(task, setup))
        module = self.heads[task] if name is None else self.adapters.head(name)
        return Head(config, module.relation_weights() if isinstance(module, TreeHead) else {})

    def _headless(self, task: str, setup: Setup = ()) -> str:
        name = self.config.name or "this model"
        if task in self.tasks:
            return (
                f"{name} has no '{task}' head of its own, only adapters have: give one of "
                f"{', '.join(n for n, c in self.adapters.configs.items() if c.task == task)}"
                + (f" too (not {','.join(setup)} alone)" if setup else "")
            )
        if not self.heads:
            return f"{name} is an encoder without heads: train one first, with  calque train {task} --model {name} …"
        return f"{name} has no '{task}' head (it has: {', '.join(self.heads)}): train one, with  calque train {task} --model …"


class _Runner:
    """Runs rows through a model (:class:`calque.labelling.Runner`)."""

    def __init__(self, model: Running, bf16: bool) -> None:
        self.model, self.bf16 = model, bf16

    def __call__(self, rows: Sequence[Row], wanted: Sequence[str], setups: Sequence[Setup]) -> dict[str, NDArray[np.float32]]:
        model: Any = self.model
        device = model.device
        batch = model.encoder.pieces.batch(rows)
        arrays = {name: torch.from_numpy(a).to(device) for name, a in batch.arrays().items()}
        own = model.some_adapters
        plan = own.plan(setups) if own is not None else None
        configs = {**tasks_of(own), **model.config.tasks}
        tasks = [task for task, config in configs.items() if set(outputs_of(task, config.kind)) & set(wanted)]
        with torch.autocast(device.type, dtype=torch.bfloat16) if self.bf16 else nullcontext():
            if wanted == [MEAN_VECTOR]:
                found = {MEAN_VECTOR: model.vectors(**arrays, route=plan).of("", "vectors").float()}
            else:
                found = model(**arrays, adapters=plan, tasks=tasks)
        return {name: found[name].cpu().numpy() for name in wanted}
