"""Runway's official SDK works with the simulated Runway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.integration.simulated_runway.wire import Api, data_uri, image_file


class TestOfficialSdk:
    @pytest.fixture
    def sdk(self) -> Any:
        return pytest.importorskip("runwayml")

    @pytest.fixture
    def client(self, sdk: Any, api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        # The SDK polls every six seconds.
        monkeypatch.setattr("runwayml.lib.polling.POLL_TIME", 0.05)
        monkeypatch.setattr("runwayml.lib.polling.POLL_JITTER", 0)
        with sdk.RunwayML(
            api_key="key_test", base_url=api.simulator.base_url, max_retries=0
        ) as client:
            yield client

    def test_sdk_creates_and_waits_for_a_video(self, client: Any) -> None:
        created = client.image_to_video.create(
            model="gen4_turbo",
            prompt_image=data_uri(image_file()),
            prompt_text="a fox",
            ratio="1280:720",
            duration=5,
        )
        done = created.wait_for_task_output(timeout=20)

        assert created.estimated_cost.credits == 25
        assert (done.id, done.status, done.cost.credits) == (created.id, "SUCCEEDED", 25)
        assert requests.get(done.output[0], timeout=20).content[4:8] == b"ftyp"

    @pytest.mark.parametrize(
        ("faults", "state"),
        [
            ({"throttled_seconds": 3600}, "Throttled"),
            ({"queue_seconds": 3600}, "Pending"),
            ({"run_seconds": 3600}, "Running"),
            ({}, "Succeeded"),
            ({"fail": 1}, "Failed"),
            ({"cancel": 1}, "Cancelled"),
        ],
    )
    def test_sdk_reads_every_state(
        self, client: Any, api: Api, faults: dict[str, int], state: str
    ) -> None:
        api.set_faults(**faults)
        created = client.text_to_video.create(
            model="veo3.1_fast", prompt_text="a fox", ratio="1280:720", duration=4, audio=False
        )
        api.task_when(created.id, state.upper())

        task = client.tasks.retrieve(created.id)

        assert (type(task).__name__, task.id, task.status) == (
            f"Awaitable{state}",
            created.id,
            state.upper(),
        )
        assert (getattr(task, "cost", None) or task.estimated_cost).credits == (
            0 if state == "Failed" else 40
        )

    def test_sdk_raises_when_a_task_fails(self, sdk: Any, client: Any) -> None:
        created = client.text_to_video.create(
            model="gen4.5", prompt_text="flag me", ratio="1280:720", duration=2
        )

        with pytest.raises(sdk.TaskFailedError) as failure:
            created.wait_for_task_output(timeout=20)

        assert failure.value.task_details.failure_code == "SAFETY.INPUT.TEXT"

    def test_sdk_deletes_a_task(self, sdk: Any, client: Any, api: Api) -> None:
        api.set_faults(run_seconds=60)
        created = client.text_to_video.create(
            model="gen4.5", prompt_text="a fox", ratio="1280:720", duration=2
        )

        assert client.tasks.delete(created.id) is None
        with pytest.raises(sdk.NotFoundError):
            client.tasks.retrieve(created.id)

    @pytest.mark.parametrize(
        ("fault", "error", "status"),
        [
            ("throttle", "RateLimitError", 429),
            ("unavailable", "InternalServerError", 503),
            ("server_error", "InternalServerError", 500),
            ("no_credits", "BadRequestError", 400),
        ],
    )
    def test_sdk_raises_the_error_of_each_fault(
        self, sdk: Any, client: Any, api: Api, *, fault: str, error: str, status: int
    ) -> None:
        api.set_faults(**{fault: 1})

        with pytest.raises(getattr(sdk, error)) as failure:
            client.text_to_video.create(
                model="gen4.5", prompt_text="a fox", ratio="1280:720", duration=2
            )

        assert failure.value.status_code == status
        assert failure.value.body["error"]

    def test_sdk_raises_the_error_of_an_invalid_request(self, sdk: Any, client: Any) -> None:
        with pytest.raises(sdk.BadRequestError) as failure:
            client.text_to_video.create(
                model="gen4.5", prompt_text="a fox", ratio="960:960", duration=2
            )
        assert failure.value.body["issues"][0]["path"] == ["ratio"]

        with pytest.raises(sdk.AuthenticationError):
            client.with_options(api_key="sk_test").tasks.retrieve("any")
        with pytest.raises(sdk.BadRequestError):
            client.with_options(runway_version="2023-01-01").tasks.retrieve("any")

    def test_sdk_retry_after_a_lost_response_makes_a_second_task(
        self, sdk: Any, client: Any, api: Api
    ) -> None:
        api.set_faults(lost_create_answer=1)

        with pytest.raises(sdk.APIConnectionError) as failure:
            client.with_options(max_retries=1).text_to_video.create(
                model="gen4.5", prompt_text="a fox", ratio="1280:720", duration=2
            )

        assert not isinstance(failure.value, sdk.APITimeoutError)
        assert len(api.all()) == 2
