"""Opens connections to sites: plain HTTP on this machine only, checked certificates elsewhere, a proxy if need be."""

from __future__ import annotations

import http.client
import os
import select
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ...errors import SiteError
from ...site_client import is_local


def is_stale(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the other side has closed a connection: nothing else can come while nothing was asked."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])


def dial(address: str, *, seconds: float) -> http.client.HTTPConnection:
    """Return a connection that is opened by its first request.

    Args:
        address: at a site, see :func:`pyramid_notebook.site_client.site_address`.
        seconds: how long to wait for the other side, each time.

    Raises:
        SiteError: the environment names a proxy that cannot be one.
    """
    parts = urlsplit(address)
    host = parts.hostname or ""
    if parts.scheme == "http":  # of this machine: site_address lets no others pass
        return http.client.HTTPConnection(host, parts.port, timeout=seconds)
    import ssl

    context = ssl.create_default_context()
    proxy = "" if is_local(host) else _proxy(host)
    if not proxy:
        return http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=context)
    return _tunnel(proxy, parts, seconds, context)


def _proxy(host: str) -> str:
    """Return the proxy that the environment names for a host, as the standard library reads it."""
    if not any(name.lower() == "https_proxy" and value for name, value in os.environ.items()):
        return ""
    from urllib.request import getproxies, proxy_bypass

    return "" if proxy_bypass(host) else getproxies().get("https", "")


def _tunnel(proxy: str, site: SplitResult, seconds: float, context: Any) -> http.client.HTTPConnection:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    headers = {}
    if parts.username:
        from base64 import b64encode
        from urllib.parse import unquote_to_bytes

        user = b":".join(map(unquote_to_bytes, (parts.username, parts.password or "")))
        headers["Proxy-Authorization"] = f"Basic {b64encode(user).decode('ascii')}"
    try:
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port or 80, timeout=seconds, context=context
        )
    except ValueError:
        raise SiteError("The proxy that the environment names has an address that is none.") from None
    connection.set_tunnel(site.hostname or "", site.port or 443, headers)
    return connection
