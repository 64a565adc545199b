"""Idempotent requests: the same `Idempotency-Key` with the same body is one job."""

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
    """The caller's name for a request, and the hash of the body that came with it."""

    key: str
    body_hash: str

    @classmethod
    def of(cls, key: str, body: bytes) -> IdempotencyKey:
        """Bind a key to the raw bytes of a body."""
        return cls(key, sha256(body).hexdigest())


def find_accepted(account: AccountId, key: IdempotencyKey, *, now: datetime) -> Job | None:
    """Find the job that was accepted for this key, whatever has changed since. Raises IdempotencyKeyReused for another body."""
    try:
        row = RequestRow.get(partition(account), _request_sk(key), consistent_read=True)
    except RequestRow.DoesNotExist:
        return None
    return _job_of_request(account, row, key) if row.expires_at > int(now.timestamp()) else None


def request_write(job: Job, key: IdempotencyKey, now: datetime) -> Put:
    """Return the write that binds the key to the job, for the transaction that accepts the job. An expired key is free again."""
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
    """Return the job that was accepted for the key. It is this very job when an earlier, unanswered try of the transaction wrote it."""
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
        raise NotFound("job any more: the one of this Idempotency-Key was deleted") from None
