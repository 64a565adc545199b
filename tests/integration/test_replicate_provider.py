"""Replicate's responses: which error each raises, which can be retried, and whose fault each is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from darkroom.domain.errors import DarkroomError, GenerationFailed, RetryLater
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.predictions import Prediction, PredictionStatus
from darkroom.domain.provider_errors import (
    LookupUnsupported,
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.providers import replicate
from tests.aws import CONTEXT, TEMPLATE, handler_of
from tests.builders import NOON, held_job, stored
from tests.integration.replicate_responses import PREDICTION, REQUEST, Replicate, replicate_api
from tests.integration.steps import key, sends

pytestmark = pytest.mark.usefixtures("aws")

LINK = "https://replicate.delivery/xezq/a/out-0.png"
RESETS_IN_30_SECONDS = "Request was throttled. Your rate limit resets in ~30s."


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Replicate]:
    with replicate_api(monkeypatch) as api:
        yield api


def get_prediction(api: Replicate, **fields: Any) -> Prediction:
    """Read a prediction whose document has these fields."""
    api.responds(200, PREDICTION | fields)
    return replicate.get("p1")


class TestCreate:
    def test_sends_one_request_with_deadline_and_webhook(self, api: Replicate) -> None:
        api.responds(201, PREDICTION)

        assert replicate.create(REQUEST) == Prediction("p1", PredictionStatus.RUNNING)

        (request,) = api.received
        assert (request.method, request.path) == ("POST", "/v1/predictions")
        assert request.headers["cancel-after"] == "60s"
        assert "prefer" not in request.headers
        assert json.loads(request.body) == {
            "version": "a/model",
            "input": {"prompt": "a lighthouse"},
            "webhook": "https://api.example.com/webhooks/replicate?job=x",
            "webhook_events_filter": ["start", "completed"],
        }

    @pytest.mark.parametrize(
        ("problems", "expected"),
        [
            (
                {status: {} for status in (500, 502, 503, 504, 408, 409)},
                ProviderUnavailable,
            ),
            ({429: {"detail": "x"}}, ProviderBusy),
            ({402: {"title": "Insufficient credit"}, 403: {}}, ProviderAccountRefused),
            (
                {
                    400: {},
                    404: {"detail": "The requested resource could not be found.", "status": 404},
                    422: {
                        "title": "Input validation failed",
                        "detail": "- input: prompt is required\n",
                        "status": 422,
                    },
                },
                GenerationFailed,
            ),
        ],
    )
    def test_never_repeats_a_failed_create(
        self,
        api: Replicate,
        subtests: pytest.Subtests,
        problems: dict[int, dict[str, object]],
        expected: type[DarkroomError],
    ) -> None:
        """Replicate has no idempotency key: a second request would be a second prediction."""
        for status, problem in problems.items():
            with subtests.test(status=status):
                api.received.clear()
                api.responds(status, problem)

                with pytest.raises(expected):
                    replicate.create(REQUEST)

                creates = [each for each in api.received if each.method == "POST"]
                assert len(creates) == 1

    def test_invalid_input_message_lists_the_fields(self, api: Replicate) -> None:
        fields = [
            {"type": "required", "field": "input", "description": "prompt is required"},
            {"type": "x", "field": "y", "description": "seed is odd"},
        ]
        problem = {"title": "Input validation failed", "detail": "…", "status": 422}
        api.responds(422, {**problem, "invalid_fields": fields})

        with pytest.raises(GenerationFailed) as refused:
            replicate.create(REQUEST)

        assert refused.value.failure.code is FailureCode.INVALID_INPUT
        assert (
            refused.value.failure.message
            == "The model did not accept these parameters: prompt is required; seed is odd. "
            "Nothing was charged. Change the parameters and submit the job again."
        )

    @pytest.mark.parametrize("status", [401, 402, 403])
    def test_refused_account_raises_an_alarm_and_the_job_waits(
        self, api: Replicate, status: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        detail = "Go to https://replicate.com/account/billing to purchase credit."
        api.responds(status, {"title": "Insufficient credit", "detail": detail, "status": status})
        job = held_job()

        with sends(RetryLater):
            handler_of("request_prediction")(
                key(job, task_token="t", entered_at=NOON.isoformat(), retry_count=0), CONTEXT
            )

        assert stored(job).failure is None
        alarm = TEMPLATE["Resources"]["ProviderAccountRefusedAlarm"]["Properties"]
        emitted = [
            json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line
        ]
        assert [document[alarm["MetricName"]] for document in emitted] == [[1.0]]

    @pytest.mark.parametrize(
        ("document", "headers", "seconds"),
        [
            ({"detail": "x"}, {"Retry-After": "7"}, 7),
            ({"detail": RESETS_IN_30_SECONDS, "retry_after": 5}, {"Retry-After": "7"}, 7),
            ({"detail": RESETS_IN_30_SECONDS, "retry_after": 5}, {}, 5),
            ({"detail": RESETS_IN_30_SECONDS}, {}, 30),
            (
                {"detail": RESETS_IN_30_SECONDS},
                {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"},
                30,
            ),
            ({"detail": "Wait."}, {}, 10),
            ([], {}, 10),
            ({"retry_after": None}, {}, 10),
            ({"retry_after": 0}, {}, 1),
            ({"retry_after": 9_999}, {}, 120),
            ({"retry_after": float("nan")}, {}, 10),
            ({"retry_after": -5}, {}, 1),
            ({"detail": "resets in ~0s"}, {}, 1),
        ],
    )
    def test_throttled_create_waits_as_long_as_requested(
        self, api: Replicate, document: object, headers: dict[str, str], seconds: float
    ) -> None:
        api.responds(429, document, **headers)

        with pytest.raises(ProviderBusy) as busy:
            replicate.create(REQUEST)

        assert busy.value.retry_after_seconds == seconds


class TestGet:
    def test_unfinished_prediction_is_running(self, api: Replicate) -> None:
        unfinished = ("starting", "processing", "queued", "a future status")

        statuses = {status: get_prediction(api, status=status).status for status in unfinished}

        assert statuses == dict.fromkeys(unfinished, PredictionStatus.RUNNING)

    @pytest.mark.parametrize(
        ("output", "links"),
        [
            (LINK, (LINK,)),
            ([LINK, LINK + "?2"], (LINK, LINK + "?2")),
            (
                {"image": LINK, "info": {"more": [LINK + "?2"]}, "seed": 7, "text": "a lighthouse"},
                (LINK, LINK + "?2"),
            ),
            ([None, LINK, 7], (LINK,)),
        ],
    )
    def test_reads_links_from_every_shape_of_output(
        self, api: Replicate, output: object, links: tuple[str, ...]
    ) -> None:
        assert get_prediction(api, status="succeeded", output=output) == Prediction(
            "p1", PredictionStatus.SUCCEEDED, links
        )

    def test_success_without_a_file_is_a_failure(
        self, api: Replicate, subtests: pytest.Subtests
    ) -> None:
        for output in (None, [], "", "a text", ["a", " text"], {"seed": 7}, {}, 7):
            with subtests.test(output=output):
                prediction = get_prediction(api, status="succeeded", output=output)

                assert prediction.status is PredictionStatus.FAILED
                assert not prediction.retryable
                assert prediction.failure
                assert prediction.failure.code is FailureCode.NO_OUTPUT

    def test_deleted_output_is_unavailable(self, api: Replicate) -> None:
        failed = get_prediction(api, status="succeeded", output=None, data_removed=True).failure

        assert failed
        assert failed.code is FailureCode.OUTPUT_UNAVAILABLE

    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"status": "aborted"}, FailureCode.DEADLINE_EXCEEDED),
            (
                {
                    "status": "canceled",
                    "deadline": "2026-01-02T12:01:00Z",
                    "completed_at": "2026-01-02T12:01:00Z",
                },
                FailureCode.DEADLINE_EXCEEDED,
            ),
            (
                {
                    "status": "canceled",
                    "deadline": "2026-01-02T12:01:00Z",
                    "completed_at": "2026-01-02T12:00:30Z",
                },
                FailureCode.PREDICTION_FAILED,
            ),
            ({"status": "canceled"}, FailureCode.PREDICTION_FAILED),
        ],
    )
    def test_distinguishes_deadline_from_cancellation(
        self, api: Replicate, fields: dict[str, str], code: FailureCode
    ) -> None:
        failed = get_prediction(api, **fields).failure

        assert failed
        assert failed.code is code

    def test_error_response_means_the_provider_is_unavailable(
        self, api: Replicate, subtests: pytest.Subtests
    ) -> None:
        """Right after a create, a 404 means that the prediction is not available yet."""
        for status in (308, 404, 422, 500, 502, 503):
            with subtests.test(status=status):
                api.responds(status, {"detail": "no"})

                with pytest.raises(ProviderUnavailable):
                    replicate.get("p1")
                with pytest.raises(ProviderUnavailable):
                    replicate.cancel("p1")
                with pytest.raises(ProviderUnavailable):
                    replicate.find(REQUEST)

    def test_a_deleted_prediction_has_no_output(self, api: Replicate) -> None:
        api.responds(410, {"detail": "gone"})

        prediction = replicate.get("p1")

        assert prediction.failure == failure(FailureCode.OUTPUT_UNAVAILABLE)
        with pytest.raises(ProviderUnavailable):
            replicate.cancel("p1")

    def test_response_that_is_no_prediction_leaves_the_effect_unknown(
        self, api: Replicate, subtests: pytest.Subtests
    ) -> None:
        documents: list[object] = ["<html>", [], None, {}, {"status": "starting"}, {"id": 7}]
        for document in documents:
            with subtests.test(document=document):
                api.responds(201, document)

                with pytest.raises(ProviderUnavailable):
                    replicate.create(REQUEST)
                with pytest.raises(ProviderUnavailable):
                    replicate.get("p1")


class TestFind:
    def test_lookup_needs_a_webhook_url(self, api: Replicate) -> None:
        with pytest.raises(LookupUnsupported):
            replicate.find(dataclasses.replace(REQUEST, webhook_url=None))
        assert api.received == []

    def test_finds_the_prediction_with_its_webhook_url(self, api: Replicate) -> None:
        others = [
            PREDICTION | {"id": "p2"},
            PREDICTION | {"id": "p3", "webhook": "https://b.example"},
        ]
        api.responds(200, {"results": [*others, PREDICTION | {"webhook": REQUEST.webhook_url}]})

        found = replicate.find(REQUEST)

        assert found
        assert (found.prediction_id, found.webhook_url) == ("p1", REQUEST.webhook_url)

    def test_a_list_with_webhooks_of_others_proves_that_there_is_none(self, api: Replicate) -> None:
        for results in ([], [PREDICTION | {"webhook": "https://b.example"}, PREDICTION]):
            api.responds(200, {"results": results})

            assert replicate.find(REQUEST) is None

    def test_a_list_without_webhooks_cannot_tell(self, api: Replicate) -> None:
        """Darkroom would pay twice if it took such a list for a proof."""
        api.responds(200, {"results": [PREDICTION, PREDICTION | {"webhook": None}]})

        with pytest.raises(LookupUnsupported):
            replicate.find(REQUEST)
