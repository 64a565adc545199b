"""Uploads, and videos from uploaded images, over HTTP."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import requests
from PIL import Image

from local.stack import LocalStack
from tests.e2e.actors import Actor, predictions_of
from tests.integration.input_files import COLORS, corners, encoded, quarters, with_scans


def image(size: tuple[int, int] = (300, 200)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, "tomato").save(file, "PNG")
    return file.getvalue()


def announced(actor: Actor, **body: Any) -> dict[str, Any]:
    upload: dict[str, Any] = actor.client.post(
        "/uploads", {"content_type": "image/png", "bytes": 10_000} | body
    )
    return upload


def sent(upload: dict[str, Any], body: bytes, **fields: str) -> requests.Response:
    return requests.post(
        upload["url"],
        data=upload["fields"] | fields,
        files={"file": ("image.png", body)},
        timeout=10,
    )


def test_an_image_uploaded_to_the_bucket_becomes_the_input_of_a_video(
    actor: Actor, stack: LocalStack
) -> None:
    upload = announced(actor)
    assert sent(upload, image()).status_code == 204
    prepared = actor.client.post(f"/uploads/{upload['upload_id']}/complete", {})
    assert (prepared["width"], prepared["height"]) == (300, 200)

    prompt = f"the sea moves {upload['upload_id']}"
    job = actor.ended(actor.submit("wan-2.2-i2v-fast", prompt=prompt, image=upload["upload_id"]))

    assert job["status"] == "completed"
    assert job["credits"]["charged"] == 50
    (output,) = job["outputs"]
    assert (output["content_type"], output["seconds"]) == ("video/mp4", 5.06)
    assert requests.get(output["url"], timeout=10).content[4:8] == b"ftyp"
    assert Image.open(BytesIO(requests.get(output["thumbnail_url"], timeout=10).content)).size == (
        200,
        200,
    )
    (prediction,) = predictions_of(stack, prompt)
    assert prediction["input"]["image"].startswith(f"{stack.aws_url}/")
    actor.must_have_a_balanced_ledger()


def test_a_photo_of_a_phone_becomes_the_input_of_an_image(actor: Actor, stack: LocalStack) -> None:
    photo = encoded(quarters((1_600, 1_200)), "HEIF")
    upload = announced(actor, content_type="image/heic", bytes=len(photo))
    assert upload["fields"]["Content-Type"] == "image/heic"
    assert sent(upload, photo).status_code == 204

    prepared = actor.client.post(f"/uploads/{upload['upload_id']}/complete", {})

    assert (prepared["content_type"], prepared["width"]) == ("image/jpeg", 1_024)
    prompt = f"the same in oil {upload['upload_id']}"
    job = actor.ended(actor.submit("flux-dev", prompt=prompt, image=upload["upload_id"]))
    assert job["status"] == "completed"
    (prediction,) = predictions_of(stack, prompt)
    link = requests.get(prediction["input"]["image"], timeout=10)
    assert corners(Image.open(BytesIO(link.content))) == COLORS


def test_a_file_that_would_take_minutes_is_refused_and_deleted_at_once(actor: Actor) -> None:
    hostile = with_scans(encoded(quarters(), "JPEG", progressive=True), 3_000)
    upload = announced(actor, content_type="image/jpg", bytes=len(hostile))
    assert sent(upload, hostile).status_code == 204

    for _ in range(2):
        refused = actor.refused("POST", f"/uploads/{upload['upload_id']}/complete", json={})
        assert refused.status_code == 422
        assert "3000 scans. The maximum is 100." in refused.json()["errors"][0]["message"]


def test_the_upload_form_accepts_only_the_announced_file(actor: Actor) -> None:
    upload = announced(actor, bytes=100)

    assert sent(upload, image()).status_code == 400
    assert sent(upload, b"").status_code == 400
    assert sent(upload, b"x", key="media/web/bob/x").status_code == 403
    assert sent(upload, b"x", **{"Content-Type": "text/html"}).status_code == 403
    assert sent(upload, b"x", acl="public-read").status_code == 403
    assert sent(upload, b"x", **{"x-amz-signature": "0" * 64}).status_code == 403
    assert sent(upload, b"x").status_code == 204
    refused = actor.refused("POST", f"/uploads/{upload['upload_id']}/complete", json={})
    assert (refused.status_code, refused.json()["charged"]) == (422, 0)


def completed(actor: Actor, body: bytes) -> str:
    upload = announced(actor, bytes=len(body))
    assert sent(upload, body).status_code == 204
    actor.client.post(f"/uploads/{upload['upload_id']}/complete", {})
    return str(upload["upload_id"])


def test_several_images_become_the_input_of_a_job_with_two_outputs(
    actor: Actor, stack: LocalStack
) -> None:
    uploads = [completed(actor, image((300 + number, 200))) for number in range(3)]
    prompt = f"all together {uploads[0]}"

    job = actor.ended(
        actor.submit("gpt-image-2", prompt=prompt, input_images=uploads, number_of_images=2)
    )

    assert (job["status"], job["credits"]["charged"]) == ("completed", 20)
    assert [output["content_type"] for output in job["outputs"]] == ["image/webp"] * 2
    (prediction,) = predictions_of(stack, prompt)
    links = prediction["input"]["input_images"]
    images = [Image.open(BytesIO(requests.get(link, timeout=10).content)) for link in links]
    assert [image.width for image in images] == [300, 301, 302]


def test_a_job_with_megabytes_inside_its_request_ends_by_a_webhook(
    actor: Actor, stack: LocalStack
) -> None:
    noise = BytesIO()
    Image.merge("RGB", [Image.effect_noise((1_000, 900), 90)] * 3).save(noise, "JPEG", quality=95)
    upload = completed(actor, noise.getvalue())
    prompt = f"the noise moves {upload}"

    job = actor.ended(
        actor.submit(
            "seedance-2.0-fast",
            prompt=prompt,
            reference_images=[upload] * 4,
            duration=4,
            resolution="480p",
        )
    )

    assert (job["status"], job["credits"]["charged"]) == ("completed", 56)
    (prediction,) = predictions_of(stack, prompt)
    sent_images = prediction["input"]["reference_images"]
    assert {each.partition(",")[0] for each in sent_images} == {"data:image/jpeg;base64"}
    assert 1_500_000 < sum(map(len, sent_images)) < 4_500_000
    webhooks = requests.get(f"{stack.replicate_url}/sim/webhooks", timeout=10).json()["webhooks"]
    mine = [each for each in webhooks if each["prediction_id"] == prediction["id"]]
    assert {each["status_code"] for each in mine if each["status"] == "succeeded"} == {200}
