"""Uploads as inputs: the size that a model receives, and the refusals before anything is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import boto3
import pytest
from PIL import Image

from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.uploads import FittedImage, sides_of, size_within
from darkroom.storage import jobs, ledger, uploads
from tests.builders import ANN, call_api, open_account
from tests.integration.steps import BUCKET
from tests.integration.upload_requests import complete, create_upload, image, put_file

pytestmark = pytest.mark.usefixtures("aws")

PHOTO = (4032, 3024)
MB = 1_000_000


@pytest.fixture(autouse=True)
def no_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no executions: each job stays as it was submitted."""
    monkeypatch.setattr(workflow_adapter, "start", lambda _: None)


def upload_of(size: tuple[int, int], *, file_bytes: int = 1_000) -> str:
    """Record a completed upload whose original has this size in pixels. Return its id."""
    sizes = [size_within(*size, side) for side in sides_of(*size)]
    images = tuple(FittedImage("image/jpeg", *each, file_bytes) for each in sizes)
    upload = uploads.create(ANN, bytes_max=file_bytes, now=datetime.now(UTC))
    uploads.record_images(replace(upload, images=images, original_size=size))
    return upload.upload_id


def sent(template: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Submit a job, and return its input for the model."""
    open_account(1_000)
    status, job, _ = call_api(
        "POST", "/jobs", body={"template": template, "parameters": parameters}
    )
    assert status == 202, job
    return dict(jobs.read(ANN, job["id"]).model_input.input)


def refusals(template: str, parameters: dict[str, Any]) -> dict[str, str]:
    """Return the messages by field. The quote and the job give the same, and nothing is held."""
    open_account(1_000)
    held = ledger.balance(ANN).held
    status, quoted, _ = call_api(
        "POST", f"/templates/{template}/quote", body={"parameters": parameters}
    )
    assert status == 422, quoted
    status, refused, _ = call_api(
        "POST", "/jobs", body={"template": template, "parameters": parameters}
    )
    assert (status, refused["errors"]) == (422, quoted["errors"])
    assert ledger.balance(ANN).held == held
    return {error["field"]: error["message"] for error in refused["errors"]}


@pytest.mark.parametrize(
    ("template", "name", "end"),
    [
        ("veo-3.1", "image", ".2048.jpg"),
        ("kling-v2.1", "start_image", ".2048.jpg"),
        ("background-remover", "image", ".2048.jpg"),
        ("stable-diffusion-3.5-large", "image", ".jpg"),
    ],
)
def test_a_model_receives_a_photo_in_the_size_that_it_wants(
    template: str, name: str, end: str
) -> None:
    photo = upload_of(PHOTO)
    prompt = {} if template == "background-remover" else {"prompt": "a"}

    assert sent(template, {name: photo, **prompt})[name] == f"uploads/web/ann/{photo}{end}"


def test_the_key_in_the_model_input_is_an_object_of_the_chosen_size() -> None:
    upload = create_upload({"content_type": "image/png", "bytes": 50_000})[1]
    put_file(upload, image((2100, 1400)))
    assert complete(upload["upload_id"])[0] == 200

    for template, side in (("veo-3.1", 2048), ("stable-diffusion-3.5-large", 1024)):
        key = sent(template, {"prompt": "a", "image": upload["upload_id"]})["image"]
        body = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        with Image.open(BytesIO(body)) as found:
            assert max(found.size) == side


def test_the_images_of_a_job_are_sent_in_the_same_size() -> None:
    photo = upload_of(PHOTO)

    found = sent(
        "kling-v2.1", {"prompt": "a", "mode": "pro", "start_image": photo, "end_image": photo}
    )

    assert found["start_image"] == found["end_image"] == f"uploads/web/ann/{photo}.2048.jpg"


@pytest.mark.parametrize(
    ("template", "name", "upload", "words"),
    [
        ("kling-v2.1", "start_image", {"size": (299, 299)}, "at least 300 on each side"),
        ("kling-v2.1", "start_image", {"size": (1000, 399)}, "at most 2.5 times"),
        ("hailuo-02", "first_frame_image", {"size": (400, 1000)}, "at most 2.49 times"),
        ("runway-gen4-turbo", "image", {"size": (801, 400)}, "at most 2 times"),
        (
            "runway-gen4-turbo",
            "image",
            {"size": (400, 400), "file_bytes": 3_700_001},
            "at most 3.7 MB",
        ),
        (
            "kling-v2.1",
            "start_image",
            {"size": PHOTO, "file_bytes": 10 * MB + 1},
            "at most 10.0 MB",
        ),
    ],
)
def test_an_image_that_a_model_refuses_is_refused_before_it_is_paid(
    template: str, name: str, upload: Any, words: str
) -> None:
    parameters = {name: upload_of(**upload), "prompt": "a"}

    assert words in refusals(template, parameters)[f"parameters.{name}"]


def test_the_refused_image_of_a_list_is_named() -> None:
    images = [upload_of(PHOTO), upload_of((300, 300)), upload_of(PHOTO)]

    found = refusals("seedance-2.0-fast", {"prompt": "a", "reference_images": images})

    assert list(found) == ["parameters.reference_images.1"]


def test_images_at_the_limits_are_accepted() -> None:
    smallest = upload_of((750, 300), file_bytes=10 * MB)

    assert smallest in sent("kling-v2.1", {"prompt": "a", "start_image": smallest})["start_image"]


def test_an_image_at_an_https_url_is_not_checked() -> None:
    url = "https://example.com/a.png"

    assert sent("kling-v2.1", {"prompt": "a", "start_image": url})["start_image"] == url


class TestRealEsrgan:
    @pytest.mark.parametrize(
        ("parameters", "field"),
        [({"resolution": "2k"}, "parameters.resolution"), ({"scale": 2}, "parameters.scale")],
    )
    def test_a_photo_that_would_not_become_larger_is_refused(
        self, parameters: dict[str, Any], field: str
    ) -> None:
        found = refusals("real-esrgan", {"image": upload_of(PHOTO), **parameters})

        assert "2896 × 2172, no more than your image has (4032 × 3024)" in found[field]

    @pytest.mark.parametrize(
        "size",
        [(4032, 3024), (4272, 2848), (4608, 2592), (3024, 4032), (3464, 3464), (8000, 1500)],
    )
    def test_4k_makes_a_photo_of_12_megapixels_larger(self, size: tuple[int, int]) -> None:
        photo = upload_of(size)
        images = uploads.read(ANN, photo, now=datetime.now(UTC))

        model_input = sent("real-esrgan", {"image": photo, "resolution": "4k"})

        (received,) = [each for each in images.images if images.key(each) == model_input["image"]]
        assert received.width * received.height <= 2_096_704
        assert received.width * model_input["scale"] > size[0]
        assert received.height * model_input["scale"] > size[1]

    @pytest.mark.parametrize(
        ("size", "end"),
        [
            ((2048, 1023), ".2048.jpg"),
            ((1448, 1448), ".2048.jpg"),
            ((1449, 1448), ".1448.jpg"),
            ((2048, 1024), ".1448.jpg"),
        ],
    )
    def test_receives_at_most_the_pixels_that_fit(self, size: tuple[int, int], end: str) -> None:
        upload = upload_of(size)

        found = sent("real-esrgan", {"image": upload, "resolution": "4k"})["image"]

        assert found == f"uploads/web/ann/{upload}{end}"

    @pytest.mark.parametrize("scale", [0.99, 4.01, 10])
    def test_a_scale_whose_output_could_not_be_stored_is_refused(self, scale: float) -> None:
        found = refusals("real-esrgan", {"image": "https://example.com/a.png", "scale": scale})

        assert list(found) == ["parameters.scale"]


class TestTopaz:
    def test_a_photo_that_would_not_become_larger_is_refused(self) -> None:
        found = refusals("topaz-image-upscale", {"image": upload_of(PHOTO), "upscale_factor": "2x"})

        message = found["parameters.upscale_factor"]
        assert "2048 × 1536, no more than your image has (4032 × 3024)" in message

    @pytest.mark.parametrize(
        ("size", "end"),
        [
            ((4032, 3024), ".jpg"),
            ((4272, 2848), ".1448.jpg"),
            ((3464, 3464), ".jpg"),
            ((1500, 1000), ".2048.jpg"),
            ((1501, 1000), ".1448.jpg"),
        ],
    )
    def test_an_output_has_at_most_24_megapixels(self, size: tuple[int, int], end: str) -> None:
        upload = upload_of(size)
        images = uploads.read(ANN, upload, now=datetime.now(UTC))

        found = sent("topaz-image-upscale", {"image": upload, "upscale_factor": "4x"})

        (received,) = [each for each in images.images if images.key(each) == found["image"]]
        assert found["image"] == f"uploads/web/ann/{upload}{end}"
        assert received.width * received.height * 16 <= 24_000_000
        assert received.width * 4 > size[0]
