"""The sample events in events/ have the shapes that AWS sends, and every function takes its own."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

import boto3
import pytest
import requests
from aws_lambda_powertools.utilities.parser.models import (
    APIGatewayProxyEventV2Model,
    EventBridgeModel,
    SqsModel,
)
from samcli.yamlhelper import yaml_parse
from standardwebhooks import Webhook

from darkroom import catalog
from darkroom.domain.accounts import AccountId, Balance
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import Attempt, Job, JobStatus
from darkroom.domain.references import Reference
from darkroom.services import callbacks
from darkroom.storage import jobs, ledger
from darkroom.storage.job_rows import CheckQueue
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, ROOT, TEMPLATE, folder_of, handler_of
from tests.builders import image_job, open_account, stored, until
from tests.integration.steps import due_job_ids

EVENTS = ROOT / "events"
SAMPLES = sorted(f"{path.parent.name}/{path.stem}" for path in EVENTS.glob("*/*.json"))
HTTP_SAMPLES = [sample for sample in SAMPLES if sample.startswith(("api/", "receive_prediction/"))]
STATES = {
    name: state
    for name, state in yaml_parse((ROOT / "workflow.asl.yaml").read_text())["States"].items()
    if state["Type"] == "Task"
}

FIRST_ENTRY = "request_prediction/first_entry"
PREDICTION_FINISHED = "store_output/prediction_finished"


def sample(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


ACCOUNT = AccountId.parse(sample(FIRST_ENTRY)["account"])
JOB_ID: str = sample(FIRST_ENTRY)["job_id"]


def take(name: str, event: Any = None) -> Any:
    """Give a sample event, or what a test made of it, to the function in whose folder it lies."""
    return handler_of(name.partition("/")[0])(event or sample(name), CONTEXT)


def sample_job(*, callback_url: str | None = None, age: timedelta = timedelta()) -> Job:
    """The job that the samples are about: its credits are held, and nothing else has happened to it."""
    job = replace(
        image_job(account=open_account(100, ACCOUNT), now=datetime.now(UTC) - age),
        job_id=JOB_ID,
        callback_url=callback_url,
    )
    return ledger.hold(job, key=None, now=job.created_at)[0]


def predictions_at(replicate: SimulatedReplicate) -> list[dict[str, Any]]:
    created: list[dict[str, Any]] = requests.get(
        f"{replicate.base_url}/sim/predictions", timeout=5
    ).json()["predictions"]
    return created


def generated_job(replicate: SimulatedReplicate) -> Job:
    """The samples' job, after its prediction was asked for and has succeeded."""
    job = sample_job()
    take(FIRST_ENTRY)
    until(lambda: predictions_at(replicate)[0]["status"] == "succeeded")
    return job


def keys_of(document: Any) -> Any:
    """The names in a document, however deep, without the values."""
    return (
        {name: keys_of(value) for name, value in document.items()}
        if isinstance(document, dict)
        else None
    )


@pytest.fixture
def queue(aws: None) -> str:
    """The URL of a queue behind the bus, by the template's own rule."""
    sqs, events = boto3.client("sqs"), boto3.client("events")
    url: str = sqs.create_queue(QueueName="callbacks")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    bus, pattern = (
        os.environ["EVENT_BUS_NAME"],
        TEMPLATE["Resources"]["JobsEnded"]["Properties"]["EventPattern"],
    )
    events.put_rule(Name="jobs-ended", EventBusName=bus, EventPattern=json.dumps(pattern))
    events.put_targets(
        Rule="jobs-ended", EventBusName=bus, Targets=[{"Id": "callbacks", "Arn": arn}]
    )
    return url


def messages_in(queue: str) -> list[Any]:
    """The events that lie in the queue, as EventBridge wrote them."""
    received = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in received.get("Messages", [])]


@pytest.fixture
def calls() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Somebody's own URL, and what was sent to it: headers and bodies."""
    received: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/darkroom", received
        server.shutdown()


