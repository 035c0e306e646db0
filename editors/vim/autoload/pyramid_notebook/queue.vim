" One thing at a time for each file; a sync that waits already stands for all that come while it waits.

" Path → what waits there while something is under way: a list of [kind, Start].
let s:lanes = {}

let s:patience_seconds = 5.0

" Start(Done) begins it, now or after what is under way; it calls Done when the next may begin.
function! pyramid_notebook#queue#add(path, kind, Start) abort
  if !has_key(s:lanes, a:path)
    let s:lanes[a:path] = []
    return a:Start({-> s:next(a:path)})
  endif
  let l:waiting = s:lanes[a:path]
  if a:kind !=# 'sync' || empty(l:waiting) || l:waiting[-1][0] !=# 'sync'
    call add(l:waiting, [a:kind, a:Start])
  endif
endfunction

function! s:next(path) abort
  if empty(s:lanes[a:path])
    call remove(s:lanes, a:path)
  else
    let [l:kind, l:Start] = remove(s:lanes[a:path], 0)
    call l:Start({-> s:next(a:path)})
  endif
endfunction

function! pyramid_notebook#queue#is_empty() abort
  return empty(s:lanes)
endfunction

" Waits until all is done, for as long as somebody who leaves the editor will bear.
function! pyramid_notebook#queue#drain() abort
  let l:begin = reltime()
  while !empty(s:lanes) && reltimefloat(reltime(l:begin)) < s:patience_seconds
    sleep 10m
  endwhile
endfunction
