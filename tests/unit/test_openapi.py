"""The OpenAPI document: valid, complete, and equal to the template and the code."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from darkroom.api.problem_types import PROBLEMS
from tests.aws import ROOT, TEMPLATE
from tests.contract import NotAsDescribed, description, must_be_as_described
from tools.openapi import DOCUMENT as DOCUMENT_FILE
from tools.openapi import document_text

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
# The event of the webhook has every method of the path. The function accepts POST only.
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


def test_the_committed_document_is_what_the_code_makes() -> None:
    assert DOCUMENT_FILE.read_text() == document_text(), "run `make openapi` and commit the result"
    assert (ROOT / "docs/openapi.json").read_text() == DOCUMENT_FILE.read_text()


def test_is_valid_openapi_3_1() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []
    assert DOCUMENT["openapi"].startswith("3.1")


def test_has_every_route_of_the_template_and_no_other() -> None:
    assert OPERATIONS.keys() == ROUTES.keys()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_only_public_routes_have_no_security(route: tuple[str, str]) -> None:
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
def test_every_operation_has_a_name_texts_and_a_known_tag(route: tuple[str, str]) -> None:
    operation = OPERATIONS[route]

    assert re.fullmatch("[a-z_]+", operation["operationId"])
    assert operation["summary"][0].isupper()
    assert not operation["summary"].endswith(".")
    assert operation["description"].endswith(".")
    assert {tag["name"] for tag in DOCUMENT["tags"]} >= set(operation["tags"])
    assert {
        parameter["name"]
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    } == set(re.findall(r"\{(\w+)\}", route[1]))
    assert all(parameter["description"] for parameter in operation.get("parameters", ()))


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("route", OPERATIONS, ids=" ".join)
def test_every_error_response_has_problem_types_of_its_status(route: tuple[str, str]) -> None:
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


def test_has_no_error_response_of_powertools() -> None:
    assert "HTTPValidationError" not in json.dumps(DOCUMENT)


def test_parameters_have_their_limits() -> None:
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
    assert parameters["status"]["schema"] == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/JobStatus"},
    }
    for name in ("created_after", "created_before"):
        assert parameters[name]["schema"] == {"type": "string", "format": "date-time"}
    assert submit == {"Idempotency-Key": {"type": "string", "pattern": "^[\\x20-\\x7e]{1,255}$"}}
    names = [each["name"] for each in OPERATIONS["GET", "/jobs/{job_id}"]["parameters"]]
    assert names == ["job_id", "include", "If-None-Match"]


def test_schemas_have_null_times_and_links() -> None:
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
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert DOCUMENT["info"]["version"] == project["version"]


def test_the_contract_accepts_a_described_response() -> None:
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
def test_the_contract_refuses_an_undescribed_response(
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


def test_the_contract_refuses_an_undescribed_problem() -> None:
    with pytest.raises(NotAsDescribed):
        must_be_as_described(
            "GET",
            "/jobs/1",
            404,
            {"Content-Type": "application/problem+json"},
            json.dumps(PROBLEM | {"type": "/problems/another"}),
        )
