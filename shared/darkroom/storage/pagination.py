"""Pages of rows with a cursor, for example an account's rows, newest first.

Rows that are written between two requests do not change the following pages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

from pynamodb.expressions.condition import Condition
from pynamodb.models import Model

from darkroom.domain.errors import FieldError, InvalidRequest
from darkroom.domain.ids import is_id


@dataclass(frozen=True, slots=True)
class Page[Item]:
    """The items of one page, and the cursor of the next page, or None on the last page."""

    items: tuple[Item, ...]
    next_cursor: str | None


def read_page[Row: Model, Item](
    model: type[Row],
    pk: str,
    prefix: str,
    convert: Callable[[Row], Item],
    *,
    limit: int,
    cursor: str | None,
    only: Condition | None = None,
    key_range: tuple[str, str] | None = None,
    is_key: Callable[[str], bool] = is_id,
    newest_first: bool = True,
) -> Page[Item]:
    """Read one page of the rows whose sort key starts with `prefix`.

    The read is strongly consistent. With the filter `only`, a page may have fewer than `limit`
    items although there is a next page. `key_range` is the first and the last sort key. `is_key`
    checks the part of a cursor after the prefix. A cursor is valid with every filter and every
    range. Raises InvalidRequest if the cursor is malformed or belongs to another list.
    """
    start_key = _start_key(pk, prefix, cursor, is_key)
    if key_range and start_key:
        # DynamoDB refuses a start key outside the range.
        if start_key["sk"]["S"] < key_range[0]:
            return Page((), None)
        if start_key["sk"]["S"] > key_range[1]:
            start_key = None
    found = model.query(
        pk,
        model.sk.between(*key_range) if key_range else model.sk.startswith(prefix),  # type: ignore[attr-defined]
        filter_condition=only,
        consistent_read=True,
        scan_index_forward=not newest_first,
        # One more row than `limit` shows whether there is a next page, so no last page is empty.
        page_size=limit + 1,
        last_evaluated_key=start_key,
    )
    page = next(found.page_iter)
    rows = [model.from_raw_data(item) for item in page["Items"]]
    last = page.get("LastEvaluatedKey", {}).get("sk", {}).get("S")
    if len(rows) > limit:
        last = rows[limit - 1].sk  # type: ignore[attr-defined]
    return Page(tuple(convert(row) for row in rows[:limit]), _encode(last) if last else None)


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _start_key(
    pk: str, prefix: str, cursor: str | None, is_key: Callable[[str], bool]
) -> dict[str, dict[str, str]] | None:
    if cursor is None:
        return None
    try:
        decoded = base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode("ascii")
    except (binascii.Error, ValueError):
        decoded = ""
    if not decoded.startswith(prefix) or not is_key(decoded.removeprefix(prefix)):
        raise InvalidRequest(
            [
                FieldError(
                    "cursor",
                    "This is not a cursor of this list. Use next_cursor of the page before.",
                )
            ]
        )
    return {"pk": {"S": pk}, "sk": {"S": decoded}}
