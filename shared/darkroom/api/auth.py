"""The user of a request: the account and the groups in the token that the authorizer verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from darkroom.aws import user_pool
from darkroom.domain.accounts import NAME_BYTES_MAX, AccountId, groups_of_claim
from darkroom.domain.errors import FieldError, Forbidden, InvalidRequest, NotSignedIn
from darkroom.settings import settings

ADMIN_GROUP = "admin"
_COGNITO_GROUPS = "cognito:groups"
_PLATFORM_DEFAULT = "web"


@dataclass(frozen=True, slots=True)
class User:
    """The signed-in user of a request."""

    account: AccountId
    is_admin: bool
    username: str
    """The user's name in the user pool."""

    def require_admin(self) -> None:
        """Raise Forbidden if the user is not an administrator with the required authenticator app.

        Raises ClientError if Cognito does not respond.
        """
        if not self.is_admin:
            raise Forbidden("Only administrators may do this.")
        pool = settings().admin_mfa_user_pool
        if pool and not user_pool.has_authenticator_app(pool, self.username):
            raise Forbidden("Administrators need an authenticator app (TOTP) in the user pool.")


def current_user(claims: Mapping[str, Any] | None) -> User:
    """Read the user from the claims of the token.

    Raises NotSignedIn without claims or if the token is not of the configured `token_use`. Raises
    Forbidden if the platform is not configured, or if `sub` cannot name an account.

    The authorizer of an HTTP API accepts access tokens too, but only ID tokens have custom
    attributes (docs.aws.amazon.com/cognito/latest/developerguide/
    amazon-cognito-user-pools-using-the-id-token.html).
    """
    if not claims or (settings().token_use and claims.get("token_use") != settings().token_use):
        raise NotSignedIn
    platform = str(claims.get("custom:platform") or _PLATFORM_DEFAULT)
    if platform not in settings().platforms:
        raise Forbidden("The API does not accept accounts of this platform.")
    try:
        account = AccountId(platform, str(claims.get("sub", "")))
    except ValueError:
        raise Forbidden(f"The token's sub must have 1 to {NAME_BYTES_MAX} bytes.") from None
    return User(account, _is_admin(claims), str(claims.get("cognito:username", account.user)))


def _is_admin(claims: Mapping[str, Any]) -> bool:
    """Return whether the configured claim makes the user an administrator.

    The gateway writes a claim as text and joins a list by spaces: `["x admin"]` and
    `["x", "admin"]` become `[x admin]`. Only Cognito forbids spaces in the name of a group. So the
    text of another issuer's claim must be equal to the configured value. The value has no space, so
    `[admin]` is the text of exactly one list.
    """
    name, value = settings().admin_claim, settings().admin_value
    if name == _COGNITO_GROUPS:
        return ADMIN_GROUP in groups_of_claim(claims.get(name))
    return bool(name and value) and claims.get(name) == value


def account_in_path(platform: str, user: str) -> AccountId:
    """Read the account from the parts of a path. Raises InvalidRequest for an invalid part.

    The gateway decodes the path once, and this function decodes `user` again. So the client
    encodes a `sub` with `/`, `?` or `%` twice. For every other `sub`, one encoding is enough.
    """
    if platform not in settings().platforms:
        raise InvalidRequest(
            [FieldError("platform", f"Must be one of {', '.join(settings().platforms)}.")]
        )
    try:
        return AccountId(platform, unquote(user, errors="strict"))
    except ValueError:
        raise InvalidRequest(
            [FieldError("user", f"Must be the sub of a token: 1 to {NAME_BYTES_MAX} bytes.")]
        ) from None
