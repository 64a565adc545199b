"""POST /jobs checks its body. A refused body creates no job and charges nothing."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode

import pytest

from darkroom.storage import jobs, ledger
from tests.aws import CONTEXT, handler_of
from tests.builders import ANN, call_api, http_event, open_account
from tests.integration.api.calls import (
    BODY,
    assert_is_problem,
    assert_nothing_charged,
    error_fields,
    request_body,
    submit,
    submit_bytes,
)

pytestmark = pytest.mark.usefixtures("aws")

INVALID_BODIES: list[tuple[object, list[str]]] = [
    ({}, ["parameters", "template"]),
    ({"template": "flux-schnell"}, ["parameters"]),
    ({"template": 1, "parameters": {}}, ["template"]),
    ({"template": "flux-9", "parameters": {"prompt": "x"}}, ["template"]),
    ({"template": "../flux-schnell", "parameters": {"prompt": "x"}}, ["template"]),
    ({"template": "flux-schnell", "parameters": None}, ["parameters"]),
    ({"template": "flux-schnell", "parameters": ["prompt"]}, ["parameters"]),
    ({"template": "flux-schnell", "parameters": {}}, ["parameters.prompt"]),
    (request_body(prompt=" \n\t"), ["parameters.prompt"]),
    (request_body(prompt=""), ["parameters.prompt"]),
    (request_body(prompt=["a"]), ["parameters.prompt"]),
    (request_body(prompt="x" * 5_001), ["parameters.prompt"]),
    (request_body(num_outputs=5), ["parameters.num_outputs"]),
    (request_body(num_outputs=0), ["parameters.num_outputs"]),
    (request_body(num_outputs="4"), ["parameters.num_outputs"]),
    (request_body(num_outputs=True), ["parameters.num_outputs"]),
    (request_body(num_outputs=1.5), ["parameters.num_outputs"]),
    (request_body(num_outputs=None), ["parameters.num_outputs"]),
    (request_body(aspect_ratio="2:1"), ["parameters.aspect_ratio"]),
    (request_body(disable_safety_checker=True), ["parameters.disable_safety_checker"]),
    (request_body(webhook="https://evil.example"), ["parameters.webhook"]),
    (
        request_body(num_outputs=9, megapixels="2", wings=2),
        ["parameters.megapixels", "parameters.num_outputs", "parameters.wings"],
    ),
    (BODY | {"price": 0}, ["price"]),
    (BODY | {"callback_url": "http://example.com/"}, ["callback_url"]),
    (BODY | {"callback_url": "javascript:alert(1)"}, ["callback_url"]),
    (BODY | {"callback_url": 7}, ["callback_url"]),
    (BODY | {"metadata": ["a"]}, ["metadata"]),
    (BODY | {"metadata": {"a": "x" * 4_088}}, ["metadata"]),
]
INVALID_JSON = [
    None,
    "",
    " ",
    "{",
    "nothing",
    "null",
    "1",
    '"text"',
    "[]",
    json.dumps([BODY]),
    "{'template': 1}",
    json.dumps(BODY) + "x",
    '{"template": "flux-schnell", "parameters": {"prompt": "x", "seed": NaN}}',
    '{"template": "flux-schnell", "parameters": {"prompt": "x"}, "metadata": {"number": 1e400}}',
    '{"template": "flux-schnell", "parameters": {"prompt": "x", "seed": Infinity}}',
    '{"template": "flux-schnell", "parameters": {"prompt": "x", "prompt": "y"}}',
    '{"template": "flux-1.1-pro", "parameters": {"prompt": "x"}, "template": "flux-schnell"}',
    '{"template": "flux-schnell", "parameters": {"prompt": "x", "seed": 1e999}}',
    '{"template": "flux-schnell", "parameters": {"prompt": "\\ud800"}}',
    '{"template": "flux-schnell", "parameters": {"prompt": "x"}, "metadata": {"\\udfff": "x"}}',
]
LONE_SURROGATES = {
    r'{"template": "flux-schnell", "parameters": {"prompt": "a\ud800"}}': ["parameters.prompt"],
    r'{"template": "\udc00\ud800", "parameters": {"prompt": "x", "a": ["x", "\udfff"]}}': [
        "template",
        "parameters.a.1",
    ],
    r'{"template": "flux-schnell", "metadata": {"\udfff": "x", "b": {"c": "\ud800"}}}': [
        "metadata",
        "metadata.b.c",
    ],
    r'{"\ud800": 1}': ["body"],
}
QUOTE = {"parameters": {"prompt": "a lighthouse"}}
UNUSUAL_PROMPTS = [
    "灯塔在黎明",
    "🏮🧑🏽‍🚀 dawn",
    "منارة عند الفجر",
    "e\u0301 and \u00e9",
    "a\u202eb",
    "tab\tand\nline",
    "\"quotes' \\ </script>",
    "x" * 5_000,
]


class TestRefusedBodies:
    def test_names_each_invalid_field(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for body, invalid_fields in INVALID_BODIES:
            with subtests.test(body=str(body)[:80]):
                status, problem, headers = submit(body=body)

                assert status == 422, problem
                assert_is_problem(status, problem, headers)
                assert sorted(error_fields(problem)) == invalid_fields
                assert all(error["message"] for error in problem["errors"])
                assert_nothing_charged()

    def test_refuses_everything_except_a_json_object(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for text in INVALID_JSON:
            with subtests.test(text=text):
                status, problem, headers = submit(body=text)

                assert status == 422, problem
                assert_is_problem(status, problem, headers)
                assert problem["errors"]
                assert_nothing_charged()

    def test_refuses_numbers_with_thousands_of_digits(self) -> None:
        open_account(100)
        seed = "9" * 5_000

        status, problem, _ = submit(
            body=f'{{"template": "flux-schnell", "parameters": {{"prompt": "x", "seed": {seed}}}}}'
        )

        assert status == 422, problem
        assert_nothing_charged()

    @pytest.mark.parametrize("parameter", ["seed", "prompt", "wings"])
    def test_refuses_deeply_nested_arrays(self, parameter: str, subtests: pytest.Subtests) -> None:
        open_account(100)

        for depth in (50, 400, 900, 1_000, 3_000, 9_000, 30_000):
            with subtests.test(depth=depth):
                nested = "[" * depth + "]" * depth
                parameters = f'{{"prompt": "x", "{parameter}": {nested}}}'

                status, problem, headers = submit(
                    body=f'{{"template": "flux-schnell", "parameters": {parameters}}}'
                )

                assert status == 422
                assert_is_problem(status, problem, headers)
                assert_nothing_charged()

    def test_refuses_text_that_is_not_utf_8(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for raw in (
            b"\xff\xfe",
            b'{"template": "\xff"}',
            json.dumps(BODY).encode("utf-16"),
            json.dumps(BODY).encode("utf-32-le"),
        ):
            with subtests.test(raw=repr(raw[:20])):
                status, problem = submit_bytes(raw)

                assert status == 422, problem
                assert_nothing_charged()

    def test_names_each_field_with_a_lone_surrogate(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for text, fields in LONE_SURROGATES.items():
            with subtests.test(text=text):
                status, problem, headers = submit(body=text)

                assert_is_problem(status, problem, headers)
                assert (status, error_fields(problem)) == (422, fields)
                assert_nothing_charged()

    def test_refuses_a_compressed_body(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for coding in ("gzip", "GZIP", "br", "deflate", "zstd", "gzip, identity", "x"):
            for path, body in (("/jobs", BODY), ("/templates/flux-schnell/quote", QUOTE)):
                with subtests.test(coding=coding, path=path):
                    event = http_event("POST", path, headers={"content-encoding": coding})
                    raw = gzip.compress(json.dumps(body).encode())
                    event |= {"body": b64encode(raw).decode(), "isBase64Encoded": True}

                    response = handler_of("api")(event, CONTEXT)

                    problem = json.loads(response["body"])
                    assert_is_problem(response["statusCode"], problem, response["headers"])
                    assert problem["status"] == 415
                    assert problem["type"] == "/problems/unsupported-content-encoding"
                    assert response["headers"]["Accept-Encoding"] == "identity"
                    assert_nothing_charged()

    def test_accepts_the_content_encoding_identity(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for coding in ("identity", "Identity", ""):
            with subtests.test(coding=coding):
                assert submit(headers={"content-encoding": coding})[0] == 202

    def test_refuses_content_types_other_than_json(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for content_type in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/xml",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
        ):
            with subtests.test(content_type=content_type):
                status, problem, headers = submit(headers={"content-type": content_type})

                assert status == 415
                assert_is_problem(status, problem, headers)
                assert_nothing_charged()

    def test_refuses_a_body_one_byte_above_the_limit(self) -> None:
        open_account(100)
        text = json.dumps(BODY)
        padding = " " * (65_536 - len(text))

        assert submit(body=text + padding)[0] == 202
        status, problem, headers = submit(body=text + padding + " ")

        assert status == 413
        assert_is_problem(status, problem, headers)
        assert "65536" in problem["detail"]
        assert ledger.balance(ANN).jobs_total == 1


class TestAcceptedBodies:
    def test_accepts_a_body_in_base64(self) -> None:
        open_account(100)

        assert submit_bytes(json.dumps(BODY).encode())[0] == 202

    def test_accepts_a_charset_in_the_content_type(self) -> None:
        open_account(100)

        assert submit(headers={"content-type": "application/json; charset=utf-8"})[0] == 202

    def test_keeps_the_prompt_unchanged(self, subtests: pytest.Subtests) -> None:
        open_account(100)

        for prompt in UNUSUAL_PROMPTS:
            with subtests.test(prompt=ascii(prompt[:20])):
                _, job, _ = submit(body=request_body(prompt=prompt))

                assert job["parameters"]["prompt"] == prompt
                assert call_api("GET", f"/jobs/{job['id']}")[1]["parameters"]["prompt"] == prompt
                assert jobs.read(ANN, job["id"]).model_input.input["prompt"] == prompt

    def test_accepts_metadata_of_four_kilobytes(self) -> None:
        open_account(100)

        assert submit(body=BODY | {"metadata": {"a": "x" * 4_087}})[0] == 202

    def test_keeps_the_metadata_and_callback_url(self) -> None:
        open_account(100)
        metadata = {"order": "№ 7", "lines": [1, 2]}
        callback_url = "https://example.com/hook?x=1"

        _, job, _ = submit(body=BODY | {"metadata": metadata, "callback_url": callback_url})

        assert job["metadata"] == metadata
        assert jobs.read(ANN, job["id"]).callback_url == callback_url

    def test_passes_a_whole_float_to_the_model_as_an_integer(self) -> None:
        open_account(100)

        _, job, _ = submit(
            body='{"template": "flux-schnell", "parameters": {"prompt": "x", "num_outputs": 2.0}}'
        )

        assert (job["parameters"]["num_outputs"], job["credits"]["quoted"]) == (2, 20)
        assert isinstance(jobs.read(ANN, job["id"]).model_input.input["num_outputs"], int)
