"""The sign-in of the gallery: its client, the managed login, existing pools and other issuers."""

from __future__ import annotations

import pytest

from tests.unit.gallery_resources import (
    COGNITO,
    GALLERY,
    ISSUER,
    OF_ISSUER,
    ORIGIN,
    OWN_DOMAIN,
    PREFIX,
    audience,
    outputs,
    properties,
)
from tests.unit.resolved_template import resolved

POOL_ID = "us-east-1_Retained1"


@pytest.mark.parametrize(
    ("parameters", "origin"), [(GALLERY, ORIGIN), (OWN_DOMAIN, "https://gallery.example.com")]
)
def test_the_client_of_the_gallery_has_no_secret_and_leads_back_to_the_page_only(
    parameters: dict[str, str], origin: str
) -> None:
    client = properties("GalleryClient", parameters)

    assert client["GenerateSecret"] is False
    assert (client["AllowedOAuthFlows"], client["AllowedOAuthScopes"]) == (["code"], ["openid"])
    assert client["CallbackURLs"] == client["LogoutURLs"] == [f"{origin}/"]
    assert client["EnableTokenRevocation"] is True
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["ReadAttributes"] == properties("UserPoolClient")["ReadAttributes"]
    assert "custom:platform" not in client["WriteAttributes"]


def test_refresh_tokens_of_the_gallery_are_used_once() -> None:
    client = properties("GalleryClient")

    assert client["RefreshTokenRotation"]["Feature"] == "ENABLED"
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in client["ExplicitAuthFlows"]
    assert client["ExplicitAuthFlows"], "Cognito's default contains ALLOW_REFRESH_TOKEN_AUTH"


def test_the_sign_in_host_of_two_stacks_differs() -> None:
    one, two = (
        resolved(GALLERY, stack)["GallerySignIn"]["Properties"]["Domain"]
        for stack in ("one", "two")
    )

    assert (one, one != two) == (PREFIX, True)
    assert properties("GallerySignIn")["ManagedLoginVersion"] == 2
    assert properties("GallerySignInStyle")["UseCognitoProvidedValues"] is True


def test_the_gallery_uses_an_existing_pool_and_its_managed_login() -> None:
    existing = GALLERY | {"UserPoolId": POOL_ID, "GallerySignInHost": "auth.example.com"}
    found = outputs(existing)

    assert "GallerySignIn" not in resolved(existing)
    assert properties("GalleryClient", existing)["UserPoolId"] == POOL_ID
    assert found["GallerySignInUrl"] == "https://auth.example.com"
    assert found["GalleryIssuer"] == f"{COGNITO}/{POOL_ID}"


def test_another_issuer_has_its_own_client() -> None:
    assert not OF_ISSUER & resolved(ISSUER).keys()
    assert audience(ISSUER) == ["darkroom"]
    assert outputs(ISSUER)["GalleryClientId"] == "darkroom"
    assert "GallerySignInUrl" not in outputs(ISSUER)

    with_client = ISSUER | {"GalleryClientId": "page"}
    assert audience(with_client) == ["darkroom", "page"]
    assert outputs(with_client)["GalleryClientId"] == "page"
    assert outputs(with_client)["GalleryIssuer"] == ISSUER["JwtIssuer"]