def test_every_function_has_a_sample_event_and_every_sample_event_a_function() -> None:
    functions = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}

    assert {name.partition("/")[0] for name in SAMPLES} == functions


def test_the_sample_events_tell_of_one_job() -> None:
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
def test_a_sample_event_has_what_its_state_passes(state: str) -> None:
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
def test_a_sample_event_is_a_request_on_a_route_of_the_template(name: str) -> None:
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


def test_the_sample_of_the_queue_is_what_the_bus_puts_into_it(queue: str) -> None:
    sample_job()
    take("refund_job/provider_unavailable")
    [delivered] = messages_in(queue)

    [record] = SqsModel.model_validate(sample("notify_client/job_ended")).Records
    body = json.loads(str(record.body))

    EventBridgeModel.model_validate(body)
    # The bus of AWS says whose account it is; moto's does not.
    assert keys_of(body) == keys_of({"account": "", **delivered})


def test_the_sample_of_the_schedule_is_what_the_scheduler_sends() -> None:
    event = sample("recover_jobs/every_minute")

    assert EventBridgeModel.model_validate(event).source == "aws.scheduler"
    assert event["detail"] == "{}"


def test_the_sample_submission_is_accepted(aws: None) -> None:
    open_account(100, ACCOUNT)

    answer = take("api/submit_job")
    job = json.loads(answer["body"])

    assert answer["statusCode"] == 202
    assert answer["headers"]["Location"] == f"/jobs/{job['id']}"
    assert (job["status"], job["credits"]["held"]) == ("pending", 10)
    assert ledger.balance(ACCOUNT) == Balance(
        available=90, held=10, granted=100, in_flight=1, jobs_total=1
    )


def test_the_sample_submission_without_credits_is_refused(aws: None) -> None:
    assert take("api/submit_job")["statusCode"] == 402
    assert ledger.balance(ACCOUNT) == Balance()


def test_the_sample_request_for_templates_is_answered_with_the_catalog(aws: None) -> None:
    answer = take("api/list_templates")

    assert answer["statusCode"] == 200
    assert [template["code"] for template in json.loads(answer["body"])["templates"]] == list(
        catalog.templates()
    )


def test_the_sample_grant_gives_credits_once(aws: None) -> None:
    assert [take("api/grant_credits")["statusCode"] for _ in range(2)] == [201, 200]
    assert ledger.balance(ACCOUNT) == Balance(available=100, granted=100)


def test_the_sample_grant_by_somebody_who_is_no_admin_is_refused(aws: None) -> None:
    event = sample("api/grant_credits")
    event["requestContext"]["authorizer"]["jwt"]["claims"]["cognito:groups"] = "[not-admin users]"

    assert take("api/grant_credits", event)["statusCode"] == 403
    assert ledger.balance(ACCOUNT) == Balance()


