"""From text to an analysed document: cut into sentences and words (:mod:`calque.cutting`), labelled by a model.

Choices and trade-offs
- A tagger is anything with ``tasks`` and ``tag`` or ``analyse`` (:class:`Tagger`): the ONNX runtime, a PyTorch model, a test's
  fake. Nothing here knows which one it has, so nothing here imports PyTorch.
- :func:`annotate` streams. It hands the tagger :data:`WINDOW_WORDS` words at a time: enough sentences that the tagger can put
  those of like length together (it pads less, so it runs faster), few enough that memory does not grow with the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any, Protocol, overload, runtime_checkable

from calque import loading
from calque.adapterrouter import Adapters, Choose, Otherwise, by_text
from calque.analysis import Analysis, Tagged, Tree
from calque.config import is_routes
from calque.conventions import following
from calque.cutting import AUTO, as_texts, cut, language_code
from calque.document import Document, Sentence
from calque.errors import CalqueError, ModelError
from calque.loading import DEFAULT

WINDOW_WORDS = 8192
_OPENING: dict[str | None, AbstractContextManager[Any]] = {}  # a lock for each name
_COLUMNS = {"feats": "feats", "lemma": "lemma", "ner": "entity"}


@runtime_checkable
class Tagger(Protocol):
    """Whatever labels words. One with other heads than ``pos`` has ``analyse(sentences, tasks)`` too, as calque's models do.

    One that can do less for some sentences than for others says so in ``check_tasks(tasks)``, as a router does.
    """

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the heads it has, such as ``pos``."""
        ...

    def tag(self, sentences: Sequence[Sequence[str]]) -> Sequence[Tagged | Tree]:
        """UPOS tags for the words of each sentence, in order."""
        ...


def annotate(
    sentences: Iterable[Sentence],
    tagger: str | Path | Tagger | None = None,
    *,
    tasks: str | Sequence[str] | None = None,
    batch_words: int = WINDOW_WORDS,
    choose: Choose | None = None,
) -> Iterator[Sentence]:
    """Fill what the model knows of every word (tags, features, lemmas, trees, entities), streaming, in the order given.

    The sentences are changed in place and handed on; what was there of the tasks is replaced, all else stays. Nothing happens
    before the first one is asked for.

    :param sentences: any number of sentences; only about ``batch_words`` words of them are held at a time. Of words that are
        cut already, make them: ``Sentence([Token("El"), Token("gato")], lang="es")``.
    :param tagger: a model with a head that labels words, its name, or its folder; by default the embedded one.
    :param tasks: these of its tasks alone (``"pos,ner"``); by default all that it has.
    :param batch_words: words handed to the tagger at a time.
    :param choose: says which adapters a sentence goes through (:func:`calque.adapterrouter.adapters_for`).
    :raises CalqueError: for what are no sentences, or an unknown model; when it has no head for a task that is asked for, or for
        words at all.
    """
    tagger = as_tagger(tagger)
    wanted = check_tasks(tagger, tasks)
    for window in windows(sentences, batch_words):
        for sentence, analysis in zip(window, analyse_sentences(tagger, window, wanted, choose=choose), strict=True):
            fill(sentence, analysis)
            yield sentence


def windows(sentences: Iterable[Sentence], batch_words: int = WINDOW_WORDS) -> Iterator[list[Sentence]]:
    """The sentences in groups of about ``batch_words`` words, the last one smaller; none is empty."""
    window: list[Sentence] = []
    words = 0
    for sentence in checked(sentences):
        window.append(sentence)
        words += max(len(sentence.tokens), 1)
        if words >= batch_words:
            yield window
            window, words = [], 0
    if window:
        yield window


def checked(sentences: Iterable[Sentence]) -> Iterator[Sentence]:
    """The sentences as they come.

    :raises CalqueError: for what are no sentences.
    """
    if isinstance(sentences, Document | Sentence) or not isinstance(sentences, Iterable):
        raise CalqueError(
            f"sentences are any number of calque.Sentence, such as  document.sentences, and not {type(sentences).__name__}"
        )
    for sentence in sentences:
        if not isinstance(sentence, Sentence):
            raise CalqueError(
                f"a sentence is a calque.Sentence, and not {type(sentence).__name__} ({sentence!r:.40}): text goes to  "
                "calque.parse; of words that are cut already make  Sentence([Token(word), …])"
            )
        yield sentence


