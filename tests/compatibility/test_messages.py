"""Messages of each release that arrive after a deployment: webhooks and callbacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.compatibility.runs import restored, view
from tests.compatibility.snapshot import Mode, Release, releases
from tests.simulation.http_response import Response

RELEASES = releases()
pytestmark = pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.folder.name)


def path_of_job(snapshot: Any) -> str:
    (path,) = [path for path in snapshot["responses"] if path.startswith("/jobs/")]
    return str(path)


def test_a_webhook_to_a_recorded_url_resumes_its_execution(release: Release) -> None:
    snapshot = release.snapshot("webhook_on_its_way")
    responses: list[Response] = []
    with restored(snapshot, Mode.CONTINUED, release.definition()) as environment:
        for message in environment.held_webhooks:
            environment.deliver(message, on_response=responses.append)
        # Less than the state's timeout, so that no poll replaces the webhook.
        environment.event_queue.advance(1)

        assert view(environment, path_of_job(snapshot))["status"] == "completed"
    assert [response.status for response in responses] == [200, 200]


def test_a_webhook_without_the_recorded_nonce_is_refused(release: Release) -> None:
    snapshot = release.snapshot("webhook_on_its_way")
    responses: list[Response] = []
    with restored(snapshot, Mode.CONTINUED, release.definition()) as environment:
        message = environment.held_webhooks[-1]
        forged = message.addressed_to(message.url[:-1] + ("1" if message.url[-1] == "0" else "0"))
        environment.deliver(forged, on_response=responses.append)
        environment.event_queue.advance(1)

        assert view(environment, path_of_job(snapshot))["status"] == "processing"
    assert [response.status for response in responses] == [401]


@pytest.mark.parametrize("name", ["completed", "partly_completed", "failed", "canceled"])
def test_an_event_in_the_callback_queue_is_delivered(release: Release, name: str) -> None:
    snapshot = release.snapshot(name)
    (event,) = snapshot["events"]
    with restored(snapshot, Mode.LOST, release.definition()) as environment:
        environment.event_queue.advance(1)

    (callback,) = environment.callbacks
    recorded, sent = snapshot["responses"][path_of_job(snapshot)], json.loads(callback.body or "")
    assert callback.headers["webhook-id"] == event["detail"]["id"]
    assert sent["type"] == event["detail-type"]
    assert sent["data"].keys() >= recorded.keys()
    assert {name: sent["data"][name] for name in ("id", "status", "credits", "error")} == {
        name: recorded[name] for name in ("id", "status", "credits", "error")
    }
