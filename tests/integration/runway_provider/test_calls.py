"""The calls of Runway's API: what each sends, and what it makes of the responses."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import ModelInput
from darkroom.domain.predictions import Prediction, PredictionStatus
from darkroom.domain.provider_errors import (
    LookupUnsupported,
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.observability import metrics
from darkroom.providers import runway
from tests.aws import client
from tests.integration.runway_provider.scripted import KEY, REQUEST, TASK, Runway
from tests.integration.servers import Reply, server
from tests.integration.steps import with_setting

LINK = "https://dnznrvs05pmza.cloudfront.net/output.mp4?_jwt=x"


def get_task(api: Runway, **fields: Any) -> Prediction:
    """Read a task whose document has these fields."""
    api.responds(200, TASK | fields)
    return runway.get(TASK["id"])


class TestCreate:
    def test_requests_a_video_from_a_prompt(self, api: Runway) -> None:
        api.responds(200, {"id": TASK["id"]})

        assert runway.create(REQUEST) == Prediction(TASK["id"], PredictionStatus.RUNNING)

        (request,) = api.received
        assert (request.method, request.path) == ("POST", "/v1/text_to_video")
        assert (request.headers["authorization"], request.headers["x-runway-version"]) == (
            f"Bearer {KEY}",
            "2024-11-06",
        )
        assert json.loads(request.body) == {
            "model": "gen4.5",
            "promptText": "a lighthouse",
            "ratio": "1280:720",
            "duration": 5,
        }

    def test_requests_a_video_from_an_image(self, api: Runway) -> None:
        api.responds(200, {"id": TASK["id"]})
        image_input = {
            "image": "https://example.com/a.png",
            "prompt": "it moves",
            "ratio": "960:960",
            "duration": 10,
            "seed": 7,
        }

        runway.create(
            dataclasses.replace(
                REQUEST,
                model_input=ModelInput(
                    "runway", "image_to_video/gen4_turbo", image_input, 1, ("image",)
                ),
            )
        )

        (request,) = api.received
        assert request.path == "/v1/image_to_video"
        assert json.loads(request.body) == {
            "model": "gen4_turbo",
            "promptImage": "https://example.com/a.png",
            "promptText": "it moves",
            "ratio": "960:960",
            "duration": 10,
            "seed": 7,
        }

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(200, b"<html>", {"Content-Type": "text/html"}),
            Reply(200, b"<html>", {"Content-Type": "application/json"}),
            Reply(200, b"", {"Content-Type": "application/json"}),
            Reply(200, b"[]", {"Content-Type": "application/json"}),
            Reply(200, b"{}", {"Content-Type": "application/json"}),
            Reply(200, b'{"id": null}', {"Content-Type": "application/json"}),
            Reply(204),
        ],
    )
    def test_success_without_a_task_may_have_created_one(self, api: Runway, reply: Reply) -> None:
        api.reply = reply

        with pytest.raises(ProviderUnavailable):
            runway.create(REQUEST)

        assert len(api.received) == 1

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_follows_no_redirect(self, api: Runway, status: int) -> None:
        elsewhere = Runway()
        with server(elsewhere.answer) as url:
            api.reply = Reply(status, b"", {"Location": f"{url}/v1/text_to_video"})
            with pytest.raises(GenerationFailed):
                runway.create(REQUEST)

        assert (len(api.received), elsewhere.received) == (1, [])

    def test_refused_connection_means_the_provider_is_busy(
        self, api: Runway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "RUNWAY_BASE_URL", "http://127.0.0.1:9")

        with pytest.raises(ProviderBusy):
            runway.create(REQUEST)
        assert api.received == []

    def test_missing_key_means_that_the_account_is_refused(self, api: Runway) -> None:
        client("secretsmanager").create_secret(Name="empty")
        with pytest.MonkeyPatch.context() as patch:
            with_setting(patch, "RUNWAY_KEY_SECRET", "empty")
            with pytest.raises(ProviderAccountRefused):
                runway.create(REQUEST)

        assert api.received == []
        assert "ProviderAccountRefused" in metrics.metric_set

    def test_lookup_is_unsupported(self, api: Runway) -> None:
        with pytest.raises(LookupUnsupported):
            runway.find(REQUEST)
        assert api.received == []


class TestGet:
    def test_unfinished_task_is_running(self, api: Runway) -> None:
        unfinished = ("PENDING", "THROTTLED", "RUNNING", "A_FUTURE_STATUS")

        statuses = {status: get_task(api, status=status).status for status in unfinished}

        assert statuses == dict.fromkeys(unfinished, PredictionStatus.RUNNING)

    def test_succeeded_task_has_links(self, api: Runway) -> None:
        for output in ([LINK], LINK):
            assert get_task(api, status="SUCCEEDED", output=output) == Prediction(
                TASK["id"], PredictionStatus.SUCCEEDED, (LINK,)
            )

    def test_success_without_a_file_is_a_failure(
        self, api: Runway, subtests: pytest.Subtests
    ) -> None:
        without_a_file: list[dict[str, Any]] = [{"output": output} for output in ([], None, [None])]
        for fields in [*without_a_file, {}]:
            with subtests.test(fields=fields):
                failure = get_task(api, status="SUCCEEDED", **fields).failure

                assert failure
                assert failure.code is FailureCode.NO_OUTPUT

    def test_canceled_task_has_failed(self, api: Runway) -> None:
        prediction = get_task(api, status="CANCELLED")

        assert prediction.failure
        assert (prediction.failure.code, prediction.retryable) == (
            FailureCode.PREDICTION_FAILED,
            False,
        )

    @pytest.mark.parametrize("body", [b"<html>", b"", b"[]", b"null"])
    def test_malformed_response_means_the_provider_is_unavailable(
        self, api: Runway, body: bytes
    ) -> None:
        api.reply = Reply(200, body, {"Content-Type": "application/json"})

        with pytest.raises(ProviderUnavailable):
            runway.get(TASK["id"])

    def test_error_response_means_the_provider_is_unavailable(
        self, api: Runway, subtests: pytest.Subtests
    ) -> None:
        for status in (302, 400, 401, 403, 404, 500):
            with subtests.test(status=status):
                api.responds(status, {"error": "no"})

                with pytest.raises(ProviderUnavailable):
                    runway.get(TASK["id"])


class TestCancel:
    def test_deletes_the_task(self, api: Runway) -> None:
        api.reply = Reply(204)

        runway.cancel(TASK["id"])

        assert [(request.method, request.path) for request in api.received] == [
            ("DELETE", f"/v1/tasks/{TASK['id']}")
        ]

    def test_accepts_a_task_that_does_not_exist(self, api: Runway) -> None:
        api.responds(404, {"error": "Not found"})

        runway.cancel(TASK["id"])

    def test_error_response_is_not_a_cancellation(self, api: Runway) -> None:
        api.responds(500, {"error": "no"})

        with pytest.raises(ProviderUnavailable):
            runway.cancel(TASK["id"])
