"""Starts a stack on a copied table, runs a job, and prints what its user sees as JSON.

Reads the copy from the standard input: its name, its keys and indexes, its items, and the user.
Runs in a separate process, because a process can run one stack at a time.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from local.client import Client
from local.stack import LocalStack

JOB_SECONDS_MAX = 60


def put_copy(stack: LocalStack, copy: dict[str, Any]) -> None:
    """Create the copied table in the account of the stack."""
    dynamodb = stack.client("dynamodb")
    dynamodb.create_table(**copy["table"], BillingMode="PAY_PER_REQUEST")
    for item in copy["items"]:
        dynamodb.put_item(TableName=copy["table"]["TableName"], Item=item)


def run_job(client: Client) -> dict[str, Any]:
    """Run a job and return it when it has ended, or as it is after `JOB_SECONDS_MAX`."""
    body = {"template": "flux-schnell", "parameters": {"prompt": "after the restore"}}
    job: dict[str, Any] = client.post("/jobs", body)
    deadline = time.monotonic() + JOB_SECONDS_MAX
    while job["status"] in ("pending", "processing") and time.monotonic() < deadline:
        time.sleep(0.1)
        job = client.get(f"/jobs/{job['id']}")
    return job


def read_and_submit(stack: LocalStack, user: str) -> dict[str, Any]:
    """Read the user's account and jobs, and run one more job."""
    client = Client(stack.api_url, stack.token(user))
    before = {"credits": client.get("/credits"), "jobs": client.get("/jobs")["jobs"]}
    return before | {
        "new job": run_job(client)["status"],
        "credits after the new job": client.get("/credits"),
        "tables": stack.client("dynamodb").list_tables()["TableNames"],
        "recovery failed": stack.fire_schedule("RecoverJobsFunction").failed,
    }


if __name__ == "__main__":
    given = json.load(sys.stdin)
    with (
        tempfile.TemporaryDirectory() as logs,
        LocalStack(
            parameters={"TableName": given["table"]["TableName"]}, log_dir=Path(logs)
        ) as running,
    ):
        put_copy(running, given)
        sys.stdout.write(json.dumps(read_and_submit(running, given["user"])))
