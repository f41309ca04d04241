"""Part of the weights from before fine-tuning, averaged back in: what pre-training aligned and fine-tuning took away.

Choices and trade-offs
- Fine-tuning on one language moves the encoder towards that language's data and away from where the languages lay together. A
  straight line between the weights before and after (WiSE-FT: Wortsman et al. 2022, for robustness to other distributions) gives
  some of it back to the languages that were not trained on, for little in the one that was. The head stays as trained.
- How much, is decided on validation data of the language that was trained on, never on a target's: as much as costs it a fifth of
  a point at most. That is done where a new head is trained on one language, the zero-shot case.
- A model that finds entities already and goes on with a few hundred sentences of another language (few-shot) forgets what it knew
  and learns the few that are there by heart: on less than thirty thousand words a fixed part of all its weights comes back, the
  head's too: a fifth, on less than :data:`FEW_WORDS` half. With so few sentences kept aside, validation cannot say how much.
- Not for tags, of which every word has one: a fifth kept gives to near languages (Indonesian, Dutch) and takes as much from far
  ones (Chinese, Irish; ``docs/lab.md``). There, and where nothing is measured, it must be asked for.
- The price is a copy of the encoder's trained weights in memory, and an evaluation for each part that is tried.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from calque.models.model import Model
from calque.training.options import SMALL_DATA, Options

PARTS = (0.1, 0.2, 0.3, 0.4)
FEW_WORDS = 4_000  # of training data: some two hundred sentences
FEW_PART, SMALL_PART = 0.5, 0.2
COST = 0.002  # of validation accuracy at most, 0 to 1

Weights = dict[str, Tensor]


def automatic(options: Options, *, new_head: bool, languages: int, validated: bool) -> bool:
    """Whether the part is to be chosen here."""
    return options.keep_start is None and new_head and languages == 1 and validated and not options.freeze_backbone


def few_shot_part(options: Options, *, kinds: Collection[str], words: int) -> float | None:
    """The part of all weights that a model with trained heads, all for entities, keeps on little data; None: none.

    :param kinds: of the heads.
    :param words: of the training data.
    """
    if options.freeze_backbone or set(kinds) != {"entities"} or words >= SMALL_DATA:
        return None
    return FEW_PART if words < FEW_WORDS else SMALL_PART


def trained_weights(model: Model, *, heads: bool = False) -> Weights:
    """A copy of the encoder's weights that training will change; with ``heads`` of all that it will."""
    whole = model.named_parameters()
    return {name: p.detach().clone() for name, p in whole if p.requires_grad and (heads or name.startswith("encoder."))}


def blend(model: Model, before: Mapping[str, Tensor], after: Mapping[str, Tensor], part: float) -> None:
    """Set the weights in ``before`` to ``part`` of what they were there and the rest of ``after``.

    :param part: 0 to 1.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in before:
                parameter.copy_(torch.lerp(after[name], before[name], part))


def keep_most(model: Model, before: Weights, accuracy: float, measure: Callable[[], float]) -> float:
    """Blend in as much of the start as costs :data:`COST` of validation accuracy at most; returns the part.

    :param accuracy: of the model as it is, 0 to 1.
    :param measure: the same for the model as it is by then.
    """
    after = trained_weights(model)
    kept = 0.0
    for part in PARTS:
        blend(model, before, after, part)
        if measure() < accuracy - COST:
            break
        kept = part
    blend(model, before, after, kept)
    return kept
