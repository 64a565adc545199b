"""Images that users bring along: announced, completed, used; each by its owner alone, and again after every crash."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from PIL import Image

from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.jobs import ModelInput
from darkroom.media import bucket, input_images
from darkroom.settings import settings
from darkroom.storage import jobs
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, call_api, http_event, open_account
from tests.contract import must_be_as_described
from tests.integration.steps import BUCKET, at

pytestmark = pytest.mark.usefixtures("aws")

PNG = {"content_type": "image/png", "bytes": 5_000}
NOBODYS = "0199f3a0-7b1c-7d4e-9a52-3c8e5f1d2b60"


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """No execution is started, so every job stays as it was submitted."""
    monkeypatch.setattr(workflow_adapter, "start", lambda _: None)


def image(size: tuple[int, int] = (40, 30)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "tomato").save(file, "PNG")
    return file.getvalue()


def announce(body: object = PNG, **event: Any) -> tuple[int, Any]:
    status, document, _ = call_api("POST", "/uploads", body=body, **event)
    return status, document


def send(upload: dict[str, Any], body: bytes) -> None:
    boto3.client("s3").put_object(
        Bucket=BUCKET, Key=upload["fields"]["key"], Body=body, ContentType="image/png"
    )


def complete(upload_id: str, **event: Any) -> tuple[int, Any]:
    answer = handler_of("prepare_upload")(
        http_event("POST", f"/uploads/{upload_id}/complete", **event), CONTEXT
    )
    must_be_as_described(
        "POST",
        f"/uploads/{upload_id}/complete",
        answer["statusCode"],
        answer["headers"],
        answer["body"],
    )
    return answer["statusCode"], json.loads(answer["body"])


def prepared(**event: Any) -> str:
    upload = announce(**event)[1]
    send(upload, image())
    assert complete(upload["upload_id"], **event)[0] == 200
    upload_id: str = upload["upload_id"]
    return upload_id


def keys() -> list[str]:
    return sorted(
        item["Key"]
        for item in boto3.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])
    )


def fields_of(problem: Any) -> list[str]:
    return [error["field"] for error in problem["errors"]]


class TestCreateUpload:
    def test_returns_a_form_for_one_object(self) -> None:
        status, upload = announce()

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
            ({"bytes": 1}, "content_type"),
            ({"content_type": "image/png"}, "bytes"),
            ({"content_type": "image/png", "bytes": 0}, "bytes"),
            ({"content_type": "image/png", "bytes": 20_000_001}, "bytes"),
            ({"content_type": "image/png", "bytes": "7"}, "bytes"),
            ({"content_type": "image/png", "bytes": True}, "bytes"),
            ({"content_type": "image/png", "bytes": 1, "key": "media/web/bob/x"}, "key"),
        ],
    )
    def test_names_the_invalid_field(self, body: object, field: str) -> None:
        status, problem = announce(body)

        assert status == 422
        assert fields_of(problem) == [field]

    def test_accepts_the_largest_file_and_refuses_unsigned_callers(self) -> None:
        assert announce({"content_type": "image/gif", "bytes": 20_000_000})[0] == 201
        assert announce(user=None)[0] == 401


class TestCompleteUpload:
    def test_keeps_only_the_resized_image(self) -> None:
        upload = announce({"content_type": "image/png", "bytes": 50_000})[1]
        send(upload, image((2000, 1000)))

        status, document = complete(upload["upload_id"])

        assert (status, document["width"], document["height"], document["content_type"]) == (
            200,
            1024,
            512,
            "image/jpeg",
        )
        assert keys() == [f"uploads/web/ann/{upload['upload_id']}.jpg"]

    def test_repeated_completion_returns_the_same_response(self) -> None:
        upload = announce()[1]
        send(upload, image())
        first = complete(upload["upload_id"])
        send(upload, image((7, 7)))

        assert complete(upload["upload_id"]) == first

    def test_does_not_find_foreign_unknown_or_malformed_uploads(self) -> None:
        upload_id = prepared()

        assert complete(upload_id, user="bob")[0] == 404
        assert complete(upload_id, **{"custom:platform": "mobile"})[0] == 404
        for unknown in (NOBODYS, "x", "..%2Fbob", upload_id.upper(), "JOB%23x"):
            assert complete(unknown)[0] == 404
        assert complete(upload_id, user=None)[0] == 401

    def test_refuses_completion_before_the_file_arrives(self) -> None:
        status, problem = complete(announce()[1]["upload_id"])

        assert (status, fields_of(problem), problem["charged"]) == (422, ["upload_id"], 0)
        assert "arrived" in problem["errors"][0]["message"]

    @pytest.mark.parametrize("body", [b"", b"a text file called image.jpg", image()[:-30]])
    def test_refuses_a_file_that_is_not_an_image(self, body: bytes) -> None:
        upload = announce()[1]
        send(upload, body)

        status, problem = complete(upload["upload_id"])

        assert (status, fields_of(problem), problem["charged"]) == (422, ["upload_id"], 0)
        assert keys() == [upload["fields"]["key"]]

    def test_refuses_a_file_larger_than_announced(self) -> None:
        upload = announce({"content_type": "image/png", "bytes": 10})[1]
        send(upload, image())

        status, problem = complete(upload["upload_id"])

        assert (status, problem["errors"][0]["message"]) == (
            422,
            "Has more than the 10 bytes that were announced.",
        )

    def test_upload_expires_after_a_day(self, monkeypatch: pytest.MonkeyPatch) -> None:
        upload_id = prepared()
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
        upload = announce()[1]
        send(upload, image())
        real, answers = input_images.fit, []

        def meanwhile(body: bytes) -> Any:
            monkeypatch.setattr(input_images, "fit", real)
            answers.append(complete(upload["upload_id"]))
            return real(body)

        monkeypatch.setattr(input_images, "fit", meanwhile)
        answers.append(complete(upload["upload_id"]))

        assert answers[0] == answers[1]
        assert answers[0][0] == 200

    @pytest.mark.parametrize("after", ["PutObject", "UpdateItem", "DeleteObject"])
    def test_repeated_completion_repairs_a_crash_after_any_call(
        self, after: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload = announce()[1]
        send(upload, image())
        with monkeypatch.context() as patch:
            crash_after(after, patch)
            with pytest.raises(KeyboardInterrupt):
                complete(upload["upload_id"])

        status, document = complete(upload["upload_id"])

        assert (status, document["width"], document["height"]) == (200, 40, 30)
        assert f"uploads/web/ann/{upload['upload_id']}.jpg" in keys()


def crash_after(operation: str, patch: pytest.MonkeyPatch) -> None:
    """Let the process die once this call has done its work."""
    real = BaseClient._make_api_call  # type: ignore[attr-defined]

    def dying(client: Any, name: str, parameters: Any) -> Any:
        answer = real(client, name, parameters)
        if name == operation:
            raise KeyboardInterrupt
        return answer

    patch.setattr(BaseClient, "_make_api_call", dying)


class TestInputImages:
    def test_job_accepts_an_upload_of_its_account(self) -> None:
        open_account(100)
        upload_id = prepared()

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
        work = stored_work(job["id"])
        assert (work.input["image"], work.images) == (
            f"uploads/web/ann/{upload_id}.jpg",
            ("image",),
        )

    def test_keeps_the_order_of_several_images(self) -> None:
        open_account(1000)
        first, second = prepared(), prepared()
        url = "https://example.com/a.png"

        _, job, _ = call_api(
            "POST",
            "/jobs",
            body={
                "template": "veo-3.1",
                "parameters": {"prompt": "a", "reference_images": [second, url, first]},
            },
        )

        sent = stored_work(job["id"]).input["reference_images"]
        assert sent == [f"uploads/web/ann/{second}.jpg", url, f"uploads/web/ann/{first}.jpg"]

    def test_small_image_is_sent_inline_when_requested(self) -> None:
        upload_id = prepared()
        key = f"uploads/web/ann/{upload_id}.jpg"
        body = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        work = ModelInput(
            "replicate",
            "a/model",
            {"image": key, "others": [key, "https://example.com/a.png"]},
            1,
            ("image", "others"),
        )

        inline = f"data:image/jpeg;base64,{b64encode(body).decode()}"
        assert bucket.link_inputs(work, inline_bytes_max=len(body)).input == {
            "image": inline,
            "others": [inline, "https://example.com/a.png"],
        }

        assert str(
            bucket.link_inputs(work, inline_bytes_max=len(body) - 1).input["image"]
        ).startswith("https://")

    def test_refuses_other_uploads_and_charges_nothing(self) -> None:
        open_account(100)
        announced = announce()[1]["upload_id"]
        bobs = prepared(user="bob")

        for image in (announced, bobs, NOBODYS):
            status, problem, _ = call_api(
                "POST", "/jobs", body={"template": "real-esrgan", "parameters": {"image": image}}
            )
            assert (status, fields_of(problem)) == (422, ["parameters.image"])
            status, problem, _ = call_api(
                "POST", "/templates/real-esrgan/quote", body={"parameters": {"image": image}}
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
        prompt = f"uploads/web/bob/{NOBODYS}.jpg"

        _, job, _ = call_api(
            "POST",
            "/jobs",
            body={
                "template": "flux-dev",
                "parameters": {"prompt": prompt, "image": "https://example.com/a.png"},
            },
        )

        work = stored_work(job["id"])
        assert (work.input["prompt"], work.input["image"], work.images) == (
            prompt,
            "https://example.com/a.png",
            ("image",),
        )


def stored_work(job_id: str) -> Any:
    return jobs.read(ANN, job_id).model_input
