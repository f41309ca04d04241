"""Entailment (NLI) checkpoints of the Hub, as they are, for classification with any labels (Yin et al. 2019).

Choices and trade-offs
- The text is the premise, ``This example is <label>.`` the hypothesis: what a model that never saw the labels says of the pair
  scores the label. The arithmetic is that of transformers' zero-shot pipeline, and so are the numbers; what differs is that
  contradiction is found by its name, and that pairs go through in batches of like length.
- Which output is which, ``id2label`` says. Where it does not (``LABEL_0``), nothing is guessed: publishers use both orders, and
  the wrong one gives the opposite of every answer.
- The tokenizer is the library's own for the checkpoint: pairs are joined as each family joins them (XLM-R with two separators,
  BERT with segments).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calque.errors import CalqueError, ModelError
from calque.models import hub
from calque.models.architectures import ARCHITECTURES, DEFAULT_WINDOW, window
from calque.models.download import Source
from calque.models.encoder import load_weights, quiet, read_config
from calque.pieces import budget_batches
from calque.zeroshot import HYPOTHESIS, hypotheses, softmax

BATCH_PIECES = 8192
TEXTS_AT_ONCE = 512  # cut into pieces at a time: bounds memory
LEAST_PREMISE = 8  # pieces that must be left for the text beside the longest label


class Outputs(NamedTuple):
    """Which of a model's outputs says that the text entails, and that it contradicts, the hypothesis."""

    entailment: int
    contradiction: int


