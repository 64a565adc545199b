"""The local HTTP API behaves as API Gateway does: routes, payload format 2.0, claims."""

import base64
import json
from typing import Any

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from local.api_gateway.cors import Cors
from local.api_gateway.jwt_authorizer import Identity, claim_text
from local.api_gateway.payloads import MalformedResponse, event_of, response_of
from local.api_gateway.routes import Match, Route, Routes


def route(key: str) -> Route:
    method, _, path = key.partition(" ")
    return Route(key, "ANY" if key == "$default" else method, path or key, "api", None)


def event(
    path: str = "/echo",
    matched: str = "POST /echo",
    parameters: dict[str, str] | None = None,
    **request: Any,
) -> dict[str, Any]:
    built = Request(EnvironBuilder(path=path, **request).get_environ())
    return event_of(
        built,
        Match(route(matched), parameters or {}),
        Identity({"sub": "ann"}, None),
        api_id="api",
        stage="$default",
    )


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("GET", "/jobs/new", "GET /jobs/new"),
        ("GET", "/jobs/7", "GET /jobs/{id}"),
        ("GET", "/jobs/7/files/a/b", "GET /jobs/{id}/{proxy+}"),
        ("DELETE", "/jobs/7", "ANY /jobs/{id}"),
        ("GET", "/jobs/7/", "$default"),
        ("GET", "/jobs", "$default"),
        ("POST", "/elsewhere", "$default"),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, key: str) -> None:
    keys = [
        "$default",
        "GET /jobs/{id}/{proxy+}",
        "ANY /jobs/{id}",
        "GET /jobs/{id}",
        "GET /jobs/new",
    ]
    match = Routes([route(key) for key in keys]).find(method, path)

    assert match
    assert match.route.key == key


def test_path_variables_are_passed_and_other_paths_match_no_route() -> None:
    routes = Routes([route("GET /a/{x}/{rest+}")])
    match = routes.find("GET", "/a/1/b/c")

    assert match
    assert match.path_parameters == {"x": "1", "rest": "b/c"}
    assert routes.find("POST", "/a/1/b/c") is None
    assert routes.find("GET", "/a/1") is None
    assert routes.find("GET", "/a/1/") is None


@pytest.mark.parametrize(
    "path", ["/jobs", "/jobs/", "//jobs/7", "/jobs//", "/jobs/7/", "/jobs/7/x", "/"]
)
def test_a_slash_more_or_less_is_another_path_and_never_a_redirect(path: str) -> None:
    assert Routes([route("GET /jobs/{id}"), route("GET /jobs/new/")]).find("GET", path) is None


def test_a_path_with_its_routes_final_slash_matches() -> None:
    routes = Routes([route("GET /jobs/new/"), route("GET /{any}/new")])

    assert [
        match.route.path
        for path in ("/jobs/new/", "/jobs/new")
        if (match := routes.find("GET", path))
    ] == ["/jobs/new/", "/{any}/new"]


def test_a_route_for_get_does_not_take_head() -> None:
    routes = Routes([route("GET /jobs"), route("HEAD /jobs/{id}")])

    assert routes.find("HEAD", "/jobs") is None
    assert routes.find("HEAD", "/jobs/7")


def test_a_full_match_wins_over_a_greedy_one_with_more_literal_segments() -> None:
    match = Routes([route("GET /a/b/{rest+}"), route("ANY /{x}/{y}/{z}")]).find("GET", "/a/b/c")

    assert match
    assert (match.route.key, match.path_parameters) == (
        "ANY /{x}/{y}/{z}",
        {"x": "a", "y": "b", "z": "c"},
    )


def test_of_two_greedy_routes_the_longer_one_wins() -> None:
    match = Routes([route("GET /a/{rest+}"), route("GET /a/{x}/{rest+}")]).find("GET", "/a/1//b/")

    assert match
    assert (match.route.key, match.path_parameters) == (
        "GET /a/{x}/{rest+}",
        {"x": "1", "rest": "/b/"},
    )


@pytest.mark.parametrize("segment", ["a%20b", "a b", "^", "$", "<x>", ".", "ä", "a\n"])
def test_a_path_variable_is_passed_unchanged(segment: str) -> None:
    match = Routes([route("GET /jobs/{id}")]).find("GET", f"/jobs/{segment}")

    assert match
    assert match.path_parameters == {"id": segment}


