"""The API's description of itself: valid, whole, and the same as the template and the code."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from darkroom.api import openapi
from darkroom.api.other_routes import ROUTES_OF_OTHER_FUNCTIONS, Operation
from darkroom.api.problems import PROBLEMS
from functions.api import handler as api
from functions.prepare_upload import handler as prepare_upload
from functions.receive_prediction import handler as receive_prediction
from tests.aws import ROOT, TEMPLATE
from tests.contract import NotAsDescribed, description, must_be_as_described

DOCUMENT = description()
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
EVENTS = [
    event["Properties"]
    for resource in TEMPLATE["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
    for event in resource["Properties"].get("Events", {}).values()
    if event["Type"] == "HttpApi" and "Path" in event["Properties"]
]
# Every method of the webhook's path leads to its function, which takes one of them.
ROUTES = {
    ("POST" if event["Method"] == "ANY" else event["Method"], event["Path"]): event
    for event in EVENTS
}
PROBLEM = {
    "type": "/problems/not-found",
    "title": "t",
    "status": 404,
    "detail": "d",
    "retryable": False,
    "charged": 0,
}


def test_is_valid_openapi_3_1() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert DOCUMENT["openapi"].startswith("3.1")


def test_names_every_route_of_the_template_and_no_other() -> None:
    assert OPERATIONS.keys() == ROUTES.keys()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_a_route_that_needs_a_token_says_so(route: tuple[str, str]) -> None:
    is_public = ROUTES[route].get("Auth") == {"Authorizer": "NONE"}

    assert OPERATIONS[route].get("security", DOCUMENT["security"]) == (
        [] if is_public else [{"bearer": []}]
    )
    assert (
        DOCUMENT["components"]["securitySchemes"]["bearer"] | {"type": "http", "scheme": "bearer"}
        == DOCUMENT["components"]["securitySchemes"]["bearer"]
    )
    assert ("401" in OPERATIONS[route]["responses"]) is not is_public or route[1].startswith(
        "/webhooks"
    )


@pytest.mark.parametrize("route", OPERATIONS, ids=" ".join)
def test_every_operation_has_a_name_a_sentence_and_a_known_tag(route: tuple[str, str]) -> None:
    operation = OPERATIONS[route]

    assert re.fullmatch("[a-z_]+", operation["operationId"])
    assert operation["summary"].endswith(".")
    assert {tag["name"] for tag in DOCUMENT["tags"]} >= set(operation["tags"])
    assert {
        parameter["name"]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    } == set(re.findall(r"\{(\w+)\}", route[1]))
    assert all(
        parameter.get("description")
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query"
    )


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("route", OPERATIONS, ids=" ".join)
def test_every_refusal_is_a_problem_of_the_table(route: tuple[str, str]) -> None:
    statuses = {problem.type: problem.status.value for problem in PROBLEMS.values()}

    for status, response in OPERATIONS[route]["responses"].items():
        content = response.get("content", {})
        for problem_type in (
            content.get("application/problem+json", {})
            .get("schema", {})
            .get("properties", {})
            .get("type", {})
            .get("enum", ())
        ):
            assert statuses[problem_type] == int(status)


@pytest.mark.parametrize("route", ROUTES_OF_OTHER_FUNCTIONS, ids=lambda route: route.path)
def test_what_another_function_serves_is_described_in_its_own_words(route: Operation) -> None:
    served = [
        found
        for module in (prepare_upload, receive_prediction)
        for found in (*module.app._static_routes, *module.app._dynamic_routes)
    ]

    (function,) = [
        found.func
        for found in served
        if (found.method.lower(), found.openapi_path) == (route.method, route.path)
    ]
    assert (route.name, route.text) == (function.__name__, function.__doc__)


def test_powertools_own_refusals_are_not_in_it() -> None:
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)


def test_tells_the_limits_of_what_may_be_asked() -> None:
    parameters = {
        parameter["name"]: parameter for parameter in OPERATIONS["GET", "/jobs"]["parameters"]
    }
    submit = {
        parameter["name"]: parameter["schema"]
        for parameter in OPERATIONS["POST", "/jobs"]["parameters"]
    }

    assert parameters["limit"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 20,
    }
    assert parameters["cursor"]["schema"] == {"type": "string", "maxLength": 200}
    assert parameters["status"]["schema"] == {"$ref": "#/components/schemas/JobStatus"}
    assert submit == {"Idempotency-Key": {"type": "string", "pattern": "^[\\x20-\\x7e]{1,255}$"}}
    assert OPERATIONS["GET", "/jobs/{job_id}"]["parameters"][1]["name"] == "If-None-Match"


def test_tells_what_may_be_null_and_what_is_a_time_or_a_link() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["Job"]["properties"]["finished_at"]["anyOf"] == [
        {"$ref": "#/components/schemas/Time"},
        {"type": "null"},
    ]
    assert schemas["Job"]["properties"]["created_at"] == {"$ref": "#/components/schemas/Time"}
    assert (schemas["Time"]["format"], schemas["Url"]["format"]) == ("date-time", "uri")
    assert schemas["JobStatus"]["enum"] == [
        "pending",
        "processing",
        "completed",
        "failed",
        "canceled",
    ]
    assert "deadline_exceeded" in schemas["FailureCode"]["enum"]


def test_has_the_version_of_the_package() -> None:
    assert (
        DOCUMENT["info"]["version"]
        == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
        == openapi.VERSION
    )


def test_is_made_once_and_only_when_it_is_requested() -> None:
    assert openapi.document_text(api.app) is openapi.document_text(api.app)
    assert json.loads(openapi.document_text(api.app)) == DOCUMENT


def test_an_answer_as_it_is_described_is_taken() -> None:
    must_be_as_described(
        "GET", "/health", 200, {"Content-Type": "application/json"}, '{"status":"ok"}'
    )
    must_be_as_described(
        "GET", "/jobs/1", 404, {"Content-Type": "application/problem+json"}, json.dumps(PROBLEM)
    )
    must_be_as_described(
        "GET", "/nothing", 404, {"Content-Type": "application/problem+json"}, json.dumps(PROBLEM)
    )


@pytest.mark.parametrize(
    ("status", "headers", "document"),
    [
        (201, {}, {"status": "ok"}),
        (200, {"Content-Type": "text/plain"}, {"status": "ok"}),
        (200, {"Location": "/"}, {"status": "ok"}),
        (200, {}, {"status": 1}),
        (200, {}, {}),
        (200, {}, {"status": "ok", "secret": 1}),
    ],
    ids=["status", "media type", "header", "type", "missing", "more"],
)
def test_an_answer_that_is_not_as_described_is_noticed(
    status: int, headers: dict[str, str], document: dict[str, Any]
) -> None:
    with pytest.raises(NotAsDescribed):
        must_be_as_described(
            "GET",
            "/health",
            status,
            {"Content-Type": "application/json"} | headers,
            json.dumps(document),
        )


def test_a_problem_that_a_route_does_not_name_is_noticed() -> None:
    with pytest.raises(NotAsDescribed):
        must_be_as_described(
            "GET",
            "/jobs/1",
            404,
            {"Content-Type": "application/problem+json"},
            json.dumps(PROBLEM | {"type": "/problems/another"}),
        )
