"""Delivers a message of the callback queue: sends the event of an ended job to its URL."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from darkroom.aws import callback_queue
from darkroom.domain.accounts import AccountId
from darkroom.domain.callback_retries import is_last_receive, pause_seconds
from darkroom.domain.errors import DarkroomError, NotFound
from darkroom.domain.jobs import Job
from darkroom.domain.urls import is_safe_url
from darkroom.http_guard import AddressRefused
from darkroom.http_post import NoResponse, TimedOut
from darkroom.observability import logger
from darkroom.schemas.job_response import job_response
from darkroom.schemas.responses import JobEventResponse
from darkroom.schemas.views import time_text
from darkroom.services.callbacks import is_success, post_event
from darkroom.settings import settings
from darkroom.storage import deliveries, jobs
from darkroom.storage.deliveries import Delivery
from darkroom.storage.receivers import Receiver


class NotDelivered(DarkroomError):
    """The message stays in the queue. The message of the error is the cause."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received message of the callback queue. `receives` includes this receive."""

    account: AccountId
    job_id: str
    receipt_handle: str
    sent_at: datetime
    receives: int

    def pause_seconds(self, now: datetime) -> int:
        """Return the seconds until the next receive. 0 after the last one: a dead letter."""
        if is_last_receive(self.receives):
            return 0
        return pause_seconds((now - self.sent_at).total_seconds())


def deliver(message: Message, *, now: datetime) -> None:
    """Send the job's event once, and record the result.

    A deleted job and a job without a callback URL need no delivery. 2xx and 410 are final: 410
    means that the receiver wants no callbacks. A redirect is a failure (Standard Webhooks,
    "Operational considerations"). After a failure the message is hidden until the next try, and
    NotDelivered is raised. While the receiver is paused, no request is sent, except by the last
    receive.
    """
    try:
        job = jobs.read(message.account, message.job_id)
    except NotFound:
        return
    if not job.callback_url or not is_safe_url(job.callback_url, settings().private_hosts):
        return
    receiver = Receiver(job.account, urlsplit(job.callback_url).netloc)
    paused_until = receiver.postponed_until(now)
    if paused_until and not is_last_receive(message.receives):
        pause = max(message.pause_seconds(now), int((paused_until - now).total_seconds()) + 1)
        callback_queue.postpone(message.receipt_handle, seconds=pause)
        logger.info("callback postponed", job_id=job.job_id, account=str(job.account))
        raise NotDelivered("the receiver timed out repeatedly")
    _try(job, job.callback_url, message, receiver, now)


def _try(job: Job, url: str, message: Message, receiver: Receiver, now: datetime) -> None:
    """Send the event. Record the status, and postpone the message after a failure."""
    event: JobEventResponse = {
        "type": f"job.{job.status}",
        "timestamp": time_text(job.finished_at or now),
        "data": job_response(job, now=now),
    }
    began_at = time.monotonic()
    status, cause = None, ""
    try:
        status = post_event(job.account, url, f"{job.job_id}.{job.status}", event, now=now)
    except TimedOut:
        cause = "TimedOut"
        receiver.record_timeout(now)
    except (NoResponse, AddressRefused) as error:
        cause = str(error) if isinstance(error, NoResponse) else type(error).__name__
    else:
        receiver.record_response()
    seconds = round(time.monotonic() - began_at, 3)
    is_final = status is not None and (is_success(status) or status == HTTPStatus.GONE)
    pause = 0 if is_final else message.pause_seconds(now)
    next_at = now + timedelta(seconds=seconds + pause) if pause else None
    if not is_final:
        callback_queue.postpone(message.receipt_handle, seconds=pause)
    deliveries.record(job.job_id, Delivery(now, status, seconds, next_at))
    fields: dict[str, Any] = {
        "job_id": job.job_id,
        "account": str(job.account),
        "seconds": seconds,
    }
    if not is_final:
        logger.warning("callback failed", cause=cause or str(status), **fields)
        raise NotDelivered(cause or str(status))
    logger.info("callback sent", status=status, **fields)