@overload
def parse(  # type: ignore[overload-overlap] # a string is a sequence of strings, and stands for one text
    text: str,
    *,
    lang: str = AUTO,
    model: str | Path | Tagger | None = None,
    tasks: str | Sequence[str] | None = None,
    adapters: Adapters = None,
    otherwise: Otherwise = "nearest",
    treebank: str | Sequence[str] | None = None,
) -> Document: ...
@overload
def parse(
    text: Iterable[str],
    *,
    lang: str | Sequence[str] = AUTO,
    model: str | Path | Tagger | None = None,
    tasks: str | Sequence[str] | None = None,
    adapters: Adapters = None,
    otherwise: Otherwise = "nearest",
    treebank: str | Sequence[str] | None = None,
) -> list[Document]: ...
def parse(
    text: str | Iterable[str],
    *,
    lang: str | Sequence[str] = AUTO,
    model: str | Path | Tagger | None = None,
    tasks: str | Sequence[str] | None = None,
    adapters: Adapters = None,
    otherwise: Otherwise = "nearest",
    treebank: str | Sequence[str] | None = None,
) -> Document | list[Document]:
    """Analyse text: sentences, words with character offsets, and what the model knows of them (tags, features, trees, entities).

    :param text: a text, or several (a list, a column of a table, a generator), which are tagged in the same batches.
    :param lang: language of the text as a code or name ("es", "Spanish"), or "auto" to identify it; one for each text where
        there are several.
    :param model: a model, its name, or its folder; by default the embedded one.
    :param tasks: these of the model's tasks alone (``"pos,ner"``); by default all that label words.
    :param adapters: of the model: a name or stack for all (``es``, ``es,pos``), ``auto`` for those of each sentence's language,
        or a list with one for each text (None: none); by default what the model goes through by itself.
    :param otherwise: with ``auto``, what a language without an adapter goes through: ``nearest``, ``base`` or ``mean``.
    :param treebank: whose conventions the labels follow in its language (``es_gsd``), or several, of a language one each; of
        those that the model was told by name in training. By default none: what the treebanks of a language have in common.
    :returns: a document, or a list of them for a list of texts.
    :raises CalqueError: for what is no text, an unknown language, model, task, adapter or treebank, or a model without a head
        for words.
    """
    one = isinstance(text, str)
    texts = as_texts(text)
    one_language = isinstance(lang, str | bytes) or not isinstance(lang, Iterable)
    langs: list[Any] = [lang] * len(texts) if one_language else list(lang)
    if len(langs) != len(texts):
        raise CalqueError(f"{len(texts)} texts but {len(langs)} languages: give one language for all, or one for each")
    tagger = as_tagger(model)
    check_tasks(tagger, tasks)
    check_reach(tagger, adapters)
    if treebank:
        tagger = following(tagger, treebank, langs=[language_code(name) or AUTO for name in langs])
    documents = [cut(t, lang=code) for t, code in zip(texts, langs, strict=True)]
    choose = by_text(tagger, adapters, [d.sentences for d in documents], otherwise=otherwise)
    for _ in annotate((s for d in documents for s in d.sentences), tagger, tasks=tasks, choose=choose):
        pass
    return documents[0] if one else documents


def as_tagger(model: str | Path | Tagger | None) -> Tagger:
    """The tagger a user means: itself, or loaded by name or folder and kept for the next call.

    :param model: None for the embedded default.
    :raises CalqueError: for an unknown model.
    """
    if model is None or isinstance(model, str | Path):
        name = None if model is None else str(model)
        with _OPENING.setdefault(name, RLock()):  # of threads that want the same one at once, one opens it
            return _kept(name, _written(model))
    if not any(callable(getattr(model, verb, None)) for verb in ("tag", "analyse")):
        raise ModelError(f"{model!r} cannot tag words: give a model of calque.load, its name, or its folder")
    return model


def check_tasks(tagger: Tagger, tasks: str | Sequence[str] | None = None) -> list[str] | None:
    """The tasks that are asked for; None: all that the model has.

    :raises ModelError: that says how to train one that is missing; for one that is about whole texts, and for a model that
        labels no words, too.
    """
    own: Callable[[Sequence[str] | None], None] | None = getattr(tagger, "check_tasks", None)
    if tasks is None:
        if own is not None:
            own(None)
        else:
            _check_words(tagger)
        return None
    from calque.tasks import TASKS, names_of

    names = names_of(tasks)
    able = [task for task in tagger.tasks if not _of_texts(tagger, task)]
    if of_texts := [name for name in names if _of_texts(tagger, name)]:
        has = f"; for words this model has {', '.join(able)}" if able else ""
        raise ModelError(
            f"{', '.join(of_texts)} {'is' if len(of_texts) == 1 else 'are'} about whole texts, and words are labelled here: "
            f"for texts use  calque classify  (calque.classify in Python){has}"
        )
    missing = [name for name in names if name not in able]
    if own is not None and names:
        own(names)
    if strange := [name for name in missing if name not in TASKS]:
        raise ModelError(f"task '{strange[0]}' is unknown: for words {_called(tagger)} has {', '.join(able) or 'none'}")
    if missing or not names:
        raise ModelError(
            f"{_called(tagger)} has no head for {', '.join(missing) or 'nothing'} "
            f"(for words it has: {', '.join(able) or 'none'}): "
            f"train one with  calque train {(missing or ['pos'])[0]} --model NAME --train FILE --output DIR"
        )
    return names


