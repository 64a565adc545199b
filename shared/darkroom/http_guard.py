"""HTTP requests to URLs from users and providers: public addresses only, without credentials."""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

CONNECT_TIMEOUT_SECONDS = 3.05
READ_TIMEOUT_SECONDS = 10


class AddressRefused(Exception):
    """The connected address is not public. Not an OSError, because urllib3 retries an OSError."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address belongs to one host of the public Internet."""
    return address.is_global and not address.is_multicast


def session_without_credentials() -> requests.Session:
    """Return a session that ignores proxy variables and `.netrc`.

    A foreign host must not receive credentials of Darkroom.
    """
    session = requests.Session()
    session.trust_env = False
    return session


def _public_only(connected: socket.socket) -> socket.socket:
    """Return the socket if its peer address is public. Raises AddressRefused.

    A check of the host name is not enough: the name can resolve to another address later.
    """
    address = ip_address(connected.getpeername()[0])
    if not is_public(address):
        connected.close()
        raise AddressRefused(f"{address} is not a public address")
    return connected


class _PublicHttpConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _public_only(super()._new_conn())


class _PublicHttpsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _public_only(super()._new_conn())


class _PublicHttpPool(HTTPConnectionPool):
    ConnectionCls = _PublicHttpConnection


class _PublicHttpsPool(HTTPSConnectionPool):
    ConnectionCls = _PublicHttpsConnection


class _PublicAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _PublicHttpPool,
            "https": _PublicHttpsPool,
        }


def guarded_session(private_hosts: Collection[str]) -> requests.Session:
    """Return a session that connects to public addresses only, and to the named private hosts.

    Callers must pass `allow_redirects=False`.
    """
    session = session_without_credentials()
    session.mount("https://", _PublicAdapter())
    session.mount("http://", _PublicAdapter())
    for host in private_hosts:
        for scheme in ("http", "https"):
            session.mount(f"{scheme}://{host}/", HTTPAdapter())
            session.mount(f"{scheme}://{host}:", HTTPAdapter())
    return session
