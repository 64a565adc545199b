"""Create the first administrator of a deployed stack.

    python -m tools.admin STACK EMAIL

The password is in ADMIN_PASSWORD, or the command asks for it. A second run for the same user keeps
the password, unless ADMIN_PASSWORD is set, and repeats only the missing steps.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tools.deployed_stack import StackUnusable, UserPool, read_outputs, user_pool
from tools.sign_in import ask, sign_in

GROUP = "admin"
_TOTP = "SOFTWARE_TOKEN_MFA"
_PASSWORD = "ADMIN_PASSWORD"  # noqa: S105 (the name of a variable)


class Administrator:
    """A user of the stack's pool, and the steps that make it an administrator."""

    def __init__(self, pool: UserPool, email: str, cognito: Any) -> None:  # noqa: ANN401
        """Name the user. `cognito` is a boto3 client of cognito-idp."""
        self._pool = pool
        self._email = email
        self._cognito = cognito
        self._user = {"UserPoolId": pool.identifier, "Username": email}

    def create(self) -> bool:
        """Create the user without a message. Returns False if the user exists."""
        attributes = {"email": self._email, "email_verified": "true"}
        try:
            self._cognito.admin_create_user(
                **self._user,
                MessageAction="SUPPRESS",
                UserAttributes=[
                    {"Name": name, "Value": value} for name, value in attributes.items()
                ],
            )
        except self._cognito.exceptions.UsernameExistsException:
            return False
        return True

    def set_password(self, password: str) -> None:
        """Set a permanent password. Cognito then does not ask the user for a new one."""
        self._cognito.admin_set_user_password(**self._user, Password=password, Permanent=True)

    def join(self) -> None:
        """Add the user to the group of the administrators. A repetition changes nothing."""
        self._cognito.admin_add_user_to_group(**self._user, GroupName=GROUP)

    def is_confirmed(self) -> bool:
        """Whether the user has a permanent password."""
        status: str = self._cognito.admin_get_user(**self._user)["UserStatus"]
        return status == "CONFIRMED"

    def has_authenticator(self) -> bool:
        """Whether Cognito asks for the code of an authenticator app at each sign-in."""
        user = self._cognito.admin_get_user(**self._user)
        return _TOTP in user.get("UserMFASettingList", [])

    def pool_offers_authenticators(self) -> bool:
        """Whether the pool accepts authenticator apps (TOTP)."""
        configuration = self._cognito.get_user_pool_mfa_config(UserPoolId=self._pool.identifier)
        if configuration.get("MfaConfiguration", "OFF") == "OFF":
            return False
        return bool(configuration.get("SoftwareTokenMfaConfiguration", {}).get("Enabled"))

    def add_authenticator(self, password: str, code_of: Callable[[str], str]) -> None:
        """Register an authenticator app. `code_of` gets the app's secret and returns a code.

        Source: Amazon Cognito Developer Guide, "TOTP software token MFA".
        """
        token = sign_in(self._pool, self._email, password, self._cognito)["AccessToken"]
        secret = self._cognito.associate_software_token(AccessToken=token)["SecretCode"]
        self._cognito.verify_software_token(AccessToken=token, UserCode=code_of(secret))
        self._cognito.admin_set_user_mfa_preference(
            **self._user, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )


def make_administrator(
    stack: str,
    email: str,
    code_of: Callable[[str], str] | None = None,
    cognito: Any = None,  # noqa: ANN401 (a boto3 client)
) -> list[str]:
    """Create the administrator, and return what was done. Raises StackUnusable."""
    if "@" not in email:
        raise StackUnusable("EMAIL is missing. Type: make admin CONFIG=dev EMAIL=ada@example.com")
    pool = user_pool(read_outputs(stack))
    user = Administrator(pool, email, cognito or boto3.client("cognito-idp"))
    try:
        return list(_steps(user, email, code_of or (lambda secret: _ask_for_code(secret, email))))
    except (BotoCoreError, ClientError) as error:
        raise StackUnusable(f"{email} is not an administrator yet: {error}") from None


def _steps(user: Administrator, email: str, code_of: Callable[[str], str]) -> list[str]:
    done = [f"created {email}" if user.create() else f"{email} exists"]
    password = os.environ.get(_PASSWORD, "")
    if password or not user.is_confirmed():
        password = password or ask(_PASSWORD, f"New password of {email} (12 characters or more): ")
        user.set_password(password)
        done.append("set a permanent password")
    user.join()
    done.append(f"is a member of the group {GROUP}")
    if user.pool_offers_authenticators() and not user.has_authenticator():
        user.add_authenticator(password or ask(_PASSWORD, f"Password of {email}: "), code_of)
        done.append("registered an authenticator app")
    return done


def _ask_for_code(secret: str, email: str) -> str:
    """Show the secret of the authenticator app, and ask for the app's first code."""
    label = quote(f"Darkroom:{email}")
    sys.stderr.write(
        f"Add this key to an authenticator app: {secret}\n"
        f"Or open this URL on the device: otpauth://totp/{label}?secret={secret}&issuer=Darkroom\n"
    )
    return ask("MFA_CODE", "Code of the app: ")


def main() -> int:
    """Run the command. Returns the exit status."""
    stack, email = [*sys.argv[1:], "", ""][:2]
    try:
        done = make_administrator(stack, email)
    except StackUnusable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(
        f"{stack}: {', '.join(done)}.\n"
        f"Sign in: TOKEN=$(make -s token STACK={stack} EMAIL={email})\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
