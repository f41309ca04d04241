"""A run that trains language adapters of a model in place: undone where it fails, described and saved where it does not.

Choices and trade-offs
- What differs between runs (hidden words, translations) is a function that trains; all that must not differ is here.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import torch

from calque.adapters import FOLDER, AdapterConfig
from calque.errors import TrainingError
from calque.models.adapters import Adapters, Setup
from calque.models.model import Model
from calque.training.adapterloop import LoopOptions, Ways
from calque.training.adapters import check_languages, check_target, check_under, save_into, training_name
from calque.training.finetune import run_folder
from calque.training.mixtures import generator
from calque.training.progress import Reporter

ASIDE, MOST_ASIDE = 0.02, 300  # of a language's sentences, kept aside to measure
T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class RunReport:
    """What became of the adapters of one run."""

    adapters: list[str]
    sentences: dict[str, int]  # a language, that were trained on
    words: dict[str, int]
    parameters: int  # of one adapter
    steps: int
    seconds: float = 0.0
    words_per_second: float

    def to_json_dict(self) -> dict[str, Any]:
        """Everything as JSON values; figures of a language without and with its adapter to four places."""
        return {
            key: {k: [round(v, 4) for v in some] if isinstance(some, tuple) else some for k, some in value.items()}
            if isinstance(value, dict) else value
            for key, value in asdict(self).items()
        }  # fmt: skip


@dataclass(slots=True)
class Learnt:
    """What a run tells of its adapters.

    :ivar data: where each file comes from.
    :ivar under: the adapters that lay under them, by language.
    :ivar scores: by language: task, metric, value with the adapter, and without.
    :ivar training: what else belongs into their configs.
    """

    data: list[dict[str, Any]]
    under: Mapping[str, Setup]
    scores: dict[str, dict[str, Any]]
    training: dict[str, Any]


def train_in_place(
    model: Model,
    of: Mapping[str, str],
    options: LoopOptions,
    train: Callable[[list[str], Path, bool], Learnt],
    *,
    on: Mapping[str, Setup] | None,
    output: str | Path | None,
    resume: bool,
    reporter: Reporter,
) -> float:
    """Train adapters that a model has; returns the seconds it took.

    :param of: language → adapter.
    :param train: gets the adapters' names, a folder for the run, and whether what lies there is kept for going on.
    :param on: the adapters under them, by language.
    :param output: a model's folder, as for :func:`calque.training.adapters.train_task_adapter`.
    :raises TrainingError: where an adapter is a fusion, or the output is no place for these.
    """
    trained = list(dict.fromkeys(of.values()))
    target = Path(output).expanduser() if output is not None else None
    for name in trained:
        if model.adapters.config(name).role == "fusion":
            raise TrainingError(f"'{name}' is a fusion: it is trained on labels, not on text")
    check_target(model, target, trained[0], (on or {}).values())
    began = time.monotonic()
    kept = {name: (model.adapters.state(name), copy.deepcopy(model.adapters.config(name))) for name in trained}
    try:
        with run_folder(training_name(target, trained[0]), resume) as folder, torch.random.fork_rng():
            learnt = train(trained, folder, target is not None)
            seconds = time.monotonic() - began
            for name in trained:
                languages = [lang for lang, n in of.items() if n == name]
                _describe(model, model.adapters.config(name), languages, options, learnt, seconds)
            for name in trained:
                if target is not None:  # before the checkpoints go: where it cannot be written, they are all there is
                    save_into(model, target, name)
                    reporter.say(f"adapter '{name}' saved to {target / FOLDER / name}")
    except BaseException:
        for name, (weights, config) in kept.items():
            model.adapters.set_weights(name, weights)
            model.adapters.configs[name] = config
        raise
    return seconds


def checked_names(names: str | Mapping[str, str], files: Mapping[str, Any], what: str) -> dict[str, str]:
    """Language → adapter.

    :raises TrainingError: when names and files are not of the same languages.
    """
    of = dict.fromkeys(files, names) if isinstance(names, str) else dict(names)
    if set(of) != set(files):
        given, wanted = ", ".join(sorted(files)), ", ".join(sorted(of))
        raise TrainingError(f"{what} in {given}, adapters for {wanted}: give one for each language")
    return of


def ways_of(adapters: Adapters, of: Mapping[str, str], on: Mapping[str, Setup] | None) -> Ways:
    """Each language's way, without and with its adapter.

    :param on: the adapters under them, by language (``"*"``: any other language).
    :raises TrainingError: for those of a language that there is no data of, and such as are trained themselves.
    """
    under = on or {}
    check_languages(under, of)
    check_under(adapters, list(dict.fromkeys(of.values())), under.values())
    return Ways({lang: tuple(under.get(lang, under.get("*", ()))) for lang in of}, of)


def take_aside(items: list[T], seed: int, lang: str) -> list[T]:
    """Take some for measuring out of a language's sentences; none of very few."""
    count = min(MOST_ASIDE, int(ASIDE * len(items)))
    if count < 5:
        return []
    chosen = set(generator(seed, "aside", lang).permutation(len(items))[:count].tolist())
    taken = [s for k, s in enumerate(items) if k in chosen]
    items[:] = [s for k, s in enumerate(items) if k not in chosen]
    return taken


def _describe(
    model: Model, config: AdapterConfig, languages: Sequence[str], options: LoopOptions, learnt: Learnt, seconds: float
) -> None:
    """Write into an adapter's config where its weights come from."""
    import transformers

    from calque import __version__

    config.role = "language"
    config.languages = sorted({*config.languages, *(lang for lang in languages if lang != "und")})
    under = {lang: list(setup) for lang in languages if (setup := learnt.under[lang])}
    config.below = sorted({name for setup in under.values() for name in setup})
    config.licence = options.licence
    config.data = [d for d in learnt.data if d["language"] in languages]
    config.base = config.base or model.encoder.repo or model.encoder.name
    config.scores = [{"language": lang, **learnt.scores[lang]} for lang in languages if lang in learnt.scores]
    config.training = {
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {"calque": __version__, "torch": str(torch.__version__), "transformers": transformers.__version__},
        "options": options.fingerprint(),
        **{key: value for key, value in learnt.training.items() if key != "together"},
        "under": under,
        "together with": [n for n in learnt.training.get("together", ()) if n != config.name],
        "seconds": round(seconds, 1),
    }
