"""The documents as a site: the navigation names every page, and every link leads somewhere. MkDocs itself runs where it is."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FENCED = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[(?:[^\]]|\n)*?\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)


def prose(page: Path) -> str:
    """A page without its code."""
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    return LINK.findall(CODE.sub("", prose(page)))


def anchors(page: Path) -> set[str]:
    """Of the headings, as MkDocs and code hosts make them; a heading that comes again gets a number."""
    found: set[str] = set()
    for heading in HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
        slug = re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text.strip().lower()))
        number = next(n for n in range(len(found) + 1) if (f"{slug}_{n}" if n else slug) not in found)
        found.add(f"{slug}_{number}" if number else slug)
    return found


def navigation() -> list[str]:
    """The pages that mkdocs.yml names, in order: the lines under ``nav:`` that end in a page."""
    lines = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2].splitlines()
    return [found[1] for line in lines if (found := re.fullmatch(r"\s+- (?:[^:]+: )?(\S+\.md)", line))]


def test_the_navigation_names_every_page_once() -> None:
    named, there = navigation(), {page.relative_to(DOCS).as_posix() for page in PAGES}
    missing, gone = sorted(there - set(named)), sorted(set(named) - there)
    assert not missing, f"mkdocs.yml does not name {', '.join(missing)}: add a line under nav"
    assert not gone, f"mkdocs.yml names {', '.join(gone)}, and there is no such page"
    assert len(named) == len(set(named))


def test_the_index_leads_to_every_page() -> None:
    missing = {page.name for page in PAGES} - set(links(DOCS / "index.md")) - {"index.md"}
    assert not missing, f"docs/index.md does not link to {', '.join(sorted(missing))}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), f"{page.name} links to {link}: there is no such file"
        if page.parent == DOCS:
            assert target.is_relative_to(DOCS), f"{page.name} links to {link}: a site has nothing outside of docs/"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}: there is no such heading"


def test_links_and_anchors_are_found_as_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# In other languages' words\n\nA [link](other.md#top), `[no](link.md)`.\n\n"
        "## `--raw`, and *more*\n\n## Top\n\n## Top\n\n"
        "```bash\n# no heading [no](link.md)\n```\n[over\ntwo lines](#top)\n",
        encoding="utf-8",
    )
    assert links(page) == ["other.md#top", "#top"]
    assert anchors(page) == {"in-other-languages-words", "--raw-and-more", "top", "top_1"}


@pytest.mark.skipif(find_spec("mkdocs") is None or find_spec("material") is None, reason="MkDocs is not installed here")
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "site" / "troubleshooting" / "index.html").is_file()
