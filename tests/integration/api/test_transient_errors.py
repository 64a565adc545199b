"""The API returns 503 for transient errors of AWS, and 500 with a metric for other errors."""

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
NO_RESPONSE = [
    ReadTimeoutError(endpoint_url=URL),
    ConnectTimeoutError(endpoint_url=URL),
    EndpointConnectionError(endpoint_url=URL),
]
TRANSIENT = [
    *NO_RESPONSE,
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
UNEXPECTED = [
    AwsError("AccessDeniedException").error("any"),
    AwsError("ValidationException").error("any"),
    ZeroDivisionError("secret detail"),
]


class FailingAws:
    """Makes the calls of all AWS clients fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def fail(self, error: Exception, *operations: str, after_effect: bool = False) -> None:
        """Raise the error from these operations, or from all if none is named.

        With `after_effect` AWS executes the call before the error.
        """

        def failing_call(client: Any, operation: str, arguments: Any) -> Any:
            if operations and operation not in operations:
                return self._call(client, operation, arguments)
            if after_effect:
                self._call(client, operation, arguments)
            raise error

        self._monkeypatch.setattr(BaseClient, "_make_api_call", failing_call)

    def repair(self) -> None:
        self._monkeypatch.setattr(BaseClient, "_make_api_call", self._call)


@pytest.fixture
def failing_aws(monkeypatch: pytest.MonkeyPatch) -> FailingAws:
    return FailingAws(monkeypatch)


def name_of(error: Exception) -> str:
    return (
        error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    )


def raising(error: Exception) -> Callable[..., None]:
    def function(*_: object, **__: object) -> None:
        raise error

    return function


def metrics_in(output: str) -> list[dict[str, Any]]:
    """Return the printed metrics, one document for each line in CloudWatch's format."""
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
def test_a_transient_error_of_the_table_returns_503(
    failing_aws: FailingAws, path: str, subtests: pytest.Subtests
) -> None:
    for error in TRANSIENT:
        with subtests.test(error=name_of(error)):
            failing_aws.fail(error)

            status, problem, headers = call_api("GET", path)

            assert (status, problem["type"]) == (503, "/problems/unavailable")
            assert problem["retryable"] is True
            assert headers["Content-Type"] == "application/problem+json"
            assert int(headers["Retry-After"]) > 0
            assert "charged" not in problem, "the API cannot know it"


@pytest.mark.parametrize(
    "error", [CONFLICT.error("any"), THROTTLED.error("any"), *TRANSIENT], ids=name_of
)
def test_a_job_that_was_not_written_can_be_submitted_again(
    failing_aws: FailingAws, error: Exception
) -> None:
    open_account(100)
    failing_aws.fail(error, "TransactWriteItems")
    status, problem, _ = call_api("POST", "/jobs", body=BODY, headers=KEY)
    assert (status, problem["type"]) == (503, "/problems/unavailable")
    assert "Idempotency-Key" in problem["detail"]
    assert ledger.balance(ANN).jobs_total == 0

    failing_aws.repair()

    assert call_api("POST", "/jobs", body=BODY, headers=KEY)[0] == 202
    assert ledger.balance(ANN).jobs_total == 1


def test_the_idempotency_key_finds_a_job_whose_response_was_lost(failing_aws: FailingAws) -> None:
    open_account(100)
    failing_aws.fail(NO_RESPONSE[0], "TransactWriteItems", after_effect=True)
    assert call_api("POST", "/jobs", body=BODY, headers=KEY)[0] == 503
    assert ledger.balance(ANN).held == 10

    failing_aws.repair()
    status, _, headers = call_api("POST", "/jobs", body=BODY, headers=KEY)

    assert (status, headers["Idempotency-Replayed"]) == (202, "true")
    assert ledger.balance(ANN).held == 10


@pytest.mark.parametrize("error", UNEXPECTED, ids=name_of)
def test_an_unexpected_error_returns_500_without_details_and_is_counted(
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


def test_a_transient_error_is_not_counted_as_a_bug(
    failing_aws: FailingAws, capsys: pytest.CaptureFixture[str]
) -> None:
    failing_aws.fail(NO_RESPONSE[0])

    call_api("GET", "/credits")

    (metrics,) = metrics_in(capsys.readouterr().out)
    assert metrics["TransientErrors"] == [1.0]
    assert "UnhandledErrors" not in metrics


def test_an_invalid_transaction_returns_an_internal_error(failing_aws: FailingAws) -> None:
    open_account(100)
    failing_aws.fail(
        AwsError("TransactionCanceledException", reasons=("ValidationError", "None", "None")).error(
            "any"
        ),
        "TransactWriteItems",
    )

    assert call_api("POST", "/jobs", body=BODY)[1]["type"] == "/problems/internal-error"


def test_a_failing_bucket_returns_503(failing_aws: FailingAws) -> None:
    job = held_job()
    assert jobs.leave_open_jobs(ledger.resolve(ANN, job.job_id, now=job.created_at))
    failing_aws.fail(AwsError("SlowDown").error("any"), "ListObjectsV2")

    status, problem, _ = call_api("DELETE", f"/jobs/{job.job_id}")

    assert (status, problem["type"]) == (503, "/problems/unavailable")


def test_an_unavailable_workflow_returns_503(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        callbacks, "secrets_of", raising(WorkflowUnavailable("EndpointConnectionError"))
    )

    assert call_api("GET", "/callbacks/secret")[0] == 503
