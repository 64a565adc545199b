"""An operator sees the incidents of providers, of their slots and of their queues."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import requests

from local.stack import LocalStack
from tests.builders import until
from tests.integration.operator_view import Operator, Table, failing_aws

SCHNELL = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}
STATE = {"pk": {"S": "SLOT#replicate"}, "sk": {"S": "state"}}
RUNWAY_STATE = {"pk": {"S": "SLOT#runway"}, "sk": {"S": "state"}}


def test_a_provider_that_reaches_the_daily_ceiling(
    operator: Operator, table: Table, user: str
) -> None:
    key = {"pk": {"S": "SPEND#replicate"}, "sk": {"S": f"{datetime.now(UTC):%Y-%m-%d}"}}

    def submit_after(micro_usd: int) -> None:
        """Submit an image of 3,000 micro-USD after this spend, and wait until it is counted."""
        table.put({**key, "micro_usd": {"N": str(micro_usd)}})
        operator.submit(user)
        until(lambda: int(table.item(key)["micro_usd"]["N"]) == micro_usd + 3_000)

    submit_after(796_999)
    assert operator.state("SpendNearCeilingAlarm") == "OK"
    submit_after(797_000)
    operator.must_ring("SpendNearCeilingAlarm")
    submit_after(996_999)
    assert operator.state("SpendCeilingReachedAlarm") == "OK"
    submit_after(997_000)
    operator.must_ring("SpendCeilingReachedAlarm")

    refused = operator.call("POST", "/jobs", user, json=SCHNELL)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/provider-paused")
    table.put({**key, "micro_usd": {"N": "0"}})
    table.put(STATE)
    operator.submit(user)


@pytest.mark.parametrize("fault", ["unauthenticated", "no_credit"])
def test_a_provider_that_rejects_the_account(
    operator: Operator, table: Table, user: str, fault: str
) -> None:
    assert operator.state("ProviderAccountRefusedAlarm") == "OK"

    operator.set_faults(**{fault: 1})
    job_id = operator.submit(user)

    operator.must_ring("ProviderAccountRefusedAlarm")
    until(lambda: table.item(STATE).get("pause_reason") == {"S": "account"})
    operator.set_faults()
    operator.cancel(user, job_id)
    assert operator.counted("JobsFailed") == 0, "the job waits"
    assert operator.state("ProvidersPausedAlarm") == "OK"
    operator.run_recovery()
    operator.must_ring("ProvidersPausedAlarm")


def test_faults_in_a_row_over_three_templates(operator: Operator, table: Table, user: str) -> None:
    faults = {"count": 9, "templates": ["flux-dev", "sdxl"], "accounts": ["web/a", "web/b"]}
    table.put(STATE | {"faults": {"S": json.dumps(faults, separators=(",", ":"))}})
    operator.run_recovery()
    assert operator.state("ProvidersPausedAlarm") == "OK"

    operator.set_faults(no_output=1)
    operator.submit(user)
    until(lambda: "pause_reason" in table.item(STATE))
    operator.run_recovery()

    operator.must_ring("ProvidersPausedAlarm")
    assert table.item(STATE)["pause_reason"]["S"] == "faults"
    operator.set_faults()


def test_a_model_that_is_retired(operator: Operator, user: str) -> None:
    operator.set_faults(refuse=1, refusal="detail_only")
    operator.submit(user)
    until(lambda: operator.counted("JobsFailed"))
    assert operator.state("ModelsUnavailableAlarm") == "OK"

    operator.set_faults(refuse=1)
    operator.submit(user)

    operator.must_ring("ModelsUnavailableAlarm")
    refused = operator.call("POST", "/jobs", user, json=SCHNELL)
    # The API may have read the state of the provider up to ten seconds before.
    assert refused.status_code == 202 or refused.json()["template"] == "flux-schnell"
    # A job of an earlier test can complete meanwhile.
    *_, line = (each for each in operator.lines("job ended") if "failure" in each)
    assert (line["template"], line["failure"]) == ("flux-schnell", "model_unavailable")
    assert [each["status"] for each in operator.lines("provider refused")] == [422, 422]
    operator.set_faults()


def test_a_provider_that_moves_its_files(operator: Operator, user: str) -> None:
    operator.set_faults(break_download=1, download_answer="gone")
    operator.submit(user)
    until(lambda: operator.counted("JobsFailed"))
    assert operator.state("OutputHostsRefusedAlarm") == "OK"

    operator.set_faults(delivery_host="files.moved.example")
    operator.submit(user)

    operator.must_ring("OutputHostsRefusedAlarm")
    assert [each["hosts"] for each in operator.lines("links ignored")] == [["files.moved.example"]]
    operator.set_faults()


def test_a_provider_without_a_token(operator: Operator, stack: LocalStack, user: str) -> None:
    stack.kill_execution_environments("RequestPredictionFunction")  # They cache the token.

    with failing_aws("secretsmanager.GetSecretValue", "ResourceNotFoundException"):
        job_id = operator.submit(user)
        operator.must_ring("ProviderAccountRefusedAlarm")
        operator.cancel(user, job_id)

    assert operator.state("ProviderUnavailableAlarm") == "OK"


@pytest.mark.parametrize("fault", ["unauthenticated", "no_credits", "daily_limit"])
def test_runway_rejects_the_account_or_has_used_up_its_day(
    operator: Operator, stack: LocalStack, user: str, fault: str
) -> None:
    faults_url = f"{stack.runway_url}/faults"
    body = {"template": "runway-gen4.5", "parameters": {"prompt": "the sea", "duration": 2}}
    assert operator.state("ProviderAccountRefusedAlarm") == "OK"
    requests.put(faults_url, json={fault: 1}, timeout=5).raise_for_status()

    submitted = operator.call("POST", "/jobs", user, json=body)

    operator.must_ring("ProviderAccountRefusedAlarm")
    operator.cancel(user, submitted.json()["id"])
    requests.put(faults_url, json={}, timeout=5).raise_for_status()


def test_a_provider_that_is_down(operator: Operator, user: str) -> None:
    operator.set_faults(unavailable=1)

    operator.submit(user)
    until(lambda: operator.counted("ProviderUnavailable"))
    seen = [each for each in operator.datapoints() if each.name == "ProviderUnavailable"]
    # The retries of the job come seconds later, so the job does not reach the edge by itself.
    assert operator.state("ProviderUnavailableAlarm", also=seen[:1] * (4 - len(seen))) == "OK"
    for _ in range(4):
        operator.submit(user)

    operator.must_ring("ProviderUnavailableAlarm")
    operator.set_faults()
    assert operator.state("ProviderAccountRefusedAlarm") == "OK"


def test_a_leaked_slot(operator: Operator, table: Table) -> None:
    operator.run_recovery()
    until(lambda: operator.counted("RecoveryRuns"))
    assert operator.state("SlotsLeakedAlarm") == "OK"

    table.put(
        {
            "pk": {"S": "SLOT#replicate"},
            "sk": {"S": "004"},
            "holder": {"S": f"web/nobody/{uuid4()}"},
            "taken_at": {"S": "2026-01-02T00:00:00.000000+0000"},
        }
    )
    operator.run_recovery()

    operator.must_ring("SlotsLeakedAlarm")


def queue_entry(
    holder: str, enqueued_at: str = "2026-01-02T00:00:00.000000+0000"
) -> dict[str, Any]:
    return {
        "pk": {"S": "QUEUE#runway"},
        "sk": {"S": f"{0:017d}#{enqueued_at}#{uuid4()}"},
        "holder": {"S": holder},
        "start": {"N": "0"},
        "finish": {"N": "5000"},
        "enqueued_at": {"S": enqueued_at},
    }


def test_a_job_that_waits_too_long(operator: Operator, table: Table) -> None:
    operator.run_recovery()
    until(lambda: operator.counted("RecoveryRuns"))
    assert operator.state("QueueAgeAlarm") == "OK"

    table.put(queue_entry(f"web/nobody/{uuid4()}"))
    operator.run_recovery()

    operator.must_ring("QueueAgeAlarm")


def test_a_paused_provider(operator: Operator, table: Table) -> None:
    operator.run_recovery()
    assert operator.state("ProvidersPausedAlarm") == "OK"
    state = RUNWAY_STATE | {"pause_reason": {"S": "spend"}}

    table.put(state | {"paused_until": {"S": "2100-01-01T00:00:00.000000+0000"}})
    operator.run_recovery()

    operator.must_ring("ProvidersPausedAlarm")
    table.put(state | {"paused_until": {"S": "2026-01-02T00:00:00.000000+0000"}})


def test_a_queue_that_gives_no_slots(operator: Operator, table: Table) -> None:
    unreadable = queue_entry("not a job")
    table.put(unreadable)
    for _ in range(2):
        operator.run_recovery()
    until(lambda: operator.counted("DispatchesFailed") == 2)
    assert operator.state("DispatchesFailedAlarm") == "OK"

    operator.run_recovery()

    operator.must_ring("DispatchesFailedAlarm")
    table.put(unreadable | {"holder": {"S": f"web/nobody/{uuid4()}"}})
