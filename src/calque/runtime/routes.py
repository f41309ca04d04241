"""A table from languages to models, read and checked: the ground that :class:`calque.runtime.router.Router` stands on.

Choices and trade-offs
- Everything that a configuration can tell is checked when the table is made, and an error names the file and the route: a wrong
  line must not wait for the first sentence of its language, which may come after hours. Weights are left alone until then. Of a
  model on the Hub the files are fetched when the table is made, since its configuration cannot be had otherwise.
- Routes that lead to one folder share one :class:`Source`, however each of them writes it: one copy in memory, and one batch.
- A route goes through the adapters that it names, and through no others, whatever ``use_adapter`` has been told.
- A key that is the code of a macrolanguage (``no``, ``zh``, ``ar``, ``ms``) takes those of its members too that have no route of
  their own (Nynorsk, Cantonese); a key that is one of a single language (``nb``, ``cmn``) does not.
"""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from calque.adapters import AdapterConfig, Setup, SlotLayout, Wanted, adapters_in, as_setup, unknown
from calque.analysis import Analysis
from calque.config import ModelConfig, TaskConfig, is_calque_model, is_routes
from calque.errors import CalqueError, MissingExtraError, ModelError
from calque.tasks import OF_TEXTS, TASKS, kind_of

if TYPE_CHECKING:
    from calque.loading import Backend
    from calque.pipeline import Tagger

OTHERS = "*"  # the key of the multilingual path
_KEYS = {"model", "adapter"}
_SHAPE = 'a model, or a model and its adapter: es = { model = "models/multi", adapter = "es" }'


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a model before its weights are read."""

    heads: Mapping[str, bool]  # its own: whether each labels words
    adapters: Mapping[str, AdapterConfig] = field(default_factory=dict)
    layout: SlotLayout | None = None  # of an exported graph
    exported: bool = False
    treebanks: tuple[str, ...] = ()  # that it was told by name in training


class Source:
    """A model that routes share, loaded when one of them is first used.

    :param name: what a user called it first.
    :param folder: where it lies, when it is still to be loaded.
    """

    def __init__(
        self, name: str, facts: Facts, *, tagger: Tagger | None = None, folder: Path | None = None, backend: Backend = "auto"
    ) -> None:
        self.name = name
        self.facts = facts
        self._tagger, self._folder, self._backend = tagger, folder, backend
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """A lock does not travel."""
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.Lock())

    @property
    def loaded(self) -> bool:
        """Whether its weights have been asked for yet."""
        return self._tagger is not None

    def tagger(self) -> Tagger:
        """The model, made once even when many threads ask for it at the same time.

        :raises ModelError: when its files are damaged.
        """
        if self._tagger is None:
            from calque.loading import load

            with self._lock:
                if self._tagger is None:
                    self._tagger = load(self._folder, backend=self._backend)
        return self._tagger

    def options(self, langs: Sequence[str | None], setups: Sequence[Setup]) -> dict[str, Any]:
        """What this model wants to be told of each sentence or text."""
        options: dict[str, Any] = {}
        tagger = self.tagger()
        if getattr(tagger, "by_language", False):
            options["langs"] = list(langs)
        if any(setups) or getattr(tagger, "adapter_configs", None):  # None for a sentence: through none, whatever is active
            options["adapters"] = [setup or None for setup in setups]
        return options

    def analyse(
        self,
        sentences: Sequence[Sequence[str]],
        tasks: Sequence[str] | None,
        langs: Sequence[str | None],
        setups: Sequence[Setup],
    ) -> list[Analysis]:
        """Label sentences, each with its language and adapters (:meth:`calque.runtime.session.OnnxModel.analyse`)."""
        told: Any = self.tagger()
        options = self.options(langs, setups)
        if callable(getattr(told, "analyse", None)):
            found: list[Analysis] = told.analyse(sentences, tasks, **options)
            return found
        return [{"pos": tagged} for tagged in told.tag(sentences, **options)]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the table."""

    lang: str  # a code, or "*"
    key: str  # as it was written
    source: Source
    adapters: Setup
    tasks: tuple[str, ...]  # of the model's own heads and of those that the adapters bring
    words: bool  # whether any of these labels words
    place: str  # for messages: "routes.toml: route 'es'"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: ``{"language", "model", "adapters", "tasks"}``."""
        return {
            "language": self.lang,
            "model": self.source.name,
            "adapters": list(self.adapters),
            "tasks": list(self.tasks),
        }


