"""From the language of a sentence to the adapters it goes through, and what happens where a language has none.

Choices and trade-offs
- ``auto`` takes the adapter with a head that was trained on the sentence's language (with what lay under it in training). Where
  there is none such, it takes the language's own adapter (likewise), for the heads of the model; a model without heads has no use
  for it. ``auto,pos`` takes language adapters, with ``pos`` on top: zero-shot transfer (MAD-X).
- Of several that would serve a language none is guessed, but a fusion goes before its members: a sentence of that language is an
  error that names them.
- A language without an adapter goes the way it is told to: through the ``nearest`` language's (by family and typology,
  :mod:`calque.languages.nearest`), through none (``base``), or through the ``mean`` of all (their weights averaged). Where the
  language is not known, ``nearest`` has nothing to go by and takes none: a wrong guess costs more than none.
- No PyTorch: the runtime routes by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from calque.adapters import AdapterConfig, Setup, unknown
from calque.document import Sentence
from calque.errors import CalqueError

AUTO = "auto"
Otherwise = Literal["nearest", "base", "mean"]
Choose = Callable[[Sentence], Setup]  # a sentence → its adapters, lowest first
Adapters = str | Sequence[str | Sequence[str] | None] | None


class AdapterRouter:
    """Language → adapters.

    :param configs: the adapters that there are, by name.
    :param then: adapters on top of the language's, lowest first.
    :param otherwise: what a language without an adapter goes through.
    :param mean: gives the name of an adapter that is the mean of others; needed for ``otherwise="mean"``.
    :param headed: the model has heads of its own, which a language adapter alone can go to.
    :raises CalqueError: when there is no adapter to choose from, or ``otherwise`` is none of the three.
    """

    def __init__(
        self,
        configs: Mapping[str, AdapterConfig],
        *,
        then: Sequence[str] = (),
        otherwise: Otherwise = "nearest",
        mean: Callable[[Sequence[str]], str] | None = None,
        headed: bool = False,
    ) -> None:
        if otherwise not in get_args(Otherwise):
            raise CalqueError(f"a language without an adapter: '{otherwise}' is none of {', '.join(get_args(Otherwise))}")
        if not configs:
            raise CalqueError("this model has no adapters yet: train one with  calque adapters train NAME --model MODEL …")
        for name in then:
            if name not in configs:
                raise unknown(name, configs)
        self.then = tuple(then)
        self.otherwise = otherwise
        found = _by_language(configs, heads=not then, alone=headed or bool(then))
        self.several = {lang: setups for lang, setups in found.items() if len(setups) > 1}
        self.of_language = {lang: setups[-1] for lang, setups in found.items()}
        self._told = {name: f"{name} ({config.task})" if config.task else name for name, config in configs.items()}
        for lang, setup in self.of_language.items():
            for name in setup:
                if name not in configs:
                    raise CalqueError(
                        f"adapter '{setup[-1]}' ({lang}) was trained on top of '{name}', which is not there: put it back, "
                        "or name the adapters outright"
                    )
        if not self.of_language:
            raise CalqueError("no adapter says which language it is for: name the adapters outright, such as  es,pos")
        self._mean: Setup = ()
        if otherwise == "mean":
            self._mean = _mean_of(configs, sorted({setup[-1] for setups in found.values() for setup in setups}), mean)
        self._known: dict[str | None, Setup] = {}

    def __call__(self, lang: str | None) -> Setup:
        """The adapters for a sentence of a language; None: it is not known."""
        found = self._known.get(lang)
        if found is None:
            found = self._known[lang] = (*self._own(lang), *self.then)
        return found

    def _own(self, lang: str | None) -> Setup:
        if lang in self.of_language:
            return self._sole(lang)
        if self.otherwise == "mean":
            return self._mean
        if self.otherwise == "base" or lang is None:
            return ()
        from calque.languages.nearest import nearest

        return self._sole(nearest(lang, self.of_language)[0])

    def _sole(self, lang: str) -> Setup:
        """The setup of a language.

        :raises CalqueError: when there are several.
        """
        if lang in self.several:
            names = [self._told[setup[-1]] for setup in self.several[lang]]
            raise CalqueError(f"{lang} has several adapters, {', '.join(names)}: name the one to go through in place of auto")
        return self.of_language[lang]


def _by_language(configs: Mapping[str, AdapterConfig], *, heads: bool, alone: bool) -> dict[str, list[Setup]]:
    """Setups by language: of adapters with a head (with what lay under them), else of language adapters.

    :param heads: those with a head go first.
    :param alone: language adapters are of use where other languages have adapters with a head, too.
    """
    found: dict[str, list[Setup]] = {}
    if heads:
        within = {member for config in configs.values() if config.head is not None for member in config.members}
        for config in configs.values():
            for lang in config.languages if config.head is not None and config.name not in within else ():
                found.setdefault(lang, []).append(_as_trained(config, lang))
    if alone or not found:
        taken = set(found)
        for config in configs.values():
            for lang in config.languages if config.role == "language" else ():
                if lang not in taken:
                    found.setdefault(lang, []).append(_as_trained(config, lang))
    return found


def _as_trained(config: AdapterConfig, lang: str) -> Setup:
    """An adapter on top of those that it was trained on, for a language."""
    under = config.training.get("under", {})
    return (*under.get(lang, under.get("*", ())), config.name)


def _mean_of(configs: Mapping[str, AdapterConfig], names: Sequence[str], mean: Callable[[Sequence[str]], str] | None) -> Setup:
    """The mean of adapters, where they can have one.

    :raises CalqueError: when they are of several tasks or shapes.
    """
    if mean is None or len(names) == 1:
        return (names[0],)
    for what, kinds in (("tasks", {configs[n].task for n in names}), ("shapes", {configs[n].shape for n in names})):
        if len(kinds) > 1:
            raise CalqueError(
                f"the adapters {', '.join(names)} are of different {what} and have no mean: send languages without an adapter "
                "through the nearest one's, or through none (base)"
            )
    return (mean(names),)


def own_tasks(tagger: object) -> list[str]:
    """What the heads of a model itself do, its adapters' apart."""
    return list(getattr(getattr(tagger, "config", None), "tasks", None) or ())


