"""Every block of the documentation does what the page says; :data:`CHECKS` tells how each is proven."""

from __future__ import annotations

import configparser
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from jinja2 import Environment
from markupsafe import Markup
from plaster import get_settings
from pyramid.config import Configurator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from waitress.adjustments import Adjustments

import pyramid_notebook
from pyramid_notebook import NotebookContext, Settings
from pyramid_notebook.errors import SettingsError

from .blocks import BLOCKS, PAGES, ROOT, Block

ADJUSTMENTS = {name for name, _cast in Adjustments._params}


#: Proves a block in an empty folder.
Check = Callable[[Block, Path], None]


class Base(DeclarativeBase):
    """What the pages call ``Base``."""


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)


def bash(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def picture(block: Block, folder: Path) -> None:
    """A drawing: nothing runs, and no language claims that something would."""
    assert block.language in ("", "text")


def packages_are_what_make_asks_for(block: Block, folder: Path) -> None:
    """They are those that the Makefile names where they are missing, and what gets one there; installing needs root."""
    asked = re.search(r"Type: apt-get install ([^\"]+)", (ROOT / "Makefile").read_text())
    assert asked
    assert set(block.text.split("install ")[1].split()) == {*asked[1].split(), "make", "git"}


def make_knows(block: Block, folder: Path) -> None:
    """The targets are there; what they run is run by tests/demo/test_development_ini.py, and by whoever runs us."""
    demo, test = (bash(f"{line} --dry-run --always-make", ROOT) for line in block.text.splitlines())
    assert "bin/pserve pyramid_notebook/demo/development.ini" in demo
    assert "-m pytest" in test


def python_runs(block: Block, folder: Path) -> None:
    """Runs with what the page speaks of; contexts that are launched are checked, and go no further."""
    config_file = folder / "site.ini"
    config_file.write_text("[app:main]\n")
    settings = {
        "pyramid_notebook.notebook_folder": str(folder / "notebooks"),
        "pyramid_notebook.config_file": str(config_file),
    }
    names: dict[str, object] = {name: getattr(pyramid_notebook, name) for name in pyramid_notebook.__all__}
    with Configurator(settings=settings) as config:
        request = SimpleNamespace(registry=config.registry, authenticated_userid="ann")
        config.include("pyramid_notebook")
        names |= {
            "Base": Base,
            "config": config,
            "config_file": str(config_file),
            "launch_notebook": lambda request, name, notebook_context: NotebookContext.from_mapping(notebook_context),
            "nb": {},
            "order": Order(id=7),
            "order_id": 7,
            "request": request,
        }
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(block.text, str(block), "exec"), names)
    told = re.findall(r"print\(.*\)  # (.*)", block.text)
    assert printed.getvalue().splitlines() == told
    if names["nb"]:
        compile(NotebookContext.from_mapping(names["nb"]).startup, "startup", "exec")  # type: ignore[arg-type]


def ini_loads(block: Block, folder: Path) -> None:
    """Our settings are settings, and waitress knows its own."""
    (folder / "site.ini").write_text(block.text)
    sections = configparser.RawConfigParser()
    sections.read_string(block.text)
    for name in sections.sections():
        values = dict(get_settings(str(folder / "site.ini"), name))
        if name == "app:main":
            values.setdefault("pyramid_notebook.notebook_folder", str(folder))
            Settings.from_mapping(values)
        else:
            given = {key: value for key, value in values.items() if key not in ("use", "here", "__file__")}
            assert name == "server:main"
            assert set(given) <= ADJUSTMENTS
            assert Adjustments(**given).asyncore_use_poll


def unit_keeps_servers(block: Block, folder: Path) -> None:
    """What systemd reads is well-formed, and says what the page says; systemd itself is not run."""
    unit = configparser.RawConfigParser()
    unit.read_string(block.text)
    assert unit["Service"]["KillMode"] == "process"


def proxy_tells_what_is_trusted(block: Block, folder: Path) -> None:
    """nginx sends the header fields that waitress is told to trust, to its address; nginx itself is not run."""
    page = {item.file: item.text for item in BLOCKS if item.page == block.page}
    sent = {name.lower() for name in re.findall(r"proxy_set_header (\S+)", block.text)}
    server = configparser.RawConfigParser()
    server.read_string(page["proxied.ini"])
    trusted = set(server["server:main"]["trusted_proxy_headers"].split())
    assert sent == {"host", "upgrade", "connection", *trusted}
    assert f"proxy_pass http://{server['server:main']['listen']};" in block.text
    assert block.text.count("{") == block.text.count("}")


