" The buffer with what runs have printed.

let s:name = 'notebook://output'
let s:most_lines = 10000

function! s:buffer() abort
  let l:buffer = bufadd(s:name)
  if !bufloaded(l:buffer)
    call setbufvar(l:buffer, '&buftype', 'nofile')
    call setbufvar(l:buffer, '&swapfile', 0)
    call setbufvar(l:buffer, '&bufhidden', 'hide')
    call bufload(l:buffer)
  endif
  return l:buffer
endfunction

" Begins the output of a command, and shows it to those who always want to see it.
function! pyramid_notebook#output#begin(argv) abort
  call pyramid_notebook#output#add(['── ' . join([a:argv[0]] + a:argv[3:], ' ') . ' ' . strftime('%H:%M:%S')])
  if get(g:, 'pyramid_notebook_show_output', 0)
    call pyramid_notebook#output#open()
  endif
endfunction

function! pyramid_notebook#output#add(lines) abort
  let l:buffer = s:buffer()
  let l:is_new = getbufline(l:buffer, 1, 2) == ['']
  call appendbufline(l:buffer, '$', a:lines)
  let l:extra = len(getbufline(l:buffer, 1, '$')) - s:most_lines
  if l:is_new || l:extra > 0
    call deletebufline(l:buffer, 1, max([1, l:extra]))
  endif
  for l:window in win_findbuf(l:buffer)
    call win_execute(l:window, 'normal! G')
  endfor
endfunction

" Opens it below, and stays in the window of the user.
function! pyramid_notebook#output#open() abort
  let l:buffer = s:buffer()
  if empty(filter(win_findbuf(l:buffer), {_, window -> win_id2win(window) > 0}))
    let l:window = win_getid()
    execute 'botright 10split | buffer' l:buffer
    normal! G
    call win_gotoid(l:window)
  endif
endfunction
