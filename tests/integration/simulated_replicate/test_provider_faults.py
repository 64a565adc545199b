"""The simulated Replicate refuses creates, breaks downloads, and shapes documents as reported."""

import re
from datetime import timedelta

import pytest
import requests

from local.simulators.replicate.create_refusals import REFUSALS
from tests.integration.simulated_replicate.wire import (
    AUTHORIZATION,
    SCHNELL,
    Api,
    MovableClock,
    Receiver,
    webhook_to,
)

BODY = {"version": SCHNELL, "input": {"prompt": "a fox"}}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refused_create_makes_no_prediction(api: Api, refusal: str) -> None:
    api.set_faults(refuse=1, refusal=refusal)

    response = requests.post(
        f"{api.simulator.base_url}/v1/predictions",
        json=BODY,
        headers=AUTHORIZATION,
        timeout=5,
        allow_redirects=False,
    )

    assert response.status_code == REFUSALS[refusal].status
    assert response.json()["status"] == response.status_code
    assert api.all() == []


def test_times_and_metrics_have_the_recorded_forms(api: Api) -> None:
    done = api.finished(api.create()["id"])

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", done["created_at"])
    for name in ("started_at", "completed_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", done[name])
    assert done["metrics"].keys() == {"predict_time"}
    assert done["urls"].keys() == {"get", "cancel", "web", "stream"}


def test_list_can_omit_the_webhook(api: Api, receiver: Receiver) -> None:
    created = api.create(webhook=webhook_to(receiver))

    assert api.get("/v1/predictions").json()["results"][0]["webhook"] == receiver.url
    api.set_faults(list_without_webhook=1)
    assert "webhook" not in api.get("/v1/predictions").json()["results"][0]
    assert api.prediction(created["id"])["webhook"] == receiver.url


@pytest.mark.parametrize(
    ("answer", "status", "with_token"),
    [
        ("not_found", 404, 404),
        ("forbidden", 403, 403),
        ("gone", 410, 410),
        ("unavailable", 503, 503),
        ("empty", 200, 200),
        ("page", 200, 200),
        ("redirect", 302, 302),
        ("moved", 302, 302),
        ("no_content", 204, 204),
        ("part", 206, 206),
        ("half", 200, 200),
        ("needs_token", 401, 200),
        ("hidden_without_token", 403, 200),
    ],
)
def test_download_gets_the_chosen_answer(
    api: Api, answer: str, status: int, with_token: int
) -> None:
    (url,) = api.finished(api.create(megapixels="0.25")["id"])["output"]
    whole = requests.get(url, timeout=5).content
    api.set_faults(break_download=1, download_answer=answer)

    responses = [
        requests.get(url, headers=headers, timeout=5, allow_redirects=False)
        for headers in ({}, AUTHORIZATION)
    ]

    assert [response.status_code for response in responses] == [status, with_token]
    assert responses[0].content != whole
    assert (responses[1].content == whole) is (answer in ("needs_token", "hidden_without_token"))


def test_download_can_be_late(api: Api, clock: MovableClock) -> None:
    api.set_faults(unready_seconds=60)
    (url,) = api.finished(api.create()["id"])["output"]

    assert requests.get(url, timeout=5).status_code == 404
    clock.moved += timedelta(seconds=61)
    assert requests.get(url, timeout=5).status_code == 200


def test_output_can_be_on_another_host(api: Api) -> None:
    api.set_faults(delivery_host="files.moved.example")

    (url,) = api.finished(api.create()["id"])["output"]

    assert url.startswith("https://files.moved.example/delivery/")


def test_output_can_have_other_links_and_repeated_links(api: Api) -> None:
    api.set_faults(output_shape="page")
    with_page = api.finished(api.create()["id"])["output"]
    api.set_faults(output_shape="repeated")
    repeated = api.finished(api.create(num_outputs=2)["id"])["output"]

    assert with_page["page"].startswith("https://replicate.com/p/")
    assert len(with_page["images"]) == 1
    assert repeated[0] == repeated[1] != repeated[2] == repeated[3]
