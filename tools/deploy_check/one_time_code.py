"""The codes of an authenticator app."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

_STEP_SECONDS = 30
_DIGITS = 6


def one_time_code(secret: str, at_seconds: float | None = None) -> str:
    """Return the code at a time, now by default. Source: RFC 6238 (TOTP) and RFC 4226 (HOTP)."""
    moment = time.time() if at_seconds is None else at_seconds
    key = base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
    counter = int(moment // _STEP_SECONDS).to_bytes(8, "big")
    digest = hmac.digest(key, counter, hashlib.sha1)
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"
