"""The demo data of `make run`: three users with credits and jobs in all states.

The jobs go through the public API and the simulated providers, as the jobs of any client.
`/faults/next` of the simulators decides how each of them ends.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from typing import Self

import requests

from local.api_gateway.web_files import DEMO_ADMIN, DEMO_USERS
from local.client import Client
from local.demo_jobs import CREDITS, JOBS, DemoJob
from local.stack import LocalStack

logger = logging.getLogger(__name__)

# Replicate's predictions in flight at most, of five: other jobs never wait for the demo data.
_USERS_AT_ONCE_MAX = 2
_RUN_SECONDS = 0.1
_FINAL = ("completed", "failed", "canceled")
_WAIT_SECONDS_MAX = 180.0
_POLL_SECONDS = 0.2
_TIMEOUT_SECONDS = 10
_ENDING_SECONDS_MAX = 5.0


class DemoData:
    """Fills a stack with the demo data in the background. Its context manager stops this."""

    def __init__(self, stack: LocalStack, on_end: Callable[[], None] = lambda: None) -> None:
        """Prepare to fill the stack, whose providers must be simulated.

        `on_end` is called when all jobs are there.
        """
        self._stack = stack
        self._on_end = on_end
        self._stopping = Event()
        self._thread = Thread(target=self._fill, name="demo data", daemon=True)

    def __enter__(self) -> Self:
        """Start to fill the stack."""
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Submit no more jobs, and wait for the requests that run."""
        self._stopping.set()
        self.wait(_ENDING_SECONDS_MAX)

    def wait(self, seconds: float) -> bool:
        """Wait until the stack is filled, at most `seconds`. Returns whether it is."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _fill(self) -> None:
        with ThreadPoolExecutor(_USERS_AT_ONCE_MAX, "demo user") as users:
            for user in DEMO_USERS:
                users.submit(self._fill_account, user)
        if not self._stopping.is_set():
            self._on_end()

    def _fill_account(self, user: str) -> None:
        # The stack may stop meanwhile, and a user who plays with faults may refuse the jobs.
        try:
            client = Client(self._stack.api_url, self._stack.token(user))
            admin = Client(self._stack.api_url, self._stack.token(DEMO_ADMIN, groups=["admin"]))
            admin.post(
                f"/accounts/web/{user}/credits",
                {"amount": CREDITS[user], "reason": "demo data", "reference": "demo-data"},
            )
            for job in JOBS:
                if job.user == user and not self._stopping.is_set():
                    self._run(client, job)
        except (requests.RequestException, TimeoutError) as error:
            if not self._stopping.is_set():
                logger.warning("The demo data of %s is incomplete: %s", user, error)

    def _run(self, client: Client, job: DemoJob) -> None:
        """Run a job of the demo data to its last step."""
        prompt = job.parameters["prompt"]
        is_runway = job.template.startswith("runway-")
        simulator = self._stack.runway_url if is_runway else self._stack.replicate_url
        requests.put(
            f"{simulator}/faults/next",
            json={"prompt": prompt, "faults": {"run_seconds": _RUN_SECONDS, **job.faults}},
            timeout=_TIMEOUT_SECONDS,
        ).raise_for_status()
        body = {"template": job.template, "parameters": job.parameters}
        job_id = client.post("/jobs", body)["id"]
        match job.end:
            case "cancel":
                self._until(lambda: client.get(f"/jobs/{job_id}")["status"] == "processing")
                client.post(f"/jobs/{job_id}/cancel", {})
            case "free_slot":
                self._until(lambda: self._free_slot(job.user, job_id))
                return
        self._until_ended(client, job_id)
        if job.end == "again":
            self._until_ended(client, client.post("/jobs", {"rerun_of": job_id})["id"])

    def _until_ended(self, client: Client, job_id: str) -> None:
        self._until(lambda: client.get(f"/jobs/{job_id}")["status"] in _FINAL)

    def _until(self, is_done: Callable[[], bool]) -> None:
        """Wait until something is done, or until the stack stops. Raises TimeoutError."""
        give_up_at = time.monotonic() + _WAIT_SECONDS_MAX
        while not is_done():
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"a job did not end within {_WAIT_SECONDS_MAX} seconds")
            if self._stopping.wait(_POLL_SECONDS):
                raise TimeoutError("the stack stops")

    def _free_slot(self, user: str, job_id: str) -> bool:
        """Release the provider slot of a job whose prediction runs, and leave the job running.

        So the jobs of clients find as many free slots as in an empty stack. Returns False if the
        prediction does not run yet.
        """
        dynamodb, table = self._stack.client("dynamodb"), self._stack.physical_id("Table")
        key = {"pk": {"S": f"ACCOUNT#web#{user}"}, "sk": {"S": f"JOB#{job_id}"}}
        row = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
        attempts = row.get("attempts", {"L": []})["L"]
        if not attempts or "prediction_id" not in attempts[-1]["M"]:
            return False
        slot_key = {"pk": {"S": f"SLOT#{row['provider']['S']}"}, "sk": row["slot"]}
        dynamodb.transact_write_items(
            TransactItems=[
                {"Delete": {"TableName": table, "Key": slot_key}},
                {
                    "Update": {
                        "TableName": table,
                        "Key": key,
                        "UpdateExpression": "REMOVE slot ADD revision :one",
                        "ConditionExpression": "revision = :read",
                        "ExpressionAttributeValues": {":one": {"N": "1"}, ":read": row["revision"]},
                    }
                },
            ]
        )
        return True
