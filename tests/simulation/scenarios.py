"""Scenarios: the requests of a user for one or two jobs, until nothing is scheduled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any

from PIL import Image

from darkroom.domain.provider_health import PauseReason
from darkroom.storage import provider_state
from tests.simulation.environment import Environment
from tests.simulation.http_response import Response
from tests.simulation.interpreter import execution_arn

type Steps = Callable[[Environment], object]

CALLBACK_URL = "http://callback.test/ended"
CREDITS = 100
WELCOME_CREDITS = 30
ADMIN = {"user": "admin", "cognito:groups": "[admin]"}
TRIES_MAX = 3
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


def call_with_retries(environment: Environment, method: str, path: str, **event: Any) -> Response:
    """Call the API as a patient client: repeat the same request until there is a response."""
    responses: list[Response] = []
    for _ in range(TRIES_MAX):
        environment.api(method, path, on_response=responses.append, **event)
        if not responses or responses[-1].is_unknown:
            environment.event_queue.advance(2)
        if responses and not responses[-1].is_unknown:
            return responses[-1]
    raise AssertionError(f"no response to {method} {path} after {TRIES_MAX} tries")


def submission(*, outputs: int = 1, key: str | None = None) -> dict[str, Any]:
    """Return the arguments of a request for a job."""
    body = {
        "template": "flux-schnell",
        "parameters": {"prompt": "a lighthouse", "num_outputs": outputs},
        "callback_url": CALLBACK_URL,
    }
    return {"body": body, "headers": {"idempotency-key": key} if key else {}}


def _submit_as_any_sub(environment: Environment) -> None:
    sub = "G0/a+b==|#é"
    environment.open_account(sub, CREDITS)
    assert (
        call_with_retries(environment, "POST", "/jobs", user=sub, **submission(key="first")).status
        == 202
    )


def _submit_once(environment: Environment) -> None:
    environment.api("POST", "/jobs", **submission())


def _submit(environment: Environment, *, outputs: int = 1, key: str = "first") -> str:
    response = call_with_retries(
        environment, "POST", "/jobs", **submission(outputs=outputs, key=key)
    )
    assert response.status == 202, response
    job_id: str = response.document["id"]
    return job_id


def _submit_with_an_image(environment: Environment) -> None:
    file = BytesIO()
    Image.new("RGB", (1_200, 6), "tomato").save(file, "PNG")
    upload = call_with_retries(
        environment, "POST", "/uploads", body={"content_type": "image/png", "bytes": 1_000}
    ).document
    environment.cloud.objects[upload["fields"]["key"]] = file.getvalue()
    prepared = call_with_retries(
        environment, "POST", f"/uploads/{upload['upload_id']}/complete", function="prepare_upload"
    )
    assert (prepared.status, prepared.document["width"]) == (200, 1_024), prepared
    extensions = sorted(key.partition(".")[2] for key in environment.cloud.objects)
    assert extensions == ["2048.jpg", "jpg"]
    body = {
        "template": "flux-dev",
        "parameters": {"prompt": "a lighthouse", "image": upload["upload_id"]},
        "callback_url": CALLBACK_URL,
    }
    assert (
        call_with_retries(
            environment, "POST", "/jobs", body=body, headers={"idempotency-key": "first"}
        ).status
        == 202
    )


def _submit_and_repeat(environment: Environment) -> None:
    job_id = _submit(environment)
    for _ in range(2):
        assert _submit(environment) == job_id
        environment.settle()


def _submit_four(environment: Environment) -> None:
    _submit(environment, outputs=4)


def _submit_two(environment: Environment) -> None:
    _submit(environment)
    _submit(environment, key="second")


def _cancel_after(seconds: float) -> Steps:
    def steps(environment: Environment) -> None:
        job_id = _submit(environment)
        environment.event_queue.advance(seconds)
        assert call_with_retries(environment, "POST", f"/jobs/{job_id}/cancel").status in (202, 409)

    return steps


def _submit_as_two_accounts(environment: Environment) -> None:
    for user in ("ann", "bob"):
        if user != "ann":
            environment.open_account(user, CREDITS)
        response = call_with_retries(
            environment, "POST", "/jobs", user=user, **submission(key="first")
        )
        assert response.status == 202, response


def _cancel_while_queued(environment: Environment) -> str:
    _submit(environment)
    environment.event_queue.advance(1)
    path = f"/jobs/{_submit(environment, key='second')}"
    environment.event_queue.advance(1)
    assert call_with_retries(environment, "POST", f"{path}/cancel").status in (202, 409)
    return path


def _delete_while_queued(environment: Environment) -> None:
    path = _cancel_while_queued(environment)
    environment.event_queue.advance(2)
    assert call_with_retries(environment, "DELETE", path).status in (204, 404, 409)


def _submit_during_a_provider_pause(environment: Environment) -> None:
    until = environment.event_queue.now + timedelta(seconds=30)
    provider_state.pause(
        "replicate", until=until, reason=PauseReason.SPEND, now=environment.event_queue.now
    )
    _submit(environment)


def _submit_to_a_refused_account(environment: Environment) -> None:
    _submit(environment)
    environment.event_queue.advance(70)
    environment.replicate.fault_profile.responses = "normal"


def _cancel_at_a_refused_account(environment: Environment) -> None:
    job_id = _submit(environment)
    environment.event_queue.advance(2)
    assert call_with_retries(environment, "POST", f"/jobs/{job_id}/cancel").status in (202, 409)
    environment.event_queue.advance(5)
    environment.replicate.fault_profile.responses = "normal"


def _submit_to_a_retired_model(environment: Environment) -> None:
    _submit(environment)
    environment.event_queue.advance(2)
    refused = call_with_retries(environment, "POST", "/jobs", **submission(key="second"))
    # After a crash, the first job has not reached the provider yet.
    assert refused.status in (202, 503)
    environment.replicate.fault_profile.responses = "normal"
    environment.event_queue.advance(200)
    if refused.status == 503:
        assert refused.document["template"] == "flux-schnell"
        _submit(environment, key="second")


def _cancel_the_first_of_two(environment: Environment) -> None:
    job_id = _submit(environment)
    call_with_retries(environment, "POST", f"/jobs/{job_id}/cancel")
    _submit(environment, key="second")


def _delete(environment: Environment) -> None:
    job_id = _submit(environment)
    environment.settle()
    assert call_with_retries(environment, "DELETE", f"/jobs/{job_id}").status in (204, 404)
    assert call_with_retries(environment, "GET", f"/jobs/{job_id}").status == 404
    environment.settle()
    assert not environment.cloud.objects


def _rerun(environment: Environment) -> None:
    job_id = _submit(environment)
    environment.settle()
    response = call_with_retries(
        environment,
        "POST",
        "/jobs",
        body={"rerun_of": job_id},
        headers={"idempotency-key": "again"},
    )
    assert (response.status, response.document["id"] != job_id) == (202, True), response


def _welcome(environment: Environment) -> None:
    for _ in range(2):
        assert (
            call_with_retries(environment, "GET", "/credits", user="new").document["granted"]
            == WELCOME_CREDITS
        )
    response = call_with_retries(
        environment, "POST", "/jobs", user="new", **submission(key="first")
    )
    assert response.status == 202, response


def _grant_and_correct(environment: Environment) -> None:
    for amount, reference in ((50, "gift"), (-30, "mistake"), (50, "gift"), (-30, "mistake")):
        body = {"amount": amount, "reason": "a present", "reference": reference, "create": True}
        response = call_with_retries(
            environment, "POST", "/accounts/web/ann/credits", body=body, **ADMIN
        )
        assert response.status in (200, 201), response
    assert (
        call_with_retries(environment, "GET", "/accounts/web/ann", **ADMIN).document["granted"]
        == CREDITS + 50 - 30
    )


def _pause(environment: Environment) -> None:
    for paused, status in ((True, 503), (False, 202)):
        assert (
            call_with_retries(
                environment, "PUT", "/admin/paused", body={"paused": paused}, **ADMIN
            ).status
            == 200
        )
        assert (
            call_with_retries(environment, "POST", "/jobs", **submission(key="first")).status
            == status
        )


def _audit(environment: Environment) -> None:
    _submit(environment)
    environment.settle()
    days = [environment.invoke("audit_accounts", {}) for _ in range(3)]
    # A crash may end one run. The next run continues where it stopped.
    assert sum(run.error is None for run in days) >= len(days) - 1


def _stop_by_hand(environment: Environment) -> None:
    job_id = _submit(environment)
    environment.event_queue.advance(2)
    environment.states.call("StopExecution", {"executionArn": execution_arn(job_id)})


def _expire(environment: Environment) -> None:
    _submit(environment)
    environment.settle()
    environment.event_queue.skip_seconds(timedelta(days=1).total_seconds())
    environment.event_queue.advance(120)
    environment.settle()
    assert not environment.cloud.objects


def _provider_recovers(**before: Any) -> Steps:
    def steps(environment: Environment) -> None:
        _submit(environment)
        environment.event_queue.advance(1)
        environment.replicate.fault_profile.responses = "normal"

    return steps


SCENARIOS = (
    Scenario("without a key", _submit_once, expected_statuses=None),
    Scenario("with a key, repeated", _submit_and_repeat, expected_statuses=("completed",)),
    Scenario("with an uploaded image", _submit_with_an_image, expected_statuses=("completed",)),
    Scenario(
        "of a user whose sub has special characters",
        _submit_as_any_sub,
        expected_statuses=("completed",),
    ),
    Scenario(
        "refused by the model",
        _submit_four,
        expected_statuses=("failed",),
        fault_profile={"outcome": "is flagged"},
    ),
    Scenario(
        "all webhooks lost",
        _submit_four,
        expected_statuses=("completed",),
        webhooks="lost",
        fault_profile={"run_seconds": 20},
    ),
    Scenario(
        "without a public URL for webhooks",
        _submit_four,
        expected_statuses=None,
        fault_profile={"run_seconds": 20},
        variables={"PUBLIC_URL": ""},
    ),
    Scenario("delivered in part", _submit_four, ("completed",), {"outcome": "gives fewer"}),
    Scenario("file cut at its first download", _submit, ("completed",), {"files": "cut once"}),
    Scenario(
        "prediction interrupted once",
        _submit_four,
        expected_statuses=("completed",),
        fault_profile={"outcomes": ("is interrupted",)},
    ),
    Scenario(
        "response to the create lost",
        _provider_recovers(),
        expected_statuses=("completed",),
        fault_profile={"responses": "create response lost"},
    ),
    Scenario(
        "503 although the prediction was created",
        _provider_recovers(),
        expected_statuses=("completed",),
        fault_profile={"responses": "unavailable, but created"},
    ),
    Scenario(
        "one create makes two predictions",
        _submit_four,
        expected_statuses=("completed",),
        fault_profile={"doubles": 1},
    ),
    Scenario(
        "two jobs and one slot",
        _submit_two,
        expected_statuses=("completed", "completed"),
        variables=ONE_SLOT,
    ),
    Scenario(
        "two accounts and one slot",
        _submit_as_two_accounts,
        expected_statuses=("completed", "completed"),
        variables=ONE_SLOT,
    ),
    Scenario("canceled while queued", _cancel_while_queued, None, SLOW, variables=ONE_SLOT),
    Scenario("deleted while queued", _delete_while_queued, None, SLOW, variables=ONE_SLOT),
    Scenario(
        "too long in the queue",
        _submit_two,
        expected_statuses=None,
        fault_profile={"run_seconds": 100},
        variables=ONE_SLOT | {"QUEUE_SECONDS_MAX": "60"},
    ),
    Scenario(
        "during a pause of the provider",
        _submit_during_a_provider_pause,
        expected_statuses=("completed",),
    ),
    Scenario(
        "account refused, then accepted",
        _submit_to_a_refused_account,
        expected_statuses=("completed",),
        fault_profile={"responses": "account refused"},
    ),
    Scenario(
        "canceled while the account is refused",
        _cancel_at_a_refused_account,
        expected_statuses=("canceled",),
        fault_profile={"responses": "account refused"},
    ),
    Scenario(
        "model retired, then offered again",
        _submit_to_a_retired_model,
        expected_statuses=None,
        fault_profile={"responses": "model retired"},
    ),
    Scenario("canceled before it runs", _cancel_after(0), expected_statuses=None),
    Scenario("canceled while it runs", _cancel_after(2), expected_statuses=None),
    Scenario(
        "two jobs, the first canceled before it runs",
        _cancel_the_first_of_two,
        expected_statuses=None,
    ),
    Scenario("deleted", _delete, expected_statuses=()),
    Scenario("rerun", _rerun, expected_statuses=("completed", "completed")),
    Scenario(
        "welcome credits",
        _welcome,
        expected_statuses=("completed",),
        variables={"WELCOME_CREDITS": str(WELCOME_CREDITS)},
    ),
    Scenario("granted and corrected", _grant_and_correct, expected_statuses=()),
    Scenario("paused", _pause, expected_statuses=("completed",)),
    Scenario("audited", _audit, expected_statuses=("completed",)),
    Scenario("execution stopped by hand", _stop_by_hand, expected_statuses=None),
    Scenario(
        "expired after its retention",
        _expire,
        expected_statuses=(),
        variables={"RETENTION_DAYS": "1"},
    ),
)
