"""What the student is asked: the losses, one forward pass of the student each or shared.

Choices and trade-offs
- ``distil``: a word's vector at some layers is to be what the teacher says, at the same layers, of the source word it is linked
  to (layer-normed squared error and cosine). Source words are linked to themselves.
- ``mlm``: whole words are hidden and their pieces guessed (Devlin et al. 2019). The softmax runs over the batch's pieces and some
  thousand others: the whole vocabulary would cost more than the encoder.
- ``tlm``: the same over a sentence and its translation side by side (Lample and Conneau 2019).
- ``align``: linked words are to be nearer to each other than to all other words of the batch (InfoNCE in both directions, as in
  AccAlign, Wang et al. 2022); ``sentence``: the same for whole sentences (LaBSE, Feng et al. 2022).
- The weights are shares of the steps, so that adding an objective does not change the scale of another. ``distil`` and ``mlm``
  share a step, as do ``align`` and ``sentence``: a second loss is nearly free there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor, nn

from calque.errors import TrainingError
from calque.pretraining.batches import Batch
from calque.pretraining.model import word_means
from calque.pretraining.teacher import Reader
from calque.pretraining.vocabulary import MASK, PAD, SPECIAL

NOTHING = "nothing"
NAMES = ("distil", "mlm", "tlm", "align", "sentence")
KINDS = {"single": ("distil", "mlm"), "joined": ("tlm",), "pair": ("align", "sentence")}
NEGATIVES = 4096  # pieces beside the batch's own in the softmax
HEAT = 0.05  # of InfoNCE
FIRST_PIECE = len(SPECIAL)


def parse_objectives(text: str) -> dict[str, float]:
    """``distil=1,mlm=0.5`` → weights.

    :raises TrainingError: for an unknown name, a bad number or nothing at all.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        if name not in NAMES:
            raise TrainingError(f"objective '{name}': there are {', '.join(NAMES)}")
        try:
            found[name] = float(number or 1)
        except ValueError:
            raise TrainingError(f"objective {part.strip()}: '{number}' is no number") from None
        if not 0 <= found[name] < 1e6:
            raise TrainingError(f"objective {part.strip()}: give a weight of 0 or more")
    if not sum(found.values()):
        raise TrainingError("all objectives have weight 0: there is nothing to learn")
    return found


def draw_kind(objectives: Mapping[str, float], rng: np.random.Generator) -> str:
    """Which forward pass this step makes: ``single``, ``joined`` or ``pair``."""
    mass = np.array([sum(objectives.get(n, 0.0) for n in names) for names in KINDS.values()])
    return str(rng.choice(list(KINDS), p=mass / mass.sum()))


@dataclass(slots=True)
class Work:
    """One step's numbers as tensors; what a step does not need is None."""

    ids: Tensor  # [B, T]
    place: Tensor
    word: Tensor
    words: int
    target: Tensor | None = None  # [L, layers, d] teacher vectors of the linked words
    linked: Tensor | None = None  # [L] those words
    labels: Tensor | None = None  # [M] pieces that were hidden
    hidden_at: Tensor | None = None  # [M] flat positions
    candidates: Tensor | None = None  # [C] pieces of the softmax, in order
    other: Work | None = None  # the source side of a pair
    joins: Tensor | None = None  # [J, 2] linked words, here and in ``other``


def to_work(batch: Batch) -> Work:
    """A batch without any objective yet."""
    return Work(torch.from_numpy(batch.ids), torch.from_numpy(batch.place), torch.from_numpy(batch.word), len(batch.links))


def add_targets(work: Work, batch: Batch, teacher: NDArray[np.float16] | Reader) -> None:
    """For ``distil``: of a cache, the linked words have targets; of a reader, all that it can read."""
    if isinstance(teacher, Reader):
        words, work.target = teacher.targets(batch)
        work.linked = torch.from_numpy(words)
        return
    linked = np.flatnonzero(batch.links >= 0)
    work.linked = torch.from_numpy(linked)
    work.target = torch.from_numpy(np.asarray(teacher[batch.links[linked]]))


def hide_words(work: Work, rate: float, size: int, rng: np.random.Generator) -> None:
    """For ``mlm`` and ``tlm``: hides whole words; of their pieces 80 % become the mask, 10 % any piece, 10 % stay."""
    chosen = rng.random(work.words) < rate
    if work.words:
        chosen[rng.integers(work.words)] = True
    at = work.place.numpy()[chosen[work.word.numpy()]]
    flat = work.ids.numpy().reshape(-1).copy()
    labels = flat[at].copy()
    how = rng.random(len(at))
    noise = rng.integers(FIRST_PIECE, size, len(at))
    flat[at] = np.where(how < 0.8, MASK, np.where(how < 0.9, noise, labels))
    candidates = np.unique(np.concatenate([work.ids.numpy().reshape(-1), rng.integers(FIRST_PIECE, size, NEGATIVES)]))
    work.ids = torch.from_numpy(flat.reshape(work.ids.shape))
    work.hidden_at = torch.from_numpy(at)
    work.labels = torch.from_numpy(np.searchsorted(candidates, labels))
    work.candidates = torch.from_numpy(candidates)


