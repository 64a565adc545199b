"""The promises that must hold after the chaos.

Each is checked from outside: over HTTP, at the provider, in the table and in the bucket.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from local.stack import LocalStack
from tests.simulation.chaos_actors import Customer, Outcome

COUNTERS = ("granted", "available", "held", "spent")
PRICE = 10
# A wait, the time-out of StoreOutput and one recovery period.
ENDED_AFTER_DEADLINE_MAX = timedelta(seconds=15 + 120 + 60)
# A line of a log can begin with text of the emulator.
_WITHOUT_VARIANTS = re.compile(r'"message":"output without variants".*?"cause":"([^"]*)"')
_ENDED = "an earlier invocation ended while it decoded"
# A line of the emulator.
_TIMED_OUT = "Reset initiated: Timeout"
_WRITE_TIMEOUT = re.compile(r"(Read|Connect)Timeout")


class Table:
    """Reads the stack's table directly."""

    def __init__(self, stack: LocalStack) -> None:
        self._client = stack.client("dynamodb")
        self._name = stack.physical_id("Table")

    def requests_count(self, user: str, job_id: str) -> int:
        """Return the number of requests to the provider for a job, from its record."""
        key = {"pk": {"S": f"ACCOUNT#web#{user}"}, "sk": {"S": f"JOB#{job_id}"}}
        item = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)["Item"]
        return sum(int(attempt["M"]["requests_count"]["N"]) for attempt in item["attempts"]["L"])

    def left_over(self) -> Iterator[str]:
        """Return the acquired slots and the open jobs. After the run there must be none."""
        for item in self._items():
            if item["pk"]["S"].startswith("SLOT#") and item["sk"]["S"] != "state":
                yield f"the slot {item['sk']['S']} is held by {item['holder']['S']}"
            if item.get("check_queue") == {"S": "open"}:
                yield f"{item['pk']['S']} {item['sk']['S']} is open"

    def to_purge(self) -> Iterator[str]:
        """Return the deleted jobs whose media recovery has yet to purge."""
        for item in self._items():
            if item["sk"]["S"].startswith("DELETED#"):
                yield item["sk"]["S"].removeprefix("DELETED#")

    def _items(self) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("scan").paginate(TableName=self._name):
            yield from page["Items"]


