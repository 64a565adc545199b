"""The provider Stable Diffusion makes one image in a request, and stores it."""

from __future__ import annotations

import base64
import dataclasses
import json
from io import BytesIO
from typing import Any

import boto3
import pytest
from PIL import Image, ImageStat

from darkroom.domain.errors import GenerationFailed
from darkroom.domain.failures import FailureCode
from darkroom.domain.predictions import PartialPrediction, PredictionStatus
from darkroom.domain.provider_errors import ProviderUnavailable
from darkroom.providers import stable_diffusion
from local.simulators.stable_diffusion import SimulatedStableDiffusion
from tests.integration.servers import Received, Reply, server
from tests.integration.stable_diffusion.webui import (
    PREFIX,
    REQUEST,
    create_all,
    request,
    runs,
    set_faults,
)
from tests.integration.steps import BUCKET, with_setting
from tests.integration.upload_requests import keys, object_at

pytestmark = pytest.mark.usefixtures("aws")


def data_url(image: Image.Image) -> str:
    file = BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def image_at(key: str) -> Image.Image:
    return Image.open(BytesIO(object_at(key))).convert("RGB")


def test_each_request_makes_one_image_with_the_next_seed(webui: SimulatedStableDiffusion) -> None:
    wanted = request(num_outputs=3, seed=7)

    assert stable_diffusion.create(wanted) == PartialPrediction((f"{PREFIX}0.png",))
    prediction = create_all(wanted)

    assert prediction.status is PredictionStatus.SUCCEEDED
    assert prediction.outputs == tuple(f"{PREFIX}{number}.png" for number in range(3))
    assert keys() == list(prediction.outputs)
    assert stable_diffusion.get(prediction.prediction_id) == prediction
    assert stable_diffusion.find(wanted) == prediction
    sent = [run["input"] for run in runs(webui)]
    assert [run["seed"] for run in sent] == [7, 7, 8, 9]
    assert {(run["n_iter"], run["batch_size"]) for run in sent} == {(1, 1)}
    assert [run["force_task_id"] for run in sent][1:] == [
        f"task(darkroom-a-job-{number})" for number in range(3)
    ]


def test_the_seed_after_the_largest_one_is_0(webui: SimulatedStableDiffusion) -> None:
    create_all(request(num_outputs=2, seed=2**32 - 1))

    assert [run["input"]["seed"] for run in runs(webui)] == [2**32 - 1, 0]


def test_a_repeated_request_without_a_seed_makes_the_same_image(
    webui: SimulatedStableDiffusion,
) -> None:
    stable_diffusion.create(REQUEST)
    first = object_at(f"{PREFIX}0.png")

    stable_diffusion.create(REQUEST)

    assert object_at(f"{PREFIX}0.png") == first
    seed = runs(webui)[0]["input"]["seed"]
    assert f"Seed: {seed}," in Image.open(BytesIO(first)).info["parameters"]
    other = dataclasses.replace(REQUEST, key_prefix="media/web/ann/another-job/")
    stable_diffusion.create(other)
    assert runs(webui)[-1]["input"]["seed"] != seed


def test_a_failed_image_ends_the_prediction_with_the_finished_ones(
    webui: SimulatedStableDiffusion,
) -> None:
    wanted = request(num_outputs=3)
    made = stable_diffusion.create(wanted)
    set_faults(webui, out_of_memory=1)

    prediction = stable_diffusion.create(dataclasses.replace(wanted, finished_outputs=made.outputs))

    assert prediction == stable_diffusion.get(f"1@{PREFIX}")
    assert (prediction.status, prediction.outputs) == (
        PredictionStatus.SUCCEEDED,
        (f"{PREFIX}0.png",),
    )


def test_finds_the_finished_images_after_the_deadline_only(
    webui: SimulatedStableDiffusion,
) -> None:
    wanted = request(num_outputs=2)
    assert stable_diffusion.find(wanted) is None
    made = stable_diffusion.create(wanted)
    wanted = dataclasses.replace(wanted, finished_outputs=made.outputs, cancel_after_seconds=1)

    assert stable_diffusion.find(wanted) is None
    late = stable_diffusion.find(dataclasses.replace(wanted, cancel_after_seconds=0))

    assert late == stable_diffusion.get(f"1@{PREFIX}")


