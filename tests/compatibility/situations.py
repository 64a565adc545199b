"""The situations in which a deployment can find a job, and how to get into each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any

from PIL import Image

from tests.simulation.calls import KILL_AFTER, KILL_BEFORE, THROTTLED, Call, Fault, FaultKind
from tests.simulation.environment import Environment
from tests.simulation.scenario_steps import ADMIN, call_with_retries, submission

type Steps = Callable[[Environment], object]

CREDITS = 100
_DAY_SECONDS = timedelta(days=1).total_seconds()
_RUN_NUMBERS_MAX = 1_000


@dataclass(frozen=True)
class FaultAt:
    """A fault at the call `call` of a function. `number` counts these calls from one."""

    function: str
    call: str
    fault: Fault
    number: int = 1


@dataclass(frozen=True)
class Situation:
    """One situation.

    `steps` act as the user. With `at`, the situation is that after the fault. `paths` are read from
    the API in addition to each job and the balance.
    """

    name: str
    meaning: str
    steps: Steps
    at: FaultAt | None = None
    webhooks: str = "sent"
    fault_profile: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()

    def reach(self, environment: Environment) -> None:
        """Run the environment into this situation."""
        count = 0

        def fault_at(call: Call) -> Fault | None:
            nonlocal count
            if self.at and (call.function, call.name) == (self.at.function, self.at.call):
                count += 1
                return self.at.fault if count == self.at.number else None
            return None

        environment.fault_at = fault_at
        environment.webhooks = self.webhooks
        for name, value in self.fault_profile.items():
            setattr(environment.replicate.fault_profile, name, value)
        environment.open_account("ann", CREDITS)
        self.steps(environment)
        for _ in range(_RUN_NUMBERS_MAX):
            if self.at is None or count >= self.at.number:
                return
            environment.event_queue.run_next()
        raise AssertionError(f"{self.name}: the call {self.at} was not made")


def submit_two_images(environment: Environment, key: str = "first") -> str:
    """Submit a job with an idempotency key, and return its id."""
    event = submission(outputs=2, key=key)
    event["body"]["metadata"] = {"order": "17"}
    response = call_with_retries(environment, "POST", "/jobs", **event)
    assert response.status == 202, response
    job_id: str = response.document["id"]
    return job_id


def _submit_template(template: str, **parameters: Any) -> Steps:
    body = {"template": template, "parameters": parameters}
    return lambda environment: call_with_retries(environment, "POST", "/jobs", body=body)


def _request_video(environment: Environment) -> None:
    _submit_template("runway-gen4.5", prompt="the sea", duration=2)(environment)
    environment.event_queue.advance(1)


def _after(seconds: float) -> Steps:
    def steps(environment: Environment) -> None:
        submit_two_images(environment)
        environment.event_queue.advance(seconds)

    return steps


def _settled(environment: Environment) -> str:
    job_id = submit_two_images(environment)
    environment.settle()
    return job_id


def _cancel_after(seconds: float) -> Steps:
    def steps(environment: Environment) -> None:
        job_id = submit_two_images(environment)
        environment.event_queue.advance(seconds)
        call_with_retries(environment, "POST", f"/jobs/{job_id}/cancel")

    return steps


def _canceled(environment: Environment) -> None:
    _cancel_after(2)(environment)
    environment.settle()


def _queue_two(environment: Environment) -> None:
    submit_two_images(environment)
    submit_two_images(environment, key="second")
    environment.event_queue.advance(0.5)


def _interrupted(environment: Environment) -> None:
    submit_two_images(environment)
    while len(environment.replicate.predictions) < 2:
        environment.event_queue.run_next()


def _expired(environment: Environment) -> None:
    _settled(environment)
    environment.event_queue.skip_seconds(_DAY_SECONDS)


def _deleted(environment: Environment) -> None:
    environment.api("DELETE", f"/jobs/{_settled(environment)}")


def _image_input(environment: Environment) -> None:
    file = BytesIO()
    Image.new("RGB", (8, 6), "tomato").save(file, "PNG")
    uploads = [
        call_with_retries(
            environment, "POST", "/uploads", body={"content_type": "image/png", "bytes": 1_000}
        ).document
        for _ in range(2)
    ]
    environment.cloud.objects[uploads[0]["fields"]["key"]] = file.getvalue()
    upload_id = uploads[0]["upload_id"]
    call_with_retries(
        environment, "POST", f"/uploads/{upload_id}/complete", function="prepare_upload"
    )
    _submit_template("flux-dev", prompt="a lighthouse", image=upload_id)(environment)
    environment.event_queue.advance(0.5)


def _manage_accounts(environment: Environment) -> None:
    _settled(environment)
    for user in ("ann", "G0/a+b==|#é"):
        call_with_retries(environment, "GET", "/credits", user=user)
        call_with_retries(environment, "GET", "/callbacks/secret", user=user)
    call_with_retries(environment, "POST", "/callbacks/secret/rotate")
    for amount, reference in ((50, "gift"), (-30, "mistake")):
        body = {"amount": amount, "reason": "a present", "reference": reference}
        call_with_retries(environment, "POST", "/accounts/web/ann/credits", body=body, **ADMIN)
    call_with_retries(environment, "PUT", "/admin/paused", body={"paused": True}, **ADMIN)
    environment.invoke("audit_accounts", {})
    environment.event_queue.advance(900)


_LATE = Fault(FaultKind.PAUSE, after=True, seconds=800)

SITUATIONS = (
    Situation(
        "accepted",
        "The job is accepted. The start of its execution failed.",
        submit_two_images,
        at=FaultAt("api", "stepfunctions.StartExecution", THROTTLED),
    ),
    Situation("started", "The execution is started. No function has run.", submit_two_images),
    Situation(
        "token_stored",
        "RequestPrediction stored the task token, and was killed before it acquired a slot.",
        submit_two_images,
        at=FaultAt("request_prediction", "dynamodb.TransactWriteItems", KILL_BEFORE),
    ),
    Situation(
        "attempt_begun",
        "RequestPrediction recorded an attempt, and was killed before the request.",
        submit_two_images,
        at=FaultAt("request_prediction", "provider POST predictions", KILL_BEFORE),
    ),
    Situation(
        "request_unrecorded",
        "RequestPrediction was killed after the request. The job has no prediction id.",
        submit_two_images,
        at=FaultAt("request_prediction", "provider POST predictions", KILL_AFTER),
    ),
    Situation(
        "request_unanswered",
        "The request got no response, but created a prediction. The execution waits for a time.",
        _after(0.5),
        fault_profile={"responses": "create response lost"},
    ),
    Situation(
        "provider_busy",
        "The provider refused the request with 429. The attempt is abandoned, the job waits.",
        _after(0.5),
        fault_profile={"responses": "creates throttled"},
    ),
    Situation(
        "waiting_in_queue",
        "Two jobs, one provider slot: the second job waits in the queue.",
        _queue_two,
        variables={"PREDICTIONS_IN_FLIGHT_MAX": "1"},
    ),
    Situation("requested", "The execution waits with a task token for a webhook.", _after(0.5)),
    Situation(
        "webhook_lost",
        "A webhook was lost, so the execution waits in its second entry into RequestPrediction.",
        _after(25),
        webhooks="lost",
        fault_profile={"run_seconds": 40},
    ),
    Situation(
        "webhook_on_its_way",
        "The prediction has ended. Its two webhooks are not delivered yet.",
        _after(6),
        webhooks="held",
    ),
    Situation(
        "webhook_recorded",
        "The webhook's function recorded the end, and was killed before it resumed the execution.",
        submit_two_images,
        at=FaultAt("receive_prediction", "stepfunctions.SendTaskSuccess", KILL_BEFORE),
    ),
    Situation(
        "second_attempt",
        "The provider interrupted the first prediction. The second one is requested.",
        _interrupted,
        fault_profile={"outcomes": ["is interrupted"]},
    ),
    Situation(
        "cancel_requested",
        "A cancel is recorded. The execution was not resumed.",
        _cancel_after(2),
        at=FaultAt("api", "stepfunctions.SendTaskSuccess", THROTTLED),
    ),
    Situation(
        "predicted",
        "The execution is in StoreOutput. Nothing is stored.",
        submit_two_images,
        at=FaultAt("store_output", "dynamodb.GetItem", KILL_BEFORE),
    ),
    Situation(
        "partly_stored",
        "StoreOutput stored one of two outputs, and was killed.",
        submit_two_images,
        at=FaultAt("store_output", "http GET", KILL_BEFORE, number=2),
    ),
    Situation(
        "stored",
        "All outputs are stored. The execution is in CompleteJob.",
        submit_two_images,
        at=FaultAt("complete_job", "dynamodb.GetItem", KILL_BEFORE),
    ),
    Situation(
        "settled_not_announced",
        "The job is completed and charged. CompleteJob was killed before the announcement.",
        submit_two_images,
        at=FaultAt("complete_job", "events.PutEvents", KILL_BEFORE),
    ),
    Situation(
        "announced_not_left",
        "The end is announced. CompleteJob was killed before the job left the open jobs.",
        submit_two_images,
        at=FaultAt("complete_job", "events.PutEvents", KILL_AFTER),
    ),
    Situation("completed", "The job is completed, and its callback was sent.", _settled),
    Situation(
        "partly_completed",
        "The model delivered one of two outputs. Half of the credits were refunded.",
        _settled,
        fault_profile={"outcome": "gives fewer"},
    ),
    Situation(
        "failing",
        "The model refused the prompt, and the job records it. The execution is in RefundJob.",
        submit_two_images,
        at=FaultAt("refund_job", "dynamodb.GetItem", KILL_BEFORE),
        fault_profile={"outcome": "is flagged"},
    ),
    Situation(
        "failing_by_a_fault",
        "The model failed, and the job records it. The execution is in RefundJob.",
        submit_two_images,
        at=FaultAt("refund_job", "dynamodb.GetItem", KILL_BEFORE),
        fault_profile={"outcome": "fails"},
    ),
    Situation(
        "failed",
        "The model failed. The job is refunded, and its execution has failed.",
        _settled,
        fault_profile={"outcome": "fails"},
    ),
    Situation(
        "canceled_not_announced",
        "The job is canceled and refunded. RefundJob was killed before the announcement.",
        _cancel_after(2),
        at=FaultAt("refund_job", "events.PutEvents", KILL_BEFORE),
    ),
    Situation("canceled", "The job is canceled and refunded.", _canceled),
    Situation(
        "retained",
        "The job is completed, and will be deleted after one day.",
        _settled,
        variables={"RETENTION_DAYS": "1"},
    ),
    Situation(
        "expired",
        "The retention of the job is over. The job is not deleted yet.",
        _expired,
        variables={"RETENTION_DAYS": "1"},
    ),
    Situation(
        "deleted",
        "The user deleted the job. The request was killed before it deleted the media.",
        _deleted,
        at=FaultAt("api", "s3.ListObjectsV2", KILL_BEFORE),
    ),
    Situation(
        "image_input",
        "A job with an uploaded image waits for a webhook. A second upload has no file yet.",
        _image_input,
    ),
    Situation(
        "runway_requested",
        "A video at Runway is requested. Runway sends no webhooks.",
        _request_video,
    ),
    Situation(
        "stable_diffusion_predicted",
        "A WebUI returned images, which are in the bucket. StoreOutput has not run.",
        _submit_template("sd-webui", prompt="a lighthouse", num_outputs=2),
        at=FaultAt("store_output", "dynamodb.GetItem", KILL_BEFORE),
    ),
    Situation(
        "accounts",
        "Grants, a correction, welcome credits, a rotated secret, a flag, a half audit.",
        _manage_accounts,
        at=FaultAt("audit_accounts", "dynamodb.Query", _LATE),
        variables={"WELCOME_CREDITS": "30"},
        paths=(
            "/credits/entries",
            "/credits/entries?limit=2",
            "/callbacks/secret",
            "/jobs",
        ),
    ),
)
