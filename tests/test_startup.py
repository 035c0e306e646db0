"""Startup scripts are run as a kernel runs them: in a process of their own."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mistune
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase

from pyramid_notebook.errors import ContextError
from pyramid_notebook.startup import (
    add_greeting,
    add_script,
    escape_markdown,
    include_sqlalchemy_models,
    make_startup,
)

from .conftest import RunPython

FOLDERS = [
    "plain",
    "with space",
    "it's",
    'say "hi"',
    "{config_uri}",
    "{0}{x!r}{{}}",
    "ümlaut \u4f60\u597d \U0001f600",
    "''' \"\"\" {cwd}",
]
#: No site can be started from these: PasteDeploy reads a % as interpolation and a backslash as a slash.
FOLDERS_NOT_FOR_PASTE = ["back\\slash\\n", "100% %s %(here)s"]

SITE = """
from pyramid.config import Configurator

def main(global_config, **settings):
    config = Configurator(settings=settings)
    config.add_route("home", "/")
    return config.make_wsgi_app()
"""

INI = """
[app:main]
use = call:tiny_site:main
tiny.colour = red
tiny.here = %(here)s

[app:other]
use = call:tiny_site:main
tiny.colour = blue
"""

TELL = """
import json, os
print(json.dumps({
    "application": type(app).__name__,
    "registry": registry is app.registry,
    "url": request.route_url("home"),
    "root": type(root).__name__,
    "colour": registry.settings["tiny.colour"],
    "here": registry.settings.get("tiny.here"),
    "cwd": os.getcwd(),
}))
"""

MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
class Base(DeclarativeBase):
    pass
"""
MODEL = """
class {name}(Base):
    __tablename__ = "{table}"
    id: Mapped[int] = mapped_column(primary_key=True)
"""

MAKE_AND_RUN = """
import json
from pyramid_notebook.startup import add_script, include_sqlalchemy_models
from shop.models import Base
nb = {}
add_script(nb, PREPARE)
include_sqlalchemy_models(nb, Base)
names = {}
exec(compile(nb["startup"], "startup", "exec"), names)
models = {
    name: f"{value.__module__}.{value.__qualname__}"
    for name, value in names.items() if isinstance(value, type) and issubclass(value, Base)
}
values = {name: value for name, value in names.items() if isinstance(value, (int, str)) and name[0] != "_"}
print(json.dumps({"models": models, "values": values, "greeting": nb["greeting"]}))
"""


