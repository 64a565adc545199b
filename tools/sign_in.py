"""Sign a user of a deployed stack in, and print the ID token.

    python -m tools.sign_in STACK EMAIL

The password is in PASSWORD, or the command asks for it. If the user has an authenticator app, its
code is in MFA_CODE, or the command asks for it.
"""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tools.deployed_stack import StackUnusable, UserPool, read_outputs, user_pool

# Source: Amazon Cognito API reference, RespondToAuthChallenge, "ChallengeName".
_CODE_CHALLENGE = "SOFTWARE_TOKEN_MFA"


def sign_in(
    pool: UserPool,
    email: str,
    password: str,
    cognito: Any = None,  # noqa: ANN401 (a boto3 client)
) -> dict[str, str]:
    """Sign a user in, and return the tokens: IdToken, AccessToken, RefreshToken.

    Raises StackUnusable with the reason.
    """
    cognito = cognito or boto3.client("cognito-idp")
    try:
        response = cognito.initiate_auth(
            ClientId=pool.client,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": email, "PASSWORD": password},
        )
        if response.get("ChallengeName") == _CODE_CHALLENGE:
            response = cognito.respond_to_auth_challenge(
                ClientId=pool.client,
                ChallengeName=_CODE_CHALLENGE,
                Session=response["Session"],
                ChallengeResponses={
                    "USERNAME": response.get("ChallengeParameters", {}).get(
                        "USER_ID_FOR_SRP", email
                    ),
                    "SOFTWARE_TOKEN_MFA_CODE": ask("MFA_CODE", f"Code of the app for {email}: "),
                },
            )
    except (BotoCoreError, ClientError) as error:
        raise StackUnusable(f"{email} cannot sign in: {error}") from None
    if "AuthenticationResult" not in response:
        raise StackUnusable(
            f"{email} cannot sign in: Cognito asks for {response.get('ChallengeName')}. An"
            " administrator of the AWS account sets a permanent password by `make admin`."
        )
    tokens: dict[str, str] = response["AuthenticationResult"]
    return tokens


def ask(variable: str, question: str) -> str:
    """Return a secret from the environment or from the terminal. Raises StackUnusable."""
    if value := os.environ.get(variable):
        return value
    if not sys.stdin.isatty():
        raise StackUnusable(f"There is no terminal to ask. Set {variable}.")
    return getpass.getpass(question)


def main() -> int:
    """Run the command. Returns the exit status."""
    if len(sys.argv) != 3:  # noqa: PLR2004
        sys.stderr.write("usage: make token CONFIG=dev EMAIL=ada@example.com\n")
        return 2
    stack, email = sys.argv[1:]
    try:
        pool = user_pool(read_outputs(stack))
        tokens = sign_in(pool, email, ask("PASSWORD", f"Password of {email}: "))
    except StackUnusable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{tokens['IdToken']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
