"""The local HTTP API behaves like API Gateway: routes, payload format 2.0 and claims."""

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
    """Return the event of a request that matched this route."""
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
def test_prefers_the_most_specific_route(method: str, path: str, key: str) -> None:
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


def test_passes_path_variables_and_matches_no_other_paths() -> None:
    routes = Routes([route("GET /a/{x}/{rest+}")])
    match = routes.find("GET", "/a/1/b/c")

    assert match
    assert match.path_parameters == {"x": "1", "rest": "b/c"}
    assert routes.find("POST", "/a/1/b/c") is None
    assert routes.find("GET", "/a/1") is None
    assert routes.find("GET", "/a/1/") is None


def test_a_path_with_another_number_of_slashes_matches_no_route() -> None:
    routes = Routes([route("GET /jobs/{id}"), route("GET /jobs/new/")])

    for path in ("/jobs", "/jobs/", "//jobs/7", "/jobs//", "/jobs/7/", "/jobs/7/x", "/"):
        assert routes.find("GET", path) is None, path


def test_matches_a_path_with_the_final_slash_of_its_route() -> None:
    routes = Routes([route("GET /jobs/new/"), route("GET /{any}/new")])

    assert [
        match.route.path
        for path in ("/jobs/new/", "/jobs/new")
        if (match := routes.find("GET", path))
    ] == ["/jobs/new/", "/{any}/new"]


def test_a_route_for_get_does_not_match_head() -> None:
    routes = Routes([route("GET /jobs"), route("HEAD /jobs/{id}")])

    assert routes.find("HEAD", "/jobs") is None
    assert routes.find("HEAD", "/jobs/7")


def test_prefers_a_full_match_to_a_greedy_match() -> None:
    match = Routes([route("GET /a/b/{rest+}"), route("ANY /{x}/{y}/{z}")]).find("GET", "/a/b/c")

    assert match
    assert (match.route.key, match.path_parameters) == (
        "ANY /{x}/{y}/{z}",
        {"x": "a", "y": "b", "z": "c"},
    )


def test_prefers_the_longer_of_two_greedy_routes() -> None:
    match = Routes([route("GET /a/{rest+}"), route("GET /a/{x}/{rest+}")]).find("GET", "/a/1//b/")

    assert match
    assert (match.route.key, match.path_parameters) == (
        "GET /a/{x}/{rest+}",
        {"x": "1", "rest": "/b/"},
    )


def test_passes_a_path_variable_unchanged(subtests: pytest.Subtests) -> None:
    for segment in ("a%20b", "a b", "^", "$", "<x>", ".", "ä", "a\n"):
        with subtests.test(segment=segment):
            match = Routes([route("GET /jobs/{id}")]).find("GET", f"/jobs/{segment}")

            assert match
            assert match.path_parameters == {"id": segment}


def test_refuses_paths_that_api_gateway_refuses(subtests: pytest.Subtests) -> None:
    for path in ("/jobs/{id", "/jobs/x-{id}", "/{rest+}/jobs", "/jobs/{a-b}", "/jobs/<id>"):
        with subtests.test(path=path), pytest.raises(ValueError, match="path variable"):
            Routes([route(f"GET {path}")])


def test_converts_a_request_to_an_event_of_payload_format_2() -> None:
    headers = {"X-Mixed-Case": "Kept", "Cookie": "one=1; two=2"}
    built_event = event(
        "/echo/a%20b",
        parameters={"id": "a b"},
        query_string="x=1&x=2&y=%20",
        method="POST",
        json={"k": 1},
        headers=headers,
    )

    assert built_event["version"] == "2.0"
    assert built_event["rawPath"] == "/echo/a b"
    assert built_event["rawQueryString"] == "x=1&x=2&y=%20"
    assert built_event["queryStringParameters"] == {"x": "1,2", "y": " "}
    assert built_event["pathParameters"] == {"id": "a b"}
    assert built_event["cookies"] == ["one=1", "two=2"]
    assert built_event["headers"]["x-mixed-case"] == "Kept"
    assert "cookie" not in built_event["headers"]
    assert json.loads(built_event["body"]) == {"k": 1}
    assert built_event["requestContext"]["authorizer"] == {
        "jwt": {"claims": {"sub": "ann"}, "scopes": None}
    }
    assert built_event["requestContext"]["http"]["method"] == "POST"


def test_omits_missing_parts_of_a_request_from_the_event() -> None:
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
def test_encodes_a_body_in_base64_unless_its_type_is_text(
    content_type: str, *, encoded: bool
) -> None:
    built_event = event(method="POST", data=b"abc", content_type=content_type)

    assert built_event["isBase64Encoded"] is encoded
    assert built_event["body"] == (base64.b64encode(b"abc").decode() if encoded else "abc")


def test_passes_a_response_with_a_status_code_unchanged() -> None:
    document = {
        "statusCode": 418,
        "headers": {"X-A": "b", "content-type": "image/png"},
        "cookies": ["a=1", "b=2"],
    }
    response = response_of(
        json.dumps(
            {**document, "body": base64.b64encode(b"\x89").decode(), "isBase64Encoded": True}
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
def test_uses_a_response_without_a_status_code_as_the_body_of_a_200(
    payload: bytes, body: bytes
) -> None:
    response = response_of(payload)

    assert (response.status_code, response.data, response.content_type) == (
        200,
        body,
        "application/json",
    )


def test_refuses_malformed_responses(subtests: pytest.Subtests) -> None:
    for response in (
        {"statusCode": "fine"},
        {"statusCode": 99},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
    ):
        with subtests.test(response=response), pytest.raises(MalformedResponse):
            response_of(json.dumps(response).encode())


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
def test_converts_claims_to_text(claim: object, text: str) -> None:
    assert claim_text(claim) == text


def test_sends_cors_headers_to_an_allowed_origin_only() -> None:
    cors = Cors(
        {
            "allowOrigins": ["http://gallery.test"],
            "allowMethods": ["GET"],
            "exposeHeaders": ["etag"],
        }
    )
    allowed_origins = {}
    for origin in ("http://gallery.test", "http://evil.test"):
        response = response_of(
            b'{"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "http://evil.test"}}'
        )
        cors.add_headers(
            Request(EnvironBuilder(headers=Headers({"Origin": origin})).get_environ()), response
        )
        allowed_origins[origin] = response.headers.get("Access-Control-Allow-Origin")

    assert allowed_origins == {
        "http://gallery.test": "http://gallery.test",
        "http://evil.test": None,
    }
