"""The promises (invariants) of the backend.

Each is checked from outside: in the table, the bucket, the event bus and the provider's
predictions.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache, partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from darkroom.domain.recovery import CHECK_INTERVAL_SECONDS, FUNCTION_TIMEOUT_SECONDS_MAX
from darkroom.domain.uploads import UPLOADS_PREFIX
from darkroom.services import audit_accounts
from tests.simulation.environment import TIMEOUTS, Environment
from tests.simulation.permissions import forbidden
from tests.simulation.queue_promises import QueuePromises
from tests.simulation.records import COUNTERS, FINAL, Partition, Records, parse_time
from tests.simulation.replicate_model import INTERRUPTED, Prediction, small_image

# The latest end of a job after its deadline and its wait: StoreOutput with its last retry, then
# recovery stops the execution, waits until its functions have timed out, and ends the job. Each of
# these may wait for the next run of recovery, and one run may be killed.
STORING_SECONDS = 270
RECOVERY_CHECKS = 4
_MARKS_OF_RECOVERY = {"check_queue", "next_check_at"}
_RESOLVING = ("settle", "release")


class BrokenPromise(AssertionError):
    """A promise does not hold."""


class Promises:
    """Checks one environment, and remembers records that must never change."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        environment.on_creation = partial(broken_by_creation, environment)
        self._records = Records()
        self._final: dict[str, Mapping[str, Any]] = {}
        self._entries: dict[str, Mapping[str, Any]] = {}
        # The accounts without faults. An account without new rows is not checked again.
        self._checked: dict[str, Partition] = {}
        self._prediction_ids: dict[str, str] = {}
        self._events_seen = 0
        self._announced: dict[str, set[str]] = defaultdict(set)
        self._queue = QueuePromises(environment, self._records)

    def check(self, *, in_time: bool = False) -> None:
        """Check every promise.

        With `in_time`, also check that no job is open after the latest time of its end. This holds
        only while the provider and AWS work normally.
        """
        environment = self._environment
        accounts = self._records.accounts(environment.cloud.table.items)
        self._read_events()
        broken = list(environment.broken)
        predictions = _by_nonce(environment.replicate.predictions.values())
        for name, partition in accounts.items():
            if self._checked.get(name) is not partition:
                faults = [f"{name}: {fault}" for fault in self._check_account(partition)]
                broken += faults
                if not faults:
                    self._checked[name] = partition
            for job_id, job in partition.jobs.items():
                broken += (
                    f"{name}/{job_id}: {fault}"
                    for fault in self._check_job(job_id, job, predictions, in_time=in_time)
                )
        broken += self._check_bucket(accounts)
        broken += self._queue.broken(accounts, in_time=in_time)
        if broken:
            raise BrokenPromise("\n".join(broken))

    def check_quiet(self) -> None:
        """Check the promises that hold when nothing is open and nothing is scheduled."""
        self.check()
        environment = self._environment
        accounts = self._records.accounts(environment.cloud.table.items)
        jobs = {
            job_id: job for partition in accounts.values() for job_id, job in partition.jobs.items()
        }
        broken = [
            f"{job_id} is {job['status']}"
            for job_id, job in jobs.items()
            if job["status"] not in FINAL
        ]
        broken += [
            f"{name}: the media of {partition.marks} are not purged"
            for name, partition in accounts.items()
            if partition.marks
        ]
        broken += [
            f"slot {slot['sk']} is held by {slot['holder']}" for slot in self._records.slots()
        ]
        broken += [
            f"{each.id} is still running"
            for each in environment.replicate.predictions.values()
            if each.completed_at is None
        ]
        broken += [
            f"{each.name} is still running"
            for each in environment.states.executions.values()
            if each.is_running
        ]
        broken += forbidden(
            call for invocation in environment.invocations for call in invocation.calls
        )
        callback_statuses = {
            json.loads(request.body or "")["data"]["id"]: json.loads(request.body or "")["data"][
                "status"
            ]
            for request in environment.callbacks
        }
        broken += (
            f"{job_id} is {job['status']}, but its callback said {callback_statuses.get(job_id)}"
            for job_id, job in jobs.items()
            if "callback_url" in job and callback_statuses.get(job_id) != job["status"]
        )
        for name in accounts:
            found = audit_accounts.audit(
                f"ACCOUNT#{name.replace('/', '#')}", now=environment.event_queue.now
            )
            broken += (f"the audit of {name} reports {mismatch}" for mismatch in found.mismatches)
        if broken:
            raise BrokenPromise("\n".join(broken))

    def ended(self) -> Counter[str]:
        """Count the ended jobs by status."""
        return Counter(job["status"] for job in self._final.values())

    def _check_account(self, partition: Partition) -> Iterator[str]:
        records = partition.balance or {}
        counters = {name: records.get(name, 0) for name in COUNTERS}
        if (
            counters["granted"] != counters["available"] + counters["held"] + counters["spent"]
            or min(counters.values()) < 0
        ):
            yield f"the ledger does not balance: {counters}"
        if (
            sums := {
                name: sum(entry.get(name, 0) for entry in partition.entries.values())
                for name in COUNTERS
            }
        ) != counters:
            yield f"the entries sum up to {sums}, but the account has {counters}"
        open_jobs = [job for job in partition.jobs.values() if job["status"] not in FINAL]
        if counters["held"] != sum(job["held"] for job in partition.jobs.values()):
            jobs_hold = [job["held"] for job in open_jobs]
            yield f"{counters['held']} credits are held, but the jobs hold {jobs_hold}"
        counts = records.get("in_flight", 0), records.get("jobs_total", 0)
        if counts != (len(open_jobs), len(partition.jobs)):
            yield (
                f"the account counts {counts[0]} open jobs of {counts[1]}, "
                f"but {len(open_jobs)} of {len(partition.jobs)} are open"
            )
        yield from self._check_entries(partition)

    def _check_entries(self, partition: Partition) -> Iterator[str]:
        kinds: dict[str, Counter[str]] = defaultdict(Counter)
        for entry_id, entry in partition.entries.items():
            if self._entries.setdefault(entry_id, entry) != entry:
                yield f"entry {entry_id} was changed"
            if "job_id" in entry:
                kinds[entry["job_id"]][
                    "resolved" if entry["kind"] in _RESOLVING else entry["kind"]
                ] += 1
        for job_id in kinds.keys() | partition.jobs.keys():
            status = partition.jobs[job_id]["status"] if job_id in partition.jobs else "deleted"
            expected = (
                {"hold": 1} if status in ("pending", "processing") else {"hold": 1, "resolved": 1}
            )
            if kinds[job_id] != expected:
                yield f"a job with status {status} has the entries {dict(kinds[job_id])}"

    def _check_job(
        self,
        job_id: str,
        job: Mapping[str, Any],
        predictions: Mapping[str, list[Prediction]],
        *,
        in_time: bool,
    ) -> Iterator[str]:
        if job["provider"] == "replicate":
            # Predictions of the other providers carry no nonce.
            yield from self._check_attempts(job, predictions)
        if job["status"] in FINAL:
            yield from self._check_ended(job_id, job)
        elif in_time and self._environment.event_queue.now > (latest := _latest_end(job)):
            yield f"is still {job['status']}, but should have ended by {latest}"
        elif job["quoted"] != job["held"]:
            yield f"is open with a quote of {job['quoted']}, but holds {job['held']}"
        elif job.get("check_queue") != "open":
            yield "is open, but recovery never checks it"

    def _check_ended(self, job_id: str, job: Mapping[str, Any]) -> Iterator[str]:
        lasting = {name: value for name, value in job.items() if name not in _MARKS_OF_RECOVERY}
        if self._final.setdefault(job_id, lasting) != lasting:
            yield f"was final, then changed from {self._final[job_id]} to {lasting}"
        yield from self._check_receipt(job)
        storing_at, canceled_at = (
            parse_time(job.get("storing_at")),
            parse_time(job.get("cancel_requested_at")),
        )
        if (
            canceled_at
            and (storing_at is None or canceled_at < storing_at)
            and job["status"] != "canceled"
        ):
            yield (
                f"was canceled at {canceled_at}, before storing began ({storing_at}), "
                f"but is {job['status']}"
            )
        if job["status"] == "canceled" and canceled_at is None:
            yield "is canceled without a cancel request"
        for output in job["outputs"]:
            yield from self._check_output(output)
        if job.get("check_queue") != "open" and job["status"] not in self._announced[job_id]:
            yield "has ended and left the open jobs, but its end was not announced"
        if self._announced[job_id] - {job["status"]}:
            yield f"is {job['status']}, but was announced as {self._announced[job_id]}"

    def _check_output(self, output: Mapping[str, Any]) -> Iterator[str]:
        objects = self._environment.cloud.objects
        variants = [output[name] for name in ("thumbnail_key",) if name in output]
        variants += [preview["key"] for preview in output.get("previews", ())]
        if missing := {output["key"], *variants} - objects.keys():
            yield f"has ended, but its objects {missing} are not in the bucket"
        elif objects[output["key"]] != small_image():
            yield f"has ended, but {output['key']} is not the whole file of the provider"

    def _check_receipt(self, job: Mapping[str, Any]) -> Iterator[str]:
        delivered = len(
            {output["number"] for output in job["outputs"]} & set(range(job["outputs_count"]))
        )
        if delivered < len(job["outputs"]):
            yield f"has an output twice, or one that was not requested: {job['outputs']}"
        charged = job["quoted"] * delivered // job["outputs_count"]
        if (job["held"], job["charged"], job["refunded"]) != (0, charged, job["quoted"] - charged):
            yield (
                f"delivered {delivered} of {job['outputs_count']} outputs for {job['quoted']}, "
                f"but the receipt is {job}"
            )
        if (job["status"] == "completed") is not bool(delivered) or (
            job["status"] == "completed"
        ) is ("failure_code" in job):
            yield (
                f"is {job['status']} with {delivered} outputs "
                f"and the failure code {job.get('failure_code')}"
            )

    def _check_attempts(
        self, job: Mapping[str, Any], predictions: Mapping[str, list[Prediction]]
    ) -> Iterator[str]:
        attempts = job["attempts"]
        for attempt in attempts:
            made = predictions.get(attempt["nonce"], [])
            recorded = attempt.get("prediction_id")
            if (count := sum(not prediction.is_duplicate for prediction in made)) > 1:
                yield (
                    f"{count} predictions were created for one attempt "
                    f"with {attempt['requests_count']} requests"
                )
            if recorded and recorded not in [prediction.id for prediction in made]:
                yield f"records {recorded}, which was created for another attempt"
            if recorded and self._prediction_ids.setdefault(attempt["nonce"], recorded) != recorded:
                earlier = self._prediction_ids[attempt["nonce"]]
                yield f"had the prediction {earlier}, and now has {recorded}"
        if len(attempts) > 1:
            first = [
                prediction
                for prediction in predictions.get(attempts[0]["nonce"], [])
                if prediction.id == attempts[0].get("prediction_id")
            ]
            if len(attempts) > 2 or [prediction.error for prediction in first] != [INTERRUPTED]:
                yield f"has {len(attempts)} attempts, and the predictions of the first are {first}"

    def _check_bucket(self, accounts: Mapping[str, Partition]) -> Iterator[str]:
        for key in self._environment.cloud.objects:
            if key.startswith(UPLOADS_PREFIX):
                continue
            _, platform, user, job_id, name = key.split("/")
            partition = accounts[f"{platform}/{user}"]
            job = partition.jobs.get(job_id)
            if job is None and job_id not in partition.marks:
                yield f"{key} belongs to no job"
            if job and int(name.partition(".")[0].partition("-")[0]) >= job["outputs_count"]:
                yield f"{key} is more than the requested outputs"

    def _read_events(self) -> None:
        events = self._environment.cloud.events
        for event in events[self._events_seen :]:
            detail = event["detail"]
            if (detail["id"], event["detail-type"]) != (
                f"{detail['job_id']}.{detail['status']}",
                f"job.{detail['status']}",
            ):
                self._environment.broken.append(f"the event {event} contradicts itself")
            self._announced[detail["job_id"]].add(detail["status"])
        self._events_seen = len(events)


