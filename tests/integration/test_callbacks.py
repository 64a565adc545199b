"""The callback secret of an account, its rotation, and the test of a callback URL."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from darkroom import clock
from darkroom.domain.accounts import Balance
from darkroom.services import callbacks
from darkroom.settings import settings
from darkroom.storage import ledger, transactions
from darkroom.storage.table import AccountRow
from tests.builders import ANN, NOON, call_api, held_job, open_account
from tests.integration.broken_aws import LOST_ANSWER, failing_calls
from tests.integration.hostile_receivers import DRIPPED_HEADER, receiver
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import at, with_setting

pytestmark = pytest.mark.usefixtures("aws")

DAY = timedelta(hours=24)
NOT_DELIVERED = {"delivered": False, "status": None}


def read_secret(user: str = "ann") -> Any:
    return call_api("GET", "/callbacks/secret", user=user)[1]


def rotate_secret(user: str = "ann") -> Any:
    status, document, headers = call_api("POST", "/callbacks/secret/rotate", user=user)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    return document


def call_test_url(url: str, **event: Any) -> tuple[int, Any]:
    """Request the test of a callback URL. Returns the status and the document."""
    return call_api("POST", "/callbacks/test", body={"callback_url": url}, **event)[:2]


class TestSecret:
    def test_each_account_has_its_own_secret_which_is_never_cached(self) -> None:
        status, secret_of_ann, headers = call_api("GET", "/callbacks/secret")

        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert secret_of_ann["secret"].startswith("whsec_")
        assert read_secret() == secret_of_ann
        assert read_secret("bob") != secret_of_ann


class TestRotation:
    def test_creates_a_new_secret_and_shows_the_previous_one_for_a_day(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at(monkeypatch, NOON)
        first = read_secret()
        assert first == {"secret": first["secret"], "previous": None, "previous_until": None}

        second = rotate_secret()

        assert second["secret"].startswith("whsec_")
        assert second["secret"] != first["secret"]
        assert (second["previous"], second["previous_until"]) == (
            first["secret"],
            "2026-01-03T12:00:00.000Z",
        )
        assert read_secret() == second
        at(monkeypatch, NOON + DAY - timedelta(seconds=1))
        assert read_secret() == second
        at(monkeypatch, NOON + DAY)
        assert read_secret() == {
            "secret": second["secret"],
            "previous": None,
            "previous_until": None,
        }

    def test_keeps_only_the_last_previous_secret_valid(self) -> None:
        read_secret()
        second = rotate_secret()

        third = rotate_secret()

        assert third["previous"] == second["secret"]
        assert callbacks.secrets_of(ANN, now=clock.now()).all == (third["secret"], second["secret"])

    def test_creates_the_first_secret_without_changing_the_balance(self) -> None:
        first = rotate_secret()

        assert (read_secret(), first["previous"]) == (first, None)
        assert ledger.balance(ANN) == Balance()

    def test_changes_neither_the_balance_nor_the_secret_of_another_account(self) -> None:
        open_account(100)
        secret_of_bob = read_secret("bob")
        before = ledger.balance(ANN)

        rotate_secret()

        assert ledger.balance(ANN) == before
        assert read_secret("bob") == secret_of_bob

    def test_rotates_once_if_the_response_was_lost(self) -> None:
        first = read_secret()
        row = AccountRow._get_connection().connection
        with failing_calls(row.client, "UpdateItem", LOST_ANSWER):
            second = rotate_secret()

        assert second["previous"] == first["secret"]
        assert read_secret() == second

    def test_a_hold_does_not_change_the_secret(self) -> None:
        second = rotate_secret()

        held_job()

        assert read_secret()["secret"] == second["secret"]

    def test_signs_with_both_secrets_for_a_day_and_then_with_the_new_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        received: list[Received] = []
        now = clock.now()
        first = read_secret()["secret"]
        second = rotate_secret()["secret"]
        with server(answering(Reply(), received=received)) as base:
            assert call_test_url(base) == (200, {"delivered": True, "status": 200})
            at(monkeypatch, now + DAY + timedelta(seconds=5))
            assert call_test_url(base) == (200, {"delivered": True, "status": 200})

        first_day, later = received
        assert len(first_day.headers["webhook-signature"].split(" ")) == 2
        for secret in (first, second):
            assert (
                Webhook(secret).verify(first_day.body, first_day.headers)["type"] == "callback.test"
            )
        assert later.headers["webhook-signature"].startswith("v1,")
        assert " " not in later.headers["webhook-signature"]
        signed = Webhook(second).sign(
            later.headers["webhook-id"], now + DAY + timedelta(seconds=5), later.body.decode()
        )
        assert later.headers["webhook-signature"] == signed


class TestUrlTest:
    def test_sends_a_signed_event_without_a_job(self) -> None:
        received: list[Received] = []
        with server(answering(Reply(204), received=received)) as base:
            assert call_test_url(f"{base}/hook?x=1") == (200, {"delivered": True, "status": 204})

        (request,) = received
        assert (request.method, request.path, request.headers["content-type"]) == (
            "POST",
            "/hook?x=1",
            "application/json",
        )
        event = Webhook(read_secret()["secret"]).verify(request.body, request.headers)
        assert (event["type"], event["data"]) == ("callback.test", {})
        assert request.headers["webhook-id"].startswith("test.")
        assert "authorization" not in request.headers
        with pytest.raises(WebhookVerificationError):
            Webhook(read_secret("bob")["secret"]).verify(request.body, request.headers)

    def test_the_event_has_a_type_a_timestamp_and_data(self) -> None:
        received: list[Received] = []

        with server(answering(Reply(), received=received)) as base:
            call_test_url(base)

        assert json.loads(received[0].body).keys() == {"type", "timestamp", "data"}

    def test_reports_the_status_of_a_refused_event(self, subtests: pytest.Subtests) -> None:
        for reply in (Reply(500), Reply(404), Reply(410), Reply(301, headers={"Location": "/"})):
            with subtests.test(status=reply.status):
                received: list[Received] = []

                with server(answering(reply, received=received)) as url:
                    response = call_test_url(url, user=f"user-{reply.status}")

                assert response == (200, {"delivered": False, "status": reply.status})
                assert len(received) == 1, "redirects are not followed"

    def test_reports_a_url_where_no_server_listens(self) -> None:
        with server(answering(Reply())) as closed_url:
            pass

        assert call_test_url(closed_url) == (200, {"delivered": False, "status": None})

    def test_stops_waiting_for_a_slow_response(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, "CALLBACK_SECONDS_MAX", "0.2")
        with receiver(DRIPPED_HEADER) as address:
            began_at = time.monotonic()
            assert call_test_url(f"http://{address}/") == (200, NOT_DELIVERED)
            assert time.monotonic() - began_at < 1

    def test_refuses_urls_that_are_invalid_for_callbacks(self, subtests: pytest.Subtests) -> None:
        for url in (
            "http://example.com/",
            "https://user@example.com/",
            "ftp://example.com",
            "javascript:alert(1)",
            "",
            "https://",
        ):
            with subtests.test(url=url):
                status, problem = call_test_url(url)

                assert status == 422
                assert [error["field"] for error in problem["errors"]] == ["callback_url"]

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
    def test_a_private_address_looks_like_an_address_without_a_server(
        self, host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "PRIVATE_HOSTS", "")
        received: list[Received] = []
        with server(answering(Reply(), received=received)) as base:
            port = base.rpartition(":")[2]
            response = call_test_url(f"https://{host}:{port}/")

        assert received == []
        assert response == (200, NOT_DELIVERED)

    def test_one_test_per_account_and_minute_is_allowed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at(monkeypatch, NOON + timedelta(seconds=20))
        with server(answering(Reply())) as url:
            assert call_test_url(url)[0] == 200
            status, problem, headers = call_api(
                "POST", "/callbacks/test", body={"callback_url": url}
            )
            assert (status, problem["type"]) == (429, "/problems/too-many-requests")
            assert headers["Retry-After"] == "40"
            assert call_test_url(url, user="bob")[0] == 200

            at(monkeypatch, NOON + timedelta(seconds=59))
            assert call_test_url(url)[0] == 429
            at(monkeypatch, NOON + timedelta(seconds=60))
            assert call_test_url(url)[0] == 200

    def test_a_refused_url_does_not_count_as_a_test(self) -> None:
        assert call_test_url("http://example.com/")[0] == 422

        with server(answering(Reply())) as url:
            assert call_test_url(url)[0] == 200

    def test_refuses_missing_invalid_and_unknown_fields(self) -> None:
        for body in (
            {},
            {"callback_url": 7},
            {"callback_url": "https://example.com", "secret": "x"},
        ):
            assert call_api("POST", "/callbacks/test", body=body)[0] == 422

    def test_the_time_limit_of_the_url_test_leaves_time_for_the_response(self) -> None:
        assert settings().callback_seconds_max + transactions._TRYING_SECONDS_MAX < 28
