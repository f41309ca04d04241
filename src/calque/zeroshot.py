"""Classes of texts: labels that a user makes up, or those a head was trained on. No PyTorch.

Choices and trade-offs
- Two ways to labels that no model was trained on. By *similarity*: the text's vector beside that of each label, one pass a text
  however many labels there are; any encoder of texts will do. By *entailment* (Yin et al. 2019): "This example is {}." as the
  hypothesis, a pass for each text and label; slower, and better where labels are more than topics. The model decides which.
- Scores are probabilities only as far as they were made so. Cosines of most encoders lie close together: a temperature, and for
  several labels a text an offset, stretch them; an embedder brings its own (``similarity``), fitted on labelled texts.
- What the vectors of all texts share (most encoders' have much of it) makes some labels likelier for every text. An embedder that
  knows its ``centre`` has it taken away from texts: seven to fourteen points of topics in four languages (``docs/lab.md``).
- A label may carry a description, which is what the model reads: a name says less than a phrase, least of all across languages.
- With several labels a text, those with a score of 0.5 or more are the text's, as with trained heads; ``threshold=0`` gives all.
- What a model can do, its methods say (``embed``, ``scores``, ``classify_texts``), so that objects of a user's own serve too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, cast, overload

import numpy as np
from numpy.typing import NDArray

from calque.adapterrouter import Choose, Otherwise, adapters_for
from calque.config import is_routes
from calque.cutting import AUTO, as_texts, language_code
from calque.document import Sentence
from calque.errors import CalqueError, MissingExtraError, ModelError
from calque.loading import DEFAULT
from calque.pipeline import as_tagger

HYPOTHESIS = "This example is {}."  # of entailment models, as in transformers
TEMPERATURE = 0.05  # of cosines, where the embedder names none: that of contrastive training (Gao et al. 2021)
OFFSET = 0.3  # the cosine at which a label is as likely as not, where texts have several
THRESHOLD = 0.5  # of labels, where texts have several

Floats = NDArray[np.float32]
Labels = Sequence[str] | Mapping[str, str]


class Embedder(Protocol):
    """Whatever turns texts into vectors.

    It may have an attribute ``similarity``, a mapping with its ``temperature`` and ``offset``; ``centre``, the mean vector of any
    texts ``[d]``; and ``by_language``, true where it wants to know the texts' languages.
    """

    def embed(self, texts: Sequence[str], *, langs: Sequence[str | None] | None = None) -> Floats:
        """Vectors of length one, ``[texts, d]``."""
        ...


class Scorer(Protocol):
    """Whatever scores texts and labels together (:class:`calque.models.entailment.Entailment`)."""

    def scores(self, texts: Sequence[str], labels: Sequence[str], *, hypothesis: str, multi_label: bool) -> Floats:
        """Probabilities ``[texts, labels]``."""
        ...


@dataclass(frozen=True, slots=True)
class Classified:
    """A text, its labels, the best first, and their scores; without labels where none was likely enough.

    With ``several``, a text may have any number of labels, and all of ``labels`` are its; else the first is.
    """

    text: str
    labels: tuple[str, ...]
    scores: tuple[float, ...]
    several: bool = False

    @property
    def label(self) -> str | None:
        """The best label."""
        return self.labels[0] if self.labels else None

    @property
    def score(self) -> float | None:
        """The score of the best label."""
        return self.scores[0] if self.scores else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: ``{"text", "label", "score", "scores": {label: score, …}}``, the best label first."""
        rounded = {label: round(score, 6) for label, score in zip(self.labels, self.scores, strict=True)}
        score = None if self.label is None else rounded[self.label]
        return {"text": self.text, "label": self.label, "score": score, "scores": rounded}


