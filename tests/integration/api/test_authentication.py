"""Every secured route requires a valid token. The routes of administrators require their group."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.storage import feature_flags, ledger
from tests.aws import CONTEXT, forget_settings, handler_of
from tests.builders import ANN, call_api, http_event, open_account
from tests.contract import description
from tests.integration.api.calls import BODY, assert_is_problem

pytestmark = pytest.mark.usefixtures("aws")

PATH_PARAMETERS = {"job_id": "x", "code": "flux-schnell", "platform": "web", "user": "ann"}
SECURED_OPERATIONS = [
    (method.upper(), path.format(**PATH_PARAMETERS), operation["tags"][0])
    for path, operations in description()["paths"].items()
    for method, operation in operations.items()
    # The function prepare_upload serves the excluded path.
    if operation.get("security") != [] and path != "/uploads/{upload_id}/complete"
]
ROUTES = [(method, path) for method, path, _ in SECURED_OPERATIONS]
ADMINISTRATION_ROUTES = [
    (method, path) for method, path, tag in SECURED_OPERATIONS if tag == "administration"
]
VALID_BODIES: dict[str, Any] = {
    "/jobs": BODY,
    "/templates/flux-schnell/quote": {"parameters": {"prompt": "x"}},
    "/uploads": {"content_type": "image/png", "bytes": 1},
    "/callbacks/test": {"callback_url": "https://example.com/"},
    "/accounts/web/ann/credits": {"amount": 1, "reason": "r", "reference": "r"},
    "/accounts/web/ann/suspend": {"reason": "r"},
    "/admin/paused": {"paused": True},
}
NO_ADMIN_GROUPS: list[Any] = [
    None,
    "",
    "[]",
    "[users]",
    "[not-admin]",
    "[not admins]",
    "[Admin]",
    "not-admin",
    "[administrators users]",
    "[administrators]",
    "[notadmin]",
    "[admin,users]",
    "[[admin]]",
    "[users\u00a0admin]",
    "[users\tadmin]",
    "['admin']",
    '["admin"]',
    "[ADMIN]",
    "[adm\u0131n]",
    ["not-admin"],
    {"admin": 1},
    1,
]


def refused_status(method: str, path: str, **event: Any) -> int:
    """Send a valid request with these claims. Returns the status of the problem."""
    body = VALID_BODIES.get(path) if method in ("POST", "PUT") else None
    status, problem, headers = call_api(method, path, body=body, **event)
    assert_is_problem(status, problem, headers)
    return status


class TestToken:
    def test_every_secured_route_requires_a_token(self, subtests: pytest.Subtests) -> None:
        for method, path in ROUTES:
            with subtests.test(method=method, path=path):
                assert refused_status(method, path, user=None) == 401

    def test_every_secured_route_refuses_a_token_of_another_use(
        self, subtests: pytest.Subtests
    ) -> None:
        for method, path in ROUTES:
            for token_use in ("access", "", "ID"):
                with subtests.test(method=method, path=path, token_use=token_use):
                    assert refused_status(method, path, token_use=token_use) == 401

    def test_every_secured_route_refuses_a_token_without_a_use(
        self, subtests: pytest.Subtests
    ) -> None:
        for method, path in ROUTES:
            with subtests.test(method=method, path=path):
                event = http_event(method, path, body=VALID_BODIES.get(path))
                del event["requestContext"]["authorizer"]["jwt"]["claims"]["token_use"]

                assert handler_of("api")(event, CONTEXT)["statusCode"] == 401

    def test_accepts_a_token_without_a_use_if_the_setting_is_empty(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOKEN_USE", "")
        forget_settings()

        assert call_api("GET", "/credits", token_use="")[0] == 200


class TestPlatform:
    def test_refuses_unknown_platforms(self, subtests: pytest.Subtests) -> None:
        for platform in (
            "WEB",
            " web",
            "web ",
            "web#ann",
            "web/ann",
            "desktop",
            "web,mobile",
            "\u0077eb\u200b",
        ):
            with subtests.test(platform=platform):
                assert refused_status("GET", "/credits", **{"custom:platform": platform}) == 403

    def test_every_secured_route_refuses_an_unknown_platform(
        self, subtests: pytest.Subtests
    ) -> None:
        for method, path in ROUTES:
            with subtests.test(method=method, path=path):
                assert refused_status(method, path, **{"custom:platform": "desktop"}) == 403

    def test_a_token_without_a_platform_belongs_to_the_web(self) -> None:
        open_account(7)

        for claims in ({}, {"custom:platform": ""}, {"custom:platform": "web"}):
            assert call_api("GET", "/credits", **claims)[1]["granted"] == 7


class TestUser:
    def test_refuses_empty_long_and_malformed_user_ids(self, subtests: pytest.Subtests) -> None:
        for user in ("", "x" * 256, "\ud800"):
            with subtests.test(user=ascii(user)):
                assert refused_status("GET", "/credits", user=user) == 403
                assert refused_status("POST", "/jobs", user=user) == 403


class TestAdministrators:
    def test_other_groups_cannot_use_the_routes_of_administrators(
        self, subtests: pytest.Subtests
    ) -> None:
        for method, path in ADMINISTRATION_ROUTES:
            for groups in NO_ADMIN_GROUPS:
                with subtests.test(method=method, path=path, groups=groups):
                    assert refused_status(method, path, **{"cognito:groups": groups}) == 403
                    assert ledger.balance(ANN).granted == 0
                    assert not feature_flags.is_paused()

    def test_accepts_every_notation_of_the_admin_group(self, subtests: pytest.Subtests) -> None:
        notations: list[Any] = [
            "[admin]",
            "[admin users]",
            "[users admin]",
            "admin",
            ["users", "admin"],
        ]
        for groups in notations:
            with subtests.test(groups=groups):
                claims = {"cognito:groups": groups}
                assert call_api("GET", "/accounts/web/ann", **claims)[0] == 200
