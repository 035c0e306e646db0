" Processes, in Vim and in Neovim alike. Arguments are a list: no shell sees a path.

" Starts the command with these arguments. OnLine(stream, line), stream 'out' or 'err', gets each line as it comes,
" OnEnd(code) the exit code once, after the last line; -1 for a command that could not be started.
function! pyramid_notebook#job#start(arguments, OnLine, OnEnd) abort
  let l:argv = get(g:, 'pyramid_notebook_command', ['pyramid-notebook']) + a:arguments
  if !executable(l:argv[0])
    call a:OnLine('err', l:argv[0] . ' is not there: install pyramid_notebook, or set g:pyramid_notebook_command')
    return a:OnEnd(-1)
  endif
  let l:job = {'out': '', 'err': '', 'code': -1, 'left': has('nvim') ? 1 : 2, 'OnLine': a:OnLine, 'OnEnd': a:OnEnd}
  if has('nvim')
    " detached: it goes on when the editor is left
    let l:id = jobstart(l:argv, {
          \ 'detach': v:true,
          \ 'on_stdout': {_, data, event -> s:feed(l:job, 'out', data)},
          \ 'on_stderr': {_, data, event -> s:feed(l:job, 'err', data)},
          \ 'on_exit': {_, code, event -> s:exited(l:job, code)},
          \ })
    call chanclose(l:id, 'stdin')
  else
    call job_start(l:argv, {
          \ 'in_io': 'null',
          \ 'stoponexit': '',
          \ 'out_cb': {_, line -> a:OnLine('out', line)},
          \ 'err_cb': {_, line -> a:OnLine('err', line)},
          \ 'close_cb': {_ -> s:part_ended(l:job)},
          \ 'exit_cb': {_, code -> s:exited(l:job, code)},
          \ })
  endif
endfunction

" Neovim hands over pieces: the first goes on with the line before, the last may be the beginning of a line.
function! s:feed(job, stream, pieces) abort
  let a:job[a:stream] .= a:pieces[0]
  for l:piece in a:pieces[1:]
    call a:job.OnLine(a:stream, a:job[a:stream])
    let a:job[a:stream] = l:piece
  endfor
endfunction

function! s:exited(job, code) abort
  let a:job.code = a:code
  call s:part_ended(a:job)
endfunction

" In Vim a process ends twice, in any order: it exits, and its output closes.
function! s:part_ended(job) abort
  let a:job.left -= 1
  if a:job.left > 0
    return
  endif
  for l:stream in ['out', 'err']
    if a:job[l:stream] !=# ''
      call a:job.OnLine(l:stream, a:job[l:stream])
    endif
  endfor
  call a:job.OnEnd(a:job.code)
endfunction