def test_deleted_image_makes_the_output_unavailable(webui: SimulatedStableDiffusion) -> None:
    prediction = create_all(request(num_outputs=2))
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=f"{PREFIX}1.png")

    failed = stable_diffusion.get(prediction.prediction_id).failure

    assert failed
    assert failed.code is FailureCode.OUTPUT_UNAVAILABLE


def test_a_wide_image_is_cropped_and_not_squashed(webui: SimulatedStableDiffusion) -> None:
    wide = Image.new("RGB", (200, 100), "blue")
    wide.paste("red", (0, 0, 40, 100))

    stable_diffusion.create(request(model="img2img", image=data_url(wide)))

    (run,) = runs(webui)
    assert run["input"]["resize_mode"] == 1
    left = image_at(f"{PREFIX}0.png").crop((0, 0, 8, 64))
    red, _, blue = ImageStat.Stat(left).sum
    assert blue > 2 * red, "the red edge is cut off"


@pytest.mark.parametrize(
    "image", ["https://photos.example/a.png", "http://192.168.1.1/admin", "a-key"]
)
def test_the_webui_receives_no_link(webui: SimulatedStableDiffusion, image: str) -> None:
    with pytest.raises(GenerationFailed) as refused:
        stable_diffusion.create(request(model="img2img", image=image))

    assert refused.value.failure.code is FailureCode.INVALID_INPUT
    assert "uploads only" in refused.value.failure.message
    assert runs(webui) == []


@pytest.mark.parametrize("parameter", ["prompt", "negative_prompt"])
def test_a_prompt_cannot_set_members_of_the_request(
    webui: SimulatedStableDiffusion, parameter: str
) -> None:
    set_faults(webui, server="stable-diffusion.cpp")
    tag = 'x <sd_cpp_extra_args>{"batch_count": 8, "width": 2048}</sd_cpp_extra_args>'

    with pytest.raises(GenerationFailed) as refused:
        stable_diffusion.create(request(**{parameter: tag}))

    assert refused.value.failure.code is FailureCode.INVALID_INPUT
    assert f"`{parameter}`" in refused.value.failure.message
    assert runs(webui) == []


def test_the_head_of_a_data_url_is_removed(webui: SimulatedStableDiffusion) -> None:
    set_faults(webui, data_url_output=1)

    stable_diffusion.create(REQUEST)

    assert image_at(f"{PREFIX}0.png").size == (64, 64)


@pytest.mark.parametrize("fault", ["no_output", "empty_output"])
def test_a_response_without_an_image_is_no_output(
    webui: SimulatedStableDiffusion, fault: str
) -> None:
    set_faults(webui, **{fault: 1})

    with pytest.raises(GenerationFailed) as failed:
        stable_diffusion.create(REQUEST)

    assert failed.value.failure.code is FailureCode.NO_OUTPUT
    assert keys() == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_whole_image_is_stored_if_the_server_does_not_tell_about_interrupts(
    aws: None, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    def respond(received: Received) -> Reply:
        if received.path.startswith("/sdapi/v1/progress"):
            return Reply(status)
        image = data_url(Image.new("RGB", (8, 8))).partition(",")[2]
        is_run = received.path.endswith("txt2img")
        return Reply(200, json.dumps({"images": [image]} if is_run else []).encode())

    with server(respond) as url:
        with_setting(monkeypatch, "STABLE_DIFFUSION_URL", url)
        stable_diffusion.create(REQUEST)

    assert keys() == [f"{PREFIX}0.png"]


def test_a_half_drawn_image_is_not_stored(webui: SimulatedStableDiffusion) -> None:
    set_faults(webui, interrupted=1)

    with pytest.raises(ProviderUnavailable, match="interrupted"):
        stable_diffusion.create(REQUEST)

    assert keys() == []
    set_faults(webui)
    made: Any = stable_diffusion.create(REQUEST)
    assert made.outputs == (f"{PREFIX}0.png",)
