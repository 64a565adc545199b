"""The simulated Runway accepts and refuses the same requests as the real Runway."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.integration.simulated_runway.wire import (
    DOCUMENTATION,
    HEADERS,
    TEXT_TO_VIDEO,
    Api,
    data_uri,
    image_file,
)

NO_VERSION = "The API version that was provided in the X-Runway-Version header is not valid."
SIX_RATIOS = ["1280:720", "720:1280", "1104:832", "832:1104", "960:960", "1584:672"]


# The fields that replace those of a valid body.
ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    *(("image_to_video", {"ratio": ratio}) for ratio in SIX_RATIOS),
    *(("image_to_video", {"model": "gen4.5", "ratio": ratio}) for ratio in SIX_RATIOS),
    *(
        (
            "image_to_video",
            {"model": model, "ratio": "1080:1920", "duration": 4, "audio": False},
        )
        for model in ("veo3.1", "veo3.1_fast")
    ),
    *(
        ("text_to_video", {"model": model, "ratio": "1920:1080", "duration": None})
        for model in ("veo3.1", "veo3.1_fast")
    ),
    ("image_to_video", {"promptText": None, "duration": None}),
    (
        "image_to_video",
        {"promptImage": [{"uri": data_uri(image_file()), "position": "first"}]},
    ),
    (
        "image_to_video",
        {
            "model": "veo3.1",
            "duration": 8,
            "promptImage": [
                {"uri": data_uri(image_file()), "position": p} for p in ("last", "first")
            ],
        },
    ),
    (
        "text_to_video",
        {
            "duration": 10,
            "seed": 4_294_967_295,
            "contentModeration": {"publicFigureThreshold": "low"},
            "outputFormat": "mp4",
        },
    ),
    ("text_to_video", {"duration": 5.0}),
    ("text_to_video", {"promptText": "x" * 1000}),
    ("text_to_video", {"promptText": "🦊" * 500}),
]
# The fields that replace those of a valid body, and the path of the issue that the response names.
REFUSED: list[tuple[str, dict[str, Any], list[str | int]]] = [
    ("image_to_video", {"model": "gen3a_turbo"}, ["model"]),
    ("text_to_video", {"model": "gen4_turbo"}, ["model"]),
    ("text_to_video", {"model": 4}, ["model"]),
    ("text_to_video", {"model": None}, ["model"]),
    ("image_to_video", {"ratio": "1280:768"}, ["ratio"]),
    ("image_to_video", {"ratio": "1920:1080"}, ["ratio"]),
    ("image_to_video", {"ratio": None}, ["ratio"]),
    ("text_to_video", {"ratio": "960:960"}, ["ratio"]),
    ("text_to_video", {"duration": 1}, ["duration"]),
    ("text_to_video", {"duration": 11}, ["duration"]),
    ("text_to_video", {"duration": 2.5}, ["duration"]),
    ("text_to_video", {"duration": "5"}, ["duration"]),
    ("text_to_video", {"duration": None}, ["duration"]),
    ("text_to_video", {"model": "veo3.1_fast", "duration": 5}, ["duration"]),
    ("text_to_video", {"promptText": ""}, ["promptText"]),
    ("text_to_video", {"promptText": "x" * 1001}, ["promptText"]),
    ("text_to_video", {"promptText": "🦊" * 501}, ["promptText"]),
    ("text_to_video", {"promptText": None}, ["promptText"]),
    ("image_to_video", {"model": "gen4.5", "promptText": None}, ["promptText"]),
    ("text_to_video", {"seed": -1}, ["seed"]),
    ("text_to_video", {"seed": 4_294_967_296}, ["seed"]),
    ("text_to_video", {"audio": True}, []),
    ("text_to_video", {"watermark": False}, []),
    (
        "text_to_video",
        {"contentModeration": {"publicFigureThreshold": "high"}},
        ["contentModeration", "publicFigureThreshold"],
    ),
    ("image_to_video", {"promptImage": None}, ["promptImage"]),
    ("image_to_video", {"promptImage": 5}, ["promptImage"]),
    ("image_to_video", {"promptImage": "http://example.com/a.png"}, ["promptImage"]),
    ("image_to_video", {"promptImage": "https://11.22.33.44/a.png"}, ["promptImage"]),
    (
        "image_to_video",
        {"promptImage": "https://example.com/" + "a" * 2048},
        ["promptImage"],
    ),
    ("image_to_video", {"promptImage": "https://[bad"}, ["promptImage"]),
    ("image_to_video", {"promptImage": "ftp://127.0.0.1/a.png"}, ["promptImage"]),
    ("image_to_video", {"promptImage": "runway://unknown"}, ["promptImage"]),
    ("image_to_video", {"promptImage": "no url at all"}, ["promptImage"]),
    ("image_to_video", {"promptImage": "data:image/png;base64,%%%"}, ["promptImage"]),
    (
        "image_to_video",
        {"promptImage": data_uri(image_file(), "text/plain")},
        ["promptImage"],
    ),
    ("image_to_video", {"promptImage": data_uri(b"0" * 4_000_000)}, ["promptImage"]),
    ("image_to_video", {"promptImage": []}, ["promptImage"]),
    (
        "image_to_video",
        {"promptImage": [{"uri": "https://example.com/a", "position": "last"}]},
        ["promptImage", 0, "position"],
    ),
    (
        "image_to_video",
        {"promptImage": [{"uri": "http://example.com/a", "position": "first"}]},
        ["promptImage", 0, "uri"],
    ),
    (
        "image_to_video",
        {"promptImage": [{"uri": "https://example.com/a", "position": "first"}] * 2},
        ["promptImage"],
    ),
    (
        "image_to_video",
        {
            "model": "veo3.1",
            "duration": 4,
            "promptImage": [{"uri": "https://example.com/a", "position": "last"}],
        },
        ["promptImage"],
    ),
    (
        "image_to_video",
        {
            "model": "veo3.1",
            "duration": 4,
            "promptImage": [{"uri": "https://example.com/a", "position": "first"}] * 2,
        },
        ["promptImage"],
    ),
]


def post_with_headers(api: Api, headers: dict[str, str]) -> requests.Response:
    return requests.post(
        f"{api.simulator.base_url}/v1/text_to_video",
        json=TEXT_TO_VIDEO,
        headers=headers,
        timeout=5,
    )


class TestRequests:
    @pytest.mark.parametrize(
        "authorization", [None, "key_test", "Bearer key_", "Bearer r8_test", "Basic key_test"]
    )
    def test_requests_need_a_key(self, api: Api, authorization: str | None) -> None:
        headers = {"X-Runway-Version": "2024-11-06"}
        if authorization:
            headers["Authorization"] = authorization

        response = post_with_headers(api, headers)

        assert (response.status_code, list(response.json())) == (401, ["error", "docUrl"])
        assert api.all() == []

    @pytest.mark.parametrize(
        "version", [{}, {"X-Runway-Version": "v1"}, {"X-Runway-Version": "2024-09-13"}]
    )
    def test_requests_need_the_api_version(self, api: Api, version: dict[str, str]) -> None:
        response = post_with_headers(api, {"Authorization": "Bearer key_test", **version})

        assert response.status_code == 400
        assert response.json() == {"error": NO_VERSION, "docUrl": DOCUMENTATION}
        assert api.all() == []

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/v1/tasks/17f20503-6c24-4c16-946b-35dbbce2af2f", 404),
            ("DELETE", "/v1/tasks/17f20503-6c24-4c16-946b-35dbbce2af2f", 404),
            ("POST", "/v1/video_to_audio", 404),
            ("GET", "/v1/image_to_video", 405),
            ("GET", "/nowhere", 404),
        ],
    )
    def test_refuses_other_routes(self, api: Api, method: str, path: str, status: int) -> None:
        response = api.request(method, path)

        assert (response.status_code, list(response.json())) == (status, ["error"])
        if "/tasks/" in path:
            assert response.json() == {"error": "Could not find Task"}

    def test_refuses_a_body_that_is_not_json(self, api: Api) -> None:
        response = requests.post(
            f"{api.simulator.base_url}/v1/text_to_video", data="{", headers=HEADERS, timeout=5
        )

        assert (response.status_code, list(response.json())) == (400, ["error"])


class TestBodies:
    def test_accepts_the_bodies_that_the_real_api_accepts(
        self, api: Api, subtests: pytest.Subtests
    ) -> None:
        api.set_faults(queue_seconds=60)

        for endpoint, fields in ACCEPTED:
            with subtests.test(endpoint=endpoint, fields=fields):
                assert api.create(endpoint, **fields) == api.all()[-1]["id"]

    def test_refuses_the_bodies_that_the_real_api_refuses(
        self, api: Api, subtests: pytest.Subtests
    ) -> None:
        for endpoint, fields, path in REFUSED:
            with subtests.test(endpoint=endpoint, fields=str(fields)[:80]):
                response = api.post(endpoint, **fields)

                assert response.status_code == 400, response.text
                problem = response.json()
                assert problem["error"] == "Validation of body failed"
                assert problem["docUrl"] == DOCUMENTATION
                assert path in [issue["path"] for issue in problem["issues"]]
                assert all(
                    {"code", "path", "message"} <= issue.keys() for issue in problem["issues"]
                )
                assert api.all() == []

    @pytest.mark.parametrize(
        ("fields", "issue"),
        [
            (
                {"ratio": "16:9"},
                {
                    "code": "invalid_value",
                    "values": ["1280:720", "720:1280"],
                    "path": ["ratio"],
                    "message": 'Invalid option: expected one of "1280:720"|"720:1280"',
                },
            ),
            (
                {"promptText": "x" * 1001},
                {
                    "origin": "string",
                    "code": "too_big",
                    "maximum": 1000,
                    "inclusive": True,
                    "path": ["promptText"],
                    "message": "Too big: expected string to have <=1000 characters",
                },
            ),
            (
                {"promptText": None},
                {
                    "expected": "string",
                    "code": "invalid_type",
                    "path": ["promptText"],
                    "message": "Invalid input: expected string, received undefined",
                },
            ),
            (
                {"model": "gen5"},
                {
                    "code": "invalid_union",
                    "errors": [],
                    "note": "No matching discriminator",
                    "discriminator": "model",
                    "path": ["model"],
                    "message": "Invalid input",
                },
            ),
            (
                {"motion": 1},
                {
                    "code": "unrecognized_keys",
                    "keys": ["motion"],
                    "path": [],
                    "message": 'Unrecognized key: "motion"',
                },
            ),
        ],
    )
    def test_refusal_has_the_text_of_the_real_api(
        self, api: Api, fields: dict[str, Any], issue: dict[str, Any]
    ) -> None:
        assert api.post(**fields).json() == {
            "error": "Validation of body failed",
            "issues": [issue],
            "docUrl": DOCUMENTATION,
        }

    @pytest.mark.parametrize("body", [[], "text", None])
    def test_refuses_a_body_that_is_not_an_object(self, api: Api, body: object) -> None:
        response = requests.post(
            f"{api.simulator.base_url}/v1/text_to_video",
            json=body or [],
            headers=HEADERS,
            timeout=5,
        )

        assert response.json()["issues"][0]["message"].startswith("Invalid input: expected object")
