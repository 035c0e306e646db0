"""What is shown while somebody types, in a real terminal."""

from __future__ import annotations

import os

from tests.terminals import terminal

#: A note that waits for a prompt which ends before it is on the screen; then there is another prompt.
_BETWEEN_PROMPTS = """
import sys, threading
from prompt_toolkit import PromptSession
from pyramid_notebook.console.screen import Screen

waiting = threading.Event()

class Seen(Screen):
    def _above(self, typing, text):
        waiting.set()
        super()._above(typing, text)

screen, prompt = Seen(sys.stdout), PromptSession()
with screen.typing(prompt.app):
    threading.Thread(target=screen.write, args=("a note\\n",)).start()
    waiting.wait()
with screen.typing(prompt.app) as ready:
    prompt.prompt("> ", pre_run=ready)
"""


def test_a_note_whose_prompt_ended_stands_above_the_next_one():
    with terminal(_BETWEEN_PROMPTS, [], {**os.environ, "TERM": "xterm"}) as shown:
        shown.shows(r"^a note\n>\s*\Z")
        shown.type("\r")
        assert shown.end() == 0