def test_the_sample_state_entry_creates_one_prediction_however_often_it_comes(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = sample_job()

    take(FIRST_ENTRY)
    take(FIRST_ENTRY)

    [prediction] = predictions_at(simulated_replicate)
    asked = stored(job)
    assert [attempt.prediction_id for attempt in asked.attempts] == [prediction["id"]]
    assert (asked.status, asked.task_token) == (
        JobStatus.PROCESSING,
        sample(FIRST_ENTRY)["task_token"],
    )


def begun_attempt(job: Job) -> Attempt:
    now = datetime.now(UTC)
    attempt = jobs.begin_attempt(job, "entry", lease_until=now, now=now)
    assert attempt
    return attempt


def sent_now(event: dict[str, Any], attempt: Attempt, secret: str) -> dict[str, Any]:
    """The event as if Replicate had just sent it, signed with this secret, to the URL that was made for this attempt."""
    now = datetime.now(UTC)
    reference = str(Reference(ACCOUNT, JOB_ID, attempt.nonce))
    url = f"https://{event['requestContext']['domainName']}{event['rawPath']}?job={quote(reference, safe='')}"
    body = json.dumps(json.loads(event["body"]) | {"webhook": url})
    signature = Webhook(secret).sign(event["headers"]["webhook-id"], now, body)
    headers = event["headers"] | {
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return event | {
        "body": body,
        "headers": headers,
        "rawQueryString": f"job={quote(reference, safe='')}",
        "queryStringParameters": {"job": reference},
    }


def test_the_sample_webhook_is_not_believed_because_its_signature_is_not_ours(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = sample_job()
    begun_attempt(job)
    before = stored(job)

    assert take("receive_prediction/replicate_calls")["statusCode"] == 401
    assert stored(job) == before


def test_the_sample_webhook_is_recorded_when_it_is_signed(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = sample_job()
    event = sent_now(
        sample("receive_prediction/replicate_calls"),
        begun_attempt(job),
        simulated_replicate.webhook_secret,
    )

    answer = take("receive_prediction/replicate_calls", event)

    recorded = stored(job)
    assert answer["statusCode"] == 200
    assert recorded.attempt
    assert (recorded.status, recorded.attempt.prediction_id) == (
        JobStatus.PROCESSING,
        json.loads(event["body"])["id"],
    )
    assert recorded.attempt.finished_at


def test_the_sample_of_a_finished_prediction_is_stored(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = generated_job(simulated_replicate)

    take(PREDICTION_FINISHED)

    [output] = stored(job).outputs
    listed = boto3.client("s3").list_objects_v2(Bucket=os.environ["MEDIA_BUCKET"])["Contents"]
    assert {found["Key"]: found["Size"] for found in listed}[output.key] == output.bytes
    assert {found["Key"] for found in listed} == {output.key, output.thumbnail_key}


def test_the_sample_of_stored_outputs_completes_the_job(
    simulated_replicate: SimulatedReplicate,
) -> None:
    job = generated_job(simulated_replicate)
    take(PREDICTION_FINISHED)

    take("complete_job/outputs_stored")

    ended = stored(job)
    assert (ended.status, ended.charged, ended.refunded) == (JobStatus.COMPLETED, 10, 0)
    assert ledger.balance(ACCOUNT) == Balance(available=90, spent=10, granted=100, jobs_total=1)


def test_the_sample_of_a_failure_gives_the_credits_back(aws: None) -> None:
    job = sample_job()

    assert take("refund_job/provider_unavailable") == {"fault": True}

    ended = stored(job)
    assert ended.failure
    assert (ended.status, ended.failure.code) == (
        JobStatus.FAILED,
        FailureCode.PROVIDER_UNAVAILABLE,
    )
    assert (ended.charged, ended.refunded) == (0, 10)
    assert ledger.balance(ACCOUNT) == Balance(available=100, granted=100, jobs_total=1)


def test_the_sample_message_calls_the_callers_url(
    aws: None, calls: tuple[str, list[tuple[dict[str, str], bytes]]]
) -> None:
    url, received = calls
    sample_job(callback_url=url)
    ledger.resolve(ACCOUNT, JOB_ID, now=datetime.now(UTC))

    answer = take("notify_client/job_ended")

    [(headers, body)] = received
    document = Webhook(callbacks.secrets_of(ACCOUNT, now=datetime.now(UTC)).current).verify(
        body, headers
    )
    assert answer == {"batchItemFailures": []}
    assert (document["type"], document["data"]["id"]) == ("job.failed", JOB_ID)


def test_the_sample_minute_announces_a_job_that_ended_unheard(queue: str) -> None:
    job = sample_job(age=timedelta(minutes=2))
    ledger.resolve(ACCOUNT, JOB_ID, now=datetime.now(UTC))
    assert messages_in(queue) == []

    take("recover_jobs/every_minute")

    [announced] = messages_in(queue)
    assert (announced["detail-type"], announced["detail"]["id"]) == (
        "job.failed",
        f"{job.job_id}.failed",
    )
    assert due_job_ids(CheckQueue.OPEN, now=datetime.now(UTC) + timedelta(days=1)) == []