@pytest.fixture(scope="module", params=FOLDERS)
def ini(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / request.param
    folder.mkdir()
    (folder / "tiny_site.py").write_text(SITE)
    (folder / "tiny site.ini").write_text(INI)
    return folder / "tiny site.ini"


@pytest.fixture
def plain_ini(tmp_path: Path) -> Path:
    (tmp_path / "tiny_site.py").write_text(SITE)
    (tmp_path / "site.ini").write_text(INI)
    return tmp_path / "site.ini"


def run(run_python: RunPython, nb: dict[str, Any], tell: str, *, cwd: Path, site: Path | None = None) -> Any:
    """Run a startup script and more source, and return what that printed, as JSON."""
    compile(nb["startup"], "startup", "exec")
    done = run_python(nb["startup"] + tell, cwd=cwd, PYTHONPATH=str((site or cwd).resolve()))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_script_sets_up_the_site_wherever_its_ini_file_lies(
    run_python: RunPython, ini: Path, tmp_path: Path
) -> None:
    nb: dict[str, Any] = {}
    make_startup(nb, str(ini))
    told = run(run_python, nb, TELL, cwd=tmp_path, site=ini.parent)
    assert told == {
        "application": "Router",
        "registry": True,
        "url": "http://localhost/",
        "root": "DefaultRootFactory",
        "colour": "red",
        "here": str(ini.parent),
        "cwd": str(tmp_path),
    }


def test_the_script_works_in_the_folder_that_was_asked_for(run_python: RunPython, ini: Path, tmp_path: Path) -> None:
    nb: dict[str, Any] = {}
    make_startup(nb, str(ini), cwd=str(ini.parent))
    assert run(run_python, nb, TELL, cwd=tmp_path, site=ini.parent)["cwd"] == str(ini.parent)


def test_a_section_of_the_ini_file_may_be_named(run_python: RunPython, plain_ini: Path) -> None:
    nb: dict[str, Any] = {}
    make_startup(nb, f"{plain_ini}#other")
    assert run(run_python, nb, TELL, cwd=plain_ini.parent)["colour"] == "blue"


def test_a_relative_ini_file_is_found_from_another_folder(
    run_python: RunPython, plain_ini: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plain_ini.parent)
    nb: dict[str, Any] = {}
    make_startup(nb, "site.ini")
    assert run(run_python, nb, TELL, cwd=folder, site=plain_ini.parent)["here"] == str(plain_ini.parent)


@pytest.mark.parametrize("name", [*FOLDERS, *FOLDERS_NOT_FOR_PASTE])
@pytest.mark.parametrize(
    "source",
    [
        "where = {config_uri}\n",
        "where = '{config_uri}'\n",
        'where = "{config_uri}"\n',
        "import json\nwhere = json.loads(json.dumps({'a': {config_uri}}))['a']\n",
    ],
)
def test_placeholders_of_a_bootstrap_of_ones_own_become_literals_quoted_or_not(
    run_python: RunPython, tmp_path: Path, source: str, name: str
) -> None:
    ini = tmp_path / f"{name}.ini"
    ini.touch()
    nb: dict[str, Any] = {}
    make_startup(nb, str(ini), bootstrap_py=source, cwd="/tmp/it's")
    assert run(run_python, nb, "import json; print(json.dumps(where))", cwd=tmp_path) == str(ini)


def test_all_other_braces_of_a_bootstrap_of_ones_own_stay(run_python: RunPython, plain_ini: Path) -> None:
    source = "table = {1: {2: '{x}'}}\nempty = {}\nshown = f'{table[1]}' + '{}'.format(3) + '%s %d {{}} {config}'\n"
    nb: dict[str, Any] = {}
    make_startup(nb, str(plain_ini), bootstrap_py=source)
    assert run(run_python, nb, "import json; print(json.dumps(shown))", cwd=plain_ini.parent) == (
        "{2: '{x}'}3%s %d {{}} {config}"
    )


def test_the_bootstrap_of_ones_own_may_use_the_folder(run_python: RunPython, plain_ini: Path) -> None:
    nb: dict[str, Any] = {}
    make_startup(nb, str(plain_ini), bootstrap_py="folder = '{cwd}'\n", cwd="/tmp/a 'b' \"c\" {cwd}")
    told = run(run_python, nb, "import json; print(json.dumps(folder))", cwd=plain_ini.parent)
    assert told == "/tmp/a 'b' \"c\" {cwd}"


@pytest.mark.parametrize("missing", ["missing.ini", "missing.ini#other", "", "."])
def test_an_ini_file_that_does_not_exist_is_told(missing: str, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="does not exist"):
        make_startup({}, str(tmp_path / missing) if missing else "")


def test_without_an_ini_file_pyramid_is_left_out(run_python: RunPython, tmp_path: Path) -> None:
    nb: dict[str, Any] = {}
    make_startup(nb, None)
    told = run(run_python, nb, "import json, sys; print(json.dumps('pyramid' in sys.modules))", cwd=tmp_path)
    assert told is False
    assert "registry" not in nb["greeting"]


def test_the_greeting_tells_what_the_script_defines(run_python: RunPython, plain_ini: Path) -> None:
    nb: dict[str, Any] = {}
    make_startup(nb, str(plain_ini))
    told = re.findall(r"\*\*(\w+)\*\*", nb["greeting"])
    assert {"app", "request", "root", "registry", "datetime", "time"} <= set(told)
    defined = run(run_python, nb, "import json; print(json.dumps(list(globals())))", cwd=plain_ini.parent)
    assert set(told) <= set(defined)


def test_pieces_follow_each_other_without_their_common_indentation() -> None:
    nb: dict[str, Any] = {}
    add_script(nb, "x = 1")
    add_script(
        nb,
        """
        if x:
            y = 2
        """,
    )
    add_greeting(nb, "  one")
    add_greeting(nb, "two\n")
    assert nb == {"startup": "x = 1\n\nif x:\n    y = 2\n", "greeting": "one\ntwo\n"}


def write_models(folder: Path, **modules: str) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "models.py").write_text(MODELS)
    for name, source in modules.items():
        (folder / "shop" / f"{name}.py").write_text(f"from .models import *\nfrom .models import Base\n{source}")
    imports = "\n".join(f"import shop.{name}" for name in modules)
    (folder / "shop" / "models.py").write_text(f"{MODELS}\n{imports}\n")


