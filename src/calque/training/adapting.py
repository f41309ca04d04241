"""Train an adapter of a model: on labels or on raw text, by one function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calque.adapters import AdapterConfig
from calque.errors import ModelError, TrainingError
from calque.models.adapted import Adapted
from calque.models.adapters import Setup, Wanted
from calque.models.model import Model
from calque.training.adapters import train_task_adapter
from calque.training.corpus import Data
from calque.training.language_adapters import TextOptions, train_language_adapters
from calque.training.options import OPTION_NAMES, Options
from calque.training.progress import Reporter

TEXT_OPTION_NAMES = frozenset(TextOptions.__dataclass_fields__)


def train_adapter(
    model: Adapted,
    name: str,
    data: Data | None = None,
    *,
    text: Data | None = None,
    on: Wanted | Mapping[str, Wanted] = None,
    start: str | None = None,
    validation: Data | None = None,
    output: str | Path | None = None,
    resume: bool = True,
    progress: bool = True,
    **options: Any,
) -> AdapterConfig:
    """Train an adapter of a model, in place; an adapter of that name is added where there is none.

    The encoder, the model's heads and all other adapters stay as they are, byte for byte.

    :param data: treebanks as for :func:`calque.fine_tune`: one file, several, or ``{"es": path or paths}``. The adapter gets a
        head of its own, which starts as the head that the sentences would have gone to without it.
    :param text: raw text instead (masked language modelling), likewise: sentences or paragraphs, a line each.
    :param on: the adapters under it, for all or by language (``{"en": "en", "es": "es"}``).
    :param start: another adapter of the same shape whose weights and head it starts from.
    :param validation: by default a part of the data is kept aside, and ``"none"`` does without.
    :param output: a model's folder: written whole where there is none, and given the adapter where it holds this encoder.
    :param options: of :class:`calque.training.options.Options` for labels, of
        :class:`calque.training.language_adapters.TextOptions` for text.
    :returns: what is known about the adapter now.
    :raises CalqueError: when the data cannot be used, or the options mean nothing here.
    """
    if not isinstance(model, Model):
        raise ModelError(f"{model!r:.80} cannot be given an adapter: load a calque.Model first, with  calque.Model.load")
    if (data is None) == (text is None):
        raise TrainingError(f"adapter '{name}': give either labels (data) or raw text (text) to train it on")
    known = OPTION_NAMES if text is None else TEXT_OPTION_NAMES
    for option in options:
        if option not in known:
            raise TrainingError(f"adapter '{name}': no option '{option}' here (there are {', '.join(sorted(known))})")
    if text is not None and (start is not None or validation is not None):
        raise TrainingError(f"adapter '{name}': start and validation are for labels; raw text keeps its own part aside")
    with added(model, name, invertible=text is not None, seed=int(options.get("seed", 0))), Reporter(show=progress) as reporter:
        if text is not None:
            train_language_adapters(
                model, name, text, TextOptions(**options), on=under(model, on), output=output, resume=resume, reporter=reporter
            )
        else:
            assert data is not None  # noqa: S101 - one of the two is given
            train_task_adapter(
                model, name, data, Options(**options), on=on, start=start, validation=validation, output=output,
                resume=resume, reporter=reporter,
            )  # fmt: skip
    return model.adapters.config(name)


@contextmanager
def added(model: Model, name: str, *, invertible: bool = False, seed: int = 0) -> Iterator[None]:
    """An adapter of that name is there inside the block; one that was added for it is gone again where the block fails."""
    fresh = name not in model.adapters
    if fresh:
        model.add_adapter(name, invertible=invertible, seed=seed)
    try:
        yield
    except BaseException:
        if fresh:
            model.adapters.remove(name)
        raise


def under(model: Model, on: Wanted | Mapping[str, Wanted]) -> dict[str, Setup]:
    """Language → the adapters under the one that is trained; ``*``: any other language."""
    wanted: dict[str, Wanted] = dict(on) if isinstance(on, Mapping) else {"*": on}
    return {lang: model.adapters.check(setup) for lang, setup in wanted.items() if setup is not None}
