"""Scenarios: the requests of a user for one or two jobs, until nothing is scheduled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation import scenario_steps as steps
from tests.simulation.environment import Environment
from tests.simulation.scenario_steps import CREDITS, WELCOME_CREDITS, Steps

ONE_SLOT = {"PREDICTIONS_IN_FLIGHT_MAX": "1"}
SLOW = {"run_seconds": 20}


@dataclass(frozen=True)
class Scenario:
    """One scenario.

    No single crash may change `expected_statuses`, the final statuses of its jobs. None: a crash
    may decide which of two events is first, and so change a status. `fault_profile` sets attributes
    of the provider's FaultProfile.
    """

    name: str
    steps: Steps
    expected_statuses: tuple[str, ...] | None
    fault_profile: Mapping[str, Any] = field(default_factory=dict)
    webhooks: str = "sent"
    variables: Mapping[str, str] = field(default_factory=dict)

    def run(self, environment: Environment) -> None:
        """Run the scenario in an environment until it is quiet."""
        for name, value in self.fault_profile.items():
            setattr(
                environment.replicate.fault_profile,
                name,
                list(value) if isinstance(value, tuple) else value,
            )
        environment.webhooks = self.webhooks
        environment.open_account("ann", CREDITS)
        self.steps(environment)
        environment.settle()


SCENARIOS = (
    Scenario("without a key", steps.submit_once, expected_statuses=None),
    Scenario("with a key, repeated", steps.submit_and_repeat, expected_statuses=("completed",)),
    Scenario(
        "with an uploaded image", steps.submit_with_an_image, expected_statuses=("completed",)
    ),
    Scenario(
        "of a user whose sub has special characters",
        steps.submit_as_any_sub,
        expected_statuses=("completed",),
    ),
    Scenario(
        "refused by the model",
        steps.submit_four,
        expected_statuses=("failed",),
        fault_profile={"outcome": "is flagged"},
    ),
    Scenario(
        "all webhooks lost",
        steps.submit_four,
        expected_statuses=("completed",),
        webhooks="lost",
        fault_profile={"run_seconds": 20},
    ),
    Scenario(
        "without a public URL for webhooks",
        steps.submit_four,
        expected_statuses=None,
        fault_profile={"run_seconds": 20},
        variables={"PUBLIC_URL": ""},
    ),
    Scenario("delivered in part", steps.submit_four, ("completed",), {"outcome": "gives fewer"}),
    Scenario("file cut at its first download", steps.submit, ("completed",), {"files": "cut once"}),
    Scenario(
        "prediction interrupted once",
        steps.submit_four,
        expected_statuses=("completed",),
        fault_profile={"outcomes": ("is interrupted",)},
    ),
    Scenario(
        "response to the create lost",
        steps.provider_recovers(),
        expected_statuses=("completed",),
        fault_profile={"responses": "create response lost"},
    ),
    Scenario(
        "503 although the prediction was created",
        steps.provider_recovers(),
        expected_statuses=("completed",),
        fault_profile={"responses": "unavailable, but created"},
    ),
    Scenario(
        "one create makes two predictions",
        steps.submit_four,
        expected_statuses=("completed",),
        fault_profile={"doubles": 1},
    ),
    Scenario(
        "two jobs and one slot",
        steps.submit_two,
        expected_statuses=("completed", "completed"),
        variables=ONE_SLOT,
    ),
    Scenario(
        "two accounts and one slot",
        steps.submit_as_two_accounts,
        expected_statuses=("completed", "completed"),
        variables=ONE_SLOT,
    ),
    Scenario("canceled while queued", steps.cancel_while_queued, None, SLOW, variables=ONE_SLOT),
    Scenario("deleted while queued", steps.delete_while_queued, None, SLOW, variables=ONE_SLOT),
    Scenario(
        "too long in the queue",
        steps.submit_two,
        expected_statuses=None,
        fault_profile={"run_seconds": 100},
        variables=ONE_SLOT | {"QUEUE_SECONDS_MAX": "60"},
    ),
    Scenario(
        "during a pause of the provider",
        steps.submit_during_a_provider_pause,
        expected_statuses=("completed",),
    ),
    Scenario(
        "account refused, then accepted",
        steps.submit_to_a_refused_account,
        expected_statuses=("completed",),
        fault_profile={"responses": "account refused"},
    ),
    Scenario(
        "canceled while the account is refused",
        steps.cancel_at_a_refused_account,
        expected_statuses=("canceled",),
        fault_profile={"responses": "account refused"},
    ),
    Scenario(
        "model retired, then offered again",
        steps.submit_to_a_retired_model,
        expected_statuses=None,
        fault_profile={"responses": "model retired"},
    ),
    Scenario("canceled before it runs", steps.cancel_after(0), expected_statuses=None),
    Scenario("canceled while it runs", steps.cancel_after(2), expected_statuses=None),
    Scenario(
        "two jobs, the first canceled before it runs",
        steps.cancel_the_first_of_two,
        expected_statuses=None,
    ),
    Scenario("deleted", steps.delete, expected_statuses=()),
    Scenario("rerun", steps.rerun, expected_statuses=("completed", "completed")),
    Scenario(
        "welcome credits",
        steps.welcome,
        expected_statuses=("completed",),
        variables={"WELCOME_CREDITS": str(WELCOME_CREDITS)},
    ),
    Scenario("granted and corrected", steps.grant_and_correct, expected_statuses=()),
    Scenario("paused", steps.pause, expected_statuses=("completed",)),
    Scenario("audited", steps.audit, expected_statuses=("completed",)),
    Scenario("catalog checked", steps.check_catalog, expected_statuses=()),
    Scenario("execution stopped by hand", steps.stop_by_hand, expected_statuses=None),
    Scenario(
        "expired after its retention",
        steps.expire,
        expected_statuses=(),
        variables={"RETENTION_DAYS": "1"},
    ),
)