def check_reach(tagger: Tagger, adapters: Adapters = None) -> None:
    """Refuse to label by nothing: without adapters, with a model that labels no words but through them.

    :raises ModelError: that names the adapters.
    """
    from calque.adapterrouter import own_tasks

    configs = getattr(tagger, "adapter_configs", {})
    active = getattr(getattr(tagger, "some_adapters", None), "active", ())
    if adapters is not None or active or any(not _of_texts(tagger, task) for task in own_tasks(tagger)):
        return
    able = [f"{name} ({c.task})" for name, c in configs.items() if c.head is not None and not _of_texts(tagger, c.task)]
    if able:
        raise ModelError(
            f"{_called(tagger)} labels words through its adapters alone, {', '.join(able)}: name one (--adapters NAME; adapters= "
            "in Python), or auto for those of each sentence's language"
        )


def _check_words(tagger: Tagger) -> None:
    """Refuse a model that has nothing to label words with.

    :raises ModelError: that says what it is good for, or how to train what it lacks.
    """
    from calque.tasks import OF_WORDS

    if any(task in OF_WORDS for task in tagger.tasks):
        return
    if of_texts := [task for task in tagger.tasks if _of_texts(tagger, task)]:
        raise ModelError(
            f"{_called(tagger)} labels whole texts ({', '.join(of_texts)}) and no words: "
            "use it with  calque classify --model MODEL  (calque.classify in Python)"
        )
    raise ModelError(
        f"{_called(tagger)} has no head that labels words: train one with  "
        "calque train pos --model NAME --train FILE --output DIR  and parse with  --model DIR"
    )


def _of_texts(tagger: Tagger, task: str) -> bool:
    """Whether a task is about whole texts: as the model's own head says, else as the task of that name is."""
    from calque.tasks import OF_TEXTS, TASKS

    made = getattr(getattr(tagger, "config", None), "tasks", {}).get(task)
    kind = made.kind if made is not None else TASKS[task].kind if task in TASKS else None
    return kind in OF_TEXTS


def _written(model: str | Path | None) -> float:
    """When a model's folder or a table was written, so that a new one is not taken for the old one; 0 for what is neither."""
    try:
        return 0.0 if model is None else Path(model, *([] if is_routes(model) else ["config.json"])).stat().st_mtime
    except OSError:
        return 0.0


@lru_cache(maxsize=4)
def _kept(name: str | None, written: float) -> Tagger:
    tagger: Tagger = loading.load(name)
    return tagger


def analyse_sentences(
    tagger: Tagger,
    sentences: Sequence[Sentence],
    tasks: Sequence[str] | None = None,
    lang: str | None = None,
    *,
    choose: Choose | None = None,
) -> list[Analysis]:
    """What a model says of the words of sentences, by task.

    :param tasks: these alone; None: all that label words.
    :param lang: for sentences that name none, where the tagger cuts words by language.
    :param choose: says which adapters a sentence goes through.
    """
    words = [[token.text for token in sentence.tokens] for sentence in sentences]
    options: dict[str, Any] = {}
    if getattr(tagger, "by_language", False):
        options["langs"] = [sentence.lang or lang for sentence in sentences]
    if choose is not None:
        options["adapters"] = [choose(sentence) for sentence in sentences]
    told: Any = tagger
    if callable(getattr(tagger, "analyse", None)):
        found: list[Analysis] = told.analyse(words, tasks, **options)
        return found
    return [{"pos": tagged} for tagged in told.tag(words, **options)]


def fill(sentence: Sentence, analysis: Analysis) -> None:
    """Write what a model says of a sentence into its words."""
    for task, said in analysis.items():
        if task == "dep" and isinstance(said, Tree):
            for token, head, relation in zip(sentence.tokens, said.heads, said.labels, strict=True):
                token.head, token.deprel = head, relation
        elif task == "pos":
            for token, label, score in zip(sentence.tokens, said.labels, said.scores, strict=True):
                token.upos, token.score = label, score
        elif task in _COLUMNS:
            for token, label in zip(sentence.tokens, said.labels, strict=True):
                setattr(token, _COLUMNS[task], None if label == "_" and task == "feats" else label)


def _called(tagger: Tagger) -> str:
    """What a message calls a model: its folder, its name, or what it prints as where it has neither."""
    folder = getattr(tagger, "folder", None)
    if folder == Path(__file__).parent / "bundled" / DEFAULT:
        return DEFAULT
    name = getattr(getattr(tagger, "config", None), "name", "") or getattr(getattr(tagger, "encoder", None), "name", "")
    return str(folder or name or repr(tagger)[:80])
