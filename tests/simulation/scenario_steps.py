"""The steps of the scenarios: what the users do, in order."""

from __future__ import annotations

from collections.abc import Callable
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


def submit_as_any_sub(environment: Environment) -> None:
    sub = "G0/a+b==|#é"
    environment.open_account(sub, CREDITS)
    assert (
        call_with_retries(environment, "POST", "/jobs", user=sub, **submission(key="first")).status
        == 202
    )


def submit_once(environment: Environment) -> None:
    environment.api("POST", "/jobs", **submission())


def submit(environment: Environment, *, outputs: int = 1, key: str = "first") -> str:
    response = call_with_retries(
        environment, "POST", "/jobs", **submission(outputs=outputs, key=key)
    )
    assert response.status == 202, response
    job_id: str = response.document["id"]
    return job_id


def submit_with_an_image(environment: Environment) -> None:
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


def submit_and_repeat(environment: Environment) -> None:
    job_id = submit(environment)
    for _ in range(2):
        assert submit(environment) == job_id
        environment.settle()


def submit_four(environment: Environment) -> None:
    submit(environment, outputs=4)


def submit_two(environment: Environment) -> None:
    submit(environment)
    submit(environment, key="second")


def cancel_after(seconds: float) -> Steps:
    def steps(environment: Environment) -> None:
        job_id = submit(environment)
        environment.event_queue.advance(seconds)
        assert call_with_retries(environment, "POST", f"/jobs/{job_id}/cancel").status in (202, 409)

    return steps


def submit_as_two_accounts(environment: Environment) -> None:
    for user in ("ann", "bob"):
        if user != "ann":
            environment.open_account(user, CREDITS)
        response = call_with_retries(
            environment, "POST", "/jobs", user=user, **submission(key="first")
        )
        assert response.status == 202, response


def cancel_while_queued(environment: Environment) -> str:
    submit(environment)
    environment.event_queue.advance(1)
    path = f"/jobs/{submit(environment, key='second')}"
    environment.event_queue.advance(1)
    assert call_with_retries(environment, "POST", f"{path}/cancel").status in (202, 409)
    return path


def delete_while_queued(environment: Environment) -> None:
    path = cancel_while_queued(environment)
    environment.event_queue.advance(2)
    assert call_with_retries(environment, "DELETE", path).status in (204, 404, 409)


def submit_during_a_provider_pause(environment: Environment) -> None:
    until = environment.event_queue.now + timedelta(seconds=30)
    provider_state.pause(
        "replicate", until=until, reason=PauseReason.SPEND, now=environment.event_queue.now
    )
    submit(environment)


def submit_to_a_refused_account(environment: Environment) -> None:
    submit(environment)
    environment.event_queue.advance(70)
    environment.replicate.fault_profile.responses = "normal"


def cancel_at_a_refused_account(environment: Environment) -> None:
    job_id = submit(environment)
    environment.event_queue.advance(2)
    assert call_with_retries(environment, "POST", f"/jobs/{job_id}/cancel").status in (202, 409)
    environment.event_queue.advance(5)
    environment.replicate.fault_profile.responses = "normal"


def submit_to_a_retired_model(environment: Environment) -> None:
    submit(environment)
    environment.event_queue.advance(2)
    refused = call_with_retries(environment, "POST", "/jobs", **submission(key="second"))
    # After a crash, the first job has not reached the provider yet.
    assert refused.status in (202, 503)
    environment.replicate.fault_profile.responses = "normal"
    environment.event_queue.advance(200)
    if refused.status == 503:
        assert refused.document["template"] == "flux-schnell"
        submit(environment, key="second")


def cancel_the_first_of_two(environment: Environment) -> None:
    job_id = submit(environment)
    call_with_retries(environment, "POST", f"/jobs/{job_id}/cancel")
    submit(environment, key="second")


def delete(environment: Environment) -> None:
    job_id = submit(environment)
    environment.settle()
    assert call_with_retries(environment, "DELETE", f"/jobs/{job_id}").status in (204, 404)
    assert call_with_retries(environment, "GET", f"/jobs/{job_id}").status == 404
    environment.settle()
    assert not environment.cloud.objects


def rerun(environment: Environment) -> None:
    job_id = submit(environment)
    environment.settle()
    response = call_with_retries(
        environment,
        "POST",
        "/jobs",
        body={"rerun_of": job_id},
        headers={"idempotency-key": "again"},
    )
    assert (response.status, response.document["id"] != job_id) == (202, True), response


def welcome(environment: Environment) -> None:
    for _ in range(2):
        assert (
            call_with_retries(environment, "GET", "/credits", user="new").document["granted"]
            == WELCOME_CREDITS
        )
    response = call_with_retries(
        environment, "POST", "/jobs", user="new", **submission(key="first")
    )
    assert response.status == 202, response


def grant_and_correct(environment: Environment) -> None:
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


def pause(environment: Environment) -> None:
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


def audit(environment: Environment) -> None:
    submit(environment)
    environment.settle()
    days = [environment.invoke("audit_accounts", {}) for _ in range(3)]
    # A crash may end one run. The next run continues where it stopped.
    assert sum(run.error is None for run in days) >= len(days) - 1


def check_catalog(environment: Environment) -> None:
    """Compare the templates with their models on two days."""
    days = [environment.invoke("check_catalog", {}) for _ in range(2)]
    # A crash may end one run. The next run compares all templates again.
    assert any(run.error is None for run in days)


def stop_by_hand(environment: Environment) -> None:
    job_id = submit(environment)
    environment.event_queue.advance(2)
    environment.states.call("StopExecution", {"executionArn": execution_arn(job_id)})


def expire(environment: Environment) -> None:
    submit(environment)
    environment.settle()
    environment.event_queue.skip_seconds(timedelta(days=1).total_seconds())
    environment.event_queue.advance(120)
    environment.settle()
    assert not environment.cloud.objects


def provider_recovers(**before: Any) -> Steps:
    def steps(environment: Environment) -> None:
        submit(environment)
        environment.event_queue.advance(1)
        environment.replicate.fault_profile.responses = "normal"

    return steps
