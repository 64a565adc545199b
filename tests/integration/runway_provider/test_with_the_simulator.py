"""The provider with the simulated Runway: refused images, slow creates, limits, a retired model."""

from __future__ import annotations

import dataclasses
from typing import Any

import httpx
import pytest

from darkroom.domain.errors import DarkroomError, GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import ModelInput
from darkroom.domain.predictions import PredictionRequest, PredictionStatus
from darkroom.domain.provider_errors import (
    ProviderAccountRefused,
    ProviderBusy,
    ProviderUnavailable,
    ProviderUnreachable,
)
from darkroom.providers import runway
from darkroom.providers.runway import errors as runway_errors
from tests.integration.runway_provider.scripted import REQUEST
from tests.integration.servers import Reply, answering, server
from tests.integration.simulated_runway.wire import Api, data_uri, image_file

BRIEF = httpx.Timeout(0.2)
NO_CODE = None


def request_with(image: str) -> PredictionRequest:
    fields = {"image": image, "prompt": "it moves", "ratio": "1280:720", "duration": 2}
    model_input = ModelInput("runway", "image_to_video/gen4_turbo", fields, 1, ("image",))
    return dataclasses.replace(REQUEST, model_input=model_input)


class TestImages:
    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (Reply(302, b"", {"Location": "/b.png"}), 'Received HTTP response code "302"'),
            (Reply(200, image_file()), 'Unsupported Content-Type response header: ""'),
            (
                Reply(200, image_file(size=(90, 40)), {"Content-Type": "image/png"}),
                "width / height ratio must be at most 2. Got 2.250",
            ),
        ],
    )
    def test_user_reads_why_the_image_was_refused(
        self, simulator: Api, reply: Reply, reason: str
    ) -> None:
        with server(answering(reply)) as base, pytest.raises(GenerationFailed) as refused:
            runway.create(request_with(f"{base}/a.png"))

        failure = refused.value.failure
        assert (failure.code, failure.retryable, failure.is_fault) == (
            FailureCode.INVALID_INPUT,
            False,
            False,
        )
        assert failure.message.startswith("The model did not accept `image`: ")
        assert reason in failure.message
        assert simulator.all() == []

    def test_accepts_a_usable_image(self, simulator: Api) -> None:
        created = runway.create(request_with(data_uri(image_file())))

        assert simulator.finished(created.prediction_id)["status"] == "SUCCEEDED"


class TestSlowCreates:
    def test_create_waits_longer_than_other_calls(
        self, simulator: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runway, "_TIMEOUT", BRIEF)
        simulator.set_faults(create_seconds=0.5)

        created = runway.create(REQUEST)

        assert [task["id"] for task in simulator.all()] == [created.prediction_id]

    def test_create_without_a_response_may_have_created_a_task(
        self, simulator: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runway, "_CREATE_TIMEOUT", BRIEF)
        simulator.set_faults(create_seconds=0.5)

        with pytest.raises(ProviderUnavailable):
            runway.create(REQUEST)

        assert len(simulator.all()) == 1

    def test_late_gateway_timeout_may_have_created_a_task(
        self, simulator: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runway_errors, "SHEDDING_LOAD_SECONDS_MAX", 0.2)
        simulator.set_faults(late_gateway_timeout=1, create_seconds=0.3)

        with pytest.raises(ProviderUnavailable):
            runway.create(REQUEST)

        assert len(simulator.all()) == 1


class TestFaults:
    @pytest.mark.parametrize(
        ("faults", "error", "code"),
        [
            ({"throttle": 1}, ProviderBusy, NO_CODE),
            ({"bad_gateway": 1}, ProviderUnreachable, NO_CODE),
            ({"unavailable": 1}, ProviderUnreachable, NO_CODE),
            ({"gateway_timeout": 1}, ProviderUnreachable, NO_CODE),
            ({"server_error": 1}, ProviderUnavailable, NO_CODE),
            ({"unauthenticated": 1}, ProviderAccountRefused, NO_CODE),
            ({"no_credits": 1}, ProviderAccountRefused, NO_CODE),
            ({"daily_limit": 1}, ProviderAccountRefused, NO_CODE),
            ({"retired_model": "gen4.5"}, GenerationFailed, FailureCode.MODEL_UNAVAILABLE),
        ],
    )
    def test_refused_create_makes_no_task(
        self,
        simulator: Api,
        faults: dict[str, Any],
        error: type[DarkroomError],
        code: FailureCode | None,
    ) -> None:
        simulator.set_faults(**faults)

        with pytest.raises(error) as raised:
            runway.create(REQUEST)

        assert type(raised.value) is error
        assert not isinstance(raised.value, GenerationFailed) or raised.value.failure.code is code
        assert simulator.all() == []

    def test_retired_model_does_not_end_its_running_task(self, simulator: Api) -> None:
        simulator.set_faults(run_seconds=60)
        created = runway.create(REQUEST)
        simulator.set_faults(retired_model="gen4.5")

        assert runway.get(created.prediction_id).status is PredictionStatus.RUNNING

    def test_moderated_task_is_refused(self, simulator: Api) -> None:
        simulator.set_faults(failure_code="INPUT_PREPROCESSING.SAFETY.THIRD_PARTY")
        created = runway.create(REQUEST)
        simulator.finished(created.prediction_id)

        failure = runway.get(created.prediction_id).failure

        assert failure
        assert failure.code is FailureCode.REFUSED
