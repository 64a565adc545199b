"""Pages of a list, newest first, linked by opaque cursors."""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from local.simulators.replicate import problems
from local.simulators.replicate.predictions import Prediction
from local.simulators.replicate.validation import InvalidField

PAGE_SIZE = 100


def page_of[Item](
    items: list[Item],
    query: Mapping[str, str],
    *,
    url: str,
    document: Callable[[Item], dict[str, Any]],
    filters: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return one page of a list.

    `items` are in the order of creation, and new items may be added at the end. A cursor is a
    position in that order, so new items do not change a page. The links to other pages repeat
    `filters`, which the caller has already applied.
    """
    end = _position(query["cursor"], len(items)) if "cursor" in query else len(items)
    start = max(0, end - PAGE_SIZE)

    def link(position: int) -> str:
        return f"{url}?{urlencode({**(filters or {}), 'cursor': _cursor(position)})}"

    return {
        "next": link(start) if start > 0 else None,
        "previous": link(min(end + PAGE_SIZE, len(items))) if end < len(items) else None,
        "results": [document(each) for each in reversed(items[start:end])],
    }


def page_of_predictions(
    predictions: list[Prediction],
    query: Mapping[str, str],
    *,
    url: str,
    document: Callable[[Prediction], dict[str, Any]],
) -> dict[str, Any]:
    """Return one page of the predictions that match the query's filters."""
    filters = {
        name: query[name] for name in ("created_after", "created_before", "source") if name in query
    }
    matching = [each for each in predictions if _matches(each, filters)]
    return page_of(matching, query, url=url, document=document, filters=filters)


def _matches(prediction: Prediction, filters: Mapping[str, str]) -> bool:
    """Return whether a prediction matches the filters.

    `created_after` is inclusive, `created_before` is exclusive. Every prediction has the source
    `api`.
    """
    if "created_after" in filters and prediction.created_at < _parse_time("created_after", filters):
        return False
    if "created_before" in filters and prediction.created_at >= _parse_time(
        "created_before", filters
    ):
        return False
    return filters.get("source", "api") == "api"


def _parse_time(name: str, filters: Mapping[str, str]) -> datetime:
    try:
        moment = datetime.fromisoformat(filters[name])
    except ValueError as error:
        raise problems.invalid(
            [InvalidField("format", name, "Does not match format 'date-time'")]
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"p={position}".encode()).decode()


def _position(cursor: str, total: int) -> int:
    try:
        name, _, position = base64.urlsafe_b64decode(cursor).decode().partition("=")
        if name != "p" or not 0 <= int(position) <= total:
            raise problems.not_found()
    except (binascii.Error, ValueError) as error:
        raise problems.not_found() from error
    return int(position)
