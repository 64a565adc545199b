"""Addresses that others name: which may be called at all."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

_URL_CHARACTERS_MAX = 2_000
# Two parsers may read a backslash or a control character differently, and then the host that was checked is not the one that is called.
_PLAIN = re.compile(r"[!-\[\]-~]+")


def is_safe_url(url: str, private_hosts: Collection[str]) -> bool:
    """Tell whether a URL may be called: https, without a user in it; or plain http on a host that is named private."""
    if len(url) > _URL_CHARACTERS_MAX or not _PLAIN.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in private_hosts)


def is_delivery_url(
    url: str, delivery_hosts: Collection[str], private_hosts: Collection[str]
) -> bool:
    """Tell whether a link leads to one of the provider's delivery hosts. `*.` stands for every subdomain, and a port must be named."""
    if not is_safe_url(url, private_hosts):
        return False
    host = urlsplit(url).netloc.lower()
    return any(
        host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
        for allowed in delivery_hosts
    )
