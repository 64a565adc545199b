from __future__ import annotations

import socket
from pathlib import Path
from typing import cast

import pytest
import requests

from darkroom import http_guard

URL = "https://delivery.example/a.png"


class ConnectedSocket:
    """A socket that is connected to this address."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.is_open = True

    def getpeername(self) -> tuple[str, int]:
        return (self.address, 443)

    def close(self) -> None:
        self.is_open = False


def check(connected: ConnectedSocket) -> None:
    http_guard._public_only(cast("socket.socket", connected))


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_address_is_accepted(address: str) -> None:
    connected = ConnectedSocket(address)
    check(connected)

    assert connected.is_open


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "224.0.0.1", "ff0e::1",
    ],
)  # fmt: skip
def test_other_address_is_refused_and_its_socket_closed(address: str) -> None:
    connected = ConnectedSocket(address)

    with pytest.raises(http_guard.AddressRefused):
        check(connected)

    assert not connected.is_open


def test_session_uses_no_proxy_and_no_netrc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine delivery.example login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    session = http_guard.guarded_session(())

    request = session.prepare_request(requests.Request("GET", URL))
    settings = session.merge_environment_settings(URL, {}, None, None, None)

    assert "Authorization" not in request.headers
    assert settings["proxies"] == {}
