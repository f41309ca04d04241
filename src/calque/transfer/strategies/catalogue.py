"""Strategies of transfer: what each one needs, and the steps of training that it is made of.

Choices and trade-offs
- A strategy is data: a name, the data it needs, and a list of steps, each of which trains one model (or labels one text) from
  what came before. :mod:`calque.transfer.strategies.stepping` carries them out, for ``calque train --strategy`` and for
  ``calque compare``.
- Whatever does not touch the target's sentences (training on the source) is a step of its own, so that a comparison does it once
  for all shots and seeds.
- Nothing here sees a label of the target but the shots themselves. Few-shot steps keep a tenth of them aside, as ``calque train``
  does; what works without labels (zero-shot, self-training, early stopping) chooses by the source's, or by none.
- Joint training (Schmidt, Vulić and Glavaš 2022, "Don't stop fine-tuning") starts from the encoder, not from the trained source
  model: it stands in the place of training on one after the other, and costs a whole source training for every draw. ``replay``
  is the cheap relative: it goes on from the source model, with as many source sentences beside the shots as the share says.
- Best and multiple sources are ordinary strategies with other source files; which one is the best for a target,
  ``calque sources`` says (:func:`best_source`), or the caller.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from calque.errors import TrainingError

Role = Literal["source", "target", "raw", "labels"]
"""Where the sentences of a step come from: ``labels`` is text of the target that an earlier step labelled."""
Kind = Literal["train", "adapter", "text", "label"]
Sources = Literal["first", "best", "all"]

SHARE = 0.5  # of the target in what is trained on together with the source
THRESHOLD = 0.9  # of confidence, for a sentence that the model labelled itself
ROUNDS = 1  # of self-training


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that is done: a training, or (``label``) labelling unlabelled text of the target.

    ``start`` names the step whose model it goes on from, None the encoder; ``labels`` the step that labelled its text.
    ``options`` are of :class:`calque.training.options.Options`; a caller's own go before them.
    """

    name: str
    kind: Kind = "train"
    start: str | None = None
    train: tuple[Role, ...] = ()
    labels: str | None = None
    validation: Literal["aside", "none", "labels"] = "aside"  # aside: a tenth of what is trained on
    mixed: bool = False  # source and target by shares; else all data as it is
    replay: bool = False  # as many source sentences as go with the target's, and not all
    sure: bool = True  # of text that is labelled: what the model is sure of, and not all
    again: int = 0  # added to the seed, for a second model of the same data
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a strategy's plan depends on."""

    shots: bool = True  # whether there are labelled target sentences
    rounds: int = ROUNDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A way to a model for the target language."""

    name: str
    what: str  # one line
    when: str  # one line of advice
    needs: frozenset[Role]  # without which it cannot be
    sources: Sources = "first"
    several: bool = False  # needs more than one source language

    def steps(self, settings: Settings) -> tuple[Step, ...]:
        """The plan, in order; the last step's model is the result."""
        return _PLANS[self.name](settings)

    @property
    def by_itself(self) -> bool:
        """Whether it makes a model without a labelled sentence of the target."""
        return "target" not in self.needs


_SOURCE = Step(name="source", train=("source",))


def _few_shot(settings: Settings) -> tuple[Step, ...]:
    return (_SOURCE, Step(name="target", start="source", train=("target",))) if settings.shots else (_SOURCE,)


def _joint(_: Settings) -> tuple[Step, ...]:
    return (Step(name="joint", train=("source", "target"), mixed=True),)


def _replay(_: Settings) -> tuple[Step, ...]:
    return _SOURCE, Step(name="replay", start="source", train=("source", "target"), mixed=True, replay=True)


def _adapter(_: Settings) -> tuple[Step, ...]:
    return _SOURCE, Step(name="adapter", kind="adapter", start="source", train=("target",))


def _stack(settings: Settings) -> tuple[Step, ...]:
    text = Step(name="text", kind="text", train=("raw",))
    task = Step(name="task", kind="adapter", start="text", train=("source",))
    few = Step(name="target", kind="adapter", start="task", train=("target",))
    return (text, task, few) if settings.shots else (text, task)


def _monolingual(_: Settings) -> tuple[Step, ...]:
    # nothing but the target counts here, so nothing of the encoder's start is averaged back in
    return (Step(name="target", train=("target",), options={"keep_start": 0.0}),)


def _self_training(settings: Settings) -> tuple[Step, ...]:
    steps = [*_few_shot(settings)]
    for turn in range(1, settings.rounds + 1):
        text = Step(name=f"labels-{turn}", kind="label", start=steps[-1].name, train=("raw",))
        roles: tuple[Role, ...] = ("target", "labels") if settings.shots else ("labels",)
        # from the source model each time, so that what a round got wrong is not learnt twice; no label chooses the weights
        steps += [text, Step(name=f"round-{turn}", start="source", train=roles, labels=text.name, validation="none")]
    return tuple(steps)


