"""POST /jobs checks its body. A refused body creates and charges nothing."""

from __future__ import annotations

import json

import pytest

from darkroom.storage import jobs, ledger
from tests.builders import (
    ANN,
    call_api,
    open_account,
)
from tests.integration.api.calls import (
    BODY,
    assert_is_problem,
    assert_nothing_charged,
    body,
    fields,
    submit,
    submit_bytes,
)

pytestmark = pytest.mark.usefixtures("aws")


class TestBody:
    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            ({}, ["parameters", "template"]),
            ({"template": "flux-schnell"}, ["parameters"]),
            ({"template": 1, "parameters": {}}, ["template"]),
            ({"template": "flux-9", "parameters": {"prompt": "x"}}, ["template"]),
            ({"template": "../flux-schnell", "parameters": {"prompt": "x"}}, ["template"]),
            ({"template": "flux-schnell", "parameters": None}, ["parameters"]),
            ({"template": "flux-schnell", "parameters": ["prompt"]}, ["parameters"]),
            ({"template": "flux-schnell", "parameters": {}}, ["parameters.prompt"]),
            (body(prompt=" \n\t"), ["parameters.prompt"]),
            (body(prompt=""), ["parameters.prompt"]),
            (body(prompt=["a"]), ["parameters.prompt"]),
            (body(prompt="x" * 5001), ["parameters.prompt"]),
            (body(num_outputs=5), ["parameters.num_outputs"]),
            (body(num_outputs=0), ["parameters.num_outputs"]),
            (body(num_outputs="4"), ["parameters.num_outputs"]),
            (body(num_outputs=True), ["parameters.num_outputs"]),
            (body(num_outputs=1.5), ["parameters.num_outputs"]),
            (body(num_outputs=None), ["parameters.num_outputs"]),
            (body(aspect_ratio="2:1"), ["parameters.aspect_ratio"]),
            (body(disable_safety_checker=True), ["parameters.disable_safety_checker"]),
            (body(webhook="https://evil.example"), ["parameters.webhook"]),
            (
                body(num_outputs=9, megapixels="2", wings=2),
                ["parameters.megapixels", "parameters.num_outputs", "parameters.wings"],
            ),
            (BODY | {"price": 0}, ["price"]),
            (BODY | {"callback_url": "http://example.com/"}, ["callback_url"]),
            (BODY | {"callback_url": "javascript:alert(1)"}, ["callback_url"]),
            (BODY | {"callback_url": 7}, ["callback_url"]),
            (BODY | {"metadata": ["a"]}, ["metadata"]),
            (BODY | {"metadata": {"a": "x" * 4_088}}, ["metadata"]),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_each_wrong_field_is_named_and_nothing_is_charged(
        self, wrong: object, named: list[str]
    ) -> None:
        open_account(100)

        status, problem, headers = submit(body=wrong)

        assert status == 422, problem
        assert_is_problem(status, problem, headers)
        assert sorted(fields(problem)) == named
        assert all(error["message"] for error in problem["errors"])
        assert_nothing_charged()

    @pytest.mark.parametrize(
        "text",
        [
            None, "", " ", "{", "nothing", "null", "1", '"text"', "[]", json.dumps([BODY]), "{'template': 1}", json.dumps(BODY) + "x",
            '{"template": "flux-schnell", "parameters": {"prompt": "x", "seed": NaN}}',
            '{"template": "flux-schnell", "parameters": {"prompt": "x"}, "metadata": {"number": 1e400}}',
            '{"template": "flux-schnell", "parameters": {"prompt": "x", "seed": Infinity}}',
            '{"template": "flux-schnell", "parameters": {"prompt": "x", "prompt": "y"}}',
            '{"template": "flux-1.1-pro", "parameters": {"prompt": "x"}, "template": "flux-schnell"}',
            '{"template": "flux-schnell", "parameters": {"prompt": "x", "seed": 1e999}}',
            '{"template": "flux-schnell", "parameters": {"prompt": "\\ud800"}}',
            '{"template": "flux-schnell", "parameters": {"prompt": "x"}, "metadata": {"\\udfff": "x"}}',
        ],
    )  # fmt: skip
    def test_what_is_no_json_object_is_refused_and_nothing_is_charged(
        self, text: str | None
    ) -> None:
        open_account(100)

        status, problem, headers = submit(body=text)

        assert status == 422, problem
        assert_is_problem(status, problem, headers)
        assert problem["errors"]
        assert_nothing_charged()

    def test_a_number_with_thousands_of_digits_is_refused(self) -> None:
        open_account(100)

        status, problem, _ = submit(
            body='{"template": "flux-schnell", "parameters": {"prompt": "x", "seed": '
            + "9" * 5_000
            + "}}"
        )

        assert status == 422, problem
        assert_nothing_charged()

    @pytest.mark.parametrize("depth", [50, 400, 900, 1_000, 3_000, 9_000, 30_000])
    @pytest.mark.parametrize("parameter", ["seed", "prompt", "wings"])
    def test_deep_nesting_is_refused(self, depth: int, parameter: str) -> None:
        open_account(100)
        nested = "[" * depth + "]" * depth

        status, problem, headers = submit(
            body=f'{{"template": "flux-schnell", "parameters": {{"prompt": "x", "{parameter}": {nested}}}}}'
        )

        assert status == 422
        assert_is_problem(status, problem, headers)
        assert_nothing_charged()

    @pytest.mark.parametrize(
        "raw",
        [
            b"\xff\xfe",
            b'{"template": "\xff"}',
            json.dumps(BODY).encode("utf-16"),
            json.dumps(BODY).encode("utf-32-le"),
        ],
        ids=lambda raw: repr(raw[:16]),
    )
    def test_what_is_not_utf_8_is_refused(self, raw: bytes) -> None:
        open_account(100)

        status, problem = submit_bytes(raw)

        assert status == 422, problem
        assert_nothing_charged()

    def test_a_body_may_come_in_base64(self) -> None:
        open_account(100)

        assert submit_bytes(json.dumps(BODY).encode())[0] == 202

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/xml",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
        ],
    )
    def test_another_content_type_is_refused(self, content_type: str) -> None:
        open_account(100)

        status, problem, headers = submit(headers={"content-type": content_type})

        assert status == 415
        assert_is_problem(status, problem, headers)
        assert_nothing_charged()

    def test_json_with_a_charset_is_taken(self) -> None:
        open_account(100)

        assert submit(headers={"content-type": "application/json; charset=utf-8"})[0] == 202

    def test_the_largest_body_is_taken_and_one_byte_more_is_not(self) -> None:
        open_account(100)
        text = json.dumps(BODY)
        padding = " " * (65_536 - len(text))

        assert submit(body=text + padding)[0] == 202
        status, problem, headers = submit(body=text + padding + " ")

        assert status == 413
        assert_is_problem(status, problem, headers)
        assert "65536" in problem["detail"]
        assert ledger.balance(ANN).jobs_total == 1

    @pytest.mark.parametrize(
        "prompt",
        [
            "灯塔在黎明",
            "🏮🧑🏽‍🚀 dawn",
            "منارة عند الفجر",
            "e\u0301 and \u00e9",
            "a\u202eb",
            "tab\tand\nline",
            "\"quotes' \\ </script>",
            "x" * 5_000,
        ],
        ids=lambda prompt: ascii(prompt[:20]),
    )
    def test_prompts_come_through_intact(self, prompt: str) -> None:
        open_account(100)

        _, job, _ = submit(body=body(prompt=prompt))

        assert job["parameters"]["prompt"] == prompt
        assert call_api("GET", f"/jobs/{job['id']}")[1]["parameters"]["prompt"] == prompt
        assert jobs.read(ANN, job["id"]).model_input.input["prompt"] == prompt

    def test_metadata_of_four_kilobytes_is_taken(self) -> None:
        open_account(100)

        assert submit(body=BODY | {"metadata": {"a": "x" * 4_087}})[0] == 202

    def test_metadata_and_callback_come_through(self) -> None:
        open_account(100)

        _, job, _ = submit(
            body=BODY
            | {
                "metadata": {"order": "№ 7", "lines": [1, 2]},
                "callback_url": "https://example.com/hook?x=1",
            }
        )

        assert job["metadata"] == {"order": "№ 7", "lines": [1, 2]}
        assert jobs.read(ANN, job["id"]).callback_url == "https://example.com/hook?x=1"

    def test_a_whole_float_is_handed_on_as_an_integer(self) -> None:
        open_account(100)

        _, job, _ = submit(
            body='{"template": "flux-schnell", "parameters": {"prompt": "x", "num_outputs": 2.0}}'
        )

        assert (job["parameters"]["num_outputs"], job["credits"]["quoted"]) == (2, 20)
        assert isinstance(jobs.read(ANN, job["id"]).model_input.input["num_outputs"], int)
