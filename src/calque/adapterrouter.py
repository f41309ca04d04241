"""From the language of a sentence to the adapters it goes through, and what happens where a language has none.

Choices and trade-offs
- ``auto`` takes adapters with a head that were trained on the sentence's language (with what lay under them in training), and
  where there are none such, language adapters. ``auto,pos`` takes language adapters, with ``pos`` on top: zero-shot transfer
  (MAD-X).
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
    :raises CalqueError: when there is no adapter to choose from, or ``otherwise`` is none of the three.
    """

    def __init__(
        self,
        configs: Mapping[str, AdapterConfig],
        *,
        then: Sequence[str] = (),
        otherwise: Otherwise = "nearest",
        mean: Callable[[Sequence[str]], str] | None = None,
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
        self.of_language = _by_language(configs, heads=not then)
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
            names = sorted({setup[-1] for setup in self.of_language.values()})
            self._mean = (mean(names),) if mean is not None and len(names) > 1 else (names[0],)
        self._known: dict[str | None, Setup] = {}

    def __call__(self, lang: str | None) -> Setup:
        """The adapters for a sentence of a language; None: it is not known."""
        found = self._known.get(lang)
        if found is None:
            found = self._known[lang] = (*self._own(lang), *self.then)
        return found

    def _own(self, lang: str | None) -> Setup:
        if lang in self.of_language:
            return self.of_language[lang]
        if self.otherwise == "mean":
            return self._mean
        if self.otherwise == "base" or lang is None:
            return ()
        from calque.languages.nearest import nearest

        return self.of_language[nearest(lang, self.of_language)[0]]


def _by_language(configs: Mapping[str, AdapterConfig], *, heads: bool) -> dict[str, Setup]:
    """Setups by language: adapters with a head (with what lay under them), else language adapters; of several the last one."""
    found: dict[str, Setup] = {}
    if heads:
        for config in configs.values():
            under = config.training.get("under", {})
            for lang in config.languages if config.head is not None else ():
                found[lang] = (*under.get(lang, under.get("*", ())), config.name)
    if not found:
        for config in configs.values():
            if config.role == "language":
                found.update(dict.fromkeys(config.languages, (config.name,)))
    return found


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
        router = AdapterRouter(configs, then=rest, otherwise=otherwise, mean=getattr(tagger, "mean_adapter", None))
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
