"""The console in a real terminal, at a kernel of a real site."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest

from tests.running import wait_until
from tests.running_console import USER, WAITING, Desk, desk
from tests.terminals import Terminal

from .test_pictures import png
from .test_rendering import CONTROLS

NOTEBOOK = ("--notebook", "shared.ipynb", "--new")
PROMPT = r"^(?:\^C)?In \[(\d+)\]:\s*\Z"
CTRL_C, CTRL_D, CTRL_R, TAB = "\x03", "\x04", "\x12", "\t"


@pytest.fixture(scope="module")
def shared(at_home: Desk) -> Iterator[Terminal]:
    with at_home.console(at_home.url, *NOTEBOOK) as shown:
        prompt(shown)
        yield shown


@pytest.fixture
def console(shared: Terminal) -> Iterator[Terminal]:
    """A console that tests use one after another, each from a new prompt on."""
    yield shared
    if not re.search(PROMPT, shared.text, re.MULTILINE):
        shared.type(CTRL_C)  # whatever a test has left there


def prompt(shown: Terminal) -> int:
    """Wait until the console asks for something, and return the number of that input."""
    return int(shown.shows(PROMPT)[1])


def run(shown: Terminal, *lines: str) -> int:
    """Type code when the console asks for it, and return the number of the input."""
    number = prompt(shown)
    shown.type("".join(f"{line}\r" for line in lines))
    shown.shows(rf"^(?:\^C)?In \[{number}\]: {re.escape(lines[0][:30])}")
    return number


def test_it_tells_at_once_where_the_notebook_is(console, at_home):
    console.shows(rf"^Notebook shared\.ipynb: {re.escape(at_home.url)}notebooks/shared\.ipynb$")


def test_results_have_their_number_and_output_has_none(console):
    number = run(console, "print('said'); 6 * 7")
    console.shows(rf"^said\nOut\[{number}\]: 42$")


def test_code_goes_on_until_the_kernel_finds_it_whole(console):
    number = run(console, "for word in ('ab', 'cd'):", "print(word[::-1])", "")
    console.shows(r"^ +\.\.\.:     print\(word\[::-1\]\)\n +\.\.\.:\nba\ndc$")
    assert prompt(console) == number + 1


def test_code_has_the_colours_of_its_language(console):
    run(console, "def coloured(): return 'text'")
    console.shows(r"def coloured")
    prompt(console)
    assert console.colour_of("def coloured") != "default"
    assert console.colour_of("def coloured") != console.colour_of("'text'")


def test_tab_completes_with_types(console):
    run(console, "some_function, some_number = (lambda: 1), 5")
    prompt(console)
    console.type(f"some_{TAB}")
    console.shows(r"some_function +function")
    console.shows(r"some_number(?: +\w+)?$")


def test_a_question_mark_shows_what_is_known(console):
    run(console, "len?")
    console.shows(r"^Docstring: Return the number of items in a container\.$")
    run(console, "nothing_like_it?")
    console.shows(r"^nothing_like_it is not known\.$")


def test_a_long_answer_is_shown_page_by_page(console):
    run(console, "import textwrap")
    prompt(console)
    console.type("textwrap??\r")
    console.shows(r"^:\Z")  # that is less
    console.type("q")
    prompt(console)


def test_what_was_typed_before_is_found_again(console):
    number = run(console, "'looked for' + '!'")
    console.shows(rf"^Out\[{number}\]: 'looked for!'$")
    prompt(console)
    console.type(f"{CTRL_R}looked f")
    console.shows(r"'looked for' \+ '!'\n+I-search backward: looked f")
    console.type("\r\r")
    console.shows(rf"^Out\[{number + 1}\]: 'looked for!'$")


def test_a_traceback_has_its_colours(console):
    run(console, "1 / 0")
    console.shows(r"^ZeroDivisionError: division by zero$")
    assert console.colour_of("ZeroDivisionError: division") != "default"


def test_the_code_may_ask_back_also_for_what_nobody_shall_see(console):
    number = run(console, "from getpass import getpass; name = input('name: '); word = getpass('word: ')")
    console.shows(r"^name:\Z")
    console.type("Ada\r")
    console.shows(r"^word:\Z")
    console.type("secret\r")
    assert prompt(console) == number + 1
    run(console, "name, word[::-1]")
    console.shows(r"\('Ada', 'terces'\)")
    assert "secret" not in console.text


@pytest.mark.parametrize("way", ["interrupt", "restart"])
def test_what_asks_no_longer_gives_the_prompt_back(at_home, way):
    with at_home.console(at_home.url) as shown, at_home.client() as client:
        run(shown, "input('name: ')")
        shown.shows(r"^name:\Z")
        notebook = re.search(r"^Notebook (\S+): ", shown.text, re.MULTILINE)[1]
        getattr(client.open(notebook=notebook), way)()
        shown.shows(r"^KeyboardInterrupt" if way == "interrupt" else r"its variables are gone")
        prompt(shown)


def test_ctrl_c_interrupts_the_kernel(console):
    run(console, "import time; print('it runs'); time.sleep(600)")
    console.shows(r"^it runs$")
    console.type(CTRL_C)
    console.shows(r"^KeyboardInterrupt")
    prompt(console)


def test_a_bar_of_progress_stays_on_its_line(console):
    run(console, "import sys", "")
    code = "for n in range(5): sys.stdout.write(f'\\rbar {n} of 5'); sys.stdout.flush(); n == 4 or input()"
    run(console, code, "")
    for number in range(4):
        console.shows(rf"^bar {number} of 5$")
        console.type("\r")
    console.shows(r"^bar 4 of 5$")
    prompt(console)


def test_a_display_that_is_updated_is_drawn_where_it_was(console):
    run(console, "shown = display('first version', display_id=True); shown.update('second version')")
    console.shows(r"^'second version'$")
    prompt(console)
    assert "'first version'" not in re.sub(r"^In .*$", "", console.text, flags=re.MULTILINE)


def test_markdown_html_and_tables_are_readable(console):
    run(console, "from IPython.display import HTML, Markdown")
    run(console, "Markdown('# Heading\\n\\n- an *item*')")
    console.shows(r"Heading")
    console.shows(r"^ • an item$")
    run(console, "HTML('<table><tr><th>name<th>age</tr><tr><td>Ada<td>36</table><p>one <b>row</b></p>')")
    console.shows(r"^ *name +age\n *─+\n *Ada +36\n*one row$")


def test_an_image_is_a_link_to_the_notebook_where_the_terminal_has_none(console, at_home):
    run(console, "from IPython.display import Image; import base64")
    run(console, f"Image(base64.b64decode('{base64.b64encode(png()).decode()}'))")
    console.shows(rf"\[an image: see {re.escape(at_home.url)}notebooks/shared\.ipynb\]")


def test_nothing_that_the_kernel_says_controls_the_terminal(console):
    begin = len(console.raw)
    run(console, r"print('\x1b]0;title\x07\x1b]52;c;aGk=\x07\x1b[2J\x1b[?1049hstill here\x9b2J')")
    console.shows(r"^still here")
    prompt(console)
    written = console.raw[begin:].decode(errors="replace")
    for control in ("\x1b]", "\x1b[2J", "\x1b[?1049h", "\x9b"):
        assert control not in written


def test_what_others_run_is_shown_with_their_name_above_what_is_typed(console, at_home):
    prompt(console)
    console.type("half a th")
    console.shows(r"half a th\Z")
    with at_home.client("another program") as client, client.open(notebook="shared.ipynb") as session:
        session.run("print('from elsewhere')\n'shown as well'")
        number = session.count
    console.shows(
        rf"^\[user, another program\] In \[{number}\]: print\('from elsewhere'\)\n +\.\.\.: 'shown as well'\n"
        rf"from elsewhere\nOut\[{number}\]: 'shown as well'\nIn \[{number + 1}\]: half a th\Z"
    )


def test_it_connects_again_by_itself(console, at_home):
    number = run(console, "for n in range(40): print('tick', n); __import__('time').sleep(0.05)", "")
    console.shows(r"^tick 1$")
    at_home.site.kill()
    console.shows(r"^The connection broke off\. Connecting again; the kernel goes on\.$")
    at_home.site.start()
    console.shows(r"^Connected again\.$")
    console.shows(r"^tick 39$")
    assert prompt(console) == number + 1
    assert re.findall(r"^tick (\d+)$", console.text, re.MULTILINE) == [str(number) for number in range(40)]


def test_an_end_that_the_server_could_not_keep_is_not_waited_for(at_home, tmp_path):
    with at_home.console(at_home.url, "--notebook", "forgets.ipynb", "--new") as console:
        run(console, WAITING.format(str(tmp_path / "gone")), "")
        [session] = [one for one in at_home.past_the_door("session.list") if one["notebook"] == "forgets.ipynb"]
        about = {"session": session["session"], "wait": 5}
        begun = wait_until(lambda: at_home.past_the_door("session.events", **about)["events"], "the cell to begin")
        at_home.site.kill()
        (tmp_path / "gone").touch()
        at_home.forget_end(session["session"], begun[-1]["execution"], begun[-1]["seq"])
        at_home.site.start()
        prompt(console)
        run(console, "'goes ' + 'on'")
        console.shows(r"^Out\[\d+\]: 'goes on'$")


def test_ctrl_d_leaves_the_kernel_running_and_says_how_to_come_back(at_home):
    with at_home.console(at_home.url, *NOTEBOOK) as first:
        run(first, "kept = 'still there'")
        prompt(first)
        first.type(CTRL_D)
        assert first.end() == 0
        command = first.shows(r"Come back:\n +pyramid-notebook console (\S+) (--notebook shared\.ipynb)$")
    with at_home.console(command[1], *command[2].split()) as second:
        run(second, "kept")
        second.shows(r"'still there'")
        run(second, "exit")
        assert second.end() == 0


def test_images_are_drawn_where_the_terminal_can(at_home):
    with at_home.console(f"{at_home.url}notebooks/shared.ipynb", "--new", TERM="xterm-kitty") as shown:
        run(shown, "from IPython.display import Image; import base64")
        run(shown, f"Image(base64.b64decode('{base64.b64encode(png()).decode()}'))")
        prompt(shown)
        shown.type(CTRL_D)
        assert shown.end() == 0
    assert b"\x1b_Ga=T,f=100,q=2," in shown.raw


def test_a_dumb_terminal_gets_text_alone(at_home):
    with at_home.console(at_home.url, *NOTEBOOK, TERM="dumb") as shown:
        run(shown, "for word in ('ab', 'cd'):")
        shown.shows(r"\.\.\.:\Z")
        shown.type("print(word)\r")
        shown.shows(r"print\(word\)\n +\.\.\.:\Z")
        shown.type("\r")
        shown.shows(r"^ab\ncd$")
        run(shown, "1 / 0")
        shown.shows(r"^ZeroDivisionError: division by zero$")
        run(shown, "input('name: ') + '!'")
        shown.shows(r"^name:")
        shown.type("Ada\r")
        shown.shows(r"'Ada!'")
        prompt(shown)
        shown.type(CTRL_D)
        assert shown.end() == 0
    assert not CONTROLS.search(shown.raw.decode())
    assert b"\x1b" not in shown.raw


def test_a_pipe_gets_what_is_said_and_how_it_ended(at_home):
    done = at_home.pipe("import sys; print('out'); print('err', file=sys.stderr)\n1 + 1\n", at_home.url, *NOTEBOOK)
    assert (done.returncode, done.stdout) == (0, "out\n2\n")
    assert done.stderr == f"Notebook shared.ipynb: {at_home.url}notebooks/shared.ipynb\nerr\n"
    done = at_home.pipe("# %%\nprint(1)\n# %%\n1 / 0\n# %%\nprint(2)\n", at_home.url, *NOTEBOOK)
    assert (done.returncode, done.stdout) == (1, "1\n")
    assert done.stderr.endswith("\nZeroDivisionError: division by zero\n")


def test_a_pipe_says_what_it_does_not_take(at_home):
    done = at_home.pipe("1", at_home.url, "--notebook", "nowhere.ipynb")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "pyramid-notebook: There is no notebook nowhere.ipynb. To make it, add --new.\n"
    done = at_home.pipe("print('caf\udce9')", at_home.url, *NOTEBOOK)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "pyramid-notebook: What comes through the pipe is no UTF-8: see byte 11.\n"


def test_a_pipe_fails_where_some_output_is_lost(at_home):
    done = at_home.pipe("print('x' * 30_000_000, 'end')", at_home.url, *NOTEBOOK)
    assert done.returncode == 1
    assert done.stdout.endswith("x end\n")
    assert "some of that is lost" in done.stderr


def test_a_pipe_gets_json_where_it_is_asked_for(at_home):
    done = at_home.pipe("print('ü')\n6 * 7\n", at_home.url, *NOTEBOOK, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["event"] == "session"
    assert events[0]["notebook"] == "shared.ipynb"
    told = [event for event in events[1:] if event["event"] not in ("status", "begin")]
    assert [event["event"] for event in told] == ["stream", "result", "end"]
    assert told[0]["text"] == "ü\n"
    assert told[1]["data"]["text/plain"] == "42"
    assert {event["who"]["name"] for event in told} == {"console"}
    assert done.stderr == ""


def test_without_a_sign_in_a_terminal_signs_in_first(at_home, folder):
    nobody = desk(at_home.site, folder, is_signed_in=False)
    with nobody.console(at_home.site.url, "--notebook", "shared.ipynb", "--new") as shown:
        code = shown.shows(r"^ +([A-Z]{4}-[A-Z]{4})$")[1]
        session = at_home.site.session(USER)
        address = f"{at_home.site.url}/notebook/-/device"
        asked = session.post(address, data={"user_code": code}, timeout=30).text
        scopes = re.findall(r'name="scope" value="([^"]+)"', asked)
        assert "console" in scopes
        fields = {"user_code": code, "decision": "approve", "scope": scopes}
        assert session.post(address, data=fields, timeout=30).status_code == 200
        number = run(shown, "'signed in'")
        shown.shows(rf"^Out\[{number}\]: 'signed in'$")
        shown.type(CTRL_D)
        assert shown.end() == 0


def test_code_that_does_not_mind_ctrl_c_may_be_left_alone(at_home):
    with at_home.console(at_home.url, "--notebook", "stubborn.ipynb", "--new") as shown:
        run(shown, "import signal, time; say_no = lambda *about: print('no')")
        run(shown, "for n in range(1000): time.sleep(0.01); n or print('go', signal.signal(2, say_no))", "")
        shown.shows(r"^go ")
        for times in range(1, 4):
            shown.type(CTRL_C)
            said = rf"(?:(?:\^C|^)no$[\s\S]*?){{{times}}}"
            shown.shows(said if times < 3 else r"^Not waited for any more; it goes on")
        prompt(shown)
        shown.type(CTRL_D)
        assert shown.end() == 0


def test_without_a_sign_in_a_pipe_is_told_how_to_sign_in(at_home):
    done = at_home.pipe("1", at_home.url, HOME=str(at_home.laptop.home / "nobody"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "You are not signed in" in done.stderr
    assert f"pyramid-notebook login {at_home.site.url}" in done.stderr


def test_without_its_packages_it_says_what_to_type(run_python):
    source = "import sys; sys.modules['prompt_toolkit'] = None; from pyramid_notebook.cli import main; "
    done = run_python(f"{source} sys.exit(main(['console', 'https://example.com/']))")
    told = 'The console needs prompt_toolkit. Type: pip install "pyramid_notebook[console]"'
    assert (done.returncode, done.stderr) == (1, f"pyramid-notebook: {told}\n")
