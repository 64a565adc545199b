"""What the functions do with each provider. Every provider has its scenarios here, or the test of the permissions fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulation.environment import Environment
from tests.simulation.scenarios import Play, Scenario, asked


def _submit(environment: Environment, template: str, parameters: Mapping[str, Any]) -> str:
    answer = asked(
        environment,
        "POST",
        "/jobs",
        body={"template": template, "parameters": parameters},
        headers={"idempotency-key": "first"},
    )
    assert answer.status == 202, answer
    job_id: str = answer.document["id"]
    return job_id


def _complete(template: str, **parameters: Any) -> Play:
    def play(environment: Environment) -> None:
        _submit(environment, template, parameters)

    return play


def _cancel(template: str, **parameters: Any) -> Play:
    def play(environment: Environment) -> None:
        job_id = _submit(environment, template, parameters)
        environment.event_queue.pass_seconds(2)
        assert asked(environment, "POST", f"/jobs/{job_id}/cancel").status in (202, 409)

    return play


def _stop_execution(template: str, **parameters: Any) -> Play:
    def play(environment: Environment) -> None:
        job_id = _submit(environment, template, parameters)
        environment.event_queue.pass_seconds(2)
        environment.states.call("StopExecution", {"executionArn": f"execution:{job_id}"})

    return play


def _scenarios(template: str, **parameters: Any) -> tuple[Scenario, ...]:
    return (
        Scenario(f"{template} completes", _complete(template, **parameters), ends=("completed",)),
        Scenario(
            f"{template} is canceled while it runs", _cancel(template, **parameters), ends=None
        ),
        Scenario(
            f"{template} is ended by recovery", _stop_execution(template, **parameters), ends=None
        ),
    )


PROVIDER_SCENARIOS: Mapping[str, tuple[Scenario, ...]] = {
    "replicate": _scenarios("flux-schnell", prompt="a lighthouse"),
    "runway": _scenarios("runway-gen4.5", prompt="the sea", duration=2),
    "stable_diffusion": _scenarios("sd-webui", prompt="a lighthouse", num_outputs=2),
}
"""By the name of the provider's module."""
