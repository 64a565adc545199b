"""Parses the body of a request as strict JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from darkroom.api.json_text import json_text
from darkroom.domain import errors
from darkroom.domain.errors import FieldError


def json_object(body: bytes) -> dict[str, Any]:
    """Parse a body as RFC 8259 defines JSON: UTF-8 without NaN. Raises InvalidRequest.

    The texts in it must be encodable as UTF-8 too, so a lone surrogate is refused.
    """
    try:
        document = json.loads(
            body.decode("utf-8"), parse_constant=_no_such_number, object_pairs_hook=_unique_members
        )
        _refuse_lone_surrogates(document)
    except json.JSONDecodeError as error:
        raise errors.InvalidRequest(
            [FieldError("body", f"Is not JSON: {error.msg} at character {error.pos}.")]
        ) from None
    except (RecursionError, ValueError):
        # A number with thousands of digits or above the range, or bytes that are not UTF-8.
        raise errors.InvalidRequest(
            [
                FieldError(
                    "body",
                    "Must be UTF-8 text without huge numbers or deep nesting.",
                )
            ]
        ) from None
    if not isinstance(document, dict):
        raise errors.InvalidRequest([FieldError("body", "Must be a JSON object.")])
    return document


def _refuse_lone_surrogates(document: object) -> None:
    """Raise InvalidRequest if a text cannot be encoded as UTF-8.

    Raises ValueError for a number that is not finite.
    """
    try:
        json_text(document).encode()
    except UnicodeEncodeError:
        raise errors.InvalidRequest(
            [
                FieldError(field or "body", "Has a lone surrogate, which is no character.")
                for field in dict.fromkeys(_fields_with_surrogates(document, ""))
            ]
        ) from None


def _fields_with_surrogates(value: object, field: str) -> Iterator[str]:
    """Return the fields with such a text. A wrong name counts for the object that has the name."""
    match value:
        case str() if not _is_utf8(value):
            yield field
        case dict():
            for name, member in value.items():
                if _is_utf8(name):
                    yield from _fields_with_surrogates(member, f"{field}.{name}".lstrip("."))
                else:
                    yield field
        case list():
            for number, item in enumerate(value):
                yield from _fields_with_surrogates(item, f"{field}.{number}".lstrip("."))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique_members(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a repeated name, because parsers differ in the value they use (RFC 8259, section 4).

    Raises InvalidRequest.
    """
    document = dict(members)
    if len(document) < len(members):
        names = [name for name, _ in members]
        raise errors.InvalidRequest(
            [
                FieldError(name, "Is in the object more than once.")
                for name in document
                if names.count(name) > 1
            ]
        )
    return document


def _no_such_number(name: str) -> NoReturn:
    raise errors.InvalidRequest([FieldError("body", f"{name} is not a JSON number.")])
