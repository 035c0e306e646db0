"""A file or a notebook alone becomes a pair."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.server.daemons import Daemon

from .editors import Editor, script


def test_a_notebook_is_made_from_a_file(editor: Editor) -> None:
    answer = editor.pair("# %% [markdown]\n# # Title\n\n" + script("a = 1"))
    assert (answer["made"], answer["notebook"]) == ("notebook", editor.notebook)
    assert editor.sources == ["# Title", "a = 1"]
    content = editor.daemon.request("GET", f"api/contents/{editor.notebook}")["content"]
    assert content["metadata"]["kernelspec"]["language"] == "python"


def test_a_file_is_made_from_a_notebook(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    answer = editor.pair(None)
    assert answer["made"] == "file"
    assert "a = 1" in answer["text"]
    assert editor.sync(answer["text"])["cells"] == []


def test_both_are_made_where_there_is_neither(editor: Editor) -> None:
    answer = editor.pair(None)
    assert answer["made"] == "both"
    assert "# %%" in answer["text"]
    assert editor.sources == [""]


def test_a_pair_that_is_there_stays_as_it_is(editor: Editor) -> None:
    editor.pair(script("a = 1"))
    assert editor.pair(script("a = 1"))["rev"]
    answer = editor.pair(script("b = 2"))
    assert (answer["made"], answer["rev"], answer["text"]) == ("", "", script("b = 2"))
    assert editor.sources == ["a = 1"]


@pytest.mark.parametrize(
    ("file", "notebook"),
    [
        ("/home/bob/pair-one.py", "pair-one.ipynb"),
        ("/home/bob/pair.sync.py", "pair.sync.ipynb"),
        ("deep/folder/pair.py", "deep/folder/pair.ipynb"),
        (r"C:\work\pair-two.py", "pair-two.ipynb"),
    ],
)
def test_a_new_notebook_is_named_like_the_file(server: Daemon, file: str, notebook: str) -> None:
    status, answer = Editor(server, file, notebook).post("pair", file=file, text=script("a = 1"))
    assert (status, answer.get("notebook")) == (200, notebook), answer


def test_a_file_in_the_user_s_folder_gets_its_notebook_beside_it(server: Daemon) -> None:
    editor = Editor(server, f"{server.folder.work}/beside/it.py", "")
    status, answer = editor.post("pair", file=editor.file, text=script("a = 1"))
    assert (status, answer["notebook"]) == (200, "beside/it.ipynb")


def test_another_project_s_notebook_of_the_same_name_is_not_taken(server: Daemon) -> None:
    editor = Editor(server, "/one/same.py", "same.ipynb")
    editor.post("pair", file="/one/same.py", text=script("a = 1"))
    status, answer = editor.post("pair", file="/two/same.py", text=script("other = 2"))
    assert (status, answer["reason"], answer["candidates"]) == (409, "no-match", ["same.ipynb"])
    assert editor.sources == ["a = 1"]


def test_a_kernel_that_is_not_there_is_named_with_those_that_are(editor: Editor) -> None:
    status, answer = editor.ask("pair", text=script("a = 1"), kernel="julia-9")
    assert (status, answer["reason"]) == (400, "form")
    assert "julia-9" in answer["message"] and "python3" in answer["message"]
    assert not (editor.daemon.folder.work / editor.notebook).exists()


def test_a_script_of_another_language_gets_no_kernel_of_python(server: Daemon) -> None:
    editor = Editor(server, "/home/alice/model.R", "model.ipynb")
    assert editor.pair("# %%\nx <- 1\n")["made"] == "notebook"
    content = server.request("GET", "api/contents/model.ipynb")["content"]
    assert content["metadata"]["language_info"]["name"] == "R"


def test_equal_ids_in_a_file_do_not_make_a_broken_notebook(editor: Editor) -> None:
    editor.pair('# %% id="one"\na = 1\n\n# %% id="one"\nb = 2\n')
    names = [cell["id"] for cell in editor.cells]
    assert len(set(names)) == 2


def test_of_two_pairs_at_once_one_makes_the_notebook(editor: Editor) -> None:
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda text: editor.ask("pair", text=text)[1], [script("a = 1"), script("b = 2")]))
    assert sorted(answer["made"] for answer in answers) == ["", "notebook"]
