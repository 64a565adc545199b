"""The promises that must stand after the chaos, each looked at from outside: over HTTP, at the provider, in the table and the bucket."""

from __future__ import annotations

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
# a wait, the store step's time-out and one period of recovery.
ENDED_AFTER_DEADLINE_MAX = timedelta(seconds=15 + 120 + 60)


class Table:
    """What the stack's table holds, read as it stands."""

    def __init__(self, stack: LocalStack) -> None:
        self._client = stack.client("dynamodb")
        self._name = stack.physical_id("Table")

    def requests_count(self, user: str, job_id: str) -> int:
        """Tell how often the provider was asked for a job, by its record."""
        key = {"pk": {"S": f"ACCOUNT#web#{user}"}, "sk": {"S": f"JOB#{job_id}"}}
        item = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)["Item"]
        return sum(int(attempt["M"]["requests_count"]["N"]) for attempt in item["attempts"]["L"])

    def left_over(self) -> Iterator[str]:
        """Name the slots that are taken and the jobs that are open, which at the end should be none."""
        for item in self._items():
            if item["pk"]["S"].startswith("SLOT#"):
                yield f"the slot {item['sk']['S']} is taken by {item['holder']['S']}"
            if item.get("check_queue") == {"S": "open"}:
                yield f"{item['pk']['S']} {item['sk']['S']} is open"

    def to_purge(self) -> Iterator[str]:
        """Name the deleted jobs whose media recovery is going to purge."""
        for item in self._items():
            if item["sk"]["S"].startswith("DELETED#"):
                yield item["sk"]["S"].removeprefix("DELETED#")

    def _items(self) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("scan").paginate(TableName=self._name):
            yield from page["Items"]


def predictions_by_job(stack: LocalStack) -> Mapping[str, Sequence[dict[str, Any]]]:
    """Give every prediction that the provider was ever asked for, by the job in its webhook's URL."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for prediction in requests.get(f"{stack.replicate_url}/sim/predictions", timeout=30).json()[
        "predictions"
    ]:
        ((reference,),) = parse_qs(urlsplit(prediction["webhook"]).query).values()
        found[reference.split("/")[2]].append(prediction)
    return found


def broken_promises(
    stack: LocalStack, customers: Sequence[Customer], table: Table
) -> Iterator[str]:
    """Name every promise that does not hold."""
    predictions = predictions_by_job(stack)
    for customer in customers:
        yield from customer.complaints
        if len(customer.outcomes) != len(customer.plans):
            yield f"{customer.user}: {len(customer.plans)} jobs were submitted and {len(customer.outcomes)} have ended"
        yield from _of_the_ledger(customer)
        for outcome in customer.outcomes.values():
            yield from _of_a_job(outcome)
            yield from _of_the_provider(outcome, predictions.get(outcome.job["id"], ()))
    known = {job_id for customer in customers for job_id in customer.outcomes}
    yield from (
        f"{job_id}: somebody was charged for a job that nobody submitted"
        for job_id in predictions.keys() - known
    )
    yield from table.left_over()
    yield from _of_the_bucket(stack, customers, table)


def _of_the_ledger(customer: Customer) -> Iterator[str]:
    account: dict[str, int] = customer.ask("GET", "/credits").json()
    entries = list(_entries(customer))
    jobs = [outcome.job for outcome in customer.outcomes.values()]
    if account["granted"] != account["available"] + account["held"] + account["spent"]:
        yield f"{customer.user}: the ledger does not balance: {account}"
    if {name: account[name] for name in COUNTERS} != {
        name: sum(entry[name] for entry in entries) for name in COUNTERS
    }:
        yield f"{customer.user}: the entries do not sum up to {account}"
    if account["held"] or account["in_flight"]:
        yield f"{customer.user}: {account['held']} credits are held and {account['in_flight']} jobs in flight when everything is over"
    if account["spent"] != sum(job["credits"]["charged"] for job in jobs):
        yield f"{customer.user}: {account['spent']} credits are spent, and the jobs charged something else"
    kinds = Counter(
        (entry["job_id"], "hold" if entry["kind"] == "hold" else "resolution")
        for entry in entries
        if entry["job_id"]
    )
    for job in jobs:
        if (kinds[job["id"], "hold"], kinds[job["id"], "resolution"]) != (1, 1):
            yield f"{job['id']}: held {kinds[job['id'], 'hold']} times and resolved {kinds[job['id'], 'resolution']} times"


def _entries(customer: Customer) -> Iterator[dict[str, Any]]:
    cursor = None
    while True:
        page = customer.ask(
            "GET", "/credits/entries", params={"limit": 100, "cursor": cursor}
        ).json()
        yield from page["entries"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def _of_a_job(outcome: Outcome) -> Iterator[str]:
    job, receipt = outcome.job, outcome.job["credits"]
    delivered = len(job["outputs"])
    if (receipt["held"], receipt["charged"], receipt["refunded"]) != (
        0,
        PRICE * delivered,
        receipt["quoted"] - PRICE * delivered,
    ):
        yield f"{job['id']}: {delivered} outputs were delivered, and the receipt says {receipt}"
    if (job["status"] == "completed") != bool(delivered):
        yield f"{job['id']}: {job['status']} with {delivered} outputs"
    if job["status"] == "completed" and delivered != receipt["quoted"] // PRICE:
        yield f"{job['id']}: {delivered} outputs of {receipt['quoted'] // PRICE} were delivered, although the provider made them all"
    if job["status"] == "canceled" and not job["cancel_requested_at"]:
        yield f"{job['id']}: canceled although nobody asked for it"
    if (
        datetime.fromisoformat(job["finished_at"])
        > datetime.fromisoformat(job["deadline_at"]) + ENDED_AFTER_DEADLINE_MAX
    ):
        yield f"{job['id']}: ended at {job['finished_at']}, and its deadline was {job['deadline_at']}"
    yield from (f"a file is missing: {missing}" for missing in outcome.missing_files)


def _of_the_provider(outcome: Outcome, predictions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    job_id, ends = outcome.job["id"], Counter(prediction["status"] for prediction in predictions)
    if len(predictions) > outcome.requests_count:
        yield f"{job_id}: {len(predictions)} predictions, and {outcome.requests_count} asks written down"
    if ends["succeeded"] > 1:
        yield f"{job_id}: {ends['succeeded']} predictions succeeded, and each is paid for"
    if outcome.job["status"] == "completed" and not ends["succeeded"]:
        yield f"{job_id}: completed without a prediction that succeeded"
    if ends["starting"] or ends["processing"]:
        yield f"{job_id}: a prediction still runs after its end"


def _of_the_bucket(stack: LocalStack, customers: Sequence[Customer], table: Table) -> Iterator[str]:
    """The bucket holds nothing of a job whose deletion was answered, and nothing that recovery will not purge of one whose invocation was killed."""
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
