"""Sends callbacks. A callback has the job as the API returns it, signed by Standard Webhooks."""

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
from darkroom.schemas.account_responses import DeliveryResponse, SecretResponse
from darkroom.schemas.job_response import job_response
from darkroom.schemas.responses import JobEventResponse
from darkroom.schemas.views import time_text
from darkroom.settings import settings
from darkroom.storage.job_rows import partition
from darkroom.storage.table import AccountRow
from darkroom.storage.transactions import update


class CallbackFailed(RuntimeError):
    """The callback URL did not accept the callback. The message is its status or the error."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets that sign the callbacks of an account.

    After a rotation both secrets sign, for `callback_secret_overlap_hours`.
    """

    current: str
    previous: str | None = None
    previous_until: datetime | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """The secrets that sign now, the current secret first."""
        return (self.current, self.previous) if self.previous else (self.current,)

    @property
    def response(self) -> SecretResponse:
        """The secrets as the API returns them to their owner."""
        return {
            "secret": self.current,
            "previous": self.previous,
            "previous_until": time_text(self.previous_until),
        }


def secrets_of(account: AccountId, *, now: datetime) -> Secrets:
    """Return the secrets of the account. Create the first secret if the account has none.

    The first hold of an account also creates the secret.
    """
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
    """Create a new secret and return the secrets.

    The previous secret also signs for `callback_secret_overlap_hours`, or until the next rotation.
    """
    row, secret = AccountRow(partition(account)), new_callback_secret()
    # DynamoDB evaluates the right-hand sides with the values from before the update.
    rotation = [
        AccountRow.callback_secret_before.set(AccountRow.callback_secret),
        AccountRow.callback_secret.set(secret),
        AccountRow.callback_secret_rotated_at.set(now),
    ]
    if not update(
        row, rotation, AccountRow.callback_secret.exists() & (AccountRow.callback_secret != secret)
    ):
        # The account had no secret, or an earlier try succeeded and its response was lost.
        # A second rotation would lose the previous secret.
        update(row, [AccountRow.callback_secret.set(AccountRow.callback_secret | secret)])
    return _secrets(row, now)


def send(job: Job, *, now: datetime) -> None:
    """Send the callback of an ended job once. Repeated sends have the same `webhook-id`.

    Logs a failure, because the batch of the function `notify_client` hides the exception. Raises
    CallbackFailed unless the response has a 2xx status or status 410. 410 means that the
    receiver wants no callbacks. Redirects are not followed, so a redirect is a failure
    (github.com/standard-webhooks/standard-webhooks, spec, 'Operational considerations').
    """
    if job.callback_url and is_safe_url(job.callback_url, settings().private_hosts):
        try:
            _send(job, job.callback_url, now)
        except CallbackFailed as error:
            logger.warning(
                "callback failed",
                job_id=job.job_id,
                account=str(job.account),
                cause=str(error),
            )
            raise


def _send(job: Job, url: str, now: datetime) -> None:
    event: JobEventResponse = {
        "type": f"job.{job.status}",
        "timestamp": time_text(job.finished_at or now),
        "data": job_response(job, now=now),
    }
    headers, body = _sign(
        f"{job.job_id}.{job.status}", event, secrets_of(job.account, now=now), now
    )
    try:
        status = _post(url, headers, body)
    except AddressRefused as error:
        raise CallbackFailed(type(error).__name__) from error
    if status == HTTPStatus.GONE:
        logger.info("callback no longer wanted", job_id=job.job_id)
    elif not _is_success(status):
        raise CallbackFailed(str(status))


def send_test(account: AccountId, url: str, *, now: datetime) -> DeliveryResponse:
    """Send a test event to a URL once, and return the status of the response.

    Waits at most `callback_test_seconds_max` seconds. Raises InvalidRequest if Darkroom sends no
    callbacks to this URL.
    """
    if not is_safe_url(url, settings().private_hosts):
        raise InvalidRequest(
            [FieldError("callback_url", "Must be an https URL of at most 2000 ASCII characters.")]
        )
    headers, body = _sign(
        f"test.{uuid7()}",
        {"type": "callback.test", "timestamp": time_text(now), "data": {}},
        secrets_of(account, now=now),
        now,
    )
    results: list[int | AddressRefused] = []

    def post() -> None:
        try:
            results.append(_post(url, headers, body))
        except AddressRefused as error:
            results.append(error)
        except CallbackFailed as error:
            logger.info("no response to the test callback", cause=str(error))

    # A socket's timeout restarts with each received byte, so only a thread can bound the total.
    sender = Thread(target=post, daemon=True)
    sender.start()
    sender.join(settings().callback_test_seconds_max)
    match results:
        case [AddressRefused()]:
            raise InvalidRequest([FieldError("callback_url", "Must resolve to a public address.")])
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
    """Return the headers and the body of an event, signed with every secret.

    Source: Standard Webhooks, spec, 'Signature scheme'.
    """
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
    """Send a POST request and return the status of the response.

    Raises CallbackFailed if there is no response, and AddressRefused if the address is not public.
    """
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
