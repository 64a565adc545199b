"""HTTP to addresses that others chose: only public ones, no redirects, no credentials of ours."""

from __future__ import annotations

import socket
from collections.abc import Collection
from ipaddress import ip_address
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

CONNECT_TIMEOUT_SECONDS = 3.05
READ_TIMEOUT_SECONDS = 10


class AddressRefused(Exception):
    """The connected address is not public. This is not an OSError, because urllib3 would retry an OSError."""


def _public_only(connected: socket.socket) -> socket.socket:
    """Check the address of the connected socket, because a name may resolve differently between check and use."""
    address = ip_address(connected.getpeername()[0])
    if not address.is_global or address.is_multicast:
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
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (requests' own signature)
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _PublicHttpPool,
            "https": _PublicHttpsPool,
        }


def guarded_session(private_hosts: Collection[str]) -> requests.Session:
    """Open a session that reaches public addresses only, apart from the named private hosts.

    It reads no proxies and no .netrc from its surroundings: a credential of ours must never travel to an address of somebody else's.
    """
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _PublicAdapter())
    session.mount("http://", _PublicAdapter())
    for host in private_hosts:
        for scheme in ("http", "https"):
            session.mount(f"{scheme}://{host}/", HTTPAdapter())
            session.mount(f"{scheme}://{host}:", HTTPAdapter())
    return session
