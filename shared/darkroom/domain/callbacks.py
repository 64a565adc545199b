"""Calling the caller's own URL when a job has ended."""

import base64
import secrets

_SECRET_BYTES = 24


def new_callback_secret() -> str:
    """Make a signing secret as Standard Webhooks writes it (github.com/standard-webhooks/standard-webhooks, spec, 'Signature scheme')."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
