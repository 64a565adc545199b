"""The promises, each looked at from outside: in the table, the bucket, the bus, and what the provider was asked for."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

from darkroom.domain.recovery import CHECK_INTERVAL_SECONDS, FUNCTION_TIMEOUT_SECONDS_MAX
from darkroom.domain.uploads import UPLOADS_PREFIX
from darkroom.services import audit_accounts
from tests.simulation.environment import TIMEOUTS, Environment
from tests.simulation.permissions import forbidden
from tests.simulation.records import COUNTERS, FINAL, Partition, Records, moment
from tests.simulation.replicate_model import INTERRUPTED, Prediction

# Deadline, wait, storing with its last try; then it is stopped, has to be quiet, and is ended. Each of these may wait for a look of recovery's,
# and one look may be the one that was killed.
STORING_SECONDS = 270
RECOVERY_CHECKS = 4
_MARKS_OF_RECOVERY = {"check_queue", "next_check_at"}
_RESOLVING = ("settle", "release")


class BrokenPromise(AssertionError):
    """What was promised and is not so."""


class Promises:
    """Looks at one environment, and remembers what must never change."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        environment.watch_creation = partial(broken_by_creation, environment)
        self._records = Records()
        self._final: dict[str, Mapping[str, Any]] = {}
        self._entries: dict[str, Mapping[str, Any]] = {}
        self._prediction_ids: dict[str, str] = {}
        self._events_seen = 0
        self._announced: dict[str, set[str]] = defaultdict(set)

    def check(self, *, in_time: bool = False) -> None:
        """Look at every promise. With `in_time` also at when a job must have ended, which holds only while the provider and AWS are well."""
        environment = self._environment
        accounts = self._records.accounts(environment.cloud.table.items)
        self._hear_events()
        broken = list(environment.broken)
        predictions = _by_nonce(environment.replicate.predictions.values())
        for name, partition in accounts.items():
            broken += (f"{name}: {fault}" for fault in self._in_account(partition))
            for job_id, job in partition.jobs.items():
                broken += (
                    f"{name}/{job_id}: {fault}"
                    for fault in self._in_job(job_id, job, predictions, in_time=in_time)
                )
        broken += self._in_bucket(accounts)
        broken += self._in_slots(accounts)
        if broken:
            raise BrokenPromise("\n".join(broken))

    def check_quiet(self) -> None:
        """Look at what must be so when nothing is coming any more."""
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
            f"{name} has {partition.marks} not purged"
            for name, partition in accounts.items()
            if partition.marks
        ]
        broken += [
            f"slot {slot['sk']} is held by {slot['holder']}" for slot in self._records.slots()
        ]
        broken += [
            f"{each.id} runs still"
            for each in environment.replicate.predictions.values()
            if each.completed_at is None
        ]
        broken += [
            f"{each.name} runs still"
            for each in environment.states.executions.values()
            if each.is_running
        ]
        broken += forbidden(
            call for invocation in environment.invocations for call in invocation.calls
        )
        called_back = {
            json.loads(request.body or "")["data"]["id"]: json.loads(request.body or "")["data"][
                "status"
            ]
            for request in environment.callbacks
        }
        broken += (
            f"{job_id} is {job['status']}, and its owner was told {called_back.get(job_id)}"
            for job_id, job in jobs.items()
            if "callback_url" in job and called_back.get(job_id) != job["status"]
        )
        for name in accounts:
            found = audit_accounts.audit(
                f"ACCOUNT#{name.replace('/', '#')}", now=environment.event_queue.now
            )
            broken += (f"the audit of {name} finds {mismatch}" for mismatch in found.mismatches)
        if broken:
            raise BrokenPromise("\n".join(broken))

    def ended(self) -> Counter[str]:
        """Count the jobs that have ended so far, by how."""
        return Counter(job["status"] for job in self._final.values())

    def _in_account(self, partition: Partition) -> Iterator[str]:
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
            yield f"the entries make {sums}, the ledger says {counters}"
        open_jobs = [job for job in partition.jobs.values() if job["status"] not in FINAL]
        if counters["held"] != sum(job["held"] for job in partition.jobs.values()):
            yield f"{counters['held']} are held, and the jobs hold {[job['held'] for job in open_jobs]}"
        if (records.get("in_flight", 0), records.get("jobs_total", 0)) != (
            len(open_jobs),
            len(partition.jobs),
        ):
            yield f"{records.get('in_flight')} of {records.get('jobs_total')} jobs are said to be in flight, {len(open_jobs)} of {len(partition.jobs)} are"
        yield from self._in_entries(partition)

    def _in_entries(self, partition: Partition) -> Iterator[str]:
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
            wanted = (
                {"hold": 1} if status in ("pending", "processing") else {"hold": 1, "resolved": 1}
            )
            if kinds[job_id] != wanted:
                yield f"a job that is {status} has the entries {dict(kinds[job_id])}"

    def _in_job(
        self,
        job_id: str,
        job: Mapping[str, Any],
        predictions: Mapping[str, list[Prediction]],
        *,
        in_time: bool,
    ) -> Iterator[str]:
        if job["provider"] == "replicate":
            # What the other providers made carries no nonce to know it by.
            yield from self._in_attempts(job, predictions)
        if job["status"] in FINAL:
            yield from self._in_ended(job_id, job)
        elif in_time and self._environment.event_queue.now > (latest := _latest_end(job)):
            yield f"is {job['status']} still, and should have ended by {latest}"
        elif job["quoted"] != job["held"]:
            yield f"is open, quoted {job['quoted']} and holds {job['held']}"
        elif job.get("check_queue") != "open":
            yield "is open, and recovery would never look at it"

    def _in_ended(self, job_id: str, job: Mapping[str, Any]) -> Iterator[str]:
        lasting = {name: value for name, value in job.items() if name not in _MARKS_OF_RECOVERY}
        if self._final.setdefault(job_id, lasting) != lasting:
            yield f"was final and changed from {self._final[job_id]} to {lasting}"
        yield from self._in_receipt(job)
        storing_at, canceled_at = (
            moment(job.get("storing_at")),
            moment(job.get("cancel_requested_at")),
        )
        if (
            canceled_at
            and (storing_at is None or canceled_at < storing_at)
            and job["status"] != "canceled"
        ):
            yield f"was canceled at {canceled_at}, before storing began ({storing_at}), and is {job['status']}"
        if job["status"] == "canceled" and canceled_at is None:
            yield "is canceled, and nobody asked for it"
        for output in job["outputs"]:
            if (
                missing := {output["key"], output.get("thumbnail_key", output["key"])}
                - self._environment.cloud.objects.keys()
            ):
                yield f"has ended, and its objects {missing} are not in the bucket"
        if job.get("check_queue") != "open" and job["status"] not in self._announced[job_id]:
            yield "has ended and left the open jobs, and nobody was told"
        if self._announced[job_id] - {job["status"]}:
            yield f"is {job['status']} and was announced as {self._announced[job_id]}"

    def _in_receipt(self, job: Mapping[str, Any]) -> Iterator[str]:
        delivered = len(
            {output["number"] for output in job["outputs"]} & set(range(job["outputs_count"]))
        )
        if delivered < len(job["outputs"]):
            yield f"has an output twice, or one that was not asked for: {job['outputs']}"
        charged = job["quoted"] * delivered // job["outputs_count"]
        if (job["held"], job["charged"], job["refunded"]) != (0, charged, job["quoted"] - charged):
            yield f"delivered {delivered} of {job['outputs_count']} for {job['quoted']}, and the receipt is {job}"
        if (job["status"] == "completed") is not bool(delivered) or (
            job["status"] == "completed"
        ) is ("failure_code" in job):
            yield f"is {job['status']} with {delivered} outputs and the reason {job.get('failure_code')}"

    def _in_attempts(
        self, job: Mapping[str, Any], predictions: Mapping[str, list[Prediction]]
    ) -> Iterator[str]:
        attempts = job["attempts"]
        for attempt in attempts:
            made = predictions.get(attempt["nonce"], [])
            recorded = attempt.get("prediction_id")
            if (count := sum(not prediction.is_double for prediction in made)) > 1:
                yield f"{count} predictions were made for one attempt that was asked {attempt['requests_count']} times"
            if recorded and recorded not in [prediction.id for prediction in made]:
                yield f"has {recorded} for its own, and that was made for somebody else"
            if recorded and self._prediction_ids.setdefault(attempt["nonce"], recorded) != recorded:
                yield f"had the prediction {self._prediction_ids[attempt['nonce']]}, and now has {recorded}"
        if len(attempts) > 1:
            first = [
                prediction
                for prediction in predictions.get(attempts[0]["nonce"], [])
                if prediction.id == attempts[0].get("prediction_id")
            ]
            if len(attempts) > 2 or [prediction.error for prediction in first] != [INTERRUPTED]:
                yield f"has {len(attempts)} attempts, the first with {first}"

    def _in_bucket(self, accounts: Mapping[str, Partition]) -> Iterator[str]:
        for key in self._environment.cloud.objects:
            if key.startswith(UPLOADS_PREFIX):
                continue
            _, platform, user, job_id, name = key.split("/")
            partition = accounts[f"{platform}/{user}"]
            job = partition.jobs.get(job_id)
            if job is None and job_id not in partition.marks:
                yield f"{key} belongs to no job"
            if job and int(name.partition(".")[0]) >= job["outputs_count"]:
                yield f"{key} is more than was asked for"

    def _in_slots(self, accounts: Mapping[str, Partition]) -> Iterator[str]:
        holders: Counter[str] = Counter()
        for slot in self._records.slots():
            account, _, job_id = slot["holder"].rpartition("/")
            holders[slot["holder"]] += 1
            job = accounts[account].jobs.get(job_id)
            if job is None or job["status"] in FINAL or job.get("slot") != slot["sk"]:
                yield f"slot {slot['sk']} is held by {slot['holder']}, which knows nothing of it"
        for name, partition in accounts.items():
            for job_id, job in partition.jobs.items():
                if "slot" in job and job["status"] not in FINAL and not holders[f"{name}/{job_id}"]:
                    yield f"{name}/{job_id} believes to hold slot {job['slot']}"

    def _hear_events(self) -> None:
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
    """Say which promises the making of this prediction breaks: it is written down before, is the only one of its attempt, and ends by itself."""
    if prediction.webhook is None:
        prediction.made_for = _only_attempt(environment)
    account, job_id, nonce = _reference(prediction)
    platform, user = account.split("/")
    partition = f"ACCOUNT#{platform}#{user}"
    item = environment.cloud.table.items.get((partition, f"JOB#{job_id}"))
    if item is None:
        # A request that was on its way may arrive when its job has been canceled and deleted; whoever sent it stops what it made.
        if (partition, f"DELETED#{job_id}") not in environment.cloud.table.items:
            yield f"{prediction.id} was made for a job that is not there"
        return
    job = next(iter(Records().accounts({("ACCOUNT#of#it", f"JOB#{job_id}"): item}).values())).jobs[
        job_id
    ]
    attempt = next((attempt for attempt in job["attempts"] if attempt["nonce"] == nonce), None)
    if attempt is None:
        yield f"{prediction.id} was made before its attempt was written down"
    elif "prediction_id" in attempt:
        yield f"{prediction.id} was made for an attempt that had {attempt['prediction_id']} already"
    deadline = moment(job["deadline_at"])
    assert deadline
    # What remains is told by an invocation that may be held up on its way, until it times out; and the provider takes no less than five seconds.
    if prediction.deadline is None or prediction.deadline > max(
        deadline, environment.event_queue.now
    ) + timedelta(seconds=TIMEOUTS["request_prediction"] + 5):
        yield f"{prediction.id} ends by {prediction.deadline}, and its job by {deadline}"


def _latest_end(job: Mapping[str, Any]) -> Any:
    seconds = (
        job["wait_seconds"]
        + STORING_SECONDS
        + FUNCTION_TIMEOUT_SECONDS_MAX
        + RECOVERY_CHECKS * CHECK_INTERVAL_SECONDS
    )
    deadline = moment(job["deadline_at"])
    assert deadline
    return deadline + timedelta(seconds=seconds)


def _by_nonce(predictions: Any) -> dict[str, list[Prediction]]:
    found: dict[str, list[Prediction]] = defaultdict(list)
    for prediction in predictions:
        found[_reference(prediction)[2]].append(prediction)
    return found


def _only_attempt(environment: Environment) -> tuple[str, str, str]:
    """Name account, job and nonce of the latest attempt in an environment of one job: nothing on a prediction without a webhook says whose it is."""
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


def _reference(prediction: Prediction) -> tuple[str, str, str]:
    """Read whose a prediction is from its webhook: account, job and nonce."""
    if prediction.made_for:
        return prediction.made_for
    reference = parse_qs(urlsplit(prediction.webhook or "").query)["job"][0]
    front, _, nonce = reference.rpartition("/")
    account, _, job_id = front.rpartition("/")
    return account, job_id, nonce
