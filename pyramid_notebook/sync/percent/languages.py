"""The languages of scripts with cells: how they write comments and magics, and what hides a line (pure).

Names, file suffixes and comments are those of jupytext where it knows the language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from .lexing import Span, Syntax


class Magics(StrEnum):
    """Which lines of a notebook are no code of its language, and are comments in a script."""

    NONE = "none"
    #: ``%name`` and ``%%name``, as metakernel and many others.
    PERCENT = "percent"
    #: And ``!command``, ``?name``, ``name?``, ``name = !command``, ``ls``.
    IPYTHON = "ipython"
    #: ``:dep name``
    RUST = "rust"
    #: ``#!name``
    CSHARP = "csharp"
    #: ``!command``, ``!*command``, ``%name``
    GO = "go"


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """A language of scripts.

    Attributes:
        name: as kernels call it, in lower case but for R.
        suffixes: of its files, the usual one first, without the dot.
        comment: what begins a comment that a cell marker can stand in.
        comment_end: what ends it, where its line doesn't.
        magics: its lines for the kernel.
        syntax: what hides a line.
        aliases: other names, of kernels or of cell magics.
    """

    name: str
    suffixes: tuple[str, ...]
    comment: str
    syntax: Syntax
    comment_end: str = ""
    magics: Magics = Magics.PERCENT
    aliases: tuple[str, ...] = ()

    @property
    def cell_magic(self) -> str:
        """What the first line of a cell in another language begins with."""
        return "#!" if self.name == "csharp" else "%%"


def _line(quote: str) -> str:
    """A string that ends with its line, if not before, and has no escaped line end."""
    return rf"{quote}(?:[^{quote}\\\n]++|\\[^\n])*+(?:{quote}|(?=\n)|\Z)"


def _continued(quote: str) -> Span:
    """A string of one line that goes on behind an escaped line end; to be tried after `_line`."""
    return Span(rf"{quote}(?:[^{quote}\\\n]++|\\[^\n])*+\\\n(?:[^{quote}\\\n]++|\\[\s\S])*+{quote}?")


def _over_lines(quote: str, escape: str = "\\") -> Span:
    """A string that may reach over line ends; those of `_SHORT` are left to it, which is quicker."""
    return Span(rf"{quote}(?![^{quote}\\`\n]{{0,200}}+{quote})", quote, escape)


def _until(quote: str, before: str = "", escape: str = "\\") -> Span:
    return Span(f"{before}{quote}", quote, escape)


#: Comments that end with their line.
_HASH, _DOUBLE_SLASH, _DASHES, _SEMICOLON = (rf"{begin}[^\n]*+" for begin in ("#", "//", "--", ";"))
_SHELL_COMMENT = rf"(?<!\S){_HASH}"
_BLOCK = Span(r"/\*", "*/")
_CHARACTER = r"'(?:[^'\\\n]|\\[^\n]{1,9}?)'"
_SHORT = tuple(rf"{quote}[^{quote}\\`\n]{{0,200}}+{quote}" for quote in "\"'")
_LINES = (_line('"'), _line("'"))
_CONTINUED = (_continued('"'), _continued("'"))
_TRIPLE = (_until('"""'), _until("'''"))
_ESCAPED = r"\\."
_HERE = Span(r"<<[-~]?[\"']?([A-Za-z_]\w*)[\"']?", "{}", alone=True)
_PERL_POD = Span(r"^=[a-z]\w*", "\n=cut")
_RUBY_BLOCK = Span(r"^=begin\b", "\n=end")

