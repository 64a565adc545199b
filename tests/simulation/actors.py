"""Users and an administrator who call the API, and checks that its responses are consistent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.simulation.environment import Environment
from tests.simulation.http_response import Response
from tests.simulation.records import FINAL
from tests.simulation.scenario_steps import ADMIN, CALLBACK_URL

TRIES_MAX = 4


@dataclass(frozen=True)
class Submission:
    """A request for a job that its sender can repeat byte by byte."""

    user: str
    key: str | None
    body: str


@dataclass(frozen=True)
class Grant:
    """A grant or a correction of credits that the administrator can repeat."""

    user: str
    reference: str
    amount: int


class Actors:
    """Users who remember every accepted request.

    Responses that contradict earlier ones go to `Environment.broken`.
    """

    def __init__(self, environment: Environment, *, welcome_credits: int = 0) -> None:
        self._environment = environment
        self._welcome_credits = welcome_credits
        self._opening_credits: dict[str, int] = {}
        self._grants: list[Grant] = []
        self._granted: dict[tuple[str, str], tuple[str, int]] = {}
        self._submissions: list[Submission] = []
        self._accepted: dict[tuple[str, str], tuple[str, str]] = {}
        self._jobs: dict[str, str] = {}
        self._canceled: set[str] = set()
        self._deletions: set[str] = set()

    def open_account(self, user: str, credits: int) -> None:
        """Open an account with these credits."""
        self._opening_credits[user] = credits
        self._environment.open_account(user, credits)

    def grant(self, user: str, reference: str, amount: int) -> None:
        """Let the administrator grant credits, or remove them if the amount is negative."""
        grant = Grant(user, reference, amount)
        self._grants.append(grant)
        self._send_grant(grant)

    def pause(self, *, paused: bool) -> None:
        """Let the administrator pause or resume new jobs."""
        self._environment.api(
            "PUT",
            "/admin/paused",
            body={"paused": paused},
            on_response=lambda response: self._expect_status(response, (200,), "pause"),
            **ADMIN,
        )

    def submit(self, user: str, *, key: str | None, outputs: int, callback: bool) -> None:
        """Submit a job."""
        body: dict[str, Any] = {
            "template": "flux-schnell",
            "parameters": {"prompt": "a lighthouse", "num_outputs": outputs},
        }
        submission = Submission(
            user, key, json.dumps(body | ({"callback_url": CALLBACK_URL} if callback else {}))
        )
        self._submissions.append(submission)
        self._send(submission)

    def resubmit(self, index: int) -> None:
        """Repeat an earlier request byte by byte."""
        if self._submissions:
            self._send(self._submissions[index % len(self._submissions)])

    def rerun(self, index: int) -> None:
        """Submit a job with the parameters of an earlier job, which may be open or deleted."""
        if job_id := self._job_at(index):
            user = self._jobs[job_id]

            def check(response: Response) -> None:
                self._expect_status(response, (202, 402, 422, 429, 503), "rerun")
                if response.status == 202:
                    self._jobs[response.document["id"]] = user

            self._environment.api(
                "POST", "/jobs", body={"rerun_of": job_id}, user=user, on_response=check
            )

    def cancel(self, index: int) -> None:
        """Cancel a job."""
        if job_id := self._job_at(index):

            def check(response: Response) -> None:
                self._expect_status(
                    response, (202, 409) + ((404,) if job_id in self._deletions else ()), "cancel"
                )
                if response.status == 202:
                    self._canceled.add(job_id)

            self._environment.api(
                "POST", f"/jobs/{job_id}/cancel", user=self._jobs[job_id], on_response=check
            )

    def delete(self, index: int) -> None:
        """Delete a job."""
        if job_id := self._job_at(index):
            is_repeated = job_id in self._deletions
            self._deletions.add(job_id)
            self._environment.api(
                "DELETE",
                f"/jobs/{job_id}",
                user=self._jobs[job_id],
                on_response=lambda response: self._expect_status(
                    response, (204, 409) + ((404,) if is_repeated else ()), "delete"
                ),
            )

    def read(self, user: str, index: int) -> None:
        """Read a job as any user."""
        if job_id := self._job_at(index):
            is_owner = self._jobs[job_id] == user
            not_found = (404,) if job_id in self._deletions else ()
            self._environment.api(
                "GET",
                f"/jobs/{job_id}",
                user=user,
                on_response=lambda response: self._expect_status(
                    response, (200, *not_found) if is_owner else (404,), "read"
                ),
            )

    def list(self, user: str) -> None:
        """List the jobs of a user."""

        def check(response: Response) -> None:
            self._expect_status(response, (200,), "list")
            other_jobs = {job_id for job_id, owner in self._jobs.items() if owner != user}
            if response.status == 200 and other_jobs & {
                job["id"] for job in response.document["jobs"]
            }:
                self._environment.broken.append(
                    f"{user} can list the jobs of another user: {response.document}"
                )

        self._environment.api("GET", "/jobs", user=user, query="limit=100", on_response=check)

    def check_refused(self, response: Response) -> None:
        """Check that a stale or forged webhook is refused."""
        self._expect_status(response, (401,), "stale or forged webhook")

    def repeat_all(self) -> None:
        """Repeat every request with a key and every grant, as clients do without a response."""
        for submission in self._submissions:
            if submission.key:
                self._send(submission)
        for grant in self._grants:
            self._send_grant(grant)

    def check_quiet(self) -> None:
        """Check at the end of a run that every accepted request has its effect."""
        broken = list(self._environment.broken)
        rows = {
            sk.partition("#")[2]: item
            for (_, sk), item in self._environment.cloud.table.items.items()
            if sk.startswith("JOB#")
        }
        broken += [
            f"{job_id} was accepted and has no record"
            for job_id in self._jobs.keys() - rows.keys() - self._deletions
        ]
        broken += [
            f"{job_id} was accepted and never ended"
            for job_id, row in rows.items()
            if row["status"]["S"] not in FINAL
        ]
        broken += self._broken_grants()
        assert not broken, "\n".join(broken)

    def _broken_grants(self) -> Iterator[str]:
        users = {*self._opening_credits, *self._jobs.values(), *(user for user, _ in self._granted)}
        for user in users:
            grants = sum(
                amount
                for (granted_to, _), (_, amount) in self._granted.items()
                if granted_to == user
            )
            expected = self._opening_credits.get(user, 0) + self._welcome_credits + grants
            response = self._environment.api("GET", "/credits", user=user)
            assert response
            if response.document["granted"] != expected:
                yield f"{user} was granted {expected}, but the ledger has {response.document}"

    def _send_grant(self, grant: Grant) -> None:
        body = {
            "amount": grant.amount,
            "reason": "a grant",
            "reference": grant.reference,
            "create": True,
        }
        self._environment.api(
            "POST",
            f"/accounts/web/{grant.user}/credits",
            body=body,
            on_response=lambda response: self._check_grant(grant, response),
            **ADMIN,
        )

    def _check_grant(self, grant: Grant, response: Response) -> None:
        self._expect_status(response, (200, 201, 422), "give")
        earlier = self._granted.get((grant.user, grant.reference))
        if response.status == 422 and earlier and earlier[1] == grant.amount:
            self._environment.broken.append(
                f"{grant} was accepted as {earlier[0]}, then refused: {response.document}"
            )
        if response.status not in (200, 201):
            return
        entry = response.document["id"], response.document["granted"]
        if entry[1] != grant.amount or (earlier and (earlier != entry or response.status == 201)):
            self._environment.broken.append(
                f"{grant} was accepted as {earlier}, then as {entry} with {response.status}"
            )
        self._granted[grant.user, grant.reference] = entry

    def _send(self, submission: Submission) -> None:
        headers = {"idempotency-key": submission.key} if submission.key else {}
        self._environment.api(
            "POST",
            "/jobs",
            body=submission.body,
            user=submission.user,
            headers=headers,
            on_response=lambda response: self._check_submission(submission, response),
        )

    def _check_submission(self, submission: Submission, response: Response) -> None:
        not_found = (404,) if self._deletions else ()
        self._expect_status(response, (202, 402, 422, 429, 503, *not_found), "submit")
        accepted = self._accepted.get((submission.user, submission.key)) if submission.key else None
        if response.status == 422 and not (
            submission.key and self._used_for_another_body(submission)
        ):
            self._environment.broken.append(f"{submission} was refused: {response.document}")
        if response.status != 202:
            # An accepted request is never refused later, even if the credits are spent.
            if (
                accepted
                and accepted[1] == submission.body
                and not response.is_unknown
                and accepted[0] not in self._deletions
            ):
                self._environment.broken.append(
                    f"{submission} was accepted as {accepted[0]}, then refused: {response}"
                )
            return
        job_id = response.document["id"]
        if accepted and accepted != (job_id, submission.body):
            self._environment.broken.append(
                f"{submission} was accepted as {accepted}, then as {job_id}"
            )
        self._jobs[job_id] = submission.user
        if submission.key:
            self._accepted[submission.user, submission.key] = job_id, submission.body

    def _used_for_another_body(self, submission: Submission) -> bool:
        same_key = [
            each
            for each in self._submissions
            if (each.user, each.key) == (submission.user, submission.key)
        ]
        return any(each.body != submission.body for each in same_key)

    def _job_at(self, index: int) -> str | None:
        return list(self._jobs)[index % len(self._jobs)] if self._jobs else None

    def _expect_status(self, response: Response, statuses: tuple[int, ...], request: str) -> None:
        if response.status not in statuses and not response.is_unknown:
            self._environment.broken.append(f"unexpected response to {request}: {response}")
