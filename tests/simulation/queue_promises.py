"""The promises of provider slots and of the queue, checked in the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from darkroom.domain.recovery import CHECK_INTERVAL_SECONDS
from darkroom.settings import settings
from tests.simulation.environment import Environment
from tests.simulation.records import FINAL, Partition, Records
from tests.simulation.table_items import pause_of_replicate

# Recovery gives a free slot to a waiting job within a minute. One run may be killed.
IDLE_SECONDS_MAX = 2 * CHECK_INTERVAL_SECONDS + 5


class QueuePromises:
    """Checks one environment, and remembers who waited at the last check."""

    def __init__(self, environment: Environment, records: Records) -> None:
        self._environment = environment
        self._records = records
        self._idle_since: datetime | None = None
        # The keys of the waiting jobs at the last check, and whether an invocation was paused then.
        self._waiting: dict[str, str] = {}
        self._was_paused = False
        # The highest limit of slots so far.
        self._slots_max = 0

    def broken(self, accounts: Mapping[str, Partition], *, in_time: bool) -> Iterator[str]:
        """Yield each promise that does not hold. `in_time` is as in `Promises.check`."""
        yield from self._check_slots(accounts)
        yield from self._check_queue(accounts, in_time=in_time)
        yield from self._check_order(accounts)

    def _check_slots(self, accounts: Mapping[str, Partition]) -> Iterator[str]:
        holders: Counter[str] = Counter()
        for slot in self._records.slots():
            account, _, job_id = slot["holder"].rpartition("/")
            holders[slot["holder"]] += 1
            job = accounts[account].jobs.get(job_id)
            if job is None or job["status"] in FINAL or job.get("slot") != slot["sk"]:
                yield f"slot {slot['sk']} is held by {slot['holder']}, whose record differs"
        for name, partition in accounts.items():
            for job_id, job in partition.jobs.items():
                if "slot" in job and job["status"] not in FINAL and not holders[f"{name}/{job_id}"]:
                    yield f"{name}/{job_id} records slot {job['slot']}, which it does not hold"

    def _check_queue(self, accounts: Mapping[str, Partition], *, in_time: bool) -> Iterator[str]:
        """Check that each waiting job has its entry, and that no slot is free beside it for long.

        An entry may outlive its job: it is removed when it comes first.
        """
        entries = {row["sk"]: row for row in self._records.queue_entries()}
        waiting = 0
        for name, partition in accounts.items():
            for job_id, job in partition.jobs.items():
                if "queue_key" not in job:
                    continue
                waiting += "cancel_requested_at" not in job
                if job["status"] in FINAL or "slot" in job:
                    yield f"{name}/{job_id} is {job['status']} and has a queue entry"
                if entries.get(job["queue_key"], {}).get("holder") != f"{name}/{job_id}" and (
                    "cancel_requested_at" not in job
                ):
                    yield f"{name}/{job_id} waits, but its queue entry does not exist"
        slots_count, now = len(self._records.slots()), self._environment.event_queue.now
        in_flight_max = settings().predictions_in_flight_max
        self._slots_max = max(self._slots_max, in_flight_max)
        if slots_count > self._slots_max:
            yield f"{slots_count} slots are in use, but there are {self._slots_max}"
        is_paused = pause_of_replicate(self._environment.cloud.table, now) is not None
        if not waiting or slots_count >= in_flight_max or is_paused:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif in_time and now > self._idle_since + timedelta(seconds=IDLE_SECONDS_MAX):
            yield f"{waiting} jobs wait, although a slot has been free since {self._idle_since}"

    def _check_order(self, accounts: Mapping[str, Partition]) -> Iterator[str]:
        """Check that no job gets a slot before a job that waits ahead of it.

        A paused invocation may grant what it read before its pause, so this holds without pauses.
        """
        jobs = {
            job_id: job for partition in accounts.values() for job_id, job in partition.jobs.items()
        }
        waiting = {
            job_id: job["queue_key"]
            for job_id, job in jobs.items()
            if "queue_key" in job and "cancel_requested_at" not in job
        }
        stayed = waiting.items() & self._waiting.items()
        granted = {
            job_id: key
            for job_id, key in self._waiting.items()
            if job_id in jobs and "slot" in jobs[job_id]
        }
        is_paused = bool(self._environment.paused)
        if stayed and granted and not self._was_paused and not is_paused:
            first = min(key for _, key in stayed)
            passing = [job_id for job_id, key in granted.items() if key > first]
            if passing:
                yield f"{passing} got a slot before the job of the entry {first}"
        self._waiting, self._was_paused = waiting, is_paused
