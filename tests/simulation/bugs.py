"""Helpers for the tests of common bugs: a backend, single steps, and actions at a call."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from botocore.client import BaseClient
from standardwebhooks import Webhook

from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.accounts import AccountId, Balance, Entry
from darkroom.domain.jobs import Job, Output
from darkroom.domain.recovery import over_at
from darkroom.domain.references import Reference
from darkroom.storage import attempts, jobs, ledger
from local.simulators.replicate import SimulatedReplicate
from local.simulators.replicate.predictions import OPEN, Status
from tests.aws import CONTEXT, TEMPLATE, Workflow, client, handler_of
from tests.builders import ANN, call_api, held_job, http_event, stored, until
from tests.integration.steps import at, key

BOB = AccountId("web", "bob")
OUTPUT = Output(number=0, key="media/k", content_type="image/png", bytes=1, width=1, height=1)
LATER = timedelta(minutes=1)
SUMS = ("granted", "available", "held", "spent")
ROUTES = [
    (properties["Method"], properties["Path"])
    for event in TEMPLATE["Resources"]["ApiFunction"]["Properties"]["Events"].values()
    if "Path" in (properties := event["Properties"])
]


class Killed(BaseException):
    """The invocation is killed. No handler catches this."""


def kill() -> None:
    raise Killed


def body(**parameters: Any) -> dict[str, Any]:
    return {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse", **parameters}}


def entries(account: AccountId = ANN) -> list[Entry]:
    return list(ledger.entries(account, limit=100, cursor=None).items)


def resolutions(job: Job) -> list[Entry]:
    """Return the entries that resolved the hold of a job."""
    return [
        entry
        for entry in entries(job.account)
        if entry.job_id == job.job_id and entry.kind != "hold"
    ]


def checked_balance(account: AccountId = ANN) -> Balance:
    """Return the balance of an account after checks.

    granted = available + held + spent, each is the sum of its entries, and none is negative.
    """
    balance, found = ledger.balance(account), entries(account)
    assert {name: getattr(balance, name) for name in SUMS} == {
        name: sum(getattr(entry, name) for entry in found) for name in SUMS
    }
    assert balance.granted == balance.available + balance.held + balance.spent
    assert min(balance.available, balance.held, balance.spent) >= 0
    return balance


@contextmanager
def at_call(
    number: int,
    *,
    before: Callable[[], object] | None = None,
    after: Callable[[], object] | None = None,
) -> Iterator[list[str]]:
    """Run an action just before or after the nth call of AWS that is not a query, counted from 0.

    Yields the list of these calls, which grows as they are made.
    """
    calls: list[str] = []
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(aws: BaseClient, operation: str, arguments: Any) -> Any:
        is_target = operation != "Query" and len(calls) == number
        calls.extend([operation] if operation != "Query" else [])
        if is_target and before:
            before()
        response = original(aws, operation, arguments)
        if is_target and after:
            after()
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseClient, "_make_api_call", call)
        yield calls


def job_of_user(number: int, **parameters: Any) -> Job:
    """Return a held job of a new user with 100 credits."""
    return held_job(account=AccountId("web", f"user{number}"), **parameters)


def refund(job: Job) -> None:
    handler_of("refund_job")(key(job, failure="RuntimeError"), CONTEXT)


def complete(job: Job) -> None:
    handler_of("complete_job")(key(job), CONTEXT)


def recover(job: Job) -> None:
    """Run recovery long after the execution of this job was stopped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            workflow_adapter,
            "execution",
            lambda _: workflow_adapter.Execution(is_running=False, stopped_at=job.created_at),
        )
        at(patch, over_at(job) + timedelta(hours=1))
        handler_of("recover_jobs")({}, CONTEXT)


@dataclass(frozen=True)
class Backend:
    """The deployed workflow with the real handlers and the simulated Replicate.

    Replicate's webhooks use the real webhook endpoint.
    """

    replicate: SimulatedReplicate
    workflow: Workflow

    def faults(self, **named: float) -> None:
        quick = {"run_seconds": 0.1, "queue_seconds": 0}
        requests.put(
            f"{self.replicate.base_url}/faults", json=quick | named, timeout=5
        ).raise_for_status()

    def provider_records(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(
            f"{self.replicate.base_url}/sim/{what}", timeout=5
        ).json()[what]
        return found

    def submit(self, **parameters: Any) -> str:
        status, job, _ = call_api("POST", "/jobs", body=body(**parameters))
        assert status == 202, job
        job_id: str = job["id"]
        return job_id

    def prediction(self) -> dict[str, Any]:
        """Return the only prediction, after it exists and is on the job's record."""
        (prediction,) = until(lambda: self.provider_records("predictions"))
        job_id = prediction["webhook"].split("%2F")[-2]
        until(lambda: (attempt := jobs.read(ANN, job_id).attempt) and attempt.prediction_id)
        return prediction

    def end_prediction(self, prediction: dict[str, Any], status: Status) -> None:
        """Let a prediction end at the provider without a webhook."""
        self.replicate._api.store.change(
            prediction["id"], only_from=OPEN, status=status, completed_at=datetime.now(UTC)
        )

    def execution(self, job_id: str) -> str:
        arn = (
            os.environ["STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:") + f":{job_id}"
        )
        status: str = client("stepfunctions").describe_execution(executionArn=arn)["status"]
        return status

    def wait_until_ended(self, job_id: str) -> Job:
        """Return the job after its execution has ended."""
        until(lambda: self.execution(job_id) != "RUNNING", seconds=120)
        return jobs.read(ANN, job_id)


def job_with_attempt(account: AccountId = ANN) -> Job:
    """Return a job with a stored task token and an attempt without a prediction."""
    job, now = held_job(account=account), datetime.now(UTC)
    jobs.store_task_token(job, "token", "entry", next_check_at=now)
    assert attempts.begin_attempt(job, "entry", lease_until=now + LATER, now=now)
    return stored(job)


def reference_of(job: Job) -> str:
    assert job.attempt
    return str(Reference(job.account, job.job_id, job.attempt.nonce))


def webhook_body(
    status: str = "succeeded", prediction_id: str = "prediction1", **more: Any
) -> bytes:
    return json.dumps({"id": prediction_id, "status": status, **more}).encode()


def signed_headers(
    replicate: SimulatedReplicate, content: bytes, *, sent_at: datetime | None = None
) -> dict[str, str]:
    at_time = sent_at or datetime.now(UTC)
    signature = Webhook(replicate.webhook_secret).sign("msg_1", at_time, content.decode())
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at_time.timestamp())),
        "webhook-signature": signature,
    }


def post_webhook(reference: str, content: bytes, headers: dict[str, str]) -> int:
    """Call the webhook endpoint, and return the status of its response."""
    event = http_event(
        "POST", "/webhooks/replicate", body=content.decode(), user=None, headers=headers
    )
    event["queryStringParameters"] = {"job": reference}
    return int(handler_of("receive_prediction")(event, CONTEXT)["statusCode"])