class Student(nn.Module):
    """The backbone with what the objectives need beside it. ``forward`` gives the losses of one step.

    :param layers: of the student, compared with those of the teacher's cache in the same order.
    :param teacher_width: of the teacher's vectors; where it is not the student's, a linear map stands between them.
    """

    def __init__(
        self,
        backbone: Any,
        objectives: Mapping[str, float],
        layers: tuple[int, ...],
        teacher_width: int | None = None,  # noqa: ANN401
    ) -> None:
        super().__init__()
        hidden = int(backbone.config.hidden_size)
        other = teacher_width is not None and teacher_width != hidden
        self.wider = nn.ModuleList(nn.Linear(hidden, int(teacher_width or 0)) for _ in layers) if other else None
        self.backbone = backbone
        self.objectives = dict(objectives)
        self.layers = layers
        width = backbone.get_input_embeddings().weight.shape[1]
        guesses = objectives.get("mlm", 0) + objectives.get("tlm", 0) > 0
        self.guess = Guess(int(backbone.config.hidden_size), width, int(backbone.config.vocab_size)) if guesses else None

    def forward(self, work: Work) -> dict[str, Tensor]:
        """Losses by objective, unweighted; :data:`NOTHING` alone, which is zero, where the batch has nothing to learn from."""
        states = self._states(work)
        losses: dict[str, Tensor] = {}
        if work.target is not None and work.linked is not None and len(work.linked):
            losses["distil"] = self._distil(states, work)
        if work.labels is not None and self.guess is not None:
            assert work.hidden_at is not None and work.candidates is not None  # noqa: S101 - set together
            table = self.backbone.get_input_embeddings().weight
            scores = self.guess(states[-1].reshape(-1, states[-1].shape[-1])[work.hidden_at], table, work.candidates)
            losses["tlm" if work.other is work else "mlm"] = functional.cross_entropy(scores, work.labels)
        if work.other is not None and work.other is not work:
            losses.update(self._pair(states[-1], work))
        return losses or {NOTHING: states[-1].float().sum() * 0}

    def _states(self, work: Work) -> tuple[Tensor, ...]:
        mask = (work.ids != PAD).long() if bool((work.ids == PAD).any()) else None
        out: tuple[Tensor, ...] = self.backbone(input_ids=work.ids, attention_mask=mask, output_hidden_states=True).hidden_states
        return out

    def _distil(self, states: tuple[Tensor, ...], work: Work) -> Tensor:
        assert work.target is not None and work.linked is not None  # noqa: S101 - the caller looked
        number = torch.full((work.words,), -1, dtype=torch.int64, device=work.ids.device)
        number[work.linked] = torch.arange(len(work.linked), device=work.ids.device)
        mine = number[work.word] >= 0
        place, word = work.place[mine], number[work.word[mine]]
        loss = torch.zeros((), device=work.ids.device)
        for k, layer in enumerate(self.layers):
            ours = word_means(states[layer], place, word, len(work.linked))
            if self.wider is not None:
                ours = self.wider[k](ours).float()
            theirs = work.target[:, k].float()
            loss = loss + distance(ours, theirs)
        return loss / len(self.layers)

    def _pair(self, top: Tensor, work: Work) -> dict[str, Tensor]:
        other = work.other
        assert other is not None and work.joins is not None  # noqa: S101 - the caller looked
        there = self._states(other)[-1]
        losses: dict[str, Tensor] = {}
        a = word_means(top, work.place, work.word, work.words)
        b = word_means(there, other.place, other.word, other.words)
        if self.objectives.get("align") and len(work.joins):
            losses["align"] = contrast(a[work.joins[:, 0]], b[work.joins[:, 1]])
        if self.objectives.get("sentence"):
            losses["sentence"] = contrast(sentence_means(top, work.ids), sentence_means(there, other.ids))
        return losses


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Layer-normed squared error and cosine distance of vectors ``[N, d]``, the mean over them."""
    size = a.shape[-1:]
    error = functional.mse_loss(functional.layer_norm(a, size), functional.layer_norm(b, size))
    return error + (1 - functional.cosine_similarity(a, b, dim=-1)).mean()


def sentence_means(hidden: Tensor, ids: Tensor) -> Tensor:
    """Mean over the pieces of each sentence ``[B, d]``."""
    on = (ids >= FIRST_PIECE).to(torch.float32)[..., None]
    return (hidden.float() * on).sum(1) / on.sum(1).clamp(min=1)


def contrast(a: Tensor, b: Tensor) -> Tensor:
    """InfoNCE over cosines in both directions; row k of both belong together."""
    scores = functional.normalize(a.float(), dim=-1) @ functional.normalize(b.float(), dim=-1).T / HEAT
    right = torch.arange(len(a), device=a.device)
    return (functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right)) / 2


class Guess(nn.Module):
    """The head of masked language modelling: one layer, then the piece embeddings themselves."""

    def __init__(self, hidden: int, width: int, size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, hidden: Tensor, table: Tensor, candidates: Tensor) -> Tensor:
        """Scores of the candidates ``[M, C]``."""
        x = self.norm(functional.gelu(self.dense(hidden)))
        scores: Tensor = (x @ table[candidates].T.to(x.dtype)).float()
        return scores + self.bias[candidates]


def total(losses: Mapping[str, Tensor], objectives: Mapping[str, float]) -> Tensor:
    """The weighted mean of one step's losses."""
    mass = sum(objectives.get(name, 1.0) for name in losses)
    parts = [objectives.get(name, 1.0) / mass * loss for name, loss in losses.items()]
    return torch.stack(parts).sum()
