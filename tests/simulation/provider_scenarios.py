"""Scenarios for each provider. The permission tests fail for a provider without scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulation.environment import Environment
from tests.simulation.interpreter import execution_arn
from tests.simulation.scenario_steps import Steps, call_with_retries
from tests.simulation.scenarios import Scenario


def _submit(environment: Environment, template: str, parameters: Mapping[str, Any]) -> str:
    response = call_with_retries(
        environment,
        "POST",
        "/jobs",
        body={"template": template, "parameters": parameters},
        headers={"idempotency-key": "first"},
    )
    assert response.status == 202, response
    job_id: str = response.document["id"]
    return job_id


def _complete(template: str, **parameters: Any) -> Steps:
    def steps(environment: Environment) -> None:
        _submit(environment, template, parameters)

    return steps


def _cancel(template: str, **parameters: Any) -> Steps:
    def steps(environment: Environment) -> None:
        job_id = _submit(environment, template, parameters)
        environment.event_queue.advance(2)
        assert call_with_retries(environment, "POST", f"/jobs/{job_id}/cancel").status in (202, 409)

    return steps


def _stop_execution(template: str, **parameters: Any) -> Steps:
    def steps(environment: Environment) -> None:
        job_id = _submit(environment, template, parameters)
        environment.event_queue.advance(2)
        environment.states.call("StopExecution", {"executionArn": execution_arn(job_id)})

    return steps


def _scenarios(template: str, **parameters: Any) -> tuple[Scenario, ...]:
    return (
        Scenario(
            f"{template} completes",
            _complete(template, **parameters),
            expected_statuses=("completed",),
        ),
        Scenario(
            f"{template} is canceled while it runs",
            _cancel(template, **parameters),
            expected_statuses=None,
        ),
        Scenario(
            f"{template} is ended by recovery",
            _stop_execution(template, **parameters),
            expected_statuses=None,
        ),
    )


PROVIDER_SCENARIOS: Mapping[str, tuple[Scenario, ...]] = {
    "replicate": _scenarios("flux-schnell", prompt="a lighthouse"),
    "runway": _scenarios("runway-gen4.5", prompt="the sea", duration=2),
    "stable_diffusion": (
        *_scenarios("sd-webui", prompt="a lighthouse", num_outputs=2),
        # The only request makes the whole prediction, so the end of the job frees the slot.
        Scenario(
            "sd-webui completes with one image",
            _complete("sd-webui", prompt="a lighthouse"),
            expected_statuses=("completed",),
        ),
    ),
}
"""The scenarios by the name of the provider's module."""
