"""The URLs that Darkroom may call, the links in outputs, and callback secrets."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from darkroom.domain.accounts import new_callback_secret
from darkroom.domain.predictions import is_final_at_replicate, links_in
from darkroom.domain.urls import is_delivery_url, is_safe_url

DELIVERY_HOSTS = ("replicate.delivery", "*.replicate.delivery")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/hook?x=1#y",
        "HTTPS://example.com/",
        "https://[2001:db8::1]/",
        "https://example.com/%20",
    ],
)
def test_an_https_url_is_safe(url: str) -> None:
    assert is_safe_url(url, [])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//example.com",
        "https://",
        "https:///path",
        "http://example.com/",
        "ftp://example.com/",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://@example.com/",
        "https://example.com:port/",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://exämple.com/",
        "https://[::1",
        "https://example.com/" + "x" * 2_000,
    ],
)
def test_another_scheme_a_user_or_a_malformed_url_is_not_safe(url: str) -> None:
    assert not is_safe_url(url, [])


@pytest.mark.parametrize(
    "url",
    [
        "https://exa\tmple.com/",
        "https://example.com/\r\nX-Header: x",
        "https://example.com\x00/",
        "https://example.com/\x7f",
        "\nhttps://example.com/",
    ],
)
def test_a_url_with_control_characters_is_not_safe(url: str) -> None:
    assert not is_safe_url(url, [])


def test_plain_http_is_safe_only_on_a_private_host() -> None:
    assert is_safe_url("http://127.0.0.1:3001/hook", ["127.0.0.1"])
    assert not is_safe_url("http://127.0.0.2:3001/hook", ["127.0.0.1"])
    assert not is_safe_url("http://127.0.0.1.example.com/", ["127.0.0.1"])
    assert not is_safe_url("ftp://127.0.0.1/", ["127.0.0.1"])


@given(st.text())
def test_the_check_accepts_any_text(text: str) -> None:
    assert is_safe_url(text, []) in (True, False)
    assert is_safe_url("https://" + text, []) in (True, False)


@pytest.mark.parametrize(
    "url",
    [
        "https://replicate.delivery/a.webp",
        "https://pbxt.replicate.delivery/x/a.webp",
        "https://PBXT.Replicate.Delivery/a",
    ],
)
def test_a_url_on_a_delivery_host_is_a_delivery_url(url: str) -> None:
    assert is_delivery_url(url, DELIVERY_HOSTS, [])


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a",
        "https://replicate.delivery.evil.example/a",
        "https://evilreplicate.delivery/a",
        "http://replicate.delivery/a",
        "https://replicate.delivery:8443/a",
        "https://replicate.delivery@evil.example/a",
        "https://evil.example/replicate.delivery",
        "https://evil.example#.replicate.delivery",
        "https://evil.example?.replicate.delivery",
        "",
        "replicate.delivery/a",
    ],
)
def test_a_url_on_another_host_is_no_delivery_url(url: str) -> None:
    assert not is_delivery_url(url, DELIVERY_HOSTS, [])


def host_called(url: str) -> str | None:
    """Return the host to which the HTTP library connects."""
    try:
        return parse_url(url).host
    except LocationParseError:
        return None


@pytest.mark.parametrize(
    "middle", ["\\", "\\@", "\\/", "%5c", "\t", "\n", "\x00", ";", "\\\\", "#", "?", ":443\\"]
)
def test_an_ambiguous_url_does_not_lead_to_another_host(middle: str) -> None:
    url = f"https://evil.example{middle}.replicate.delivery/a"

    assert not is_delivery_url(url, DELIVERY_HOSTS, []) or host_called(url) != "evil.example"


@pytest.mark.parametrize(
    ("output", "links"),
    [
        ("https://a/1", ["https://a/1"]),
        (["https://a/1", "https://a/2"], ["https://a/1", "https://a/2"]),
        (
            {"images": ["https://a/1"], "mask": "https://a/2", "seed": 7},
            ["https://a/1", "https://a/2"],
        ),
        (
            [{"url": "http://a/1"}, None, 3, "text", ["https://a/2", {}]],
            ["http://a/1", "https://a/2"],
        ),
        (None, []),
        ("", []),
        ("a text with https://a/1 in it", []),
        ("data:image/png;base64,AAAA", []),
        ({"https://a/1": 1}, []),
        (7.5, []),
        (True, []),
    ],
)
def test_links_are_found_in_order_in_any_json_value(output: object, links: list[str]) -> None:
    assert list(links_in(output)) == links


@pytest.mark.parametrize(
    ("status", "final"),
    [
        ("succeeded", True),
        ("failed", True),
        ("canceled", True),
        ("aborted", True),
        ("starting", False),
        ("processing", False),
        ("", False),
        (None, False),
        ("SUCCEEDED", False),
    ],
)
def test_four_statuses_are_final_at_replicate(status: object, final: bool) -> None:
    assert is_final_at_replicate(status) is final


def test_a_callback_secret_has_the_format_of_standard_webhooks() -> None:
    secret = new_callback_secret()

    assert secret.startswith("whsec_")
    assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
    assert secret != new_callback_secret()
