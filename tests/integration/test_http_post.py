"""A POST request to a user's URL: its total time at each stage, redirects, and addresses."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from darkroom import http_post
from darkroom.http_guard import AddressRefused
from darkroom.http_post import NoResponse, TimedOut
from tests.integration import hostile_receivers as hostile
from tests.integration.servers import Received, Reply, answering, server

SECONDS = 0.2
MARGIN_SECONDS = 0.5


def post(url: str, *, private_hosts: tuple[str, ...] = ("127.0.0.1",), seconds: float = 5) -> int:
    return http_post.post(url, {"X-Test": "1"}, b"{}", seconds=seconds, private_hosts=private_hosts)


def must_time_out(url: str) -> None:
    began_at = time.monotonic()
    with pytest.raises(TimedOut):
        post(url, seconds=SECONDS)

    assert SECONDS <= time.monotonic() - began_at < SECONDS + MARGIN_SECONDS


@pytest.mark.parametrize(
    "respond", [hostile.send_nothing, hostile.DRIPPED_HEADER, hostile.DRIPPED_STATUS]
)
def test_a_receiver_that_hangs_or_drips_is_given_up_after_the_total_time(
    respond: Callable[[socket.socket, threading.Event], None],
) -> None:
    with hostile.receiver(respond) as address:
        must_time_out(f"http://{address}/")


def test_a_receiver_that_hangs_in_the_tls_handshake_is_given_up() -> None:
    with hostile.receiver(hostile.send_nothing) as address:
        must_time_out(f"https://{address}/")


def test_a_receiver_that_drips_a_tls_handshake_is_given_up() -> None:
    # A handshake record of 16,384 bytes, whose content comes byte by byte.
    with hostile.receiver(hostile.drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"x")) as address:
        must_time_out(f"https://{address}/")


def test_a_receiver_that_accepts_no_connection_is_given_up() -> None:
    with hostile.full_backlog() as address:
        must_time_out(f"http://{address}/")


def test_a_name_that_does_not_resolve_in_time_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(5) and [])

    try:
        must_time_out("https://slow.example/")
    finally:
        released.set()


def test_the_resolver_has_a_bound_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(5) and [])
    monkeypatch.setattr(http_post, "DNS_SECONDS_MAX", SECONDS)
    began_at = time.monotonic()

    try:
        with pytest.raises(TimedOut):
            post("https://slow.example/", seconds=5)
    finally:
        released.set()

    assert time.monotonic() - began_at < SECONDS + MARGIN_SECONDS


@pytest.mark.parametrize(
    ("respond", "status"), [(hostile.DRIPPED_BODY, 200), (hostile.DRIPPED_REDIRECT, 302)]
)
def test_the_status_is_enough_and_no_body_is_read(
    respond: Callable[[socket.socket, threading.Event], None], status: int
) -> None:
    began_at = time.monotonic()
    with hostile.receiver(respond) as address:
        assert post(f"http://{address}/", seconds=SECONDS) == status

    assert time.monotonic() - began_at < SECONDS


@pytest.mark.parametrize("status", [200, 204, 301, 307, 410, 500])
def test_returns_the_status_of_one_request(status: int) -> None:
    received: list[Received] = []
    reply = Reply(status, headers={"Location": "/other"})
    with server(answering(reply, received=received)) as url:
        assert post(f"{url}/hook?x=1") == status

    (request,) = received
    assert (request.method, request.path, request.body) == ("POST", "/hook?x=1", b"{}")
    assert request.headers["x-test"] == "1"


def test_the_timer_does_not_run_after_a_response() -> None:
    before = threading.active_count()
    with server(answering(Reply())) as url:
        for _ in range(5):
            post(url, seconds=60)

    assert threading.active_count() <= before


def test_no_descriptor_stays_open() -> None:
    with hostile.receiver(hostile.DRIPPED_HEADER) as address, server(answering(Reply())) as url:
        post(url)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            with pytest.raises(TimedOut):
                post(f"http://{address}/", seconds=0.05)
            post(url)

        # The receiver's own sockets of the dripped responses may still be open.
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 3


def test_no_server_is_no_response_and_no_timeout() -> None:
    with server(answering(Reply())) as url:
        pass

    with pytest.raises(NoResponse) as raised:
        post(url)
    assert not isinstance(raised.value, TimedOut)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "0.0.0.0"])
def test_an_address_that_is_not_public_is_not_connected(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object) -> None:
        raise AssertionError("connected")

    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(AddressRefused):
        post(f"https://{host}:9/", private_hosts=())


def test_the_checked_address_is_the_connected_one(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["93.184.215.14", "127.0.0.1"])
    connected: list[object] = []

    def resolve(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 443))]

    def connect(_: socket.socket, address: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(NoResponse):
        post("https://rebinding.example/", private_hosts=())
    assert connected == [("93.184.215.14", 443)]


def test_private_addresses_of_a_name_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))
        for address in ("10.0.0.1", "93.184.215.14")
    ]

    def connect(_: socket.socket, address: object) -> None:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket.socket, "connect", connect)

    with pytest.raises(NoResponse):
        post("https://two.example/", private_hosts=())
    assert connected == [("93.184.215.14", 443)]
