# Live Jupyter notebooks of a Pyramid site: commands, a user mode, and the hook on saving.
#
# No path becomes part of a command line: the shell gets it in $kak_buffile and starts the client with it as one
# argument. What comes back goes through `kak -p`, between Kakoune's own quotes.

declare-option -docstring "the program, and arguments that go before all others" \
    str-list notebook_command pyramid-notebook
declare-option -docstring "files that are sent when they are saved; after a change run notebook-enable" \
    regex notebook_files '.*\.sync\.py'

declare-option -hidden bool notebook_saving false
declare-option -hidden bool notebook_busy false
declare-option -hidden bool notebook_again false

define-command -docstring "notebook-enable: send the files of the option notebook_files when they are saved" \
notebook-enable %{
    notebook-disable
    hook -group pyramid-notebook global BufWritePost %opt{notebook_files} notebook-saved
}

define-command -docstring "notebook-disable: send nothing when files are saved" \
notebook-disable %{
    remove-hooks global pyramid-notebook
}

define-command -docstring "notebook-sync: save the file, and send it to its notebook" \
notebook-sync %{
    notebook-save
    notebook-push
}

define-command -docstring "notebook-run: run the cell of the cursor" \
notebook-run %{
    notebook-save
    notebook-start run --linenumber %val{cursor_line}
}

define-command -docstring "notebook-run-all: run all cells" \
notebook-run-all %{
    notebook-save
    notebook-start run-all
}

define-command -docstring "notebook-run-above: run the cells before that of the cursor" \
notebook-run-above %{
    notebook-save
    notebook-start run-above --linenumber %val{cursor_line}
}

define-command -docstring "notebook-run-stale: run what has changed since it last ran" \
notebook-run-stale %{
    notebook-save
    notebook-start run --stale
}

define-command -docstring "notebook-restart: restart the kernel" \
notebook-restart %{ notebook-start restart }

define-command -docstring "notebook-interrupt: interrupt the kernel" \
notebook-interrupt %{ notebook-start interrupt }

define-command -docstring "notebook-status: show the state of the kernel and of the cells" \
notebook-status %{ notebook-start status }

define-command -docstring "notebook-focus: show the cell of the cursor in the browser" \
notebook-focus %{
    notebook-save
    notebook-start focus --linenumber %val{cursor_line}
}

define-command -docstring "notebook-pull: write what the notebook has and the file has not into the file" \
notebook-pull %{
    notebook-save
    notebook-start pull
}

define-command -params ..1 -docstring "notebook-pair [<notebook>]: make the notebook of this file" \
notebook-pair %{
    notebook-save
    evaluate-commands %sh{
        [ $# = 0 ] && printf 'notebook-start pair\n' || printf 'notebook-start pair --notebook %%arg{1}\n'
    }
}

define-command -docstring "notebook-output: show what the last command has printed" \
notebook-output %{ buffer *notebook* }

declare-user-mode notebook
map global notebook s ': notebook-sync<ret>' -docstring 'send the file'
map global notebook r ': notebook-run<ret>' -docstring 'run the cell'
map global notebook a ': notebook-run-all<ret>' -docstring 'run all cells'
map global notebook u ': notebook-run-above<ret>' -docstring 'run the cells above'
map global notebook c ': notebook-run-stale<ret>' -docstring 'run what has changed'
map global notebook i ': notebook-interrupt<ret>' -docstring 'interrupt the kernel'
map global notebook k ': notebook-restart<ret>' -docstring 'restart the kernel'
map global notebook p ': notebook-pull<ret>' -docstring 'pull'
map global notebook f ': notebook-focus<ret>' -docstring 'show the cell in the browser'
map global notebook o ': notebook-output<ret>' -docstring 'show the output'

# ---- within

# Saves the buffer; the command syncs by itself.
define-command -hidden notebook-save %{
    set-option buffer notebook_saving true
    try %{
        write
        set-option buffer notebook_saving false
    } catch %{
        set-option buffer notebook_saving false
        fail %val{error}
    }
}

define-command -hidden notebook-saved %{
    evaluate-commands %sh{
        [ "$kak_opt_notebook_saving" = true ] || printf 'notebook-push\n'
    }
}

# One sync at a time for each buffer; however often it is saved meanwhile, one more follows.
define-command -hidden notebook-push %{
    evaluate-commands %sh{
        if [ "$kak_opt_notebook_busy" = true ]; then
            printf 'set-option buffer notebook_again true\n'
        else
            printf 'set-option buffer notebook_busy true; notebook-start sync\n'
        fi
    }
}

# notebook-start <command of the client> [<option>...]
define-command -hidden -params 1.. notebook-start %{
    nop %sh{
        quoted() {
            rest=$1 text=
            while case $rest in *\'*) true ;; *) false ;; esac; do
                text="$text${rest%%\'*}''" rest=${rest#*\'}
            done
            printf "'%s' " "$text$rest"
        }
        verb=$1
        shift
        eval "set -- $kak_quoted_opt_notebook_command \"\$verb\" --filename \"\$kak_buffile\" \"\$@\""
        {
            printed=$("$@" 2>&1 </dev/null)
            code=$?
            last=$(printf '%s\n' "$printed" | sed -n '/[^[:space:]]/h; ${x; s/^pyramid-notebook: //; p; }' | tr -d '\000-\037')
            {
                printf 'notebook-ended '
                for word in "$kak_bufname" "$kak_client" "$verb" "$code" "$last" "$printed"; do
                    quoted "$word"
                done
            } | kak -p "$kak_session"
        } >/dev/null 2>&1 </dev/null &
    }
}

# notebook-ended <buffer> <client> <command> <exit code> <last line> <all that was printed>
define-command -hidden -params 6 notebook-ended %{
    evaluate-commands -buffer %arg{1} -draft -save-regs dquote %{
        edit -scratch *notebook*
        set-option buffer filetype make
        set-register dquote %arg{6}
        execute-keys '<percent>"_dP'
    }
    evaluate-commands -buffer %arg{1} %{
        evaluate-commands %sh{
            case $3.$4 in
                pull.[03] | pair.0)
                    if [ "$kak_modified" = true ]; then
                        printf 'echo -debug notebook: %%arg{1} has changed while its file was written\n'
                    else
                        printf 'edit!\n'
                    fi ;;
                sync.*)
                    printf 'set-option buffer notebook_busy false\n'
                    [ "$kak_opt_notebook_again" = true ] &&
                        printf 'set-option buffer notebook_again false; notebook-push\n' ;;
            esac
        }
    }
    try %{
        evaluate-commands -client %arg{2} %{
            evaluate-commands %sh{
                case $4 in
                    0) [ "$3" = status ] && printf 'notebook-output\n' ||
                        printf 'echo -markup "{Information}{\\}notebook: %%arg{5}"\n' ;;
                    3) printf 'echo -markup "{Error}{\\}notebook: conflicts, see :notebook-output (%%arg{5})"\n' ;;
                    *) printf 'echo -markup "{Error}{\\}notebook: %%arg{5}"\n' ;;
                esac
            }
        }
    }
}

notebook-enable
