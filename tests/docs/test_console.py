"""The page about the console and the client for programs, followed from its beginning to its end."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from pyramid_notebook.console import commands
from pyramid_notebook.console.pictures import ITERM2, KITTY, LINK, SIXEL
from tests.running import COMMAND, demo_site
from tests.terminals import Terminal, terminal

from .blocks import BLOCKS, ROOT, table
from .readers import Reader, signed_in

PAGE = "docs/how-to/console.md"
_WORKSHEET = re.compile(r"console-\d{4}-\d\d-\d\d-\d+")
_COMMAND = "pyramid-notebook console "
_TYPED = re.compile(r"^(?P<asked>In \[\d+\]:| +\.\.\.:|Your name\?)(?P<typed>.*)$")


def follow_in_terminal(shown: Terminal, transcript: str) -> None:
    """Type what the page shows to be typed, when the terminal shows what comes before it."""
    seen = ""
    for line in transcript.rstrip("\n").split("\n"):
        if typed := _TYPED.match(line):
            shown.shows(seen + re.escape(typed["asked"]) + r"\s*\Z")
            shown.type(f"{typed['typed'].strip()}\r")
        seen += re.escape(line.rstrip()) + r" *\n"
    shown.shows(seen)


def in_terminal(reader: Reader, arguments: list[str], transcript: str) -> None:
    text = _WORKSHEET.sub("console-NAME", reader.here(transcript))
    with terminal(COMMAND, arguments, {**reader.environment, "TERM": "xterm-256color"}) as shown:
        name = shown.shows(_WORKSHEET.pattern)[0]
        follow_in_terminal(shown, text.replace("console-NAME", name))
        shown.type("\x04")
        assert shown.end() == 0


def test_the_page_can_be_followed_to_its_end(folder: Path) -> None:
    with demo_site() as site:
        reader = signed_in(site, folder, "console")
        blocks = [block for block in BLOCKS if block.page == PAGE and not block.text.startswith("pip install")]
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            if block.file:
                (folder / block.file).write_text(reader.here(block.text))
            elif block.language == "sh" and block.text.startswith(_COMMAND):
                assert following
                in_terminal(reader, reader.here(block.text).split()[1:], following.text)
            elif block.language == "sh":
                reader.type(reader.here(block.text), may_fail=False)
            elif not block.text.startswith("Notebook console-"):
                reader.compare(block.text.replace("https://example.com", site.url))


def test_the_options_exit_codes_and_terminals_of_the_page_are_those_that_there_are() -> None:
    text = (ROOT / PAGE).read_text()
    for option in ("--notebook", "--kernel", "--new", "--kernel-name", "--name", "--images", "--json"):
        assert f"`{option}" in text or f" {option} " in text, option
    assert set(commands.IMAGES) == {"auto", KITTY, ITERM2, SIXEL, LINK}
    assert [row[0] for row in table(PAGE, "exit code")] == ["0", "1", "2", "130"]


@pytest.mark.parametrize("extra", ["client", "console"])
def test_the_extras_of_the_page_exist(extra: str) -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extra in extras
    assert sys.version_info >= (3, 11)
