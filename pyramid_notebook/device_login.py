"""``pyramid-notebook login`` and ``logout``: sign programs of this machine in to a site (RFC 8628, the client)."""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .errors import LoginFailed, NotebookError, SiteError, SiteUnreachable

if TYPE_CHECKING:
    from .credentials import Credential, CredentialFile
    from .site_client import Endpoints, SiteAnswer

CLIENT_ID = "pyramid-notebook"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_SCOPES = ("sync", "run", "console")
#: Seconds: no site lets us wait longer in all, or between two polls.
LONGEST_WAIT, LONGEST_PAUSE = 1800, 60
_SLOW_DOWN_SECONDS = 5
_USER_CODE = re.compile(r"[A-Z0-9-]{4,20}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,500}=*", re.ASCII)  # RFC 6750 section 2.1
_DONE, _FAILED, _USAGE = 0, 1, 2
_REFUSALS = {
    "access_denied": "The sign-in was denied on the site.",
    "expired_token": "Nobody approved in time. Start again.",
    "invalid_grant": "The site does not know this sign-in any more. Start again.",
}


def add_commands(subparsers: Any) -> None:
    """Add the commands ``login`` and ``logout`` to those of ``pyramid-notebook``.

    Args:
        subparsers: what :meth:`argparse.ArgumentParser.add_subparsers` returns.
    """
    login = subparsers.add_parser(
        "login", help="sign in to a site", description="Sign the programs of this machine in to a site."
    )
    login.add_argument("url", metavar="URL", help="address of the site, such as https://example.com/")
    login.add_argument(
        "--scope", action="append", metavar="SCOPE",
        help="sync, run, run:reports/*.ipynb, console or shell; may be repeated; else " + ", ".join(DEFAULT_SCOPES),
    )  # fmt: skip
    login.add_argument("--name", help="what the site shows and lists this machine as")
    login.add_argument("--no-browser", action="store_true", help="do not open a browser")
    login.set_defaults(run=_login)

    logout = subparsers.add_parser(
        "logout", help="sign out of a site", description="Revoke the token of this machine for a site, and forget it."
    )
    logout.add_argument("url", metavar="URL", nargs="?", help="address of the site, if there are several")
    logout.add_argument("--all", action="store_true", help="sign out of all sites")
    logout.add_argument("--forget", action="store_true", help="forget the token even if the site cannot revoke it now")
    logout.set_defaults(run=_logout)
    for parser in (login, logout):
        parser.add_argument("--json", action="store_true", help="print one JSON object in each line")


def sign_in(url: str, *, opens_browser: bool) -> None:
    """Sign in to a site as ``pyramid-notebook login`` does, in a terminal.

    Args:
        url: address of the site.
        opens_browser: whether a browser may be opened.

    Raises:
        LoginFailed: it was denied, or nobody approved in time.
        SiteError: nobody can sign in there.
        UnsafePath, CredentialsUnreadable: the token cannot be stored.
    """
    _login(argparse.Namespace(url=url, scope=None, name=None, no_browser=not opens_browser, json=False))


def _login(options: argparse.Namespace) -> int:
    from .credentials import CredentialFile
    from .scopes import format_grants, parse_grants
    from .site_client import discover

    grants = parse_grants(" ".join(options.scope or DEFAULT_SCOPES))
    file = CredentialFile()
    file.prepare()
    endpoints = discover(options.url)
    name = options.name or f"{CLIENT_ID} on {socket.gethostname()}"
    try:
        answer = _begin(endpoints, format_grants(grants), name, options)
        lifetime = answer.seconds("expires_in", 600, most=LONGEST_WAIT)
        interval = answer.seconds("interval", 5, most=LONGEST_PAUSE)
        token = wait_for_token(endpoints, answer.text("device_code"), interval=interval, lifetime=lifetime)
    except KeyboardInterrupt:
        _tell(options, "cancelled", "\nCancelled. Nothing was stored.")
        raise
    _keep(options, file, endpoints, token)
    return _DONE


def _begin(endpoints: Endpoints, scope: str, name: str, options: argparse.Namespace) -> SiteAnswer:
    """Ask the site for codes, and show the one that is for the user."""
    from .site_client import ask, at_origin

    fields = {"client_id": CLIENT_ID, "scope": scope, "client_name": name}
    answer = ask("POST", endpoints.device_code, fields)
    if answer.status != 200:
        raise LoginFailed(f"The site does not begin a sign-in: {answer.problem}")
    code = answer.text("user_code")
    if not _USER_CODE.fullmatch(code):
        raise LoginFailed("The site's answer cannot be understood: its code is none.")
    page = at_origin(endpoints.site, answer.text("verification_uri"))
    minutes = answer.seconds("expires_in", 600, most=LONGEST_WAIT) // 60
    _tell(
        options,
        "code",
        f"Open this page, where you sign in to the site as usual:\n\n    {page}\n\nand enter the code\n\n    {code}\n\n"
        f"Waiting for your approval, {minutes} minutes at most. Ctrl-C ends it.",
        verification_uri=page,
        user_code=code,
    )
    if not options.no_browser and has_browser(os.environ, sys.platform):
        complete = answer.values.get("verification_uri_complete")
        _open_browser(at_origin(endpoints.site, complete) if isinstance(complete, str) else page)
    return answer


