"""The faults of the simulated Replicate happen only on request."""

import pytest
from replicate import APIConnectionError, APITimeoutError, Client

from tests.integration.simulated_replicate.wire import (
    SCHNELL,
    SENSITIVE,
    Api,
    Receiver,
    until,
    webhook_to,
)


@pytest.mark.parametrize("prompt", ["please flag me now", "Flag me"])
def test_flagged_prompt_always_fails(api: Api, receiver: Receiver, prompt: str) -> None:
    done = api.finished(api.create(prompt, webhook=webhook_to(receiver, "completed"))["id"])

    assert (done["status"], done["error"], done["output"]) == ("failed", SENSITIVE, None)
    until(lambda: receiver.states() == ["failed"])


def test_throttled_create_names_a_delay_and_creates_nothing(api: Api) -> None:
    api.set_faults(throttle=1)
    response = api.post("/v1/predictions", {"version": SCHNELL, "input": {"prompt": "a fox"}})

    assert response.status_code == 429
    assert response.json() == {
        "title": "Request was throttled",
        "detail": "Request was throttled. Your rate limit resets in ~2s.",
        "retry_after": 2,
        "status": 429,
    }
    assert response.headers["ratelimit-remaining"] == "0"
    assert api.all() == []


def test_unavailable_create_creates_nothing(api: Api) -> None:
    api.set_faults(unavailable=1)

    assert (
        api.post("/v1/predictions", {"version": SCHNELL, "input": {"prompt": "a fox"}}).status_code
        == 503
    )
    assert api.all() == []


def test_lost_response_creates_a_prediction(api: Api, client: Client) -> None:
    api.set_faults(lost_create_answer=1)

    with pytest.raises(APIConnectionError) as failure:
        client.with_options(timeout=2).predictions.create(
            version=SCHNELL, input={"prompt": "a fox"}
        )

    assert not isinstance(failure.value, APITimeoutError)
    [prediction] = api.all()
    assert api.finished(prediction["id"])["status"] == "succeeded"


@pytest.mark.parametrize(
    ("fault", "status", "error", "output"),
    [
        ("fail", "failed", "Prediction interrupted; please retry (code: PA)", None),
        ("flag_sensitive", "failed", SENSITIVE, None),
        ("no_output", "succeeded", None, None),
        ("drop_output", "succeeded", None, []),
    ],
)
def test_fault_ends_the_prediction(
    api: Api, fault: str, status: str, error: str | None, output: object
) -> None:
    api.set_faults(**{fault: 1})
    done = api.finished(api.create(num_outputs=4)["id"])

    assert (done["status"], done["error"], done["output"], done["data_removed"]) == (
        status,
        error,
        output,
        False,
    )


def test_prediction_runs_for_the_requested_time(api: Api) -> None:
    api.set_faults(run_seconds=0.6)

    assert 0.6 <= api.finished(api.create()["id"])["metrics"]["predict_time"] < 5


def test_omitted_faults_return_to_their_defaults(api: Api) -> None:
    defaults = api.get("/faults").json()
    api.set_faults(lose_webhook=0.2, run_seconds=3)

    assert api.set_faults(throttle=0.5).json() == {**defaults, "throttle": 0.5}
    assert api.get("/faults").json() == {**defaults, "throttle": 0.5}


@pytest.mark.parametrize(
    "invalid",
    [
        {"loose_webhook": 0.5},
        {"throttle": 1.5},
        {"throttle": -1},
        {"fail": True},
        {"run_seconds": "1"},
    ],
)
def test_invalid_faults_are_named_and_change_nothing(api: Api, invalid: dict[str, object]) -> None:
    before = api.get("/faults").json()
    response = api.set_faults(lose_webhook=1, **invalid)

    assert response.status_code == 422
    assert next(iter(invalid)) in response.json()["detail"]
    assert api.get("/faults").json() == before


def test_faults_do_not_affect_the_control_routes(api: Api) -> None:
    api.set_faults(unavailable=1, throttle=1)

    assert api.get("/v1/predictions").status_code == 503
    assert api.get("/faults").status_code == 200
    assert api.get("/sim/predictions").status_code == 200
