" Live Jupyter notebooks from Vim 8.2+ and Neovim: commands, maps and the hook on saving. See :help pyramid-notebook

if exists('g:loaded_pyramid_notebook')
  finish
endif
let g:loaded_pyramid_notebook = 1

if !has('nvim') && !(v:version >= 802 && has('job') && has('channel') && has('lambda'))
  echohl WarningMsg
  echomsg 'Notebook: this plugin needs Vim 8.2 with +job, +channel and +lambda, or Neovim.'
  echohl None
  finish
endif

command! -bar -bang NotebookSync call pyramid_notebook#sync(<bang>0)
command! -bar -range NotebookRun call pyramid_notebook#run('run', ['--linenumber', string(<line1>)])
command! -bar NotebookRunAll call pyramid_notebook#run('run-all', [])
command! -bar -bang -range NotebookRunAbove
      \ call pyramid_notebook#run('run-above', ['--linenumber', string(<line1>)] + (<bang>0 ? ['--including'] : []))
command! -bar NotebookRunStale call pyramid_notebook#run('run', ['--stale'])
command! -bar NotebookRestart call pyramid_notebook#kernel('restart')
command! -bar NotebookInterrupt call pyramid_notebook#kernel('interrupt')
command! -bar -bang NotebookPull call pyramid_notebook#pull(<bang>0)
command! -nargs=? NotebookPair call pyramid_notebook#pair(<q-args>)
command! -bar NotebookStatus call pyramid_notebook#status()
command! -bar -range NotebookFocus call pyramid_notebook#focus(<line1>)
command! -bar NotebookOutput call pyramid_notebook#output#open()

nnoremap <silent> <Plug>(NotebookSync) :NotebookSync<CR>
nnoremap <silent> <Plug>(NotebookRun) :<C-U>NotebookRun<CR>
nnoremap <silent> <Plug>(NotebookRunAll) :NotebookRunAll<CR>
nnoremap <silent> <Plug>(NotebookRunAbove) :<C-U>NotebookRunAbove<CR>
nnoremap <silent> <Plug>(NotebookRunStale) :NotebookRunStale<CR>
nnoremap <silent> <Plug>(NotebookRestart) :NotebookRestart<CR>
nnoremap <silent> <Plug>(NotebookInterrupt) :NotebookInterrupt<CR>
nnoremap <silent> <Plug>(NotebookPull) :NotebookPull<CR>
nnoremap <silent> <Plug>(NotebookPair) :NotebookPair<CR>
nnoremap <silent> <Plug>(NotebookStatus) :NotebookStatus<CR>
nnoremap <silent> <Plug>(NotebookFocus) :<C-U>NotebookFocus<CR>
nnoremap <silent> <Plug>(NotebookOutput) :NotebookOutput<CR>

if get(g:, 'pyramid_notebook_default_mappings', 0)
  nmap <Space><Space>x <Plug>(NotebookRun)
  nmap <Space><Space>X <Plug>(NotebookRunAll)
  nmap <Space><Space>a <Plug>(NotebookRunAbove)
  nmap <Space><Space>s <Plug>(NotebookRunStale)
  nmap <Space><Space>r <Plug>(NotebookRestart)
  nmap <Space><Space>i <Plug>(NotebookInterrupt)
  nmap <Space><Space>p <Plug>(NotebookPull)
  nmap <Space><Space>f <Plug>(NotebookFocus)
  nmap <Space><Space>o <Plug>(NotebookOutput)
endif

augroup pyramid_notebook
  autocmd!
  autocmd BufWritePost * call pyramid_notebook#saved(str2nr(expand('<abuf>')))
  autocmd VimLeavePre * call pyramid_notebook#queue#drain()
augroup END