@pytest.mark.parametrize(
    "path", ["/jobs/{id", "/jobs/x-{id}", "/{rest+}/jobs", "/jobs/{a-b}", "/jobs/<id>"]
)
def test_a_path_that_api_gateway_would_refuse_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="path variable"):
        Routes([route(f"GET {path}")])


def test_a_request_becomes_an_event_of_payload_format_2() -> None:
    headers = {"X-Mixed-Case": "Kept", "Cookie": "one=1; two=2"}
    made = event(
        "/echo/a%20b",
        parameters={"id": "a b"},
        query_string="x=1&x=2&y=%20",
        method="POST",
        json={"k": 1},
        headers=headers,
    )

    assert made["version"] == "2.0"
    assert made["rawPath"] == "/echo/a b"
    assert made["rawQueryString"] == "x=1&x=2&y=%20"
    assert made["queryStringParameters"] == {"x": "1,2", "y": " "}
    assert made["pathParameters"] == {"id": "a b"}
    assert made["cookies"] == ["one=1", "two=2"]
    assert made["headers"]["x-mixed-case"] == "Kept"
    assert "cookie" not in made["headers"]
    assert json.loads(made["body"]) == {"k": 1}
    assert made["requestContext"]["authorizer"] == {
        "jwt": {"claims": {"sub": "ann"}, "scopes": None}
    }
    assert made["requestContext"]["http"]["method"] == "POST"


def test_missing_parts_of_a_request_are_absent_from_the_event() -> None:
    assert (
        event(method="GET")
        .keys()
        .isdisjoint({"body", "cookies", "queryStringParameters", "pathParameters"})
    )


@pytest.mark.parametrize(
    ("content_type", "encoded"),
    [
        ("application/json; charset=utf-8", False),
        ("text/csv", False),
        ("application/problem+json", False),
        ("image/png", True),
    ],
)
def test_a_body_is_base64_unless_its_type_is_text(content_type: str, *, encoded: bool) -> None:
    made = event(method="POST", data=b"abc", content_type=content_type)

    assert made["isBase64Encoded"] is encoded
    assert made["body"] == (base64.b64encode(b"abc").decode() if encoded else "abc")


def test_a_response_with_a_status_code_is_passed_unchanged() -> None:
    answer = {
        "statusCode": 418,
        "headers": {"X-A": "b", "content-type": "image/png"},
        "cookies": ["a=1", "b=2"],
    }
    response = response_of(
        json.dumps(
            {**answer, "body": base64.b64encode(b"\x89").decode(), "isBase64Encoded": True}
        ).encode()
    )

    assert response.status_code == 418
    assert response.data == b"\x89"
    assert response.headers["X-A"] == "b"
    assert response.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert response.content_type == "image/png"


@pytest.mark.parametrize(
    ("payload", "body"), [(b'{"a": 1}', b'{"a":1}'), (b'"text"', b"text"), (b"null", b"null")]
)
def test_a_response_without_a_status_code_is_the_body_of_a_200(payload: bytes, body: bytes) -> None:
    response = response_of(payload)

    assert (response.status_code, response.data, response.content_type) == (
        200,
        body,
        "application/json",
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "fine"},
        {"statusCode": 99},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ],
)
def test_a_malformed_response_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(MalformedResponse):
        response_of(json.dumps(answer).encode())


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        ("a b", "a b"),
        (["admin", "users"], "[admin users]"),
        ([], "[]"),
        (1795355058, "1795355058"),
        (True, "true"),
    ],
)
def test_claims_are_flattened_to_text(claim: object, text: str) -> None:
    assert claim_text(claim) == text


def test_only_an_allowed_origin_gets_cors_headers() -> None:
    cors = Cors(
        {
            "allowOrigins": ["http://gallery.test"],
            "allowMethods": ["GET"],
            "exposeHeaders": ["etag"],
        }
    )
    answers = {}
    for origin in ("http://gallery.test", "http://evil.test"):
        response = response_of(
            b'{"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "http://evil.test"}}'
        )
        cors.add_headers(
            Request(EnvironBuilder(headers=Headers({"Origin": origin})).get_environ()), response
        )
        answers[origin] = response.headers.get("Access-Control-Allow-Origin")

    assert answers == {"http://gallery.test": "http://gallery.test", "http://evil.test": None}
