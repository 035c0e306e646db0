"""An editor and a tab change one live notebook at random, again and again; neither loses anything."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.percent import parse
from pyramid_notebook.sync.percent.languages import language_of
from tests.server.daemons import Daemon
from tests.sync.random_edits import KINDS, Writer, contents, tags, tokens

from .editors import Editor, script
from .tabs import KINDS as TAB_KINDS
from .tabs import Tab, tab_of

ROUNDS = 25
PYTHON = language_of("python")


@dataclass
class Desk:
    """Somebody with one notebook in an editor and in a tab; all cells are equal there between two rounds."""

    editor: Editor
    tab: Tab
    writer: Writer
    text: str

    @property
    def cells(self) -> list[Cell]:
        """What the editor's file says."""
        return [cell.cell for cell in parse(self.text, PYTHON).cells]

    def edit(self) -> None:
        """Change the file, at random."""
        script = parse(self.text, PYTHON)
        cells = [cell.cell for cell in script.cells]
        self.text = script.updated(self.writer.changed(cells, KINDS, self.writer.random.randint(0, 3), ""))

    def sync(self, **values: Any) -> dict[str, Any]:
        answer = self.editor.sync(self.text, take=True, **values)
        self.text = answer.get("text", self.text)
        return answer

    def agree(self, answer: dict[str, Any]) -> None:
        """End all conflicts, one way or the other, and check that file, notebook and disk are one."""
        while answer["conflicts"] or answer["pull"]:
            if answer["conflicts"] and self.writer.random.random() < 0.5:
                status, pulled = self.editor.ask("pull", text=self.text, rev=self.editor.rev, force=True)
                assert status == 200, pulled
                self.text, self.editor.rev = pulled["text"], pulled["rev"]
                answer = self.sync()
                assert not answer["conflicts"] and not answer["cells"] and not answer["pull"], answer
            else:
                answer = self.sync(force=bool(answer["conflicts"]))
                assert not answer["conflicts"], answer
        self.tab.hear()
        check_equal(self)
        again = self.sync()
        assert (again["cells"], again["deleted"], again["conflicts"], again["pull"]) == ([], [], [], False)


def check_equal(desk: Desk) -> None:
    shown = contents(desk.tab.cells)
    assert contents(desk.cells) == shown
    stored = [(cell["cell_type"], "".join(cell["source"])) for cell in desk.editor.cells]
    assert stored == [(cell["cell_type"], cell["source"]) for cell in without_twins(desk.tab.content)]
    names = [cell["id"] for cell in desk.editor.cells]
    assert len(set(names)) == len(names)


