"""Jobs with several images, and images that are sent inside the request to the provider."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.jobs import Job
from darkroom.domain.predictions import PredictionStatus
from darkroom.domain.uploads import FittedImage, sides_of, size_within
from darkroom.providers import load_provider
from darkroom.storage import jobs, ledger, uploads
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, NOON, call_api, held_job, open_account, stored, until
from tests.integration.steps import key, with_setting
from tests.integration.upload_requests import complete, create_upload, image, object_at, put_file

pytestmark = pytest.mark.usefixtures("aws")

URL = "https://example.com/a.png"


@pytest.fixture(autouse=True)
def no_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow_adapter, "start", lambda _: None)


def upload_of(size: tuple[int, int], *, bytes_by_side: dict[int, int] | None = None) -> str:
    """Record a completed upload of this size. `bytes_by_side` has the bytes of its images."""
    images = tuple(
        FittedImage("image/jpeg", *size_within(*size, side), (bytes_by_side or {}).get(side, 1_000))
        for side in sides_of(*size)
    )
    upload = uploads.create(ANN, bytes_max=1_000, now=datetime.now(UTC))
    uploads.record_images(replace(upload, images=images, original_size=size))
    return upload.upload_id


def completed_upload(size: tuple[int, int] = (400, 320)) -> str:
    upload = create_upload()[1]
    put_file(upload, image(size))
    assert complete(upload["upload_id"])[0] == 200
    return str(upload["upload_id"])


def submit(template: str, **parameters: Any) -> tuple[int, Any]:
    open_account(5_000)
    body = {"template": template, "parameters": {"prompt": "a", **parameters}}
    status, answer, _ = call_api("POST", "/jobs", body=body)
    return status, answer


def submitted(template: str, **parameters: Any) -> Job:
    status, job = submit(template, **parameters)
    assert status == 202, job
    return jobs.read(ANN, job["id"])


class TestLists:
    @pytest.mark.parametrize(
        ("template", "name", "most"),
        [
            ("gpt-image-2", "input_images", 16),
            ("nano-banana-pro", "image_input", 14),
            ("seedream-4.5", "image_input", 14),
            ("flux-2-pro", "input_images", 3),
            ("flux-2-klein-4b", "images", 5),
            ("ideogram-4-5", "images", 5),
            ("seedance-2.0-fast", "reference_images", 9),
        ],
    )
    def test_as_many_images_as_the_list_allows_and_not_one_more(
        self, template: str, name: str, most: int
    ) -> None:
        images = [upload_of((400, 320)) for _ in range(most)]

        sent = submitted(template, **{name: images}).model_input.input[name]
        status, problem = submit(template, **{name: [*images, images[0]]})

        assert sent == [f"uploads/web/ann/{each}.jpg" for each in images]
        assert status == 422
        assert problem["errors"] == [
            {"field": f"parameters.{name}", "message": f"The maximum is {most} items."}
        ]

    def test_uploads_and_links_keep_their_order(self) -> None:
        first, second = upload_of((400, 320)), upload_of((2048, 1024))

        job = submitted("gpt-image-2", input_images=[second, URL, first])

        assert job.model_input.input["input_images"] == [
            f"uploads/web/ann/{second}.2048.jpg",
            URL,
            f"uploads/web/ann/{first}.jpg",
        ]

    def test_each_image_of_a_list_must_obey_the_rules_and_a_refused_one_is_named(self) -> None:
        good, narrow = upload_of((1000, 800)), upload_of((1600, 400))

        status, problem = submit("seedance-2.0-fast", reference_images=[good, narrow, good])

        assert (status, [error["field"] for error in problem["errors"]]) == (
            422,
            ["parameters.reference_images.1"],
        )
        assert ledger.balance(ANN).held == 0

    def test_flux_receives_at_most_two_megapixels_of_each_image(self) -> None:
        square, wide = upload_of((3000, 3000)), upload_of((3000, 1000))

        alone = submitted("flux-2-pro", input_images=[wide]).model_input.input["input_images"]
        both = submitted("flux-2-pro", input_images=[wide, square]).model_input.input

        assert alone == [f"uploads/web/ann/{wide}.2048.jpg"]
        assert both["input_images"] == [
            f"uploads/web/ann/{wide}.jpg",
            f"uploads/web/ann/{square}.jpg",
        ]


class TestTotalBytes:
    def test_all_images_together_must_fit_so_each_becomes_smaller(self) -> None:
        photo = upload_of((3000, 2000), bytes_by_side={1024: 300_000, 1448: 700_000})

        four = submitted("seedance-2.0-fast", reference_images=[photo] * 4)
        five = submitted("seedance-2.0-fast", reference_images=[photo] * 5)

        assert set(four.model_input.input["reference_images"]) == {
            f"uploads/web/ann/{photo}.1448.jpg"
        }
        assert set(five.model_input.input["reference_images"]) == {f"uploads/web/ann/{photo}.jpg"}
        assert five.model_input.inline_bytes_max == 3_300_000

    @pytest.mark.parametrize(("last", "status"), [(400_000, 202), (400_001, 422)])
    def test_the_bound_is_the_last_sum_that_is_accepted(self, last: int, status: int) -> None:
        images = [
            upload_of((800, 800), bytes_by_side={1024: size})
            for size in (900_000, 1_000_000, 1_000_000, last)
        ]

        found, answer = submit("seedance-2.0-fast", reference_images=images)

        assert found == status
        if status == 422:
            (error,) = answer["errors"]
            assert error["field"] == "parameters.reference_images.1"
            assert "The images have 3.3 MB together" in error["message"]
            assert ledger.balance(ANN).held == 0

    def test_another_template_sends_links_and_has_no_total(self) -> None:
        photo = upload_of((3000, 2000), bytes_by_side={2048: 9_000_000})

        job = submitted("kling-v3-video", start_image=photo, end_image=photo)

        assert job.model_input.input["end_image"] == f"uploads/web/ann/{photo}.2048.jpg"
        assert job.model_input.inline_bytes_max == 0


class TestRequests:
    @pytest.fixture(autouse=True)
    def replicate(
        self, simulated_replicate: SimulatedReplicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.base_url = simulated_replicate.base_url
        with_setting(monkeypatch, "PUBLIC_URL", "http://127.0.0.1:9")

    def faults(self, **faults: Any) -> None:
        requests.put(f"{self.base_url}/faults", json=faults, timeout=5).raise_for_status()

    def requested(self, job: Job) -> dict[str, Any]:
        """Enter the step RequestPrediction, and return the prediction that it created."""
        handler_of("request_prediction")(
            key(job, task_token="token", entered_at=NOON.isoformat(), retry_count=0), CONTEXT
        )
        predictions: list[dict[str, Any]] = requests.get(
            f"{self.base_url}/sim/predictions", timeout=5
        ).json()["predictions"]
        return predictions[-1]

    def test_the_images_of_seedance_are_in_the_request_and_links_are_not(self) -> None:
        self.faults(run_seconds=30)
        first, second = completed_upload(), completed_upload((500, 400))

        sent = self.requested(submitted("seedance-2.0-fast", reference_images=[first, second]))

        bodies = [
            b64decode(each.removeprefix("data:image/jpeg;base64,"), validate=True)
            for each in sent["input"]["reference_images"]
        ]
        assert bodies == [object_at(f"uploads/web/ann/{each}.jpg") for each in (first, second)]

    def test_the_images_of_other_models_are_signed_links(self) -> None:
        self.faults(run_seconds=30)

        sent = self.requested(submitted("kling-v3-video", start_image=completed_upload()))

        assert sent["input"]["start_image"].startswith("https://")
        assert "Signature=" in sent["input"]["start_image"]

    def test_seedance_makes_its_video_from_them(self) -> None:
        self.faults(run_seconds=0, queue_seconds=0)
        job = submitted("seedance-2.0-fast", image=completed_upload(), duration=4)

        created = self.requested(job)

        found = until(
            lambda: (
                load_provider("replicate").get(created["id"])
                if load_provider("replicate").get(created["id"]).status
                is not PredictionStatus.RUNNING
                else None
            )
        )
        assert (found.status, len(found.outputs)) == (PredictionStatus.SUCCEEDED, 1)

    @pytest.mark.parametrize("shape", ["string", "list"])
    @pytest.mark.parametrize(
        ("template", "parameters"),
        [
            ("ideogram-4-5", {}),
            ("kling-v3-video", {"duration": 3}),
            ("flux-2-klein-4b", {}),
            ("gpt-image-2", {}),
        ],
    )
    def test_one_link_and_a_list_are_outputs_of_a_model_whose_shape_was_not_seen(
        self, template: str, parameters: dict[str, Any], shape: str
    ) -> None:
        self.faults(run_seconds=0, queue_seconds=0, output_shape=shape)
        job = held_job(credits=1_000, template=template, **parameters)
        self.requested(job)
        attempt = stored(job).attempt
        assert attempt
        assert attempt.prediction_id

        def read() -> Any:
            found = load_provider("replicate").get(attempt.prediction_id or "")
            return None if found.status is PredictionStatus.RUNNING else found

        found = until(read)

        assert (found.status, len(found.outputs)) == (PredictionStatus.SUCCEEDED, 1)
