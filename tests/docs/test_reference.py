"""The generated pages, and what else must be true of all pages."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

import pyramid_notebook
from docs import generate, screenshot

from .blocks import PAGES, ROOT, table


@pytest.mark.parametrize("name", generate.PAGES)
def test_a_generated_page_is_what_the_generator_makes(name):
    assert (generate.FOLDER / name).read_text() == generate.PAGES[name](), "run python -m docs.generate"


def test_the_reference_tells_every_public_name():
    page = (generate.FOLDER / "api.md").read_text()
    for name in pyramid_notebook.__all__:
        assert re.search(rf"`{name}\b", page), name


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page as GitHub makes them."""
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), target


def test_every_page_can_be_reached_from_the_readme():
    waiting, reached = [ROOT / "README.md"], set()
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        waiting.extend((page.parent / link).resolve() for link in links)
    assert set(PAGES) <= reached


def test_every_module_has_its_room():
    rooms = " ".join(row[0] for row in table("docs/architecture.md", "room"))
    names = set(re.findall(r"`([\w/.]+)`", rooms))
    package = Path(pyramid_notebook.__file__).parent
    for path in package.rglob("*.py"):
        parts = path.relative_to(package).parts
        assert names & {f"{parts[0]}/" if len(parts) > 1 else parts[0], "/".join(parts)}, path


def test_every_benchmark_is_told():
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    for path in (ROOT / "benchmarks").glob("*.py"):
        text = path.read_text()
        assert "__main__" not in text or f"-m benchmarks.{path.stem}" in page, path


@pytest.fixture(scope="session")
def new_picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The picture of the README, made again by its script."""
    picture = tmp_path_factory.mktemp("picture") / "notebook.png"
    screenshot.take(picture)
    return picture


@pytest.mark.parametrize("made", ["then", "now"])
def test_the_picture_can_be_made_again_and_is_small(made, new_picture):
    data = (screenshot.PICTURE if made == "then" else new_picture).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1280, 800)
    assert len(data) < 200_000
