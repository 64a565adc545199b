"""Customers who submit, repeat, cancel and delete jobs over HTTP, and record wrong responses."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import Any

import requests

from local.stack import LocalStack

FINAL = ("completed", "failed", "canceled")
OUTPUTS_MAX = 2
CREDITS_PER_JOB_MAX = 10 * OUTPUTS_MAX
_RETRY_SECONDS_MAX = 120
_POLL_SECONDS = 4.0
_PAUSE_SECONDS = 0.2
_CONNECTION_ERRORS = (requests.ConnectionError, requests.Timeout)


class ApiUnavailable(Exception):
    """The API did not respond for longer than any customer waits."""


@dataclass(frozen=True)
class Plan:
    """What a customer does with one job."""

    number: int
    outputs_count: int
    is_sent_twice: bool
    is_canceled: bool
    is_deleted: bool

    @classmethod
    def at_random(cls, number: int, rng: random.Random) -> Plan:
        return cls(
            number,
            rng.choice((1, 1, OUTPUTS_MAX)),
            rng.random() < 0.2,
            rng.random() < 0.06,
            rng.random() < 0.1,
        )


@dataclass(frozen=True)
class _OpenJob:
    plan: Plan
    submitted_at: float
    poll_at: float


@dataclass(frozen=True)
class Outcome:
    """The last state of a job, its missing files, its requests to the provider and its deletion.

    `outputs_without_variants_count` counts the outputs without thumbnail, placeholder and previews.
    """

    job: dict[str, Any]
    missing_files: tuple[str, ...]
    outputs_without_variants_count: int
    requests_count: int
    deletion: HTTPStatus | None


@dataclass
class Customer:
    """One account, which only uses the API.

    `requests_count_of` returns the number of requests to the provider for a job.
    """

    stack: LocalStack
    user: str
    plans: list[Plan]
    requests_count_of: Callable[[str, str], int]
    seed: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    refusals_count: int = 0
    failed_calls_count: int = 0
    submitted_count: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = (
            f"Bearer {self.stack.token(self.user, expires_in_seconds=86_400)}"
        )
        self._open: dict[str, _OpenJob] = {}
        self._retry_at = 0.0

    def run(self, *, ending_seconds_max: float) -> None:
        """Submit all jobs and wait for their ends.

        A job that takes longer than this is a violation.
        """
        remaining = list(reversed(self.plans))
        with ThreadPoolExecutor(2) as executor:
            while remaining or self._open:
                while (
                    remaining
                    and time.monotonic() >= self._retry_at
                    and self._submit(remaining[-1], executor)
                ):
                    remaining.pop()
                self.submitted_count = len(self.plans) - len(remaining)
                self._poll()
                for job_id in [
                    job_id
                    for job_id, open_job in self._open.items()
                    if time.monotonic() > open_job.submitted_at + ending_seconds_max
                ]:
                    self.violations.append(
                        f"{job_id}: did not end within {ending_seconds_max} seconds"
                    )
                    del self._open[job_id]
                time.sleep(_PAUSE_SECONDS)

    def _submit(self, plan: Plan, executor: ThreadPoolExecutor) -> bool:
        """Submit a job, some of them twice at once. Returns False if the API responds with 429."""
        body = {
            "template": "flux-schnell",
            "parameters": {
                "prompt": f"{self.user} {plan.number}",
                "num_outputs": plan.outputs_count,
                "megapixels": "0.25",
            },
        }
        send = partial(
            self.call_api,
            "POST",
            "/jobs",
            json=body,
            headers={"Idempotency-Key": f"job {plan.number}"},
        )
        responses = list(executor.map(lambda _: send(), range(1 + plan.is_sent_twice)))
        accepted = {
            response.json()["id"]
            for response in responses
            if response.status_code == HTTPStatus.ACCEPTED
        }
        refusals = [
            response
            for response in responses
            if response.status_code == HTTPStatus.TOO_MANY_REQUESTS
        ]
        if len(accepted) > 1 or len(responses) != len(refusals) + sum(
            response.ok for response in responses
        ):
            self.violations.append(
                f"{self.user}: unexpected responses to job {plan.number}: "
                f"{[(response.status_code, response.text) for response in responses]}"
            )
        if refusals and not accepted:
            self.refusals_count += 1
            self._retry_at = time.monotonic() + float(refusals[0].headers["Retry-After"])
            return False
        now = time.monotonic()
        self._open.update(
            dict.fromkeys(accepted, _OpenJob(plan, submitted_at=now, poll_at=now + _POLL_SECONDS))
        )
        for job_id in accepted if plan.is_canceled else ():
            self._cancel(job_id)
        return True

    def _cancel(self, job_id: str) -> None:
        time.sleep(self._rng.uniform(0, 0.5))
        response = self.call_api("POST", f"/jobs/{job_id}/cancel")
        if response.status_code not in (HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT):
            self.violations.append(
                f"{self.user}: unexpected response to a cancel: "
                f"{response.status_code} {response.text}"
            )

    def _poll(self) -> None:
        """Read each open job at its poll time. The API's Retry-After can only delay it."""
        for job_id in [
            job_id
            for job_id, open_job in self._open.items()
            if time.monotonic() >= open_job.poll_at
        ]:
            response = self.call_api("GET", f"/jobs/{job_id}")
            if response.json()["status"] in FINAL:
                self._record_outcome(response.json(), self._open.pop(job_id).plan)
            else:
                poll_at = time.monotonic() + max(
                    _POLL_SECONDS, float(response.headers.get("Retry-After", 0))
                )
                self._open[job_id] = replace(self._open[job_id], poll_at=poll_at)

    def _record_outcome(self, job: dict[str, Any], plan: Plan) -> None:
        missing = tuple(self._missing_files(job))
        without_variants_count = sum(map(_has_no_variants, job["outputs"]))
        requests_count = self.requests_count_of(self.user, job["id"])
        self.outcomes[job["id"]] = Outcome(
            job,
            missing,
            without_variants_count,
            requests_count,
            self._delete(job) if plan.is_deleted else None,
        )

    def _missing_files(self, job: dict[str, Any]) -> list[str]:
        missing = []
        for number, output in enumerate(job["outputs"]):
            for name, bytes_count in (("url", output["bytes"]), ("thumbnail_url", None)):
                if name == "thumbnail_url" and _has_no_variants(output):
                    continue
                response = requests.get(output[name], timeout=30) if output[name] else None
                if (
                    response is None
                    or not response.ok
                    or bytes_count not in (None, len(response.content))
                ):
                    reason = "no link" if response is None else response.status_code
                    missing.append(f"{job['id']} {number} {name}: {reason}")
        return missing

    def _delete(self, job: dict[str, Any]) -> HTTPStatus:
        """Delete a job. Repeat while the API responds with 409: the job's end is not announced yet.

        The response is 404 if an earlier request, whose response was lost, deleted the job.
        """
        while (
            response := self.call_api("DELETE", f"/jobs/{job['id']}")
        ).status_code == HTTPStatus.CONFLICT:
            time.sleep(min(float(response.headers["Retry-After"]), _POLL_SECONDS))
        if response.status_code not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
            self.violations.append(
                f"{job['id']}: unexpected response to its deletion: "
                f"{response.status_code} {response.text}"
            )
        if self.call_api("GET", f"/jobs/{job['id']}").status_code != HTTPStatus.NOT_FOUND:
            self.violations.append(f"{job['id']}: readable after its deletion")
        return HTTPStatus(response.status_code)

    def call_api(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API, and repeat failed calls. Raises ApiUnavailable after two minutes."""
        give_up_at = time.monotonic() + _RETRY_SECONDS_MAX
        while time.monotonic() < give_up_at:
            try:
                response = self._session.request(
                    method, self.stack.api_url + path, timeout=60, **options
                )
            except _CONNECTION_ERRORS:
                pass
            else:
                if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    return response
            self.failed_calls_count += 1
            time.sleep(self._rng.uniform(0.1, 0.6))
        raise ApiUnavailable(f"{method} {path}")


def _has_no_variants(output: Mapping[str, Any]) -> bool:
    return not (output["thumbnail_url"] or output["placeholder"] or output["previews"])
