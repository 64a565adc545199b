"""Ids of Darkroom and of providers, and the encoding of texts in keys.

Darkroom's own ids are UUIDs of version 7, as text.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PREDICTION_ID = re.compile(r"[A-Za-z0-9._:@|-]{1,128}")


def is_id(text: str) -> bool:
    """Return whether a text has the form of a Darkroom id. Only such an id is put into a key."""
    return _ID.fullmatch(text) is not None


def is_prediction_id(text: str) -> bool:
    """Return whether a text has the form of a provider's prediction id.

    Prediction ids are put into URLs, so no other text is accepted.
    """
    return _PREDICTION_ID.fullmatch(text) is not None


def key_part(text: str) -> str:
    """Encode a text for use in a DynamoDB key or an object key.

    Letters, digits and `._~@:-` stay. Every other byte of the UTF-8 text becomes `=XX`, in hex.
    The result contains neither `#`, which separates the parts of DynamoDB keys, nor `/`, which
    separates the parts of object keys. Raises UnicodeEncodeError for a lone surrogate.

    This is percent-encoding with `=` instead of `%`, because S3 advises against `%` in keys:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
    """
    encoded = quote(text, safe="@:").replace("%", "=")
    # HTTP clients remove the path segments `.` and `..` from URLs, so dots alone are encoded.
    return encoded.replace(".", "=2E") if encoded.strip(".") == "" else encoded


def text_of_key_part(part: str) -> str:
    """Decode the result of `key_part`. Raises ValueError if the bytes are not valid UTF-8."""
    return unquote(part.replace("=", "%"), errors="strict")