def broken_by_creation(environment: Environment, prediction: Prediction) -> Iterator[str]:
    """Return the promises that a new prediction breaks.

    Its attempt must be recorded before, must have no other prediction, and its deadline must be
    bounded.
    """
    if prediction.webhook is None:
        prediction.made_for = _only_attempt(environment)
    account, job_id, nonce = _reference_of(prediction)
    platform, user = account.split("/")
    partition = f"ACCOUNT#{platform}#{user}"
    item = environment.cloud.table.items.get((partition, f"JOB#{job_id}"))
    if item is None:
        # A delayed request may arrive after its job was canceled and deleted.
        # Its sender then cancels the prediction.
        if (partition, f"DELETED#{job_id}") not in environment.cloud.table.items:
            yield f"{prediction.id} was created for a job without a record"
        return
    job = next(iter(Records().accounts({("ACCOUNT#of#it", f"JOB#{job_id}"): item}).values())).jobs[
        job_id
    ]
    attempt = next((attempt for attempt in job["attempts"] if attempt["nonce"] == nonce), None)
    if attempt is None:
        yield f"{prediction.id} was created before its attempt was recorded"
    elif "prediction_id" in attempt:
        yield f"{prediction.id} was created for an attempt that has {attempt['prediction_id']}"
    deadline = parse_time(job["deadline_at"])
    assert deadline
    # The invocation computes the remaining seconds and may then pause until it times out.
    # The provider accepts no less than five seconds.
    if prediction.deadline is None or prediction.deadline > max(
        deadline, environment.event_queue.now
    ) + timedelta(seconds=TIMEOUTS["request_prediction"] + 5):
        yield f"{prediction.id} ends by {prediction.deadline}, but its job by {deadline}"


