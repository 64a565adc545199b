"""The simulated Replicate signs and retries webhooks, and loses or delays them on request."""

import time
from datetime import datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.integration.simulated_replicate.wire import (
    Api,
    Receiver,
    until,
    wait_for_a_later_webhook,
    webhook_to,
)


def test_webhook_is_signed_and_has_the_document_of_a_get(api: Api, receiver: Receiver) -> None:
    created = api.create(webhook=webhook_to(receiver, "completed"))

    until(lambda: receiver.delivered)
    [message] = receiver.delivered
    assert Webhook(api.simulator.webhook_secret).verify(
        message.body, message.headers
    ) == api.prediction(created["id"])
    assert message.prediction["webhook"] == receiver.url
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_b3RoZXI=").verify(message.body, message.headers)


def test_sends_only_the_events_of_the_filter(api: Api, receiver: Receiver) -> None:
    every = api.create(webhook=webhook_to(receiver, "start", "output", "logs", "completed"))
    until(lambda: len(api.webhook_attempts()) == 4)
    assert sorted(each["event"] for each in api.webhook_attempts()) == [
        "completed",
        "logs",
        "output",
        "start",
    ]
    [with_output] = [
        each.prediction
        for each in receiver.delivered
        if each.prediction["status"] == "processing" and each.prediction["output"]
    ]
    assert with_output["output"] == api.prediction(every["id"])["output"]

    receiver.delivered.clear()
    api.create(webhook=webhook_to(receiver))
    until(lambda: len(api.webhook_attempts()) == 6)
    assert sorted(each["event"] for each in api.webhook_attempts()[4:]) == ["completed", "output"]


def test_retries_a_completion_webhook_under_the_same_id(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [500, 401, 503]

    api.create(webhook=webhook_to(receiver, "completed"))

    until(lambda: [each["status_code"] for each in api.webhook_attempts()] == [500, 401, 503, 200])
    assert len({each.headers["webhook-id"] for each in receiver.delivered}) == 1
    assert len({each.body for each in receiver.delivered}) == 1


def test_stops_after_the_last_retry(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [500] * 10

    api.create(webhook=webhook_to(receiver, "completed"))

    until(lambda: len(receiver.delivered) == 4)
    wait_for_a_later_webhook(api)
    assert len(receiver.delivered) == 4


def test_retries_an_unreachable_receiver(api: Api) -> None:
    with Receiver() as stopped:
        url = stopped.url

    api.create(webhook={"webhook": url, "webhook_events_filter": ["completed"]})

    until(lambda: len(api.webhook_attempts()) == 4)
    assert {each["error"] for each in api.webhook_attempts()} == {"ConnectionError"}


def test_does_not_retry_a_webhook_before_the_end(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [500]

    api.create(webhook=webhook_to(receiver, "start", "completed"))

    until(lambda: receiver.states()[-1:] == ["succeeded"])
    wait_for_a_later_webhook(api)
    assert receiver.states() == ["processing", "succeeded"]


def test_does_not_follow_or_retry_a_redirect(api: Api, receiver: Receiver) -> None:
    receiver.statuses = [301]

    api.create(webhook=webhook_to(receiver, "completed"))

    until(lambda: receiver.delivered)
    wait_for_a_later_webhook(api)
    assert len(receiver.delivered) == 1


def test_slow_receiver_does_not_delay_other_predictions(api: Api, receiver: Receiver) -> None:
    receiver.pause_seconds = 3
    created = [api.create(webhook=webhook_to(receiver, "start")) for _ in range(4)]
    began_at = time.monotonic()

    assert {api.finished(each["id"])["status"] for each in created} == {"succeeded"}

    assert time.monotonic() - began_at < 2.5


def test_lost_webhook_never_arrives(api: Api, receiver: Receiver) -> None:
    api.set_faults(lose_webhook=1)
    api.finished(api.create(webhook=webhook_to(receiver, "completed"))["id"])

    until(api.webhook_attempts)
    assert [(each["number"], each["error"]) for each in api.webhook_attempts()] == [
        (0, "lost on purpose")
    ]
    assert receiver.delivered == []


def test_duplicate_webhook_has_the_same_id(api: Api, receiver: Receiver) -> None:
    api.set_faults(duplicate_webhook=1)
    api.create(webhook=webhook_to(receiver, "completed"))

    until(lambda: len(receiver.delivered) == 2)
    assert len({each.headers["webhook-id"] for each in receiver.delivered}) == 1


def test_delayed_webhook_has_a_valid_signature(api: Api, receiver: Receiver) -> None:
    api.set_faults(delay_webhook_seconds=0.5)
    done = api.finished(api.create(webhook=webhook_to(receiver, "completed"))["id"])

    until(api.webhook_attempts)
    [sent] = api.webhook_attempts()
    assert datetime.fromisoformat(sent["sent_at"]) - datetime.fromisoformat(
        done["completed_at"]
    ) >= timedelta(seconds=0.5)
    Webhook(api.simulator.webhook_secret).verify(
        receiver.delivered[0].body, receiver.delivered[0].headers
    )


def test_reordered_webhooks_report_the_start_after_the_end(api: Api, receiver: Receiver) -> None:
    api.set_faults(reorder=1)
    api.create(webhook=webhook_to(receiver, "start", "completed"))

    until(lambda: len(receiver.delivered) == 2)
    assert receiver.states() == ["succeeded", "processing"]
