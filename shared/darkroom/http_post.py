"""POST requests to URLs of users: to public addresses only, and within a total time.

A timeout of a socket restarts with each received byte, so it does not bound a request. Here a timer
shuts the socket down when the total time is over.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping
from contextlib import suppress
from ipaddress import ip_address
from threading import Lock, Thread, Timer
from time import monotonic
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from darkroom.http_guard import AddressRefused, is_public, session_without_credentials

DNS_SECONDS_MAX = 3.0
"""Seconds for the resolution of a host's name. No timer can stop the resolver."""

type Address = tuple[int, int, int, Any]


class NoResponse(Exception):
    """The URL sent no response. The message is the name of the error."""


class TimedOut(NoResponse):
    """The URL sent no response within the total time."""


def post(
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    seconds: float,
    private_hosts: Collection[str],
) -> int:
    """Send a POST request, follow no redirect, and return the status of the response.

    Reads no body. `seconds` is the total time for the name, the connection, TLS and the response.
    `private_hosts` may have private addresses. Raises NoResponse, TimedOut, and AddressRefused
    before any connection to an address that is not public.
    """
    session = session_without_credentials()
    try:
        request = session.prepare_request(
            requests.Request("POST", url, headers=dict(headers), data=body)
        )
    except requests.exceptions.RequestException as error:
        raise NoResponse(type(error).__name__) from error
    with _TotalTime(seconds) as total:
        adapter = _adapter(total, private_hosts)
        try:
            # Session.send reads the body of a redirect, also if it does not follow the redirect.
            with adapter.send(request, stream=True, timeout=seconds) as response:
                status = response.status_code
        except Exception as error:
            # urllib3 has no rule for a socket that another thread shuts down: any error can follow.
            if total.is_over or isinstance(error, requests.exceptions.Timeout):
                raise TimedOut(TimedOut.__name__) from error
            if isinstance(error, requests.exceptions.RequestException | OSError):
                raise NoResponse(type(error).__name__) from error
            raise
        finally:
            adapter.close()
        # A header that the timer cuts off is a valid header.
        if total.is_over:
            raise TimedOut(TimedOut.__name__)
        return status


class _TotalTime:
    """The total time of one request. At its end, the socket of the request is shut down."""

    def __init__(self, seconds: float) -> None:
        """Prepare the timer. It starts when the context is entered."""
        self.is_over = False
        self._ends_at = monotonic() + seconds
        self._socket: socket.socket | None = None
        self._lock = Lock()
        self._timer = Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._forget()

    @property
    def remaining_seconds(self) -> float:
        """The rest of the time. Raises TimeoutError if there is none."""
        remaining = self._ends_at - monotonic()
        if self.is_over or remaining <= 0:
            self.is_over = True
            raise TimeoutError
        return remaining

    def watch(self, connection: socket.socket) -> None:
        """Shut this socket down at the end of the time, instead of an earlier one.

        TLS takes over the descriptor of a socket, so this object keeps its own.
        """
        with self._lock:
            self._forget()
            self._socket = connection.dup()
            if self.is_over:
                self._shut_down()

    def _end(self) -> None:
        with self._lock:
            self.is_over = True
            self._shut_down()

    def _shut_down(self) -> None:
        if self._socket:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _forget(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket = None


def _adapter(total: _TotalTime, private_hosts: Collection[str]) -> HTTPAdapter:
    """Return an adapter for one request, whose connections end with the total time."""

    def connect(connection: HTTPConnection) -> socket.socket:
        return _connect(
            connection.host,
            connection.port or connection.default_port,
            total,
            may_be_private=connection.host in private_hosts,
        )

    class Http(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class Https(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self)

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = Https

    adapter = HTTPAdapter(max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}
    return adapter


def _connect(host: str, port: int, total: _TotalTime, *, may_be_private: bool) -> socket.socket:
    """Return a connected socket to the first address of the host that accepts the connection.

    Raises OSError, and AddressRefused if the host has no public address.
    """
    addresses = _resolve(host, port, total)
    if not may_be_private:
        addresses = [each for each in addresses if is_public(ip_address(each[3][0]))]
        if not addresses:
            raise AddressRefused(f"{host} has no public address")
    failure: OSError = OSError("no address")
    for family, kind, protocol, address in addresses:
        connection = socket.socket(family, kind, protocol)
        try:
            total.watch(connection)
            connection.settimeout(total.remaining_seconds)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(address)
        except TimeoutError:
            connection.close()
            total.is_over = True
            raise
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _resolve(host: str, port: int, total: _TotalTime) -> list[Address]:
    """Return the addresses of a host. Raises OSError.

    The resolver has no timeout, so it runs in a thread. A thread that is too slow ends by itself.
    """
    found: list[list[Address] | OSError] = []

    def resolve() -> None:
        try:
            found.append(
                [
                    (family, kind, protocol, address)
                    for family, kind, protocol, _, address in socket.getaddrinfo(
                        host.strip("[]"), port, type=socket.SOCK_STREAM
                    )
                ]
            )
        except OSError as error:
            found.append(error)
        except UnicodeError:
            found.append(OSError("the name is not valid"))

    thread = Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(min(DNS_SECONDS_MAX, total.remaining_seconds))
    match found:
        case [list(addresses)]:
            return addresses
        case [OSError() as error]:
            raise error
        case _:
            total.is_over = True
            raise TimeoutError