def _latest_end(job: Mapping[str, Any]) -> Any:
    seconds = (
        job["wait_seconds"]
        + STORING_SECONDS
        + FUNCTION_TIMEOUT_SECONDS_MAX
        + RECOVERY_CHECKS * CHECK_INTERVAL_SECONDS
    )
    deadline = parse_time(job.get("deadline_at") or job["queue_until"])
    assert deadline
    return deadline + timedelta(seconds=seconds)


def _by_nonce(predictions: Any) -> dict[str, list[Prediction]]:
    found: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        found[_reference_of(prediction)[2]].append(prediction)
    return found


def _only_attempt(environment: Environment) -> tuple[str, str, str]:
    """Return the account, job and nonce of the latest attempt in an environment with one job.

    A prediction without a webhook does not name its job.
    """
    ((partition, sort_key, item),) = [
        (pk, sk, item)
        for (pk, sk), item in environment.cloud.table.items.items()
        if sk.startswith("JOB#")
    ]
    attempts = item["attempts"]["L"]
    return (
        "/".join(partition.split("#")[1:]),
        sort_key.partition("#")[2],
        attempts[-1]["M"]["nonce"]["S"] if attempts else "",
    )


def _reference_of(prediction: Prediction) -> tuple[str, str, str]:
    """Return the account, job and nonce of a prediction, from its webhook's URL."""
    if prediction.made_for:
        return prediction.made_for
    return _reference_in(prediction.webhook or "")


@cache
def _reference_in(url: str) -> tuple[str, str, str]:
    reference = parse_qs(urlsplit(url).query)["job"][0]
    front, _, nonce = reference.rpartition("/")
    account, _, job_id = front.rpartition("/")
    return account, job_id, nonce
