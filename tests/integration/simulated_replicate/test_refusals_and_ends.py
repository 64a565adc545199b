"""The simulated Replicate: refused requests, ends of predictions, and creates that wait.

Darkroom does not use creates that wait.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from local.simulators.replicate import SimulatedReplicate, ratelimit
from tests.builders import until
from tests.integration.servers import Received, Reply, answering, server

MODEL = "black-forest-labs/flux-schnell"
HEADERS = {"Authorization": "Bearer r8_test"}


class Replicate:
    def __init__(self, url: str) -> None:
        self.url = url

    def faults(self, **faults: object) -> requests.Response:
        return requests.put(f"{self.url}/faults", json=faults, timeout=5)

    def create(self, webhook: str | None = None, **headers: str) -> requests.Response:
        body: dict[str, Any] = {
            "version": MODEL,
            "input": {"prompt": "a lighthouse", "num_outputs": 2},
        }
        if webhook:
            body |= {"webhook": webhook, "webhook_events_filter": ["completed"]}
        return requests.post(
            f"{self.url}/v1/predictions", json=body, headers=HEADERS | headers, timeout=30
        )

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=HEADERS, timeout=5)

    def ended(self) -> dict[str, Any]:
        prediction_id = self.create().json()["id"]

        def read_if_finished() -> dict[str, Any] | None:
            (found,) = [
                each
                for each in self.get("/sim/predictions").json()["predictions"]
                if each["id"] == prediction_id
            ]
            return None if found["status"] in ("starting", "processing") else found

        until(read_if_finished)
        document: dict[str, Any] = self.get(f"/v1/predictions/{prediction_id}").json()
        return document

    def count(self) -> int:
        return len(self.get("/sim/predictions").json()["predictions"])


@dataclass
class MovableClock:
    moved: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def replicate(clock: MovableClock) -> Iterator[Replicate]:
    with SimulatedReplicate(run_seconds=0.05, clock=clock) as simulator:
        yield Replicate(simulator.base_url)


@pytest.mark.parametrize(
    ("fault", "status", "title"),
    [
        ("no_credit", 402, "Insufficient credit"),
        ("unauthenticated", 401, "Unauthenticated"),
        ("server_error", 500, "Internal server error"),
    ],
)
def test_refused_create_makes_no_prediction(
    replicate: Replicate, fault: str, status: int, title: str
) -> None:
    replicate.faults(**{fault: 1})

    response = replicate.create()

    assert (response.status_code, response.json()["title"], response.json()["status"]) == (
        status,
        title,
        status,
    )
    assert response.headers["content-type"] == "application/problem+json"
    assert replicate.count() == 0
    replicate.faults()
    assert replicate.create().status_code == 201


def test_running_prediction_is_available_without_credit(
    replicate: Replicate,
) -> None:
    replicate.faults(run_seconds=60)
    prediction = replicate.create().json()
    replicate.faults(no_credit=1, low_credit=1)

    assert replicate.get(f"/v1/predictions/{prediction['id']}").status_code == 200
    assert (
        requests.post(prediction["urls"]["cancel"], headers=HEADERS, timeout=5).json()["status"]
        == "canceled"
    )


def test_low_credit_allows_one_create_in_ten_seconds(replicate: Replicate) -> None:
    replicate.faults(low_credit=1)

    responses = [replicate.create() for _ in range(3)]

    assert [response.status_code for response in responses] == [201, 429, 429]
    document = responses[1].json()
    assert 1 <= document["retry_after"] <= 10
    assert document == {
        "title": "Request was throttled",
        "detail": f"Request was throttled. Your rate limit resets in ~{document['retry_after']}s.",
        "status": 429,
        "retry_after": document["retry_after"],
    }
    assert "retry-after" not in responses[1].headers
    assert replicate.count() == 1
    assert replicate.get("/v1/predictions").status_code == 200
    replicate.faults()
    assert [replicate.create().status_code for _ in range(2)] == [201, 201]


def test_low_credit_returns_the_exact_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(ratelimit, "time", SimpleNamespace(monotonic=lambda: now))
    limit = ratelimit.LowCredit()
    granted_at = []
    for _ in range(6):
        assert limit.seconds_left() == 0
        granted_at.append(now)
        now += 3.5
        seconds_left = limit.seconds_left()
        now += seconds_left - 1
        assert limit.seconds_left() > 0
        now += 1

    assert granted_at[-1] - granted_at[0] <= 60


def test_new_prediction_may_be_not_found_for_a_minute(
    replicate: Replicate, clock: MovableClock
) -> None:
    prediction_id = replicate.create().json()["id"]
    replicate.faults(not_yet=1)

    assert replicate.get(f"/v1/predictions/{prediction_id}").status_code == 404
    assert [each["id"] for each in replicate.get("/v1/predictions").json()["results"]] == [
        prediction_id
    ]
    clock.moved = timedelta(seconds=61)
    assert replicate.get(f"/v1/predictions/{prediction_id}").status_code == 200
    clock.moved = timedelta()
    replicate.faults()
    assert replicate.get(f"/v1/predictions/{prediction_id}").status_code == 200


def test_prediction_that_is_not_found_can_be_canceled(replicate: Replicate) -> None:
    replicate.faults(not_yet=1, run_seconds=60)

    response = requests.post(
        replicate.create().json()["urls"]["cancel"], headers=HEADERS, timeout=5
    )

    assert (response.status_code, response.json()["status"]) == (200, "canceled")


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"cancel": 1}, {"status": "canceled", "output": None}),
        (
            {"abort": 1, "queue_seconds": 3600},
            {"status": "aborted", "output": None, "started_at": None},
        ),
        (
            {"abort": 1, "queue_seconds": 0},
            {"status": "aborted", "output": None, "started_at": None},
        ),
        (
            {"fail": 1},
            {"status": "failed", "error": "Prediction interrupted; please retry (code: PA)"},
        ),
        (
            {"fail": 1, "error": "CUDA out of memory (E1001)"},
            {"status": "failed", "error": "CUDA out of memory (E1001)"},
        ),
        ({"data_removed": 1}, {"status": "succeeded", "output": None, "data_removed": True}),
        (
            {"output_shape": "text"},
            {"status": "succeeded", "output": "A lighthouse stands at dawn."},
        ),
        ({"output_shape": "empty_list"}, {"status": "succeeded", "output": []}),
        ({}, {"status": "succeeded", "error": None, "data_removed": False}),
    ],
)
def test_fault_determines_the_end_of_the_prediction(
    replicate: Replicate, faults: dict[str, object], expected: dict[str, object]
) -> None:
    assert replicate.faults(**faults).status_code == 200

    assert replicate.ended().items() >= expected.items()


def test_aborted_prediction_has_a_deadline(replicate: Replicate) -> None:
    replicate.faults(abort=1)
    assert replicate.create(**{"Cancel-After": "1h"}).json()["status"] == "starting"
    aborted = replicate.ended()

    # The created time and the deadline have milliseconds, and the completed time nanoseconds.
    created_at, completed_at = (
        datetime.fromisoformat(aborted[name]) for name in ("created_at", "completed_at")
    )
    assert aborted["created_at"] == aborted["deadline"]
    assert created_at <= completed_at
    replicate.faults()
    assert "deadline" not in replicate.ended()


def test_cancel_fault_ends_before_the_deadline(replicate: Replicate) -> None:
    replicate.faults(cancel=1)

    canceled = replicate.create(Prefer="wait", **{"Cancel-After": "1h"}).json()

    assert canceled["status"] == "canceled"
    assert canceled["completed_at"] < canceled["deadline"]


def test_webhook_without_data_has_the_document_of_a_get(replicate: Replicate) -> None:
    replicate.faults(data_removed=1)
    received: list[Received] = []

    with server(answering(Reply(), received=received)) as url:
        created = replicate.create(webhook=url)
        until(lambda: received)

    assert (
        json.loads(received[0].body)
        == replicate.get(f"/v1/predictions/{created.json()['id']}").json()
    )


def test_output_has_the_requested_shape(replicate: Replicate) -> None:
    shapes = {}
    for shape in ("string", "list", "object"):
        replicate.faults(output_shape=shape)
        shapes[shape] = replicate.ended()["output"]

    assert shapes["string"].startswith(replicate.url)
    assert len(shapes["list"]) == 2
    assert shapes["object"]["image"].startswith(replicate.url)
    assert len(shapes["object"]["info"]["more"]) == 1
    for url in (
        shapes["string"],
        *shapes["list"],
        shapes["object"]["image"],
        *shapes["object"]["info"]["more"],
    ):
        assert requests.get(url, timeout=10).headers["content-type"] == "image/webp"


def test_output_shape_does_not_affect_failed_predictions(replicate: Replicate) -> None:
    replicate.faults(output_shape="text", fail=1)

    assert replicate.ended()["output"] is None


def test_refuses_invalid_faults(replicate: Replicate) -> None:
    invalid = {"output_shape": "round", "error": 7, "no_credit": 2, "low_credit": "x"}

    statuses = {
        name: replicate.faults(**{name: value}).status_code for name, value in invalid.items()
    }

    assert statuses == dict.fromkeys(invalid, 422)


@pytest.mark.parametrize(("prefer", "applied"), [("wait", "wait=60"), ("wait=20", "wait=20")])
def test_create_can_wait_for_the_end(replicate: Replicate, prefer: str, applied: str) -> None:
    response = replicate.create(Prefer=prefer)

    assert (
        response.status_code,
        response.headers["preference-applied"],
        response.json()["status"],
    ) == (
        201,
        applied,
        "succeeded",
    )


def test_create_waits_no_longer_than_requested(replicate: Replicate) -> None:
    replicate.faults(run_seconds=30)

    response = replicate.create(Prefer="wait=1")

    assert (response.status_code, response.headers["preference-applied"]) == (201, "wait=1")
    # The official clients poll only after "starting".
    assert response.json()["status"] == "starting"
    assert (
        replicate.get(f"/v1/predictions/{response.json()['id']}").json()["status"] == "processing"
    )
    assert "preference-applied" not in replicate.create().headers


def test_waiting_create_does_not_delay_other_requests(replicate: Replicate) -> None:
    replicate.faults(run_seconds=3600)
    responses: list[requests.Response] = []
    waiting = [
        threading.Thread(target=lambda: responses.append(replicate.create(Prefer="wait")))
        for _ in range(8)
    ]
    for each in waiting:
        each.start()
    until(lambda: replicate.count() == 8)

    assert replicate.create().json()["status"] == "starting"
    for each in replicate.get("/v1/predictions").json()["results"]:
        requests.post(each["urls"]["cancel"], headers=HEADERS, timeout=5)

    for thread in waiting:
        thread.join(timeout=20)
    assert [response.json()["status"] for response in responses] == ["canceled"] * 8


def test_refuses_other_preferences(replicate: Replicate, subtests: pytest.Subtests) -> None:
    malformed = ("wait=0", "wait=61", "wait=-1", "wait=", "wait=x", "wait=1.5", "respond-async", "")
    for prefer in malformed:
        with subtests.test(prefer=prefer):
            response = replicate.create(Prefer=prefer)

            assert response.status_code == 422
            assert response.json()["invalid_fields"][0]["field"] == "Prefer"
            assert replicate.count() == 0
