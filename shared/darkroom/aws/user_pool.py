"""The Cognito user pool."""

from __future__ import annotations

from darkroom.aws.clients import client

_AUTHENTICATOR_APP = "SOFTWARE_TOKEN_MFA"


def has_authenticator_app(pool_id: str, username: str) -> bool:
    """Return whether an enabled user has an authenticator app (TOTP).

    Cognito asks such a user for a code at each sign-in. A token itself does not tell how its user
    signed in. Source: Amazon Cognito API Reference, AdminGetUser and SoftwareTokenMfaSettingsType.
    """
    cognito = client("cognito-idp")
    try:
        user = cognito.admin_get_user(UserPoolId=pool_id, Username=username)
    except cognito.exceptions.UserNotFoundException:
        return False
    return bool(user["Enabled"]) and _AUTHENTICATOR_APP in user.get("UserMFASettingList", [])
