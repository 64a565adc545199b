"""An administrator of the user pool needs an authenticator app, and other issuers a plain claim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.aws.clients import client
from local.api_gateway.jwt_authorizer import claim_text
from tests.aws import forget_settings
from tests.builders import call_api
from tests.integration.broken_aws import AwsError, failing_calls

NAME = "grace@example.com"
PASSWORD = "correct-Horse-7-battery"


class Pool:
    """A user pool of moto with one user in the group admin, and the setting that names the pool."""

    def __init__(self) -> None:
        self.cognito: Any = boto3.client("cognito-idp")
        self.id = self.cognito.create_user_pool(PoolName="users")["UserPool"]["Id"]
        self.user = {"UserPoolId": self.id, "Username": NAME}
        self.cognito.admin_create_user(**self.user)
        self.cognito.admin_set_user_password(**self.user, Password=PASSWORD, Permanent=True)
        self.client_id = self.cognito.create_user_pool_client(
            UserPoolId=self.id, ClientName="users", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
        )["UserPoolClient"]["ClientId"]

    def sign_in(self) -> Any:
        """Sign in by the password. Returns Cognito's response."""
        return self.cognito.initiate_auth(
            ClientId=self.client_id,
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": NAME, "PASSWORD": PASSWORD},
        )

    def add_authenticator_app(self) -> None:
        """Do what a user does with the token of the first sign-in."""
        token = self.sign_in()["AuthenticationResult"]["AccessToken"]
        self.cognito.associate_software_token(AccessToken=token)
        self.cognito.verify_software_token(AccessToken=token, UserCode="123456")
        self.cognito.set_user_mfa_preference(
            AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )


@pytest.fixture
def pool(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    pool = Pool()
    monkeypatch.setenv("ADMIN_MFA_USER_POOL", pool.id)
    forget_settings()
    yield pool
    forget_settings()


def read_account(**claims: Any) -> tuple[int, Any]:
    status, document, _ = call_api("GET", "/accounts/web/ann", **claims)
    return status, document


def read_account_as_admin() -> tuple[int, Any]:
    return read_account(**{"cognito:groups": "[admin]", "cognito:username": NAME})


def test_an_administrator_needs_an_authenticator_app(pool: Pool) -> None:
    status, problem = read_account_as_admin()
    assert (status, problem["detail"]) == (
        403,
        "Administrators need an authenticator app (TOTP) in the user pool.",
    )

    pool.add_authenticator_app()

    assert read_account_as_admin()[0] == 200
    # The simulated Cognito asks for a code, as Cognito does.
    assert pool.sign_in()["ChallengeName"] == "SOFTWARE_TOKEN_MFA"


def test_an_administrator_is_refused_as_soon_as_the_user_is_disabled(pool: Pool) -> None:
    pool.add_authenticator_app()
    assert read_account_as_admin()[0] == 200

    pool.cognito.admin_disable_user(**pool.user)

    assert read_account_as_admin()[0] == 403


def test_an_administrator_whose_user_was_deleted_is_refused(pool: Pool) -> None:
    pool.cognito.admin_delete_user(**pool.user)

    assert read_account_as_admin()[0] == 403


def test_other_users_need_no_authenticator_app(pool: Pool) -> None:
    assert call_api("GET", "/credits", **{"cognito:username": NAME})[0] == 200


@pytest.mark.parametrize(("code", "status"), [("TooManyRequestsException", 503), ("X", 500)])
def test_an_administrator_is_not_accepted_while_cognito_fails(
    code: str, status: int, pool: Pool
) -> None:
    pool.add_authenticator_app()

    with failing_calls(client("cognito-idp"), "AdminGetUser", AwsError(code)):
        assert read_account_as_admin()[0] == status

    assert read_account_as_admin()[0] == 200


# The claim of the token, the configured value, and whether the user is an administrator.
CLAIMS_OF_ANOTHER_ISSUER: list[tuple[object, str, bool]] = [
    ("admin", "admin", True),
    (["admin"], "[admin]", True),
    (True, "true", True),
    ("operators", "operators", True),
    (["admin"], "admin", False),
    ("admin", "[admin]", False),
    (["x admin"], "admin", False),
    (["x admin"], "[admin]", False),
    (["admin x"], "[admin]", False),
    (["x", "admin"], "[admin]", False),
    ([["admin"]], "[admin]", False),
    (["admin", ""], "[admin]", False),
    ("not-admin", "admin", False),
    ("Admin", "admin", False),
    ("admin ", "admin", False),
    (False, "true", False),
    ({"admin": True}, "admin", False),
    ("", "", False),
]


@pytest.mark.parametrize(("claim", "value", "is_admin"), CLAIMS_OF_ANOTHER_ISSUER)
def test_the_claim_of_another_issuer_must_be_the_configured_value(
    claim: object, value: str, is_admin: bool, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADMIN_CLAIM", "role")
    monkeypatch.setenv("ADMIN_VALUE", value)
    forget_settings()

    # The gateway passes each claim as text.
    assert read_account(role=claim_text(claim))[0] == (200 if is_admin else 403)


@given(st.lists(st.text() | st.sampled_from(["admin", "x admin", "[admin", "admin]", " "])))
def test_no_other_list_has_the_text_of_the_list_with_one_value(groups: list[str]) -> None:
    assert (claim_text(groups) == "[admin]") is (groups == ["admin"])
    assert claim_text(groups) != "admin"


@pytest.mark.usefixtures("aws")
def test_another_issuer_has_no_groups_of_cognito(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_CLAIM", "role")
    forget_settings()

    assert read_account(**{"cognito:groups": "[admin]"})[0] == 403
    assert read_account()[0] == 403


@pytest.mark.usefixtures("aws")
def test_an_issuer_without_a_claim_has_no_administrators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_CLAIM", "")
    forget_settings()

    assert read_account(**{"cognito:groups": "[admin]", "": "admin"})[0] == 403
