"""The faults of the simulated Runway happen only on request."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.integration.simulated_runway.wire import DOCUMENTATION, Api

NO_CREDITS = "You do not have enough credits to run this task."


class TestFaults:
    @pytest.mark.parametrize(
        ("fault", "status"),
        [
            ("throttle", 429),
            ("bad_gateway", 502),
            ("unavailable", 503),
            ("gateway_timeout", 504),
            ("server_error", 500),
            ("unauthenticated", 401),
        ],
    )
    def test_request_fault_creates_and_deletes_nothing(
        self, api: Api, fault: str, status: int
    ) -> None:
        task_id = api.create()
        api.set_faults(**{fault: 1})

        responses = [
            api.post(),
            api.request("GET", f"/v1/tasks/{task_id}"),
            api.request("DELETE", f"/v1/tasks/{task_id}"),
        ]

        assert [response.status_code for response in responses] == [status] * 3
        assert all("error" in response.json() for response in responses)
        assert [(each["id"], each["deleted"]) for each in api.all()] == [(task_id, False)]

    def test_missing_credits_have_the_status_of_an_invalid_input(self, api: Api) -> None:
        api.set_faults(no_credits=1)

        response = api.post()

        assert (response.status_code, response.json()) == (
            400,
            {"error": NO_CREDITS, "docUrl": DOCUMENTATION},
        )
        assert api.post(ratio="16:9").json()["error"] == "Validation of body failed"
        assert api.all() == []

    @pytest.mark.parametrize(
        ("fault", "status", "error"),
        [
            ({"daily_limit": 1}, 429, "Your daily task limit has been reached."),
            ({"retired_model": "gen4.5"}, 403, "Model variant gen4.5 is not available"),
        ],
    )
    def test_refusal_of_the_account_or_model_creates_nothing(
        self, api: Api, fault: dict[str, object], status: int, error: str
    ) -> None:
        task_id = api.create()
        api.set_faults(**fault)

        response = api.post()

        assert (response.status_code, response.json()) == (status, {"error": error})
        assert [each["id"] for each in api.all()] == [task_id]
        assert api.finished(task_id)["status"] == "SUCCEEDED"

    def test_other_models_remain_after_one_is_retired(self, api: Api) -> None:
        api.set_faults(retired_model="gen4_turbo")

        assert api.post().status_code == 200

    def test_late_gateway_timeout_creates_a_task(self, api: Api) -> None:
        api.set_faults(late_gateway_timeout=1, create_seconds=0.2)

        response = api.post()

        assert (response.status_code, response.elapsed.total_seconds() >= 0.2) == (504, True)
        [task] = api.all()
        assert api.finished(task["id"])["status"] == "SUCCEEDED"

    def test_lost_response_creates_a_task(self, api: Api) -> None:
        api.set_faults(lost_create_answer=1)

        with pytest.raises(requests.ConnectionError):
            api.post()

        [task] = api.all()
        assert api.finished(task["id"])["status"] == "SUCCEEDED"

    @pytest.mark.parametrize(
        ("fault", "end"),
        [
            (
                "fail",
                {
                    "status": "FAILED",
                    "failureCode": "INTERNAL.BAD_OUTPUT.CODE01",
                    "cost": {"credits": 0},
                },
            ),
            (
                "flag",
                {"status": "FAILED", "failureCode": "SAFETY.OUTPUT.VIDEO", "cost": {"credits": 0}},
            ),
            ("cancel", {"status": "CANCELLED", "cost": {"credits": 24}}),
            ("no_output", {"status": "SUCCEEDED", "output": [], "cost": {"credits": 24}}),
        ],
    )
    def test_fault_ends_the_task(self, api: Api, fault: str, end: dict[str, Any]) -> None:
        api.set_faults(**{fault: 1})

        done = api.finished(api.create())

        assert {
            name: value
            for name, value in done.items()
            if name not in {"id", "createdAt", "failure"}
        } == end
        assert ("failure" in done) == (done["status"] == "FAILED")

    @pytest.mark.parametrize("code", ["ASSET.INVALID", "INPUT_PREPROCESSING.SAFETY.THIRD_PARTY"])
    def test_task_fails_with_the_given_code(self, api: Api, code: str) -> None:
        api.set_faults(failure_code=code)

        done = api.finished(api.create())

        assert (done["status"], done["failureCode"], done["cost"]) == (
            "FAILED",
            code,
            {"credits": 0},
        )

    @pytest.mark.parametrize("prompt", ["please flag me now", "Flag me"])
    def test_flagged_prompt_always_fails(self, api: Api, prompt: str) -> None:
        done = api.finished(api.create(promptText=prompt))

        assert (done["status"], done["failureCode"]) == ("FAILED", "SAFETY.INPUT.TEXT")

    def test_faults_repeat_for_the_same_seed(self, api: Api) -> None:
        def statuses() -> list[int]:
            api.set_faults(throttle=0.5, seed=3)
            return [api.post().status_code for _ in range(12)]

        first = statuses()

        assert first == statuses()
        assert set(first) == {200, 429}

    def test_omitted_faults_return_to_their_defaults(self, api: Api) -> None:
        defaults = requests.get(f"{api.simulator.base_url}/faults", timeout=5).json()
        api.set_faults(fail=0.2, run_seconds=3)

        assert api.set_faults(throttle=0.5).json() == {**defaults, "throttle": 0.5}

    @pytest.mark.parametrize(
        "invalid",
        [
            {"lose_webhook": 0.5},
            {"throttle": 1.5},
            {"throttle": -1},
            {"fail": True},
            {"run_seconds": "1"},
            {"seed": 1.5},
        ],
    )
    def test_invalid_faults_are_named_and_change_nothing(
        self, api: Api, invalid: dict[str, object]
    ) -> None:
        before = requests.get(f"{api.simulator.base_url}/faults", timeout=5).json()

        response = api.set_faults(flag=1, **invalid)

        assert response.status_code == 400
        assert next(iter(invalid)) in response.text
        assert requests.get(f"{api.simulator.base_url}/faults", timeout=5).json() == before


def test_the_faults_of_the_next_task_count_for_its_prompt_only(api: Api) -> None:
    faults = {"failure_code": "INTERNAL.BAD_OUTPUT.CODE01"}
    requests.put(
        f"{api.simulator.base_url}/faults/next",
        json={"prompt": "a slow boat", "faults": faults},
        timeout=5,
    ).raise_for_status()

    other = api.finished(api.create(promptText="a fast boat"))
    first, second = (api.finished(api.create(promptText="a slow boat")) for _ in range(2))

    assert [other["status"], first["status"], second["status"]] == [
        "SUCCEEDED",
        "FAILED",
        "SUCCEEDED",
    ]
