"""Tell requests of this machine from requests that a tunnel or a foreign web page sends.

A web page of another site can send requests to 127.0.0.1, and by DNS rebinding its own host name
can resolve to 127.0.0.1. The headers Host and Origin show both.
"""

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers

# The names under which the servers of the local stack answer.
HOSTS = ("127.0.0.1", "localhost")
_FORWARDING_HEADERS = {"forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip"}
_FORWARDING_PREFIX = "x-forwarded-"


def hosts_of(environ: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the server of a request: `HOSTS`, and the address where it listens.

    A server listens at another address than 127.0.0.1 only if HOST names this address.
    """
    address = str(environ["SERVER_NAME"])
    try:
        ip_address(address)
    except ValueError:
        return HOSTS
    return (*HOSTS, address)


def is_own_host(host: str, port: int, hosts: Collection[str] = HOSTS) -> bool:
    """Return whether a Host header names this machine and the port of the server.

    A subdomain of localhost also does: S3 clients write the bucket before the host.
    """
    name, number = _split(f"//{host}")
    return number == port and (name in hosts or name.endswith(".localhost"))


def is_own_origin(origin: str, hosts: Collection[str] = HOSTS) -> bool:
    """Return whether an Origin header names a web page of this machine, at any port."""
    scheme, separator, rest = origin.partition("://")
    return bool(separator) and scheme in ("http", "https") and _split(f"//{rest}")[0] in hosts


def is_forwarded(headers: Headers) -> bool:
    """Return whether a proxy or a tunnel has forwarded the request."""
    return any(
        name.lower() in _FORWARDING_HEADERS or name.lower().startswith(_FORWARDING_PREFIX)
        for name in headers.keys()  # noqa: SIM118 (iterating Headers yields pairs)
    )


def _split(url: str) -> tuple[str, int]:
    """Return the host name and the port of a URL without a scheme. Both are empty if invalid."""
    try:
        parts = urlsplit(url)
        port = 80 if parts.port is None else parts.port
    except ValueError:
        return "", 0
    if parts.username is not None or parts.path or parts.query or parts.fragment:
        return "", 0
    return parts.hostname or "", port