_PLAIN = Syntax("#", _HASH)
_SLASHES = Syntax("/", _DOUBLE_SLASH, (_BLOCK,))
_C_LIKE = Syntax("/\"'", _DOUBLE_SLASH, (_BLOCK, *_CONTINUED), _LINES)
_JAVA = Syntax("/\"'", _DOUBLE_SLASH, (_BLOCK, _until('"""')), _LINES)
_GROOVY = Syntax("/\"'", _DOUBLE_SLASH, (_BLOCK, *_TRIPLE), _LINES)
_PYTHON = Syntax("#\"'", _HASH, (*_TRIPLE, *_CONTINUED), _LINES)
_JAVASCRIPT = Syntax("/\"'`", _DOUBLE_SLASH, (_BLOCK, _until("`"), *_CONTINUED), _LINES)
_LISP = Syntax(';"\\', _SEMICOLON, (_over_lines('"'),), (_SHORT[0], _ESCAPED))
_ML = Syntax("(\"'", "", (Span(r"\(\*", "*)", is_comment=True), _over_lines('"')), (_SHORT[0], _CHARACTER))
_BLOCKS_ONLY = Syntax("/\"'", "", (Span(r"/\*", "*/", is_comment=True),), _LINES)
_CPP = Syntax("/\"'", _DOUBLE_SLASH, (Span(r"(?<=R)\"([^()\\\s]{0,16})\(", '){}"'), _BLOCK, *_CONTINUED), _LINES)
_VERBATIM = Span(r"(?<=@)\"", '"')
_CSHARP = Syntax("/\"'", _DOUBLE_SLASH, (Span('"""', '"""'), _VERBATIM, _BLOCK), (_line('"'), _CHARACTER))
_FSHARP = Syntax(
    "/(\"'",
    _DOUBLE_SLASH,
    (Span('"""', '"""'), Span(r"\(\*(?!\))", "*)"), _VERBATIM, _over_lines('"')),
    (_SHORT[0], _CHARACTER),
)
_GO = Syntax("/\"'`", _DOUBLE_SLASH, (_BLOCK, Span("`", "`")), (_line('"'), _CHARACTER))
_HASKELL = Syntax('-{"', _DASHES, (Span(r"\{-", "-}"), _continued('"')), (_line('"'),))
_JULIA = Syntax("#\"'", _HASH, (Span("#=", "=#"), _until('"""'), _over_lines('"')), (_SHORT[0], _CHARACTER))
_LUA = Syntax("-[\"'", _DASHES, (Span(r"--\[(=*)\[", "]{}]"), Span(r"\[(=*)\[", "]{}]"), *_CONTINUED), _LINES)
_PERL = Syntax("#\"'<=\\", _SHELL_COMMENT, (_PERL_POD, _HERE, _over_lines('"'), _over_lines("'")), (*_SHORT, _ESCAPED))
_POWERSHELL = Syntax(
    "#<@\"'`",
    _HASH,
    (Span("<#", "#>"), Span('@"', '\n"@'), Span("@'", "\n'@"), _over_lines('"', "`"), _over_lines("'", "")),
    (*_SHORT, "`."),
)
_R_RAW = r"(?<=[rR])"
_R = Syntax(
    "#\"'`",
    _HASH,
    (
        *(Span(rf"{_R_RAW}{quote}(-*){open_}", f"{close}{{}}{quote}")
          for quote in "\"'" for open_, close in ((r"\(", ")"), (r"\[", "]"), (r"\{", "}"))),
        _over_lines('"'),
        _over_lines("'"),
    ),
    (*_SHORT, r"`[^`\n]*+`"),
)  # fmt: skip
_RUBY = Syntax(
    "#\"'<=\\?",
    _SHELL_COMMENT,
    (_RUBY_BLOCK, Span(r"<<[-~][\"'`]?([A-Za-z_]\w*)[\"'`]?", "{}", alone=True), _over_lines('"'), _over_lines("'")),
    (*_SHORT, _ESCAPED, r"\?[\"'#](?!\w)"),
)
_RUST = Syntax(
    "/\"'#",
    _DOUBLE_SLASH,
    (_BLOCK, Span(r"(?<=r)(#+)\"", '"{}'), Span(r"(?<=\br)\"", '"'), Span(r"(?<=\bbr)\"", '"'), _over_lines('"')),
    (_SHORT[0], _CHARACTER),
)
_SCALA = Syntax("/\"'", _DOUBLE_SLASH, (_BLOCK, Span('"""', '"""')), (_line('"'), _CHARACTER))
_SHELL = Syntax(
    "#\"'<\\",
    _SHELL_COMMENT,
    (
        Span(r"(?<!<)<<(?!<)[-~]?[^\S\n]*[\"'\\]?([A-Za-z_]\w*)[\"']?", "{}", alone=True),
        _until("'", before=r"(?<=\$)"),
        _over_lines("'", ""),
        _over_lines('"'),
    ),
    (*_SHORT, _ESCAPED),
)
_SQL = Syntax(
    "-/\"'$", _DASHES, (_BLOCK, Span(r"\$(\w*)\$", "${}$"), _over_lines("'", "")), (_SHORT[1], r'"[^"\n]*+"?')
)

