"""S3's checks of unsigned requests, presigned URLs and forms. moto accepts nearly all of them.

Every bucket is private: bucket policies are ignored. Requests with an Authorization header are
from SDKs. Their signature is not checked, so a web page of another site may not send one.
Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters (AWS Signature
Version 4)".
"""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.wrappers import Request, Response

from local.cloudformation.account import secret_of
from local.cloudformation.aws_access import is_signed
from local.cloudformation.s3_forms import FormRefused, check_form, is_form_upload
from local.loopback import is_own_origin

_DATE_FORMAT = "%Y%m%dT%H%M%SZ"
_SIGNATURE = "X-Amz-Signature"


class _Refused(Exception):
    """The arguments are the code and the message of an S3 error."""


def refusal(request: Request) -> Response | None:
    """Return S3's error response to a request, or None if S3 would accept the request."""
    try:
        if "Authorization" in request.headers:
            _check_header(request)
        elif is_form_upload(request):
            check_form(request)
        else:
            _check(
                {
                    name: values[0]
                    for name, values in parse_qs(request.query_string.decode()).items()
                },
                request,
            )
    except FormRefused as refused:
        return s3_error(*refused.args)
    except _Refused as refused:
        return s3_error(HTTPStatus.FORBIDDEN, *refused.args)
    return None


def _check_header(request: Request) -> None:
    origin = request.headers.get("Origin")
    if not is_signed(request) or (origin is not None and not is_own_origin(origin)):
        raise _Refused("AccessDenied", "Access Denied")


def s3_error(status: HTTPStatus, code: str, message: str) -> Response:
    """Return an error response in S3's format."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
    )
    return Response(body, status, content_type="application/xml")


def _check(query: dict[str, str], request: Request) -> None:
    if "Signature" in query:
        raise _Refused(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported."
            " Please use AWS4-HMAC-SHA256.",
        )
    if _SIGNATURE not in query:
        raise _Refused("AccessDenied", "Access Denied")
    try:
        signed_at = datetime.strptime(query["X-Amz-Date"], _DATE_FORMAT).replace(tzinfo=UTC)
        seconds = int(query["X-Amz-Expires"])
        key_id, _, region, *_ = query["X-Amz-Credential"].split("/")
    except (KeyError, ValueError) as error:
        raise _Refused(
            "AuthorizationQueryParametersError",
            "The query-string authentication parameters are not valid.",
        ) from error
    secret = secret_of(key_id)
    if secret is None:
        raise _Refused(
            "InvalidAccessKeyId",
            "The AWS Access Key Id you provided does not exist in our records.",
        )
    if query[_SIGNATURE] != _signature(
        request, query, region, seconds, Credentials(key_id, secret)
    ):
        raise _Refused(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )
    if datetime.now(UTC) >= signed_at + timedelta(seconds=seconds):
        raise _Refused("AccessDenied", "Request has expired")


def _signature(
    request: Request, query: dict[str, str], region: str, seconds: int, signer: Credentials
) -> str:
    parts = [
        part
        for part in request.query_string.decode().split("&")
        if not part.startswith(f"{_SIGNATURE}=")
    ]
    signed = {
        name: request.headers.get(name, "")
        for name in query.get("X-Amz-SignedHeaders", "").split(";")
    }
    # REQUEST_URI is the path as the client sent it. A decoded and re-encoded path could differ.
    path = str(request.environ.get("REQUEST_URI", request.path)).partition("?")[0]
    rebuilt = AWSRequest(
        request.method, f"http://{request.host}{path}?{'&'.join(parts)}", headers=signed
    )
    rebuilt.context["timestamp"] = query["X-Amz-Date"]
    auth = S3SigV4QueryAuth(signer, "s3", region, expires=seconds)
    signature: str = auth.signature(
        auth.string_to_sign(rebuilt, auth.canonical_request(rebuilt)), rebuilt
    )
    return signature
