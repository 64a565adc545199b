"""Stories of one job or two, each told from its first request until nothing is coming any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any

from PIL import Image

from tests.simulation.environment import Answer, Environment

type Play = Callable[[Environment], None]

CALLBACK_URL = "http://callback.test/ended"
CREDITS = 100
WELCOME_CREDITS = 30
ADMIN = {"user": "admin", "cognito:groups": "[admin]"}
TRIES_MAX = 3


@dataclass(frozen=True)
class Scenario:
    """A story. `ends` are the ends of its jobs, which no single crash may change; None when a crash may decide who comes first."""

    name: str
    play: Play
    ends: tuple[str, ...] | None
    fault_profile: Mapping[str, Any] = field(default_factory=dict)
    webhooks: str = "sent"
    variables: Mapping[str, str] = field(default_factory=dict)

    def tell(self, environment: Environment) -> None:
        """Play the story in an environment, until it is quiet."""
        for name, value in self.fault_profile.items():
            setattr(
                environment.replicate.fault_profile,
                name,
                list(value) if isinstance(value, tuple) else value,
            )
        environment.webhooks = self.webhooks
        environment.open_account("ann", CREDITS)
        self.play(environment)
        environment.settle()


def asked(environment: Environment, method: str, path: str, **event: Any) -> Answer:
    """Call the API as a patient client does: what dies on the way is asked again, with the same bytes and the same key."""
    answers: list[Answer] = []
    for _ in range(TRIES_MAX):
        environment.api(method, path, over=answers.append, **event)
        if not answers or answers[-1].is_unknown:
            environment.event_queue.pass_seconds(2)
        if answers and not answers[-1].is_unknown:
            return answers[-1]
    raise AssertionError(f"{method} {path} was never answered")


def submission(*, outputs: int = 1, key: str | None = None) -> dict[str, Any]:
    """Write the request for a job."""
    body = {
        "template": "flux-schnell",
        "parameters": {"prompt": "a lighthouse", "num_outputs": outputs},
        "callback_url": CALLBACK_URL,
    }
    return {"body": body, "headers": {"idempotency-key": key} if key else {}}


def _submit_as_any_sub(environment: Environment) -> None:
    sub = "G0/a+b==|#é"
    environment.open_account(sub, CREDITS)
    assert asked(environment, "POST", "/jobs", user=sub, **submission(key="first")).status == 202


def _submit_once(environment: Environment) -> None:
    environment.api("POST", "/jobs", **submission())


def _submit(environment: Environment, *, outputs: int = 1, key: str = "first") -> str:
    answer = asked(environment, "POST", "/jobs", **submission(outputs=outputs, key=key))
    assert answer.status == 202, answer
    job_id: str = answer.document["id"]
    return job_id


def _submit_with_an_image(environment: Environment) -> None:
    file = BytesIO()
    Image.new("RGB", (8, 6), "tomato").save(file, "PNG")
    upload = asked(
        environment, "POST", "/uploads", body={"content_type": "image/png", "bytes": 1_000}
    ).document
    environment.cloud.objects[upload["fields"]["key"]] = file.getvalue()
    prepared = asked(
        environment, "POST", f"/uploads/{upload['upload_id']}/complete", function="prepare_upload"
    )
    assert (prepared.status, prepared.document["width"], prepared.document["height"]) == (
        200,
        8,
        6,
    ), prepared
    assert [key.rpartition(".")[2] for key in environment.cloud.objects] == ["jpg"]
    body = {
        "template": "flux-dev",
        "parameters": {"prompt": "a lighthouse", "image": upload["upload_id"]},
        "callback_url": CALLBACK_URL,
    }
    assert (
        asked(environment, "POST", "/jobs", body=body, headers={"idempotency-key": "first"}).status
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


def _cancel_after(seconds: float) -> Play:
    def play(environment: Environment) -> None:
        job_id = _submit(environment)
        environment.event_queue.pass_seconds(seconds)
        assert asked(environment, "POST", f"/jobs/{job_id}/cancel").status in (202, 409)

    return play


def _cancel_the_first_of_two(environment: Environment) -> None:
    job_id = _submit(environment)
    asked(environment, "POST", f"/jobs/{job_id}/cancel")
    _submit(environment, key="second")


def _delete(environment: Environment) -> None:
    job_id = _submit(environment)
    environment.settle()
    assert asked(environment, "DELETE", f"/jobs/{job_id}").status in (204, 404)
    assert asked(environment, "GET", f"/jobs/{job_id}").status == 404
    environment.settle()
    assert not environment.cloud.objects


def _run_again(environment: Environment) -> None:
    job_id = _submit(environment)
    environment.settle()
    answer = asked(
        environment,
        "POST",
        "/jobs",
        body={"rerun_of": job_id},
        headers={"idempotency-key": "again"},
    )
    assert (answer.status, answer.document["id"] != job_id) == (202, True), answer


def _welcome(environment: Environment) -> None:
    for _ in range(2):
        assert (
            asked(environment, "GET", "/credits", user="new").document["granted"] == WELCOME_CREDITS
        )
    answer = asked(environment, "POST", "/jobs", user="new", **submission(key="first"))
    assert answer.status == 202, answer


def _give_and_take_back(environment: Environment) -> None:
    for amount, reference in ((50, "gift"), (-30, "mistake"), (50, "gift"), (-30, "mistake")):
        body = {"amount": amount, "reason": "a present", "reference": reference}
        answer = asked(environment, "POST", "/accounts/web/ann/credits", body=body, **ADMIN)
        assert answer.status in (200, 201), answer
    assert (
        asked(environment, "GET", "/accounts/web/ann", **ADMIN).document["granted"]
        == CREDITS + 50 - 30
    )


def _pause(environment: Environment) -> None:
    for paused, status in ((True, 503), (False, 202)):
        assert (
            asked(environment, "PUT", "/admin/paused", body={"paused": paused}, **ADMIN).status
            == 200
        )
        assert asked(environment, "POST", "/jobs", **submission(key="first")).status == status


def _audit(environment: Environment) -> None:
    _submit(environment)
    environment.settle()
    days = [environment.invoke("audit_accounts", {}) for _ in range(3)]
    # A day's run may have died; the next one goes on from where it came to.
    assert sum(run.error is None for run in days) >= len(days) - 1


def _stop_by_hand(environment: Environment) -> None:
    job_id = _submit(environment)
    environment.event_queue.pass_seconds(2)
    environment.states.call("StopExecution", {"executionArn": f"execution:{job_id}"})


def _outlive_retention(environment: Environment) -> None:
    _submit(environment)
    environment.settle()
    environment.event_queue.jump(timedelta(days=1).total_seconds())
    environment.event_queue.pass_seconds(120)
    environment.settle()
    assert not environment.cloud.objects


def _provider_recovers(**before: Any) -> Play:
    def play(environment: Environment) -> None:
        _submit(environment)
        environment.event_queue.pass_seconds(1)
        environment.replicate.fault_profile.answers = "well"

    return play


SCENARIOS = (
    Scenario("without a key", _submit_once, ends=None),
    Scenario("with a key, repeated", _submit_and_repeat, ends=("completed",)),
    Scenario("with an image of one's own", _submit_with_an_image, ends=("completed",)),
    Scenario("of a sub with any characters", _submit_as_any_sub, ends=("completed",)),
    Scenario(
        "refused by the model",
        _submit_four,
        ends=("failed",),
        fault_profile={"outcome": "is flagged"},
    ),
    Scenario(
        "all webhooks lost",
        _submit_four,
        ends=("completed",),
        webhooks="lost",
        fault_profile={"run_seconds": 20},
    ),
    Scenario(
        "without an address of our own",
        _submit_four,
        ends=None,
        fault_profile={"run_seconds": 20},
        variables={"PUBLIC_URL": ""},
    ),
    Scenario(
        "delivered in part",
        _submit_four,
        ends=("completed",),
        fault_profile={"outcome": "gives fewer"},
    ),
    Scenario(
        "interrupted once",
        _submit_four,
        ends=("completed",),
        fault_profile={"outcomes": ("is interrupted",)},
    ),
    Scenario(
        "the create's answer lost",
        _provider_recovers(),
        ends=("completed",),
        fault_profile={"answers": "lost"},
    ),
    Scenario(
        "an unavailable provider that made it",
        _provider_recovers(),
        ends=("completed",),
        fault_profile={"answers": "unavailable, but made"},
    ),
    Scenario(
        "the provider makes two of one",
        _submit_four,
        ends=("completed",),
        fault_profile={"doubles": 1},
    ),
    Scenario(
        "two jobs and one slot",
        _submit_two,
        ends=("completed", "completed"),
        variables={"PREDICTIONS_IN_FLIGHT_MAX": "1"},
    ),
    Scenario("canceled before it runs", _cancel_after(0), ends=None),
    Scenario("canceled while it runs", _cancel_after(2), ends=None),
    Scenario("two jobs, the first canceled before it runs", _cancel_the_first_of_two, ends=None),
    Scenario("deleted", _delete, ends=()),
    Scenario("run again", _run_again, ends=("completed", "completed")),
    Scenario(
        "welcomed",
        _welcome,
        ends=("completed",),
        variables={"WELCOME_CREDITS": str(WELCOME_CREDITS)},
    ),
    Scenario("given and taken back", _give_and_take_back, ends=()),
    Scenario("paused", _pause, ends=("completed",)),
    Scenario("audited", _audit, ends=("completed",)),
    Scenario("stopped by hand", _stop_by_hand, ends=None),
    Scenario("kept for a day", _outlive_retention, ends=(), variables={"RETENTION_DAYS": "1"}),
)
