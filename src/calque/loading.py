"""A model by its name: the embedded default, a folder, an id on the Hub, or a table of routes.

Choices and trade-offs
- What is exported runs without PyTorch, and PyTorch is asked for only where a model has nothing else.
- The name of the embedded default is taken: a folder that is called so is given as ``./default``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from calque.config import is_routes
from calque.errors import CalqueError, ModelError

if TYPE_CHECKING:
    from calque.models.model import Model
    from calque.runtime.router import Router
    from calque.runtime.session import OnnxModel

DEFAULT = "default"
Backend = Literal["auto", "onnx", "torch"]


@overload
def load(name: None = None, *, backend: Literal["auto", "onnx"] = "auto") -> OnnxModel: ...
@overload
def load(
    name: str | Path | None = None, *, backend: Backend = "auto", revision: str | None = None
) -> OnnxModel | Model | Router: ...
def load(name: str | Path | None = None, *, backend: Backend = "auto", revision: str | None = None) -> OnnxModel | Model | Router:
    """Load a model, an encoder or a table of routes.

    :param name: a folder, an encoder's name ("xlm_roberta_base"), a Hub id; None or "default" for the embedded model; or a TOML
        file with routes from languages to such (:class:`calque.Router`).
    :param backend: "onnx" runs an exported model without PyTorch; "torch" loads one that can be trained; "auto" takes
        "onnx" where a folder has a ``model.onnx``, and for the Hub where PyTorch is not installed.
    :param revision: branch, tag or commit on the Hub.
    :raises CalqueError: when there is no such model, it is damaged, or PyTorch is needed and not installed.
    """
    if backend not in ("auto", "onnx", "torch"):
        raise CalqueError(f"unknown backend {backend!r}: auto, onnx or torch")
    if name is not None and not isinstance(name, str | Path):
        raise ModelError(f"a model is loaded by its name or folder, and not by {name!r:.60}")
    if name is not None and is_routes(name):
        from calque.runtime.router import Router

        if revision is not None:
            raise ModelError(f"{name} is a file, and a file has no revisions: leave revision={revision!r} out")
        return Router.from_toml(name, backend=backend)
    from calque.runtime.session import ONNX_FILE, OnnxModel

    if name is None or str(name) == DEFAULT:
        if revision is not None:
            raise ModelError(f"the embedded {DEFAULT} comes with calque and has no revisions: leave revision={revision!r} out")
        if backend != "torch":
            return OnnxModel.from_folder(bundled_folder(DEFAULT))
        name = bundled_folder(DEFAULT)
    folder = Path(name).expanduser()
    if revision is None and backend != "torch" and folder.is_dir() and (backend == "onnx" or (folder / ONNX_FILE).is_file()):
        return OnnxModel.from_folder(folder)
    if backend == "onnx" or (backend == "auto" and not has_torch()):
        return _without_torch(str(name), revision)
    from calque.models import Model  # says what to install where PyTorch is missing

    return Model.load(str(name), revision=revision)


def local_folder(name: str, *, backend: Backend = "auto") -> Path:
    """The folder that :func:`load` reads for a name; what is on the Hub is fetched.

    :raises CalqueError: when there is no such model, or it cannot be had.
    """
    from calque.models.hub import fetch, resolve

    return fetch(resolve(name), onnx=backend == "onnx" or (backend == "auto" and not has_torch()))


def bundled_folder(name: str) -> Path:
    """Where a model that ships with the package lies: ``default`` or ``mini``.

    :raises ModelError: when this installation has been stripped of it.
    """
    folder = Path(__file__).parent / "bundled" / name
    if not (folder / "config.json").is_file():
        raise ModelError(f"the embedded model '{name}' is missing ({folder}): install calque again")
    return folder


def _without_torch(name: str, revision: str | None) -> OnnxModel:
    """A model of the Hub that has been exported, where PyTorch is not there or not wanted."""
    from calque.config import is_calque_model
    from calque.errors import MissingExtraError
    from calque.models.hub import fetch, resolve
    from calque.runtime.session import ONNX_FILE, OnnxModel

    resolved = resolve(name, revision=revision)  # first of all, whether there is such a name
    if resolved.entry is None:
        folder = fetch(resolved, onnx=True)
        if is_calque_model(folder) and (folder / ONNX_FILE).is_file():
            return OnnxModel.from_folder(folder)
    if has_torch():
        raise ModelError(f"{name} is not exported to ONNX: load it with another backend, or see  calque export --help")
    raise MissingExtraError(f"{name}: a model that is not exported to ONNX", "train")


def has_torch() -> bool:
    """Whether models can be run with PyTorch here; imports nothing."""
    from importlib.util import find_spec

    return find_spec("torch") is not None and find_spec("transformers") is not None