@overload
def classify(  # type: ignore[overload-overlap] # a string is a sequence of strings, and stands for one text
    text: str,
    labels: Labels | Iterable[str] | None = None,
    *,
    model: object = None,
    hypothesis: str | None = None,
    multi_label: bool = False,
    threshold: float | None = None,
    lang: str = AUTO,
    adapters: str | None = None,
    otherwise: Otherwise = "nearest",
) -> Classified: ...
@overload
def classify(
    text: Iterable[str],
    labels: Labels | Iterable[str] | None = None,
    *,
    model: object = None,
    hypothesis: str | None = None,
    multi_label: bool = False,
    threshold: float | None = None,
    lang: str = AUTO,
    adapters: str | None = None,
    otherwise: Otherwise = "nearest",
) -> list[Classified]: ...
def classify(
    text: str | Iterable[str],
    labels: Labels | Iterable[str] | None = None,
    *,
    model: object = None,
    hypothesis: str | None = None,
    multi_label: bool = False,
    threshold: float | None = None,
    lang: str = AUTO,
    adapters: str | None = None,
    otherwise: Otherwise = "nearest",
) -> Classified | list[Classified]:
    """Give texts labels: yours, or without any those that the model was trained on.

    ``classify("El partido acabó en empate", ["deportes", "política"]).label``

    :param text: a text, or several (a list, a column of a table, a generator).
    :param labels: two or more, or a mapping of labels to descriptions: ``{"positivo": "una opinión buena"}``.
    :param model: None for the embedded default; a model's name, folder or Hub id, entailment (NLI) checkpoints included; or an
        object with ``classify_texts`` (when there are no labels), ``embed`` or ``scores``.
    :param hypothesis: the sentence a label is put into at ``{}``, in the texts' or the labels' language; by default the label
        alone, for entailment ``This example is {}.``
    :param multi_label: a text may have any number of labels: each is scored by itself.
    :param threshold: labels with lower scores are left out, all of them where none is likely enough; by default 0.5 where a text
        may have several labels, else none is.
    :param lang: language of the texts, or "auto" to identify it; for models that cut words by language, and for adapters.
    :param adapters: of the model, where labels are those that it was trained on: names, or ``auto`` for those of each text's
        language (:mod:`calque.adapterrouter`); ``otherwise``: with ``auto``, what a language without one goes through.
    :returns: labels with their scores, or a list of them for a list of texts.
    :raises CalqueError: for labels, a hypothesis or a threshold that cannot be, an empty text, an unknown language or model, or a
        model that cannot do it.
    """
    texts = as_texts(text)  # arrays and columns of tables are several, too
    label_all = prepare(
        labels, model=model, hypothesis=hypothesis, multi_label=multi_label, threshold=threshold, lang=lang, adapters=adapters,
        otherwise=otherwise,
    )  # fmt: skip
    return label_all(texts)[0] if isinstance(text, str) else label_all(texts)


def prepare(
    labels: Labels | Iterable[str] | None = None,
    *,
    model: object = None,
    hypothesis: str | None = None,
    multi_label: bool = False,
    threshold: float | None = None,
    lang: str = AUTO,
    adapters: str | None = None,
    otherwise: Otherwise = "nearest",
) -> Callable[[Sequence[str]], list[Classified]]:
    """What :func:`classify` does, for texts that come bit by bit: the model is loaded and the labels are read once.

    The parameters are those of :func:`classify`.

    :returns: takes texts, gives one result for each.
    :raises CalqueError: as :func:`classify` does; what is wrong with the texts, when they come.
    """
    if threshold is not None and not 0.0 <= threshold <= 1.0:
        raise CalqueError(f"a threshold of {threshold} makes no sense: scores are from 0 to 1")
    code = language_code(lang)
    if labels is None:
        if hypothesis is not None or multi_label:
            what = "a hypothesis is for" if hypothesis is not None else "several labels a text can be asked for with"
            raise CalqueError(f"{what} labels of your own: give some, or leave it out and take those the model was trained on")
        meant = _meant(model, labels=False)
        return _by_head(meant, threshold, code, adapters_for(meant, adapters, otherwise=otherwise))
    if adapters is not None:
        raise CalqueError("adapters label with what they were trained on: leave them out, or your labels")
    names, phrases = _read_labels(labels, multi_label)
    hypotheses(phrases, "{}" if hypothesis is None else hypothesis)  # says what is wrong before a model is loaded
    score = _by_labels(_meant(model, labels=True), phrases, hypothesis, multi_label, code)
    least = THRESHOLD if threshold is None and multi_label else threshold

    def label_all(texts: Sequence[str]) -> list[Classified]:
        _check_texts(texts)
        return _ranked(texts, names, score(texts), least, multi_label) if texts else []

    return label_all


