"""The parser of a request to create a prediction."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

from local.simulators.replicate import problems
from local.simulators.replicate.model import Model
from local.simulators.replicate.model_table import ModelTable
from local.simulators.replicate.validation import InvalidField, Schema, invalid_fields

CANCEL_AFTER_SECONDS_MIN = 5
WAIT_SECONDS_MAX = 60

_CANCEL_AFTER = re.compile(
    r"(?=\d)(?:(?P<hours>\d{1,4})h)?(?:(?P<minutes>\d{1,6})m)?(?:(?P<seconds>\d{1,8})s?)?"
)

_PREFER = re.compile(r"wait(?:=(?P<seconds>\d{1,3}))?")

_MEMBERS: Mapping[str, Schema] = {
    "input": {"type": "object"},
    "webhook": {"type": "string"},
    "webhook_events_filter": {
        "type": "array",
        "items": {"type": "string", "enum": ["start", "output", "logs", "completed"]},
    },
    "stream": {"type": "boolean"},
}
_BODY_OF_A_MODEL: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["input"],
    "properties": _MEMBERS,
}
_BODY_OF_A_VERSION: Schema = {
    **_BODY_OF_A_MODEL,
    "required": ["version", "input"],
    "properties": {"version": {"type": "string"}, **_MEMBERS},
}


@dataclass(frozen=True, kw_only=True)
class CreateRequest:
    """A valid request to create a prediction."""

    model: Model
    input: dict[str, Any]
    webhook: str | None
    webhook_events_filter: tuple[str, ...] | None
    cancel_after_seconds: int | None


def parse_create_request(
    body: object, *, models: ModelTable, model: Model | None, cancel_after: str | None
) -> CreateRequest:
    """Parse a request. Raises a Problem that names every invalid field.

    `model` is the official model in the path, or None if the body has a version.
    """
    _refuse(invalid_fields(body, _BODY_OF_A_MODEL if model else _BODY_OF_A_VERSION))
    members = cast("dict[str, Any]", body)
    model = model or models.find_by_version(members["version"])
    if model is None:
        raise problems.invalid_version()
    _refuse(invalid_fields(members["input"], model.input_schema, within="input"))
    events = members.get("webhook_events_filter")
    return CreateRequest(
        model=model,
        input=members["input"],
        webhook=_check_webhook(members.get("webhook")),
        webhook_events_filter=None if events is None else tuple(events),
        cancel_after_seconds=_cancel_after_seconds(cancel_after),
    )


def parse_prefer(header: str | None) -> int | None:
    """Return how many seconds the response waits for the prediction, or None if it does not wait.

    `wait` means 60 seconds. The n of `wait=n` is from 1 to 60. Raises a Problem for another value.
    """
    if header is None:
        return None
    match = _PREFER.fullmatch(header.strip())
    seconds = int(match["seconds"] or WAIT_SECONDS_MAX) if match else 0
    if not 1 <= seconds <= WAIT_SECONDS_MAX:
        raise problems.invalid(
            [
                InvalidField(
                    "format", "Prefer", f"Must be wait, or wait=1 to wait={WAIT_SECONDS_MAX}"
                )
            ]
        )
    return seconds


def _refuse(fields: list[InvalidField]) -> None:
    if fields:
        raise problems.invalid(fields)


def _check_webhook(webhook: str | None) -> str | None:
    """Accept only HTTPS, as the real API does. A receiver at a private address may also use HTTP.

    The local stack has a private address if containers must reach it.
    """
    if webhook is None or _is_acceptable(webhook):
        return webhook
    raise problems.invalid([InvalidField("format", "webhook", "Does not match format 'https URL'")])


def _is_acceptable(webhook: str) -> bool:
    try:
        url = urlsplit(webhook)
        host = url.hostname or ""
        if url.scheme == "http":
            return host == "localhost" or ip_address(host).is_private
        return url.scheme == "https" and bool(host)
    except ValueError:
        return False


def _cancel_after_seconds(header: str | None) -> int | None:
    """Parse `30`, `90s`, `5m` or `1h30m45s`. A number without a unit is in seconds."""
    if header is None:
        return None
    match = _CANCEL_AFTER.fullmatch(header.strip())
    if match is None:
        raise _bad_cancel_after(f"{header!r} is not a duration")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    total_seconds = hours * 3600 + minutes * 60 + seconds
    if total_seconds < CANCEL_AFTER_SECONDS_MIN:
        raise _bad_cancel_after(f"Must be at least {CANCEL_AFTER_SECONDS_MIN} seconds")
    return total_seconds


def _bad_cancel_after(description: str) -> problems.Problem:
    return problems.invalid([InvalidField("format", "Cancel-After", description)])
