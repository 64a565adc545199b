"""Checks of URLs that users and providers send: which of them Darkroom may call."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

_URL_CHARACTERS_MAX = 2_000
_HOST_CHARACTERS_MAX = 255
# Two URL parsers may disagree about a backslash or a control character. Then the host that was
# checked would not be the host that is called.
_PLAIN = re.compile(r"[!-\[\]-~]+")


def is_safe_url(url: str, private_hosts: Collection[str]) -> bool:
    """Return whether Darkroom may call a URL.

    The URL must have at most 2,000 characters, printable ASCII without a backslash, and no user
    name. Its scheme must be https, or http for a host in `private_hosts`.
    """
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
    """Return whether a URL is safe and its host is one of a provider's delivery hosts.

    `*.example.com` matches every subdomain of example.com, but not example.com. A host with a port
    matches only an entry with the same port.
    """
    if not is_safe_url(url, private_hosts):
        return False
    host = urlsplit(url).netloc.lower()
    return any(
        host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
        for allowed in delivery_hosts
    )


def host_of(url: str) -> str:
    """Return the host and the port of a URL, for the log. Empty if the URL has none."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2][:_HOST_CHARACTERS_MAX]
    except ValueError:
        return ""
