"""Tells others that a run has ended."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from ..errors import BadRequest

_LOG = logging.getLogger(__name__)
_SECONDS = 10.0
_MOST_LENGTH = 2000


def check_webhook(url: str, hosts: Collection[str]) -> None:
    """Check that a URL may be told of the end of a run.

    Args:
        url: what a caller wants.
        hosts: that the site allows, each with a port where it is not the usual one.

    Raises:
        BadRequest: it may not.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.lower()
    except ValueError:
        host = ""
    is_plain = len(url) <= _MOST_LENGTH and url.isprintable() and parts.scheme in ("https", "http")
    if not is_plain or not host or "@" in host or host not in hosts:
        raise BadRequest("This site does not allow that webhook: see the setting pyramid_notebook.function_webhooks.")


async def tell(url: str, told: Mapping[str, Any]) -> None:
    """Post JSON to a URL, once; redirects are not followed, since they may lead to hosts that are not allowed."""
    request = HTTPRequest(
        url,
        method="POST",
        headers={"Content-Type": "application/json"},
        body=json.dumps(told),
        follow_redirects=False,
        request_timeout=_SECONDS,
        connect_timeout=_SECONDS,
    )
    try:
        await AsyncHTTPClient().fetch(request)
    except Exception as error:
        _LOG.warning("The webhook at %s could not be told: %s", urlsplit(url).netloc, error)
