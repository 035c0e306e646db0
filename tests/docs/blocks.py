"""The fenced blocks of the documentation (CommonMark 0.31.2, section 4.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        page: path of the page, below the root.
        language: first word of the info string, empty for pictures.
        file: what ``file=`` names, or nothing.
        text: what is in it.
        before: the text of the page before it.
    """

    page: str
    language: str
    file: str
    text: str
    before: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0]

    @property
    def key(self) -> tuple[str, str]:
        """How the table of checks names it: page and beginning."""
        return self.page, self.first_line[:60].rstrip()

    def __str__(self) -> str:
        return ": ".join(self.key)


def blocks_of(path: Path) -> list[Block]:
    """Return the blocks of a page in their order."""
    page, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        language, _, rest = match["info"].strip().partition(" ")
        file = rest.partition("file=")[2].partition(" ")[0]
        found.append(Block(page, language, file, match["text"], text[: match.start()]))
    return found


BLOCKS = [block for path in PAGES for block in blocks_of(path)]


def block(page: str, file: str) -> str:
    """Return the text of the block of a page that stands for a file."""
    [text] = [item.text for item in BLOCKS if item.page == page and item.file == file]
    return text


def shell(page: str, word: str) -> str:
    """Return the text of the shell block of a page with a word in it."""
    [text] = [item.text for item in BLOCKS if item.page == page and item.language == "sh" and word in item.text]
    return text


def table(page: str, head: str) -> list[list[str]]:
    """Return the rows of the table of a page whose first head cell is given."""
    lines = iter((ROOT / page).read_text(encoding="utf-8").splitlines())
    rows: list[list[str]] = []
    for line in lines:
        if line.startswith(f"| {head} |"):
            next(lines)
            for row in lines:
                if not row.startswith("|"):
                    return rows
                rows.append([cell.strip() for cell in row.strip("|").split(" | ")])
    return rows
