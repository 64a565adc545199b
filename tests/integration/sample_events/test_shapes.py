"""The sample events in events/ have the shapes that AWS sends."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import pytest
from aws_lambda_powertools.utilities.parser.models import (
    APIGatewayProxyEventV2Model,
    EventBridgeModel,
    SqsModel,
)

from darkroom.domain.references import Reference
from tests.aws import ROOT, TEMPLATE, folder_of
from tests.integration.sample_events.samples import (
    ACCOUNT,
    HTTP_SAMPLES,
    JOB_ID,
    SAMPLES,
    STATES,
    field_names,
    invoke_with_sample,
    messages_in,
    sample,
    sample_job,
)


def test_each_function_has_a_sample_event() -> None:
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}

    assert {name.partition("/")[0] for name in SAMPLES} == functions


def test_sample_events_describe_one_job() -> None:
    with_a_job = [event for event in map(sample, SAMPLES) if "job_id" in event]
    message = json.loads(sample("notify_client/job_ended")["Records"][0]["body"])["detail"]
    webhook = sample("receive_prediction/replicate_calls")
    reference = Reference.parse(webhook["queryStringParameters"]["job"])

    assert {(event["account"], event["job_id"]) for event in with_a_job} == {(str(ACCOUNT), JOB_ID)}
    assert (message["account"], message["job_id"]) == (str(ACCOUNT), JOB_ID)
    assert (reference.account, reference.job_id) == (ACCOUNT, JOB_ID)


def test_sample_events_have_the_fields_that_their_state_passes(subtests: pytest.Subtests) -> None:
    functions = TEMPLATE["Resources"]["Workflow"]["Properties"]["DefinitionSubstitutions"]

    for state, definition in STATES.items():
        with subtests.test(state=state):
            parameters = definition["Parameters"]
            function = functions[parameters["FunctionName"].strip("${}")]
            folder = folder_of(function["Ref"].removesuffix(".Alias"))
            fields = {name.removesuffix(".$") for name in parameters["Payload"]}

            events = [sample(name) for name in SAMPLES if name.startswith(f"{folder}/")]

            assert events
            assert all(set(event) == fields for event in events)


def test_http_samples_match_a_route_of_the_template(subtests: pytest.Subtests) -> None:
    assert HTTP_SAMPLES
    for name in HTTP_SAMPLES:
        with subtests.test(sample=name):
            assert_matches_a_route(sample(name), function=name.partition("/")[0])


def assert_matches_a_route(event: Any, *, function: str) -> None:
    request = APIGatewayProxyEventV2Model.model_validate(event)
    if request.routeKey == "$default":
        method, path = str(request.requestContext.http.method), request.rawPath
        [route] = [route for route in routes_of(function) if "Path" not in route]
    else:
        method, path = request.routeKey.split()
        [route] = [
            route
            for route in routes_of(function)
            if route.get("Path") == path and route.get("Method") in (method, "ANY")
        ]
    http = request.requestContext.http
    authorizer = request.requestContext.authorizer

    assert request.version == "2.0"
    assert event["requestContext"]["routeKey"] == request.routeKey
    assert (http.method, http.path) == (method, request.rawPath)
    assert path.format(**(request.pathParameters or {})) == request.rawPath
    assert all(header == header.lower() for header in request.headers)
    assert unquote(request.rawQueryString) == "&".join(
        f"{key}={value}" for key, value in (request.queryStringParameters or {}).items()
    )
    assert ("body" in event) == (int(request.headers.get("content-length", 0)) > 0)
    assert (authorizer is None) == (route.get("Auth") == {"Authorizer": "NONE"})
    if authorizer and authorizer.jwt:
        assert all(isinstance(claim, str) for claim in authorizer.jwt.claims.values())


def routes_of(function: str) -> list[dict[str, Any]]:
    """Return the properties of each event of the function in template.yaml."""
    functions = [
        resource["Properties"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    return [
        event["Properties"]
        for properties in functions
        if properties["CodeUri"] == f"functions/{function}/"
        for event in properties["Events"].values()
    ]


def test_queue_sample_has_the_fields_of_a_delivered_event(queue: str) -> None:
    sample_job(callback_url="https://example.com/")
    invoke_with_sample("refund_job/provider_unavailable")
    [delivered] = messages_in(queue)

    [record] = SqsModel.model_validate(sample("notify_client/job_ended")).Records
    body = json.loads(str(record.body))

    EventBridgeModel.model_validate(body)
    # EventBridge adds the AWS account to an event, moto does not.
    assert field_names(body) == field_names({"account": "", **delivered})


def test_schedule_sample_comes_from_the_scheduler() -> None:
    event = sample("recover_jobs/every_minute")

    assert EventBridgeModel.model_validate(event).source == "aws.scheduler"
    assert event["detail"] == "{}"
