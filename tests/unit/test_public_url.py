"""The parameter PublicUrl: a custom domain, with or without a base path."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from darkroom.settings import settings
from tests.aws import TEMPLATE

PARAMETER = TEMPLATE["Parameters"]["PublicUrl"]


@pytest.mark.parametrize(
    ("url", "host", "base_path"),
    [
        ("", "", ""),
        ("none", "", ""),
        ("https://api.example.com", "api.example.com", ""),
        ("https://api.example.com/images", "api.example.com", "/images"),
        ("https://API.example.com/a/b-c_d.e", "api.example.com", "/a/b-c_d.e"),
        ("http://127.0.0.1:3000/v1", "127.0.0.1", "/v1"),
    ],
)
def test_the_url_has_the_host_and_the_base_path(url: str, host: str, base_path: str) -> None:
    found = replace(settings(), api_url=url)

    assert re.fullmatch(PARAMETER["AllowedPattern"], url)
    assert (found.api_host, found.base_path) == (host, base_path)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/",
        "https://api.example.com/images/",
        "https://api.example.com//images",
        "https://api.example.com?x=1",
        "https://api.example.com/images#top",
        "https://",
        "api.example.com/images",
        "/images",
        "NONE",
        "https://api.example.com/a b",
    ],
)
def test_the_template_refuses_other_urls(url: str) -> None:
    assert not re.fullmatch(PARAMETER["AllowedPattern"], url)


def test_every_function_of_the_api_gets_the_url() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]

    assert variables["API_URL"] == {"Ref": "PublicUrl"}


def test_browsers_may_send_the_headers_of_the_api_and_of_tracing_by_default() -> None:
    parameter = TEMPLATE["Parameters"]["AllowedHeaders"]
    cors = TEMPLATE["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"]

    assert parameter["Type"] == "CommaDelimitedList"
    assert cors["AllowHeaders"] == {"Ref": "AllowedHeaders"}
    assert parameter["Default"].split(",") == [
        "authorization", "content-type", "idempotency-key", "if-none-match",
        "traceparent", "tracestate", "baggage", "sentry-trace",
    ]  # fmt: skip
