"""CORS of a bucket, by the bucket's CORS rules. moto allows every origin.

Sources: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)"; Amazon S3 API
Reference, "OPTIONS object"; github.com/apache/trafficserver/issues/3954 for `Vary`, which S3 sends
only if the request has an Origin.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from http import HTTPStatus
from typing import Any

from moto.s3.models import s3_backends
from werkzeug.wrappers import Request, Response

from local.cloudformation.account import ACCOUNT_ID, PARTITION

_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def is_preflight(request: Request) -> bool:
    """Return whether the request is a browser's preflight, which needs no signature."""
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def preflight_response(request: Request) -> Response:
    """Return S3's response to a preflight: the matching rule, or the status 403."""
    method = request.headers["Access-Control-Request-Method"]
    asked = request.headers.get("Access-Control-Request-Headers", "")
    wanted = [name.strip().lower() for name in asked.split(",") if name.strip()]
    headers = _rule_headers(request, method, wanted)
    if not headers:
        return Response(
            '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessForbidden</Code><Message>'
            "CORSResponse: This CORS request is not allowed.</Message></Error>",
            HTTPStatus.FORBIDDEN,
            content_type="application/xml",
        )
    if wanted:
        headers.append(("Access-Control-Allow-Headers", ", ".join(wanted)))
    return Response(status=HTTPStatus.OK, headers=[*headers, ("Vary", _VARY)])


def response_headers(request: Request) -> list[tuple[str, str]]:
    """Return the CORS headers of a response. Empty without an Origin, or without any rule.

    If no rule matches, the only header is `Vary`.
    """
    if "Origin" not in request.headers or not _rules(request):
        return []
    return [*_rule_headers(request, request.method, []), ("Vary", _VARY)]


def _rule_headers(request: Request, method: str, wanted: list[str]) -> list[tuple[str, str]]:
    origin = request.headers.get("Origin")
    if origin is None:
        return []
    for rule in _rules(request):
        allowed = [pattern for pattern in rule.allowed_origins if fnmatchcase(origin, pattern)]
        if (
            allowed
            and method in rule.allowed_methods
            and all(_matches(name, rule.allowed_headers) for name in wanted)
        ):
            return list(_of_rule(rule, "*" if "*" in allowed else origin))
    return []


def _of_rule(rule: Any, origin: str) -> Iterable[tuple[str, str]]:  # noqa: ANN401 (moto's own)
    yield "Access-Control-Allow-Origin", origin
    yield "Access-Control-Allow-Methods", ", ".join(rule.allowed_methods)
    if origin != "*":
        yield "Access-Control-Allow-Credentials", "true"
    if rule.exposed_headers:
        yield "Access-Control-Expose-Headers", ", ".join(rule.exposed_headers)
    if rule.max_age_seconds is not None:
        yield "Access-Control-Max-Age", str(rule.max_age_seconds)


def _matches(name: str, allowed: list[str] | None) -> bool:
    return any(fnmatchcase(name, pattern.lower()) for pattern in allowed or ())


def _rules(request: Request) -> list[Any]:
    """Return the CORS rules of the request's bucket, in order. Empty for an unknown bucket."""
    subdomain, _, rest = request.host.partition(".localhost")
    name = subdomain if rest else request.path.strip("/").partition("/")[0]
    bucket = s3_backends[ACCOUNT_ID][PARTITION].buckets.get(name)
    return [] if bucket is None else list(bucket.cors)
