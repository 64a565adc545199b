"""The parameter PublicUrl: a custom domain, with or without a base path."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from darkroom.settings import settings
from tests.aws import TEMPLATE

PARAMETER = TEMPLATE["Parameters"]["PublicUrl"]


@pytest.mark.parametrize(
    ("url", "base_path"),
    [
        ("", ""),
        ("none", ""),
        ("https://api.example.com", ""),
        ("https://api.example.com/images", "/images"),
        ("https://API.example.com/a/b-c_d.e", "/a/b-c_d.e"),
        ("http://127.0.0.1:3000/v1", "/v1"),
    ],
)
def test_the_path_of_the_url_is_the_base_path(url: str, base_path: str) -> None:
    assert re.fullmatch(PARAMETER["AllowedPattern"], url)
    assert replace(settings(), api_url=url).base_path == base_path


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
    _, *either = TEMPLATE["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"]["Fn::If"]

    assert parameter["Type"] == "CommaDelimitedList"
    assert [cors["AllowHeaders"] for cors in either] == [{"Ref": "AllowedHeaders"}] * 2
    assert parameter["Default"].split(",") == [
        "authorization", "content-type", "idempotency-key", "if-none-match",
        "traceparent", "tracestate", "baggage", "sentry-trace",
    ]  # fmt: skip
