"""Verifies the signatures of incoming webhooks, by Standard Webhooks."""

from __future__ import annotations

import time
from collections.abc import Mapping

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from darkroom.aws.secrets import AGE_SECONDS_MAX, REFETCH_SECONDS_MIN, secret_values
from darkroom.domain.errors import WebhookRejected, WebhookSecretMissing


def verify(
    secret_id: str, headers: Mapping[str, str], body: bytes, *, age_seconds_max: int
) -> None:
    """Verify that a body is signed with the current or the previous secret, and is recent.

    The timestamp may differ from the current time by at most `age_seconds_max`. The library also
    refuses differences above 300 seconds
    (github.com/standard-webhooks/standard-webhooks, libraries/python). Raises WebhookRejected with
    the reason `signature` or `timestamp`, and WebhookSecretMissing if no secret is set.
    """
    for age in (AGE_SECONDS_MAX, REFETCH_SECONDS_MIN):
        secrets = secret_values(secret_id, age_seconds_max=age)
        if not secrets:
            raise WebhookSecretMissing
        if any(_is_signed(secret, headers, body) for secret in secrets):
            break
    else:
        raise WebhookRejected("timestamp" if _is_outside(headers, age_seconds_max) else "signature")
    if _is_outside(headers, age_seconds_max):
        raise WebhookRejected("timestamp")


def _is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError, OverflowError):
        # The library raises ValueError for malformed signatures and for bodies that are not UTF-8.
        return False
    return True


def _is_outside(headers: Mapping[str, str], age_seconds_max: int) -> bool:
    """Return whether the timestamp is too old or too far in the future."""
    try:
        return abs(time.time() - float(headers["webhook-timestamp"])) > age_seconds_max
    except (KeyError, ValueError):
        return False
