"""The simulated Replicate retires, renames and changes models, as the real one does."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from local.simulators.replicate import SimulatedReplicate
from local.simulators.replicate.model_table import find_by_name

VEO, SDXL = "google/veo-3.1", "stability-ai/sdxl"
URL = "https://files.test/a.png"


def call(replicate: SimulatedReplicate, method: str, path: str, **body: Any) -> requests.Response:
    return requests.request(
        method,
        f"{replicate.base_url}{path}",
        json=body if method in ("PUT", "POST") else None,
        headers={"Authorization": "Bearer r8_x"},
        allow_redirects=False,
        timeout=5,
    )


def change(replicate: SimulatedReplicate, name: str, **members: Any) -> None:
    assert call(replicate, "PUT", "/sim/models", **{name: members}).status_code == 200


def described(replicate: SimulatedReplicate, name: str) -> dict[str, Any]:
    document: dict[str, Any] = call(replicate, "GET", f"/v1/models/{name}").json()
    return document


def create(replicate: SimulatedReplicate, version: str, **inputs: Any) -> int:
    body = {"version": version, "input": {"prompt": "a fox", **inputs}}
    return call(replicate, "POST", "/v1/predictions", **body).status_code


def version_of(name: str) -> str:
    model = find_by_name(name)
    assert model
    return model.version


def test_a_model_is_described_by_its_public_schema(simulated_replicate: SimulatedReplicate) -> None:
    document = described(simulated_replicate, VEO)
    schemas = document["latest_version"]["openapi_schema"]["components"]["schemas"]

    assert (document["is_official"], document["latest_version"]["id"]) == (True, version_of(VEO))
    assert schemas["Input"]["required"] == ["prompt"]
    assert schemas["duration"]["enum"] == [4, 6, 8]
    assert schemas["Input"]["properties"]["duration"]["allOf"] == [
        {"$ref": "#/components/schemas/duration"}
    ]


def test_a_retired_model_is_gone_until_the_change_ends(
    simulated_replicate: SimulatedReplicate,
) -> None:
    change(simulated_replicate, VEO, retired=True)

    assert call(simulated_replicate, "GET", f"/v1/models/{VEO}").status_code == 404
    assert create(simulated_replicate, VEO) == 422
    assert call(simulated_replicate, "PUT", "/sim/models").status_code == 200
    assert create(simulated_replicate, VEO) == 201


def test_a_renamed_model_redirects_from_its_old_name(
    simulated_replicate: SimulatedReplicate,
) -> None:
    change(simulated_replicate, VEO, renamed_to="google/veo-4")

    moved = call(simulated_replicate, "GET", f"/v1/models/{VEO}")

    assert moved.status_code == 308
    assert moved.headers["Location"] == f"{simulated_replicate.base_url}/v1/models/google/veo-4"
    assert described(simulated_replicate, "google/veo-4")["name"] == "veo-4"
    assert (create(simulated_replicate, VEO), create(simulated_replicate, "google/veo-4")) == (
        422,
        201,
    )


def test_a_version_stays_until_it_is_removed(simulated_replicate: SimulatedReplicate) -> None:
    path = f"/v1/models/{SDXL}/versions/{version_of(SDXL)}"

    change(simulated_replicate, SDXL, inputs={"seed": None})
    assert described(simulated_replicate, SDXL)["latest_version"]["id"] != version_of(SDXL)
    assert call(simulated_replicate, "GET", path).status_code == 200
    change(simulated_replicate, SDXL, version_removed=True)

    assert call(simulated_replicate, "GET", path).status_code == 404
    assert create(simulated_replicate, f"{SDXL}:{version_of(SDXL)}") == 422


def test_a_model_that_is_not_official_needs_its_version(
    simulated_replicate: SimulatedReplicate,
) -> None:
    change(simulated_replicate, VEO, official=False)

    assert described(simulated_replicate, VEO)["is_official"] is False
    assert create(simulated_replicate, VEO) == 422
    assert create(simulated_replicate, f"{VEO}:{version_of(VEO)}") == 201


def test_a_changed_model_checks_creates_by_its_new_schema(
    simulated_replicate: SimulatedReplicate,
) -> None:
    images = {"type": "array", "items": {"type": "string", "format": "uri"}, "maxItems": 3}
    change(simulated_replicate, VEO, required=["prompt", "image"], inputs={"images": images})

    assert create(simulated_replicate, VEO) == 422
    assert create(simulated_replicate, VEO, image=URL) == 201
    assert create(simulated_replicate, VEO, image=URL, images=[URL] * 3) == 201
    assert create(simulated_replicate, VEO, image=URL, images=[URL] * 4) == 422


@pytest.mark.parametrize(
    "changes",
    [
        {"acme/unknown": {"retired": True}},
        {VEO: {"retire": True}},
        {VEO: {"inputs": {"seed": {"type": "text"}}}},
        {VEO: {"required": ["nothing"]}},
    ],
)
def test_an_invalid_change_is_refused_and_changes_nothing(
    simulated_replicate: SimulatedReplicate, changes: dict[str, Any]
) -> None:
    assert call(simulated_replicate, "PUT", "/sim/models", **changes).status_code == 422
    assert call(simulated_replicate, "GET", "/sim/models").json() == {}
    assert create(simulated_replicate, VEO) == 201
