"""Administrators grant credits and read accounts."""

from __future__ import annotations

from typing import Any

import pytest

from darkroom.domain.accounts import AccountId
from darkroom.storage import ledger
from tests.builders import (
    ANN,
    call_api,
)
from tests.integration.api.calls import (
    ADMIN,
    fields,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestAccounts:
    def grant(
        self,
        amount: object = 50,
        *,
        reference: object = "order 1",
        path: str = "/accounts/web/ann/credits",
        **more: Any,
    ) -> tuple[int, Any]:
        status, document, _ = call_api(
            "POST",
            path,
            body={"amount": amount, "reason": "r", "reference": reference, **more},
            **ADMIN,
        )
        return status, document

    def test_a_grant_is_an_entry_and_its_repeat_the_same_one(self) -> None:
        status, entry = self.grant()

        assert status == 201
        assert (entry["kind"], entry["granted"], entry["reference"]) == ("grant", 50, "order 1")
        assert self.grant() == (200, entry)
        assert call_api("GET", "/accounts/web/ann", **ADMIN)[1] == {
            "available": 50,
            "held": 0,
            "spent": 0,
            "granted": 50,
            "in_flight": 0,
        }
        assert call_api("GET", "/accounts/web/ann/entries", **ADMIN)[1] == {
            "entries": [entry],
            "next_cursor": None,
        }

    def test_a_used_reference_with_another_amount_is_refused(self) -> None:
        self.grant()

        status, problem = self.grant(51)

        assert (status, fields(problem)) == (422, ["reference"])
        assert ledger.balance(ANN).granted == 50

    def test_a_correction_takes_back_but_never_more_than_is_available(self) -> None:
        self.grant()

        assert self.grant(-20, reference="mistake")[0] == 201
        status, problem = self.grant(-31, reference="greed")

        assert (status, fields(problem)) == (422, ["amount"])
        assert ledger.balance(ANN).available == 30

    @pytest.mark.parametrize(
        "amount", [0, 1_000_001, -1_000_001, 1.5, 0.0, True, "5", None, [], 10**30]
    )
    def test_what_is_no_amount_is_refused(self, amount: object) -> None:
        status, problem = self.grant(amount)

        assert (status, fields(problem)) == (422, ["amount"])
        assert ledger.balance(ANN).granted == 0

    def test_the_largest_amount_is_taken(self) -> None:
        assert self.grant(1_000_000)[0] == 201

    def test_a_whole_number_may_be_written_as_json_schema_takes_it(self) -> None:
        status, entry = self.grant(5.0)

        assert (status, entry["granted"], type(entry["granted"])) == (201, 5, int)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"reference": ""}, "reference"),
            ({"reference": "x" * 201}, "reference"),
            ({"reason": ""}, "reason"),
            ({"free": 1}, "free"),
        ],
    )
    def test_other_wrong_fields_are_named(self, wrong: dict[str, Any], field: str) -> None:
        status, problem = self.grant(**wrong)

        assert (status, fields(problem)) == (422, [field])

    @pytest.mark.parametrize(
        ("written", "user"),
        [
            ("ann%40example.com", "ann@example.com"),
            ("ann@example.com", "ann@example.com"),
            ("auth0%7C7", "auth0|7"),
            ("auth0|7", "auth0|7"),
            ("a%3Ab", "a:b"),
            ("a%2Fb%2B==", "a/b+=="),
            ("a%252Fb", "a%2Fb"),
            ("50%25", "50%"),
            ("a%23b", "a#b"),
            ("a#b", "a#b"),
            ("é", "é"),
            ("a%20b", "a b"),
        ],
    )
    def test_user_ids_may_be_written_as_a_url_has_them(self, written: str, user: str) -> None:
        assert self.grant(path=f"/accounts/mobile/{written}/credits")[0] == 201
        assert ledger.balance(AccountId("mobile", user)).granted == 50
        assert call_api("GET", f"/accounts/mobile/{written}", **ADMIN)[1]["granted"] == 50

    @pytest.mark.parametrize(
        ("path", "field"),
        [
            ("/accounts/desktop/ann", "platform"),
            (f"/accounts/web/{'x' * 256}", "user"),
            ("/accounts/web/%ff", "user"),
            (f"/accounts/web/{'灯' * 86}", "user"),
            ("/accounts/wéb/a", "platform"),
        ],
    )
    def test_an_account_that_cannot_be_is_named(self, path: str, field: str) -> None:
        for method, suffix in (("GET", ""), ("GET", "/entries"), ("POST", "/credits")):
            body = {"amount": 1, "reason": "r", "reference": "r"} if method == "POST" else None
            status, problem, _ = call_api(method, path + suffix, body=body, **ADMIN)
            assert (status, fields(problem)) == (422, [field])