def by_similarity(
    embedder: Embedder,
    texts: Sequence[str],
    labels: Labels,
    *,
    hypothesis: str = "{}",
    multi_label: bool = False,
    temperature: float | None = None,
    offset: float | None = None,
    lang: str = AUTO,
) -> list[Classified]:
    """All labels of texts, scored by the cosine of text and label.

    One label a text: softmax(cosine / temperature) over the labels. Several: 1 / (1 + exp((offset - cosine) / temperature)).

    :param hypothesis: the sentence a label is put into.
    :param temperature: above 0; by default the embedder's own (``similarity``), else :data:`TEMPERATURE`.
    :param offset: likewise, else :data:`OFFSET`.
    :raises CalqueError: for labels, a hypothesis or a temperature that cannot be, an empty text or an unknown language.
    """
    names, phrases = _read_labels(labels, multi_label)
    _check_texts(texts)
    score = _similarity(embedder, hypotheses(phrases, hypothesis), multi_label, temperature, offset, language_code(lang))
    return _ranked(texts, names, score(texts), None, multi_label) if texts else []


def hypotheses(phrases: Sequence[str], template: str) -> list[str]:
    """The template with each phrase in it.

    :raises CalqueError: when the template has no ``{}``.
    """
    if "{}" not in template:
        raise CalqueError(f"the hypothesis '{template}' has no place for the label: write  {{}}  there, as in  {HYPOTHESIS}")
    return [template.replace("{}", phrase) for phrase in phrases]


def softmax(values: NDArray[Any], axis: int = -1) -> NDArray[Any]:
    """Shares of exp(values) along an axis."""
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    shares: NDArray[Any] = raised / raised.sum(axis=axis, keepdims=True)
    return shares


