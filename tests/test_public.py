"""The public names: all there, lazily."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import calque
from calque.errors import CalqueError, MissingExtraError, ModelError

SOURCE = Path(calque.__file__).parents[1]
TORCH = {"Model", "fine_tune"}


@pytest.mark.parametrize("name", [n for n in calque.__all__ if n not in TORCH])
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(calque, name) is not None


@pytest.mark.parametrize("name", sorted(TORCH))
def test_names_that_need_pytorch_are_there_with_it(name: str) -> None:
    pytest.importorskip("torch")
    assert getattr(calque, name) is not None


def test_dir_lists_the_public_names() -> None:
    assert dir(calque) == sorted([*calque.__all__, "data", "errors", "languages", "segmentation"])
    assert set(calque._HOME) | {"__version__"} == set(calque.__all__)


def test_rooms_with_functions_for_users_are_there_without_an_import_of_their_own() -> None:
    code = (
        "import calque\n"
        "try:\n    calque.load('./nowhere')\nexcept calque.errors.ModelError:\n    print('told')\n"
        "found = calque.languages.normalize('Spanish'), len(calque.segmentation.split_words('el gato').words)\n"
        "print(*found, len(calque.data.list_treebanks()) > 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)}, timeout=120, check=False
    )
    assert (done.stdout.split(), done.stderr) == (["told", "es", "2", "True"], "")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        calque.nonsense  # noqa: B018


def test_without_pytorch_training_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    gone = ("calque.training", "calque.models.model", "calque.models.encoder")
    for module in sorted((m for m in sys.modules if m.startswith(gone)), reverse=True):  # the innermost first
        package, _, name = module.rpartition(".")  # what is imported anew takes the old one's place there too: put it back
        monkeypatch.setattr(sys.modules[package], name, sys.modules[module], raising=False)
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(vars(calque), "fine_tune", raising=False)
    with pytest.raises(MissingExtraError, match=r"calque\[train\]"):
        calque.fine_tune  # noqa: B018


def test_parsing_and_tagging_load_neither_pytorch_nor_the_terminal_library(lexicon_model: Path) -> None:
    code = (
        "import sys, calque\n"
        f"doc = calque.load({str(lexicon_model)!r}).parse('El gato está en la mesa', lang='es')\n"
        "print(*(t.upos for t in doc.tokens))\n"
        "print(*[m for m in ('torch', 'transformers', 'rich', 'typer', 'huggingface_hub', 'onnx') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(SOURCE)}, timeout=120, check=True
    )
    assert done.stdout.splitlines() == ["DET NOUN AUX ADP DET NOUN", ""]


@pytest.mark.bundled
def test_the_embedded_default_tags_a_spanish_sentence() -> None:
    if not (Path(calque.__file__).parent / "bundled" / "default" / "model.onnx").is_file():
        pytest.skip("the embedded model is not built here")
    found = [t.upos for t in calque.parse("El gato está en la mesa", lang="es").tokens]
    assert found in (["DET", "NOUN", verb, "ADP", "DET", "NOUN"] for verb in ("AUX", "VERB"))
    mixed = calque.parse("I'm going al supermercado to buy some leche")
    assert {"en", "es"} <= {t.lang for t in mixed.tokens}


@pytest.mark.parametrize("error", [CalqueError("a"), ModelError("b"), MissingExtraError("export", "train")])
def test_errors_come_out_of_other_processes_as_they_are(error: CalqueError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