def layout_takes_content(block: Block, folder: Path) -> None:
    """The template shows our content as HTML and the title as text, as a renderer of Jinja2 gives them to it."""
    template = Environment(autoescape=True).from_string(block.text)
    text = template.render(title="A & B", content=Markup('<section class="pnb-page"></section>'))
    assert "<title>A &amp; B · My site</title>" in text
    assert '<main><section class="pnb-page"></section></main>' in text


def rules_win(block: Block, folder: Path) -> None:
    """Each rule is one of ours with an element more, so it wins (CSS Selectors 4, section 17)."""
    sheet = (Path(pyramid_notebook.__file__).parent / "static" / "page.css").read_text()
    ours = {line.partition(" {")[0] for line in sheet.splitlines()}
    for selector in re.findall(r"^(.+) \{", block.text, re.MULTILINE):
        assert selector.startswith("main ")
        assert selector.removeprefix("main ") in ours


def options_are_known(block: Block, folder: Path) -> None:
    """The program takes these options; running it is a matter of minutes, and its own business."""
    _python, _m, module, *options = block.text.split()
    told = bash(f"python -m {module} --help", ROOT)
    for option in options:
        assert not option.startswith("--") or option in told


def by(module: str, test: str) -> Check:
    """Return a check that another test does with this very block."""

    def is_there(block: Block, folder: Path) -> None:
        assert callable(getattr(import_module(f"tests.docs.{module}"), test))

    is_there.__doc__ = f"{module}.{test}"
    return is_there


EDITOR_TUTORIAL = "docs/editor-tutorial.md"
OWN = "docs/how-to/own-views.md"
CALL = "docs/how-to/call.md"
CONTEXTS = "docs/how-to/contexts.md"
DEPLOYMENT = "docs/how-to/deployment.md"
FROM_A_SITE = "docs/how-to/functions-from-a-site.md"
FUNCTIONS_TUTORIAL = "docs/functions-tutorial.md"
HOSTS = "docs/how-to/hosts.md"
JUPYTER = "docs/how-to/jupyter-programs.md"
LOOK = "docs/how-to/look.md"
NGINX = "docs/how-to/nginx.md"
OPERATIONS = "docs/how-to/operations.md"
PROGRAMS = "docs/how-to/programs.md"
SYNC = "docs/how-to/editor-sync.md"
SYNC_REFERENCE = "docs/reference/sync.md"
FUNCTIONS_REFERENCE = "docs/reference/functions.md"
TOKENS = "docs/how-to/tokens.md"

TUTORIAL_TEST = by("test_tutorial", "test_following_the_tutorial_leads_to_a_notebook_that_knows_the_order")
INSTALL_TEST = by("test_tutorial", "test_what_the_tutorial_installs_is_all_that_it_needs")
NGINX_TEST = by("test_nginx", "test_the_command_prints_the_configuration_of_the_page_and_nginx_understands_it")
OWN_VIEWS_TEST = by("test_tutorial", "test_views_written_by_hand_do_all_that_ready_made_ones_do")
COMMANDS_TEST = by("test_operations", "test_the_commands_do_what_the_page_says")
SCRIPT_TEST = by("test_operations", "test_the_script_shows_all_servers")
TOKEN_COMMANDS_TEST = by("test_operations", "test_tokens_are_made_listed_and_revoked_as_the_page_says")
POSTGRESQL_TEST = by("test_operations", "test_the_tables_are_those_that_the_page_names_also_in_postgresql")
BACKUP_TEST = by("test_operations", "test_a_copy_of_the_database_is_whole_and_private")
LOGGING_TEST = by("test_operations", "test_the_log_has_what_the_page_says")
LOGIN_TEST = by("test_programs", "test_the_command_signs_in_prints_and_keeps_what_the_page_shows")
RESTRICTED_TEST = by("test_programs", "test_a_sign_in_for_some_notebooks_gets_just_these")
LOGOUT_TEST = by("test_programs", "test_each_way_to_sign_out_revokes_on_the_site_and_forgets_here")
CURL_TEST = by("test_programs", "test_curl_does_what_the_page_says_and_the_token_stands_in_no_command")
REQUESTS_TEST = by("test_programs", "test_the_python_program_lists_the_notebooks_even_beside_a_netrc")
POLICY_TEST = by("test_programs", "test_the_policy_of_the_page_lets_in_whom_it_should")
CONTEXT_TEST = by("test_programs", "test_a_server_that_a_program_starts_knows_whose_it_is")
SIGN_OUT_TEST = by("test_programs", "test_the_sign_out_of_the_page_ends_what_the_session_has_open")
README_CALL_TEST = by("test_functions", "test_the_line_of_the_readme_calls_a_notebook")
SIGN_OUT_LINE_TEST = by("test_programs", "test_a_site_can_say_itself_that_somebody_signed_out")