def without_twins(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each cell once: one that two have moved at the same time is there twice, and is stored once."""
    return [cell for place, cell in enumerate(content) if cell not in content[:place]]


def code(content: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {cell["id"]: cell for cell in content if cell["cell_type"] == CellType.CODE}


def check_outputs(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
    """Each code cell that is kept shows what it showed, and no other cell shows anything."""
    old = code(before)
    for name, cell in code(after).items():
        kept = old.get(name, {"outputs": [], "execution_count": None})
        assert cell["outputs"] == kept["outputs"], name
        assert cell.get("execution_count") == kept["execution_count"], name


def check_unchanged_kept(before: list[dict[str, Any]], mine: list[Cell], after: list[dict[str, Any]]) -> None:
    """A text that the notebook had once, and that the file has still, stays with its output."""
    sources = [cell["source"] for cell in before]
    texts = [cell.source for cell in mine if cell.type is CellType.CODE]
    shown = {cell["source"]: cell["outputs"] for cell in after if cell["cell_type"] == CellType.CODE}
    for cell in before:
        text = cell["source"]
        is_same = sources.count(text) == texts.count(text) == 1 and cell["cell_type"] == CellType.CODE
        if is_same and text.strip():
            assert shown[text] == cell["outputs"], text


def check_nothing_lost(base: list[Cell], mine: list[Cell], live: list[Cell], desk: Desk) -> None:
    """What was typed in the tab is in the notebook, and what was typed in the editor is in its file."""
    notebook, file = desk.tab.cells, desk.cells
    assert tokens(live) - tokens(base) <= tokens(notebook)
    assert tokens(mine) - tokens(base) <= tokens(file)
    assert tags(mine) - tags(base) <= tags(file)


def check_log(daemon: Daemon) -> None:
    """No exception is in the server's log but that a page has left, which jupyter-collaboration tells in length."""
    blocks = daemon.log.split("Traceback (most recent call last):")[1:]
    assert [block for block in blocks if "tornado.websocket.WebSocketClosedError" not in block] == []


def one_round(desk: Desk) -> None:
    base = desk.tab.cells
    desk.tab.change(TAB_KINDS, desk.writer.random.randint(0, 3))
    desk.edit()
    desk.tab.tell()
    desk.tab.hear()
    before, live, mine = desk.tab.content, desk.tab.cells, desk.cells
    answer = desk.sync()
    desk.tab.hear()
    after = desk.tab.content
    check_outputs(before, after)
    if live == base:
        check_unchanged_kept(before, mine, after)
    check_nothing_lost(base, mine, live, desk)
    if not answer["conflicts"]:
        check_equal(desk)
    desk.agree(answer)


def racing_round(desk: Desk, threads: ThreadPoolExecutor, kinds: Sequence[str]) -> dict[str, Any]:
    """Do something in the tab while the server has the file in its hands, and return the answer; nobody waits."""
    desk.edit()
    syncing = threads.submit(desk.sync)
    for _ in range(desk.writer.random.randint(1, 6)):
        desk.tab.change(kinds, 1)
        desk.tab.tell()
    return syncing.result()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("has_ids", [False, True], ids=["without ids", "with ids"])
def test_an_editor_and_a_tab_that_take_turns_lose_nothing(editor: Editor, seed: int, has_ids: bool) -> None:
    writer = Writer(seed)
    text = script(*(writer.source() for _ in range(writer.random.choice((1, 4, 9)))))
    editor.pair(text)
    if has_ids:
        status, answer = editor.ask("pull")
        assert status == 200, answer
        text, editor.rev = answer["text"], answer["rev"]
    with tab_of(editor.daemon, editor.notebook, writer) as tab:
        desk = Desk(editor, tab, writer, text)
        for _ in range(ROUNDS):
            one_round(desk)
    check_log(editor.daemon)


@pytest.mark.parametrize("seed", range(2))
def test_what_is_typed_while_a_sync_is_under_way_stays(editor: Editor, seed: int) -> None:
    """But what reaches a cell that the sync has just put elsewhere: shared lists know no move, such a cell is new."""
    writer = Writer(seed)
    text = script(*(writer.source() for _ in range(6)))
    editor.pair(text)
    with tab_of(editor.daemon, editor.notebook, writer) as tab, ThreadPoolExecutor(1) as threads:
        desk = Desk(editor, tab, writer, text)
        for _ in range(ROUNDS):
            known = tokens(tab.cells)
            answer = racing_round(desk, threads, ("edit", "edit", "insert", "tag", "run"))
            made_anew = {cell["id"] for cell in answer["cells"] if {"moved", "type"} & set(cell["changes"])}
            typed = tokens(cell for cell in tab.cells if cell.id not in {*made_anew, *answer["deleted"]})
            tab.hear()
            assert typed - known <= tokens(tab.cells)
            desk.agree(desk.sync())
    check_log(editor.daemon)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_done_in_a_tab_while_a_sync_is_under_way_file_and_notebook_agree_afterwards(
    editor: Editor, seed: int
) -> None:
    writer = Writer(seed)
    text = script(*(writer.source() for _ in range(6)))
    editor.pair(text)
    with tab_of(editor.daemon, editor.notebook, writer) as tab, ThreadPoolExecutor(1) as threads:
        desk = Desk(editor, tab, writer, text)
        for _ in range(ROUNDS):
            racing_round(desk, threads, TAB_KINDS)
            tab.hear()
            desk.agree(desk.sync())
    check_log(editor.daemon)
