"""What hides a line that looks like a marker, in each language."""

import pytest

from pyramid_notebook.sync.percent import parse
from pyramid_notebook.sync.percent.languages import LANGUAGES, language_of, language_of_file

#: For a language, code around a line with a marker that is none.
HIDDEN = {
    "python": [
        'x = """\n{}\n"""',
        "x = r'''\n{}\n'''",
        "x = 'a\\\n{}\n'",
        'x = """ \\""" \n{}\n"""',
        'f("\'\'\'", """\n{}""")',
    ],
    "R": ['x <- "\n{}\n"', "x <- '\n{}\n'", 'x <- r"---(\n" )"\n{}\n)---"', "`it's` <- '\n{}\n'"],
    "julia": ['x = """\n{}\n"""', 'x = "\n{}\n"', "#=\n{}\n=#", 'c = \'"\'; x = "\n{}\n"', 'y = x\'; z = "\n{}\n"'],
    "javascript": ["x = `\n{}\n`", "/*\n{}\n*/", "x = '\\\n{}\n'", "// it's `\nx = `\n{}\n`"],
    "typescript": ["const x: string = `\n{}\n`"],
    "sql": [
        "select '\n{}\n'",
        "select 'it''s\n{}\n'",
        "do $body$\n{}\n$body$",
        "/*\n{}\n*/",
        "select 'C:\\', '\n{}\n'",
    ],
    "scala": ['val x = """\n{}\n"""', 'val c = \'"\'; val x = """\n{}\n"""', "/*\n{}\n*/"],
    "c++": ['auto x = R"end(\n)"\n{}\n)end";', "/*\n{}\n*/", 'x = "a\\\n{}\n";'],
    "c": ["/*\n{}\n*/", 'x = "a\\\n{}\n";'],
    "csharp": ['var x = @"\n{}\n";', 'var x = """\n{}\n""";', "/*\n{}\n*/"],
    "fsharp": ['let x = """\n{}\n"""', 'let x = "\n{}\n"', "(*\n{}\n*)"],
    "java": ['var x = """\n{}\n""";', "/*\n{}\n*/"],
    "kotlin": ['val x = """\n{}\n"""'],
    "groovy": ["x = '''\n{}\n'''"],
    "swift": ['let x = """\n{}\n"""'],
    "dart": ["var x = '''\n{}\n''';"],
    "go": ["x := `\n{}\n`", "c := '`'; x := `\n{}\n`", "/*\n{}\n*/"],
    "rust": ['let x = "\n{}\n";', 'let x = r##"\n"#\n{}\n"##;', "fn f<'a>(c: &'a str) { let c = '\"'; \"\n{}\n\" }"],
    "bash": [
        "x='\n{}\n'",
        'x="\n{}\n"',
        "cat <<-'END'\n{}\n\tEND",
        "cat <<< it\\'s; x='\n{}\n'",
        "x=$'\\'\n{}\n'",
        "echo ${#x} '\n{}\n'",
    ],
    "powershell": ['$x = @"\n"\n{}\n"@', "$x = @'\n{}\n'@", "<#\n{}\n#>", '$x = "a`"\n{}\n"'],
    "ruby": ["x = <<~END\n{}\nEND", "x = '\n{}\n'", "=begin\n{}\n=end", 'c = ?\'; x = "\n{}\n"'],
    "perl": ['my $x = <<"END";\n{}\nEND', "my $x = '\n{}\n';", "=pod\n\n{}\n\n=cut", '$#x; my $x = "\n{}\n";'],
    "lua": ["x = [[\n{}\n]]", "x = [==[\n]]\n{}\n]==]", "--[[\n{}\n]]", "-- it's\nx = [[\n{}\n]]"],
    "haskell": ["{-\n{}\n-}", "f' x = 'y'\n{-\n{}\n-}"],
    "clojure": ['(def x "\n{}\n")', '(def c \\") (def x "\n{}\n")'],
    "scheme": ['(define x "\n{}\n")'],
    "ocaml": ['let x = "\n{}\n"', "(*\n{}\n*)"],
    "elixir": ['x = """\n{}\n"""'],
    "maxima": ["/*\n{}\n*/"],
}


def marker_line(language):
    return f"{language.comment} %% no {language.comment_end}".rstrip()


@pytest.mark.parametrize(("name", "code"), [(name, code) for name, codes in HIDDEN.items() for code in codes])
def test_a_marker_in_a_string_or_a_block_comment_is_none_but_the_next_one_is(name, code):
    language = language_of(name)
    marker = marker_line(language)
    hidden = code.replace("{}", marker)
    cells = parse(f"{marker}\n{hidden}\n\n{marker}\nlast\n", language).cells
    assert [found.cell.source for found in cells] == [hidden, "last"]


@pytest.mark.parametrize(
    ("name", "code"),
    # where each marker ends what has begun, the marker below is the end of it
    [(name, code) for name, codes in HIDDEN.items() for code in codes if code not in ("(*\n{}\n*)", "/*\n{}\n*/")],
)
def test_what_never_ends_hides_no_marker(name, code):
    language = language_of(name)
    marker = marker_line(language)
    begun = code.partition("{}")[0].rstrip("\n\\")
    cells = parse(f"{marker}\n{begun}\n\n{marker}\nnext\n", language).cells
    assert [found.cell.metadata.get("title") for found in cells] == ["no", "no"]


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_every_language_has_cells_prose_and_ids_in_its_own_comments(language):
    def comment(text):
        return f"{language.comment} {text} {language.comment_end}".rstrip()

    text = "\n".join(
        [
            comment("%% [markdown]"),
            comment("# A title"),
            "",
            comment('%% Load id="a"'),
            "x",
            "",
            comment("In[2]:"),
            "y",
            "",
        ]
    )
    script = parse(text, language)
    assert [(found.cell.type, found.cell.source, found.cell.id) for found in script.cells] == [
        ("markdown", "# A title", ""),
        ("code", "x", "a"),
        ("code", "y", ""),
    ]
    assert script.text == text


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_a_language_is_found_by_name_suffix_and_file(language):
    assert language_of(language.name) is language
    assert all(language_of(alias.upper()) is language for alias in language.aliases)
    assert all(language_of_file(f"work/a.sync.{suffix}") is language for suffix in language.suffixes)


@pytest.mark.parametrize(("name", "path"), [("C++17", "a.cpp"), ("ir", "a.r"), ("Octave", "x\\a.m"), ("sh", "a.bash")])
def test_kernels_names_for_a_language_are_known(name, path):
    assert language_of(name) is language_of_file(path)


@pytest.mark.parametrize("path", ["a", "a.txt", ".py", "a.py/b", ""])
def test_a_file_that_is_no_script_has_no_language(path):
    assert language_of_file(path) is None


def test_indented_markers_are_none():
    assert len(parse("if x:\n    # %% no\n\t#%%\n").cells) == 1
