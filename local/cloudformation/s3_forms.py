"""S3's check of a browser's upload form against the form's signed policy. moto has no such check.

Source: Amazon S3 API Reference, "Browser-Based Uploads Using POST (AWS Signature Version 4)".
"""

import hashlib
import hmac
import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request

from local.cloudformation.account import secret_of

_SIGNATURE = "x-amz-signature"
_NOT_IN_THE_POLICY = {_SIGNATURE, "policy", "file"}
_FIELDS_NEEDED = ("key", "policy", _SIGNATURE, "x-amz-credential", "x-amz-date", "x-amz-algorithm")


class FormRefused(Exception):
    """The arguments are the HTTP status, the code and the message of an S3 error."""


def is_form_upload(request: Request) -> bool:
    """Return whether the request is an upload form, whose fields have a policy and a signature."""
    return request.method == "POST" and request.mimetype == "multipart/form-data"


def check_form(request: Request) -> None:
    """Check an upload form. Raises FormRefused if S3 would refuse the form."""
    fields = {name.lower(): value for name, value in request.form.items()}
    if missing := next((name for name in _FIELDS_NEEDED if name not in fields), None):
        raise FormRefused(
            HTTPStatus.BAD_REQUEST,
            "InvalidArgument",
            f"Bucket POST must contain a field named '{missing}'.",
        )
    file = request.files.get("file")
    if file is None:
        raise FormRefused(
            HTTPStatus.BAD_REQUEST,
            "InvalidArgument",
            "POST requires exactly one file upload per request.",
        )
    secret = secret_of(fields["x-amz-credential"].partition("/")[0])
    if secret is None:
        raise FormRefused(
            HTTPStatus.FORBIDDEN,
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        )
    if not hmac.compare_digest(fields[_SIGNATURE], _signature(fields, secret)):
        raise FormRefused(
            HTTPStatus.FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )
    policy = json.loads(b64decode(fields["policy"]))
    if datetime.now(UTC) >= datetime.fromisoformat(policy["expiration"]):
        raise FormRefused(
            HTTPStatus.FORBIDDEN, "AccessDenied", "Invalid according to Policy: Policy expired."
        )
    bucket = request.path.strip("/").partition("/")[0]
    _check_conditions(
        policy["conditions"], fields | {"bucket": bucket}, bytes_count=len(file.stream.read())
    )


def _check_conditions(
    conditions: list[Any], fields: Mapping[str, str], *, bytes_count: int
) -> None:
    named = {"bucket"}
    for kind, name, value in _parse_conditions(conditions):
        if kind == "content-length-range":
            if bytes_count < int(name):
                raise FormRefused(
                    HTTPStatus.BAD_REQUEST,
                    "EntityTooSmall",
                    "Your proposed upload is smaller than the minimum allowed size",
                )
            if bytes_count > int(value):
                raise FormRefused(
                    HTTPStatus.BAD_REQUEST,
                    "EntityTooLarge",
                    "Your proposed upload exceeds the maximum allowed size",
                )
            continue
        named.add(name)
        field = fields.get(name, "")
        if not (field.startswith(value) if kind == "starts-with" else field == value):
            raise FormRefused(
                HTTPStatus.FORBIDDEN,
                "AccessDenied",
                "Invalid according to Policy: Policy Condition failed: "
                f'["{kind}", "${name}", "{value}"]',
            )
    extra = sorted(
        name
        for name in fields.keys() - named - _NOT_IN_THE_POLICY
        if not name.startswith("x-ignore-")
    )
    if extra:
        raise FormRefused(
            HTTPStatus.FORBIDDEN,
            "AccessDenied",
            f"Invalid according to Policy: Extra input fields: {', '.join(extra)}",
        )


def _parse_conditions(conditions: list[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the operator, the field's name and the value; for a length, the two limits."""
    for condition in conditions:
        if isinstance(condition, dict):
            yield from (("eq", name.lower(), str(value)) for name, value in condition.items())
        else:
            kind, name, value = condition
            yield str(kind).lower(), str(name).lower().removeprefix("$"), str(value)


def _signature(fields: Mapping[str, str], secret: str) -> str:
    _, *scope = fields["x-amz-credential"].split("/")
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.new(key, fields["policy"].encode(), hashlib.sha256).hexdigest()
