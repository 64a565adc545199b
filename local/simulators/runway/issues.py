"""The errors of a request body, with the texts of the real API, which are those of Zod."""

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from local.simulators.runway.problems import Issue

type Schema = Mapping[str, Any]

URL_CHARACTERS_MAX = 2048
DATA_URI_CHARACTERS_MAX = 5 * 1024 * 1024

_DATA_URI = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.*)", re.DOTALL)
_IMAGE_TYPES = {"image/jpeg", "image/jpg", "image/png", "image/webp"}
_TYPE_NAMES = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
_SIZES = {
    "minLength": ("too_small", "minimum", "string to have >={limit} characters"),
    "maxLength": ("too_big", "maximum", "string to have <={limit} characters"),
    "minItems": ("too_small", "minimum", "array to have >={limit} items"),
    "maxItems": ("too_big", "maximum", "array to have <={limit} items"),
    "minimum": ("too_small", "minimum", "number to be >={limit}"),
    "maximum": ("too_big", "maximum", "number to be <={limit}"),
}


def issues_of(body: object, schema: Schema) -> list[Issue]:
    """Return the errors of `body` against `schema`.

    `schema` is a JSON Schema. It may also use the keyword `image`, for the URI of an image.
    """
    return [issue for error in _Validator(schema).iter_errors(body) for issue in _issues(error)]


def no_such_model(body: object) -> list[Issue]:
    """Return the errors of a body that names no known model."""
    if not isinstance(body, dict):
        return [_wrong_type("object", body, [])]
    issues = (
        [] if isinstance(body.get("model"), str) else [_missing_or_wrong(body, "model", "string")]
    )
    return [
        *issues,
        {
            "code": "invalid_union",
            "errors": [],
            "note": "No matching discriminator",
            "discriminator": "model",
            "path": ["model"],
            "message": "Invalid input",
        },
    ]


def _issues(error: ValidationError) -> Iterator[Issue]:
    path, limit = list(error.absolute_path), error.validator_value
    match error.validator:
        case "required":
            # Only the message of jsonschema's error has the name of the missing property.
            name = next(name for name in limit if error.message.startswith(repr(name)))
            schema = error.schema["properties"][name]
            yield (
                _no_option(schema["enum"], [*path, name])
                if "enum" in schema
                else _missing(schema["type"], [*path, name])
            )
        case "additionalProperties":
            unknown = [name for name in error.instance if name not in error.schema["properties"]]
            names = ", ".join(json.dumps(name) for name in unknown)
            message = f"Unrecognized key{'s' if len(unknown) > 1 else ''}: {names}"
            yield {"code": "unrecognized_keys", "keys": unknown, "path": path, "message": message}
        case "type":
            yield _wrong_type(limit, error.instance, path)
        case "enum":
            yield _no_option(limit, path)
        case str() as keyword if keyword in _SIZES:
            code, member, sentence = _SIZES[keyword]
            message = (
                f"{code.replace('_', ' ').capitalize()}: expected {sentence.format(limit=limit)}"
            )
            yield {
                "origin": sentence.split()[0],
                "code": code,
                member: limit,
                "inclusive": True,
                "path": path,
                "message": message,
            }
        case "contains" | "maxContains":
            yield {
                "code": "custom",
                "path": path,
                "message": "Exactly one image must have the position first.",
            }
        case _:
            yield {"code": "custom", "path": path, "message": error.message}


def _missing_or_wrong(body: dict[str, Any], name: str, expected: str) -> Issue:
    return _wrong_type(expected, body[name], [name]) if name in body else _missing(expected, [name])


def _missing(expected: str | list[str], path: list[str | int]) -> Issue:
    return _expected(expected, "undefined", path)


def _wrong_type(expected: str | list[str], given: object, path: list[str | int]) -> Issue:
    return _expected(expected, _TYPE_NAMES[type(given)], path)


def _expected(expected: str | list[str], received: str, path: list[str | int]) -> Issue:
    if isinstance(expected, list):
        return {"code": "invalid_union", "errors": [], "path": path, "message": "Invalid input"}
    name = "int" if expected == "integer" else expected
    return {
        "expected": name,
        "code": "invalid_type",
        "path": path,
        "message": f"Invalid input: expected {name}, received {received}",
    }


def _no_option(options: list[object], path: list[str | int]) -> Issue:
    options_text = "|".join(json.dumps(option) for option in options)
    message = (
        f"Invalid option: expected one of {options_text}"
        if len(options) > 1
        else f"Invalid input: expected {options_text}"
    )
    return {"code": "invalid_value", "values": options, "path": path, "message": message}


def _longer_in_utf16(
    _validator: object, limit: int, text: object, _schema: Schema
) -> Iterator[ValidationError]:
    """Count UTF-16 code units, as the real API does. JSON Schema counts characters."""
    if isinstance(text, str) and len(text.encode("utf-16-le", "surrogatepass")) // 2 > limit:
        yield ValidationError("too long")


def _not_an_image(
    _validator: object, _limit: object, uri: object, _schema: Schema
) -> Iterator[ValidationError]:
    if isinstance(uri, str) and (
        fault := _data_uri_fault(uri) if uri.startswith("data:") else _url_fault(uri)
    ):
        yield ValidationError(fault)


def _data_uri_fault(uri: str) -> str | None:
    match = _DATA_URI.fullmatch(uri)
    if match is None:
        return "Invalid data URI."
    if match["type"].lower() not in _IMAGE_TYPES:
        return (
            "Unsupported asset type."
            " Data URIs must include the content type of the value they encode."
        )
    if len(uri) > DATA_URI_CHARACTERS_MAX:
        return "Asset size exceeds 5.0MB."
    try:
        b64decode(match["data"], validate=True)
    except ValueError:
        return "Invalid data URI."
    return None


def _url_fault(url: str) -> str | None:
    """Return the error of a URL, or None.

    As in the real API, a URL must use HTTPS and a host name. A URL with a private address, such as
    an address of this machine, may also use HTTP.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "Invalid URL"
    if parts.scheme == "runway":
        return "The upload does not exist."
    if not host or len(url) > URL_CHARACTERS_MAX:
        return "Invalid URL"
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_private):
        return None if parts.scheme in {"http", "https"} else "Only HTTPS URLs are allowed."
    if parts.scheme != "https":
        return "Only HTTPS URLs are allowed."
    return "URLs must be hosted on a domain." if address is not None else None


def _address(host: str) -> Any:  # noqa: ANN401 (an IPv4 or an IPv6 address)
    try:
        return ip_address(host)
    except ValueError:
        return None


_Validator = extend(Draft202012Validator, {"maxLength": _longer_in_utf16, "image": _not_an_image})