def adapters_for(
    tagger: object, wanted: str | None, *, otherwise: Otherwise = "nearest", lang: str | None = None
) -> Choose | None:
    """What says which adapters a sentence goes through.

    :param tagger: a model; one without adapters has none to choose from.
    :param wanted: names (``es``, or ``es,pos`` for a stack, lowest first); ``auto`` or ``auto,pos`` for those of the sentence's
        language; None for what the model goes through by itself.
    :param otherwise: what a language without an adapter goes through.
    :param lang: of sentences that name none.
    :raises CalqueError: for unknown names, or a model without adapters.
    """
    if wanted is None:
        return None
    from calque.conventions import Following
    from calque.runtime.router import Router

    if isinstance(tagger.tagger if isinstance(tagger, Following) else tagger, Router):
        raise CalqueError(
            "a table of routes says itself which adapters a language goes through: leave the adapters out, or give one of its "
            "models"
        )
    configs: Mapping[str, AdapterConfig] = getattr(tagger, "adapter_configs", {})
    first, *rest = names = tuple(name.strip() for name in wanted.split(","))
    if first == AUTO:
        router = AdapterRouter(
            configs, then=rest, otherwise=otherwise, mean=getattr(tagger, "mean_adapter", None), headed=bool(own_tasks(tagger))
        )
        return lambda sentence: router(sentence.lang or lang)
    for name in names:
        if name not in configs:
            raise unknown(name, configs)
    return lambda _: names


def by_text(
    tagger: object, wanted: Adapters, texts: Sequence[Sequence[Sentence]], *, otherwise: Otherwise = "nearest"
) -> Choose | None:
    """As :func:`adapters_for`, for the sentences of several texts, each of which may have its own.

    :param wanted: for all, or one for each text (None: none).
    :raises CalqueError: also when they are not as many as the texts.
    """
    if wanted is None or isinstance(wanted, str):
        return adapters_for(tagger, wanted, otherwise=otherwise)
    if len(wanted) != len(texts):
        raise CalqueError(f"{len(texts)} texts but {len(wanted)} adapters: give one for each (None for none), or one for all")
    names = [a if a is None or isinstance(a, str) else ",".join(a) for a in wanted]
    each = {name: adapters_for(tagger, name, otherwise=otherwise) for name in set(names)}
    of_sentence = {id(sentence): name for name, sentences in zip(names, texts, strict=True) for sentence in sentences}

    def choose(sentence: Sentence) -> Setup:
        chosen = each[of_sentence[id(sentence)]]
        return () if chosen is None else chosen(sentence)

    return choose
