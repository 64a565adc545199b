"""Ids: those that Darkroom gives out (UUIDs of version 7, as text), those of others, and both as parts of keys."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PREDICTION_ID = re.compile(r"[A-Za-z0-9._:@|-]{1,128}")


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id of ours. Nothing else becomes a part of a key."""
    return _ID.fullmatch(text) is not None


def is_prediction_id(text: str) -> bool:
    """Return whether a text has the form of a provider's prediction id, which becomes a part of a URL."""
    return _PREDICTION_ID.fullmatch(text) is not None


def key_part(text: str) -> str:
    """Encode any text as a part of a key: letters, digits and `._~@:-` stay, every other byte of its UTF-8 is `=XX`.

    It is percent-encoding with `=` for `%`, because S3 advises against `%` in keys
    (docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html). Neither `#`, which parts DynamoDB keys, nor `/`, which parts the
    bucket's keys, is left in it. Raises UnicodeEncodeError for a lone surrogate.
    """
    encoded = quote(text, safe="@:").replace("%", "=")
    # A part of dots alone would be a step in a URL's path, which clients take away.
    return encoded.replace(".", "=2E") if encoded.strip(".") == "" else encoded


def text_of_key_part(part: str) -> str:
    """Decode what `key_part` wrote. Raises ValueError for bytes that are no UTF-8."""
    return unquote(part.replace("=", "%"), errors="strict")