def _averaging(settings: Settings) -> tuple[Step, ...]:
    # all ten evaluations of a whole run, and not the three best on the source
    source = Step(name="source", train=("source",), options={"average": 10, "patience": 0})
    return (source, Step(name="target", start="source", train=("target",))) if settings.shots else (source,)


def _early_stopping(settings: Settings) -> tuple[Step, ...]:
    first = Step(name="first", train=("source",))
    text = Step(name="labels", kind="label", start="first", train=("raw",), sure=False)
    # another seed: two runs agree on new data about as often as each is right on it (Jiang et al. 2022, "Assessing generalization
    # of SGD via disagreement", on data of the training's own kind; across languages it is a guess)
    source = Step(name="source", train=("source",), labels=text.name, validation="labels", again=1)
    steps = (first, text, source)
    return (*steps, Step(name="target", start="source", train=("target",))) if settings.shots else steps


_PLANS = {
    "zero-shot": lambda _: (_SOURCE,),
    "few-shot": _few_shot,
    "joint": _joint,
    "replay": _replay,
    "adapter": _adapter,
    "adapter-stack": _stack,
    "monolingual": _monolingual,
    "self-training": _self_training,
    "averaging": _averaging,
    "early-stopping": _early_stopping,
    "best-source": _few_shot,
    "multi-source": _few_shot,
}


def _strategy(name: str, what: str, when: str, *needs: Role, sources: Sources = "first", several: bool = False) -> Strategy:
    return Strategy(name=name, what=what, when=when, needs=frozenset(needs), sources=sources, several=several)


STRATEGIES: dict[str, Strategy] = {
    one.name: one
    for one in (
        _strategy("zero-shot", "train on the source, use it on the target", "no labelled sentence of the target", "source"),
        _strategy(
            "few-shot", "train on the source, then on the target's sentences", "the first thing to try with labels",
            "source", "target",
        ),
        _strategy(
            "joint", "train on source and target together, the target up-sampled", "one model that serves both languages",
            "source", "target",
        ),
        _strategy(
            "replay", "as few-shot, with as many source sentences beside", "the source must not be forgotten", "source", "target"
        ),
        _strategy(
            "adapter", "an adapter and head for the target on the frozen source model", "many languages on one encoder",
            "source", "target",
        ),
        _strategy(
            "adapter-stack", "language adapters from raw text, a task adapter from the source between them (MAD-X)",
            "raw text of both languages, and a language that the encoder hardly knows", "source", "raw",
        ),
        _strategy("monolingual", "train on the target's sentences alone", "thousands of them, or no source", "target"),
        _strategy(
            "self-training", "the model labels text of the target, and learns from what it is sure of",
            "much text, no or few labels", "source", "raw",
        ),
        _strategy("averaging", "as few-shot, from the mean of a whole source run's weights", "distant targets", "source"),
        _strategy(
            "early-stopping", "as few-shot, from the source weights that agree most with another run on the target's text",
            "distant targets with text and no labels", "source", "raw",
        ),
        _strategy(
            "best-source", "as few-shot, from the source that calque sources puts first", "there is a treebank of a relative",
            "source", sources="best", several=True,
        ),
        _strategy(
            "multi-source", "as few-shot, from all source languages together", "several treebanks, none of a relative",
            "source", sources="all", several=True,
        ),
    )
}  # fmt: skip


def strategy_named(name: str) -> Strategy:
    """A strategy by its name.

    :raises TrainingError: for a name that there is none of, with the nearest.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    near = difflib.get_close_matches(name, STRATEGIES, n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise TrainingError(f"--strategy {name}: no such strategy{meant}; there are {', '.join(STRATEGIES)}")


def best_source(target: str, candidates: Sequence[str]) -> str:
    """The source language to start from, of those at hand: the one that :func:`calque.transfer.sources.sources` puts first.

    :raises TrainingError: when a language is not known to the tables.
    """
    from calque.errors import CalqueError
    from calque.transfer.sources import sources

    try:
        return sources(target, among=candidates).ranked[0].code
    except CalqueError as error:
        raise TrainingError(f"which source is the best for {target} cannot be told ({error}): give that source alone") from None


def chosen_sources(strategy: Strategy, target: str | None, sources: Iterable[str]) -> list[str]:
    """The source languages that a strategy trains on, of those at hand.

    :raises TrainingError: when there are too few.
    """
    known = list(sources)
    if "source" not in strategy.needs:
        return []
    if not known:
        raise TrainingError(
            f"--strategy {strategy.name} starts from a source language: give its training data (--source en=FILE)"
        )
    if strategy.several and len(known) < 2:
        raise TrainingError(
            f"--strategy {strategy.name} needs several source languages: give --source for each (there is {known[0]} alone)"
        )
    if strategy.sources == "best":
        if target is None:
            raise TrainingError("--strategy best-source: say for which language (--train es=FILE, or without labels --target es)")
        return [best_source(target, known)]
    return known if strategy.sources == "all" else known[:1]