def read_table(path: str | Path) -> dict[str, Any]:
    """The routes of a TOML file, as they are written under ``[routes]``.

    :raises CalqueError: when it cannot be read, is no TOML, or holds anything else.
    """
    file = Path(path).expanduser()
    try:
        plain = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # editors on Windows put a byte-order mark first
    except FileNotFoundError:
        raise CalqueError(f"{path}: no such file: a table of routes is a TOML file that you write (docs/runtime.md)") from None
    except OSError as error:
        raise CalqueError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # TOML's and UTF-8's
        raise CalqueError(f"{path}: is not TOML ({error})") from None
    routes = plain.pop("routes", None)
    if plain:
        raise CalqueError(f"{path}: unknown key '{next(iter(plain))}': a table of routes has [routes] and nothing else")
    if not isinstance(routes, dict):
        raise CalqueError(f'{path}: there is no table [routes]: write  [routes]  and under it lines such as  es = "models/es"')
    return routes


def make_routes(table: Mapping[str, object], *, backend: Backend, file: Path | None) -> dict[str, Route]:
    """The routes by language, checked; the embedded default is the multilingual path where the table has none.

    :param table: language → a model, (model, adapters), or a mapping of ``model`` and ``adapter``.
    :param file: where the table stands: names of folders are relative to its folder.
    :raises CalqueError: naming the route, for a language, model or adapter that is not known, or a route that comes twice.
    """
    from calque.loading import Backend

    where = f"{file}: " if file is not None else ""
    if backend not in get_args(Backend):
        raise CalqueError(f"{where}unknown backend {backend!r}: {', '.join(get_args(Backend))}")
    if not table:
        raise CalqueError(f'{where}a table without routes: give a language and its model, such as  es = "models/es"')
    written: dict[str, str] = {}
    for key in table:
        code = _language(key, where)
        if code in written:
            raise CalqueError(f"{where}the routes '{written[code]}' and '{key}' are both of {code}: leave one out")
        written[code] = key
    sources: dict[object, Source] = {}
    routes: dict[str, Route] = {}
    for code, key in written.items():
        place = f"{where}route '{key}'"
        try:
            model, wanted = _parts(table[key])
            source = _source(model, sources, backend=backend, file=file)
            routes[code] = _route(code, key, source, as_setup(wanted), place)
        except MissingExtraError:
            raise  # it names the model, and is the same for every route
        except CalqueError as error:
            raise type(error)(f"{place}: {error}") from error
    if OTHERS not in routes:
        source = _source("default", sources, backend=backend, file=file)
        place = f"{where}route '{OTHERS}' (the embedded default, since the table names no other)"
        routes[OTHERS] = _route(OTHERS, OTHERS, source, (), place)
    return routes


def _language(key: object, where: str) -> str:
    """The code that a key of the table means."""
    if key == OTHERS:
        return OTHERS
    if not isinstance(key, str):
        raise CalqueError(f"{where}route {key!r}: a language is a code or a name, such as 'es'")
    from calque.languages import LanguageError, normalize

    try:
        return normalize(key)
    except LanguageError as error:
        raise LanguageError(f"{where}route '{key}': {error}; '{OTHERS}' is the route of all other languages") from None


