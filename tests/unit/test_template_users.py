"""The user pool: who may sign up, MFA, senders, lifetimes of tokens, and pools that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.aws import TEMPLATE
from tests.unit.resolved_template import broken_rules, resolved

POOL_ID = "us-east-1_Retained1"
ISSUER = {"JwtIssuer": "https://issuer.example", "JwtAudience": "darkroom"}
SENDER = {
    "EmailFrom": "Darkroom <darkroom@example.com>",
    "EmailSourceArn": "arn:aws:ses:us-east-1:123456789012:identity/example.com",
}


def pool(**parameters: str) -> dict[str, Any]:
    properties: dict[str, Any] = resolved(parameters)["UserPool"]["Properties"]
    return properties


def client(**parameters: str) -> dict[str, Any]:
    properties: dict[str, Any] = resolved(parameters)["UserPoolClient"]["Properties"]
    return properties


def variables(function: str, **parameters: str) -> dict[str, str]:
    variables: dict[str, str] = resolved(parameters)[function]["Properties"]["Environment"][
        "Variables"
    ]
    return variables


def authorizer(**parameters: str) -> dict[str, Any]:
    body = resolved(parameters)["HttpApi"]["Properties"]["Body"]
    (scheme,) = body["components"]["securitySchemes"].values()
    configuration: dict[str, Any] = scheme["x-amazon-apigateway-authorizer"]["jwtConfiguration"]
    return configuration


def test_nobody_may_sign_up_before_a_parameter_allows_it() -> None:
    assert pool()["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool(SignUp="anyone")["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": False}


def test_a_user_may_add_an_authenticator_app() -> None:
    assert (pool()["MfaConfiguration"], pool()["EnabledMfas"]) == (
        "OPTIONAL",
        ["SOFTWARE_TOKEN_MFA"],
    )


def test_no_remembered_device_replaces_the_code_of_an_administrator() -> None:
    """Cognito asks for no code on a trusted device. The pool has no devices."""
    assert "DeviceConfiguration" not in pool()


def test_a_new_address_must_be_verified_before_it_replaces_the_old_one() -> None:
    assert pool()["UserAttributeUpdateSettings"] == {
        "AttributesRequireVerificationBeforeUpdate": ["email"]
    }
    assert pool()["AutoVerifiedAttributes"] == ["email"]


def test_the_stack_may_have_its_own_sender() -> None:
    assert pool()["EmailConfiguration"] == {"EmailSendingAccount": "COGNITO_DEFAULT"}
    assert pool(**SENDER)["EmailConfiguration"] == {
        "EmailSendingAccount": "DEVELOPER",
        "From": SENDER["EmailFrom"],
        "SourceArn": SENDER["EmailSourceArn"],
    }


def test_tokens_last_an_hour_and_can_be_revoked() -> None:
    settings = client()

    assert settings["TokenValidityUnits"] == {
        "AccessToken": "minutes",
        "IdToken": "minutes",
        "RefreshToken": "days",
    }
    assert (settings["AccessTokenValidity"], settings["IdTokenValidity"]) == (60, 60)
    assert settings["RefreshTokenValidity"] == 30
    assert settings["EnableTokenRevocation"] is True


def test_administrators_need_an_authenticator_app_unless_a_parameter_says_otherwise() -> None:
    variable = "ADMIN_MFA_USER_POOL"

    assert variables("ApiFunction")[variable] == "one-UserPool"
    assert variables("ApiFunction", AdminMfa="optional")[variable] == ""
    assert variables("ApiFunction", UserPoolId=POOL_ID)[variable] == POOL_ID
    assert variables("ApiFunction", **ISSUER)[variable] == ""


def test_only_the_api_may_read_a_user_and_only_of_its_pool() -> None:
    def statements(**parameters: str) -> list[tuple[str, Any]]:
        return [
            (name, statement["Resource"])
            for name, resource in resolved(parameters).items()
            if resource["Type"] in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
            for policy in resource["Properties"].get("Policies", [resource["Properties"]])
            for statement in policy.get("PolicyDocument", {}).get("Statement", ())
            if "cognito-idp:" in json.dumps(statement["Action"])
        ]

    arn = "arn:aws:cognito-idp:us-east-1:123456789012:userpool/"
    assert statements() == [("ApiFunctionRole", "one-UserPool-Arn")]
    assert statements(UserPoolId=POOL_ID) == [("ApiFunctionRole", f"{arn}{POOL_ID}")]
    assert statements(**ISSUER) == [("ApiFunctionRole", arn)]


def test_an_existing_pool_replaces_the_pool_of_the_stack() -> None:
    resources = resolved({"UserPoolId": POOL_ID})

    assert not {"UserPool", "AdminGroup"} & resources.keys()
    assert client(UserPoolId=POOL_ID)["UserPoolId"] == POOL_ID
    assert authorizer(UserPoolId=POOL_ID) == {
        "issuer": f"https://cognito-idp.us-east-1.amazonaws.com/{POOL_ID}",
        "audience": ["one-UserPoolClient"],
    }
    assert variables("ApiFunction", UserPoolId=POOL_ID)["TOKEN_USE"] == "id"


def test_another_issuer_replaces_the_user_pool() -> None:
    resources = resolved(ISSUER)

    assert not {"UserPool", "UserPoolClient", "AdminGroup"} & resources.keys()
    assert authorizer(**ISSUER) == {"issuer": ISSUER["JwtIssuer"], "audience": ["darkroom"]}
    assert variables("ApiFunction", **ISSUER)["TOKEN_USE"] == ""


def test_another_issuer_has_no_administrators_before_a_parameter_names_its_claim() -> None:
    variable = "ADMIN_CLAIM"

    assert variables("ApiFunction")[variable] == "cognito:groups"
    assert variables("ApiFunction", **ISSUER)[variable] == ""
    assert variables("ApiFunction", **ISSUER, JwtAdminClaim="role")[variable] == "role"


def test_a_parameter_is_the_value_of_the_claim_of_administrators() -> None:
    assert variables("ApiFunction", **ISSUER)["ADMIN_VALUE"] == "admin"
    assert variables("ApiFunction", **ISSUER, JwtAdminValue="[op]")["ADMIN_VALUE"] == "[op]"


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("admin", True),
        ("[admin]", True),
        ("true", True),
        ("urn:roles/admin", True),
        ("", False),
        ("x admin", False),
        ("[x admin]", False),
        ("[admin", False),
        ("admin]", False),
        ("[[admin]]", False),
        ("[]", False),
        ("x\tadmin", False),
    ],
)
def test_the_value_of_administrators_is_the_text_of_one_word(value: str, accepted: bool) -> None:
    pattern = TEMPLATE["Parameters"]["JwtAdminValue"]["AllowedPattern"]

    assert bool(re.fullmatch(pattern, value)) is accepted


def test_the_group_of_administrators_outlives_the_stack_like_the_pool() -> None:
    """A new group would have no members. An existing pool keeps its group."""
    for name in ("UserPool", "AdminGroup"):
        resource = resolved({})[name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize(
    ("parameters", "rules"),
    [
        ({}, []),
        (ISSUER, []),
        (SENDER, []),
        ({"UserPoolId": POOL_ID}, []),
        ({"JwtIssuer": ISSUER["JwtIssuer"]}, ["JwtIssuerRequiresJwtAudience"]),
        (ISSUER | {"UserPoolId": POOL_ID}, ["UserPoolIdExcludesJwtIssuer"]),
        ({"EmailFrom": SENDER["EmailFrom"]}, ["EmailFromRequiresEmailSourceArn"]),
        ({"EmailSourceArn": SENDER["EmailSourceArn"]}, ["EmailSourceArnRequiresEmailFrom"]),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(
    parameters: dict[str, str], rules: list[str]
) -> None:
    assert broken_rules(parameters) == rules
