"""Records the tries of each job's callback. DynamoDB deletes them after two weeks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from darkroom.storage.table import DeliveryRow

DELIVERY_PREFIX = "DELIVERY#"
RETENTION = timedelta(days=14)
"""The dead-letter queue keeps its messages for the same time."""

_DELIVERIES_MAX = 50


@dataclass(frozen=True, slots=True)
class Delivery:
    """One try of a callback. `status` is None without a response.

    `next_at` is the time of the next try, or None if there is none.
    """

    at: datetime
    status: int | None
    seconds: float
    next_at: datetime | None


def record(job_id: str, delivery: Delivery) -> None:
    """Record a try of the job's callback."""
    DeliveryRow(
        DELIVERY_PREFIX + job_id,
        f"{delivery.at:%Y-%m-%dT%H:%M:%S.%f}Z",
        at=delivery.at,
        status=delivery.status,
        seconds=delivery.seconds,
        next_at=delivery.next_at,
        expires_at=int((delivery.at + RETENTION).timestamp()),
    ).save()


def of_job(job_id: str) -> list[Delivery]:
    """Return the last 50 tries of the job's callback, oldest first.

    The caller checks that the job exists and whose job it is.
    """
    newest_first = DeliveryRow.query(
        DELIVERY_PREFIX + job_id, scan_index_forward=False, limit=_DELIVERIES_MAX
    )
    found = [
        Delivery(
            at=row.at,
            status=None if row.status is None else int(row.status),
            seconds=float(row.seconds),
            next_at=row.next_at,
        )
        for row in newest_first
    ]
    return found[::-1]
