"""The people in front of the API: what they were told, and that it stays true."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.simulation.records import FINAL
from tests.simulation.scenarios import CALLBACK_URL
from tests.simulation.world import Answer, World

TRIES_MAX = 4


@dataclass(frozen=True)
class Submission:
    """A request for a job, as its sender can repeat it."""

    user: str
    key: str | None
    body: str


class People:
    """Some people, who remember what was promised to them. What they were told wrong goes to the world's broken promises."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._submissions: list[Submission] = []
        self._accepted: dict[tuple[str, str], tuple[str, str]] = {}
        self._jobs: dict[str, str] = {}
        self._canceled: set[str] = set()
        self._deletions: set[str] = set()

    def submit(self, user: str, *, key: str | None, outputs: int, callback: bool) -> None:
        """Ask for a job."""
        body: dict[str, Any] = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse", "num_outputs": outputs}}
        submission = Submission(user, key, json.dumps(body | ({"callback_url": CALLBACK_URL} if callback else {})))
        self._submissions.append(submission)
        self._send(submission)

    def submit_again(self, place: int) -> None:
        """Repeat a request byte by byte."""
        if self._submissions:
            self._send(self._submissions[place % len(self._submissions)])

    def cancel(self, place: int) -> None:
        """Ask for the end of a job."""
        if job_id := self._job(place):

            def over(answer: Answer) -> None:
                self._must_be(answer, (202, 409, 500) + ((404,) if job_id in self._deletions else ()), "cancel")
                if answer.status == 202:
                    self._canceled.add(job_id)

            self._world.api("POST", f"/jobs/{job_id}/cancel", user=self._jobs[job_id], over=over)

    def delete(self, place: int) -> None:
        """Delete a job."""
        if job_id := self._job(place):
            again = job_id in self._deletions
            self._deletions.add(job_id)
            self._world.api(
                "DELETE",
                f"/jobs/{job_id}",
                user=self._jobs[job_id],
                over=lambda answer: self._must_be(answer, (204, 409, 500) + ((404,) if again else ()), "delete"),
            )

    def read(self, user: str, place: int) -> None:
        """Ask for a job, be it somebody else's."""
        if job_id := self._job(place):
            own = self._jobs[job_id] == user
            gone = (404,) if job_id in self._deletions else ()
            self._world.api("GET", f"/jobs/{job_id}", user=user, over=lambda answer: self._must_be(answer, (200, 500, *gone) if own else (404, 500), "read"))

    def list(self, user: str) -> None:
        """Ask for all jobs of one's own."""

        def over(answer: Answer) -> None:
            self._must_be(answer, (200, 500), "list")
            theirs = {job_id for job_id, owner in self._jobs.items() if owner != user}
            if answer.document and theirs & {job["id"] for job in answer.document["jobs"]}:
                self._world.broken.append(f"{user} was shown somebody else's jobs: {answer.document}")

        self._world.api("GET", "/jobs", user=user, query="limit=100", over=over)

    def must_be_refused(self, answer: Answer) -> None:
        """Hear the answer to a webhook that must not come in."""
        self._must_be(answer, (401, 500), "stale or forged webhook")

    def repeat_all(self) -> None:
        """Repeat every request that had a key, as a client does who never heard the answer, until there is one."""
        for submission in self._submissions:
            if submission.key:
                self._send(submission)

    def check_quiet(self) -> None:
        """Look at what was promised, when nothing is coming any more."""
        broken = list(self._world.broken)
        rows = {sk.partition("#")[2]: item for (_, sk), item in self._world.cloud.table.items.items() if sk.startswith("JOB#")}
        broken += [f"{job_id} was accepted and is not there" for job_id in self._jobs.keys() - rows.keys() - self._deletions]
        broken += [f"{job_id} was accepted and never ended" for job_id, row in rows.items() if row["status"]["S"] not in FINAL]
        assert not broken, "\n".join(broken)

    def _send(self, submission: Submission) -> None:
        headers = {"idempotency-key": submission.key} if submission.key else {}
        self._world.api("POST", "/jobs", body=submission.body, user=submission.user, headers=headers, over=lambda answer: self._heard(submission, answer))

    def _heard(self, submission: Submission, answer: Answer) -> None:
        gone = (404,) if self._deletions else ()
        self._must_be(answer, (202, 402, 422, 429, 500, *gone), "submit")
        accepted = self._accepted.get((submission.user, submission.key)) if submission.key else None
        if answer.status == 422 and not (submission.key and self._used_for_another_body(submission)):
            self._world.broken.append(f"{submission} was refused: {answer.document}")
        if answer.status != 202:
            # What was accepted once is never refused later, whatever became of the credits.
            if accepted and accepted[1] == submission.body and answer.status != 500 and accepted[0] not in self._deletions:
                self._world.broken.append(f"{submission} was accepted as {accepted[0]}, and then: {answer}")
            return
        job_id = answer.document["id"]
        if accepted and accepted != (job_id, submission.body):
            self._world.broken.append(f"{submission} was accepted as {accepted}, and then as {job_id}")
        self._jobs[job_id] = submission.user
        if submission.key:
            self._accepted[submission.user, submission.key] = job_id, submission.body

    def _used_for_another_body(self, submission: Submission) -> bool:
        same = [each for each in self._submissions if (each.user, each.key) == (submission.user, submission.key)]
        return any(each.body != submission.body for each in same)

    def _job(self, place: int) -> str | None:
        return list(self._jobs)[place % len(self._jobs)] if self._jobs else None

    def _must_be(self, answer: Answer, statuses: tuple[int, ...], what: str) -> None:
        if answer.status not in statuses:
            self._world.broken.append(f"{what} was answered {answer}")
