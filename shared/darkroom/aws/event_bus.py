"""The EventBridge bus. Darkroom announces the end of each job on it."""

from __future__ import annotations

import json
from typing import TypedDict

from darkroom.aws.clients import client
from darkroom.domain.jobs import Job
from darkroom.settings import settings

SOURCE = "darkroom"


class JobEnded(TypedDict):
    """The detail of an event. It has no links, because links expire.

    `callback` is true if the job has a `callback_url`. The rule of the callback queue reads it.
    """

    id: str
    account: str
    job_id: str
    status: str
    template: str
    quoted: int
    charged: int
    refunded: int
    callback: bool


class EventRejected(RuntimeError):
    """The bus did not accept the event. The message is the error code of EventBridge."""


def detail_of(job: Job) -> JobEnded:
    """Return the detail of the event of an ended job."""
    return JobEnded(
        id=f"{job.job_id}.{job.status}",
        account=str(job.account),
        job_id=job.job_id,
        status=job.status.value,
        template=job.template.code,
        quoted=job.quoted,
        charged=job.charged,
        refunded=job.refunded,
        callback=job.callback_url is not None,
    )


def announce(job: Job) -> None:
    """Put the end of a job on the bus.

    The event can occur twice. Receivers can ignore duplicates, because `id` is the same each time.
    Raises EventRejected.
    """
    entry = {
        "EventBusName": settings().event_bus_name,
        "Source": SOURCE,
        "DetailType": f"job.{job.status}",
        "Detail": json.dumps(detail_of(job)),
    }
    response = client("events").put_events(Entries=[entry])
    if response["FailedEntryCount"]:
        raise EventRejected(response["Entries"][0].get("ErrorCode", "unknown"))
