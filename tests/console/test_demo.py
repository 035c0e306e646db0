"""What the wish for this was about: one loop, seen as it happens in two terminals and a page."""

from __future__ import annotations

import re
from types import SimpleNamespace

from tests.browser.visitor import Visitor
from tests.running import chromium
from tests.running_console import USER

from .test_console import prompt, run

#: What an expression in a loop shows is the display hook's, if IPython is told so.
EVERY_EXPRESSION = "%config InteractiveShell.ast_node_interactivity = 'all'"
LOOP = ("for i in range(10):", "time.sleep(0.2)", "print(i)", "i**2", "")


def test_two_terminals_and_a_page_see_a_loop_as_it_happens(at_home):
    with (
        at_home.console(at_home.url, "--name", "first") as first,
        chromium() as driver,
    ):
        prompt(first)
        path = first.shows(r"^Notebook \S+: \S+(/notebook/user/notebooks/console-\S+\.ipynb)$")[1]
        page = Visitor(SimpleNamespace(driver=driver), at_home.site, USER)
        page.sign_in()
        page.visit(path)
        page.until_idle()
        with at_home.console(f"{at_home.site.url}{path}", "--name", "second") as second:
            prompt(second)
            run(first, EVERY_EXPRESSION)
            run(first, "import time")
            number = run(first, *LOOP)
            for shown in (first, second):
                shown.shows(rf"^2\nOut\[{number}\]: 4$")
            page.see(".jp-OutputArea-output", "2")
            assert not re.search(r"^9$", first.text, re.MULTILINE), "it was shown in the end, not as it happened"
            every = "\n".join(f"{i}\nOut\\[{number}\\]: {i * i}" for i in range(10))
            first.shows(rf"\n{every}\nIn \[{number + 1}\]:\s*\Z")
            second.shows(rf"^\[user, first\] In \[{number}\]: for i in range\(10\):\n(?: .*\n)+{every}\nIn \[")
            page.see(".jp-OutputArea-output", "81")

            page.press(".jp-CodeCell .cm-content", "i**2")
            page.driver.execute_script("window.jupyterapp.commands.execute('notebook:insert-cell-below')")
            page.run("'from the page'")
            for shown in (first, second):
                shown.shows(r"^\[user, \w+\] In \[\d+\]: 'from the page'\nOut\[\d+\]: 'from the page'\nIn \[")
