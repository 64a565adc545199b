"""The function unknown_path: its answers, and what it does not import."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests.aws import CONTEXT, ROOT, TEMPLATE, handler_of
from tests.builders import call_api, http_event
from tests.contract import must_be_as_described
from tests.integration.api.calls import assert_is_problem
from tests.integration.api.test_routes import UNKNOWN_PATHS, UNSUPPORTED_METHODS
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")

# Requests for these paths always match the route ANY /webhooks/replicate.
OTHER_FUNCTIONS_PATHS = {"/webhooks/replicate"}
ROUTES = [
    (properties["Method"], properties["Path"])
    for resource in TEMPLATE["Resources"].values()
    if resource["Type"] == "AWS::Serverless::Function"
    for event in resource["Properties"].get("Events", {}).values()
    if event["Type"] == "HttpApi" and "Path" in (properties := event["Properties"])
]


def request(method: str, path: str, *, user: str | None = None) -> dict[str, Any]:
    response: dict[str, Any] = handler_of("unknown_path")(
        http_event(method, path, user=user), CONTEXT
    )
    return response


def test_it_answers_unknown_paths_and_methods_as_the_api_does(subtests: pytest.Subtests) -> None:
    unknown = [("GET", path) for path in UNKNOWN_PATHS if path not in OTHER_FUNCTIONS_PATHS]
    for method, path in unknown + [(method, path) for method, path, _ in UNSUPPORTED_METHODS]:
        with subtests.test(method=method, path=path):
            response = request(method, path)

            document = json.loads(response["body"])
            assert (response["statusCode"], document, response["headers"]) == call_api(
                method, path, user=None
            )
            must_be_as_described(
                method, path, response["statusCode"], response["headers"], response["body"]
            )
            assert_is_problem(response["statusCode"], document, response["headers"])


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=" ".join)
def test_it_knows_each_route_of_the_template(method: str, path: str) -> None:
    response = request("TRACE", re.sub(r"\{\w+\}", "a#b%é", path))

    assert response["statusCode"] == 405
    assert method in ("ANY", *response["headers"]["Allow"].split(", "))


def test_a_method_that_another_function_serves_is_allowed() -> None:
    response = request("GET", "/uploads/x/complete")

    assert (response["statusCode"], response["headers"]["Allow"]) == (405, "POST")


def test_a_preflight_of_a_known_path_succeeds() -> None:
    response = request("OPTIONS", "/jobs")

    assert (response["statusCode"], response["headers"]["Allow"]) == (204, "GET, POST")
    assert request("OPTIONS", "/nothing")["statusCode"] == 404


@pytest.mark.parametrize("path", ["/nothing", "/images/v1/nothing", "/images/v1/jobs", "/jobs"])
def test_it_answers_a_custom_domain_with_a_base_path_as_the_api_does(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_setting(monkeypatch, "API_URL", "https://api.example.com/images/v1")
    event = http_event("PUT", path, user=None) | {"routeKey": "$default"}
    event["requestContext"] |= {"domainName": "api.example.com", "apiId": "id"}
    status = 404 if path.endswith("nothing") else 405

    of_the_api, response = (handler_of(name)(event, CONTEXT) for name in ("api", "unknown_path"))

    assert json.loads(response["body"])["type"].startswith("/images/v1/problems/")
    assert response["statusCode"] == status
    assert {name: response[name] for name in ("statusCode", "body", "headers")} == {
        name: of_the_api[name] for name in ("statusCode", "body", "headers")
    }


def test_a_refusal_is_one_line_and_a_metric(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    request("GET", "/nothing")

    (line,) = [vars(each) for each in caplog.records if each.message == "request refused"]
    assert {name: line[name] for name in ("problem", "status", "account", "method")} == {
        "problem": "not-found",
        "status": 404,
        "account": None,
        "method": "GET",
    }
    assert capsys.readouterr().out.count('"RequestsRefused":[1.0]') == 1


def test_it_imports_no_aws_sdk_no_validation_and_no_tracer() -> None:
    code = "import handler, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    paths = f"{ROOT}/functions/unknown_path:{ROOT}/shared"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )

    imported = set(ran.stdout.split())
    assert "darkroom" in imported
    assert not imported & {"aws_xray_sdk", "boto3", "jsonschema", "pydantic", "pynamodb"}
