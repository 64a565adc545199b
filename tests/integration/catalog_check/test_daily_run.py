"""The daily check of the catalog stores, counts and tells which templates drift."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any
from unittest import mock

import pytest
import requests

from darkroom import catalog, clock
from darkroom.aws import alarm_topic
from darkroom.aws.clients import client as aws_client
from darkroom.catalog.available_templates import available_templates
from darkroom.observability import metrics
from darkroom.services.check_catalog import check_catalog
from darkroom.storage import provider_state
from local.simulators.replicate import SimulatedReplicate
from tests.alarms import Datapoint, datapoints_in
from tests.aws import CONTEXT, handler_of
from tests.builders import call_api
from tests.integration.api.calls import ADMIN
from tests.integration.broken_aws import AwsError, failing_calls
from tests.integration.catalog_check.conftest import Change, Notifications
from tests.integration.steps import with_setting

KLING, FLUX = "kwaivgi/kling-v2.1", "black-forest-labs/flux-schnell"
SHORT_KLING = {"duration": {"type": "integer", "enum": [5], "default": 5}}
SHORT = "duration: the model does not accept 10. It accepts 5."

pytestmark = pytest.mark.usefixtures("simulated_replicate", "one_provider")


@pytest.fixture
def one_provider(simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch) -> None:
    with_setting(monkeypatch, "PROVIDERS", "replicate")


def run() -> None:
    check_catalog(now=clock.now())


def drifting() -> dict[str, str]:
    return dict(provider_state.read_state("replicate").drifting)


def run_function(capsys: pytest.CaptureFixture[str]) -> list[Datapoint]:
    """Invoke the function. Return the metrics that it wrote."""
    capsys.readouterr()
    metrics.clear_metrics()
    handler_of("check_catalog")({}, CONTEXT)
    lines = capsys.readouterr().out.splitlines()
    return [each for line in lines if '"_aws"' in line for each in datapoints_in(line)]


def values(datapoints: list[Datapoint], name: str) -> dict[Any, float]:
    """Return the values of a metric, by the template in its dimensions."""
    found: dict[Any, float] = defaultdict(float)
    for each in datapoints:
        if each.name == name:
            found[dict(each.dimensions).get("template")] += each.value
    return dict(found)


def test_a_catalog_without_drift_is_counted_and_tells_nobody(
    capsys: pytest.CaptureFixture[str], notifications: Notifications
) -> None:
    counted = run_function(capsys)

    assert values(counted, "TemplateDrift") == {None: 0}
    assert values(counted, "TemplatesChecked") == {None: len(available_templates())}
    assert (drifting(), notifications()) == ({}, [])


def test_a_changed_model_is_counted_and_told_with_its_template(
    capsys: pytest.CaptureFixture[str], notifications: Notifications, change: Change
) -> None:
    change(KLING, inputs=SHORT_KLING)

    counted = run_function(capsys)

    assert values(counted, "TemplateDrift") == {None: 1, "kling-v2.1": 1}
    assert drifting() == {"kling-v2.1": SHORT}
    (message,) = notifications()
    assert message["Subject"].endswith(": templates drift: kling-v2.1")
    assert f"kling-v2.1: {SHORT}" in message["Message"]
    assert provider_state.read_state("replicate").unavailable == {}


def test_administrators_see_the_difference(change: Change) -> None:
    change(KLING, inputs=SHORT_KLING)
    run()

    _, document, _ = call_api("GET", "/admin/providers", **ADMIN)

    (replicate,) = [each for each in document["providers"] if each["name"] == "replicate"]
    assert replicate["drifting_templates"] == [{"template": "kling-v2.1", "difference": SHORT}]


def test_a_known_difference_is_not_told_again_until_it_changes(
    notifications: Notifications, change: Change
) -> None:
    change(KLING, inputs=SHORT_KLING)
    run()
    assert len(notifications()) == 1

    run()
    assert notifications() == []

    change(KLING, inputs={"duration": {"type": "integer", "enum": [10], "default": 10}})
    run()
    assert len(notifications()) == 1


def test_the_drift_ends_with_the_difference(
    capsys: pytest.CaptureFixture[str], change: Change
) -> None:
    change(KLING, inputs=SHORT_KLING)
    run()
    change()

    assert values(run_function(capsys), "TemplateDrift") == {None: 0}
    assert drifting() == {}


def test_a_model_that_is_gone_makes_its_template_unavailable(change: Change) -> None:
    change(FLUX, retired=True)

    run()

    state = provider_state.read_state("replicate")
    assert set(state.drifting) == set(state.unavailable) == {"flux-schnell"}
    assert state.unavailable["flux-schnell"].reason == state.drifting["flux-schnell"]
    provider_state._recent_states.clear()
    body = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}
    status, problem, _ = call_api("POST", "/jobs", body=body)
    assert (status, problem["type"]) == (503, "/problems/model-unavailable")


def test_a_template_that_could_not_be_compared_keeps_its_last_result(
    capsys: pytest.CaptureFixture[str],
    notifications: Notifications,
    change: Change,
    simulated_replicate: SimulatedReplicate,
) -> None:
    change(KLING, inputs=SHORT_KLING)
    run()
    notifications()
    faults_url = f"{simulated_replicate.base_url}/faults"
    requests.put(faults_url, json={"unavailable": 1}, timeout=5).raise_for_status()

    counted = run_function(capsys)

    assert values(counted, "TemplatesChecked") == {None: 0}
    assert values(counted, "TemplateDrift") == {None: 1}
    assert (drifting(), notifications()) == ({"kling-v2.1": SHORT}, [])


def test_a_provider_whose_check_fails_does_not_stop_the_check_of_the_others(
    monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    change(KLING, inputs=SHORT_KLING)
    # The secret of this provider has no name, so each call fails.
    with_setting(monkeypatch, "PROVIDERS", "runway,replicate")

    run()

    assert drifting() == {"kling-v2.1": SHORT}
    assert provider_state.read_state("runway").drifting == {}


def test_the_result_is_stored_although_the_topic_refuses_the_message(
    notifications: Notifications, change: Change
) -> None:
    change(KLING, inputs=SHORT_KLING)

    with failing_calls(aws_client("sns"), "Publish", AwsError("AuthorizationError")) as outcomes:
        run()

    assert outcomes == ["AuthorizationError"]
    assert drifting() == {"kling-v2.1": SHORT}
    assert notifications() == []


def test_a_stack_without_a_topic_sends_no_message(change: Change) -> None:
    change(KLING, inputs=SHORT_KLING)

    with mock.patch.object(alarm_topic, "client") as client:
        run()

    client.assert_not_called()
    assert drifting() == {"kling-v2.1": SHORT}


def test_the_state_of_a_provider_stays_small_if_every_template_drifts(
    simulated_replicate: SimulatedReplicate, notifications: Notifications
) -> None:
    names = {
        each.model.partition(":")[0]
        for each in catalog.templates().values()
        if each.provider == "replicate"
    }
    changes = {name: {"required": [], "inputs": {"prompt": None, "seed": None}} for name in names}
    requests.put(
        f"{simulated_replicate.base_url}/sim/models", json=changes, timeout=5
    ).raise_for_status()

    run()

    assert len(drifting()) > 10
    assert all(len(text) <= 500 for text in drifting().values())
    assert len(json.dumps(drifting())) < 40_000
    (message,) = notifications()
    assert len(message["Subject"]) <= 100
    assert all(code in message["Message"] for code in drifting())
