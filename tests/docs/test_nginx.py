"""The page about nginx shows what the command prints."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from pyramid_notebook import cli
from pyramid_notebook.proxy.nginx import Gate

from ..proxy.nginx_server import command
from .blocks import BLOCKS, block

PAGE = "docs/how-to/nginx.md"
_FOLDER = "/srv/shop/notebooks"


def test_the_command_prints_the_configuration_of_the_page_and_nginx_understands_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    shown = block(PAGE, "notebooks.conf")
    ini = block(PAGE, "production.ini").replace("egg:shop", "egg:pyramid_notebook#demo")
    (folder / "production.ini").write_text(ini.replace(_FOLDER, f"{folder}/nb"))
    typed = next(item.text for item in BLOCKS if item.page == PAGE and item.language == "console").splitlines()
    program, *arguments = shlex.split(typed[0].partition(" > ")[0])
    assert program == "pyramid-notebook"
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert printed.replace(f"{folder}/nb", _FOLDER) == shown, "the page has an old configuration"
    assert Gate(folder / "nb").file.exists()

    main = folder / "nginx.conf"
    (folder / "notebooks.conf").write_text(printed.replace("/run/pyramid_notebook", f"{folder}/cache"))
    main.write_text(f"pid {folder}/pid;\nevents {{}}\nhttp {{ include {folder}/notebooks.conf; }}\n")
    done = subprocess.run(command(folder, main, "-t"), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
