"""Administrators see the slots, the queue and the pause of each provider."""

from __future__ import annotations

from datetime import timedelta

import pytest

from darkroom import clock
from darkroom.domain.accounts import AccountId
from darkroom.domain.provider_health import PauseReason
from darkroom.services.queue_positions import positions
from darkroom.storage import provider_queue, provider_state
from tests.builders import call_api, held_job, stored
from tests.integration.api.calls import ADMIN
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")


def replicate() -> dict[str, object]:
    status, document, _ = call_api("GET", "/admin/providers", **ADMIN)
    assert status == 200
    (found,) = [each for each in document["providers"] if each["name"] == "replicate"]
    return dict(found)


def test_administrators_see_slots_and_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)
    running, waiting = (held_job(account=AccountId("web", user)) for user in "ab")
    now = clock.now()

    assert replicate()["slots"] == {"in_use": 0, "max": 1}
    assert provider_queue.take(running, now=now)
    assert provider_queue.enqueue(waiting, "token", "entry", now=now)

    assert replicate()["slots"] == {"in_use": 1, "max": 1}
    queue = replicate()["queue"]
    assert isinstance(queue, dict)
    assert queue["waiting"] == 1
    assert queue["waiting_since"] == now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def test_administrators_see_a_pause_until_it_is_over() -> None:
    now = clock.now()
    assert (replicate()["paused_until"], replicate()["pause_reason"]) == (None, None)

    provider_state.pause(
        "replicate", until=now - timedelta(seconds=1), reason=PauseReason.SPEND, now=now
    )
    assert replicate()["paused_until"] is None
    provider_state.pause(
        "replicate", until=now + timedelta(hours=1), reason=PauseReason.SPEND, now=now
    )

    assert replicate()["paused_until"] is not None
    assert replicate()["pause_reason"] == "spend"


def test_users_do_not_see_providers() -> None:
    assert call_api("GET", "/admin/providers")[0] == 403


def test_a_waiting_job_shows_its_position(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)
    account = AccountId("web", "ann")
    other = held_job(account=AccountId("web", "bob"))
    first, second = held_job(account=account), held_job(account=account)
    now = clock.now()
    assert provider_queue.take(other, now=now)
    for job in (first, second):
        assert provider_queue.enqueue(job, "token", "entry", now=now)

    documents = {
        job.job_id: call_api("GET", f"/jobs/{job.job_id}", user="ann")[1] for job in (first, second)
    }
    listed = call_api("GET", "/jobs", user="ann")[1]["jobs"]

    assert [documents[job.job_id]["queue"]["ahead_of_yours"] for job in (first, second)] == [0, 1]
    assert {job["id"]: job["queue"] for job in listed} == {
        job_id: document["queue"] for job_id, document in documents.items()
    }
    assert documents[second.job_id]["deadline_at"] is None
    assert documents[second.job_id]["queue_until"] > documents[second.job_id]["created_at"]


def test_the_position_changes_when_a_job_ahead_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PREDICTIONS_IN_FLIGHT_MAX", 1)
    account = AccountId("web", "ann")
    first, second = held_job(account=account), held_job(account=account)
    now = clock.now()
    for job in (first, second):
        assert provider_queue.enqueue(job, "token", "entry", now=now)

    granted, _ = provider_queue.grant_next("replicate", now=now)

    assert granted
    assert granted.job_id == first.job_id
    assert positions([stored(first)], now=now) == {}
