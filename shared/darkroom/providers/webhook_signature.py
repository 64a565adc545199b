"""Webhooks that come in: who may call, by Standard Webhooks."""

from __future__ import annotations

import time
from collections.abc import Mapping

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from darkroom.aws.secrets import AGE_SECONDS_MAX, REFETCH_SECONDS_MIN, secret_values
from darkroom.domain.errors import WebhookRejected, WebhookSecretMissing


def verify(
    secret_id: str, headers: Mapping[str, str], body: bytes, *, age_seconds_max: int
) -> None:
    """Accept a body that is signed with the current or the previous secret, and not older than this.

    Raises WebhookRejected, and WebhookSecretMissing while there is no secret to check with. The library refuses more than 300 seconds
    in either direction by itself (github.com/standard-webhooks/standard-webhooks, libraries/python).
    """
    for age in (AGE_SECONDS_MAX, REFETCH_SECONDS_MIN):
        secrets = secret_values(secret_id, age_seconds_max=age)
        if not secrets:
            raise WebhookSecretMissing
        if any(_is_signed(secret, headers, body) for secret in secrets):
            break
    else:
        raise WebhookRejected("signature")
    if abs(time.time() - float(headers["webhook-timestamp"])) > age_seconds_max:
        raise WebhookRejected("stale")


def _is_signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError, OverflowError):
        # Malformed signatures and bodies that are no UTF-8 raise a bare ValueError, not the library's own.
        return False
    return True