MODELS_TEST = by("test_functions_tutorial", "test_programs_of_the_page_print_what_it_says")
MODEL_CURL_TEST = by("test_functions_tutorial", "test_curl_gets_what_the_page_shows")
MODEL_INSTALL_TEST = by("test_functions_tutorial", "test_what_the_page_installs_is_what_the_tests_have")
MODEL_SITE_TEST = by(
    "test_functions_tutorial",
    "test_a_view_of_the_site_shows_what_the_notebook_returns_and_its_route_publishes_it",
)
VIEW_TEST = by("test_functions_tutorial", "test_a_change_in_the_form_of_the_view_calls_the_model")

CHANNEL_TEST = by("test_channel", "test_every_example_is_run_by_the_tests_in_browsers")

LAB_TEST, KONSOLE_TEST, NBCLIENT_TEST, KERNEL_CLIENT_TEST, AGENT_TEST, NAMES_TEST = (
    by("test_jupyter_programs", f"test_{name}")
    for name in (
        "a_local_jupyterlab_runs_code_in_kernels_of_the_site",
        "konsole_runs_what_is_typed_in_a_kernel_of_the_site",
        "nbclient_runs_a_local_notebook_in_a_kernel_of_the_site",
        "the_kernel_client_uses_a_kernel_without_a_tunnel",
        "an_agent_works_in_a_notebook_of_the_site_until_its_token_is_revoked",
        "the_page_installs_what_is_tested_and_signs_in_with_scopes_that_there_are",
    )
)

#: How pages are proven that are followed as a whole; whoever follows them knows what to do with each block, or fails.
FOLLOWED: dict[str, Check] = {
    "docs/how-to/channel.md": CHANNEL_TEST,
    "docs/how-to/from-jchannel.md": CHANNEL_TEST,
    "docs/how-to/console.md": by("test_console", "test_the_page_can_be_followed_to_its_end"),
    CALL: by("test_call", "test_all_commands_of_the_page_print_what_it_shows"),
    EDITOR_TUTORIAL: by("test_editor_tutorial", "test_the_tutorial_can_be_followed_to_its_end"),
    FROM_A_SITE: by("test_call", "test_a_site_publishes_a_notebook_and_calls_it_from_a_view"),
    SYNC: by("test_sync", "test_all_commands_of_the_guide_do_and_print_what_it_says"),
    "docs/how-to/web-servers.md": by("test_web_servers", "test_a_notebook_opens_and_calculates_on_each_web_server"),
    FUNCTIONS_REFERENCE: by("test_functions", "test_all_examples_get_the_answers_that_the_page_shows"),
    SYNC_REFERENCE: by("test_sync", "test_all_examples_of_the_reference_get_the_answers_that_it_shows"),
}

