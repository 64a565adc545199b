"""A table that does not answer, and bugs of our own: the caller is told what is known, and the log and a metric tell us the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from darkroom.domain.errors import WorkflowUnavailable
from darkroom.services import callbacks
from darkroom.storage import jobs, ledger
from tests.aws import TEMPLATE
from tests.builders import ANN, call_api, held_job, open_account
from tests.integration.broken_aws import CONFLICT, THROTTLED, AwsError

pytestmark = pytest.mark.usefixtures("aws")

BODY = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}
KEY = {"idempotency-key": "order 1"}
URL = "https://dynamodb.us-east-1.amazonaws.com"
NO_ANSWER = [
    ReadTimeoutError(endpoint_url=URL),
    ConnectTimeoutError(endpoint_url=URL),
    EndpointConnectionError(endpoint_url=URL),
]
TRANSIENT = [
    *NO_ANSWER,
    *(
        AwsError(code).error("any")
        for code in (
            "ThrottlingException",
            "ProvisionedThroughputExceededException",
            "InternalServerError",
            "RequestLimitExceeded",
        )
    ),
]
OURS = [
    AwsError("AccessDeniedException").error("any"),
    AwsError("ValidationException").error("any"),
    ZeroDivisionError("secret detail"),
]

type Break = Callable[..., None]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Have every call of AWS, or the named ones, raise an error; with `after_effect` it has done what it was asked for before."""
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def break_aws(error: Exception, *operations: str, after_effect: bool = False) -> None:
        def broken_call(client: Any, operation: str, arguments: Any) -> Any:
            if operations and operation not in operations:
                return call(client, operation, arguments)
            if after_effect:
                call(client, operation, arguments)
            raise error

        monkeypatch.setattr(BaseClient, "_make_api_call", broken_call)

    break_aws.mend = lambda: monkeypatch.setattr(BaseClient, "_make_api_call", call)  # type: ignore[attr-defined]
    return break_aws


def name_of(error: Exception) -> str:
    return (
        error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    )


def raising(error: Exception) -> Callable[..., None]:
    def broken(*_: object, **__: object) -> None:
        raise error

    return broken


def metrics_in(output: str) -> list[dict[str, Any]]:
    """The metrics that were printed, as CloudWatch reads them."""
    return [json.loads(line) for line in output.splitlines() if '"_aws"' in line]


@pytest.mark.parametrize(
    "path",
    [
        "/jobs",
        "/credits",
        "/credits/entries",
        "/callbacks/secret",
        "/jobs/01980000-0000-7000-8000-000000000000",
    ],
)
@pytest.mark.parametrize("error", TRANSIENT, ids=name_of)
def test_a_table_that_does_not_answer_is_reported_as_such(
    broken: Break, error: Exception, path: str
) -> None:
    broken(error)

    status, problem, headers = call_api("GET", path)

    assert (status, problem["type"], problem["retryable"]) == (503, "/problems/unavailable", True)
    assert headers["Content-Type"] == "application/problem+json"
    assert int(headers["Retry-After"]) > 0
    assert "charged" not in problem, "nobody knows"


@pytest.mark.parametrize(
    "error", [CONFLICT.error("any"), THROTTLED.error("any"), *TRANSIENT], ids=name_of
)
def test_a_job_that_was_not_written_may_be_requested_again(broken: Break, error: Exception) -> None:
    open_account(100)
    broken(error, "TransactWriteItems")
    status, problem, _ = call_api("POST", "/jobs", body=BODY, headers=KEY)
    assert (status, problem["type"]) == (503, "/problems/unavailable")
    assert "Idempotency-Key" in problem["detail"]
    assert ledger.balance(ANN).jobs_total == 0

    broken.mend()  # type: ignore[attr-defined]

    assert call_api("POST", "/jobs", body=BODY, headers=KEY)[0] == 202
    assert ledger.balance(ANN).jobs_total == 1


def test_a_job_that_was_written_although_nobody_heard_is_found_by_its_key(broken: Break) -> None:
    open_account(100)
    broken(NO_ANSWER[0], "TransactWriteItems", after_effect=True)
    assert call_api("POST", "/jobs", body=BODY, headers=KEY)[0] == 503
    assert ledger.balance(ANN).held == 10

    broken.mend()  # type: ignore[attr-defined]
    status, _, headers = call_api("POST", "/jobs", body=BODY, headers=KEY)

    assert (status, headers["Idempotency-Replayed"]) == (202, "true")
    assert ledger.balance(ANN).held == 10


@pytest.mark.parametrize("error", OURS, ids=name_of)
def test_a_bug_is_a_problem_without_details_and_rings(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callbacks, "secrets_of", raising(error))

    status, problem, headers = call_api("GET", "/callbacks/secret")

    assert (status, problem["type"], problem["retryable"], problem["request_id"]) == (
        500,
        "/problems/internal-error",
        False,
        "test",
    )
    assert "Retry-After" not in headers
    assert "secret detail" not in json.dumps(problem)
    printed = capsys.readouterr().out
    assert [metric["UnhandledErrors"] for metric in metrics_in(printed)] == [[1.0]]
    (alarm,) = [
        resource["Properties"]
        for resource in TEMPLATE["Resources"].values()
        if resource.get("Properties", {}).get("MetricName") == "UnhandledErrors"
    ]
    assert alarm["Namespace"] == "Darkroom"


def test_a_transient_error_rings_nobody(broken: Break, capsys: pytest.CaptureFixture[str]) -> None:
    broken(NO_ANSWER[0])

    call_api("GET", "/credits")

    assert metrics_in(capsys.readouterr().out) == []


def test_a_transaction_that_can_never_be_written_is_a_bug(broken: Break) -> None:
    open_account(100)
    broken(
        AwsError("TransactionCanceledException", reasons=("ValidationError", "None", "None")).error(
            "any"
        ),
        "TransactWriteItems",
    )

    assert call_api("POST", "/jobs", body=BODY)[1]["type"] == "/problems/internal-error"


def test_a_bucket_that_fails_is_reported_as_such(broken: Break) -> None:
    job = held_job()
    assert jobs.leave_open_jobs(ledger.resolve(ANN, job.job_id, now=job.created_at))
    broken(AwsError("SlowDown").error("any"), "ListObjectsV2")

    status, problem, _ = call_api("DELETE", f"/jobs/{job.job_id}")

    assert (status, problem["type"]) == (503, "/problems/unavailable")


def test_a_workflow_that_cannot_be_reached_is_a_transient_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        callbacks, "secrets_of", raising(WorkflowUnavailable("EndpointConnectionError"))
    )

    assert call_api("GET", "/callbacks/secret")[0] == 503
