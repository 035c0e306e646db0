"""A notebook of another language than Python: its file, its kernel, its outputs."""

from __future__ import annotations

import json
import sys

import pytest

from tests.server.daemons import Daemon

from .editors import Editor


@pytest.fixture
def shell(server: Daemon) -> Editor:
    """An editor with a shell script, at a server that has a kernel for it."""
    folder = server.folder.runtime / "data" / "kernels" / "bash"
    folder.mkdir(parents=True, exist_ok=True)
    spec = {
        "argv": [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"],
        "display_name": "Bash",
        "language": "bash",
    }
    (folder / "kernel.json").write_text(json.dumps(spec))
    return Editor(server, "/home/alice/project/script.sh", "script.ipynb")


def test_a_script_of_another_language_is_paired_pushed_and_run_in_its_own_kernel(shell: Editor) -> None:
    text = '#!/bin/bash\n\n# %%\nname=world\n\n# %%\necho "hello $name"\n\n# %% [markdown]\n# Title\n'
    assert shell.pair(text)["made"] == "notebook"
    content = shell.daemon.request("GET", f"api/contents/{shell.notebook}")["content"]
    assert content["metadata"]["kernelspec"]["name"] == "bash"
    answer = shell.run(text.replace("world", "shell"), what="all")
    assert answer["status"] == "ok", answer
    with shell.daemon.document(shell.notebook) as page:
        content = page.wait_for(lambda content: content["cells"][1]["outputs"], "the output is there")
    assert content["cells"][1]["outputs"][0]["text"] == "hello shell\n"
    assert shell.status()["kernel"]["name"] == "bash"
    answer = shell.run(text.replace("world", "shell").replace("hello", "good day,"), what="stale")
    assert len(answer["cells"]) == 1
