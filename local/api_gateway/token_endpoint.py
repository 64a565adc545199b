"""`POST /local/token`: sign in a user. Only the local stack has this route, not the template.

The route signs in anybody as anybody, so it responds to requests of this machine only.
"""

import json
import time
import uuid
from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from joserfc import jwt
from moto.cognitoidp.models import cognitoidp_backends
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.wrappers import Request, Response

from local.api_gateway.http_server import Application, Environ, StartResponse
from local.api_gateway.jwt_authorizer import JwtAuthorizer, pool_id_of
from local.api_gateway.seen_accounts import SeenAccounts
from local.cloudformation.account import ACCOUNT_ID, REGION
from local.loopback import is_forwarded, is_own_host, is_own_origin

PATH = "/local/token"
_SECONDS_MAX = 10 * 365 * 24 * 3600
# One day, the longest lifetime of an ID token of Cognito (Amazon Cognito Developer Guide,
# "Understanding user pool JSON web tokens (JWTs)").
_LIFETIME_SECONDS_MAX = 24 * 3600


class TokenRequest(BaseModel):
    """The user and the lifetime of a token.

    A negative lifetime makes an expired token. A lifetime above one day is shortened to one day.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    user: Annotated[str, Field(min_length=1)]
    platform: str | None = None
    groups: list[str] = []
    expires_in_seconds: Annotated[int, Field(ge=-_SECONDS_MAX, le=_SECONDS_MAX)] = 3600
    token_use: Literal["id", "access"] = "id"  # noqa: S105


class TokenIssuer:
    """Signs tokens with the key of the API's user pool."""

    def __init__(self, authorizer: JwtAuthorizer, seen: SeenAccounts | None) -> None:
        """Sign tokens that `authorizer` accepts. `seen` records the account of each token."""
        self._authorizer = authorizer
        self._seen = seen

    def issue(self, request: TokenRequest) -> str:
        """Sign a token as Cognito does.

        Raises LookupError if the API's tokens are not from the local user pool.
        """
        pool_id = pool_id_of(self._authorizer.issuer)
        pools = cognitoidp_backends[ACCOUNT_ID][REGION].user_pools
        if pool_id not in pools:
            raise LookupError(
                "This stack accepts only tokens of another issuer. Get a token from"
                f" {self._authorizer.issuer}."
            )
        now = int(time.time())
        claims: dict[str, Any] = {
            "sub": request.user,
            "iss": self._authorizer.issuer,
            "token_use": request.token_use,
            "iat": min(now, now + request.expires_in_seconds),
            "auth_time": now,
            "exp": now + min(request.expires_in_seconds, _LIFETIME_SECONDS_MAX),
            "jti": str(uuid.uuid4()),
        }
        if request.groups:
            claims["cognito:groups"] = request.groups
        client_id = self._authorizer.audience[0]
        if request.token_use == "access":  # noqa: S105
            claims |= {
                "client_id": client_id,
                "username": request.user,
                "scope": "aws.cognito.signin.user.admin",
            }
        else:
            claims |= {"aud": client_id, "cognito:username": request.user}
            if request.platform is not None:
                claims["custom:platform"] = request.platform
        key = pools[pool_id].json_web_key
        if self._seen:
            self._seen.add(request.platform, request.user)
        # moto publishes the pool's only key with this id.
        return jwt.encode({"alg": "RS256", "kid": "dummy"}, claims, key)


class TokenEndpoint:
    """A WSGI application: the token endpoint at `PATH`, and the API at all other paths."""

    def __init__(self, issuer: TokenIssuer, api: Application) -> None:
        """Serve `PATH`, and send requests for other paths to the API."""
        self._issuer = issuer
        self._api = api

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Respond to a request."""
        if environ["PATH_INFO"] != PATH:
            return self._api(environ, start_response)
        return self._respond(Request(environ))(environ, start_response)

    def _respond(self, request: Request) -> Response:
        if refused := _refusal(request):
            return refused
        if request.method != "POST":
            return _problem(
                HTTPStatus.METHOD_NOT_ALLOWED, 'Use POST with a JSON object: {"user": "ann"}.'
            )
        try:
            token = self._issuer.issue(TokenRequest.model_validate_json(request.get_data()))
        except ValidationError as error:
            fields = [
                {"field": ".".join(map(str, item["loc"])) or "body", "message": item["msg"]}
                for item in error.errors()
            ]
            return _problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "; ".join(f"{f['field']}: {f['message']}" for f in fields),
                errors=fields,
            )
        except LookupError as error:
            return _problem(HTTPStatus.CONFLICT, str(error))
        return Response(json.dumps({"token": token}), content_type="application/json")


def _refusal(request: Request) -> Response | None:
    """Return a problem if the request is from a tunnel, a proxy or a foreign web page, else None.

    A web page whose own host name resolves to 127.0.0.1 sends its own host name.
    """
    host, port = request.headers.get("Host", ""), int(request.environ["SERVER_PORT"])
    origin = request.headers.get("Origin")
    if not is_own_host(host, port):
        detail = f"The host must be 127.0.0.1:{port} or localhost:{port}."
    elif is_forwarded(request.headers):
        detail = "A proxy or a tunnel has forwarded this request."
    elif origin is not None and not is_own_origin(origin):
        detail = "A web page of another site has sent this request."
    else:
        return None
    return _problem(
        HTTPStatus.FORBIDDEN, f"{detail} {PATH} responds only to requests of this machine."
    )


def _problem(
    status: HTTPStatus, detail: str, errors: list[dict[str, str]] | None = None
) -> Response:
    document = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        **({"errors": errors} if errors else {}),
    }
    return Response(json.dumps(document), status, content_type="application/problem+json")