def predictions_by_job(stack: LocalStack) -> Mapping[str, Sequence[dict[str, Any]]]:
    """Return every prediction of the provider by the job in its webhook's URL."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for prediction in requests.get(f"{stack.replicate_url}/sim/predictions", timeout=30).json()[
        "predictions"
    ]:
        ((reference,),) = parse_qs(urlsplit(prediction["webhook"]).query).values()
        found[reference.split("/")[2]].append(prediction)
    return found


def causes_without_variants(log: str) -> Counter[str]:
    """Count the causes that StoreOutput logged for outputs without variants."""
    return Counter(_WITHOUT_VARIANTS.findall(log))


def broken_promises(
    stack: LocalStack, customers: Sequence[Customer], table: Table
) -> Iterator[str]:
    """Return every promise that does not hold, except those about variants."""
    predictions = predictions_by_job(stack)
    for customer in customers:
        yield from customer.violations
        if len(customer.outcomes) != len(customer.plans):
            yield (
                f"{customer.user}: {len(customer.plans)} jobs were submitted, "
                f"but {len(customer.outcomes)} have ended"
            )
        yield from _ledger_violations(customer)
        for outcome in customer.outcomes.values():
            yield from _job_violations(outcome)
            yield from _provider_violations(outcome, predictions.get(outcome.job["id"], ()))
    known = {job_id for customer in customers for job_id in customer.outcomes}
    yield from (
        f"{job_id}: the provider has a prediction for a job that no customer submitted"
        for job_id in predictions.keys() - known
    )
    yield from table.left_over()
    yield from _bucket_violations(stack, customers, table)


def unexplained_without_variants(
    customers: Sequence[Customer], log: str, *, kills_count: int
) -> Iterator[str]:
    """Return the outputs whose variants are missing without a known cause. `log` is StoreOutput's.

    An output is delivered without variants if StoreOutput ended while it decoded, by a kill or at
    its time-out. On a slow machine, decoding can exceed its time, and a write of a variant can.
    """
    causes = causes_without_variants(log)
    without_variants_count = sum(
        outcome.outputs_without_variants_count
        for customer in customers
        for outcome in customer.outcomes.values()
    )
    if without_variants_count > causes.total():
        yield f"{without_variants_count} outputs have no variants, but the causes are {causes}"
    ends_count = kills_count + log.count(_TIMED_OUT)
    if causes[_ENDED] > ends_count:
        yield f"{causes[_ENDED]} decodings ended, but StoreOutput was ended {ends_count} times"
    yield from (
        f"{count} outputs have no variants: {cause}"
        for cause, count in causes.items()
        if cause not in (_ENDED, "time") and not _WRITE_TIMEOUT.match(cause)
    )


def _ledger_violations(customer: Customer) -> Iterator[str]:
    account: dict[str, int] = customer.call_api("GET", "/credits").json()
    entries = list(_entries(customer))
    jobs = [outcome.job for outcome in customer.outcomes.values()]
    if account["granted"] != account["available"] + account["held"] + account["spent"]:
        yield f"{customer.user}: the ledger does not balance: {account}"
    if {name: account[name] for name in COUNTERS} != {
        name: sum(entry[name] for entry in entries) for name in COUNTERS
    }:
        yield f"{customer.user}: the entries do not sum up to {account}"
    if account["held"] or account["in_flight"]:
        yield (
            f"{customer.user}: {account['held']} credits are held and "
            f"{account['in_flight']} jobs are open after the run"
        )
    if account["spent"] != sum(job["credits"]["charged"] for job in jobs):
        yield (
            f"{customer.user}: {account['spent']} credits are spent, "
            "but the charges of the jobs have another sum"
        )
    kinds = Counter(
        (entry["job_id"], "hold" if entry["kind"] == "hold" else "resolution")
        for entry in entries
        if entry["job_id"]
    )
    for job in jobs:
        holds, resolutions = kinds[job["id"], "hold"], kinds[job["id"], "resolution"]
        if (holds, resolutions) != (1, 1):
            yield f"{job['id']}: held {holds} times and resolved {resolutions} times"


def _entries(customer: Customer) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        page = customer.call_api(
            "GET", "/credits/entries", params={"limit": 100, "cursor": cursor}
        ).json()
        yield from page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _job_violations(outcome: Outcome) -> Iterator[str]:
    job, receipt = outcome.job, outcome.job["credits"]
    delivered = len(job["outputs"])
    if (receipt["held"], receipt["charged"], receipt["refunded"]) != (
        0,
        PRICE * delivered,
        receipt["quoted"] - PRICE * delivered,
    ):
        yield f"{job['id']}: {delivered} outputs were delivered, but the receipt is {receipt}"
    if (job["status"] == "completed") != bool(delivered):
        yield f"{job['id']}: {job['status']} with {delivered} outputs"
    if job["status"] == "completed" and delivered != receipt["quoted"] // PRICE:
        yield (
            f"{job['id']}: {delivered} of {receipt['quoted'] // PRICE} outputs were delivered, "
            "although the provider made all of them"
        )
    if job["status"] == "canceled" and not job["cancel_requested_at"]:
        yield f"{job['id']}: canceled without a cancel request"
    if (
        datetime.fromisoformat(job["finished_at"])
        > datetime.fromisoformat(job["deadline_at"] or job["queue_until"])
        + ENDED_AFTER_DEADLINE_MAX
    ):
        yield (
            f"{job['id']}: ended at {job['finished_at']}, but its deadline was {job['deadline_at']}"
        )
    yield from (f"a file is missing: {missing}" for missing in outcome.missing_files)


def _provider_violations(
    outcome: Outcome, predictions: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    job_id, statuses = (
        outcome.job["id"],
        Counter(prediction["status"] for prediction in predictions),
    )
    if len(predictions) > outcome.requests_count:
        yield (
            f"{job_id}: {len(predictions)} predictions "
            f"for {outcome.requests_count} recorded requests"
        )
    if statuses["succeeded"] > 1:
        yield f"{job_id}: {statuses['succeeded']} predictions succeeded, and each costs money"
    if outcome.job["status"] == "completed" and not statuses["succeeded"]:
        yield f"{job_id}: completed without a prediction that succeeded"
    if statuses["starting"] or statuses["processing"]:
        yield f"{job_id}: a prediction is still running after the job's end"


def _bucket_violations(
    stack: LocalStack, customers: Sequence[Customer], table: Table
) -> Iterator[str]:
    """Return the objects of deleted jobs that nothing will purge.

    An object may remain only if the deletion's invocation was killed and recovery is due to purge
    it.
    """
    deletions = {
        job_id: outcome.deletion
        for customer in customers
        for job_id, outcome in customer.outcomes.items()
        if outcome.deletion
    }
    to_purge = set(table.to_purge())
    for page in (
        stack.client("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=stack.physical_id("MediaBucket"))
    ):
        for item in page.get("Contents", []):
            job_id = item["Key"].split("/")[3]
            if deletions.get(job_id) == HTTPStatus.NO_CONTENT or (
                job_id in deletions and job_id not in to_purge
            ):
                yield f"{item['Key']} was left behind by a deleted job"
