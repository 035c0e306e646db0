;;; pyramid-notebook.el --- Live Jupyter notebooks of a Pyramid site -*- lexical-binding: t; -*-

;; Version: 1.0
;; Package-Requires: ((emacs "27.1"))
;; Keywords: languages, tools, convenience
;; URL: https://pypi.org/project/pyramid-notebook/

;;; Commentary:

;; You edit a script with "# %%" cells.  Each time you save it, the changes go into the notebook that is open in
;; your browser.  Commands below C-c n run its cells.
;;
;; Sign in once, in a terminal: pyramid-notebook login https://example.com/
;; Then put (pyramid-notebook-global-mode 1) into your init file.

;;; Code:

(require 'ansi-color)
(require 'compile)
(require 'json)
(require 'subr-x)

(defgroup pyramid-notebook nil
  "Live Jupyter notebooks of a Pyramid site."
  :group 'tools
  :prefix "pyramid-notebook-")

(defcustom pyramid-notebook-command '("pyramid-notebook")
  "The program, and arguments that go before all others."
  :type '(repeat string))

(defcustom pyramid-notebook-file-regexp "\\.sync\\.py\\'"
  "Files in which `pyramid-notebook-global-mode' turns the mode on."
  :type 'regexp)

(defcustom pyramid-notebook-auto nil
  "Whether the global mode turns the mode on in all files with a cell marker."
  :type 'boolean)

(defcustom pyramid-notebook-sync-on-save t
  "Whether files are sent to their notebooks when they are saved."
  :type 'boolean)

(defcustom pyramid-notebook-show-output t
  "Whether runs show the buffer with what they print."
  :type 'boolean)

(defconst pyramid-notebook--marker "^[ \t]*\\(?:#\\|//\\|--\\|;+\\|%\\)[ \t]?%%"
  "A cell marker, behind the comment sign of any language that has kernels.")

(defvar pyramid-notebook--lanes (make-hash-table :test #'equal)
  "What waits for each file while something is under way there.
Keys are file names, values lists of (KIND . START).")

;; defined below, by the mode
(defvar pyramid-notebook-mode)

(defvar pyramid-notebook--saving nil
  "Non-nil while a command of ours saves: it syncs by itself.")

;;;; Processes

;; A process ends twice, in any order: it exits, and what it prints to standard error ends.
(defun pyramid-notebook--start (arguments done &optional output)
  "Start the client with ARGUMENTS, a list: no shell sees a file name.
DONE is called with the exit code, what was printed to standard
output, and what was printed to standard error.  What comes goes
into the buffer OUTPUT, too, if there is one."
  (let* ((argv (append pyramid-notebook-command arguments))
         (left 2)
         code out err
         (show (lambda (text)
                 (when (buffer-live-p output)
                   (pyramid-notebook--output text output))))
         (part-ended (lambda (&rest _)
                       (setq left (1- left))
                       (when (zerop left)
                         (funcall done code
                                  (apply #'concat (nreverse out))
                                  (apply #'concat (nreverse err))))))
         (pipe (make-pipe-process
                :name "notebook errors" :noquery t :coding 'utf-8
                :filter (lambda (_process text)
                          (push text err)
                          (funcall show text))
                :sentinel part-ended)))
    (condition-case problem
        (let ((process (make-process
                        :name "notebook" :noquery t :coding 'utf-8 :connection-type 'pipe
                        :command argv :stderr pipe
                        :filter (lambda (_process text)
                                  (push text out)
                                  (funcall show text))
                        :sentinel (lambda (process _event)
                                    (unless (process-live-p process)
                                      (setq code (process-exit-status process))
                                      (funcall part-ended))))))
          ;; it may have ended already
          (ignore-errors (process-send-eof process)))
      (file-error
       (set-process-sentinel pipe #'ignore)
       (delete-process pipe)
       (funcall done -1 ""
                (format "%s: install pyramid_notebook, or customize pyramid-notebook-command"
                        (error-message-string problem)))))))

(defun pyramid-notebook--enqueue (file kind start)
  "Begin START for FILE, now or after what is under way there.
START is called with a function that it calls when the next may
begin.  Where the last that waits is of KIND sync already, it
stands for this one."
  (let ((lane (gethash file pyramid-notebook--lanes 'free)))
    (cond ((eq lane 'free)
           (puthash file nil pyramid-notebook--lanes)
           (funcall start (lambda () (pyramid-notebook--next file))))
          ((not (and (eq kind 'sync) (eq (caar (last lane)) 'sync)))
           (puthash file (append lane (list (cons kind start))) pyramid-notebook--lanes)))))

(defun pyramid-notebook--next (file)
  "Begin what waits for FILE."
  (let ((lane (gethash file pyramid-notebook--lanes)))
    (if (null lane)
        (remhash file pyramid-notebook--lanes)
      (puthash file (cdr lane) pyramid-notebook--lanes)
      (funcall (cdar lane) (lambda () (pyramid-notebook--next file))))))

(defun pyramid-notebook--drain ()
  "Wait until all is done, but no longer than people will bear on leaving."
  (with-timeout (5)
    (while (> (hash-table-count pyramid-notebook--lanes) 0)
      (accept-process-output nil 0.1))))

(add-hook 'kill-emacs-hook #'pyramid-notebook--drain)

;;;; Telling how it went

(defun pyramid-notebook--last-line (text otherwise)
  "Return the last line of TEXT that is not blank, or OTHERWISE."
  (or (car (last (split-string text "[\n\r]+" t "[ \t]+"))) otherwise))

(defun pyramid-notebook--tell (buffer verb code out err)
  "Tell how VERB for BUFFER ended: its exit CODE, its texts OUT and ERR."
  (if (eql code 0)
      (progn
        (when (and (buffer-live-p buffer) (not (equal verb "status")))
          (with-current-buffer buffer
            (unless pyramid-notebook-mode (pyramid-notebook-mode 1))))
        (message "Notebook: %s" (pyramid-notebook--last-line out (concat verb ": done"))))
    (message "Notebook: %s"
             (string-remove-prefix
              "pyramid-notebook: "
              (pyramid-notebook--last-line err (format "%s ended with exit code %s" verb code))))))

(defun pyramid-notebook--answer (out)
  "Return what the site said, the JSON object in OUT, as an alist."
  (let ((json-object-type 'alist)
        (json-array-type 'list)
        (json-key-type 'symbol)
        (json-false nil)
        (json-null nil))
    (condition-case nil
        (let ((answer (json-read-from-string out)))
          (and (consp answer) answer))
      (error nil))))

(defun pyramid-notebook--show-conflicts (buffer conflicts)
  "Show CONFLICTS of BUFFER as a list to go through with \\[next-error]."
  (let ((file (buffer-file-name buffer)))
    (with-current-buffer (get-buffer-create "*Notebook conflicts*")
      (let ((inhibit-read-only t))
        (erase-buffer)
        (setq default-directory (file-name-directory file))
        ;; next-error begins behind the first line
        (insert (format "Conflicts of %s\n" (file-name-nondirectory file)))
        (dolist (conflict conflicts)
          (let ((live (alist-get 'live conflict)))
            (insert (format "%s:%s: warning: %s%s\n"
                            (file-name-nondirectory file)
                            (or (alist-get 'line conflict) 1)
                            (alist-get 'kind conflict)
                            (if live
                                (concat "; the notebook has: " (replace-regexp-in-string "\n" " ⏎ " live t t))
                              "")))))
        (compilation-mode "Conflicts")
        (goto-char (point-min)))
      (setq next-error-last-buffer (current-buffer))
      (display-buffer (current-buffer)))))

(defun pyramid-notebook--tell-answer (buffer verb code out err)
  "Tell how VERB for BUFFER ended: its exit CODE, its JSON in OUT, and ERR."
  (if (not (memq code '(0 3)))
      (pyramid-notebook--tell buffer verb code out err)
    (let* ((answer (pyramid-notebook--answer out))
           (conflicts (alist-get 'conflicts answer)))
      (cond (conflicts
             (pyramid-notebook--show-conflicts buffer conflicts)
             (message "Notebook: %s: %d conflicts" verb (length conflicts)))
            ((and (equal verb "sync") (eq (alist-get 'pull answer) t))
             (message "Notebook: the notebook has changes; %s gets them"
                      (substitute-command-keys "\\[pyramid-notebook-pull]")))
            (t (pyramid-notebook--tell buffer verb 0 (or (alist-get 'notebook answer) "") err))))))

;;;; The buffer with what runs print

(define-derived-mode pyramid-notebook-output-mode compilation-mode "Notebook"
  "Major mode of the buffer with what cells have printed.")

(defun pyramid-notebook--output (text buffer)
  "Append TEXT, with its colors, to BUFFER."
  (with-current-buffer buffer
    (let* ((inhibit-read-only t)
           (windows (get-buffer-window-list buffer nil t))
           (begin (copy-marker (point-max))))
      (save-excursion
        (goto-char begin)
        (insert text))
      (ansi-color-apply-on-region begin (point-max))
      (dolist (window windows)
        (set-window-point window (point-max))))))

(defun pyramid-notebook--output-buffer ()
  "Return the buffer with what cells have printed."
  (with-current-buffer (get-buffer-create "*Notebook*")
    (unless (derived-mode-p 'pyramid-notebook-output-mode)
      (pyramid-notebook-output-mode))
    (current-buffer)))

;;;; Commands

(defun pyramid-notebook--file ()
  "Return the file of the current buffer, or signal a `user-error'."
  (let ((file (buffer-file-name (buffer-base-buffer))))
    (cond ((null file) (user-error "This buffer has no file"))
          ((file-remote-p file) (user-error "The client reads files of this machine only"))
          (t file))))

(defun pyramid-notebook--save ()
  "Save the current buffer without a sync of its own, and return its file."
  (let ((pyramid-notebook--saving t)
        (file (pyramid-notebook--file)))
    (when (or (buffer-modified-p) (not (file-exists-p file)))
      (set-buffer-modified-p t)
      (save-buffer))
    file))

(defun pyramid-notebook--sync (file options)
  "Send FILE, which is saved, to its notebook, with OPTIONS."
  (let ((buffer (current-buffer)))
    (pyramid-notebook--enqueue
     file (if options 'forced 'sync)
     (lambda (next)
       (pyramid-notebook--start
        (append (list "sync" "--filename" file "--json") options)
        (lambda (code out err)
          (unwind-protect
              (pyramid-notebook--tell-answer buffer "sync" code out err)
            (funcall next))))))))

(defun pyramid-notebook--after-save ()
  "Send the file that was saved to its notebook."
  (when (and pyramid-notebook-sync-on-save (not pyramid-notebook--saving))
    (pyramid-notebook--sync (pyramid-notebook--file) nil)))

(defun pyramid-notebook-sync (&optional force)
  "Send the file to its notebook.
With a prefix argument FORCE the file is right wherever the two differ."
  (interactive "P")
  (pyramid-notebook--sync (pyramid-notebook--save) (and force '("--force"))))

(defun pyramid-notebook--run (verb &rest options)
  "Save the file, call VERB with OPTIONS, and show what it prints."
  (let ((buffer (current-buffer))
        (file (pyramid-notebook--save))
        (output (pyramid-notebook--output-buffer)))
    (pyramid-notebook--enqueue
     file 'run
     (lambda (next)
       (pyramid-notebook--output
        (format "-- %s %s\n" (string-join (cons verb options) " ") (format-time-string "%H:%M:%S")) output)
       (when pyramid-notebook-show-output
         (display-buffer output))
       (pyramid-notebook--start
        (append (list verb "--filename" file) options)
        (lambda (code _out err) (pyramid-notebook--tell buffer verb code "" err))
        output)
       ;; a run keeps nobody waiting: what is saved meanwhile is sent at once
       (funcall next)))))

(defun pyramid-notebook--line ()
  "Return the number of the line at point in the file, from 1, as text."
  (number-to-string (line-number-at-pos nil t)))

(defun pyramid-notebook-run ()
  "Run the cell at point."
  (interactive)
  (pyramid-notebook--run "run" "--linenumber" (pyramid-notebook--line)))

(defun pyramid-notebook-run-all ()
  "Run all cells."
  (interactive)
  (pyramid-notebook--run "run-all"))

(defun pyramid-notebook-run-above (&optional including)
  "Run the cells before the one at point.
With a prefix argument INCLUDING that cell, too."
  (interactive "P")
  (apply #'pyramid-notebook--run "run-above" "--linenumber" (pyramid-notebook--line)
         (and including '("--including"))))

(defun pyramid-notebook-run-stale ()
  "Run the cells that have changed since they last ran."
  (interactive)
  (pyramid-notebook--run "run" "--stale"))

(defun pyramid-notebook--ask (verb &rest options)
  "Call VERB with OPTIONS for the current buffer, and tell how it went."
  (let ((buffer (current-buffer)))
    (pyramid-notebook--start
     (append (list verb "--filename" (pyramid-notebook--file)) options)
     (lambda (code out err) (pyramid-notebook--tell buffer verb code out err)))))

(defun pyramid-notebook-restart ()
  "Restart the kernel."
  (interactive)
  (pyramid-notebook--ask "restart"))

(defun pyramid-notebook-interrupt ()
  "Interrupt the kernel."
  (interactive)
  (pyramid-notebook--ask "interrupt"))

(defun pyramid-notebook-focus ()
  "Show the cell at point in the browser."
  (interactive)
  (pyramid-notebook--save)
  (pyramid-notebook--ask "focus" "--linenumber" (pyramid-notebook--line)))

(defun pyramid-notebook-status ()
  "Show the state of the kernel and of the cells."
  (interactive)
  (let ((buffer (current-buffer)))
    (pyramid-notebook--start
     (list "status" "--filename" (pyramid-notebook--file))
     (lambda (code out err)
       (if (not (eql code 0))
           (pyramid-notebook--tell buffer "status" code out err)
         (let ((output (pyramid-notebook--output-buffer)))
           (pyramid-notebook--output out output)
           (display-buffer output)))))))

(defun pyramid-notebook--insert-changes (file _auto-save)
  "Put what FILE has into the current buffer, and leave alone what is the same.
So point and markers stay on their text."
  (let ((target (current-buffer))
        (coding-system-for-read buffer-file-coding-system))
    ;; first, or Emacs asks whether a file that has changed may be edited
    (set-visited-file-modtime)
    (with-temp-buffer
      (insert-file-contents file)
      (let ((source (current-buffer)))
        (with-current-buffer target
          (replace-buffer-contents source)))))
  (set-buffer-modified-p nil))

(defun pyramid-notebook--reread (buffer)
  "Read the file of BUFFER anew; point and markers stay on their text."
  (when (buffer-live-p buffer)
    (with-current-buffer buffer
      (cond ((verify-visited-file-modtime buffer))
            ((buffer-modified-p)
             (message "Notebook: the file has changed, but so has the buffer"))
            (t (let ((revert-buffer-insert-file-contents-function #'pyramid-notebook--insert-changes))
                 (revert-buffer t t t)))))))

(defun pyramid-notebook--rewrite (verb file options tell)
  "Call VERB with OPTIONS, which writes FILE, and read it anew.
The function TELL tells how it went."
  (let ((buffer (current-buffer)))
    (pyramid-notebook--enqueue
     file 'rewrite
     (lambda (next)
       (pyramid-notebook--start
        (append (list verb "--filename" file) options)
        (lambda (code out err)
          (unwind-protect
              (progn
                (funcall tell buffer verb code out err)
                (when (memq code '(0 3)) (pyramid-notebook--reread buffer)))
            (funcall next))))))))

(defun pyramid-notebook-pull (&optional force)
  "Write what the notebook has and the file has not into the file, and read it.
With a prefix argument FORCE the notebook is right wherever the two differ."
  (interactive "P")
  (pyramid-notebook--rewrite "pull" (pyramid-notebook--save)
                             (append '("--json") (and force '("--force")))
                             #'pyramid-notebook--tell-answer))

(defun pyramid-notebook-pair (&optional notebook)
  "Make the notebook of this file, or the file.
With a prefix argument ask for the NOTEBOOK, a path on the site."
  (interactive (list (and current-prefix-arg (read-string "Notebook: "))))
  (let* ((file (pyramid-notebook--file))
         (is-new (and (zerop (buffer-size)) (not (file-exists-p file)))))
    (unless is-new (pyramid-notebook--save))
    (pyramid-notebook--rewrite "pair" file
                               (and notebook (list "--notebook" notebook))
                               #'pyramid-notebook--tell)))

;;;; The mode

(defvar pyramid-notebook-command-map
  (let ((map (make-sparse-keymap)))
    (define-key map "s" #'pyramid-notebook-sync)
    (define-key map "n" #'pyramid-notebook-run)
    (define-key map "a" #'pyramid-notebook-run-all)
    (define-key map "u" #'pyramid-notebook-run-above)
    (define-key map "c" #'pyramid-notebook-run-stale)
    (define-key map "k" #'pyramid-notebook-interrupt)
    (define-key map "r" #'pyramid-notebook-restart)
    (define-key map "p" #'pyramid-notebook-pull)
    (define-key map "f" #'pyramid-notebook-focus)
    (define-key map "?" #'pyramid-notebook-status)
    map)
  "Keys below the prefix of `pyramid-notebook-mode-map'.")

(defvar pyramid-notebook-mode-map
  (let ((map (make-sparse-keymap)))
    (define-key map (kbd "C-c n") pyramid-notebook-command-map)
    map)
  "Keys of `pyramid-notebook-mode'.")

;;;###autoload
(define-minor-mode pyramid-notebook-mode
  "Send the file to its live notebook each time it is saved.

\\{pyramid-notebook-mode-map}"
  :lighter " Notebook"
  :keymap pyramid-notebook-mode-map
  (if pyramid-notebook-mode
      (add-hook 'after-save-hook #'pyramid-notebook--after-save nil t)
    (remove-hook 'after-save-hook #'pyramid-notebook--after-save t)))

(defun pyramid-notebook--turn-on ()
  "Turn the mode on where the buffer's file is one of a notebook."
  (when (and buffer-file-name
             (not (file-remote-p buffer-file-name))
             (or (string-match-p pyramid-notebook-file-regexp buffer-file-name)
                 (and pyramid-notebook-auto
                      (save-excursion
                        (save-restriction
                          (widen)
                          (goto-char (point-min))
                          (re-search-forward pyramid-notebook--marker nil t))))))
    (pyramid-notebook-mode 1)))

;;;###autoload
(define-globalized-minor-mode pyramid-notebook-global-mode
  pyramid-notebook-mode pyramid-notebook--turn-on)

(provide 'pyramid-notebook)
;;; pyramid-notebook.el ends here
