"""The secrets that sign callbacks, and the sending of a signed event (Standard Webhooks)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from standardwebhooks.webhooks import Webhook
from uuid6 import uuid7

from darkroom import __version__, http_post
from darkroom.domain.accounts import AccountId, new_callback_secret
from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.limits import Act
from darkroom.domain.urls import is_safe_url
from darkroom.http_guard import AddressRefused
from darkroom.http_post import NoResponse
from darkroom.observability import logger
from darkroom.schemas.account_responses import DeliveryResponse, SecretResponse
from darkroom.schemas.views import time_text
from darkroom.settings import settings
from darkroom.storage import rate_limits
from darkroom.storage.job_rows import partition
from darkroom.storage.table import AccountRow
from darkroom.storage.transactions import update


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


def send_test(account: AccountId, url: str, *, now: datetime) -> DeliveryResponse:
    """Send a test event to a URL once, and return the status of the response.

    An address that is not public and an address without a server have the same result, so the
    result does not show which ports of a network are open. Raises InvalidRequest for a URL that
    Darkroom never calls, and TooManyRequests.
    """
    if not is_safe_url(url, settings().private_hosts):
        raise InvalidRequest(
            [FieldError("callback_url", "Must be an https URL of at most 2000 ASCII characters.")]
        )
    rate_limits.count(account, Act.CALLBACK_TESTS, now=now)
    event = {"type": "callback.test", "timestamp": time_text(now), "data": {}}
    try:
        status = post_event(account, url, f"test.{uuid7()}", event, now=now)
    except (AddressRefused, NoResponse) as error:
        logger.info("no response to the test callback", cause=type(error).__name__)
        return {"delivered": False, "status": None}
    return {"delivered": is_success(status), "status": status}


def post_event(
    account: AccountId, url: str, message_id: str, event: object, *, now: datetime
) -> int:
    """Send a signed event to a URL once, and return the status of the response.

    Repeated events have the same `message_id`. Takes at most `callback_seconds_max`. Raises
    NoResponse, TimedOut and AddressRefused.
    """
    headers, body = _sign(message_id, event, secrets_of(account, now=now), now)
    return http_post.post(
        url,
        headers,
        body,
        seconds=settings().callback_seconds_max,
        private_hosts=settings().private_hosts,
    )


def is_success(status: int) -> bool:
    """Return whether a receiver with this status has accepted the event."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


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
        "User-Agent": f"Darkroom/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(
            Webhook(secret).sign(message_id, now, body) for secret in secrets.all
        ),
    }
    return headers, body.encode()
