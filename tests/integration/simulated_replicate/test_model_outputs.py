"""The outputs and refusals of the newer simulated models: count, size, format, images."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from local.simulators.replicate import SimulatedReplicate
from local.simulators.replicate.model_table import MODELS
from local.simulators.replicate.output_size import size_in_pixels
from tests.integration.servers import Received, Reply, server
from tests.integration.simulated_replicate.test_models import (
    create,
    data_url,
    ended,
    model_named,
    png,
)

IMAGE = data_url(png())


def images_of(prediction: dict[str, Any]) -> list[Image.Image]:
    assert prediction["status"] == "succeeded", prediction["error"]
    output = prediction["output"]
    return [
        Image.open(BytesIO(requests.get(url, timeout=20).content))
        for url in (output if isinstance(output, list) else [output])
    ]


@pytest.mark.parametrize(
    ("name", "inputs", "expected"),
    [
        (
            "openai/gpt-image-2",
            {"number_of_images": 3, "output_format": "jpeg", "aspect_ratio": "1536x1024"},
            [("JPEG", (1536, 1024))] * 3,
        ),
        (
            "google/nano-banana-pro",
            {"resolution": "1K", "aspect_ratio": "4:5"},
            [("JPEG", (896, 1088))],
        ),
        ("google/nano-banana-2", {"aspect_ratio": "1:4"}, [("JPEG", (512, 2048))]),
        (
            "bytedance/seedream-4.5",
            {"size": "custom", "width": 1200, "height": 1100},
            [("JPEG", (1200, 1100))],
        ),
        ("black-forest-labs/flux-2-pro", {"resolution": "0.5 MP"}, [("WEBP", (724, 724))]),
        (
            "black-forest-labs/flux-2-klein-4b",
            {"output_megapixels": "0.25", "output_format": "png"},
            [("PNG", (512, 512))],
        ),
        (
            "ideogram-ai/ideogram-4-5",
            {"size": "640x1536", "num_images": 2},
            [("PNG", (640, 1536))] * 2,
        ),
        ("ideogram-ai/ideogram-4-5", {"images": [IMAGE]}, [("PNG", (1254, 836))]),
        (
            "ideogram-ai/ideogram-4-5",
            {"images": [IMAGE], "mask": IMAGE, "size": "1024x1024"},
            [("PNG", (1254, 836))],
        ),
        ("recraft-ai/recraft-v4", {"size": "1536x768"}, [("WEBP", (1536, 768))]),
        (
            "recraft-ai/recraft-v4",
            {"aspect_ratio": "16:9", "size": "1536x768"},
            [("WEBP", (1344, 768))],
        ),
        ("topazlabs/image-upscale", {"upscale_factor": "4x"}, [("JPEG", (240, 160))]),
        ("topazlabs/image-upscale", {"output_format": "png"}, [("PNG", (60, 40))]),
    ],
)
def test_the_outputs_have_the_requested_count_format_and_size(
    replicate: SimulatedReplicate, name: str, inputs: dict[str, Any], expected: Any
) -> None:
    found = images_of(ended(replicate, model_named(name), **inputs))

    assert [(image.format, image.size) for image in found] == expected


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"mode": "standard", "aspect_ratio": "9:16"}, (720, 1280)),
        ({"mode": "pro", "aspect_ratio": "16:9"}, (1920, 1080)),
        ({"resolution": "480p", "aspect_ratio": "adaptive"}, (854, 480)),
        ({"size": "4K", "aspect_ratio": "1:1"}, (4096, 4096)),
        ({"resolution": "4 MP", "aspect_ratio": "1:1"}, (2048, 2048)),
    ],
)
def test_the_size_follows_from_the_words_of_each_model(
    inputs: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert size_in_pixels(inputs) == expected


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("openai/gpt-image-2", {"background": "transparent"}),
        ("openai/gpt-image-2", {"input_images": [IMAGE] * 17}),
        ("google/nano-banana-pro", {"image_input": [IMAGE] * 15}),
        ("black-forest-labs/flux-2-klein-4b", {"images": [IMAGE] * 6}),
        ("ideogram-ai/ideogram-4-5", {}),
        ("ideogram-ai/ideogram-4-5", {"size": "1024x1024", "mask": IMAGE}),
        ("kwaivgi/kling-v3-video", {"end_image": IMAGE}),
        ("bytedance/seedance-2.0-fast", {"last_frame_image": IMAGE}),
        ("bytedance/seedance-2.0-fast", {"image": IMAGE, "reference_images": [IMAGE]}),
        ("minimax/hailuo-2.3", {"duration": 10, "resolution": "1080p"}),
    ],
)
def test_a_run_fails_on_the_inputs_that_the_model_does_not_combine(
    replicate: SimulatedReplicate, name: str, inputs: dict[str, Any]
) -> None:
    prediction = ended(replicate, model_named(name), **inputs)

    assert (prediction["status"], prediction["output"]) == ("failed", None)
    assert prediction["error"]


@pytest.mark.parametrize(
    ("name", "inputs", "field"),
    [
        ("openai/gpt-image-2", {"quality": "best"}, "input.quality"),
        ("openai/gpt-image-2", {"number_of_images": 11}, "input.number_of_images"),
        ("bytedance/seedream-4.5", {"prompt": "a" * 4_001}, "input.prompt"),
        ("black-forest-labs/flux-2-klein-4b", {"output_megapixels": 1}, "input.output_megapixels"),
        ("kwaivgi/kling-v3-video", {"duration": 16}, "input.duration"),
        ("topazlabs/image-upscale", {"upscale_factor": "3x"}, "input.upscale_factor"),
        ("google/nano-banana-pro", {"image_input": "no list"}, "input.image_input"),
    ],
)
def test_a_create_is_checked_by_the_schema_of_the_model(
    replicate: SimulatedReplicate, name: str, inputs: dict[str, Any], field: str
) -> None:
    refused = create(replicate, model_named(name), **inputs)

    assert refused.status_code == 422
    assert {each["field"] for each in refused.json()["invalid_fields"]} == {field}


@pytest.mark.parametrize(
    ("path", "is_accepted"), [("/a.png", True), ("/a.png?signed=1", False), ("/a", False)]
)
def test_seedance_accepts_plain_links_only(
    replicate: SimulatedReplicate, path: str, is_accepted: bool
) -> None:
    fetched: list[str] = []

    def respond(request: Received) -> Reply:
        fetched.append(request.path)
        return Reply(200, png(), {"Content-Type": "image/png"})

    with server(respond) as base:
        prediction = ended(
            replicate, model_named("bytedance/seedance-2.0-fast"), image=f"{base}{path}", duration=4
        )

    assert (prediction["status"] == "succeeded", fetched != []) == (is_accepted, is_accepted)


def test_the_model_route_serves_the_schema_file(replicate: SimulatedReplicate) -> None:
    for model in MODELS:
        if model.openapi_schema is None:
            continue
        document = requests.get(
            f"{replicate.base_url}/v1/models/{model.full_name}",
            headers={"Authorization": "Bearer r8_x"},
            timeout=10,
        ).json()

        assert document["latest_version"]["openapi_schema"] == model.openapi_schema
        assert (document["is_official"], document["latest_version"]["id"]) == (
            model.official,
            model.version,
        )
