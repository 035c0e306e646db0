" Conflicts of a sync as a quickfix list.

" Shows those of the last sync of a buffer; none takes away those of the sync before.
function! pyramid_notebook#conflicts#show(buffer, conflicts) abort
  let l:list = getbufvar(a:buffer, 'pyramid_notebook_quickfix', 0)
  let l:is_there = l:list && getqflist({'id': l:list}).id == l:list
  if empty(a:conflicts) && !l:is_there
    return
  endif
  let l:items = map(copy(a:conflicts), {_, conflict -> s:item(a:buffer, conflict)})
  let l:what = {'title': 'Notebook conflicts: ' . fnamemodify(bufname(a:buffer), ':t'), 'items': l:items}
  if l:is_there
    call setqflist([], 'r', extend(l:what, {'id': l:list}))
  else
    call setqflist([], ' ', l:what)
    call setbufvar(a:buffer, 'pyramid_notebook_quickfix', getqflist({'id': 0}).id)
  endif
endfunction

function! s:item(buffer, conflict) abort
  let l:line = get(a:conflict, 'line', v:null)
  let l:live = get(a:conflict, 'live', v:null)
  let l:text = get(a:conflict, 'kind', 'conflict')
  if type(l:live) == v:t_string
    let l:text .= '; the notebook has: ' . substitute(l:live, '\n', ' ⏎ ', 'g')
  endif
  return {'bufnr': a:buffer, 'lnum': type(l:line) == v:t_number ? l:line : 0, 'type': 'W', 'text': l:text}
endfunction
