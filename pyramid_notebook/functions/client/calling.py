"""Calls a notebook, and tells what came of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ...errors import BadParameters, CallDied, NotebookError, NotebookFailed, SiteError
from ...site_client import shown
from ...sync.client.patience import Notice, Patience
from ...sync.client.safe_text import safe
from ...sync.client.terminal import complain, say
from ..values.formats import FORMATS
from .asking import SILENCE_SECONDS, Answer, Asker
from .following import Follower
from .progress import display
from .results import check_output, write
from .target import RUN_ID, Target, find

_DONE, _FAILED, _MISFIT, _CODE_FAILED = 0, 1, 2, 4
#: Bytes of a query; web servers take no much longer ones.
_LONGEST_QUERY = 7000
_LONGEST_BODY = 20_000_000
_LATER = {"Prefer": "respond-async"}


def call(options: argparse.Namespace) -> int:
    """Do what a command line asks for, and return the exit code.

    Raises:
        NotebookError: there is no result; the text says why.
    """
    target = find(options.notebook, options.site, os.environ)
    options.pairs = [*target.pairs, *options.pairs]
    if target.run and (options.pairs or options.file or options.is_async):
        options.parser.error("a run has its parameters already")
    if options.pairs and options.file:
        options.parser.error("the address has parameters, so --json cannot have them as well")
    check_output(options.output)
    asker = Asker(target.site, Patience(on_wait=Notice("Waiting for the notebook server.")))
    try:
        return _begin(options, asker, target) if options.is_async else _call(options, asker, target)
    except BadParameters as error:
        complain(f"pyramid-notebook: The parameters do not fit {shown(target.path)}:")
        for fault in error.faults:
            complain(f"  {shown(fault.name)}: {shown(fault.message)}")
        return _MISFIT
    except (NotebookFailed, CallDied) as error:
        colours = sys.stderr.isatty()
        for line in getattr(error, "traceback", ()):
            complain(safe(line, colours=colours))
        complain(f"pyramid-notebook: {safe(str(error))}")
        return _CODE_FAILED
    except NotebookError as error:
        complain(f"pyramid-notebook: {safe(str(error)).replace(target.site.token, '(token)')}")
        return _FAILED


def _call(options: argparse.Namespace, asker: Asker, target: Target) -> int:
    if options.progress or options.timeout or target.run:
        answer = _followed(options, asker, target)
    else:
        answer = _asked(options, asker, target)
    with answer:
        write(answer, options.output)
    return _DONE


def _followed(options: argparse.Namespace, asker: Asker, target: Target) -> Answer:
    with display(target.path, is_wanted=options.progress) as shown_progress:
        if not target.run:
            answer = _asked(options, asker, target, **_LATER)
            if answer.status != 202:  # the site has kept it from before
                return answer
            target = _run_of(answer, target)
        return Follower(asker, target, shown_progress, options.timeout).result()


def _begin(options: argparse.Namespace, asker: Asker, target: Target) -> int:
    answer = _asked(options, asker, target, **_LATER)
    if answer.status == 202:
        run = _run_of(answer, target)
        say(f"{target.site.notebooks}{run.of_run(run.run)}")
        return _DONE
    with answer:
        write(answer, options.output)
    return _DONE


def _run_of(answer: Answer, target: Target) -> Target:
    with answer:
        run = answer.values().get("id")
    if not isinstance(run, str) or not RUN_ID.fullmatch(run):
        raise SiteError("The site's answer cannot be understood: it names no run.")
    return target._replace(run=run)


def _asked(options: argparse.Namespace, asker: Asker, target: Target, **fields: str) -> Answer:
    """Send the call itself; the form goes into Accept, since a parameter may be named ``format``."""
    if options.format:
        fields["Accept"] = FORMATS[options.format].media_type
    seconds = options.timeout or SILENCE_SECONDS
    if options.file:
        return asker.ask("POST", target.function, body=_body(options), fields=fields, seconds=seconds)
    query = urlencode(options.pairs)
    if len(query) > _LONGEST_QUERY:
        options.parser.error("these parameters are too long for an address: put them into a file, and use --json")
    return asker.ask("GET", f"{target.function}{'?' if query else ''}{query}", fields=fields, seconds=seconds)


def _body(options: argparse.Namespace) -> bytes:
    error: Any = options.parser.error
    try:
        is_stdin = options.file == "-"
        content = sys.stdin.buffer.read(_LONGEST_BODY + 1) if is_stdin else Path(options.file).read_bytes()
    except OSError as trouble:
        error(f"{options.file} cannot be read: {trouble.strerror}")
    if len(content) > _LONGEST_BODY:
        error(f"--json has more than {_LONGEST_BODY // 1_000_000} MB")
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        error("--json has no JSON")
    if not isinstance(values, dict):
        error("--json has to be a JSON object: the parameters by their names")
    return json.dumps(values, ensure_ascii=False).encode()
