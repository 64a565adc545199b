"""Pages of the keys in an index, with a cursor. Reads of an index are eventually consistent."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from pynamodb.indexes import Index

from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.storage.pagination import Page

CURSOR_CHARACTERS_MAX = 2_000
# Amazon DynamoDB Developer Guide, "Quotas": the maximum length of a sort key.
_KEY_BYTES_MAX = 1_024

type Key = tuple[str, str]
"""The keys of a row: `pk` and `sk`."""


def read_index_page(
    index: Index[Any], names: tuple[str, str], hash_key: str, *, limit: int, cursor: str | None
) -> Page[Key]:
    """Read the keys of one page of the rows with a hash key, in the order of the range key.

    `names` are the attributes of the index: its hash key and its range key. Raises InvalidRequest
    if the cursor is malformed.
    """
    hash_name, range_name = names
    found = index.query(
        hash_key,
        page_size=limit + 1,
        last_evaluated_key={hash_name: {"S": hash_key}, **_start_of(cursor, range_name)}
        if cursor is not None
        else None,
    )
    page = next(found.page_iter)
    items = page["Items"]
    last = items[limit - 1] if len(items) > limit else page.get("LastEvaluatedKey")
    return Page(
        tuple((item["pk"]["S"], item["sk"]["S"]) for item in items[:limit]),
        _encode(last, range_name) if last else None,
    )


def _encode(item: dict[str, Any], range_name: str) -> str:
    keys = [item[name]["S"] for name in _key_names(range_name)]
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def _start_of(cursor: str, range_name: str) -> dict[str, dict[str, str]]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        keys = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        keys = None
    names = _key_names(range_name)
    if not (isinstance(keys, list) and len(keys) == len(names) and all(map(_is_key, keys))):
        raise InvalidRequest(
            [
                FieldError(
                    "cursor",
                    "This is not a cursor of this list. Use next_cursor of the page before.",
                )
            ]
        )
    return {name: {"S": key} for name, key in zip(names, keys, strict=True)}


def _key_names(range_name: str) -> list[str]:
    """Return the attributes in a cursor. The range key of an index may be a key of the table."""
    return list(dict.fromkeys(("pk", "sk", range_name)))


def _is_key(key: object) -> bool:
    """Return whether DynamoDB accepts this value as a sort key."""
    if not isinstance(key, str):
        return False
    try:
        return 0 < len(key.encode()) <= _KEY_BYTES_MAX
    except UnicodeEncodeError:
        return False
