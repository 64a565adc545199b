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
    keys = [item[name]["S"] for name in ("pk", "sk", range_name)]
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def _start_of(cursor: str, range_name: str) -> dict[str, dict[str, str]]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        keys = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        keys = None
    if not _are_keys(keys):
        raise InvalidRequest(
            [
                FieldError(
                    "cursor",
                    "This is not a cursor of this list. Use next_cursor of the page before.",
                )
            ]
        )
    pk, sk, range_key = keys
    return {"pk": {"S": pk}, "sk": {"S": sk}, range_name: {"S": range_key}}


def _are_keys(keys: object) -> bool:
    """Return whether these are three texts that DynamoDB accepts as keys."""
    expected_count = 3
    return (
        isinstance(keys, list)
        and len(keys) == expected_count
        and all(
            isinstance(key, str)
            and 0 < len(key.encode("utf-8", "surrogatepass")) <= _KEY_BYTES_MAX
            and not any("\ud800" <= character <= "\udfff" for character in key)
            for key in keys
        )
    )
