"""The JWT authorizer of an HTTP API.

Source: API Gateway Developer Guide, "Control access to HTTP APIs with JWT authorizers".
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, cast

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from werkzeug.datastructures import Headers

_COGNITO_ISSUER = re.compile(r"https://cognito-idp\.[a-z0-9-]+\.amazonaws\.com/(?P<pool_id>[^/]+)")
_FETCH_SECONDS_MAX = 5.0


class Unauthorized(Exception):
    """The token is missing or invalid. The WWW-Authenticate header has the message."""


class Forbidden(Exception):
    """The token is valid but has none of the route's scopes."""


@dataclass(frozen=True)
class Identity:
    """The claims and the scopes of a token, as in the event of the function."""

    claims: Mapping[str, str]
    scopes: list[str] | None


def pool_id_of(issuer: str) -> str | None:
    """Return the id of the issuer's Cognito user pool, or None if the issuer is not Cognito."""
    found = _COGNITO_ISSUER.fullmatch(issuer)
    return found["pool_id"] if found else None


class JwtAuthorizer:
    """Checks tokens. It fetches the issuer's keys once."""

    def __init__(self, scheme: Mapping[str, Any], aws_url: str) -> None:
        """Read an x-amazon-apigateway-authorizer, with all references resolved.

        The keys of a user pool are fetched from the local AWS at `aws_url`.
        """
        configuration = scheme["jwtConfiguration"]
        self.issuer: str = configuration["issuer"].rstrip("/")
        self.audience: list[str] = list(configuration["audience"])
        self._header = _header_name(scheme["identitySource"])
        self._aws_url = aws_url
        self._lock = Lock()
        self._keys: KeySet | None = None

    def identify(self, headers: Headers, scopes: tuple[str, ...]) -> Identity:
        """Check the token and return its identity.

        Raises Unauthorized if the token is missing or invalid, and Forbidden if the token has none
        of the scopes.
        """
        authorization = headers.get(self._header, "")
        if not authorization:
            raise Unauthorized("")
        token = authorization.removeprefix("Bearer ").removeprefix("bearer ").strip()
        try:
            claims = jwt.decode(token, self._fetch_keys(), algorithms=["RS256"]).claims
        except (JoseError, ValueError) as error:
            raise Unauthorized("the token has an invalid signature") from error
        self._check(claims)
        granted = str(claims.get("scope") or claims.get("scp") or "").split()
        if scopes and not set(scopes) & set(granted):
            raise Forbidden
        return Identity(
            {name: claim_text(value) for name, value in claims.items()},
            [s for s in scopes if s in granted] or None,
        )

    def _check(self, claims: Mapping[str, Any]) -> None:
        now = time.time()
        if claims.get("iss") != self.issuer:
            raise Unauthorized("the token has an invalid issuer")
        # The client's id is in `aud` of an ID token and in `client_id` of an access token.
        audience = claims.get("aud", claims.get("client_id"))
        if not set(audience if isinstance(audience, list) else [audience]) & set(self.audience):
            raise Unauthorized("the token has an invalid audience")
        if not isinstance(expires_at := claims.get("exp"), int | float) or expires_at <= now:
            raise Unauthorized("the token has expired")
        if any(
            isinstance(since := claims.get(name), int | float) and since > now
            for name in ("nbf", "iat")
        ):
            raise Unauthorized("the token is not valid yet")

    def _fetch_keys(self) -> KeySet:
        with self._lock:
            if self._keys is None:
                self._keys = KeySet.import_key_set(
                    cast("KeySetSerialization", _fetch_json(self._keys_url()))
                )
            return self._keys

    def _keys_url(self) -> str:
        if pool_id := pool_id_of(self.issuer):
            return f"{self._aws_url}/{pool_id}/.well-known/jwks.json"
        return str(_fetch_json(f"{self.issuer}/.well-known/openid-configuration")["jwks_uri"])


def _fetch_json(url: str) -> dict[str, Any]:
    response = requests.get(url, timeout=_FETCH_SECONDS_MAX)
    response.raise_for_status()
    document: dict[str, Any] = response.json()
    return document


def claim_text(value: object) -> str:
    """Write a claim as text, as HTTP APIs do. A list of groups becomes `[admin users]`."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{' '.join(claim_text(item) for item in value)}]"
    return json.dumps(value)


def _header_name(identity_source: str | list[str]) -> str:
    source = identity_source if isinstance(identity_source, str) else identity_source[0]
    prefix = "$request.header."
    if not source.startswith(prefix):
        raise ValueError(
            f"the local stack supports only an identity source in a header, not {source}"
        )
    return source.removeprefix(prefix)
