"""Who is asking: the account and the groups of the token that the authorizer has checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from darkroom.domain.accounts import NAME_BYTES_MAX, AccountId, groups_of_claim
from darkroom.domain.errors import FieldError, Forbidden, InvalidRequest, NotSignedIn
from darkroom.settings import settings

ADMIN_GROUP = "admin"
_PLATFORM_DEFAULT = "web"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is signed in."""

    account: AccountId
    is_admin: bool

    def require_admin(self) -> None:
        """Raise Forbidden for everybody who is not in the group `admin`."""
        if not self.is_admin:
            raise Forbidden("Only members of the group admin may do this.")


def current_user(claims: Mapping[str, Any] | None) -> User:
    """Read the caller from the claims. Raises NotSignedIn without claims or for a token of another use, Forbidden for ids that may not come in.

    The authorizer of an HTTP API takes access tokens as well, and custom attributes stand in ID tokens alone
    (docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html).
    """
    if not claims or (settings().token_use and claims.get("token_use") != settings().token_use):
        raise NotSignedIn
    platform = str(claims.get("custom:platform") or _PLATFORM_DEFAULT)
    if platform not in settings().platforms:
        raise Forbidden("Accounts of this platform may not come in.")
    try:
        account = AccountId(platform, str(claims.get("sub", "")))
    except ValueError:
        raise Forbidden(f"The token's sub must have 1 to {NAME_BYTES_MAX} bytes.") from None
    return User(account, ADMIN_GROUP in groups_of_claim(claims.get("cognito:groups")))


def account_in_path(platform: str, user: str) -> AccountId:
    """Read the account that a path names. Raises InvalidRequest naming the part that cannot be one.

    The gateway decodes a path once, and this decodes it once more. A `sub` with a `/`, a `?` or a `%` is therefore percent-encoded twice; for
    every other sub once and twice are the same.
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
