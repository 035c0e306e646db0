" What the commands of the plugin do. Each works on the file of the current buffer.

" True while a command of ours saves: the command syncs by itself.
let s:saving = 0

" A cell marker, behind the comment sign of any language that has kernels.
let s:marker = '^\s*\%(#\|//\|--\|;\+\|%\)\s\?%%'

function! pyramid_notebook#saved(buffer) abort
  if !s:saving && get(g:, 'pyramid_notebook_sync_on_save', 1) && s:is_ours(a:buffer)
    call s:start_sync(a:buffer, [], 0)
  endif
endfunction

function! pyramid_notebook#sync(force) abort
  if s:save()
    call s:start_sync(bufnr('%'), a:force ? ['--force'] : [], 1)
  endif
endfunction

function! pyramid_notebook#run(verb, options) abort
  if s:save()
    let l:buffer = bufnr('%')
    let l:argv = [a:verb, '--filename', s:path(l:buffer)] + a:options
    call pyramid_notebook#queue#add(s:path(l:buffer), a:verb, {Done -> s:start_run(l:buffer, l:argv, Done)})
  endif
endfunction

function! pyramid_notebook#kernel(verb) abort
  if s:has_file()
    let l:buffer = bufnr('%')
    call s:start([a:verb, '--filename', s:path(l:buffer)], {code, out, err -> s:tell(l:buffer, a:verb, code, out, err)})
  endif
endfunction

function! pyramid_notebook#focus(line) abort
  if s:save()
    let l:buffer = bufnr('%')
    let l:argv = ['focus', '--filename', s:path(l:buffer), '--linenumber', string(a:line)]
    call s:start(l:argv, {code, out, err -> s:tell(l:buffer, 'focus', code, out, err)})
  endif
endfunction

function! pyramid_notebook#pull(force) abort
  if s:save()
    call s:start_rewrite(bufnr('%'), ['pull', '--json'] + (a:force ? ['--force'] : []))
  endif
endfunction

function! pyramid_notebook#pair(notebook) abort
  if !s:has_file()
    return
  endif
  let l:is_empty = line('$') == 1 && getline(1) ==# '' && !filereadable(s:path(bufnr('%')))
  if l:is_empty || s:save()
    call s:start_rewrite(bufnr('%'), ['pair'] + (a:notebook ==# '' ? [] : ['--notebook', a:notebook]))
  endif
endfunction

function! pyramid_notebook#status() abort
  if s:has_file()
    let l:buffer = bufnr('%')
    call s:start(['status', '--filename', s:path(l:buffer)], {code, out, err -> s:show_status(l:buffer, code, out, err)})
  endif
endfunction

" ---- which files, and saving them

function! s:path(buffer) abort
  let l:info = getbufinfo(a:buffer)
  return empty(l:info) ? '' : l:info[0].name
endfunction

function! s:is_file(buffer) abort
  return getbufvar(a:buffer, '&buftype') ==# '' && s:path(a:buffer) !~# '^$\|^\a[[:alnum:]+.-]\+://'
endfunction

function! s:has_file() abort
  if !s:is_file(bufnr('%'))
    call pyramid_notebook#message#problem('this buffer has no file')
    return 0
  endif
  return 1
endfunction

function! s:is_ours(buffer) abort
  if !s:is_file(a:buffer)
    return 0
  endif
  let l:path = s:path(a:buffer)
  let l:patterns = get(g:, 'pyramid_notebook_pattern', '*.sync.py')
  for l:pattern in type(l:patterns) == v:t_list ? l:patterns : [l:patterns]
    " like the pattern of an autocommand: of the whole path where it has a slash, of the name otherwise
    if (l:pattern =~# '/' ? l:path : fnamemodify(l:path, ':t')) =~# glob2regpat(l:pattern)
      return 1
    endif
  endfor
  return getbufvar(a:buffer, 'pyramid_notebook_paired', 0)
        \ || get(g:, 'pyramid_notebook_auto', 0) && match(getbufline(a:buffer, 1, '$'), s:marker) >= 0
endfunction

function! s:save() abort
  if !s:has_file()
    return 0
  endif
  let s:saving = 1
  try
    if filereadable(s:path(bufnr('%')))
      silent update
    else
      silent write
    endif
  catch /^Vim/
    call pyramid_notebook#message#problem(substitute(v:exception, '^Vim[^:]*:', '', ''))
    return 0
  finally
    let s:saving = 0
  endtry
  return !&modified
endfunction

" ---- processes

" Runs the command, collects what it prints, and hands over exit code and lines.
function! s:start(arguments, Done) abort
  let l:told = {'out': [], 'err': []}
  call pyramid_notebook#job#start(a:arguments,
        \ {stream, line -> add(l:told[stream], line)}, {code -> a:Done(code, l:told.out, l:told.err)})
endfunction

function! s:start_sync(buffer, options, is_asked) abort
  let l:path = s:path(a:buffer)
  let l:argv = ['sync', '--filename', l:path, '--json'] + a:options
  let l:kind = empty(a:options) ? 'sync' : 'sync --force'
  call pyramid_notebook#queue#add(l:path, l:kind, {Done -> s:start(l:argv,
        \ {code, out, err -> s:end(Done, function('s:tell_answer', [a:buffer, 'sync', a:is_asked, code, out, err]))})})
