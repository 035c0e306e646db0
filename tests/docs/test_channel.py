"""The pages about the channel: each example runs in a browser, in tests/browser/test_channel_uses.py."""

from __future__ import annotations

import ast

from pyramid_notebook import errors
from pyramid_notebook.channel import uses
from pyramid_notebook.errors import ChannelError

from .blocks import BLOCKS, ROOT, table

CHANNEL = "docs/how-to/channel.md"
FROM_JCHANNEL = "docs/how-to/from-jchannel.md"


def test_every_example_is_run_by_the_tests_in_browsers() -> None:
    tree = ast.parse((ROOT / "tests/browser/test_channel_uses.py").read_text(encoding="utf-8"))
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {block.file for block in BLOCKS if block.page in (CHANNEL, FROM_JCHANNEL)} | {"title.py"} <= named


def test_the_table_has_the_errors_that_there_are() -> None:
    rows = [row[0].strip("`") for row in table(CHANNEL, "error")]
    kinds = {name for name in dir(errors) if _is_error(getattr(errors, name))}
    assert set(rows) == kinds - {"ChannelError", "BadFrame"}


def test_every_use_is_named_in_the_guide() -> None:
    text = (ROOT / CHANNEL).read_text(encoding="utf-8")
    assert not [name for name in uses.__all__ if name not in text and name not in ("Bridge", "Uploaded")]


def _is_error(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, ChannelError)
