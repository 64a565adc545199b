"""The Files API of the simulated Replicate, and the versions of its models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from local.simulators.replicate import SimulatedReplicate, files
from local.simulators.replicate.model_table import MODELS

SDXL = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
HEADERS = {"Authorization": "Bearer r8_test"}


class Clock:
    moved = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.moved


class Replicate:
    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=HEADERS, timeout=5)

    def send(self, content: bytes = b"the image", **form: str) -> requests.Response:
        return self.send_parts({"content": ("image.png", content, "image/png")}, **form)

    def send_parts(self, parts: dict[str, Any], **form: str) -> requests.Response:
        return requests.post(
            f"{self.url}/v1/files", files=parts, data=form, headers=HEADERS, timeout=10
        )

    def enlarged(self, image: str) -> dict[str, Any]:
        version = next(
            model.version for model in MODELS if model.full_name == "nightmareai/real-esrgan"
        )
        body = {"version": version, "input": {"image": image, "scale": 2}}
        response = requests.post(
            f"{self.url}/v1/predictions",
            json=body,
            headers=HEADERS | {"Prefer": "wait"},
            timeout=30,
        )
        document: dict[str, Any] = response.json()
        return document


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replicate(clock: Clock) -> Iterator[Replicate]:
    with SimulatedReplicate(run_seconds=0, clock=clock) as simulator:
        yield Replicate(simulator.base_url)


def png() -> bytes:
    file = BytesIO()
    Image.new("RGB", (60, 40), "tomato").save(file, "PNG")
    return file.getvalue()


class TestFiles:
    def test_response_describes_the_file(self, replicate: Replicate) -> None:
        response = replicate.send(metadata='{"order": 7}')

        file = response.json()
        assert response.status_code == 201
        assert (file["name"], file["content_type"], file["size"], file["metadata"]) == (
            "image.png",
            "image/png",
            9,
            {"order": 7},
        )
        assert file["checksums"] == {
            "sha256": hashlib.sha256(b"the image").hexdigest(),
            "md5": hashlib.md5(b"the image").hexdigest(),
        }
        assert datetime.fromisoformat(file["expires_at"]) - datetime.fromisoformat(
            file["created_at"]
        ) == timedelta(hours=24)
        assert file["urls"]["get"] == f"{replicate.url}/v1/files/{file['id']}"
        assert replicate.get(f"/v1/files/{file['id']}").json() == file
        assert replicate.get("/v1/files").json()["results"] == [file]

    def test_file_has_the_requested_name_and_type(self, replicate: Replicate) -> None:
        longest = "ü" * 127 + "x"

        file = replicate.send(filename=longest, type="image/webp").json()

        assert (file["name"], file["content_type"], file["metadata"]) == (longest, "image/webp", {})

    def test_file_can_be_deleted_once(self, replicate: Replicate) -> None:
        other, file = replicate.send().json(), replicate.send().json()

        assert requests.delete(file["urls"]["get"], headers=HEADERS, timeout=5).status_code == 204
        assert requests.delete(file["urls"]["get"], headers=HEADERS, timeout=5).status_code == 404
        assert replicate.get(f"/v1/files/{file['id']}").status_code == 404
        assert replicate.get("/v1/files").json()["results"] == [other]

    def test_file_expires_after_a_day(self, replicate: Replicate, clock: Clock) -> None:
        file = replicate.send().json()

        clock.moved = timedelta(hours=23, minutes=59)
        assert replicate.get(f"/v1/files/{file['id']}").status_code == 200
        clock.moved = timedelta(hours=24)
        assert replicate.get(f"/v1/files/{file['id']}").status_code == 404
        assert replicate.get("/v1/files").json()["results"] == []

    def test_list_has_pages_of_a_hundred_newest_first(self, replicate: Replicate) -> None:
        ids = [replicate.send().json()["id"] for _ in range(101)]

        newest = replicate.get("/v1/files").json()
        oldest = requests.get(newest["next"], headers=HEADERS, timeout=5).json()

        assert [each["id"] for each in newest["results"]] == ids[:0:-1]
        assert ([each["id"] for each in oldest["results"]], oldest["next"]) == (ids[:1], None)

    @pytest.mark.parametrize(
        ("form", "field"),
        [
            ({"filename": "ü" * 128}, "filename"),
            ({"metadata": "[]"}, "metadata"),
            ({"metadata": "{"}, "metadata"),
        ],
    )
    def test_refuses_an_invalid_description(
        self, replicate: Replicate, form: dict[str, Any], field: str
    ) -> None:
        response = replicate.send(**form)

        assert (response.status_code, response.json()["invalid_fields"][0]["field"]) == (422, field)
        assert replicate.get("/v1/files").json()["results"] == []

    def test_refuses_missing_content_and_unreadable_metadata(self, replicate: Replicate) -> None:
        without = replicate.send_parts({"other": ("x", b"x")})
        unreadable = replicate.send_parts(
            {"content": ("x", b"x"), "metadata": ("y", b"\xff", "application/json")}
        )

        assert (without.status_code, without.json()["invalid_fields"][0]["field"]) == (
            422,
            "content",
        )
        assert (unreadable.status_code, unreadable.json()["invalid_fields"][0]["field"]) == (
            422,
            "metadata",
        )

    def test_refuses_a_file_above_the_limit(
        self, replicate: Replicate, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert files.FILE_BYTES_MAX == 100_000_000
        monkeypatch.setattr(files, "FILE_BYTES_MAX", 1000)

        assert replicate.send(b"x" * 1000).status_code == 201
        refused = replicate.send(b"x" * 1001)
        assert (refused.status_code, refused.json()["status"], refused.headers["content-type"]) == (
            413,
            413,
            "application/problem+json",
        )
        assert len(replicate.get("/v1/files").json()["results"]) == 1

    def test_file_requests_need_the_token(self, replicate: Replicate) -> None:
        file = replicate.send().json()

        assert requests.get(file["urls"]["get"], timeout=5).status_code == 401
        assert requests.delete(file["urls"]["get"], timeout=5).status_code == 401
        assert (
            requests.post(
                f"{replicate.url}/v1/files", files={"content": b"x"}, timeout=5
            ).status_code
            == 401
        )

    def test_model_reads_an_uploaded_file(self, replicate: Replicate) -> None:
        prediction = replicate.enlarged(replicate.send(png()).json()["urls"]["get"])

        image = requests.get(prediction["output"], timeout=10).content
        assert Image.open(BytesIO(image)).size == (120, 80)

    @pytest.mark.parametrize("content", [b"a text", b""])
    def test_file_that_is_not_an_image_fails_the_prediction(
        self, replicate: Replicate, content: bytes
    ) -> None:
        prediction = replicate.enlarged(replicate.send(content).json()["urls"]["get"])

        assert (prediction["status"], prediction["error"]) == (
            "failed",
            "cannot identify image file",
        )

    def test_expired_file_fails_the_prediction(self, replicate: Replicate, clock: Clock) -> None:
        url = replicate.send(png()).json()["urls"]["get"]
        clock.moved = timedelta(hours=25)

        assert replicate.enlarged(url)["status"] == "failed"


class TestModels:
    def test_model_version_is_listed_and_readable(self, replicate: Replicate) -> None:
        model = replicate.get("/v1/models/stability-ai/sdxl").json()

        page = replicate.get("/v1/models/stability-ai/sdxl/versions").json()

        assert page == {"next": None, "previous": None, "results": [model["latest_version"]]}
        assert (
            replicate.get(f"/v1/models/stability-ai/sdxl/versions/{SDXL}").json()
            == model["latest_version"]
        )
        assert model["latest_version"]["id"] == SDXL

    @pytest.mark.parametrize(
        "path",
        [
            "nobody/nothing/versions",
            f"nobody/nothing/versions/{SDXL}",
            f"851-labs/background-remover/versions/{SDXL}",
        ],
    )
    def test_version_of_another_model_is_not_found(self, replicate: Replicate, path: str) -> None:
        assert replicate.get(f"/v1/models/{path}").status_code == 404


def test_account_can_be_read(replicate: Replicate) -> None:
    account = replicate.get("/v1/account").json()

    assert (account["type"], account["username"]) == ("organization", "darkroom")
    assert requests.get(f"{replicate.url}/v1/account", timeout=5).status_code == 401
