"""The simulated Replicate's output files have the requested size, format and content."""

from typing import Any

import pytest
import requests
from PIL import Image

from tests.integration.simulated_replicate.wire import PRO, SDXL, Api, image_at


@pytest.mark.parametrize(
    ("extension", "content_type", "inputs", "size"),
    [
        ("webp", "image/webp", {}, (1024, 1024)),
        ("png", "image/png", {"aspect_ratio": "16:9"}, (1344, 768)),
        ("jpg", "image/jpeg", {"aspect_ratio": "2:3", "megapixels": "0.25"}, (416, 608)),
    ],
)
def test_outputs_have_the_requested_size_and_format(
    api: Api, extension: str, content_type: str, inputs: dict[str, Any], size: tuple[int, int]
) -> None:
    output = api.finished(api.create(output_format=extension, num_outputs=2, **inputs)["id"])[
        "output"
    ]

    assert [url.rsplit("/", 1)[1] for url in output] == [f"out-0.{extension}", f"out-1.{extension}"]
    assert requests.head(output[0], timeout=10).headers["content-type"] == content_type
    for url in output:
        image = image_at(url)
        image.load()
        assert image.size == size
        assert Image.MIME[image.format or ""] == content_type


def test_prompt_and_seed_determine_the_images(api: Api) -> None:
    def drawn(prompt: str, seed: int) -> list[bytes]:
        output = api.finished(
            api.create(prompt, seed=seed, num_outputs=2, megapixels="0.25")["id"]
        )["output"]
        return [image_at(url).convert("RGB").tobytes() for url in output]

    first = drawn("a fox", 1)

    assert drawn("a fox", 1) == first
    assert first[0] != first[1]
    assert drawn("a fox", 2) != first
    assert drawn("a wolf", 1) != first


def test_output_of_a_one_image_model_is_a_string(api: Api) -> None:
    done = api.finished(api.create(model=PRO, aspect_ratio="custom", width=256, height=320)["id"])

    assert image_at(done["output"]).size == (256, 320)
    assert done["version"] == "hidden"


def test_model_without_a_format_makes_png(api: Api) -> None:
    done = api.finished(api.create(model=SDXL, width=512, height=256)["id"])

    assert image_at(done["output"][0]).format == "PNG"
    assert done["version"] == SDXL


def test_fault_drops_single_outputs(api: Api) -> None:
    api.set_faults(drop_output=0.5, seed=1)
    counts = [len(api.finished(api.create(num_outputs=4)["id"])["output"]) for _ in range(4)]

    assert any(0 < count < 4 for count in counts)
