"""The page about security: its promises have tests, its numbers are those of the program."""

from __future__ import annotations

import ast
import re

from .blocks import ROOT, table

SECURITY = "docs/security.md"


def test_each_promise_names_a_test_that_there_is():
    rows = table(SECURITY, "promise")
    assert len(rows) > 30
    for promise, named in rows:
        shown, file, sentence = re.fullmatch(r"\[(\S+)\]\(\.\./(\S+)\): (.+)", named).groups()
        assert file == f"tests/{shown}.py"
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert f"test_{sentence.replace(' ', '_')}" in names, promise


def test_no_two_promises_lean_on_one_test():
    tests = [named for _promise, named in table(SECURITY, "promise")]
    assert len(set(tests)) == len(tests)
