"""An editor with one file, as the door passes its requests on to the user server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER
from tests.server.daemons import Daemon

_PATIENCE = 60.0


def ask_for(
    daemon: Daemon, method: str, path: str, body: bytes = b"", headers: Sequence[tuple[str, str]] = ()
) -> tuple[int, str]:
    """Send one request as the door does for a token, and return status and text of the answer."""
    fields = [
        *(("Host", "localhost"), (SECRET_HEADER, daemon.record.secret), (TOKEN_HEADER, "1")),
        *(("Content-Length", str(len(body))), *headers),
    ]
    target = daemon.record.base_url + path
    answer = exchange(daemon.record, method, target, headers=fields, body=[body], timeout=_PATIENCE)
    return answer.status, b"".join(iter(answer.read, b"")).decode()


class Editor:
    """Keeps its file's text and rev, as our client does.

    Args:
        daemon: the user server.
        file: path on the user's machine.
        notebook: that belongs to it.
    """

    def __init__(self, daemon: Daemon, file: str, notebook: str) -> None:
        self.daemon, self.file, self.notebook = daemon, file, notebook
        self.rev = ""

    def post(self, verb: str, **values: Any) -> tuple[int, dict[str, Any]]:
        path = f"sync/{verb}" if verb else "sync"
        status, text = ask_for(self.daemon, "POST", path, json.dumps(values).encode())
        assert status != 500, (text, self.daemon.log[-3000:])
        return status, json.loads(text)

    def ask(self, verb: str = "", **values: Any) -> tuple[int, dict[str, Any]]:
        """Send a request about the editor's own notebook."""
        return self.post(verb, **{"file": self.file, "notebook": self.notebook, **values})

    def sync(self, text: str, **values: Any) -> dict[str, Any]:
        """Push the file; it must work."""
        status, answer = self.ask(text=text, rev=self.rev, **values)
        assert status == 200, answer
        self.rev = answer.get("text_rev", answer["rev"])
        return answer

    def pair(self, text: str | None = None, **values: Any) -> dict[str, Any]:
        status, answer = self.ask("pair", text=text, **values)
        assert status == 200, answer
        self.rev = answer["rev"]
        return answer

    def run(self, text: str | None = None, **values: Any) -> dict[str, Any]:
        """Run cells, and wait for the end."""
        status, answer = self.ask("run", text=text, rev=self.rev, **values)
        assert status == 200, answer
        if answer["sync"]:
            self.rev = answer["sync"]["rev"]
        return answer

    def status(self) -> dict[str, Any]:
        status, text = ask_for(self.daemon, "GET", f"sync/status?notebook={self.notebook}")
        assert status == 200, text
        answer: dict[str, Any] = json.loads(text)
        return answer

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells in the notebook's file."""
        return self.daemon.cells(self.notebook)

    @property
    def sources(self) -> list[str]:
        return ["".join(cell["source"]) for cell in self.cells]


def script(*cells: str) -> str:
    """Return a file with these cells."""
    return "".join(f"# %%\n{cell}\n\n" for cell in cells)


def put_outputs(editor: Editor) -> None:
    """Give each code cell of the notebook's file an output that names it, as if it had run."""
    path = editor.daemon.folder.work / editor.notebook
    content = json.loads(path.read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            text = f"output of {''.join(cell['source'])}\n"
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]
            cell["execution_count"] = 1
    path.write_text(json.dumps(content))
    with editor.daemon.document(editor.notebook) as page:
        page.wait_for(lambda content: any(cell.get("outputs") for cell in content["cells"]), "the file is read again")


def outputs(editor: Editor) -> dict[str, str]:
    """Return the text that each code cell with outputs shows, by its source."""
    return {
        "".join(cell["source"]): "".join("".join(output["text"]) for output in cell["outputs"])
        for cell in editor.cells
        if cell.get("outputs")
    }
