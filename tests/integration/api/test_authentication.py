"""The API accepts a valid token only, and administrators only where a route requires them."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from darkroom.storage import feature_flags, ledger
from tests.aws import CONTEXT, forget_settings, handler_of
from tests.builders import (
    ANN,
    call_api,
    http_event,
    open_account,
)
from tests.contract import description
from tests.integration.api.calls import (
    BODY,
    assert_is_problem,
)

pytestmark = pytest.mark.usefixtures("aws")


PLACES = {"job_id": "x", "code": "flux-schnell", "platform": "web", "user": "ann"}


SECURED = [
    (method.upper(), path.format(**PLACES), operation["tags"][0])
    for path, operations in description()["paths"].items()
    for method, operation in operations.items()
    # The function prepare_upload serves the other one.
    if operation.get("security") != [] and path != "/uploads/{upload_id}/complete"
]


ROUTES = [(method, path) for method, path, _ in SECURED]


OF_ADMINISTRATORS = [(method, path) for method, path, tag in SECURED if tag == "administration"]


class TestWhoIsAsking:
    BODIES: ClassVar = {
        "/jobs": BODY,
        "/templates/flux-schnell/quote": {"parameters": {"prompt": "x"}},
        "/uploads": {"content_type": "image/png", "bytes": 1},
        "/callbacks/test": {"callback_url": "https://example.com/"},
        "/accounts/web/ann/credits": {"amount": 1, "reason": "r", "reference": "r"},
        "/admin/paused": {"paused": True},
    }

    def call(self, method: str, path: str, **event: Any) -> int:
        status, problem, headers = call_api(
            method, path, body=self.BODIES.get(path) if method in ("POST", "PUT") else None, **event
        )
        assert_is_problem(status, problem, headers)
        return status

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_nobody_is_refused_everywhere(self, method: str, path: str) -> None:
        assert self.call(method, path, user=None) == 401

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize("token_use", ["access", "", "ID"])
    def test_a_token_of_another_use_is_refused_everywhere(
        self, method: str, path: str, token_use: str
    ) -> None:
        assert self.call(method, path, token_use=token_use) == 401

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_a_token_that_does_not_say_its_use_is_refused_everywhere(
        self, method: str, path: str
    ) -> None:
        event = http_event(method, path, body=self.BODIES.get(path))
        del event["requestContext"]["authorizer"]["jwt"]["claims"]["token_use"]

        assert handler_of("api")(event, CONTEXT)["statusCode"] == 401

    @pytest.mark.parametrize(
        "platform",
        ["WEB", " web", "web ", "web#ann", "web/ann", "desktop", "web,mobile", "\u0077eb\u200b"],
    )
    def test_a_platform_is_one_of_the_list_or_none(self, platform: str) -> None:
        assert self.call("GET", "/credits", **{"custom:platform": platform}) == 403

    def test_without_a_platform_it_is_the_web(self) -> None:
        open_account(7)

        for claims in ({}, {"custom:platform": ""}, {"custom:platform": "web"}):
            assert call_api("GET", "/credits", **claims)[1]["granted"] == 7

    def test_a_foreign_issuer_need_not_say_what_a_token_is_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOKEN_USE", "")
        forget_settings()

        assert call_api("GET", "/credits", token_use="")[0] == 200

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_another_platform_is_refused_everywhere(self, method: str, path: str) -> None:
        assert self.call(method, path, **{"custom:platform": "desktop"}) == 403

    @pytest.mark.parametrize("sub", ["", "x" * 256, "\ud800"], ids=ascii)
    def test_a_sub_that_cannot_be_a_name_is_refused(self, sub: str) -> None:
        assert self.call("GET", "/credits", user=sub) == 403
        assert self.call("POST", "/jobs", user=sub) == 403

    @pytest.mark.parametrize(
        "groups",
        [
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
        ],
    )
    @pytest.mark.parametrize(("method", "path"), OF_ADMINISTRATORS)
    def test_only_administrators_see_and_change_other_accounts(
        self, method: str, path: str, groups: Any
    ) -> None:
        assert self.call(method, path, **{"cognito:groups": groups}) == 403
        assert ledger.balance(ANN).granted == 0
        assert not feature_flags.is_paused()

    @pytest.mark.parametrize(
        "groups", ["[admin]", "[admin users]", "[users admin]", "admin", ["users", "admin"]]
    )
    def test_administrators_do(self, groups: Any) -> None:
        assert call_api("GET", "/accounts/web/ann", **{"cognito:groups": groups})[0] == 200
