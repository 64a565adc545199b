"""The local stack on another address than 127.0.0.1, for containers."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import requests
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

from local.__main__ import _host
from local.api_gateway.http_server import HttpServer, PortTaken
from local.cloudformation.aws_access import foreign_host
from local.cloudformation.seeding import local_parameters
from local.simulators.replicate import SimulatedReplicate

OTHER = "127.0.0.2"


@pytest.fixture
def server() -> Iterator[HttpServer]:
    started = HttpServer(0, OTHER)
    started.serve(Response("served"))
    yield started
    started.stop()


def test_the_server_answers_at_the_host_and_at_localhost(server: HttpServer) -> None:
    assert server.url == f"http://{OTHER}:{server.port}"
    for host in (OTHER, "localhost"):
        assert requests.get(f"http://{host}:{server.port}", timeout=5).text == "served"


def test_a_server_serves_one_application(server: HttpServer) -> None:
    with pytest.raises(RuntimeError, match="already"):
        server.serve(Response("another"))


def test_by_default_the_server_answers_at_the_loopback_address_only() -> None:
    server = HttpServer(0)
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((OTHER, server.port), timeout=5)
    finally:
        server.stop()


def test_a_port_that_is_taken_at_localhost_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(PortTaken, match=f"Port {port} of 127.0.0.1"):
            HttpServer(port, OTHER)
        socket.create_server((OTHER, port)).close()


def test_a_simulator_has_its_host_in_its_links() -> None:
    with SimulatedReplicate(host=OTHER) as replicate:
        assert replicate.base_url == f"http://{OTHER}:{replicate.port}"
        assert requests.get(f"{replicate.base_url}/sim/predictions", timeout=5).ok


@pytest.mark.parametrize(
    ("listens_at", "host", "is_refused"),
    [
        ("172.17.0.1", "172.17.0.1:4566", False),
        ("172.17.0.1", "127.0.0.1:4566", False),
        ("127.0.0.1", "172.17.0.1:4566", True),
        ("172.17.0.1", "172.17.0.2:4566", True),
        ("172.17.0.1", "rebound.example.com:4566", True),
        ("rebound.example.com", "rebound.example.com:4566", True),
    ],
)
def test_the_aws_port_answers_only_at_its_own_addresses(
    listens_at: str, host: str, is_refused: bool
) -> None:
    environ = EnvironBuilder(headers=[("Host", host)]).get_environ()
    environ.update({"SERVER_NAME": listens_at, "SERVER_PORT": "4566"})
    request = Request(environ)

    assert (foreign_host(request) is not None) == is_refused


def test_functions_may_call_the_host_by_plain_http() -> None:
    values = local_parameters(
        {"Parameters": {"PrivateHosts": {}}},
        api_url="http://172.17.0.1:3000",
        replicate_url="http://172.17.0.1:3001",
        runway_url="",
        stable_diffusion_url="",
    )

    assert values["PrivateHosts"] == "172.17.0.1:3001,127.0.0.1,localhost,172.17.0.1"


@pytest.mark.parametrize(
    ("value", "host"),
    [("", "127.0.0.1"), ("172.17.0.1", "172.17.0.1"), ("192.168.65.254", "192.168.65.254")],
)
def test_a_private_address_is_a_host(
    value: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST", value)

    assert _host() == host


@pytest.mark.parametrize("value", ["0.0.0.0", "8.8.8.8", "localhost", "::1", "::", "a b"])
def test_an_open_or_public_address_is_no_host(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", value)

    with pytest.raises(SystemExit, match="HOST must be a private IPv4 address"):
        _host()