LANGUAGES = (
    Language("python", ("py", "pyw", "pyi"), "#", _PYTHON, magics=Magics.IPYTHON, aliases=("python3", "ipython")),
    Language("R", ("R", "r"), "#", _R, aliases=("ir",)),
    Language("julia", ("jl",), "#", _JULIA),
    Language("javascript", ("js", "mjs", "cjs"), "//", _JAVASCRIPT, aliases=("js", "node", "nodejs")),
    Language("typescript", ("ts", "mts"), "//", _JAVASCRIPT, aliases=("ts", "deno")),
    Language("sql", ("sql",), "--", _SQL, aliases=("sqlite", "postgresql", "mysql")),
    Language("scala", ("scala", "sc"), "//", _SCALA),
    Language("c++", ("cpp", "cc", "cxx", "hpp"), "//", _CPP),
    Language("c", ("c", "h"), "//", _C_LIKE),
    Language("csharp", ("cs", "csx"), "//", _CSHARP, magics=Magics.CSHARP, aliases=("c#", "cs")),
    Language("fsharp", ("fsx", "fs"), "//", _FSHARP, aliases=("f#", "fs")),
    Language("java", ("java", "jsh"), "//", _JAVA),
    Language("kotlin", ("kts", "kt"), "//", _JAVA),
    Language("groovy", ("groovy",), "//", _GROOVY, aliases=("beakerx groovy",)),
    Language("go", ("go",), "//", _GO, magics=Magics.GO, aliases=("gonb", "gophernotes")),
    Language("rust", ("rs",), "//", _RUST, magics=Magics.RUST),
    Language("swift", ("swift",), "//", _JAVA),
    Language("dart", ("dart",), "//", _GROOVY),
    Language("bash", ("sh", "bash", "zsh"), "#", _SHELL, aliases=("sh", "zsh", "shell")),
    Language("powershell", ("ps1",), "#", _POWERSHELL, aliases=("pwsh",)),
    Language("ruby", ("rb",), "#", _RUBY),
    Language("perl", ("pl", "pm"), "#", _PERL),
    Language("lua", ("lua",), "--", _LUA),
    Language("haskell", ("hs",), "--", _HASKELL),
    Language("clojure", ("clj", "cljs"), ";;", _LISP),
    Language("scheme", ("scm", "ss"), ";;", _LISP),
    Language("matlab", ("m",), "%", Syntax("%", "%[^\\n]*+"), magics=Magics.NONE, aliases=("octave",)),
    Language("elixir", ("exs", "ex"), "#", _PYTHON),
    Language("coconut", ("coco",), "#", _PYTHON),
    Language("sage", ("sage",), "#", _PYTHON, aliases=("sagemath",)),
    Language("xonsh", ("xsh",), "#", _PYTHON),
    Language("sos", ("sos",), "#", _PYTHON),
    Language("robotframework", ("robot", "resource"), "#", _PLAIN),
    Language("tcl", ("tcl",), "#", _PLAIN),
    Language("gnuplot", ("gp",), "#", _PLAIN),
    Language("stata", ("do",), "//", _SLASHES),
    Language("q", ("q",), "/", Syntax("/", "/[^\\n]*+")),
    Language("idl", ("pro",), ";", Syntax(";", _SEMICOLON)),
    Language("logtalk", ("lgt", "logtalk"), "%", Syntax("%", "%[^\\n]*+"), magics=Magics.NONE),
    Language("ocaml", ("ml",), "(*", _ML, comment_end="*)", magics=Magics.NONE),
    Language("wolfram language", ("wolfram",), "(*", _ML, comment_end="*)", magics=Magics.NONE),
    Language("maxima", ("mac",), "/*", _BLOCKS_ONLY, comment_end="*/", magics=Magics.NONE),
    Language("sas", ("sas",), "/*", _BLOCKS_ONLY, comment_end="*/", magics=Magics.NONE),
)

#: The names that a first line ``%%name`` may have for the cell to be one of another language, as in jupytext.
CELL_LANGUAGES = frozenset(
    (
        *("R", "bash", "sh", "python", "python2", "python3", "coconut", "javascript", "js", "perl", "html", "latex"),
        *("markdown", "pypy", "ruby", "script", "svg", "matlab", "octave", "idl", "robotframework", "sas", "spark"),
        *("sql", "cython", "haskell", "tcl", "gnuplot", "wolfram language", "julia", "c++", "scheme", "clojure"),
        *("powershell", "q", "typescript", "scala", "rust", "csharp", "fsharp", "sos", "java", "groovy", "sage"),
        *("ocaml", "maxima", "stata", "jenner", "xonsh", "logtalk", "lua", "go", "c#", "f#", "cs", "fs"),
    )
)


def _names(language: Language) -> Iterator[str]:
    for name in (language.name, *language.aliases):
        yield name.lower()
    for suffix in language.suffixes:
        yield f".{suffix.lower()}"


_BY_NAME = {name: language for language in LANGUAGES for name in _names(language)}


@cache
def without_magics(language: Language) -> Language:
    """Return a language for scripts in which magics are no comments."""
    return replace(language, magics=Magics.NONE)


def language_of(name: str) -> Language:
    """Return the language of a name.

    Args:
        name: as a kernel gives it (``"python"``, ``"C++17"``), or a file's suffix with its dot (``".jl"``).

    Raises:
        LookupError: for one that isn't in the table.
    """
    lowered = name.lower()
    found = _BY_NAME.get("c++" if lowered.startswith("c++") else lowered)
    if found is None:
        raise LookupError(f"“{name}” is no language of which cells are known.")
    return found


def language_of_file(path: str) -> Language | None:
    """Return the language of a file by its name, or None if the name doesn't tell."""
    name = path.replace("\\", "/").rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return _BY_NAME.get(f".{suffix.lower()}") if stem and dot else None