def included(run_python: RunPython, folder: Path, *, prepare: str = "pass", **modules: str) -> Any:
    """Return what a script that includes the models of some modules defines, and its greeting."""
    write_models(folder, **modules)
    done = run_python(MAKE_AND_RUN.replace("PREPARE", repr(prepare)), PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def model(name: str, table: str = "") -> str:
    return MODEL.format(name=name, table=table or name.lower())


def test_every_model_is_imported_and_told(run_python: RunPython, tmp_path: Path) -> None:
    told = included(run_python, tmp_path, orders=model("Order"), people=model("Person"))
    assert told["models"] == {"Order": "shop.orders.Order", "Person": "shop.people.Person"}
    assert "* **Order** - shop.orders.Order\n* **Person** - shop.people.Person\n" in told["greeting"]


def test_models_with_the_same_name_are_both_there_and_the_greeting_says_so(
    run_python: RunPython, tmp_path: Path
) -> None:
    told = included(run_python, tmp_path, orders=model("Item", "a"), stock=model("Item", "b"))
    assert told["models"] == {"Item": "shop.orders.Item", "stock_Item": "shop.stock.Item"}
    assert "**stock&#95;Item** - shop.stock.Item (named so because Item is taken)" in told["greeting"]


@pytest.mark.parametrize(
    "taken",
    [
        "Order = 5",
        "import json as Order",
        "def Order(): ...",
        "for Order in [5]: pass",
        "with open('/dev/null') as Order: pass",
    ],
)
def test_a_name_of_the_script_is_not_taken_away(run_python: RunPython, tmp_path: Path, taken: str) -> None:
    told = included(run_python, tmp_path, prepare=taken, orders=model("Order"))
    assert told["models"] == {"orders_Order": "shop.orders.Order"}


def test_a_name_that_is_taken_in_its_long_form_too_is_numbered_in_the_end(
    run_python: RunPython, tmp_path: Path
) -> None:
    prepare = "Order = orders_Order = shop_orders_Order = shop_orders_Order_2 = 5"
    told = included(run_python, tmp_path, prepare=prepare, orders=model("Order"))
    assert told["models"] == {"shop_orders_Order_3": "shop.orders.Order"}


def test_a_nested_model_is_imported_without_binding_any_other_name(run_python: RunPython, tmp_path: Path) -> None:
    nested = "class Outer:\n" + "\n".join(f"    {line}" for line in model("Inner").splitlines())
    told = included(run_python, tmp_path, prepare="shop = 5\nOuter = 6", orders=nested)
    assert told["models"] == {"Inner": "shop.orders.Outer.Inner"}
    assert told["values"] == {"shop": 5, "Outer": 6}


def test_a_model_that_no_import_reaches_is_told_and_left_out(run_python: RunPython, tmp_path: Path) -> None:
    local = "def make():\n" + "\n".join(f"    {line}" for line in model("Local").splitlines())
    local += "\n    return Local\nkept = make()\n"
    told = included(run_python, tmp_path, orders=local + model("Order"))
    assert told["models"] == {"Order": "shop.orders.Order"}
    assert "cannot be imported" in told["greeting"]


def test_models_are_told_in_the_same_order_in_every_process(run_python: RunPython, tmp_path: Path) -> None:
    write_models(tmp_path, **{f"part{number}": model(f"Model{number}") for number in range(8)})
    source = MAKE_AND_RUN.replace("PREPARE", "''").replace('"greeting": nb["greeting"]', '"script": nb["startup"]')
    told = {run_python(source, PYTHONPATH=str(tmp_path), PYTHONHASHSEED=seed).stdout for seed in ("0", "1", "2")}
    assert len(told) == 1
    assert "Model7" in told.pop()


def test_a_base_without_models_adds_nothing() -> None:
    class Base(DeclarativeBase):
        pass

    nb: dict[str, Any] = {}
    include_sqlalchemy_models(nb, Base)
    assert nb == {}


@pytest.mark.parametrize("base", [object, None, SimpleNamespace(registry={})])
def test_what_is_no_base_of_sqlalchemy_2_is_refused(base: object) -> None:
    with pytest.raises(ContextError, match="not a declarative base"):
        include_sqlalchemy_models({}, base)


def shown(markdown: str) -> str:
    """Return the text that a reader sees of Markdown."""
    return html.unescape(re.sub(r"<[^>]*>", "", str(mistune.html(markdown)))).strip()


#: Neither NUL (CommonMark replaces it, contexts refuse it) nor half a character, which no page can show.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(TEXTS | st.text("*_`[]()<>!#&;~|\\$^:/.-+=\"' a1\n@w", max_size=30))
@example("**bold** _it_ `code` [link](javascript:alert) <b>&amp;&#65; ~~s~~")
@example("<script>alert(1)</script>")
@example("![x](y) \\* $x$ ==a== ^[note] http://example.com www.example.com a@example.com")
def test_escaped_text_is_shown_as_it_is_in_a_list_and_a_heading(text: str) -> None:
    expected = " ".join(["x", *text.split(), "y"])
    assert shown(f"* x {escape_markdown(text)} y").split() == expected.split()
    assert shown(f"# x {escape_markdown(text)} y").split() == expected.split()


@given(TEXTS)
def test_escaped_text_stays_on_one_line(text: str) -> None:
    assert len(escape_markdown(text).splitlines()) <= 1
