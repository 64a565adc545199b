"""The simulated Replicate creates, lists, cancels and ends predictions like the real one."""

import json
from datetime import datetime, timedelta

import pytest
import requests
from replicate import Client

from local.simulators.replicate import SimulatedReplicate
from tests.integration.simulated_replicate.wire import (
    AUTHORIZATION,
    SCHNELL,
    Api,
    MovableClock,
    Receiver,
    until,
    wait_for_a_later_webhook,
    webhook_to,
)


def test_official_sdk_creates_and_reads_a_prediction(client: Client) -> None:
    created = client.predictions.create(
        version=SCHNELL, input={"prompt": "a fox", "num_outputs": 2}, cancel_after="1m30s"
    )

    assert created.status == "starting"
    assert created.deadline == created.created_at + timedelta(seconds=90)
    until(lambda: client.predictions.get(prediction_id=created.id).status == "succeeded")
    done = client.predictions.get(prediction_id=created.id)
    assert isinstance(done.output, list)
    assert len(done.output) == 2
    assert done.started_at is not None
    assert done.completed_at is not None
    assert created.created_at < done.started_at < done.completed_at
    assert done.metrics is not None
    assert done.metrics.total_time is None
    assert isinstance(done.metrics.predict_time, float)
    assert done.metrics.predict_time >= 0.1
    assert done.urls.stream


def test_official_sdk_reads_models_lists_and_the_webhook_secret(
    client: Client, simulator: SimulatedReplicate
) -> None:
    created = client.models.predictions.create(
        model_owner="black-forest-labs", model_name="flux-1.1-pro", input={"prompt": "a fox"}
    )

    assert [each.id for each in client.predictions.list()] == [created.id]
    assert client.webhooks.default.secret.get().key == simulator.webhook_secret
    assert client.models.get(model_owner="stability-ai", model_name="sdxl").is_official is False


def test_official_sdk_cancels_and_the_prediction_stays_canceled(client: Client, api: Api) -> None:
    api.set_faults(run_seconds=60)
    created = client.predictions.create(version=SCHNELL, input={"prompt": "a fox"})

    assert client.predictions.cancel(prediction_id=created.id).status == "canceled"
    assert client.predictions.cancel(prediction_id=created.id).status == "canceled"
    assert client.predictions.get(prediction_id=created.id).output is None


def test_cancel_after_the_end_changes_nothing(api: Api) -> None:
    done = api.finished(api.create()["id"])

    assert api.post(f"/v1/predictions/{done['id']}/cancel").json() == done


def test_deadline_aborts_queued_and_cancels_running_predictions(
    api: Api, receiver: Receiver
) -> None:
    body = {"version": SCHNELL, "input": {"prompt": "a fox"}, **webhook_to(receiver, "completed")}
    api.set_faults(queue_seconds=60)
    queued = api.post("/v1/predictions", body, **{"Cancel-After": "5"}).json()
    api.set_faults(run_seconds=60)
    running = api.post("/v1/predictions", body, **{"Cancel-After": "5"}).json()

    ended = [api.finished(each["id"]) for each in (queued, running)]

    assert [each["status"] for each in ended] == ["aborted", "canceled"]
    for each in ended:
        lived = datetime.fromisoformat(each["completed_at"]) - datetime.fromisoformat(
            each["created_at"]
        )
        assert 5 <= lived.total_seconds() < 9
    api.set_faults()
    wait_for_a_later_webhook(api)
    assert receiver.states() == ["canceled"]


def test_list_has_pages_of_a_hundred_newest_first(api: Api) -> None:
    ids = [api.create()["id"] for _ in range(101)]

    newest = api.get("/v1/predictions").json()
    api.create()
    oldest = requests.get(newest["next"], headers=AUTHORIZATION, timeout=10).json()

    assert [each["id"] for each in newest["results"]] == ids[:0:-1]
    assert newest["previous"] is None
    assert [each["id"] for each in oldest["results"]] == ids[:1]
    assert oldest["next"] is None
    assert (
        requests.get(oldest["previous"], headers=AUTHORIZATION, timeout=10).json()["results"][-1][
            "id"
        ]
        == ids[1]
    )


def test_list_can_be_filtered_by_time(api: Api, clock: MovableClock) -> None:
    first = api.create()
    clock.moved += timedelta(milliseconds=1)
    second = api.create()

    later = api.get("/v1/predictions", created_after=second["created_at"]).json()["results"]
    earlier = api.get("/v1/predictions", created_before=second["created_at"]).json()["results"]

    assert [each["id"] for each in later] == [second["id"]]
    assert [each["id"] for each in earlier] == [first["id"]]
    assert api.get("/v1/predictions", source="web").json()["results"] == []
    assert api.get("/v1/predictions", created_after="yesterday").status_code == 422


def test_data_is_removed_after_the_retention(api: Api, clock: MovableClock) -> None:
    done = api.finished(api.create()["id"])

    clock.moved = timedelta(seconds=3590)
    assert api.prediction(done["id"]) == done
    assert requests.get(done["output"][0], timeout=10).status_code == 200

    clock.moved = timedelta(seconds=3601)
    removed = api.prediction(done["id"])
    assert (removed["status"], removed["output"], removed["input"], removed["data_removed"]) == (
        "succeeded",
        None,
        {},
        True,
    )
    assert requests.get(done["output"][0], timeout=10).status_code == 404
    assert api.all() == [done]


def test_records_a_token_sent_to_the_delivery_host(api: Api) -> None:
    [url] = api.finished(api.create()["id"])["output"]

    requests.get(url, timeout=10)
    requests.get(url, headers=AUTHORIZATION, timeout=10)

    requests_seen = api.get("/sim/deliveries").json()["deliveries"]
    assert [each["carried_authorization"] for each in requests_seen] == [False, True]
    assert "r8_test" not in json.dumps(requests_seen)


def test_two_simulators_share_nothing(simulator: SimulatedReplicate, api: Api) -> None:
    api.create()
    with SimulatedReplicate() as other:
        assert other.base_url != simulator.base_url
        assert other.webhook_secret != simulator.webhook_secret
        assert Api(other).all() == []

    with pytest.raises(requests.ConnectionError):
        Api(other).all()
