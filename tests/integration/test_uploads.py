"""Uploads: a form for one file, the completion, and the use as an input image of a job."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.jobs import ModelInput
from darkroom.domain.uploads import FittedImage
from darkroom.media import bucket
from darkroom.media.inputs import conversion
from darkroom.settings import settings
from darkroom.storage import jobs, uploads
from darkroom.storage.job_rows import partition
from darkroom.storage.upload_rows import UploadRow
from tests.builders import ANN, call_api, open_account
from tests.integration.input_files import opened
from tests.integration.steps import at
from tests.integration.upload_requests import (
    PNG,
    complete,
    crash_after,
    create_upload,
    fields_of,
    image,
    keys,
    object_at,
    put_file,
)

pytestmark = pytest.mark.usefixtures("aws")

UNKNOWN_ID = "0199f3a0-7b1c-7d4e-9a52-3c8e5f1d2b60"


@pytest.fixture(autouse=True)
def no_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no executions: each job stays as it was submitted."""
    monkeypatch.setattr(workflow_adapter, "start", lambda _: None)


def policy_of(upload: dict[str, Any]) -> list[Any]:
    """Return the conditions that S3 checks when it receives the form of an upload."""
    conditions: list[Any] = json.loads(b64decode(upload["fields"]["policy"]))["conditions"]
    return conditions


def completed_upload(**event: Any) -> str:
    upload = create_upload(**event)[1]
    put_file(upload, image())
    assert complete(upload["upload_id"], **event)[0] == 200
    upload_id: str = upload["upload_id"]
    return upload_id


class TestCreateUpload:
    def test_returns_a_form_for_one_object(self) -> None:
        status, upload = create_upload()

        assert status == 201
        assert upload.keys() == {"upload_id", "url", "fields"}
        assert upload["fields"]["key"] == f"uploads/web/ann/{upload['upload_id']}.original"
        assert upload["fields"]["Content-Type"] == "image/png"
        assert {
            "policy",
            "x-amz-signature",
            "x-amz-credential",
            "x-amz-algorithm",
            "x-amz-date",
        } <= upload["fields"].keys()

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"content_type": "image/tiff", "bytes": 1}, "content_type"),
            ({"content_type": "IMAGE/PNG", "bytes": 1}, "content_type"),
            ({"content_type": "video/mp4", "bytes": 1}, "content_type"),
            ({"bytes": 1}, "content_type"),
            ({"content_type": "image/png"}, "bytes"),
            ({"content_type": "image/png", "bytes": 0}, "bytes"),
            ({"content_type": "image/png", "bytes": 80_000_001}, "bytes"),
            ({"content_type": "image/png", "bytes": "7"}, "bytes"),
            ({"content_type": "image/png", "bytes": True}, "bytes"),
            ({"content_type": "image/png", "bytes": 1, "key": "media/web/bob/x"}, "key"),
        ],
    )
    def test_names_the_invalid_field(self, body: object, field: str) -> None:
        status, problem = create_upload(body)

        assert status == 422
        assert fields_of(problem) == [field]

    def test_accepts_the_largest_file_and_refuses_unsigned_callers(self) -> None:
        assert create_upload({"content_type": "image/gif", "bytes": 80_000_000})[0] == 201
        assert create_upload(user=None)[0] == 401

    @pytest.mark.parametrize(
        ("announced", "signed"),
        [
            ("image/jpg", "image/jpeg"),
            ("image/heic", "image/heic"),
            ("image/heif", "image/heif"),
            ("image/avif", "image/avif"),
        ],
    )
    def test_accepts_the_types_that_phones_send(self, announced: str, signed: str) -> None:
        status, upload = create_upload({"content_type": announced, "bytes": 1})

        assert (status, upload["fields"]["Content-Type"]) == (201, signed)
        assert {"Content-Type": signed} in policy_of(upload)


