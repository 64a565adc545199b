"""The simulated Replicate accepts and refuses the same requests as the real one."""

from typing import Any

import pytest
import requests

from tests.integration.simulated_replicate.wire import AUTHORIZATION, PRO, SCHNELL, SDXL, Api


def test_accepts_each_form_of_a_version(api: Api) -> None:
    versions = (PRO, SDXL, f"stability-ai/sdxl:{SDXL}")

    statuses = {version: api.create(model=version)["status"] for version in versions}

    assert statuses == dict.fromkeys(versions, "starting")


def test_refuses_a_version_that_cannot_run(api: Api) -> None:
    versions = (
        "stability-ai/sdxl",
        f"stability-ai/other:{SDXL}",
        f"{SCHNELL}:latest",
        "0" * 64,
        "nobody/nothing",
    )

    refusals = {}
    for version in versions:
        response = api.post("/v1/predictions", {"version": version, "input": {"prompt": "a fox"}})
        refusals[version] = (response.status_code, response.json()["title"])

    assert refusals == dict.fromkeys(versions, (422, "Invalid version or not permitted"))


@pytest.mark.parametrize("authorization", [None, "Bearer sk_test", "Basic r8_test", "r8_test"])
def test_refuses_a_request_without_a_replicate_token(api: Api, authorization: str | None) -> None:
    response = requests.get(
        f"{api.simulator.base_url}/v1/predictions",
        headers={"Authorization": authorization} if authorization else {},
        timeout=10,
    )

    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "title": "Unauthenticated",
        "detail": "You did not pass a valid authentication token",
        "status": 401,
    }


def test_accepts_the_older_form_of_the_token(api: Api) -> None:
    response = requests.get(
        f"{api.simulator.base_url}/v1/predictions",
        headers={"Authorization": "Token r8_test"},
        timeout=10,
    )

    assert response.status_code == 200
    assert response.headers["ratelimit-remaining"] == "2999"
    assert response.headers["ratelimit-reset"] == "1"


def test_unknown_path_is_not_found(api: Api) -> None:
    paths = ("/v1/predictions/unknown", "/v1/models/nobody/nothing", "/v1/nowhere", "/nowhere")
    problem = {"detail": "The requested resource could not be found.", "status": 404}

    responses = {path: api.get(path) for path in paths}

    assert {response.status_code for response in responses.values()} == {404}
    assert {path: response.json() for path, response in responses.items()} == dict.fromkeys(
        paths, problem
    )


def test_community_model_has_no_route_by_name(api: Api) -> None:
    assert (
        api.post(
            "/v1/models/stability-ai/sdxl/predictions", {"input": {"prompt": "a fox"}}
        ).status_code
        == 404
    )


@pytest.mark.parametrize(
    ("change", "invalid"),
    [
        (
            {"input": None},
            {
                "type": "invalid_type",
                "field": "input",
                "description": "Invalid type. Expected: object, given: null",
            },
        ),
        (
            {"input": {}},
            {"type": "required", "field": "input", "description": "prompt is required"},
        ),
        (
            {"input": {"prompt": "a fox", "num_outputs": 5}},
            {
                "type": "number_lte",
                "field": "input.num_outputs",
                "description": "Must be less than or equal to 4",
            },
        ),
        (
            {"input": {"prompt": "a fox", "num_outputs": "2"}},
            {
                "type": "invalid_type",
                "field": "input.num_outputs",
                "description": "Invalid type. Expected: integer, given: string",
            },
        ),
        (
            {"input": {"prompt": "a fox", "megapixels": "8"}},
            {
                "type": "enum",
                "field": "input.megapixels",
                "description": 'input.megapixels must be one of the following: "1", "0.25"',
            },
        ),
        (
            {"callback": "https://example.com"},
            {
                "type": "additional_property_not_allowed",
                "field": "(root)",
                "description": "Additional property callback is not allowed",
            },
        ),
        (
            {"webhook": "http://example.com/"},
            {
                "type": "format",
                "field": "webhook",
                "description": "Does not match format 'https URL'",
            },
        ),
    ],
)
def test_names_the_invalid_field_and_creates_nothing(
    api: Api, change: dict[str, Any], invalid: dict[str, str]
) -> None:
    response = api.post(
        "/v1/predictions", {"version": SCHNELL, "input": {"prompt": "a fox"}, **change}
    )

    assert response.status_code == 422
    assert response.json() == {
        "title": "Input validation failed",
        "detail": f"- {invalid['field']}: {invalid['description']}\n",
        "status": 422,
        "invalid_fields": [invalid],
    }
    assert api.all() == []


def test_ignores_an_unknown_input(api: Api) -> None:
    assert api.create(num_output=4)["input"] == {"prompt": "a lighthouse", "num_output": 4}


def test_accepts_a_whole_number_with_a_decimal_point(api: Api) -> None:
    assert len(api.finished(api.create(num_outputs=2.0)["id"])["output"]) == 2


def test_refuses_a_body_that_is_not_json(api: Api) -> None:
    response = requests.post(
        f"{api.simulator.base_url}/v1/predictions", data="{", headers=AUTHORIZATION, timeout=10
    )

    assert response.status_code == 400


def test_refuses_a_malformed_deadline_or_less_than_five_seconds(
    api: Api, subtests: pytest.Subtests
) -> None:
    for deadline in ("4", "4s", "soon", "", "m", "1m1h", "-30"):
        with subtests.test(deadline=deadline):
            response = api.post(
                "/v1/predictions",
                {"version": SCHNELL, "input": {"prompt": "a fox"}},
                **{"Cancel-After": deadline},
            )

            assert response.status_code == 422
            assert response.json()["invalid_fields"][0]["field"] == "Cancel-After"
