" One line at the bottom of the screen, which never asks for Enter. :messages keeps it.

function! pyramid_notebook#message#note(text) abort
  call s:show('None', a:text)
endfunction

function! pyramid_notebook#message#problem(text) abort
  call s:show('ErrorMsg', a:text)
endfunction

function! s:show(highlight, text) abort
  let l:text = 'Notebook: ' . substitute(a:text, '^pyramid-notebook: ', '', '')
  let l:text = substitute(l:text, '[[:cntrl:]]\+', ' ', 'g')
  let l:room = &columns * (&cmdheight < 1 ? 1 : &cmdheight) - 13
  if strdisplaywidth(l:text) > l:room
    let l:text = strcharpart(l:text, 0, l:room / 2 - 1) . '…' . strcharpart(l:text, strchars(l:text) - l:room / 2 + 1)
  endif
  execute 'echohl' a:highlight
  echomsg l:text
  echohl None
endfunction
