"""Callbacks that go out: the job as its owner would read it, signed by Standard Webhooks."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from http import HTTPStatus

import requests
from standardwebhooks.webhooks import Webhook

from darkroom.adapters.http import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, AddressRefused, guarded_session
from darkroom.adapters.job_rows import partition
from darkroom.adapters.shown import shown
from darkroom.adapters.table import AccountRow
from darkroom.adapters.transactions import update
from darkroom.domain.accounts import AccountId
from darkroom.domain.callbacks import new_callback_secret
from darkroom.domain.documents import JobEventView
from darkroom.domain.jobs import Job
from darkroom.domain.urls import is_safe_url
from darkroom.domain.views import time_text
from darkroom.observability import logger
from darkroom.settings import settings


class CallbackNotTaken(RuntimeError):
    """The caller's URL did not take the callback; the message says how it answered."""


def callback_secret(account: AccountId) -> str:
    """Give what the account's callbacks are signed with. It is made with the account's first hold, or when its owner asks for it before."""
    row = AccountRow(partition(account))
    try:
        row.refresh(consistent_read=True)
    except AccountRow.DoesNotExist:
        row.callback_secret = None
    if row.callback_secret is None:
        update(row, [AccountRow.callback_secret.set(AccountRow.callback_secret | new_callback_secret())])
    return str(row.callback_secret)


def send(job: Job, *, now: datetime) -> None:
    """Call the job's callback URL once. A repeat has the same `webhook-id`. Raises CallbackNotTaken unless the answer is 2xx.

    410 means that nobody wants callbacks there any more, and is no failure; a redirect is one, because it is not followed
    (github.com/standard-webhooks/standard-webhooks, spec, 'Operational considerations').
    """
    if not job.callback_url or not is_safe_url(job.callback_url, settings().private_hosts):
        return
    event: JobEventView = {"type": f"job.{job.status}", "timestamp": time_text(job.finished_at or now), "data": shown(job, now=now)}
    body = json.dumps(event, ensure_ascii=False)
    message_id = f"{job.job_id}.{job.status}"
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(callback_secret(job.account)).sign(message_id, now, body),
    }
    try:
        with _session().post(
            job.callback_url,
            data=body.encode(),
            headers=headers,
            allow_redirects=False,
            stream=True,
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
        ) as answer:
            status = answer.status_code
    except (requests.exceptions.RequestException, AddressRefused) as error:
        raise CallbackNotTaken(type(error).__name__) from error
    if status == HTTPStatus.GONE:
        logger.info("callback no longer wanted", job_id=job.job_id)
    elif not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        raise CallbackNotTaken(str(status))


@cache
def _session() -> requests.Session:
    return guarded_session(settings().private_hosts)
