"""Users of the API over HTTP, and checks on what they see."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import requests

from local.client import Client
from local.stack import LocalStack
from tests.builders import until
from tests.contract import must_be_as_described

FINAL = ("completed", "failed", "canceled")
COUNTERS = ("granted", "available", "held", "spent")


@dataclass(frozen=True)
class Actor:
    """A user of the web platform."""

    stack: LocalStack
    name: str
    client: Client

    @classmethod
    def arrive(cls, stack: LocalStack, name: str, *, credits: int) -> Actor:
        user = f"{re.sub(r'[^A-Za-z0-9._-]', '-', name)[:80]}.{uuid4().hex[:8]}"
        actor = cls(stack, user, signed_in(stack, user))
        if credits:
            admin = signed_in(stack, "grace", groups=["admin"])
            admin.post(
                f"/accounts/web/{user}/credits",
                {"amount": credits, "reason": "test", "reference": "arrival"},
            )
        return actor

    def submit(
        self, template: str = "flux-schnell", *, callback_url: str | None = None, **parameters: Any
    ) -> str:
        """Submit a job and return its id."""
        body: dict[str, Any] = {
            "template": template,
            "parameters": {"prompt": "a lighthouse at dawn", **parameters},
        }
        if callback_url:
            body["callback_url"] = callback_url
        job_id: str = self.client.post("/jobs", body)["id"]
        return job_id

    def ended(self, job_id: str, *, seconds: float = 60) -> dict[str, Any]:
        """Wait until a job has ended, and return it."""

        def read_ended_job() -> dict[str, Any] | None:
            job: dict[str, Any] = self.client.get(f"/jobs/{job_id}")
            return job if job["status"] in FINAL else None

        return until(read_ended_job, seconds=seconds)

    def until_processing(self, job_id: str) -> None:
        """Wait until the job's prediction is recorded."""
        until(lambda: self.client.get(f"/jobs/{job_id}")["status"] == "processing")

    def refused(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request that must be refused, and return the response."""
        try:
            document = self.client.call(method, path, **options)
        except requests.HTTPError as error:
            return error.response
        raise AssertionError(f"{method} {path} was not refused: {document}")

    def must_have_a_balanced_ledger(self) -> dict[str, int]:
        """Check that granted = available + held + spent, and that each is the sum of its entries.

        Returns the account.
        """
        account: dict[str, int] = self.client.get("/credits")
        entries = list(self.client.pages("/credits/entries", "entries"))
        assert account["granted"] == account["available"] + account["held"] + account["spent"]
        assert {name: account[name] for name in COUNTERS} == {
            name: sum(entry[name] for entry in entries) for name in COUNTERS
        }
        return account


def signed_in(stack: LocalStack, user: str, **claims: Any) -> Client:
    """Return a client that checks each response against openapi.json."""
    client = Client(stack.api_url, stack.token(user, **claims))
    client._session.hooks["response"].append(_must_be_as_described)
    return client


def _must_be_as_described(response: requests.Response, **_: object) -> None:
    # The response to a HEAD request has no body.
    if response.request.method == "HEAD":
        return
    must_be_as_described(
        str(response.request.method),
        unquote(urlsplit(response.url).path),
        response.status_code,
        response.headers,
        response.text,
    )


def predictions_of(stack: LocalStack, prompt: str) -> list[dict[str, Any]]:
    """Return every prediction with this prompt at the simulated Replicate."""
    found = requests.get(f"{stack.replicate_url}/sim/predictions", timeout=10).json()["predictions"]
    return [prediction for prediction in found if prediction["input"].get("prompt") == prompt]


def must_show_nowhere(stack: LocalStack, job: dict[str, Any], secret: str) -> None:
    """Check that the execution history, the logs, the table and the response have no secret."""
    execution = (
        f"{stack.physical_id('Workflow').replace(':stateMachine:', ':execution:')}:{job['id']}"
    )
    history = stack.client("stepfunctions").get_execution_history(
        executionArn=execution, maxResults=500
    )
    logs = "".join(path.read_text(errors="replace") for path in Path(".aws-sam/logs").glob("*"))
    items = stack.client("dynamodb").scan(TableName=stack.physical_id("Table"))["Items"]
    assert job["id"] in logs
    assert job["id"] in str(items)
    for text in (json.dumps(history, default=str), logs, str(items), json.dumps(job)):
        assert secret not in text


def set_faults(stack: LocalStack, **faults: float | str) -> None:
    """Set the faults of the simulated Replicate. Without arguments: no faults."""
    requests.put(f"{stack.replicate_url}/faults", json=faults, timeout=5).raise_for_status()
