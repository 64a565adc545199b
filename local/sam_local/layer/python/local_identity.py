# ruff: noqa: INP001 (a layer has no package at its root)
"""The handler of the HTTP functions under `sam local start-api`.

SAM CLI has no JWT authorizer, so its events have no claims. This module adds the claims of the
request's bearer token and calls the function's own handler. The signature of the token is not
verified. Only the local copy of the template has this module; `template.yaml` does not have it.
"""

import base64
import json
import time
from typing import Any

from handler import handler as own_handler  # type: ignore[import-not-found]


def handler(event: dict[str, Any], context: object) -> Any:  # noqa: ANN401 (the function's own)
    """Add the claims, if the event has none, and call the function's own handler."""
    return own_handler(with_claims(event), context)


def with_claims(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with the claims of its bearer token, as the JWT authorizer adds them.

    An event with claims, without a token, or with an expired token is returned unchanged.
    """
    request = event["requestContext"]
    claims = None if request.get("authorizer") else _claims(event.get("headers") or {})
    if claims is None:
        return event
    authorizer = {"jwt": {"claims": claims, "scopes": None}}
    return {**event, "requestContext": {**request, "authorizer": authorizer}}


def _claims(headers: dict[str, str]) -> dict[str, str] | None:
    token = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    try:
        payload = token.removeprefix("Bearer ").split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        is_valid = claims["exp"] > time.time()
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return {name: _text(value) for name, value in claims.items()} if is_valid else None


def _text(value: object) -> str:
    """Write a claim as text, as HTTP APIs do."""
    if isinstance(value, list):
        return f"[{' '.join(map(_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value)
