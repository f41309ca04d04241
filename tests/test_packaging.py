"""What is promised about installing: the README's commands, pinned versions, a wheel that holds what it needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import calque

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "calque"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
MEGABYTE = 1_000_000


def shell_blocks(path: Path) -> list[str]:
    return [b.strip() for b in re.findall(r"^```sh\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)]


def requirements(lines: list[str]) -> Iterator[Requirement]:
    for line in lines:
        requirement = Requirement(line)
        if requirement.name == "calque":
            for extra in sorted(requirement.extras):
                yield from requirements(EXTRAS[extra])
        else:
            yield requirement


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def test_the_readme_opens_with_two_commands_and_ci_runs_the_second() -> None:
    first, second = shell_blocks(ROOT / "README.md")[:2]
    assert "\n" not in first and "\n" not in second
    environment = "python3 -m venv .venv && . .venv/bin/activate && "
    assert first == environment + 'pip install . && calque parse "El gato está en la mesa" --lang es'
    assert second.startswith(environment)
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert second.removeprefix(environment) in ci
    assert "set -euo pipefail" in ci


def test_nobody_is_sent_to_the_index_for_calque() -> None:
    """On PyPI the name is another project's: what would fetch it from there fetches a stranger's program."""
    fetched = re.compile(r"pip install (-\S+ )*'?calque\b(?!\[)|pypi\.org/project/calque")
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *SOURCE.rglob("*.py"), *SOURCE.rglob("README.md")]
    found = [path.name for path in texts if path.name != "lab.md" and fetched.search(path.read_text(encoding="utf-8"))]
    assert not found
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]  # read before anything is installed; errors are read after
    assert not [path.name for path in pages if path.name != "lab.md" and "'calque[" in path.read_text(encoding="utf-8")]


def test_every_requirement_is_pinned_and_the_pin_fits() -> None:
    pinned = pins()
    for requirement in requirements([*PROJECT["dependencies"], "calque[dev,recipes,docs]"]):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is missing in constraints.txt"
        assert requirement.specifier.contains(pinned[name]), f"{requirement} against {pinned[name]}"
        assert any(s.operator == ">=" for s in requirement.specifier), f"{requirement} has no lower bound"


def test_the_base_needs_no_pytorch() -> None:
    base = {canonicalize_name(r.name) for r in requirements(PROJECT["dependencies"])}
    assert not base & {"torch", "transformers", "accelerate", "safetensors", "onnx", "matplotlib"}
    assert {"train", "report", "dev"} <= set(EXTRAS)


def test_the_version_stands_in_one_place() -> None:
    assert "version" in PROJECT["dynamic"]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(dev|rc|a|b)\d+)?", calque.__version__)


def test_every_document_that_is_linked_is_there() -> None:
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_no_file_names_a_path_of_one_machine() -> None:
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "Makefile",
        ROOT / "constraints.txt",
        ROOT / ".ci" / "run",
    ]:
        assert not re.search(r"/(work|root|home)/|file://", path.read_text(encoding="utf-8")), path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    target = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {str(p.relative_to(ROOT / "src")) for p in SOURCE.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert package <= names
    assert {"calque/py.typed", "calque/data/catalog.tsv"} <= names
    assert all(name in package or ".dist-info/" in name for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert wheel.stat().st_size < 50 * MEGABYTE


def test_the_source_archive_can_be_built_from_and_tested(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    names = {name.partition("/")[2] for name in tarfile.open(archive).getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "constraints.txt", "Makefile", "tests/test_packaging.py"} <= names
    assert "mkdocs.yml" in names  # a test reads it
    assert "src/calque/cli/__init__.py" in names and ".ci/run" in names
    assert not any("__pycache__" in name or name.startswith((".git/", ".venv")) for name in names)
    assert archive.stat().st_size < 60 * MEGABYTE
