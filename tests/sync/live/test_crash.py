"""The server is killed in the midst of syncs: a notebook's file is always one whole version, and none is forgotten."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from pyramid_notebook import processes
from pyramid_notebook.errors import UpstreamError
from tests.running import wait_until
from tests.server.daemons import Daemon, daemon_in

from .editors import Editor, script

SYNCS = 200
KILLS = 5
CELLS = 6
MANY_CELLS = 500


@pytest.fixture
def daemon(folder: Path) -> Iterator[Daemon]:
    with daemon_in(folder / "alice") as configured:
        configured.start()
        yield configured


def kill(daemon: Daemon) -> None:
    record = daemon.record
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: processes.identity(record.pid) is None, "the server ended")


class Typist:
    """Pushes one version after the other, in a thread, until the server is gone.

    Args:
        editor: with a notebook that is there.
        version: returns the text of a version.
    """

    def __init__(self, editor: Editor, version: Callable[[int], str]) -> None:
        self.editor, self.version = editor, version
        self.pushed = self.answered = 0
        self._progress = threading.Condition()
        self._failure: BaseException | None = None

    def _push(self, number: int) -> None:
        self.pushed = number
        answer = self.editor.sync(self.version(number))
        assert answer["saved"] and not answer["conflicts"], answer
        with self._progress:
            self.answered = number
            self._progress.notify_all()

    def _run(self, last: int) -> None:
        try:
            with suppress(UpstreamError, OSError, ValueError):  # it is killed: no answer, or half of one
                self._push(self.pushed)  # the one that had no answer, once more
                while self.pushed < last:
                    self._push(self.pushed + 1)
        except AssertionError as failure:
            if self.editor.daemon.is_running():
                self._failure = failure

    @contextmanager
    def typing(self, last: int) -> Iterator[None]:
        thread = threading.Thread(target=self._run, args=(last,))
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if self._failure:
            raise self._failure

    def wait_for(self, number: int) -> None:
        """Wait until a version has been acknowledged."""
        with self._progress:
            assert self._progress.wait_for(lambda: self.answered >= number, 60)

    def pause(self, seconds: float) -> None:
        """Let some part of the next push pass, if it takes so long."""
        with self._progress:
            self._progress.wait(seconds)


def texts_of(daemon: Daemon, notebook: str) -> list[str]:
    """Return the texts of the cells in the notebook's file, which is whole."""
    content = json.loads((daemon.folder.work / notebook).read_bytes())
    return ["".join(cell["source"]) for cell in content["cells"]]


def whole(number: int) -> list[str]:
    """Return the cells of a version; each version has other cells, in another order."""
    cells = [f"cell_{place} = {number}  # {'x' * 2000}" for place in range(CELLS - number % 3)]
    shift = number % len(cells)
    return cells[shift:] + cells[:shift]


def test_a_kill_in_the_midst_of_syncs_leaves_one_whole_version_with_all_that_was_acknowledged(daemon: Daemon) -> None:
    random = Random(4)
    editor = Editor(daemon, "/home/alice/project/work.py", "work.ipynb")
    editor.pair(script(*whole(0)))
    typist = Typist(editor, lambda number: script(*whole(number)))
    for killing in range(1, KILLS + 1):
        with typist.typing(SYNCS):
            typist.wait_for(random.randint(typist.answered + 1, SYNCS * killing // (KILLS + 1)))
            typist.pause(random.uniform(0, 0.03))
            kill(daemon)
        found = texts_of(daemon, "work.ipynb")
        versions = [number for number in range(typist.answered, typist.pushed + 1) if whole(number) == found]
        assert versions, (typist.answered, typist.pushed, found)
        daemon.start()
        with daemon.document("work.ipynb") as page:
            content = page.wait_for(lambda content: content["cells"], "the notebook is there")
        assert [cell["source"] for cell in content["cells"]] == found
    with typist.typing(SYNCS):
        pass
    assert typist.answered == SYNCS
    assert texts_of(daemon, "work.ipynb") == whole(SYNCS)


def test_a_kill_while_a_long_notebook_is_saved_and_the_next_sync_is_there_loses_nothing(daemon: Daemon) -> None:
    random = Random(5)
    others = [f"other_{place} = '{'x' * 500}'" for place in range(MANY_CELLS - 2)]

    def upper(number: int) -> str:
        return script(f"upper = {number}", *others, "lower = 0")

    def lower(number: int) -> str:
        return script("upper = 0", *others, f"lower = {number}")

    one = Editor(daemon, "/home/alice/project/long.py", "long.ipynb")
    two = Editor(daemon, "/home/alice/copy/long.py", "long.ipynb")
    one.pair(upper(0))
    two.rev = one.rev
    typists = Typist(one, upper), Typist(two, lower)
    for _ in range(2):
        with typists[0].typing(10_000), typists[1].typing(10_000):
            for typist in typists:
                typist.wait_for(typist.answered + random.randint(2, 4))
            typists[0].pause(random.uniform(0, 0.2))
            kill(daemon)
        first, *middle, last = texts_of(daemon, "long.ipynb")
        assert middle == others
        for text, typist in zip((first, last), typists, strict=True):
            assert typist.answered <= int(text.rpartition(" ")[2]) <= typist.pushed
        daemon.start()
