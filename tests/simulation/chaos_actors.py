"""Customers who submit, repeat, cancel and delete jobs over HTTP while everything goes wrong, and note what they were told."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
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
_PATIENCE_SECONDS = 120
_LOOK_SECONDS = 4.0
_PAUSE_SECONDS = 0.2
_BROKEN = (requests.ConnectionError, requests.Timeout)


class GaveUp(Exception):
    """The API gave no answer for longer than anybody waits."""


@dataclass(frozen=True)
class Plan:
    """What a customer is going to do with one job."""

    number: int
    outputs_count: int
    is_sent_twice: bool
    is_canceled: bool
    is_deleted: bool

    @classmethod
    def drawn(cls, number: int, dice: random.Random) -> Plan:
        return cls(
            number,
            dice.choice((1, 1, OUTPUTS_MAX)),
            dice.random() < 0.2,
            dice.random() < 0.06,
            dice.random() < 0.1,
        )


@dataclass(frozen=True)
class _Open:
    plan: Plan
    since: float
    check_at: float


@dataclass(frozen=True)
class Outcome:
    """A job as its owner saw it last, what was found of its files and in its record then, and what its deletion was answered."""

    job: dict[str, Any]
    missing_files: tuple[str, ...]
    requests_count: int
    deletion: HTTPStatus | None


@dataclass
class Customer:
    """One account, which knows nothing but the API. `look_up` tells how often the provider was asked for a job of it."""

    stack: LocalStack
    user: str
    plans: list[Plan]
    look_up: Callable[[str, str], int]
    seed: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    refusals_count: int = 0
    broken_calls_count: int = 0
    submitted_count: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = (
            f"Bearer {self.stack.token(self.user, expires_in_seconds=86_400)}"
        )
        self._open: dict[str, _Open] = {}
        self._come_back_at = 0.0

    def live(self, *, ending_seconds_max: float) -> None:
        """Submit everything and see it end, and complain of each job that did not in this time."""
        waiting = list(reversed(self.plans))
        with ThreadPoolExecutor(2) as hands:
            while waiting or self._open:
                while (
                    waiting
                    and time.monotonic() >= self._come_back_at
                    and self._submitted(waiting[-1], hands)
                ):
                    waiting.pop()
                self.submitted_count = len(self.plans) - len(waiting)
                self._look()
                for job_id in [
                    job_id
                    for job_id, opened in self._open.items()
                    if time.monotonic() > opened.since + ending_seconds_max
                ]:
                    self.complaints.append(
                        f"{job_id}: not ended after {ending_seconds_max} seconds"
                    )
                    del self._open[job_id]
                time.sleep(_PAUSE_SECONDS)

    def _submitted(self, plan: Plan, hands: ThreadPoolExecutor) -> bool:
        """Submit a job, some of them twice at once; False when the API asks for patience."""
        body = {
            "template": "flux-schnell",
            "parameters": {
                "prompt": f"{self.user} {plan.number}",
                "num_outputs": plan.outputs_count,
                "megapixels": "0.25",
            },
        }
        send = partial(
            self.ask, "POST", "/jobs", json=body, headers={"Idempotency-Key": f"job {plan.number}"}
        )
        answers = list(hands.map(lambda _: send(), range(1 + plan.is_sent_twice)))
        accepted = {
            answer.json()["id"] for answer in answers if answer.status_code == HTTPStatus.ACCEPTED
        }
        refusals = [
            answer for answer in answers if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
        ]
        if len(accepted) > 1 or len(answers) != len(refusals) + sum(
            answer.ok for answer in answers
        ):
            self.complaints.append(
                f"{self.user}: job {plan.number} was answered {[(answer.status_code, answer.text) for answer in answers]}"
            )
        if refusals and not accepted:
            self.refusals_count += 1
            self._come_back_at = time.monotonic() + float(refusals[0].headers["Retry-After"])
            return False
        now = time.monotonic()
        self._open.update(
            dict.fromkeys(accepted, _Open(plan, since=now, check_at=now + _LOOK_SECONDS))
        )
        for job_id in accepted if plan.is_canceled else ():
            self._cancel(job_id)
        return True

    def _cancel(self, job_id: str) -> None:
        time.sleep(self._dice.uniform(0, 0.5))
        answer = self.ask("POST", f"/jobs/{job_id}/cancel")
        if answer.status_code not in (HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT):
            self.complaints.append(
                f"{self.user}: a cancel was answered {answer.status_code} {answer.text}"
            )

    def _look(self) -> None:
        """Look at each open job when the API said to, but not more often than a patient customer would."""
        for job_id in [
            job_id for job_id, opened in self._open.items() if time.monotonic() >= opened.check_at
        ]:
            answer = self.ask("GET", f"/jobs/{job_id}")
            if answer.json()["status"] in FINAL:
                self._note(answer.json(), self._open.pop(job_id).plan)
            else:
                check_at = time.monotonic() + max(
                    _LOOK_SECONDS, float(answer.headers.get("Retry-After", 0))
                )
                self._open[job_id] = replace(self._open[job_id], check_at=check_at)

    def _note(self, job: dict[str, Any], plan: Plan) -> None:
        missing = tuple(self._missing_files(job))
        requests_count = self.look_up(self.user, job["id"])
        self.outcomes[job["id"]] = Outcome(
            job, missing, requests_count, self._delete(job) if plan.is_deleted else None
        )

    def _missing_files(self, job: dict[str, Any]) -> list[str]:
        missing = []
        for number, output in enumerate(job["outputs"]):
            for name, bytes_count in (("url", output["bytes"]), ("thumbnail_url", None)):
                answer = requests.get(output[name], timeout=30) if output[name] else None
                if (
                    answer is None
                    or not answer.ok
                    or bytes_count not in (None, len(answer.content))
                ):
                    missing.append(
                        f"{job['id']} {number} {name}: {'no link' if answer is None else answer.status_code}"
                    )
        return missing

    def _delete(self, job: dict[str, Any]) -> HTTPStatus:
        """Delete a job, which is refused for as long as its end is not announced; 404 when an earlier try, whose answer was lost, has deleted it."""
        while (
            answer := self.ask("DELETE", f"/jobs/{job['id']}")
        ).status_code == HTTPStatus.CONFLICT:
            time.sleep(min(float(answer.headers["Retry-After"]), _LOOK_SECONDS))
        if answer.status_code not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
            self.complaints.append(
                f"{job['id']}: its deletion was answered {answer.status_code} {answer.text}"
            )
        if self.ask("GET", f"/jobs/{job['id']}").status_code != HTTPStatus.NOT_FOUND:
            self.complaints.append(f"{job['id']}: there after its deletion")
        return HTTPStatus(answer.status_code)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Call the API, and again for as long as it breaks; raises GaveUp."""
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            try:
                answer = self._session.request(
                    method, self.stack.api_url + path, timeout=60, **options
                )
            except _BROKEN:
                pass
            else:
                if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    return answer
            self.broken_calls_count += 1
            time.sleep(self._dice.uniform(0.1, 0.6))
        raise GaveUp(f"{method} {path}")