class TestCompleteUpload:
    def test_keeps_only_the_resized_images(self) -> None:
        upload = create_upload({"content_type": "image/png", "bytes": 50_000})[1]
        put_file(upload, image((3000, 1500)))

        status, document = complete(upload["upload_id"])

        assert (status, document["width"], document["height"], document["content_type"]) == (
            200,
            1024,
            512,
            "image/jpeg",
        )
        prefix = f"uploads/web/ann/{upload['upload_id']}"
        assert {key: opened(object_at(key)).size for key in keys()} == {
            f"{prefix}.jpg": (1024, 512),
            f"{prefix}.1448.jpg": (1448, 724),
            f"{prefix}.2048.jpg": (2048, 1024),
        }

    @pytest.mark.parametrize(("side", "ends"), [(1024, [".jpg"]), (1448, [".2048.jpg", ".jpg"])])
    def test_a_smaller_image_has_fewer_sizes(self, side: int, ends: list[str]) -> None:
        upload = create_upload()[1]
        put_file(upload, image((side, 1)))

        assert complete(upload["upload_id"])[1]["width"] == 1024
        assert keys() == [f"uploads/web/ann/{upload['upload_id']}{end}" for end in ends]

    def test_the_record_has_the_type_size_and_bytes_of_each_image(self) -> None:
        upload_id = create_upload({"content_type": "image/png", "bytes": 50_000})[1]["upload_id"]
        recorded = uploads.read(ANN, upload_id, now=datetime.now(UTC))
        put_file({"fields": {"key": recorded.original_key}}, image((3000, 1500)))
        complete(upload_id)

        recorded = uploads.read(ANN, upload_id, now=datetime.now(UTC))

        assert recorded.original_size == (3000, 1500)
        assert [(each.content_type, each.width, each.height) for each in recorded.images] == [
            ("image/jpeg", 1024, 512),
            ("image/jpeg", 1448, 724),
            ("image/jpeg", 2048, 1024),
        ]
        for each in recorded.images:
            assert each.bytes == len(object_at(recorded.key(each)))

    def test_an_upload_of_release_0_1_0_stays_usable(self) -> None:
        """Its row has the type and the size of one image, and no bytes."""
        upload_id = completed_upload()
        row = UploadRow.get(partition(ANN), f"UPLOAD#{upload_id}")
        row.update(actions=[UploadRow.bytes.remove(), UploadRow.original.remove()])

        now = datetime.now(UTC)
        upload = uploads.read(ANN, upload_id, now=now)

        assert upload.images == (FittedImage("image/jpeg", 40, 30),)
        assert upload.original_size is None
        assert uploads.input_key(ANN, upload_id, now=now) == f"uploads/web/ann/{upload_id}.jpg"
        assert complete(upload_id)[1]["width"] == 40

    def test_repeated_completion_returns_the_same_response(self) -> None:
        upload = create_upload()[1]
        put_file(upload, image())
        first = complete(upload["upload_id"])
        put_file(upload, image((7, 7)))

        assert complete(upload["upload_id"]) == first

    def test_does_not_find_foreign_unknown_or_malformed_uploads(self) -> None:
        upload_id = completed_upload()

        assert complete(upload_id, user="bob")[0] == 404
        assert complete(upload_id, **{"custom:platform": "mobile"})[0] == 404
        for unknown in (UNKNOWN_ID, "x", "..%2Fbob", upload_id.upper(), "JOB%23x"):
            assert complete(unknown)[0] == 404
        assert complete(upload_id, user=None)[0] == 401

    def test_refuses_completion_before_the_file_arrives(self) -> None:
        status, problem = complete(create_upload()[1]["upload_id"])

        assert (status, fields_of(problem), problem["charged"]) == (422, ["upload_id"], 0)
        assert "arrived" in problem["errors"][0]["message"]

    @pytest.mark.parametrize("body", [b"", b"a text file called image.jpg", image()[:-30]])
    def test_refuses_a_file_that_is_not_an_image(self, body: bytes) -> None:
        upload = create_upload()[1]
        put_file(upload, body)

        status, problem = complete(upload["upload_id"])

        assert (status, fields_of(problem), problem["charged"]) == (422, ["upload_id"], 0)
        assert keys() == []

    def test_refuses_a_file_larger_than_announced(self) -> None:
        upload = create_upload({"content_type": "image/png", "bytes": 10})[1]
        put_file(upload, image())

        status, problem = complete(upload["upload_id"])

        assert status == 422
        assert problem["errors"][0]["message"] == (
            "The file has more than the announced 10 bytes. "
            "Announce a new upload and send another file."
        )

    def test_upload_expires_after_a_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        upload_id = completed_upload()
        expires_at = datetime.fromisoformat(complete(upload_id)[1]["expires_at"])
        assert abs(
            expires_at - datetime.now(UTC) - timedelta(hours=settings().upload_hours)
        ) < timedelta(minutes=1)

        at(monkeypatch, expires_at - timedelta(seconds=1))
        assert complete(upload_id)[0] == 200
        at(monkeypatch, expires_at)
        assert complete(upload_id)[0] == 404

    def test_concurrent_completions_return_the_same_response(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = create_upload()[1]
        put_file(upload, image())
        fit, responses = conversion.fit, []

        def complete_concurrently(body: bytes) -> Any:
            monkeypatch.setattr(conversion, "fit", fit)
            responses.append(complete(upload["upload_id"]))
            return fit(body)

        monkeypatch.setattr(conversion, "fit", complete_concurrently)
        responses.append(complete(upload["upload_id"]))

        assert responses[0] == responses[1]
        assert responses[0][0] == 200

    @pytest.mark.parametrize(
        ("after", "number"),
        [
            ("UpdateItem", 1),
            ("PutObject", 1),
            ("PutObject", 2),
            ("UpdateItem", 2),
            ("DeleteObject", 1),
        ],
    )
    def test_repeated_completion_repairs_a_crash_after_any_call(
        self, after: str, number: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = create_upload({"content_type": "image/png", "bytes": 50_000})[1]
        put_file(upload, image((1200, 600)))
        with monkeypatch.context() as patch:
            crash_after(after, number, patch)
            with pytest.raises(KeyboardInterrupt):
                complete(upload["upload_id"])

        status, document = complete(upload["upload_id"])

        assert (status, document["width"], document["height"]) == (200, 1024, 512)
        prefix = f"uploads/web/ann/{upload['upload_id']}"
        assert keys() == [f"{prefix}.2048.jpg", f"{prefix}.jpg"]


class TestInputImages:
    def test_job_accepts_an_upload_of_its_account(self) -> None:
        open_account(100)
        upload_id = completed_upload()

        status, job, _ = call_api(
            "POST",
            "/jobs",
            body={
                "template": "real-esrgan",
                "parameters": {"image": upload_id, "resolution": "2k"},
            },
        )

        assert status == 202
        assert job["parameters"]["image"] == upload_id
        model_input = stored_model_input(job["id"])
        assert (model_input.input["image"], model_input.images) == (
            f"uploads/web/ann/{upload_id}.jpg",
            ("image",),
        )

    def test_keeps_the_order_of_several_images(self) -> None:
        open_account(1000)
        first, second = completed_upload(), completed_upload()
        url = "https://example.com/a.png"

        _, job, _ = call_api(
            "POST",
            "/jobs",
            body={
                "template": "veo-3.1",
                "parameters": {"prompt": "a", "reference_images": [second, url, first]},
            },
        )

        references = stored_model_input(job["id"]).input["reference_images"]
        assert references == [f"uploads/web/ann/{second}.jpg", url, f"uploads/web/ann/{first}.jpg"]

    def test_small_image_is_sent_inline_when_requested(self) -> None:
        upload_id = completed_upload()
        key = f"uploads/web/ann/{upload_id}.jpg"
        body = object_at(key)
        model_input = ModelInput(
            "replicate",
            "a/model",
            {"image": key, "others": [key, "https://example.com/a.png"]},
            1,
            ("image", "others"),
        )

        inline = f"data:image/jpeg;base64,{b64encode(body).decode()}"
        assert bucket.link_inputs(model_input, inline_bytes_max=len(body)).input == {
            "image": inline,
            "others": [inline, "https://example.com/a.png"],
        }

        assert str(
            bucket.link_inputs(model_input, inline_bytes_max=len(body) - 1).input["image"]
        ).startswith("https://")

    def test_refuses_other_uploads_and_charges_nothing(self) -> None:
        open_account(100)
        without_a_file = create_upload()[1]["upload_id"]
        of_another_account = completed_upload(user="bob")

        for unusable in (without_a_file, of_another_account, UNKNOWN_ID):
            status, problem, _ = call_api(
                "POST", "/jobs", body={"template": "real-esrgan", "parameters": {"image": unusable}}
            )
            assert (status, fields_of(problem)) == (422, ["parameters.image"])
            status, problem, _ = call_api(
                "POST", "/templates/real-esrgan/quote", body={"parameters": {"image": unusable}}
            )
            assert (status, fields_of(problem)) == (422, ["parameters.image"])
        assert call_api("GET", "/credits")[1] == {
            "available": 100,
            "held": 0,
            "spent": 0,
            "granted": 100,
            "in_flight": 0,
        }

    def test_prompt_that_resembles_a_key_stays_a_prompt(self) -> None:
        open_account(100)
        prompt = f"uploads/web/bob/{UNKNOWN_ID}.jpg"

        _, job, _ = call_api(
            "POST",
            "/jobs",
            body={
                "template": "flux-dev",
                "parameters": {"prompt": prompt, "image": "https://example.com/a.png"},
            },
        )

        model_input = stored_model_input(job["id"])
        assert (model_input.input["prompt"], model_input.input["image"], model_input.images) == (
            prompt,
            "https://example.com/a.png",
            ("image",),
        )


def stored_model_input(job_id: str) -> Any:
    return jobs.read(ANN, job_id).model_input


def test_the_form_accepts_at_most_the_announced_bytes() -> None:
    upload = create_upload(PNG | {"bytes": 123})[1]

    assert ["content-length-range", 1, 123] in policy_of(upload)


def test_the_first_images_that_are_recorded_for_an_upload_stay() -> None:
    upload = uploads.create(ANN, bytes_max=1_000, now=datetime.now(UTC))
    first = (FittedImage("image/png", 1, 2, 10), FittedImage("image/png", 2, 4, 20))
    second = (FittedImage("image/jpeg", 3, 4, 30),)

    assert uploads.record_images(replace(upload, images=first)).images == first
    assert uploads.record_images(replace(upload, images=second)).images == first
