"""The checks of the AWS port before moto, which accepts a request from any page without signature.

Signatures are not checked, so any credentials work. A web page of another site cannot send the
header Authorization without a CORS preflight, and the AWS port allows none outside of S3.
"""

import hmac
import json
import re
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.wrappers import Request, Response

from local.cloudformation.account import secret_of
from local.loopback import hosts_of, is_forwarded, is_own_host, is_own_origin

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key_id>[^/, ]+)/\d{8}/(?P<region>[^/, ]+)"
    r"/(?P<service>[^/, ]+)/aws4_request"
    r"(?:, ?SignedHeaders=(?P<headers>[^, ]+), ?Signature=(?P<signature>[0-9a-f]+))?"
)
# Cognito publishes the keys of a user pool without authentication.
_PUBLIC_PATH = re.compile(r"/[a-z0-9-]+_\w+/\.well-known/(?:jwks\.json|openid-configuration)")
_COGNITO = "AWSCognitoIdentityProviderService."
# AWS refuses a signature whose time differs by more than this.
_AGE_SECONDS_MAX = 900


def foreign_host(request: Request) -> Response | None:
    """Return an error response if the Host header does not name this port, else None.

    A request that a proxy or a tunnel has forwarded also gets an error. A tunnel can replace Host.
    """
    if is_forwarded(request.headers):
        return error("ForwardedRequest", "A proxy or a tunnel may not call the local AWS.")
    host, port = request.headers.get("Host", ""), int(request.environ["SERVER_PORT"])
    if is_own_host(host, port, hosts_of(request.environ)):
        return None
    return error("ForeignHost", f"The host must be 127.0.0.1:{port} or localhost:{port}.")


def refusal(request: Request) -> Response | None:
    """Return an error response to a request for a service other than S3, or None.

    The request must be signed and must not be from a web page of another site.
    """
    origin = request.headers.get("Origin")
    if origin is not None and not is_own_origin(origin):
        return error("ForeignOrigin", "A web page of another site may not call the local AWS.")
    if is_signed(request) or _needs_no_signature(request):
        return None
    return error("MissingAuthenticationTokenException", "Missing Authentication Token")


def error(code: str, message: str, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> Response:
    """Return an error response in the format of AWS's JSON protocols."""
    body = json.dumps({"__type": code, "message": message})
    return Response(
        body, status, {"x-amzn-ErrorType": code}, content_type="application/x-amz-json-1.1"
    )


def is_signed(request: Request) -> bool:
    """Return whether a request has an Authorization header of Signature Version 4."""
    return signer_of(request) is not None


def signer_of(request: Request) -> str | None:
    """Return the access key id of the Authorization header, or None without such a header."""
    found = _AUTHORIZATION.match(request.headers.get("Authorization", ""))
    return found["key_id"] if found else None


def is_signed_by_this_stack(request: Request) -> bool:
    """Return whether the functions of this stack signed the request, whose body is buffered.

    Only this process and the functions know secret access keys, which are random.
    """
    found = _AUTHORIZATION.fullmatch(request.headers.get("Authorization", ""))
    secret = secret_of(found["key_id"]) if found else None
    if not found or not found["signature"] or secret is None:
        return False
    try:
        signed_at = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    except (KeyError, ValueError):
        return False
    if abs((datetime.now(UTC) - signed_at).total_seconds()) > _AGE_SECONDS_MAX:
        return False
    rebuilt = AWSRequest(
        request.method,
        f"http://{request.host}{request.full_path.removesuffix('?')}",
        headers={name: request.headers.get(name, "") for name in found["headers"].split(";")},
        data=request.get_data(),
    )
    rebuilt.context["timestamp"] = request.headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(found["key_id"], secret), found["service"], found["region"])
    signature: str = auth.signature(
        auth.string_to_sign(rebuilt, auth.canonical_request(rebuilt)), rebuilt
    )
    return hmac.compare_digest(signature, found["signature"])


def _needs_no_signature(request: Request) -> bool:
    """Return whether AWS accepts the request without a signature: a sign-in, or a pool's keys."""
    if _PUBLIC_PATH.fullmatch(request.path):
        return request.method == "GET"
    target = request.headers.get("X-Amz-Target", "")
    return target.startswith(_COGNITO) and target.removeprefix(_COGNITO) in _public_operations()


@cache
def _public_operations() -> frozenset[str]:
    model = botocore.session.get_session().get_service_model("cognito-idp")
    return frozenset(
        name for name in model.operation_names if model.operation_model(name).auth_type == "none"
    )