def _parts(value: object) -> tuple[object, Wanted]:
    """The model and the adapters of a route."""
    if isinstance(value, Mapping):
        strange = [key for key in value if key not in _KEYS]
        if strange or "model" not in value:
            raise CalqueError(f"unknown key '{strange[0]}': give {_SHAPE}" if strange else f"no model is named: give {_SHAPE}")
        model, wanted = value["model"], value.get("adapter")
    elif isinstance(value, tuple | list):
        if len(value) != 2:
            raise CalqueError(f"{len(value)} values: give a model, or a model and its adapters (a name, or a list for a stack)")
        model, wanted = value
    else:
        return value, None
    if wanted is not None and not isinstance(wanted, str | Sequence):
        raise CalqueError(f"the adapter is {wanted!r}: give its name, or a list of names for a stack (lowest first)")
    return model, wanted


def _source(model: object, sources: dict[object, Source], *, backend: Backend, file: Path | None) -> Source:
    """The model that a route names; one that is there already is shared."""
    if isinstance(model, str | Path):
        folder = _folder(str(model), backend, file).resolve()
        if folder not in sources:
            sources[folder] = Source(str(model), _facts_of_folder(folder, str(model), backend), folder=folder, backend=backend)
        return sources[folder]
    from calque.runtime.router import Router

    if isinstance(model, Router):
        raise CalqueError("a table of routes cannot be a route of another: write its routes here")
    if not (callable(getattr(model, "tag", None)) or callable(getattr(model, "analyse", None))):
        raise CalqueError(
            f"{model!r} is no model: give its name or folder, a model of calque.load, or one of these and an adapter"
        )
    key = id(model)  # as long as the source holds it, no other object has that number
    if key not in sources:
        tagger: Any = model
        sources[key] = Source(_called(tagger), _facts_of(tagger), tagger=tagger)
    return sources[key]


def _folder(name: str, backend: Backend, file: Path | None) -> Path:
    """Where a model lies on this machine; what is on the Hub is fetched."""
    from calque.loading import DEFAULT, bundled_folder, local_folder

    if is_routes(name):
        raise CalqueError(f"{name} is itself a table of routes, which cannot be a route of another: write its routes here")
    if name == DEFAULT:
        return bundled_folder(DEFAULT)
    given = Path(name).expanduser()
    beside = given if file is None else file.absolute().parent / given
    if beside.is_dir():
        return beside
    relative = " (folders are relative to the file)" if file is not None else ""
    as_path = given.is_absolute() or name.startswith(".") or name.count("/") > 1 or "\\" in name
    if as_path or ("/" in name and beside.parent.is_dir()):  # the folder of the models is there: no name on the Hub was meant
        raise ModelError(f"there is no folder {beside}{relative}")
    if file is not None and Path(name).is_dir():  # or else the Hub's rules would find it in the working folder
        raise ModelError(f"there is no folder {beside}{relative}; the one of that name in the working folder is not meant")
    try:
        return local_folder(name, backend=backend)
    except MissingExtraError:
        raise
    except ModelError as error:
        raise ModelError(f"there is no folder {beside}{relative}, and {error}" if "/" in name else str(error)) from error


def _facts_of_folder(folder: Path, name: str, backend: Backend) -> Facts:
    """What its configuration tells of a model, and whether it can be run here as asked."""
    from calque.loading import has_torch
    from calque.runtime.session import ONNX_FILE

    exported = backend == "onnx" or (backend == "auto" and (folder / ONNX_FILE).is_file())
    if exported and not (folder / ONNX_FILE).is_file():
        raise ModelError(f"{folder}: no {ONNX_FILE} here: write one with  calque export {folder} --output DIR")
    if not exported and not has_torch():
        raise MissingExtraError(f"{name}: a model that is not exported to ONNX", "train")
    if not is_calque_model(folder):
        from calque.inventory import describe

        return Facts(dict.fromkeys(describe(folder).tasks, True))  # of a published tagger; an encoder has none
    config = ModelConfig.from_folder(folder)
    if not exported and not config.restorable and config.encoder == "encoder" and not (folder / "encoder").is_dir():
        hint = "only a model.onnx, which runs without PyTorch" if (folder / ONNX_FILE).is_file() else "save or download it again"
        raise ModelError(f"{folder}: no encoder/ in this model: {hint}")
    layout = _layout(config, folder) if exported else None
    adapters: dict[str, AdapterConfig] = {}
    if layout is not None or not exported:
        adapters = {made.name: made for made in map(AdapterConfig.from_folder, adapters_in(folder).values())}
    return Facts(_heads(config.tasks), adapters, layout, exported, tuple(config.treebanks))


