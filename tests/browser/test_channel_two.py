"""Two notebooks with two kernels in one page of JupyterLab: each has a channel, and nothing gets mixed up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running import demo_site

from .channel_page import ChannelPage, open_notebook, printed

#: Opens a channel of the same name in each notebook; they differ in what they call themselves.
OPEN = """
import threading
from pyramid_notebook.channel import open_channel
own, told = "{own}", threading.Event()
channel = open_channel(code='''(channel) => channel.expose({{
  who: () => "the page's end of {own}",
  pass: (kernel, text) => notebookChannel("main", kernel).call("tell", `${{text}} by {own}`),
}})''')
@channel.expose(thread="own")
def who():
    return own
@channel.expose(thread="own")
def tell(text):
    global heard
    heard = text
    told.set()
    return f"{{own}} was told"
"""
#: Opens a new notebook beside those that are open, with the kernel of the one that is in front; tells the other one.
ANOTHER = """
const [done] = arguments;
const { commands, shell } = window.jupyterapp;
const { kernel } = shell.currentWidget.sessionContext.session;
const before = shell.currentWidget.id;
commands.execute("notebook:create-new", { kernelName: kernel.name, activate: true }).then(async (panel) => {
  await panel.sessionContext.ready;
  shell.activateById(panel.id);
  done([before, panel.id]);
});
"""
KERNEL = "return window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id"
CURRENT = "return window.jupyterapp.shell.currentWidget.id"
ACTIVATE = "window.jupyterapp.shell.activateById(arguments[0])"


class Two:
    """A page with two notebooks; one of them is in front, and its cells are run.

    Attributes:
        kernels: ids of the kernels of both, in the order in which they were opened.
    """

    def __init__(self, page: ChannelPage) -> None:
        self.page = page
        page.run(OPEN.format(own="one"))
        self.kernels = [page.driver.execute_script(KERNEL)]
        self._panels = page.driver.execute_async_script(ANOTHER)
        self.show(1)
        page.run(OPEN.format(own="two"))
        self.kernels.append(page.driver.execute_script(KERNEL))

    def show(self, which: int) -> None:
        """Bring a notebook to the front."""
        panel, driver = self._panels[which], self.page.driver
        driver.execute_script(ACTIVATE, panel)
        self.page.user.wait(lambda: driver.execute_script(CURRENT) == panel, "the notebook is in front")


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    with demo_site({"ui": "lab"}) as site, open_notebook(site) as page:
        yield Two(page)


def test_each_kernel_has_a_connection_of_its_own(two: Two) -> None:
    assert len(set(two.kernels)) == 2
    for which in range(2):
        two.show(which)
        assert two.page.run("print(len(channel.pages))") == "1"


def test_the_channel_of_each_kernel_is_found_by_its_id(two: Two) -> None:
    script = "return Promise.all(values.map((kernel) => notebookChannel('main', kernel).call('who')))"
    assert two.page.do(script, *two.kernels) == ["one", "two"]
    assert two.page.do("return notebookChannel() === notebookChannel('main', values[0])", two.kernels[1])


def test_each_kernel_calls_its_own_functions_of_the_page(two: Two) -> None:
    for which, own in enumerate(("one", "two")):
        two.show(which)
        assert two.page.run("print(await channel.call('who'))") == f"the page's end of {own}"


def test_a_cell_waits_while_the_page_passes_its_call_on_to_the_other_kernel(two: Two) -> None:
    first, second = two.kernels
    two.show(0)
    cell = two.page.begin("print(told.wait(50), heard)")
    two.show(1)
    assert two.page.run(f"print(channel.call_sync('pass', '{first}', 'hello'))") == "one was told"
    two.show(0)
    assert printed(two.page.ended(cell)) == "True hello by two"
    assert two.page.run(f"print(channel.call_sync('pass', '{second}', 'well'))") == "two was told"
    two.show(1)
    assert two.page.run("print(heard)") == "well by one"
