" Reads a buffer's file anew after it was changed by a command, with every cursor on the text it was on.

let s:places = {}

function! pyramid_notebook#reload#buffer(buffer) abort
  if getbufvar(a:buffer, '&modified')
    return pyramid_notebook#message#problem('the file has changed, but so has the buffer; :help W12')
  endif
  let s:places = {}
  let l:windows = win_findbuf(a:buffer)
  for l:window in l:windows
    call win_execute(l:window, 'call pyramid_notebook#reload#remember()')
  endfor
  if getbufline(a:buffer, 1, 2) == [''] && !empty(l:windows)
    " a file that was not there before: :checktime would ask what to do with it
    call win_execute(l:windows[0], 'silent edit')
  else
    call s:check(a:buffer)
  endif
  for l:window in l:windows
    call win_execute(l:window, 'call pyramid_notebook#reload#restore()')
  endfor
endfunction

" Without a question, also where 'autoread' is off.
function! s:check(buffer) abort
  augroup pyramid_notebook_reload
    execute 'autocmd! FileChangedShell <buffer=' . a:buffer . '> let v:fcs_choice = "reload"'
  augroup END
  execute 'silent checktime' a:buffer
  execute 'autocmd! pyramid_notebook_reload FileChangedShell <buffer=' . a:buffer . '>'
endfunction

function! pyramid_notebook#reload#remember() abort
  let s:places[win_getid()] = [winsaveview(), getline('.')]
endfunction

function! pyramid_notebook#reload#restore() abort
  let [l:view, l:text] = s:places[win_getid()]
  let l:shift = s:nearest(l:text, l:view.lnum) - l:view.lnum
  let l:view.lnum += l:shift
  let l:view.topline = max([1, l:view.topline + l:shift])
  call winrestview(l:view)
endfunction

" The line with this text that is nearest to where it was.
function! s:nearest(text, line) abort
  if a:text =~# '\S'
    for l:distance in range(line('$'))
      for l:line in [a:line - l:distance, a:line + l:distance]
        if l:line >= 1 && getline(l:line) ==# a:text
          return l:line
        endif
      endfor
    endfor
  endif
  return min([a:line, line('$')])
endfunction
