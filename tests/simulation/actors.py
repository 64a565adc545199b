"""The actors in front of the API: what they were told, and that it stays true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.simulation.environment import Answer, Environment
from tests.simulation.records import FINAL
from tests.simulation.scenarios import ADMIN, CALLBACK_URL

TRIES_MAX = 4


@dataclass(frozen=True)
class Submission:
    """A request for a job, as its sender can repeat it."""

    user: str
    key: str | None
    body: str


@dataclass(frozen=True)
class Gift:
    """Credits that the administrator gives, or takes back, as she can repeat it."""

    user: str
    reference: str
    amount: int


class Actors:
    """Some actors, who remember what was promised to them. What they were told wrong goes to the environment's broken promises."""

    def __init__(self, environment: Environment, *, welcome_credits: int = 0) -> None:
        self._environment = environment
        self._welcome_credits = welcome_credits
        self._opened: dict[str, int] = {}
        self._gifts: list[Gift] = []
        self._given: dict[tuple[str, str], tuple[str, int]] = {}
        self._submissions: list[Submission] = []
        self._accepted: dict[tuple[str, str], tuple[str, str]] = {}
        self._jobs: dict[str, str] = {}
        self._canceled: set[str] = set()
        self._deletions: set[str] = set()

    def open_account(self, user: str, credits: int) -> None:
        """Start with these credits."""
        self._opened[user] = credits
        self._environment.open_account(user, credits)

    def give(self, user: str, reference: str, amount: int) -> None:
        """Have the administrator give credits, or take them back."""
        gift = Gift(user, reference, amount)
        self._gifts.append(gift)
        self._give(gift)

    def pause(self, *, paused: bool) -> None:
        """Have the administrator turn the switch."""
        self._environment.api(
            "PUT",
            "/admin/paused",
            body={"paused": paused},
            over=lambda answer: self._must_be(answer, (200,), "pause"),
            **ADMIN,
        )

    def submit(self, user: str, *, key: str | None, outputs: int, callback: bool) -> None:
        """Ask for a job."""
        body: dict[str, Any] = {
            "template": "flux-schnell",
            "parameters": {"prompt": "a lighthouse", "num_outputs": outputs},
        }
        submission = Submission(
            user, key, json.dumps(body | ({"callback_url": CALLBACK_URL} if callback else {}))
        )
        self._submissions.append(submission)
        self._send(submission)

    def submit_again(self, place: int) -> None:
        """Repeat a request byte by byte."""
        if self._submissions:
            self._send(self._submissions[place % len(self._submissions)])

    def run_again(self, place: int) -> None:
        """Ask for a job like an earlier one, which may be open still, or gone."""
        if job_id := self._job(place):
            user = self._jobs[job_id]

            def over(answer: Answer) -> None:
                self._must_be(answer, (202, 402, 422, 429, 503), "run again")
                if answer.status == 202:
                    self._jobs[answer.document["id"]] = user

            self._environment.api("POST", "/jobs", body={"rerun_of": job_id}, user=user, over=over)

    def cancel(self, place: int) -> None:
        """Ask for the end of a job."""
        if job_id := self._job(place):

            def over(answer: Answer) -> None:
                self._must_be(
                    answer, (202, 409) + ((404,) if job_id in self._deletions else ()), "cancel"
                )
                if answer.status == 202:
                    self._canceled.add(job_id)

            self._environment.api(
                "POST", f"/jobs/{job_id}/cancel", user=self._jobs[job_id], over=over
            )

    def delete(self, place: int) -> None:
        """Delete a job."""
        if job_id := self._job(place):
            again = job_id in self._deletions
            self._deletions.add(job_id)
            self._environment.api(
                "DELETE",
                f"/jobs/{job_id}",
                user=self._jobs[job_id],
                over=lambda answer: self._must_be(
                    answer, (204, 409) + ((404,) if again else ()), "delete"
                ),
            )

    def read(self, user: str, place: int) -> None:
        """Ask for a job, be it somebody else's."""
        if job_id := self._job(place):
            own = self._jobs[job_id] == user
            gone = (404,) if job_id in self._deletions else ()
            self._environment.api(
                "GET",
                f"/jobs/{job_id}",
                user=user,
                over=lambda answer: self._must_be(answer, (200, *gone) if own else (404,), "read"),
            )

    def list(self, user: str) -> None:
        """Ask for all jobs of one's own."""

        def over(answer: Answer) -> None:
            self._must_be(answer, (200,), "list")
            theirs = {job_id for job_id, owner in self._jobs.items() if owner != user}
            if answer.status == 200 and theirs & {job["id"] for job in answer.document["jobs"]}:
                self._environment.broken.append(
                    f"{user} was shown somebody else's jobs: {answer.document}"
                )

        self._environment.api("GET", "/jobs", user=user, query="limit=100", over=over)

    def must_be_refused(self, answer: Answer) -> None:
        """Hear the answer to a webhook that must not come in."""
        self._must_be(answer, (401,), "stale or forged webhook")

    def repeat_all(self) -> None:
        """Repeat every request that had a key, and every gift, as a client does who never heard the answer, until there is one."""
        for submission in self._submissions:
            if submission.key:
                self._send(submission)
        for gift in self._gifts:
            self._give(gift)

    def check_quiet(self) -> None:
        """Look at what was promised, when nothing is coming any more."""
        broken = list(self._environment.broken)
        rows = {
            sk.partition("#")[2]: item
            for (_, sk), item in self._environment.cloud.table.items.items()
            if sk.startswith("JOB#")
        }
        broken += [
            f"{job_id} was accepted and is not there"
            for job_id in self._jobs.keys() - rows.keys() - self._deletions
        ]
        broken += [
            f"{job_id} was accepted and never ended"
            for job_id, row in rows.items()
            if row["status"]["S"] not in FINAL
        ]
        broken += self._in_what_was_given()
        assert not broken, "\n".join(broken)

    def _in_what_was_given(self) -> Iterator[str]:
        users = {*self._opened, *self._jobs.values(), *(user for user, _ in self._given)}
        for user in users:
            gifts = sum(
                amount for (given_to, _), (_, amount) in self._given.items() if given_to == user
            )
            expected = self._opened.get(user, 0) + self._welcome_credits + gifts
            answer = self._environment.api("GET", "/credits", user=user)
            assert answer
            if answer.document["granted"] != expected:
                yield f"{user} was given {expected} in all, and the ledger says {answer.document}"

    def _give(self, gift: Gift) -> None:
        body = {"amount": gift.amount, "reason": "a gift", "reference": gift.reference}
        self._environment.api(
            "POST",
            f"/accounts/web/{gift.user}/credits",
            body=body,
            over=lambda answer: self._thanked(gift, answer),
            **ADMIN,
        )

    def _thanked(self, gift: Gift, answer: Answer) -> None:
        self._must_be(answer, (200, 201, 422), "give")
        before = self._given.get((gift.user, gift.reference))
        if answer.status == 422 and before and before[1] == gift.amount:
            self._environment.broken.append(
                f"{gift} was given as {before[0]}, and then refused: {answer.document}"
            )
        if answer.status not in (200, 201):
            return
        given = answer.document["id"], answer.document["granted"]
        if given[1] != gift.amount or (before and (before != given or answer.status == 201)):
            self._environment.broken.append(
                f"{gift} was given as {before}, and then as {given} with {answer.status}"
            )
        self._given[gift.user, gift.reference] = given

    def _send(self, submission: Submission) -> None:
        headers = {"idempotency-key": submission.key} if submission.key else {}
        self._environment.api(
            "POST",
            "/jobs",
            body=submission.body,
            user=submission.user,
            headers=headers,
            over=lambda answer: self._heard(submission, answer),
        )

    def _heard(self, submission: Submission, answer: Answer) -> None:
        gone = (404,) if self._deletions else ()
        self._must_be(answer, (202, 402, 422, 429, 503, *gone), "submit")
        accepted = self._accepted.get((submission.user, submission.key)) if submission.key else None
        if answer.status == 422 and not (
            submission.key and self._used_for_another_body(submission)
        ):
            self._environment.broken.append(f"{submission} was refused: {answer.document}")
        if answer.status != 202:
            # What was accepted once is never refused later, whatever became of the credits.
            if (
                accepted
                and accepted[1] == submission.body
                and not answer.is_unknown
                and accepted[0] not in self._deletions
            ):
                self._environment.broken.append(
                    f"{submission} was accepted as {accepted[0]}, and then: {answer}"
                )
            return
        job_id = answer.document["id"]
        if accepted and accepted != (job_id, submission.body):
            self._environment.broken.append(
                f"{submission} was accepted as {accepted}, and then as {job_id}"
            )
        self._jobs[job_id] = submission.user
        if submission.key:
            self._accepted[submission.user, submission.key] = job_id, submission.body

    def _used_for_another_body(self, submission: Submission) -> bool:
        same = [
            each
            for each in self._submissions
            if (each.user, each.key) == (submission.user, submission.key)
        ]
        return any(each.body != submission.body for each in same)

    def _job(self, place: int) -> str | None:
        return list(self._jobs)[place % len(self._jobs)] if self._jobs else None

    def _must_be(self, answer: Answer, statuses: tuple[int, ...], what: str) -> None:
        if answer.status not in statuses and not answer.is_unknown:
            self._environment.broken.append(f"{what} was answered {answer}")
