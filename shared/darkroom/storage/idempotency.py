"""Idempotent requests: requests with the same `Idempotency-Key` and body create one job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from darkroom.domain.accounts import AccountId
from darkroom.domain.errors import IdempotencyKeyReused, NotFound
from darkroom.domain.jobs import Job
from darkroom.settings import settings
from darkroom.storage import jobs
from darkroom.storage.job_rows import partition
from darkroom.storage.table import RequestRow
from darkroom.storage.transactions import Put, RawItem


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """The caller's key of a request, and the SHA-256 hash of the request's body."""

    key: str
    body_hash: str

    @classmethod
    def of(cls, key: str, body: bytes) -> IdempotencyKey:
        """Return the key of a request with this body."""
        return cls(key, sha256(body).hexdigest())


def find_accepted(account: AccountId, key: IdempotencyKey, *, now: datetime) -> Job | None:
    """Return the job that was accepted for this key, or None. Keys expire.

    Raises IdempotencyKeyReused if its body was different, and NotFound if the job was deleted.
    """
    try:
        row = RequestRow.get(partition(account), _request_sk(key), consistent_read=True)
    except RequestRow.DoesNotExist:
        return None
    return _job_of_request(account, row, key) if row.expires_at > int(now.timestamp()) else None


def request_write(job: Job, key: IdempotencyKey, now: datetime) -> Put:
    """Return the write that stores the key, for the transaction that accepts the job.

    It is refused if the key is stored already and has not expired.
    """
    expires_at = now + timedelta(hours=settings().idempotency_hours)
    row = RequestRow(
        partition(job.account),
        _request_sk(key),
        job_id=job.job_id,
        body_hash=key.body_hash,
        expires_at=int(expires_at.timestamp()),
    )
    return Put(
        row, RequestRow.pk.does_not_exist() | (RequestRow.expires_at <= int(now.timestamp()))
    )


def accepted_for(job: Job, key: IdempotencyKey, request: RawItem | None) -> tuple[Job, bool]:
    """Return the job that was accepted for the key, and whether that job differs from `job`.

    They are equal if an earlier try of the transaction wrote `job` and its response was lost.
    `request` is the stored row if DynamoDB returned it with the refusal.
    """
    row = (
        RequestRow.from_raw_data(dict(request))
        if request
        else RequestRow.get(partition(job.account), _request_sk(key), consistent_read=True)
    )
    accepted = _job_of_request(job.account, row, key)
    return accepted, accepted.job_id != job.job_id


def _request_sk(key: IdempotencyKey) -> str:
    return f"REQUEST#{sha256(key.key.encode()).hexdigest()}"


def _job_of_request(account: AccountId, row: RequestRow, key: IdempotencyKey) -> Job:
    if row.body_hash != key.body_hash:
        raise IdempotencyKeyReused
    try:
        return jobs.read(account, row.job_id)
    except NotFound:
        raise NotFound("job: the job of this Idempotency-Key was deleted. Use a new key") from None
