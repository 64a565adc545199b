"""Calling the caller's own URL when a job has ended."""

import base64
import secrets
from collections.abc import Collection
from urllib.parse import urlsplit

_SECRET_BYTES = 24
_URL_CHARACTERS_MAX = 2_000


def new_callback_secret() -> str:
    """Make a signing secret as Standard Webhooks writes it (github.com/standard-webhooks/standard-webhooks, spec, 'Signature scheme')."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def is_callable_url(url: str, private_hosts: Collection[str]) -> bool:
    """Tell whether a URL may be called: https, without a user in it; or plain http on a host that is named private."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or len(url) > _URL_CHARACTERS_MAX or not url.isascii() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in private_hosts)
