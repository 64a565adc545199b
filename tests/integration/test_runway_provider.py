"""Runway's responses: which error each raises, which can be retried, and whose fault each is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.domain.errors import (
    DarkroomError,
    GenerationFailed,
    LookupUnsupported,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import ModelInput
from darkroom.domain.predictions import Prediction, PredictionRequest, PredictionStatus
from darkroom.observability import metrics
from darkroom.providers import runway
from tests.aws import client
from tests.builders import NOON
from tests.integration.servers import Received, Reply, server
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")

REQUEST = PredictionRequest(
    model_input=ModelInput(
        "runway",
        "text_to_video/gen4.5",
        {"prompt": "a lighthouse", "ratio": "1280:720", "duration": 5},
        1,
        (),
    ),
    webhook_url=None,
    key_prefix="media/web/ann/x/",
    created_after=NOON,
    cancel_after_seconds=60,
)
TASK: dict[str, Any] = {
    "id": "d2e3d1f4-1b3c-4b5c-8d46-1c1d7ee86892",
    "createdAt": "2026-01-02T12:00:00Z",
}
LINK = "https://dnznrvs05pmza.cloudfront.net/output.mp4?_jwt=x"
KEY = "key_a_key_of_runways"


class Runway:
    """A Runway that sends the same response to every request."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.received: list[Received] = []

    def responds(self, status: int, document: object) -> None:
        self.reply = Reply(
            status, json.dumps(document).encode(), {"Content-Type": "application/json"}
        )

    def answer(self, request: Received) -> Reply:
        self.received.append(request)
        return self.reply


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runway]:
    api = Runway()
    with server(api.answer) as url:
        client("secretsmanager").create_secret(Name="runway-key", SecretString=KEY)
        monkeypatch.setenv("RUNWAY_KEY_SECRET", "runway-key")
        with_setting(monkeypatch, "RUNWAY_BASE_URL", url)
        yield api
    # Metrics that a test adds outside of a handler must not reach the next test.
    metrics.clear_metrics()


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
        ("statuses", "expected"),
        [
            ((500, 504, 408, 409), ProviderUnavailable),
            ((429, 502, 503), ProviderBusy),
            ((400, 404, 422), GenerationFailed),
        ],
    )
    def test_never_repeats_a_failed_create(
        self,
        api: Runway,
        subtests: pytest.Subtests,
        statuses: tuple[int, ...],
        expected: type[DarkroomError],
    ) -> None:
        """Runway has no idempotency key: a second request would be a second task."""
        for status in statuses:
            with subtests.test(status=status):
                api.received.clear()
                api.responds(status, {"error": "no"})

                with pytest.raises(expected):
                    runway.create(REQUEST)

                assert len(api.received) == 1

    @pytest.mark.parametrize(
        ("status", "document", "code", "is_account_error"),
        [
            (
                400,
                {"error": "Validation of body failed", "issues": [{"path": ["ratio"]}]},
                FailureCode.INVALID_INPUT,
                False,
            ),
            (400, [], FailureCode.INVALID_INPUT, False),
            (
                400,
                {"error": "You do not have enough credits to run this task."},
                FailureCode.PROVIDER_UNAVAILABLE,
                True,
            ),
            (401, {"error": "The API key is not valid."}, FailureCode.PROVIDER_UNAVAILABLE, True),
            (403, {"error": "no"}, FailureCode.PROVIDER_UNAVAILABLE, True),
        ],
    )
    def test_distinguishes_user_errors_from_account_errors(
        self,
        api: Runway,
        status: int,
        document: object,
        code: FailureCode,
        *,
        is_account_error: bool,
    ) -> None:
        api.responds(status, document)
        metrics.clear_metrics()

        with pytest.raises(GenerationFailed) as refused:
            runway.create(REQUEST)

        assert refused.value.failure.code is code
        assert "credits" not in refused.value.failure.message
        assert ("ProviderAccountRefused" in metrics.metric_set) is is_account_error

    def test_refused_connection_means_the_provider_is_busy(
        self, api: Runway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "RUNWAY_BASE_URL", "http://127.0.0.1:9")

        with pytest.raises(ProviderBusy):
            runway.create(REQUEST)
        assert api.received == []

    def test_missing_key_means_the_provider_is_busy(self, api: Runway) -> None:
        client("secretsmanager").create_secret(Name="empty")
        with pytest.MonkeyPatch.context() as patch:
            with_setting(patch, "RUNWAY_KEY_SECRET", "empty")
            with pytest.raises(ProviderBusy):
                runway.create(REQUEST)

        assert api.received == []

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
        assert get_task(api, status="SUCCEEDED", output=[LINK]) == Prediction(
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

    @pytest.mark.parametrize(
        ("code", "expected", "retryable"),
        [
            ("SAFETY.INPUT.TEXT", FailureCode.REFUSED, False),
            ("SAFETY.OUTPUT.VIDEO", FailureCode.REFUSED, False),
            ("INPUT_PREPROCESSING.SAFETY.TEXT", FailureCode.REFUSED, False),
            ("ASSET.INVALID", FailureCode.INVALID_INPUT, False),
            ("INTERNAL.BAD_OUTPUT.CODE01", FailureCode.PREDICTION_FAILED, False),
            ("INTERNAL", FailureCode.PREDICTION_FAILED, True),
            ("INPUT_PREPROCESSING.INTERNAL", FailureCode.PREDICTION_FAILED, True),
            ("THIRD_PARTY.UNAVAILABLE", FailureCode.PREDICTION_FAILED, True),
            ("A.FUTURE.CODE", FailureCode.PREDICTION_FAILED, False),
            (None, FailureCode.PREDICTION_FAILED, True),
        ],
    )
    def test_maps_each_error_to_its_failure_code(
        self, api: Runway, code: str | None, expected: FailureCode, *, retryable: bool
    ) -> None:
        prediction = get_task(
            api, status="FAILED", failure="Something for engineers.", failureCode=code
        )

        assert prediction.failure
        assert (prediction.failure.code, prediction.retryable) == (expected, retryable)
        assert "engineers" not in prediction.failure.message

    def test_canceled_task_has_failed(self, api: Runway) -> None:
        prediction = get_task(api, status="CANCELLED")

        assert prediction.failure
        assert (prediction.failure.code, prediction.retryable) == (
            FailureCode.PREDICTION_FAILED,
            False,
        )

    def test_malformed_response_means_the_provider_is_unavailable(self, api: Runway) -> None:
        api.reply = Reply(200, b"<html>", {"Content-Type": "application/json"})

        with pytest.raises(ProviderUnavailable):
            runway.get(TASK["id"])

    def test_error_response_means_the_provider_is_unavailable(
        self, api: Runway, subtests: pytest.Subtests
    ) -> None:
        for status in (400, 401, 404, 500):
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
