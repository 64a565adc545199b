"""The provider Stable Diffusion: the error of each WebUI response, and the stored images."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
import requests

from darkroom.domain.errors import (
    DarkroomError,
    GenerationFailed,
    ProviderBusy,
    ProviderUnavailable,
)
from darkroom.domain.failures import FailureCode
from darkroom.domain.jobs import ModelInput
from darkroom.domain.predictions import PredictionRequest, PredictionStatus
from darkroom.observability import metrics
from darkroom.providers import stable_diffusion
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.aws import client
from tests.builders import NOON
from tests.integration.servers import Received, Reply, answering, server
from tests.integration.steps import BUCKET, with_setting

pytestmark = pytest.mark.usefixtures("aws")

PREFIX = "media/web/ann/a-job/"
REQUEST = PredictionRequest(
    model_input=ModelInput(
        "stable_diffusion",
        "txt2img",
        {
            "prompt": "a lighthouse",
            "num_outputs": 2,
            "sampler": "Euler a",
            "width": 64,
            "height": 64,
        },
        2,
        (),
    ),
    webhook_url=None,
    key_prefix=PREFIX,
    created_after=NOON,
    cancel_after_seconds=60,
)


@pytest.fixture
def webui(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedStableDiffusion]:
    client("secretsmanager").create_secret(Name="login", SecretString="ann:secret")
    with SimulatedStableDiffusion(login="ann:secret") as webui:
        monkeypatch.setenv("STABLE_DIFFUSION_LOGIN_SECRET", "login")
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", webui.base_url)
        set_faults(webui, run_seconds=0)
        yield webui
    # Metrics that a test adds outside of a handler must not reach the next test.
    metrics.clear_metrics()


def set_faults(webui: SimulatedStableDiffusion, **faults: float) -> None:
    requests.put(
        f"{webui.base_url}/faults", json={"run_seconds": 0, **faults}, timeout=5
    ).raise_for_status()


def runs(webui: SimulatedStableDiffusion) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{webui.base_url}/sim/runs", timeout=5).json()[
        "runs"
    ]
    return found


def keys() -> list[str]:
    return sorted(
        item["Key"]
        for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    )


def test_stores_the_images_in_the_jobs_folder(webui: SimulatedStableDiffusion) -> None:
    prediction = stable_diffusion.create(REQUEST)

    assert prediction.status is PredictionStatus.SUCCEEDED
    assert prediction.outputs == (f"{PREFIX}0.png", f"{PREFIX}1.png")
    assert keys() == list(prediction.outputs)
    assert stable_diffusion.get(prediction.prediction_id) == prediction
    assert stable_diffusion.find(REQUEST) == prediction
    (run,) = runs(webui)
    assert (run["input"]["n_iter"], run["input"]["batch_size"]) == (2, 1)
    assert run["input"]["sampler_name"] == "Euler a"


def test_finds_nothing_until_all_images_are_stored(webui: SimulatedStableDiffusion) -> None:
    assert stable_diffusion.find(REQUEST) is None
    boto3.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}0.png", Body=b"x")
    assert stable_diffusion.find(REQUEST) is None


def test_deleted_image_makes_the_output_unavailable(webui: SimulatedStableDiffusion) -> None:
    prediction = stable_diffusion.create(REQUEST)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=f"{PREFIX}1.png")

    failed = stable_diffusion.get(prediction.prediction_id).failure

    assert failed
    assert failed.code is FailureCode.OUTPUT_UNAVAILABLE


def test_cancel_sends_nothing_to_the_webui(webui: SimulatedStableDiffusion) -> None:
    stable_diffusion.cancel("2@media/web/ann/a-job/")

    assert runs(webui) == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("unavailable", ProviderBusy),
        ("lost_answer", ProviderUnavailable),
        ("out_of_memory", GenerationFailed),
        ("no_output", GenerationFailed),
    ],
)
def test_each_fault_raises_its_own_error(
    webui: SimulatedStableDiffusion, fault: str, expected: type[DarkroomError]
) -> None:
    set_faults(webui, **{fault: 1})

    with pytest.raises(expected):
        stable_diffusion.create(REQUEST)

    assert keys() == []


@pytest.mark.parametrize("invalid", [{"sampler": "Euler z"}, {"width": "wide"}])
def test_refused_parameter_is_an_invalid_input(
    webui: SimulatedStableDiffusion, invalid: dict[str, Any]
) -> None:
    model_input = dataclasses.replace(
        REQUEST.model_input, input={**REQUEST.model_input.input, **invalid}
    )

    with pytest.raises(GenerationFailed) as refused:
        stable_diffusion.create(dataclasses.replace(REQUEST, model_input=model_input))

    assert refused.value.failure.code is FailureCode.INVALID_INPUT


def test_wrong_login_is_reported_as_our_fault(
    webui: SimulatedStableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    client("secretsmanager").create_secret(Name="other", SecretString="ann:wrong")
    with_setting(monkeypatch, "STABLE_DIFFUSION_LOGIN_SECRET", "other")
    metrics.clear_metrics()

    with pytest.raises(GenerationFailed) as refused:
        stable_diffusion.create(REQUEST)

    assert refused.value.failure.code is FailureCode.PROVIDER_UNAVAILABLE
    assert "ProviderAccountRefused" in metrics.metric_set


def test_refused_connection_means_the_provider_is_busy(
    webui: SimulatedStableDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_setting(monkeypatch, "STABLE_DIFFUSION_URL", "http://127.0.0.1:9")

    with pytest.raises(ProviderBusy):
        stable_diffusion.create(REQUEST)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"images": ["not base64!"]}, FailureCode.OUTPUT_REJECTED),
        ({"images": [7]}, FailureCode.OUTPUT_REJECTED),
        ({"images": None}, FailureCode.NO_OUTPUT),
        ({}, FailureCode.NO_OUTPUT),
    ],
)
def test_response_without_images_is_a_failure(
    webui: SimulatedStableDiffusion,
    document: object,
    code: FailureCode,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received: list[Received] = []
    with server(answering(Reply(200, json.dumps(document).encode()), received=received)) as url:
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url)
        with pytest.raises(GenerationFailed) as failed:
            stable_diffusion.create(REQUEST)

    assert failed.value.failure.code is code
    assert [request.path for request in received] == ["/sdapi/v1/txt2img"]
    assert keys() == []