class Entailment:
    """An entailment model and its tokenizer.

    :param model: a sequence classifier of the library.
    :param tokenizer: the library's own for it.
    :param outputs: which output is which.
    :param max_length: pieces of text and hypothesis together.
    :param name: how the user called it.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, outputs: Outputs, *, max_length: int, name: str = "") -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.outputs = outputs
        self.max_length = max_length
        self.name = name
        config: Any = model.config
        ids = (config.pad_token_id, tokenizer.pad_token_id, 0)  # the model's own comes first: XLM-R counts positions by it
        self._padding: int = next(number for number in ids if number is not None)

    @classmethod
    def load(cls, name_or_folder: str | Path, revision: str | None = None, *, outputs: Sequence[str] | None = None) -> Entailment:
        """Load an NLI checkpoint (XLM-R, mDeBERTa, BERT …) by folder or Hub id.

        :param revision: branch, tag or commit on the Hub.
        :param outputs: names of the outputs in their order, for a checkpoint without them: ``("contradiction", "neutral",
            "entailment")``.
        :raises ModelError: when it cannot be found, downloaded or read, or is no entailment model; before weights are downloaded,
            where its config says so.
        """
        resolved = hub.resolve(name_or_folder, revision=revision)
        name = resolved.name
        source = Source(resolved.repo or name, resolved.revision, name)
        found = find_outputs(read_config(resolved.folder or source.file("config.json").parent, name), name, outputs)
        folder = hub.fetch(resolved, encoder=False)
        import transformers

        model = load_weights(transformers.AutoModelForSequenceClassification, folder, name)
        tokenizer = _tokenizer(folder, name)
        return cls(model, tokenizer, found, max_length=_window(read_config(folder, name), tokenizer, name), name=name)

    def __repr__(self) -> str:
        return f"Entailment({self.name!r})"

    def to(self, device: str | torch.device) -> Entailment:
        """Move the model to a device, such as ``cuda``; gives this object."""
        self.model.to(device)
        return self

    def scores(
        self,
        texts: Sequence[str],
        labels: Sequence[str],
        *,
        hypothesis: str = HYPOTHESIS,
        multi_label: bool = False,
        batch_pieces: int = BATCH_PIECES,
    ) -> NDArray[np.float32]:
        """How likely each label is for each text.

        Texts that are too long are cut: text and hypothesis together have :attr:`max_length` pieces (512 in most models).

        :param texts: the premises.
        :param labels: what goes into the hypothesis, a pass through the model for each text and label.
        :param hypothesis: the sentence a label is put into at ``{}``.
        :param multi_label: each label by itself: softmax over entailment and contradiction. Otherwise, for two labels or more,
            softmax of the entailment outputs over the labels.
        :param batch_pieces: padded pieces a forward pass; bounds the memory.
        :returns: probabilities ``[texts, labels]``.
        :raises CalqueError: when the hypothesis has no ``{}``, or a label leaves no room for the text.
        """
        written = hypotheses(labels, hypothesis)
        self._check_room(written)
        logits = np.zeros((len(texts), len(labels), 2), dtype=np.float32)
        for first in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[first : first + TEXTS_AT_ONCE]
            logits[first : first + len(some)] = self._logits(some, written, batch_pieces)
        if multi_label or len(labels) == 1:
            return np.asarray(softmax(logits)[:, :, 0], dtype=np.float32)
        return np.asarray(softmax(logits[:, :, 0]), dtype=np.float32)

    def _check_room(self, written: Sequence[str]) -> None:
        for text in written:
            size = len(self.tokenizer("", text)["input_ids"])
            if size + LEAST_PREMISE > self.max_length:
                raise CalqueError(
                    f"the label '{text[:40]}…' is {size} pieces long, and {self.name} reads {self.max_length} with the text: "
                    "describe it in fewer words"
                )

    @torch.inference_mode()
    def _logits(self, texts: Sequence[str], written: Sequence[str], batch_pieces: int) -> NDArray[np.float32]:
        """Entailment and contradiction of each text with each hypothesis, ``[texts, labels, 2]``."""
        pairs = self.tokenizer(
            [text for text in texts for _ in written],
            [hypothesis for _ in texts for hypothesis in written],
            truncation="only_first",
            max_length=self.max_length,
        )
        device = next(self.model.parameters()).device
        found = np.zeros((len(texts) * len(written), 2), dtype=np.float32)
        for rows in _batches([len(ids) for ids in pairs["input_ids"]], len(written), batch_pieces):
            arrays = self._padded({key: [pairs[key][i] for i in rows] for key in pairs})
            given = {key: torch.from_numpy(a).to(device) for key, a in arrays.items()}
            logits = self.model(**given).logits
            found[rows] = logits[:, list(self.outputs)].float().cpu().numpy()
        return found.reshape(len(texts), len(written), 2)

    def _padded(self, columns: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, NDArray[np.int64]]:
        """Rows of one length, filled up behind (segments and mask with 0)."""
        longest = max(len(ids) for ids in columns["input_ids"])
        out = {}
        for key, rows in columns.items():
            array = np.full((len(rows), longest), self._padding if key == "input_ids" else 0, dtype=np.int64)
            for i, row in enumerate(rows):
                array[i, : len(row)] = row
            out[key] = array
        return out


def find_outputs(config: Mapping[str, Any], name: object, named: Sequence[str] | None = None) -> Outputs:
    """Which output is entailment and which contradiction, by ``id2label`` or ``label2id`` of a config, in any case.

    Of two outputs the one that is not entailment is contradiction (``not_entailment``).

    :param named: names of the outputs in their order, instead of the config's.
    :raises ModelError: when it is no sequence classifier, or its outputs are not those of entailment.
    """
    if not any(str(kind).endswith("ForSequenceClassification") for kind in config.get("architectures") or ()):
        raise ModelError(
            f"{name}: no entailment model (it does not classify pairs of texts): give an NLI checkpoint, such as "
            "MoritzLaurer/mDeBERTa-v3-base-mnli-xnli"
        )
    names = dict(enumerate(named)) if named is not None else _names(config)
    plain = {number: label.strip().lower() for number, label in names.items()}
    entails = [number for number, label in plain.items() if label.startswith("entail")]
    against = [number for number, label in plain.items() if label.startswith("contra")]
    if not against and len(entails) == 1 and len(plain) == 2:
        against = [number for number in plain if number not in entails]
    if len(entails) == len(against) == 1:
        return Outputs(entails[0], against[0])
    if not plain or all(label.startswith("label_") for label in plain.values()):
        raise ModelError(
            f"{name}: its outputs have no names (LABEL_0 …), so nobody knows which says entailment: write them into config.json "
            '(id2label), or name them in order: Entailment.load(…, outputs=("contradiction", "neutral", "entailment"))'
        )
    raise ModelError(
        f"{name}: its outputs are {', '.join(names[n] for n in sorted(names)[:12])}, not entailment and contradiction: give an "
        "NLI checkpoint, or name the outputs in order (outputs=…)"
    )


def _names(config: Mapping[str, Any]) -> dict[int, str]:
    """Names of the outputs: of the two tables the one that was filled in."""
    try:
        names = {int(number): str(label) for number, label in dict(config.get("id2label") or {}).items()}
        other = {int(number): str(label) for label, number in dict(config.get("label2id") or {}).items()}
    except (TypeError, ValueError):
        return {}
    return names if any(not label.upper().startswith("LABEL_") for label in names.values()) else other or names


def _batches(lengths: Sequence[int], labels: int, budget: int) -> Iterator[list[int]]:
    """Rows of texts of like length together, all labels of a text in one batch unless they alone are more than the budget."""
    longest = [max(lengths[i : i + labels]) for i in range(0, len(lengths), labels)]
    for group in budget_batches(longest, budget // labels):
        rows = [text * labels + label for text in group for label in range(labels)]
        step = max(1, budget // max(longest[text] for text in group))
        for first in range(0, len(rows), step):
            yield rows[first : first + step]


def _window(config: Mapping[str, Any], tokenizer: Any, name: str) -> int:
    """Pieces of text and hypothesis together that the model reads."""
    if config.get("model_type") in ARCHITECTURES:
        most = window(config, name)
    else:
        most = int(config.get("max_position_embeddings") or DEFAULT_WINDOW)
    return min(most, int(tokenizer.model_max_length))


def _tokenizer(folder: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # conversion fails in as many ways as there are formats
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{name}: its tokenizer in {folder} cannot be read ({first}): download the model again") from error
    return tokenizer
