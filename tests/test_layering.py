"""The arrows of the design, which keep running a model apart from training one."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import calque

ROOT = Path(calque.__file__).parent
LEARNING = ("models", "training", "pretraining")  # the only rooms that may load PyTorch as they are imported
TRAINING_PACKAGES = {"torch", "transformers", "accelerate", "safetensors", "onnx", "onnxscript", "matplotlib", "udtools", "udapi"}
MODULES = sorted(ROOT.rglob("*.py"))

# cli, server → pretraining → transfer → training → models → formats → document; runtime → formats, languages → document.
# What each room may use of the others; a room that is not named here may be used by all (document, errors, pieces, config).
ROOMS = {
    "cli", "server", "pretraining", "transfer", "training", "models", "runtime", "evaluation", "data", "formats", "segmentation",
}  # fmt: skip
MAY_USE = {
    "formats": {"segmentation"},  # texts with spans of characters are cut into words
    "languages": set(),
    "segmentation": {"formats"},
    "data": {"formats"},
    "models": {"formats", "segmentation", "runtime"},
    "runtime": {"formats", "segmentation"},
    "evaluation": {"formats", "segmentation", "runtime", "models"},
    "training": {"formats", "segmentation", "models", "evaluation", "runtime", "data"},
    "transfer": {"formats", "segmentation", "models", "evaluation", "runtime", "data", "training"},
    "pretraining": {"formats", "segmentation", "models", "evaluation", "runtime", "data", "training", "transfer"},
    "cli": ROOMS,
    "server": ROOMS - {"cli"},
}


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(tree: ast.AST, *, top_only: bool = False) -> Iterator[str]:
    """Modules that a module imports; with ``top_only`` those that importing it imports."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from imports(ast.Module(node.orelse, []), top_only=top_only)  # for types alone: nothing is loaded
        elif not (top_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield from imports(node, top_only=top_only)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_one_way(path: Path) -> None:
    here = room(path)
    used = {name.split(".")[1] for name in imports(parsed(path)) if name.startswith("calque.")}
    if here == "__main__":
        assert used == {"cli"}
        return
    assert here == "cli" or "cli" not in used, "nothing imports the command line"
    if here == "runtime" and path.name != "export.py":  # exporting reads a model, inside a function
        assert not used & set(LEARNING), "running a model must not need what training needs"
    if here in MAY_USE and path.name != "export.py":
        assert not (used & ROOMS) - MAY_USE[here] - {here}


@pytest.mark.parametrize("path", [p for p in MODULES if room(p) not in LEARNING], ids=lambda p: str(p.relative_to(ROOT)))
def test_the_base_loads_no_training_package_on_import(path: Path) -> None:
    loaded = {name.split(".")[0] for name in imports(parsed(path), top_only=True)}
    assert not loaded & TRAINING_PACKAGES
    rooms = {name.split(".")[1] for name in imports(parsed(path), top_only=True) if name.startswith("calque.")}
    assert not rooms & set(LEARNING)


@pytest.mark.parametrize("path", sorted((ROOT / "cli").glob("[!_]*.py")), ids=lambda p: p.name)
def test_a_command_loads_only_typer_and_errors_on_import(path: Path) -> None:
    loaded = {name for name in imports(parsed(path), top_only=True) if name.split(".")[0] not in sys.stdlib_module_names}
    allowed = ("typer", "calque.errors", "calque.cli.")  # of the last each is looked at too
    assert {n for n in loaded if not n.startswith(allowed)} <= {"calque", "calque.cli"}


def test_printing_is_left_to_the_command_line() -> None:
    for path in MODULES:
        if room(path) not in ("cli", "__main__"):
            assert "typer" not in {name.split(".")[0] for name in imports(parsed(path))}, path


def python(code: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(ROOT.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_next_to_nothing() -> None:
    assert (
        python("import sys, calque; print([m for m in ('torch', 'numpy', 'onnxruntime', 'rich', 'typer') if m in sys.modules])")
        == "[]"
    )


@pytest.mark.bundled
def test_parsing_loads_no_pytorch() -> None:
    if not (ROOT / "bundled" / "default" / "model.onnx").is_file():
        pytest.skip("the bundled model is not built here")
    code = (
        "import sys; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "import calque\n"
        "print(*(t.upos for t in calque.parse('El gato está en la mesa', lang='es').tokens))"
    )
    assert len(python(code).split()) == 6
