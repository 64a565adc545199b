"""The sample events in events/ have the shapes that AWS sends."""

from __future__ import annotations

import json
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
    keys_of,
    messages_in,
    sample,
    sample_job,
    take,
)


def test_each_function_has_a_sample_event() -> None:
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}

    assert {name.partition("/")[0] for name in SAMPLES} == functions


def test_sample_events_describe_one_job() -> None:
    names = {
        (event["account"], event["job_id"])
        for name in SAMPLES
        if "job_id" in (event := sample(name))
    }
    ended = json.loads(sample("notify_client/job_ended")["Records"][0]["body"])["detail"]
    called = Reference.parse(
        sample("receive_prediction/replicate_calls")["queryStringParameters"]["job"]
    )

    assert names == {(str(ACCOUNT), JOB_ID)}
    assert (ended["account"], ended["job_id"]) == (str(ACCOUNT), JOB_ID)
    assert (called.account, called.job_id) == (ACCOUNT, JOB_ID)


@pytest.mark.parametrize("state", STATES)
def test_sample_events_have_the_fields_that_their_state_passes(state: str) -> None:
    parameters = STATES[state]["Parameters"]
    function = TEMPLATE["Resources"]["Workflow"]["Properties"]["DefinitionSubstitutions"][
        parameters["FunctionName"].strip("${}")
    ]
    folder = folder_of(function["Ref"].removesuffix(".Alias"))
    passed = {name.removesuffix(".$") for name in parameters["Payload"]}

    events = [sample(name) for name in SAMPLES if name.startswith(f"{folder}/")]

    assert events
    assert all(set(event) == passed for event in events)


@pytest.mark.parametrize("name", HTTP_SAMPLES)
def test_http_samples_match_a_route_of_the_template(name: str) -> None:
    event = sample(name)
    request = APIGatewayProxyEventV2Model.model_validate(event)
    functions = [
        resource["Properties"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    endpoints = [
        route["Properties"]
        for function in functions
        if function["CodeUri"] == f"functions/{name.partition('/')[0]}/"
        for route in function["Events"].values()
    ]
    method, path = request.routeKey.split()
    [route] = [
        route
        for route in endpoints
        if route.get("Path") == path and route.get("Method") in (method, "ANY")
    ]
    authorizer = request.requestContext.authorizer

    assert request.version == "2.0"
    assert event["requestContext"]["routeKey"] == request.routeKey
    assert (request.requestContext.http.method, request.requestContext.http.path) == (
        method,
        request.rawPath,
    )
    assert path.format(**(request.pathParameters or {})) == request.rawPath
    assert all(header == header.lower() for header in request.headers)
    assert unquote(request.rawQueryString) == "&".join(
        f"{key}={value}" for key, value in (request.queryStringParameters or {}).items()
    )
    assert ("body" in event) == (method == "POST")
    assert (authorizer is None) == (route.get("Auth") == {"Authorizer": "NONE"})
    if authorizer and authorizer.jwt:
        assert all(isinstance(claim, str) for claim in authorizer.jwt.claims.values())


def test_queue_sample_has_the_fields_of_a_delivered_event(queue: str) -> None:
    sample_job()
    take("refund_job/provider_unavailable")
    [delivered] = messages_in(queue)

    [record] = SqsModel.model_validate(sample("notify_client/job_ended")).Records
    body = json.loads(str(record.body))

    EventBridgeModel.model_validate(body)
    # The bus of AWS says whose account it is; moto's does not.
    assert keys_of(body) == keys_of({"account": "", **delivered})


def test_schedule_sample_comes_from_the_scheduler() -> None:
    event = sample("recover_jobs/every_minute")

    assert EventBridgeModel.model_validate(event).source == "aws.scheduler"
    assert event["detail"] == "{}"
