"""Payload format 2.0: convert a request to an event, and a function's response to HTTP.

Source: API Gateway Developer Guide, "Create AWS Lambda proxy integrations for HTTP APIs".
"""

import base64
import binascii
import json
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request, Response

from local.api_gateway.jwt_authorizer import Identity
from local.api_gateway.routes import Match
from local.cloudformation.account import ACCOUNT_ID

_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")
_TEXT_SUFFIXES = ("+json", "+xml")
_STATUS = re.compile(r"[1-5][0-9][0-9]")


class MalformedResponse(Exception):
    """The function's response is invalid. HTTP APIs respond with the status 500."""


def event_of(
    request: Request, match: Match, identity: Identity | None, *, api_id: str, stage: str
) -> dict[str, Any]:
    """Make the event for a request, with the path decoded and the query string as it was sent."""
    headers = _headers(request)
    query = request.query_string.decode("latin-1")
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": request.path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": _context(request, match, identity, api_id=api_id, stage=stage),
        "isBase64Encoded": False,
    }
    if cookies := request.headers.get("Cookie"):
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if query:
        event["queryStringParameters"] = _join_values(parse_qsl(query, keep_blank_values=True))
    if match.path_parameters:
        event["pathParameters"] = dict(match.path_parameters)
    if body := request.get_data():
        event |= _body(body, headers.get("content-type", ""))
    return event


def _context(
    request: Request, match: Match, identity: Identity | None, *, api_id: str, stage: str
) -> dict[str, Any]:
    now = time.time()
    host = request.headers.get("Host", "")
    context: dict[str, Any] = {
        "accountId": ACCOUNT_ID,
        "apiId": api_id,
        "domainName": host.partition(":")[0],
        "domainPrefix": host.partition(".")[0],
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
            "sourceIp": request.remote_addr or "",
            "userAgent": request.headers.get("User-Agent", ""),
        },
        "requestId": str(uuid.uuid4()),
        "routeKey": match.route.key,
        "stage": stage,
        "time": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S %z"),
        "timeEpoch": int(now * 1000),
    }
    if identity:
        context["authorizer"] = {
            "jwt": {"claims": dict(identity.claims), "scopes": identity.scopes}
        }
    return context


def response_of(payload: bytes) -> Response:
    """Make the HTTP response from a function's response.

    Raises MalformedResponse if the status code or the body is invalid.
    """
    response = json.loads(payload or b"null")
    if not isinstance(response, dict) or "statusCode" not in response:
        # Without a status code, HTTP APIs send the whole response as the body of a 200.
        text = (
            response if isinstance(response, str) else json.dumps(response, separators=(",", ":"))
        )
        return Response(text, HTTPStatus.OK, content_type="application/json")
    headers = Headers()
    for name, value in (response.get("headers") or {}).items():
        headers[name] = value if isinstance(value, str) else json.dumps(value)
    for cookie in response.get("cookies") or []:
        headers.add("Set-Cookie", cookie)
    if "Content-Type" not in headers:
        headers["Content-Type"] = "text/plain; charset=utf-8"
    return Response(_decode_body(response), _status(response["statusCode"]), headers)


def _headers(request: Request) -> dict[str, str]:
    """Return the headers of the event.

    The names are in lower case. The server has joined repeated headers by commas. The event has
    cookies in a separate field. API Gateway adds the four headers that begin with `x-`.
    """
    parts = urlsplit(request.host_url)
    return {
        **{name.lower(): value for name, value in request.headers.items() if name != "Cookie"},
        "x-amzn-trace-id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}",
        "x-forwarded-for": request.remote_addr or "",
        "x-forwarded-port": str(parts.port or ""),
        "x-forwarded-proto": parts.scheme,
    }


def _join_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    values = defaultdict(list)
    for name, value in pairs:
        values[name].append(value)
    return {name: ",".join(several) for name, several in values.items()}


def _body(body: bytes, content_type: str) -> dict[str, Any]:
    media_type = content_type.partition(";")[0].strip().lower()
    if (
        not media_type
        or media_type.startswith("text/")
        or media_type in _TEXT_TYPES
        or media_type.endswith(_TEXT_SUFFIXES)
    ):
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def _decode_body(response: dict[str, Any]) -> bytes:
    body = response.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedResponse("the body is not text")
    if not response.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise MalformedResponse("the body is not base64") from error


def _status(code: object) -> int:
    if (
        isinstance(code, bool)
        or not isinstance(code, int | str)
        or not _STATUS.fullmatch(str(code))
    ):
        raise MalformedResponse(f"{code} is not a status code")
    return int(code)
