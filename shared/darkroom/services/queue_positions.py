"""Estimates the positions of waiting jobs in the queues of their providers, for responses."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from darkroom.domain.jobs import Job
from darkroom.domain.provider_queue import Position, position, start_of_key
from darkroom.settings import settings
from darkroom.storage import provider_queue, provider_state, queue_flows

# The estimate extrapolates from this many entries. They are about 25 KB, which DynamoDB reads in
# one page.
_ENTRIES_MAX = 100


def positions(jobs: Iterable[Job], *, now: datetime) -> dict[str, Position]:
    """Return the position of each job that waits for a provider slot, by the job's id.

    The jobs belong to one account. Each provider costs at most three reads, whatever the number of
    jobs. Jobs that do not wait cost nothing.
    """
    by_provider: dict[str, list[Job]] = {}
    for job in jobs:
        if job.queue_key and not job.status.is_final:
            by_provider.setdefault(job.model_input.provider, []).append(job)
    return {
        job_id: found
        for provider, waiting in by_provider.items()
        for job_id, found in _positions_at(provider, waiting, now).items()
    }


def _positions_at(provider: str, waiting: list[Job], now: datetime) -> dict[str, Position]:
    keys = {job.job_id: job.queue_key for job in waiting if job.queue_key}
    entries = provider_queue.entries_before(provider, max(keys.values()), limit=_ENTRIES_MAX)
    state = provider_state.read_state(provider)
    account = waiting[0].account
    if len(entries) < _ENTRIES_MAX:
        own = [entry.start for entry in entries if entry.account == str(account)]
    else:
        # The first entries are not all. The flow also has starts of jobs that wait no more.
        starts = list(map(int, queue_flows.starts_of(queue_flows.read(account, provider))))
        own = [start for start in starts if start > state.virtual_time]
    return {
        job_id: position(
            start_of_key(key),
            ahead_of_yours=sum(start < start_of_key(key) for start in own),
            state=state,
            ahead=[entry for entry in entries if entry.key < key],
            in_flight_max=settings().in_flight_max(provider),
            now=now,
        )
        for job_id, key in keys.items()
    }