endfunction

" Starts what changes the file, and has it read anew.
function! s:start_rewrite(buffer, arguments) abort
  let l:path = s:path(a:buffer)
  let l:argv = [a:arguments[0], '--filename', l:path] + a:arguments[1:]
  call pyramid_notebook#queue#add(l:path, a:arguments[0], {Done -> s:start(l:argv,
        \ {code, out, err -> s:end(Done, function('s:tell_rewrite', [a:buffer, a:arguments[0], code, out, err]))})})
endfunction

" A run keeps nobody waiting: what is saved meanwhile syncs at once.
function! s:start_run(buffer, argv, Done) abort
  call pyramid_notebook#output#begin(a:argv)
  let l:errors = []
  call pyramid_notebook#job#start(a:argv, {stream, line -> s:take(l:errors, stream, line)},
        \ {code -> s:tell_run(a:buffer, a:argv[0], code, l:errors)})
  call a:Done()
endfunction

function! s:take(errors, stream, line) abort
  call pyramid_notebook#output#add([a:line])
  if a:stream ==# 'err'
    call add(a:errors, a:line)
  endif
endfunction

function! s:end(Done, Tell) abort
  try
    call a:Tell()
  finally
    call a:Done()
  endtry
endfunction

" ---- telling how it went; exit code 0: done, 3: done but for conflicts, 4: the code of a cell failed

function! s:tell(buffer, verb, code, out, err) abort
  if a:code == 0
    call setbufvar(a:buffer, 'pyramid_notebook_paired', 1)
    call pyramid_notebook#message#note(a:verb . ': ' . s:last(a:out, 'done'))
  else
    call pyramid_notebook#message#problem(s:last(a:err, a:verb . ' ended with exit code ' . a:code))
  endif
endfunction

" A run prints the conflicts of its sync as lines, FILE:LINE: conflict: TEXT, while the code prints what it likes.
function! s:tell_run(buffer, verb, code, err) abort
  if a:code != 3
    return s:tell(a:buffer, a:verb, a:code, ['done'], a:err)
  endif
  let l:found = filter(map(copy(a:err), {_, line -> matchlist(line, '\v%(:(\d+))?: conflict: (.*)')}), {_, found -> !empty(found)})
  let l:conflicts = map(l:found, {_, found -> {'line': found[1] ==# '' ? v:null : str2nr(found[1]), 'kind': found[2]}})
  call s:tell_answer(a:buffer, a:verb, 1, a:code, [json_encode({'conflicts': l:conflicts})], a:err)
endfunction

function! s:tell_answer(buffer, verb, is_asked, code, out, err) abort
  if a:code != 0 && a:code != 3
    return s:tell(a:buffer, a:verb, a:code, a:out, a:err)
  endif
  call setbufvar(a:buffer, 'pyramid_notebook_paired', 1)
  let l:answer = s:decode(a:out)
  call pyramid_notebook#conflicts#show(a:buffer, get(l:answer, 'conflicts', []))
  if a:code == 3
    call pyramid_notebook#message#problem(
          \ a:verb . ': ' . len(get(l:answer, 'conflicts', [])) . ' conflicts, see :copen')
  elseif a:verb ==# 'sync' && get(l:answer, 'pull', v:false) is v:true
    call pyramid_notebook#message#note('the notebook has changes; :NotebookPull gets them')
  elseif a:is_asked
    call pyramid_notebook#message#note(a:verb . ': ' . get(l:answer, 'notebook', 'done'))
  endif
endfunction

function! s:tell_rewrite(buffer, verb, code, out, err) abort
  if a:code == 0 || a:code == 3
    call pyramid_notebook#reload#buffer(a:buffer)
  endif
  if a:verb ==# 'pull'
    call s:tell_answer(a:buffer, a:verb, 1, a:code, a:out, a:err)
  else
    call s:tell(a:buffer, a:verb, a:code, a:out, a:err)
  endif
endfunction

function! s:show_status(buffer, code, out, err) abort
  if a:code
    return s:tell(a:buffer, 'status', a:code, a:out, a:err)
  endif
  call pyramid_notebook#output#begin(['status'])
  call pyramid_notebook#output#add(a:out)
  call pyramid_notebook#output#open()
endfunction

function! s:last(lines, otherwise) abort
  let l:lines = filter(copy(a:lines), {_, line -> line =~# '\S'})
  return empty(l:lines) ? a:otherwise : l:lines[-1]
endfunction

function! s:decode(lines) abort
  try
    let l:answer = json_decode(join(a:lines, "\n"))
    return type(l:answer) == v:t_dict ? l:answer : {}
  catch /^Vim/
    return {}
  endtry
endfunction
