"""Callbacks that go out: the job as its owner would read it, signed by Standard Webhooks."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from http import HTTPStatus
from threading import Thread

import requests
from standardwebhooks.webhooks import Webhook
from uuid6 import uuid7

from darkroom.domain.accounts import AccountId, new_callback_secret
from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.jobs import Job
from darkroom.domain.urls import is_safe_url
from darkroom.http_guard import (
    CONNECT_TIMEOUT_SECONDS,
    READ_TIMEOUT_SECONDS,
    AddressRefused,
    guarded_session,
)
from darkroom.observability import logger
from darkroom.schemas.job_response import job_response
from darkroom.schemas.responses import DeliveryResponse, JobEventResponse, SecretResponse
from darkroom.schemas.views import time_text
from darkroom.settings import settings
from darkroom.storage.job_rows import partition
from darkroom.storage.table import AccountRow
from darkroom.storage.transactions import update


class CallbackFailed(RuntimeError):
    """The caller's URL did not take the callback; the message says how it answered."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What an account's callbacks are signed with. After a rotation the previous secret signs beside the current one, for a while."""

    current: str
    previous: str | None = None
    previous_until: datetime | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """The secrets to sign with, the current one first."""
        return (self.current, self.previous) if self.previous else (self.current,)

    @property
    def response(self) -> SecretResponse:
        """The secrets as their owner is shown them."""
        return {
            "secret": self.current,
            "previous": self.previous,
            "previous_until": time_text(self.previous_until),
        }


def secrets_of(account: AccountId, *, now: datetime) -> Secrets:
    """Give what the account's callbacks are signed with. A secret is made with its first hold, or when its owner asks for it before."""
    row = AccountRow(partition(account))
    try:
        row.refresh(consistent_read=True)
    except AccountRow.DoesNotExist:
        row.callback_secret = None
    if row.callback_secret is None:
        update(
            row,
            [AccountRow.callback_secret.set(AccountRow.callback_secret | new_callback_secret())],
        )
    return _secrets(row, now)


def rotate(account: AccountId, *, now: datetime) -> Secrets:
    """Make a new secret. The one before goes on signing for a day, or until the next rotation."""
    row, secret = AccountRow(partition(account)), new_callback_secret()
    # The table takes what is on the right as it was before the update.
    rotation = [
        AccountRow.callback_secret_before.set(AccountRow.callback_secret),
        AccountRow.callback_secret.set(secret),
        AccountRow.callback_secret_rotated_at.set(now),
    ]
    if not update(
        row, rotation, AccountRow.callback_secret.exists() & (AccountRow.callback_secret != secret)
    ):
        # There was none, or an earlier try did it and its answer was lost; another one would lose the secret from before.
        update(row, [AccountRow.callback_secret.set(AccountRow.callback_secret | secret)])
    return _secrets(row, now)


def send(job: Job, *, now: datetime) -> None:
    """Call the job's callback URL once. A repeat has the same `webhook-id`. Raises CallbackFailed unless the answer is 2xx.

    410 means that nobody wants callbacks there any more, and is no failure; a redirect is one, because it is not followed
    (github.com/standard-webhooks/standard-webhooks, spec, 'Operational considerations').
    """
    if not job.callback_url or not is_safe_url(job.callback_url, settings().private_hosts):
        return
    event: JobEventResponse = {
        "type": f"job.{job.status}",
        "timestamp": time_text(job.finished_at or now),
        "data": job_response(job, now=now),
    }
    headers, body = _sign(
        f"{job.job_id}.{job.status}", event, secrets_of(job.account, now=now), now
    )
    try:
        status = _post(job.callback_url, headers, body)
    except AddressRefused as error:
        raise CallbackFailed(type(error).__name__) from error
    if status == HTTPStatus.GONE:
        logger.info("callback no longer wanted", job_id=job.job_id)
    elif not _is_success(status):
        raise CallbackFailed(str(status))


def send_test(account: AccountId, url: str, *, now: datetime) -> DeliveryResponse:
    """Call a URL once with an event that is about no job, and say how it answered, within a bound of time whatever it does.

    Raises InvalidRequest for a URL that no callback would be sent to.
    """
    if not is_safe_url(url, settings().private_hosts):
        raise InvalidRequest([FieldError("callback_url", "Must be an https URL.")])
    headers, body = _sign(
        f"test.{uuid7()}",
        {"type": "callback.test", "timestamp": time_text(now), "data": {}},
        secrets_of(account, now=now),
        now,
    )
    found: list[int | AddressRefused] = []

    def try_it() -> None:
        try:
            found.append(_post(url, headers, body))
        except AddressRefused as error:
            found.append(error)
        except CallbackFailed as error:
            logger.info("test callback not answered", cause=str(error))

    # The time-outs of a socket begin anew with each byte that drips in.
    trying = Thread(target=try_it, daemon=True)
    trying.start()
    trying.join(settings().callback_test_seconds_max)
    match found:
        case [AddressRefused()]:
            raise InvalidRequest([FieldError("callback_url", "Must lead to a public address.")])
        case [int(status)]:
            return {"delivered": _is_success(status), "status": status}
        case _:
            return {"delivered": False, "status": None}


def _secrets(row: AccountRow, now: datetime) -> Secrets:
    current = str(row.callback_secret)
    if row.callback_secret_before is None or row.callback_secret_rotated_at is None:
        return Secrets(current)
    until = row.callback_secret_rotated_at + timedelta(
        hours=settings().callback_secret_overlap_hours
    )
    return (
        Secrets(current, str(row.callback_secret_before), until)
        if now < until
        else Secrets(current)
    )


def _sign(
    message_id: str, event: object, secrets: Secrets, now: datetime
) -> tuple[dict[str, str], bytes]:
    """Write an event, and the headers that sign it with every secret (Standard Webhooks, spec, 'Signature scheme')."""
    body = json.dumps(event, ensure_ascii=False)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(message_id, now, body) for secret in secrets.all
        ),
    }
    return headers, body.encode()


def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    """Call a URL, and give the status of its answer. Raises CallbackFailed without one, and AddressRefused for an address that is not public."""
    timeouts = (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)
    try:
        with _session().post(
            url, data=body, headers=headers, allow_redirects=False, stream=True, timeout=timeouts
        ) as response:
            return response.status_code
    except requests.exceptions.RequestException as error:
        raise CallbackFailed(type(error).__name__) from error


def _is_success(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


@cache
def _session() -> requests.Session:
    return guarded_session(settings().private_hosts)
