"""From the language of a sentence to its model, adapter or the multilingual path: many models behind the face of one.

Choices and trade-offs
- A route is taken by a language that is known: one that the caller names, or that identification is sure of. All else goes the
  multilingual path (``"*"``, by default the embedded model) and never to English: a model of one language labels another without
  a complaint, and wrongly.
- A language that the caller says is not known (None in ``langs``, as :func:`calque.cutting.cut` writes where identification
  abstains) is not asked for again: one sentence tells less than the whole text did. Without ``langs`` sentences are identified by
  their words.
- Sentences are put together by model and not by route: a batch of forty languages through forty adapters of one model is one call
  of it. Models come one after the other, since each uses all the threads it may.
- ``tasks`` are what every route can do, so that any of them can be asked for. Without tasks each sentence gets what its own route
  can do, which may be more.
- The table decides on adapters; a call cannot (their names mean another thing in each model).
- No ``embed``: vectors of different models do not compare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.adapters import Wanted
from calque.analysis import Analysis, Parsing, Tagged, Tree, check_texts, check_words
from calque.errors import CalqueError, ModelError
from calque.runtime.routes import OTHERS, Route, Source, make_routes, read_table
from calque.tasks import names_of

if TYPE_CHECKING:
    from calque.loading import Backend
    from calque.pipeline import Tagger
    from calque.zeroshot import Classified

    Named = str | Path | Tagger
    Value = Named | tuple[Named, Wanted] | Mapping[str, Any]


class Router(Parsing):
    """A table from language to model: ``Router({"en": "models/en", "es": ("models/multi", "es"), "*": "models/multi"})``.

    Implements :class:`calque.pipeline.Tagger`. One object serves many threads at once, as far as its models do.

    :param routes: by language (a code or name; ``"*"`` for all others, and for text whose language is not known) a model (name,
        folder, Hub id, or a loaded one), or a pair of a model and its adapter (``"es"``, or a stack ``"es,pos"`` or
        ``["es", "pos"]``, lowest first). Without ``"*"`` that is the embedded default.
    :param backend: how models that are given by name are run; see :func:`calque.load`.
    :param file: where the table stands: names of folders are then relative to its folder, and errors begin with it.
    :raises CalqueError: for a language, model or adapter that is not known, a language that comes twice, a model without heads.
    """

    by_language = True

    def __init__(self, routes: Mapping[str, Value], *, backend: Backend = "auto", file: str | Path | None = None) -> None:
        if not isinstance(routes, Mapping):
            raise CalqueError(f"a table of routes is a mapping of languages to models, not {routes!r}: see also Router.from_toml")
        self.file = None if file is None else Path(file).expanduser()
        self._routes = make_routes(routes, backend=backend, file=self.file)
        self._known: dict[str | None, tuple[str | None, Route]] = {}

    @classmethod
    def from_toml(cls, path: str | Path, *, backend: Backend = "auto") -> Router:
        """Read a table from a TOML file, in which names of folders are relative to the file.

        Under ``[routes]`` a line for each language: ``en = "models/en"``, ``es = { model = "models/multi", adapter = "es" }`` (a
        list for a stack of adapters), ``"*" = "models/multi"``.

        :raises CalqueError: for what is wrong with the file, or with a route.
        """
        return cls(read_table(path), backend=backend, file=path)

    def __repr__(self) -> str:
        shown = f"{str(self.file)!r}, " if self.file is not None else ""
        return f"Router({shown}{', '.join(self._routes)}; {len(self._sources())} models, tasks={list(self.tasks)})"

    @property
    def routes(self) -> list[Route]:
        """The lines of the table, in order; the multilingual path is always there."""
        return list(self._routes.values())

    @property
    def tasks(self) -> Sequence[str]:
        """Names of the heads that every route has: ``("pos",)``."""
        first, *others = self._routes.values()
        return tuple(task for task in first.tasks if all(task in route.tasks for route in others))

    @property
    def treebanks(self) -> list[str]:
        """Those that some of its models were told by name in training (:mod:`calque.conventions`)."""
        return sorted({name for source in self._sources() for name in source.facts.treebanks})

    def route(self, lang: str | None) -> Route:
        """The route that a language takes.

        :param lang: a code or name; one that is not known, or None, takes the multilingual path.
        """
        return self._find(lang)[1]

    def check_tasks(self, tasks: Sequence[str] | None = None) -> None:
        """Refuse tasks that some route cannot do.

        :param tasks: names; None: any that label words.
        :raises ModelError: naming the route.
        """
        for route in self._routes.values():
            missing = [task for task in tasks or () if task not in route.tasks]
            if missing or (tasks is None and not route.words):
                what = f"head for {', '.join(missing)}" if missing else "head that labels words"
                raise ModelError(
                    f"{route.place}: {route.source.name} has no {what} (it has: {', '.join(route.tasks)}): give this route "
                    "a model that has, or ask for other tasks"
                )

    def tag(self, sentences: Sequence[Sequence[str]], *, langs: Sequence[str | None] | None = None) -> list[Tagged | Tree]:
        """UPOS tag and its probability for each word of each sentence: :meth:`analyse` for the task ``pos``."""
        return [found["pos"] for found in self.analyse(sentences, ["pos"], langs=langs)]

    def analyse(
        self,
        sentences: Sequence[Sequence[str]],
        tasks: str | Sequence[str] | None = None,
        *,
        langs: Sequence[str | None] | None = None,
        adapters: str | Sequence[Wanted] | None = None,
    ) -> list[Analysis]:
        """Label the words of sentences, each by the route of its language.

        :param sentences: words of each sentence.
        :param tasks: which heads, of those in :attr:`tasks`; by default all that a sentence's own route has for words.
        :param langs: the language of each sentence, None where it is not known; without, it is identified by the words.
        :param adapters: are the table's: None.
        :returns: one for each sentence, in order: by task a label and its probability for every word (:mod:`calque.analysis`).
        :raises CalqueError: for what are no lists of words; when a route has no such head, or a model cannot be run.
        """
        if adapters is not None:
            raise ModelError("the table of routes says which adapters a language goes through: leave them out")
        check_words(sentences, langs)
        asked = None if tasks is None else names_of(tasks)
        self.check_tasks(asked)
        found: list[Analysis] = [{}] * len(sentences)
        ways = self._ways(len(sentences), langs, lambda i: " ".join(sentences[i]))
        for source, members in _by_source(ways):
            codes, setups = [ways[i][0] for i in members], [ways[i][1].adapters for i in members]
            analysed = source.analyse([sentences[i] for i in members], asked, codes, setups)
            for i, one in zip(members, analysed, strict=True):
                found[i] = one
        return found

    def classify_texts(
        self,
        texts: Sequence[str],
        *,
        task: str = "classify",
        langs: Sequence[str | None] | None = None,
        threshold: float | None = None,
    ) -> list[Classified]:
        """Classes of texts, each by the route of its language; all routes need a head for them.

        :param langs: as for :meth:`analyse`.
        :param threshold: of a head for several labels a text: those above it are the text's; by default 0.5.
        :raises ModelError: when a route has no such head.
        """
        check_texts(texts, langs)
        self.check_tasks([task])
        ways = self._ways(len(texts), langs, lambda i: texts[i])
        found: dict[int, Classified] = {}
        for source, members in _by_source(ways):
            told: Any = source.tagger()
            options = source.options([ways[i][0] for i in members], [ways[i][1].adapters for i in members])
            classes = told.classify_texts([texts[i] for i in members], task=task, threshold=threshold, **options)
            found.update(zip(members, classes, strict=True))
        return [found[i] for i in range(len(texts))]

    def _sources(self) -> list[Source]:
        return list(dict.fromkeys(route.source for route in self._routes.values()))

    def _find(self, lang: str | None) -> tuple[str | None, Route]:
        """The code of a language (or its treebank, as it was given) and its route."""
        found = self._known.get(lang)
        if found is None:
            found = self._look_up(lang)
            if lang is not None and lang in found[1].source.facts.treebanks:
                found = lang, found[1]
            self._known[lang] = found
        return found

    def _look_up(self, lang: str | None) -> tuple[str | None, Route]:
        others = self._routes[OTHERS]
        if lang is None:
            return None, others
        from calque.languages import LanguageError, macrolanguage, macrolanguages, normalize

        try:
            code = normalize(lang)
        except LanguageError:
            return lang, others  # a code that nobody has heard of, as some treebanks have
        if code in self._routes:
            return code, self._routes[code]
        wide = self._routes.get(macrolanguage(code) or "")
        return code, wide if wide is not None and wide.key.strip().lower() in macrolanguages() else others

    def _ways(self, count: int, langs: Sequence[str | None] | None, text: Callable[[int], str]) -> list[tuple[str | None, Route]]:
        """The code and the route of each sentence."""
        if langs is None:
            from calque.languages import identify

            langs = [identify(text(i)).code for i in range(count)]
        return [self._find(lang) for lang in langs]


def _by_source(ways: Sequence[tuple[str | None, Route]]) -> Iterator[tuple[Source, list[int]]]:
    """Each model with the numbers of its sentences."""
    groups: dict[Source, list[int]] = {}
    for i, (_, route) in enumerate(ways):
        groups.setdefault(route.source, []).append(i)
    yield from groups.items()