def _layout(config: ModelConfig, folder: Path) -> SlotLayout | None:
    """The places for adapters in an exported graph, where it has any."""
    onnx = config.extra.get("onnx")
    slots = onnx.get("adapters") if isinstance(onnx, dict) else None
    if not isinstance(slots, dict):
        return None
    try:
        return SlotLayout(**slots["layout"])
    except (KeyError, TypeError) as error:
        raise ModelError(f"{folder}/config.json: 'adapters' is damaged ({error}): export the model again") from error


def _facts_of(tagger: Any) -> Facts:
    """What a model that is loaded already tells."""
    from calque.runtime.session import OnnxModel

    config = getattr(tagger, "config", None)
    adapters: Mapping[str, AdapterConfig] = getattr(tagger, "adapter_configs", {})
    if isinstance(tagger, OnnxModel):
        layout = tagger.adapters.layout if tagger.adapters is not None else None
        return Facts(_heads(tagger.config.tasks), adapters, layout, exported=True, treebanks=tuple(tagger.treebanks))
    if isinstance(config, ModelConfig):
        return Facts(_heads(config.tasks), adapters, treebanks=tuple(config.treebanks))
    able = tagger.tasks if callable(getattr(tagger, "analyse", None)) else [task for task in tagger.tasks if task == "pos"]
    return Facts({task: task not in TASKS or TASKS[task].kind not in OF_TEXTS for task in able}, adapters)


def _heads(tasks: Mapping[str, TaskConfig]) -> dict[str, bool]:
    return {task: kind_of(made, task) not in OF_TEXTS for task, made in tasks.items()}


def _called(tagger: Any) -> str:
    name = getattr(getattr(tagger, "config", None), "name", "") or getattr(tagger, "folder", "")
    return str(name or type(tagger).__name__)


def _route(code: str, key: str, source: Source, setup: Setup, place: str) -> Route:
    """A route whose adapters are there and fit, and that leads to some head."""
    facts = source.facts
    heads = dict(facts.heads)
    if setup and facts.exported and facts.layout is None:
        raise ModelError(f"{source.name}: this exported model has no slots for adapters: export a model that has some")
    for name in setup:
        if name not in facts.adapters:
            raise unknown(name, facts.adapters, where=f" in {source.name}")
        made = facts.adapters[name]
        why = facts.layout.refuses(made) if facts.layout is not None else ""
        if why:
            raise ModelError(f"{source.name}: adapter '{name}' does not fit this exported model: {why}")
        if made.task and made.head is not None:
            heads[made.task] = kind_of(made.head, made.task) not in OF_TEXTS
    if facts.layout is not None and len(setup) > facts.layout.levels:
        raise ModelError(f"{source.name}: {','.join(setup)}: this exported model has {facts.layout.levels} levels of adapters")
    if not heads:
        brought = [name for name, made in facts.adapters.items() if made.head is not None]
        raise ModelError(
            f"{source.name} has no head of its own, only adapters have: give one of {', '.join(brought)}"
            if brought
            else f"{source.name} has no head: train one with  calque train pos --model {source.name} --train FILE --output DIR"
        )
    return Route(code, key, source, setup, tuple(heads), any(heads.values()), place)