def wait_for_token(
    endpoints: Endpoints,
    device_code: str,
    *,
    interval: int,
    lifetime: int,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> SiteAnswer:
    """Poll until the user has approved (RFC 8628 section 3.5).

    Args:
        endpoints: where.
        device_code: of the sign-in.
        interval: seconds between two polls.
        lifetime: seconds until it makes no sense any more.
        wait: waits so many seconds.
        clock: tells seconds that never go back.

    Raises:
        LoginFailed: it was denied, or nobody approved in time.
    """
    from .site_client import ask

    fields = {"client_id": CLIENT_ID, "grant_type": GRANT_TYPE, "device_code": device_code}
    end = clock() + lifetime
    pause = interval
    while clock() + pause < end:
        wait(pause)
        try:
            answer = ask("POST", endpoints.token, fields)
        except SiteUnreachable:
            answer = None
        if answer is None or answer.status >= 500:
            pause = min(pause * 2, LONGEST_PAUSE)
        elif answer.status == 200:
            return answer
        else:
            interval = pause = _next_interval(answer, interval)
    raise LoginFailed(_REFUSALS["expired_token"])


def _next_interval(answer: SiteAnswer, interval: int) -> int:
    error = answer.values.get("error")
    if error == "authorization_pending":
        return interval
    if error == "slow_down" or answer.status == 429:
        return interval + _SLOW_DOWN_SECONDS
    raise LoginFailed(_REFUSALS.get(str(error)) or f"The site refused: {answer.problem}")


def has_browser(environment: Mapping[str, str], platform: str) -> bool:
    """Tell whether a browser would open in front of the user.

    Over SSH, and on machines without a screen, it would open elsewhere, or fill the terminal.

    Args:
        environment: the variables of this process.
        platform: see :data:`sys.platform`.
    """
    if environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"):
        return True
    if any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        return False
    return platform == "darwin" or bool(environment.get("BROWSER"))


def _open_browser(address: str) -> None:
    import webbrowser

    def run() -> None:
        with suppress(webbrowser.Error, OSError):
            webbrowser.open(address)

    # some browsers keep whoever starts them waiting
    threading.Thread(target=run, daemon=True).start()


def _keep(options: argparse.Namespace, file: CredentialFile, endpoints: Endpoints, answer: SiteAnswer) -> None:
    """Store the token; one that cannot be stored is revoked, and so is the one that it replaces."""
    from .credentials import Credential
    from .site_client import at_origin, shown

    token = answer.text("access_token")
    if not _TOKEN.fullmatch(token):
        raise LoginFailed("The site's answer cannot be understood: its token is none.")
    credential = Credential(
        site=endpoints.site,
        token=token,
        user=shown(answer.text("user")),
        notebooks=at_origin(endpoints.site, answer.text("notebooks")),
        scope=shown(answer.text("scope")),
        expires=time.time() + answer.seconds("expires_in", 0, most=10**10),
    )
    try:
        before = file.find(endpoints.site)
        file.save(credential)
    except (NotebookError, OSError) as error:
        _revoke(endpoints, credential)
        raise LoginFailed(f"The token could not be stored, so it was revoked: {error}") from error
    if before:
        _revoke(endpoints, before)
    until = datetime.fromtimestamp(credential.expires, UTC).date().isoformat()
    _tell(
        options,
        "signed-in",
        f"Signed in to {credential.site} as {credential.user}, for: {credential.scope}\n"
        f"Valid until {until}. The token is in {file.path}; pyramid-notebook logout revokes it.",
        site=credential.site,
        user=credential.user,
        scope=credential.scope,
        expires=credential.expires,
    )


def _logout(options: argparse.Namespace) -> int:
    from .credentials import CredentialFile

    file = CredentialFile()
    credentials = file.read()
    chosen = _chosen(options, credentials)
    if not chosen:
        problem = "You are not signed in to " + ("any site." if not options.url else "that site.")
        if credentials and not options.url:
            problem = "Say which site, or --all:"
        sites = "".join(f"\n    {site}" for site in credentials)
        _tell(options, "not-signed-out", problem + sites, sites=list(credentials))
        return _USAGE if credentials and not options.url else _FAILED
    failed = [credential.site for credential in chosen if not _sign_out(options, file, credential)]
    return _FAILED if failed else _DONE


def _chosen(options: argparse.Namespace, credentials: Mapping[str, Credential]) -> list[Credential]:
    from .site_client import candidates, site_address

    if options.url:
        return [credentials[site] for site in candidates(site_address(options.url)) if site in credentials][:1]
    return list(credentials.values()) if options.all or len(credentials) == 1 else []


def _sign_out(options: argparse.Namespace, file: CredentialFile, credential: Credential) -> bool:
    from .site_client import discover

    problem = ""
    try:
        problem = _revoke(discover(credential.site), credential)
    except NotebookError as error:
        problem = str(error)
    if problem and not options.forget:
        text = f"Still signed in to {credential.site}, for its token could not be revoked: {problem}"
        text += "\n--forget forgets it anyway."
        _tell(options, "not-signed-out", text, site=credential.site, problem=problem)
        return False
    file.forget(credential)
    text = f"Signed out of {credential.site}."
    if problem:
        text = f"Forgot the token for {credential.site}, which is still valid: {problem}\nRevoke it on the site."
    _tell(options, "signed-out", text, site=credential.site, revoked=not problem)
    return True


def _revoke(endpoints: Endpoints, credential: Credential) -> str:
    """Revoke a token, and return what went wrong; one that is not valid any more has been revoked well enough."""
    from .site_client import ask

    try:
        answer = ask("POST", endpoints.revoke, token=credential.token)
    except SiteError as error:
        return str(error)
    return "" if answer.status in (200, 401) else answer.problem


def _tell(options: argparse.Namespace, event: str, text: str, **values: Any) -> None:
    sys.stdout.write(f"{json.dumps({'event': event, **values})}\n" if options.json else f"{text}\n")
    sys.stdout.flush()  # whoever reads our pipe has to see the code before we wait