#: Page and beginning of each block, and how it is proven.
CHECKS: dict[tuple[str, str], Check] = {
    ("README.md", "sudo apt-get install python3 python3-venv make git"): packages_are_what_make_asks_for,
    ("README.md", "make demo"): make_knows,
    ("README.md", 'config.include("pyramid_notebook")           # in your main'): python_runs,
    ("README.md", "[app:main]"): ini_loads,
    ("README.md", 'curl -H @$HOME/.notebook-header "https://example.com/noteboo'): README_CALL_TEST,
    ("README.md", "from pyramid_notebook.channel import open_channel"): CHANNEL_TEST,
    (FUNCTIONS_TUTORIAL, "pip install vega_datasets pandas matplotlib ipywidgets"): MODEL_INSTALL_TEST,
    (FUNCTIONS_TUTORIAL, "pip install voila"): MODEL_INSTALL_TEST,
    (FUNCTIONS_TUTORIAL, "from pyramid_notebook import PythonModel"): MODELS_TEST,
    (FUNCTIONS_TUTORIAL, "from pyramid_notebook import KernelModel"): MODELS_TEST,
    (FUNCTIONS_TUTORIAL, "from ipywidgets import Dropdown, IntSlider, Output, VBox"): VIEW_TEST,
    (FUNCTIONS_TUTORIAL, 'curl -H @$HOME/.notebook-header "https://example.com/noteboo'): MODEL_CURL_TEST,
    (FUNCTIONS_TUTORIAL, "{"): MODEL_CURL_TEST,
    (FUNCTIONS_TUTORIAL, "from pyramid.response import Response"): MODEL_SITE_TEST,
    ("docs/architecture.md", " browser ── session cookie ──▶ site (Pyramid)"): picture,
    ("docs/architecture.md", "notebook_folder/                 0700"): picture,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.open_shell --rounds 5"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.launch_race --rounds 50"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.recover --rounds 50"): options_are_known,
    (CONTEXTS, "from pyramid_notebook import add_greeting, add_script, inclu"): python_runs,
    (CONTEXTS, "from pyramid_notebook.startup import escape_markdown"): python_runs,
    (CONTEXTS, "from pyramid_notebook import NotebookContext, NotebookError"): python_runs,
    (CONTEXTS, "from pyramid_notebook import NotebookContext"): python_runs,
    (CONTEXTS, "def site_context(request):"): python_runs,
    (CONTEXTS, "%startup"): TUTORIAL_TEST,
    (DEPLOYMENT, "[server:main]"): ini_loads,
    (DEPLOYMENT, "server {"): proxy_tells_what_is_trusted,
    (DEPLOYMENT, "[Service]"): unit_keeps_servers,
    (NGINX, "[app:main]"): ini_loads,
    (NGINX, "pyramid-notebook nginx-config production.ini --server-name s"): NGINX_TEST,
    (NGINX, "# Made by pyramid-notebook nginx-config. Make it anew when t"): NGINX_TEST,
    (HOSTS, "[app:main]"): ini_loads,
    (HOSTS, "[server:main]"): ini_loads,
    (JUPYTER, "pyramid-notebook login https://example.com/ --scope console"): NAMES_TEST,
    (JUPYTER, "pyramid-notebook tunnel PROGRAM ARGUMENTS..."): picture,
    (JUPYTER, "pyramid-notebook tunnel jupyter lab"): LAB_TEST,
    (JUPYTER, "from pathlib import Path"): LAB_TEST,
    (JUPYTER, "jupyter lab --gateway-url https://example.com/notebook/alice"): LAB_TEST,
    (JUPYTER, "pip install 'jupyter-kernel-client[konsole]'"): NAMES_TEST,
    (JUPYTER, "pyramid-notebook tunnel jupyter konsole"): KONSOLE_TEST,
    (JUPYTER, "import nbformat"): NBCLIENT_TEST,
    (JUPYTER, "pyramid-notebook tunnel python run_there.py"): NBCLIENT_TEST,
    (JUPYTER, "from jupyter_kernel_client import JupyterKernelClient"): KERNEL_CLIENT_TEST,
    (JUPYTER, "pip install jupyter-mcp-server"): NAMES_TEST,
    (JUPYTER, "{"): AGENT_TEST,
    (LOOK, "<!doctype html>"): layout_takes_content,
    (LOOK, "[app:main]"): ini_loads,
    (LOOK, "main .pnb-button { background: #2457a6; border-radius: 0; }"): rules_win,
    (OPERATIONS, "notebook_folder/"): COMMANDS_TEST,
    (OPERATIONS, "python -m pyramid_notebook.server.notebook_daemon start /srv"): COMMANDS_TEST,
    (OPERATIONS, "pid:     8011"): COMMANDS_TEST,
    (OPERATIONS, "from pyramid.paster import bootstrap"): SCRIPT_TEST,
    (OPERATIONS, "pgrep -a -f notebook_daemon"): COMMANDS_TEST,
    (OWN, "from pyramid.httpexceptions import HTTPFound"): OWN_VIEWS_TEST,
    (OWN, "[app:main]"): OWN_VIEWS_TEST,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.tokens"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.sync"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.channel --write docs/benchmar"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.channel_faults --write docs/b"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.merge"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.proxy --write docs/benchmarks"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.kernel --write docs/benchmark"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.page_load --write docs/benchm"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.door_cost --write docs/benchm"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.endurance"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.functions --write docs/benchm"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.console --write docs/benchmar"): options_are_known,
    ("docs/benchmarks.md", ".venv/bin/python -m benchmarks.function_faults --write docs/"): options_are_known,
    (OPERATIONS, 'pyramid-notebook token create production.ini alice --name "n'): TOKEN_COMMANDS_TEST,
    (OPERATIONS, "id                user   name          scopes  expires"): TOKEN_COMMANDS_TEST,
    (OPERATIONS, "pyramid-notebook token revoke production.ini alice 93f5e0f0c"): TOKEN_COMMANDS_TEST,
    (OPERATIONS, "[app:main]"): POSTGRESQL_TEST,
    (OPERATIONS, "umask 077"): BACKUP_TEST,
    (OPERATIONS, "[loggers]"): LOGGING_TEST,
    (PROGRAMS, "from pyramid.authentication import SessionAuthenticationHelp"): POLICY_TEST,
    (PROGRAMS, "def site_context(request):"): CONTEXT_TEST,
    (PROGRAMS, "from pyramid.httpexceptions import HTTPSeeOther"): SIGN_OUT_TEST,
    (PROGRAMS, 'request.notebooks.sign_out("alice")'): SIGN_OUT_LINE_TEST,
    (TOKENS, "pyramid-notebook login https://example.com/ --scope shell --"): LOGIN_TEST,
    (TOKENS, "Open this page, where you sign in to the site as usual:"): LOGIN_TEST,
    (TOKENS, "pyramid-notebook logout"): LOGOUT_TEST,
    (TOKENS, "{"): LOGIN_TEST,
    (TOKENS, "read -rs token"): CURL_TEST,
    (TOKENS, "curl -H @$HOME/.notebook-header https://example.com/notebook"): CURL_TEST,
    (TOKENS, "import requests"): REQUESTS_TEST,
    (TOKENS, "pyramid-notebook login https://example.com/ --scope 'run:rep"): RESTRICTED_TEST,
    ("docs/security.md", "from pyramid_notebook import Settings"): python_runs,
    ("docs/reference/api.md", "NotebookError"): picture,
    ("docs/tutorial.md", "python3 -m venv env"): INSTALL_TEST,
    ("docs/tutorial.md", '"""A tiny shop with a notebook inside."""'): TUTORIAL_TEST,
    ("docs/tutorial.md", "[app:main]"): TUTORIAL_TEST,
    ("docs/tutorial.md", "PYTHONPATH=$PWD env/bin/pserve shop.ini"): TUTORIAL_TEST,
    ("docs/tutorial.md", "order.customer, order.total"): TUTORIAL_TEST,
    **{block.key: FOLLOWED[block.page] for block in BLOCKS if block.page in FOLLOWED},
}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_does_what_the_page_says(block, folder):
    assert block.key in CHECKS, f"nothing proves this block: add {block.key!r} to CHECKS"
    CHECKS[block.key](block, folder)


def test_every_check_has_its_block():
    assert {block.key for block in BLOCKS} == set(CHECKS)


def test_no_block_escapes_by_its_form():
    for path in PAGES:
        text = path.read_text()
        found = [block for block in BLOCKS if block.page == str(path.relative_to(ROOT))]
        assert len(re.findall(r"^ *(```|~~~)", text, re.MULTILINE)) == 2 * len(found), path


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.file], ids=str)
def test_a_file_that_a_reader_saves_is_named_in_the_text(block):
    saved = CHECKS[block.key] in (TUTORIAL_TEST, OWN_VIEWS_TEST) and block.language != "ini"
    if saved and block.file not in ("cell.py", "magic"):  # these are typed into a notebook
        assert f"`{block.file}`" in block.before.rstrip().rpartition("\n\n")[2]


def test_a_setting_that_does_not_exist_would_be_found(folder):
    wrong = Block("x.md", "ini", "", "[app:main]\npyramid_notebook.layuot = x\n", "")
    with pytest.raises(SettingsError, match=r"Did you mean pyramid_notebook\.layout"):
        ini_loads(wrong, folder)