def _read_labels(given: Labels | Iterable[str], multi_label: bool) -> tuple[list[str], list[str]]:
    """Labels, and what the model reads for each."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise CalqueError(f"labels are a list, such as  ['sports', 'politics'], not one {type(given).__name__} ({given!r:.40})")
    labels = given if isinstance(given, Mapping) else list(given)  # what can be read once alone is read here
    for written in (*labels, *(labels.values() if isinstance(labels, Mapping) else ())):
        if not isinstance(written, str):
            raise CalqueError(f"a label, or the description of one, is {written!r:.40}, not a text: write it in words")
    names = [label.strip() for label in labels]
    phrases = [phrase.strip() for phrase in labels.values()] if isinstance(labels, Mapping) else names
    if not all(names) or not all(phrases):
        raise CalqueError("a label, or the description of one, is empty: remove it, or write some words")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CalqueError(f"the label '{twice}' is there twice: leave one out")
    if len(names) < (1 if multi_label else 2):
        raise CalqueError(
            "too few labels to choose from: give two or more (or one, and let a text have any number of labels: multi_label)"
        )
    return names, phrases


def _check_texts(texts: Sequence[str]) -> None:
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str) or not text.strip():  # tables have numbers where a cell is empty
            where = f" (number {number})" if len(texts) > 1 else ""
            raise CalqueError(f"a text is empty{where}: give some words, or leave it out")


def _ranked(
    texts: Sequence[str], names: Sequence[str], scores: Floats, threshold: float | None, several: bool
) -> list[Classified]:
    found = []
    for text, row in zip(texts, scores, strict=True):
        order = [i for i in np.argsort(-row, kind="stable") if threshold is None or row[i] >= threshold]
        found.append(Classified(text, tuple(names[i] for i in order), tuple(float(row[i]) for i in order), several))
    return found


def _by_labels(
    model: object, phrases: Sequence[str], hypothesis: str | None, multi_label: bool, lang: str | None
) -> Callable[[Sequence[str]], Floats]:
    """What scores texts ``[texts, labels]`` with a model that can do it in one of the two ways."""
    if callable(getattr(model, "scores", None)):
        scorer, template = cast(Scorer, model), HYPOTHESIS if hypothesis is None else hypothesis
        return lambda texts: scorer.scores(texts, phrases, hypothesis=template, multi_label=multi_label)
    if not callable(getattr(model, "embed", None)):
        raise ModelError(f"{model!r} cannot compare texts with labels: give a model of calque.load, its name, or its folder")
    described = hypotheses(phrases, "{}" if hypothesis is None else hypothesis)
    return _similarity(cast(Embedder, model), described, multi_label, None, None, lang)


def _similarity(
    embedder: Embedder,
    described: Sequence[str],
    multi_label: bool,
    temperature: float | None,
    offset: float | None,
    lang: str | None,
) -> Callable[[Sequence[str]], Floats]:
    own: Mapping[str, float] = getattr(embedder, "similarity", {})
    heat = temperature if temperature is not None else own.get("temperature", TEMPERATURE)
    middle = offset if offset is not None else own.get("offset", OFFSET)
    if not heat > 0:
        raise CalqueError(f"a temperature of {heat} makes no sense: give one above 0, such as {TEMPERATURE}")
    of_labels = embedder.embed(described, **_languages(embedder, described, None))  # a label may be in any language
    centre: Floats | None = getattr(embedder, "centre", None)

    def score(texts: Sequence[str]) -> Floats:
        vectors = embedder.embed(texts, **_languages(embedder, texts, lang))
        if centre is not None:
            vectors = vectors - centre
            vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        cosines = vectors @ of_labels.T
        if multi_label:
            return np.asarray(0.5 + 0.5 * np.tanh((cosines - middle) / (2 * heat)), dtype=np.float32)  # the logistic function
        return np.asarray(softmax(cosines / heat), dtype=np.float32)

    return score


def _by_head(
    model: object, threshold: float | None, lang: str | None, choose: Choose | None
) -> Callable[[Sequence[str]], list[Classified]]:
    told: Any = model
    if not callable(getattr(model, "classify_texts", None)):
        raise ModelError(f"{model!r} was not trained on classes of texts: give labels, or a model that was")
    if callable(getattr(told, "check_tasks", None)):  # of a router: every route is to have such a head
        told.check_tasks(["classify"])
    elif "classify" not in getattr(model, "tasks", ("classify",)):
        raise ModelError(
            "this model was not trained on classes of texts: give labels that you make up  (--labels sport,politics; labels= in "
            "Python), or a model that was  (calque train classify)"
        )
    options = {} if threshold is None else {"threshold": threshold}

    def label_all(texts: Sequence[str]) -> list[Classified]:
        _check_texts(texts)
        own = {} if choose is None else {"adapters": [choose(Sentence(lang=code)) for code in _codes(texts, lang)]}
        found: list[Classified] = told.classify_texts(texts, **_languages(model, texts, lang), **options, **own) if texts else []
        return found if threshold is None else [_at_least(one, threshold) for one in found]

    return label_all


def _at_least(found: Classified, threshold: float) -> Classified:
    kept = [i for i, score in enumerate(found.scores) if score >= threshold]
    return replace(found, labels=tuple(found.labels[i] for i in kept), scores=tuple(found.scores[i] for i in kept))


def _languages(model: object, texts: Sequence[str], lang: str | None) -> dict[str, list[str | None]]:
    """The option ``langs`` for a model that cuts words by language; None of a text: not known."""
    return {"langs": _codes(texts, lang)} if getattr(model, "by_language", False) else {}


def _codes(texts: Sequence[str], lang: str | None) -> list[str | None]:
    """The language of each text; None: not known."""
    if lang is not None:
        return [lang] * len(texts)
    from calque.languages import identify

    return [identify(text).code for text in texts]


def _meant(model: object, *, labels: bool) -> object:
    """The model a user means: itself, or loaded by name or folder and kept for the next call."""
    if model is not None and not isinstance(model, str | Path):
        return model
    if model is None or is_routes(model) or not _is_sequence_classifier(str(model)):
        return as_tagger(model)
    if not labels:
        raise ModelError(
            f"{model}: a sequence classifier of the Hugging Face kind serves as an entailment model, which needs your labels: "
            "give some, such as  sports,politics"
        )
    try:
        written = (Path(model).expanduser() / "config.json").stat().st_mtime  # one trained anew is not the old one
    except OSError:
        written = 0.0
    return _entailment(str(model), written)


@lru_cache(maxsize=2)
def _entailment(name: str, written: float) -> Scorer:
    try:
        from calque.models.entailment import Entailment
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "transformers", "safetensors"}:
            raise
        raise MissingExtraError(f"{name}: an entailment model", "train") from error
    loaded: Scorer = Entailment.load(name)
    return loaded


def _is_sequence_classifier(name: str) -> bool:
    """Whether a name leads to a Hugging Face checkpoint that classifies texts, or pairs of texts; fetches its config alone."""
    from calque.config import read_object
    from calque.models.download import Source
    from calque.models.hub import resolve

    path = Path(name).expanduser() / "config.json"
    if not path.is_file():
        if name == DEFAULT or path.parent.is_dir():
            return False
        resolved = resolve(name)
        if resolved.repo is None or resolved.entry is not None:  # those we know are encoders
            return False
        path = Source(resolved.repo, resolved.revision, resolved.name).file("config.json")
    config = read_object(path, "save or download the model again")
    return any(str(kind).endswith("ForSequenceClassification") for kind in config.get("architectures") or ())
