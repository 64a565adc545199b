"""The secrets that callbacks are signed with, and trying a URL out before a job depends on it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from darkroom import clock
from darkroom.domain.accounts import Balance
from darkroom.services import callbacks
from darkroom.settings import settings
from darkroom.storage import ledger, transactions
from darkroom.storage.table import AccountRow
from tests.aws import forget_settings
from tests.builders import ANN, NOON, call_api, held_job, open_account
from tests.integration.broken_aws import LOST_ANSWER, failing_calls
from tests.integration.servers import Received, Reply, answering, server

pytestmark = pytest.mark.usefixtures("aws")

DAY = timedelta(hours=24)


def at(monkeypatch: pytest.MonkeyPatch, time: datetime) -> None:
    monkeypatch.setattr(clock, "now", lambda: time)


def read_secret(user: str = "ann") -> Any:
    return call_api("GET", "/callbacks/secret", user=user)[1]


def rotated(user: str = "ann") -> Any:
    status, document, headers = call_api("POST", "/callbacks/secret/rotate", user=user)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    return document


def tried(url: str, **event: Any) -> tuple[int, Any]:
    return call_api("POST", "/callbacks/test", body={"callback_url": url}, **event)[:2]


class TestRotation:
    def test_makes_a_new_secret_and_shows_the_previous_one_for_a_day(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at(monkeypatch, NOON)
        first = read_secret()
        assert first == {"secret": first["secret"], "previous": None, "previous_until": None}

        second = rotated()

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

    def test_the_next_one_ends_the_time_of_the_secret_before_the_previous(self) -> None:
        read_secret()
        second = rotated()

        third = rotated()

        assert third["previous"] == second["secret"]
        assert callbacks.secrets_of(ANN, now=clock.now()).all == (third["secret"], second["secret"])

    def test_of_no_secret_makes_the_first_and_no_account_of_credits(self) -> None:
        first = rotated()

        assert (read_secret(), first["previous"]) == (first, None)
        assert ledger.balance(ANN) == Balance()

    def test_leaves_the_ledger_and_everybody_elses_secret_alone(self) -> None:
        open_account(100)
        bobs = read_secret("bob")
        before = ledger.balance(ANN)

        rotated()

        assert ledger.balance(ANN) == before
        assert read_secret("bob") == bobs

    def test_whose_answer_was_lost_is_one_rotation(self) -> None:
        first = read_secret()
        row = AccountRow._get_connection().connection
        with failing_calls(row.client, "UpdateItem", LOST_ANSWER):
            second = rotated()

        assert second["previous"] == first["secret"]
        assert read_secret() == second

    def test_a_hold_keeps_the_secret_that_is_there(self) -> None:
        second = rotated()

        held_job()

        assert read_secret()["secret"] == second["secret"]

    def test_both_secrets_sign_for_a_day_and_the_new_one_alone_after_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        received: list[Received] = []
        now = clock.now()
        first = read_secret()["secret"]
        second = rotated()["secret"]
        with server(answering(Reply(), received=received)) as base:
            assert tried(base) == (200, {"delivered": True, "status": 200})
            at(monkeypatch, now + DAY + timedelta(seconds=5))
            assert tried(base) == (200, {"delivered": True, "status": 200})

        both, one = received
        assert len(both.headers["webhook-signature"].split(" ")) == 2
        for secret in (first, second):
            assert Webhook(secret).verify(both.body, both.headers)["type"] == "callback.test"
        assert one.headers["webhook-signature"].startswith("v1,")
        assert " " not in one.headers["webhook-signature"]
        signed = Webhook(second).sign(
            one.headers["webhook-id"], now + DAY + timedelta(seconds=5), one.body.decode()
        )
        assert one.headers["webhook-signature"] == signed


class TestTrying:
    def test_a_url_is_called_with_a_signed_event_that_is_about_no_job(self) -> None:
        received: list[Received] = []
        with server(answering(Reply(204), received=received)) as base:
            assert tried(f"{base}/hook?x=1") == (200, {"delivered": True, "status": 204})

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

    @pytest.mark.parametrize(
        "reply",
        [Reply(500), Reply(404), Reply(410), Reply(301, headers={"Location": "/"})],
        ids=lambda reply: reply.status,
    )
    def test_a_url_that_does_not_take_it_is_told_with_its_answer(self, reply: Reply) -> None:
        received: list[Received] = []
        with server(answering(reply, received=received)) as base:
            assert tried(base) == (200, {"delivered": False, "status": reply.status})
        assert len(received) == 1, "a redirect is not followed"

    def test_nobody_who_listens_is_reported_as_such(self) -> None:
        with server(answering(Reply())) as gone:
            pass

        assert tried(gone) == (200, {"delivered": False, "status": None})

    def test_a_url_that_drips_its_answer_is_not_waited_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CALLBACK_TEST_SECONDS_MAX", "1")
        forget_settings()
        with dripping() as url:
            began_at = time.monotonic()
            assert tried(url) == (200, {"delivered": False, "status": None})
            assert time.monotonic() - began_at < 5

    @pytest.mark.parametrize(
        "url",
        [
            "http://example.com/",
            "https://user@example.com/",
            "ftp://example.com",
            "javascript:alert(1)",
            "",
            "https://",
        ],
    )
    def test_a_url_that_no_callback_would_be_sent_to_is_refused(self, url: str) -> None:
        status, problem = tried(url)

        assert (status, [error["field"] for error in problem["errors"]]) == (422, ["callback_url"])

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
    def test_a_private_address_is_refused_and_not_called(
        self, host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PRIVATE_HOSTS", "")
        forget_settings()
        received: list[Received] = []
        with server(answering(Reply(), received=received)) as base:
            status, problem = tried(f"https://{host}:{base.rpartition(':')[2]}/")

        assert received == []
        if host != "[::1]":  # Nothing listens there.
            assert (status, [error["field"] for error in problem["errors"]]) == (
                422,
                ["callback_url"],
            )

    def test_other_fields_are_refused(self) -> None:
        for body in (
            {},
            {"callback_url": 7},
            {"callback_url": "https://example.com", "secret": "x"},
        ):
            assert call_api("POST", "/callbacks/test", body=body)[0] == 422

    def test_it_has_time_for_its_answer(self) -> None:
        assert settings().callback_test_seconds_max + transactions._TRYING_SECONDS_MAX < 28


@contextmanager
def dripping() -> Iterator[str]:
    """A server whose answer has no end: a byte of a header again and again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                try:
                    for _ in range(50):
                        connection.sendall(b"x")
                        time.sleep(0.1)
                except OSError:
                    return

        threading.Thread(target=drip, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_the_event_of_a_test_is_json() -> None:
    received: list[Received] = []
    with server(answering(Reply(), received=received)) as base:
        tried(base)
    assert json.loads(received[0].body).keys() == {"type", "timestamp", "data"}
