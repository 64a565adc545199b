"""The HTTP API as its callers see it: answers, refusals, and that a refusal charges nothing."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from darkroom import catalog, clock
from darkroom.aws import clients as aws_adapter
from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.accounts import AccountId
from darkroom.domain.failures import FailureCode, failure
from darkroom.domain.jobs import Job, Output
from darkroom.storage import feature_flags, jobs, ledger
from local.simulators.replicate import SimulatedReplicate
from tests.aws import CONTEXT, Workflow, client, forget_settings, handler_of
from tests.builders import (
    ANN,
    NOON,
    call_api,
    held_job,
    http_event,
    image_job,
    open_account,
    stored,
    until,
)
from tests.contract import description
from tests.integration.broken_aws import AwsError, failing_calls

pytestmark = pytest.mark.usefixtures("aws")

ADMIN = {"user": "root", "cognito:groups": "[admin]"}
BODY: dict[str, Any] = {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse"}}
JOB_KEYS = {
    "id", "status", "template", "parameters", "credits", "outputs", "links_expire_at", "error", "metadata", "deadline_at", "attempts",
    "waiting_since", "cancel_requested_at", "created_at", "started_at", "finished_at", "processing_seconds",
}  # fmt: skip


def body(**parameters: Any) -> dict[str, Any]:
    return {"template": "flux-schnell", "parameters": {"prompt": "a lighthouse", **parameters}}


def submit(**event: Any) -> tuple[int, Any, dict[str, str]]:
    return call_api("POST", "/jobs", **({"body": BODY} | event))


def submit_bytes(raw: bytes) -> tuple[int, Any]:
    """Submit a body that is no text, as the HTTP API hands it over."""
    event = http_event("POST", "/jobs") | {
        "body": base64.b64encode(raw).decode(),
        "isBase64Encoded": True,
    }
    answer = handler_of("api")(event, CONTEXT)
    return answer["statusCode"], json.loads(answer["body"])


def fields(problem: dict[str, Any]) -> list[str]:
    return [error["field"] for error in problem["errors"]]


def assert_is_problem(status: int, problem: dict[str, Any], headers: dict[str, str]) -> None:
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"]
    assert problem["charged"] == 0
    assert problem["retryable"] is ("Retry-After" in headers)


def assert_nothing_charged(available: int = 100) -> None:
    balance = ledger.balance(ANN)
    assert (balance.available, balance.held, balance.spent, balance.jobs_total) == (
        available,
        0,
        0,
        0,
    )


def finished_job(*, outputs_count: int = 1) -> Job:
    job = held_job(num_outputs=max(outputs_count, 1))
    for number in range(outputs_count):
        key = f"media/web/ann/{job.job_id}/{number}.webp"
        jobs.record_output(
            stored(job),
            Output(
                number=number,
                key=key,
                content_type="image/webp",
                bytes=7,
                width=8,
                height=9,
                thumbnail_key=key + ".thumbnail.jpg",
            ),
        )
    return ledger.resolve(
        ANN, job.job_id, reason=failure(FailureCode.REFUSED), now=datetime.now(UTC)
    )


class TestSubmit:
    def test_accepts_a_job_holds_its_credits_and_says_where_it_is(self) -> None:
        open_account(100)

        status, job, headers = submit(body=body(num_outputs=2))

        assert status == 202
        assert headers["Location"] == f"/jobs/{job['id']}"
        assert headers["Content-Type"] == "application/json"
        assert "Idempotency-Replayed" not in headers
        assert job.keys() == JOB_KEYS
        assert job["status"] == "pending"
        assert job["credits"] == {"quoted": 20, "held": 20, "charged": 0, "refunded": 0}
        assert job["template"] == {
            "code": "flux-schnell",
            "version": 2,
            "name": "FLUX schnell",
            "category": "image",
        }
        assert job["parameters"]["prompt"] == "a lighthouse"
        assert job["parameters"]["aspect_ratio"] == "1:1"
        assert (job["outputs"], job["error"], job["attempts"], job["metadata"]) == ([], None, 0, {})
        assert call_api("GET", headers["Location"])[1] == job
        assert call_api("GET", "/credits")[1] == {
            "available": 80,
            "held": 20,
            "spent": 0,
            "granted": 100,
            "in_flight": 1,
        }

    def test_a_repeated_request_is_the_same_job(self) -> None:
        open_account(100)
        key = {"idempotency-key": "order 1"}
        status, job, headers = submit(headers=key)
        assert "Idempotency-Replayed" not in headers

        again_status, again, again_headers = submit(headers=key)

        assert (again_status, again) == (status, job)
        assert again_headers["Idempotency-Replayed"] == "true"
        assert again_headers["Location"] == headers["Location"]
        assert ledger.balance(ANN).held == 10

    def test_a_repeat_is_compared_byte_by_byte(self) -> None:
        open_account(100)
        submit(headers={"idempotency-key": "order 1"}, body=json.dumps(BODY))

        status, problem, headers = submit(
            headers={"idempotency-key": "order 1"}, body=json.dumps(BODY, indent=1)
        )

        assert status == 422
        assert_is_problem(status, problem, headers)
        assert problem["type"] == "/problems/idempotency-key-reused"
        assert ledger.balance(ANN).held == 10

    @pytest.mark.parametrize(
        "key", ["", "k" * 256, "schlüssel", "a\tb", "a\nb"], ids=lambda key: repr(key[:12])
    )
    def test_a_key_that_is_none_is_refused(self, key: str) -> None:
        open_account(100)

        status, problem, _ = submit(headers={"idempotency-key": key})

        assert (status, [field.lower() for field in fields(problem)]) == (422, ["idempotency-key"])
        assert_nothing_charged()

    def test_a_key_of_255_characters_is_taken(self) -> None:
        open_account(100)

        assert submit(headers={"Idempotency-Key": "~" * 255})[0] == 202

    def test_missing_credits_are_named(self) -> None:
        open_account(25)

        status, problem, headers = submit(body=body(num_outputs=4))

        assert status == 402
        assert_is_problem(status, problem, headers)
        assert "40" in problem["detail"]
        assert "25" in problem["detail"]
        assert "15 are missing" in problem["detail"]
        assert_nothing_charged(25)

    def test_too_many_jobs_in_flight_get_a_retry_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBS_IN_FLIGHT_MAX", "1")
        forget_settings()
        open_account(100)
        submit()

        status, problem, headers = submit()

        assert status == 429
        assert_is_problem(status, problem, headers)
        assert int(headers["Retry-After"]) > 0
        assert ledger.balance(ANN).jobs_total == 1

    def test_too_many_jobs_in_a_minute_get_the_seconds_to_the_next(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("JOBS_PER_MINUTE_MAX", "1")
        forget_settings()
        monkeypatch.setattr(clock, "now", lambda: NOON + timedelta(seconds=20))
        open_account(100)
        submit()

        status, problem, headers = submit()

        assert status == 429
        assert_is_problem(status, problem, headers)
        assert (problem["type"], headers["Retry-After"]) == (
            "/problems/too-many-jobs-this-minute",
            "40",
        )
        assert ledger.balance(ANN).jobs_total == 1

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

    def test_the_price_of_the_template_is_quoted(self) -> None:
        open_account(100)

        _, job, _ = submit(body={"template": "flux-1.1-pro", "parameters": {"prompt": "x"}})

        assert job["credits"]["quoted"] == 15

    def test_a_whole_float_is_handed_on_as_an_integer(self) -> None:
        open_account(100)

        _, job, _ = submit(
            body='{"template": "flux-schnell", "parameters": {"prompt": "x", "num_outputs": 2.0}}'
        )

        assert (job["parameters"]["num_outputs"], job["credits"]["quoted"]) == (2, 20)
        assert isinstance(jobs.read(ANN, job["id"]).model_input.input["num_outputs"], int)


class TestStart:
    def test_a_job_whose_start_fails_is_accepted_and_recovered_later(
        self,
        simulated_replicate: SimulatedReplicate,
        workflow: Workflow,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        assert simulated_replicate
        workflow.break_function("request_prediction", lambda _: 1 / 0)
        open_account(100)
        with failing_calls(
            aws_adapter.client("stepfunctions"), "StartExecution", AwsError("ServiceUnavailable")
        ):
            status, job, _ = submit()
        assert (status, job["status"]) == (202, "pending")
        assert workflow_adapter.execution(job["id"]) is None

        handler_of("recover_jobs")({}, CONTEXT)
        assert workflow_adapter.execution(job["id"]) is None, (
            "recovery leaves a young job to its own start"
        )
        later = datetime.now(UTC) + timedelta(seconds=31)
        monkeypatch.setattr(clock, "now", lambda: later)
        handler_of("recover_jobs")({}, CONTEXT)

        assert workflow_adapter.execution(job["id"]) is not None
        until(lambda: call_api("GET", f"/jobs/{job['id']}")[1]["status"] == "failed", seconds=60)
        assert ledger.balance(ANN).available == 100

    def test_a_repeated_request_starts_what_was_not_started(self, workflow: Workflow) -> None:
        workflow.break_function("request_prediction", lambda _: 1 / 0)
        open_account(100)
        key = {"idempotency-key": "order 1"}
        with failing_calls(
            aws_adapter.client("stepfunctions"), "StartExecution", AwsError("ThrottlingException")
        ):
            _, job, _ = submit(headers=key)

        status, again, _ = submit(headers=key)

        assert (status, again["id"]) == (202, job["id"])
        assert workflow_adapter.execution(job["id"]) is not None
        until(lambda: call_api("GET", f"/jobs/{job['id']}")[1]["status"] == "failed")


PLACES = {"job_id": "x", "code": "flux-schnell", "platform": "web", "user": "ann"}
SECURED = [
    (method.upper(), path.format(**PLACES), operation["tags"][0])
    for path, operations in description()["paths"].items()
    for method, operation in operations.items()
    # The function prepare_upload serves the other one.
    if operation.get("security") != [] and path != "/uploads/{upload_id}/complete"
]
ROUTES = [(method, path) for method, path, _ in SECURED]
OF_ADMINISTRATORS = [(method, path) for method, path, tag in SECURED if tag == "administration"]


class TestWhoIsAsking:
    BODIES: ClassVar = {
        "/jobs": BODY,
        "/templates/flux-schnell/quote": {"parameters": {"prompt": "x"}},
        "/uploads": {"content_type": "image/png", "bytes": 1},
        "/callbacks/test": {"callback_url": "https://example.com/"},
        "/accounts/web/ann/credits": {"amount": 1, "reason": "r", "reference": "r"},
        "/admin/paused": {"paused": True},
    }

    def call(self, method: str, path: str, **event: Any) -> int:
        status, problem, headers = call_api(
            method, path, body=self.BODIES.get(path) if method in ("POST", "PUT") else None, **event
        )
        assert_is_problem(status, problem, headers)
        return status

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_nobody_is_refused_everywhere(self, method: str, path: str) -> None:
        assert self.call(method, path, user=None) == 401

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize("token_use", ["access", "", "ID"])
    def test_a_token_of_another_use_is_refused_everywhere(
        self, method: str, path: str, token_use: str
    ) -> None:
        assert self.call(method, path, token_use=token_use) == 401

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_a_token_that_does_not_say_its_use_is_refused_everywhere(
        self, method: str, path: str
    ) -> None:
        event = http_event(method, path, body=self.BODIES.get(path))
        del event["requestContext"]["authorizer"]["jwt"]["claims"]["token_use"]

        assert handler_of("api")(event, CONTEXT)["statusCode"] == 401

    @pytest.mark.parametrize(
        "platform",
        ["WEB", " web", "web ", "web#ann", "web/ann", "desktop", "web,mobile", "\u0077eb\u200b"],
    )
    def test_a_platform_is_one_of_the_list_or_none(self, platform: str) -> None:
        assert self.call("GET", "/credits", **{"custom:platform": platform}) == 403

    def test_without_a_platform_it_is_the_web(self) -> None:
        open_account(7)

        for claims in ({}, {"custom:platform": ""}, {"custom:platform": "web"}):
            assert call_api("GET", "/credits", **claims)[1]["granted"] == 7

    def test_a_foreign_issuer_need_not_say_what_a_token_is_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TOKEN_USE", "")
        forget_settings()

        assert call_api("GET", "/credits", token_use="")[0] == 200

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    def test_another_platform_is_refused_everywhere(self, method: str, path: str) -> None:
        assert self.call(method, path, **{"custom:platform": "desktop"}) == 403

    @pytest.mark.parametrize("sub", ["", "x" * 256, "\ud800"], ids=ascii)
    def test_a_sub_that_cannot_be_a_name_is_refused(self, sub: str) -> None:
        assert self.call("GET", "/credits", user=sub) == 403
        assert self.call("POST", "/jobs", user=sub) == 403

    @pytest.mark.parametrize(
        "sub",
        [
            "auth0|0123",
            "ann@example.com",
            "us-east-1:0a-b",
            "x" * 255,
            "ann#JOB",
            "ann/b",
            "ann ",
            "ann\n",
            "é",
            "G0/a+b==",
            "ANN",
            "=61nn",
            "%61nn",
        ],
        ids=ascii,
    )
    def test_a_sub_may_hold_any_character_and_is_nobody_elses(self, sub: str) -> None:
        job = finished_job()

        assert call_api("GET", "/credits", user=sub)[1]["granted"] == 0
        assert call_api("GET", "/jobs", user=sub)[1]["jobs"] == []
        assert call_api("GET", f"/jobs/{job.job_id}", user=sub)[0] == 404
        open_account(10, AccountId("web", sub))
        status, accepted, _ = submit(user=sub)
        assert (status, call_api("GET", f"/jobs/{accepted['id']}", user=sub)[0]) == (202, 200)
        assert call_api("GET", f"/jobs/{accepted['id']}")[0] == 404

    def test_the_same_user_on_two_platforms_is_two_accounts(self) -> None:
        open_account(100)
        elsewhere: dict[str, Any] = {"custom:platform": "mobile"}
        key = {"idempotency-key": "order 1"}
        _, job, _ = submit(headers=key)
        path = f"/jobs/{job['id']}"

        assert call_api("GET", "/credits", **elsewhere)[1]["granted"] == 0
        assert call_api("GET", "/jobs", **elsewhere)[1] == {
            "jobs": [],
            "next_cursor": None,
            "total": 0,
        }
        assert call_api("GET", "/credits/entries", **elsewhere)[1]["entries"] == []
        assert [
            call_api(method, where, **elsewhere)[0]
            for method, where in (("GET", path), ("POST", f"{path}/cancel"), ("DELETE", path))
        ] == [404] * 3
        assert (
            call_api("GET", "/callbacks/secret", **elsewhere)[1]
            != call_api("GET", "/callbacks/secret")[1]
        )
        assert submit(body={"rerun_of": job["id"]}, **elsewhere)[0] == 422
        # The same key is another request there, which has no credits.
        assert submit(headers=key, **elsewhere)[0] == 402
        open_account(10, AccountId("mobile", "ann"))
        assert submit(headers=key, **elsewhere)[1]["id"] != job["id"]
        assert (ledger.balance(ANN).held, ledger.balance(AccountId("mobile", "ann")).held) == (
            10,
            10,
        )

    def test_an_administrator_reads_an_account_and_its_ledger_and_not_her_own(self) -> None:
        job = held_job(credits=30)
        elsewhere = AccountId("mobile", "ann")
        open_account(7, elsewhere)

        assert call_api("GET", "/accounts/web/ann", **ADMIN)[1] == {
            "available": 20,
            "held": 10,
            "spent": 0,
            "granted": 30,
            "in_flight": 1,
        }
        assert [
            entry["job_id"]
            for entry in call_api("GET", "/accounts/web/ann/entries", **ADMIN)[1]["entries"]
        ] == [job.job_id, None]
        assert call_api("GET", "/accounts/mobile/ann", **ADMIN)[1]["granted"] == 7
        assert call_api("GET", "/accounts/web/nobody", **ADMIN)[1]["granted"] == 0
        assert call_api("GET", "/credits", **ADMIN)[1]["granted"] == 0
        # An administrator sees records, and nobody's images.
        assert call_api("GET", f"/jobs/{job.job_id}", **ADMIN)[0] == 404

    def test_another_accounts_job_is_not_there(self) -> None:
        job = held_job()

        theirs = call_api("GET", f"/jobs/{job.job_id}", user="bob")
        nobodys = call_api("GET", f"/jobs/{image_job().job_id}", user="bob")

        assert theirs == nobodys
        assert theirs[0] == 404
        assert call_api("GET", "/jobs", user="bob")[1] == {
            "jobs": [],
            "next_cursor": None,
            "total": 0,
        }

    @pytest.mark.parametrize(
        "groups",
        [
            None,
            "",
            "[]",
            "[users]",
            "[not-admin]",
            "[not admins]",
            "[Admin]",
            "not-admin",
            "[administrators users]",
            "[administrators]",
            "[notadmin]",
            "[admin,users]",
            "[[admin]]",
            "[users\u00a0admin]",
            "[users\tadmin]",
            "['admin']",
            '["admin"]',
            "[ADMIN]",
            "[adm\u0131n]",
            ["not-admin"],
            {"admin": 1},
            1,
        ],
    )
    @pytest.mark.parametrize(("method", "path"), OF_ADMINISTRATORS)
    def test_only_administrators_see_and_change_other_accounts(
        self, method: str, path: str, groups: Any
    ) -> None:
        assert self.call(method, path, **{"cognito:groups": groups}) == 403
        assert ledger.balance(ANN).granted == 0
        assert not feature_flags.is_paused()

    @pytest.mark.parametrize(
        "groups", ["[admin]", "[admin users]", "[users admin]", "admin", ["users", "admin"]]
    )
    def test_administrators_do(self, groups: Any) -> None:
        assert call_api("GET", "/accounts/web/ann", **{"cognito:groups": groups})[0] == 200


class TestRoutes:
    @pytest.mark.parametrize(
        "path",
        [
            "/",
            "/nothing",
            "/job",
            "/jobs/a/b",
            "/accounts/web",
            "/health/x",
            "/JOBS",
            "/webhooks/replicate",
            "/jobs/",
            "/jobs/x/",
            "/health/",
            "//jobs",
            "/jobs\n",
            "/openapiXjson",
        ],
    )
    @pytest.mark.parametrize("user", ["ann", None])
    def test_an_unknown_path_is_not_found(self, path: str, user: str | None) -> None:
        status, problem, headers = call_api("GET", path, user=user)

        assert status == 404
        assert_is_problem(status, problem, headers)

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("DELETE", "/jobs", "GET, POST"),
            ("POST", "/credits", "GET"),
            ("PATCH", "/jobs/x", "DELETE, GET"),
            ("GET", "/jobs/x/cancel", "POST"),
            ("GET", "/admin/paused", "PUT"),
            ("PUT", "/accounts/web/ann/credits", "POST"),
            ("HEAD", "/jobs", "GET, POST"),
            ("HEAD", "/health", "GET"),
        ],
    )
    def test_another_method_gets_the_allowed_ones(
        self, method: str, path: str, allowed: str
    ) -> None:
        status, problem, headers = call_api(method, path)

        assert status == 405
        assert_is_problem(status, problem, headers)
        assert headers["Allow"] == allowed

    def test_health_needs_no_token(self) -> None:
        assert call_api("GET", "/health", user=None)[:2] == (200, {"status": "ok"})

    @pytest.mark.parametrize(
        "job_id",
        ["x", "%23", "ACCOUNT", "../credits", "0" * 36, "x" * 3_000],
        ids=lambda job_id: job_id[:12],
    )
    def test_what_is_no_id_is_no_job(self, job_id: str) -> None:
        assert call_api("GET", f"/jobs/{job_id}")[0] == 404


class TestReadJob:
    def test_an_open_job_says_when_to_ask_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = held_job()
        _, _, young = call_api("GET", f"/jobs/{job.job_id}")
        monkeypatch.setattr(clock, "now", lambda: job.created_at + timedelta(seconds=31))
        _, _, old = call_api("GET", f"/jobs/{job.job_id}")

        assert (young["Retry-After"], old["Retry-After"]) == ("1", "5")
        assert young["Cache-Control"] == old["Cache-Control"] == "private, no-cache"

    def test_a_final_job_does_not(self) -> None:
        assert "Retry-After" not in call_api("GET", f"/jobs/{finished_job().job_id}")[2]

    def test_a_job_that_has_not_changed_is_not_sent_again(self) -> None:
        job = held_job()
        path = f"/jobs/{job.job_id}"
        etag = call_api("GET", path)[2]["ETag"]

        for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
            status, document, headers = call_api("GET", path, headers={"if-none-match": known})
            assert (status, document, headers["ETag"]) == (304, None, etag)
        assert call_api("GET", path, headers={"if-none-match": '"other"'})[0] == 200

    def test_being_announced_is_no_change(self) -> None:
        job = ledger.resolve(ANN, held_job().job_id, now=datetime.now(UTC))
        path = f"/jobs/{job.job_id}"
        etag = call_api("GET", path)[2]["ETag"]

        assert jobs.leave_open_jobs(job)

        assert call_api("GET", path, headers={"if-none-match": etag})[0] == 304

    def test_any_change_changes_the_etag(self) -> None:
        job = held_job()
        path = f"/jobs/{job.job_id}"
        etag = call_api("GET", path)[2]["ETag"]

        jobs.store_task_token(job, "token", "entry", next_check_at=datetime.now(UTC))

        assert call_api("GET", path, headers={"if-none-match": etag})[0] == 200

    def test_links_are_renewed_before_they_die(self, monkeypatch: pytest.MonkeyPatch) -> None:
        path = f"/jobs/{finished_job().job_id}"
        now = datetime.now(UTC)
        monkeypatch.setattr(clock, "now", lambda: now)
        etag = call_api("GET", path)[2]["ETag"]

        monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=31))

        assert call_api("GET", path, headers={"if-none-match": etag})[0] == 200

    def test_the_etag_of_another_accounts_job_is_answered_with_404(self) -> None:
        job = held_job()
        etag = call_api("GET", f"/jobs/{job.job_id}")[2]["ETag"]

        assert (
            call_api("GET", f"/jobs/{job.job_id}", user="bob", headers={"if-none-match": etag})[0]
            == 404
        )

    def test_a_completed_job_links_to_what_is_ours(self) -> None:
        job = finished_job(outputs_count=2)
        for output in job.outputs:
            client("s3").put_object(Bucket="darkroom-test-media", Key=output.key, Body=b"image")

        _, document, _ = call_api("GET", f"/jobs/{job.job_id}")

        assert document["status"] == "completed"
        assert document["credits"] == {"quoted": 20, "held": 0, "charged": 20, "refunded": 0}
        assert [output.keys() for output in document["outputs"]] == [
            {
                "url",
                "thumbnail_url",
                "placeholder",
                "content_type",
                "bytes",
                "width",
                "height",
                "seconds",
            }
        ] * 2
        assert all(
            "darkroom-test-media" in output["url"] and "Signature" in output["url"]
            for output in document["outputs"]
        )
        expires_in = datetime.fromisoformat(document["links_expire_at"]) - datetime.now(UTC)
        assert timedelta(minutes=55) < expires_in <= timedelta(hours=1)

    def test_a_failed_job_tells_why_and_what_it_cost(self) -> None:
        _, document, _ = call_api("GET", f"/jobs/{finished_job(outputs_count=0).job_id}")

        assert document["status"] == "failed"
        assert document["error"] == {
            "code": "refused",
            "message": failure(FailureCode.REFUSED).message,
            "retryable": False,
        }
        assert document["credits"] == {"quoted": 10, "held": 0, "charged": 0, "refunded": 10}
        assert (document["outputs"], document["links_expire_at"]) == ([], None)
        assert document["finished_at"].endswith("Z")


class TestLists:
    def test_jobs_come_newest_first_each_once_and_with_the_total(self) -> None:
        open_account(1_000)
        ids = [submit()[1]["id"] for _ in range(5)]

        seen, query, totals = list[str](), "limit=2", set[int]()
        while query:
            status, page, _ = call_api("GET", "/jobs", query=query)
            assert status == 200
            assert page.keys() == {"jobs", "next_cursor", "total"}
            seen += [job["id"] for job in page["jobs"]]
            totals.add(page["total"])
            query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""

        assert seen == ids[::-1]
        assert totals == {5}

    def test_a_status_filters_the_jobs_and_not_the_total(self) -> None:
        open_account(100)
        ids = [submit()[1]["id"] for _ in range(3)]
        ledger.resolve(ANN, ids[1], now=datetime.now(UTC))

        assert [
            job["id"] for job in call_api("GET", "/jobs", query="status=failed")[1]["jobs"]
        ] == [ids[1]]
        assert [
            job["id"] for job in call_api("GET", "/jobs", query="status=pending")[1]["jobs"]
        ] == [ids[2], ids[0]]
        assert call_api("GET", "/jobs", query="status=completed")[1] == {
            "jobs": [],
            "next_cursor": None,
            "total": 3,
        }

    def test_entries_show_exactly_what_a_transaction_changed(self) -> None:
        job = held_job(credits=30)

        _, page, _ = call_api("GET", "/credits/entries")

        assert page["next_cursor"] is None
        held, granted = page["entries"]
        assert held == {
            "id": held["id"], "kind": "hold", "granted": 0, "available": -10, "held": 10, "spent": 0,
            "job_id": job.job_id, "reference": None, "created_at": held["created_at"],
        }  # fmt: skip
        assert (granted["kind"], granted["granted"], granted["available"], granted["job_id"]) == (
            "grant",
            30,
            30,
            None,
        )

    def test_entries_come_page_by_page(self) -> None:
        for number in range(3):
            ledger.grant(ANN, number + 1, reason="r", reference=str(number), now=datetime.now(UTC))

        _, first, _ = call_api("GET", "/credits/entries", query="limit=2")
        _, second, _ = call_api(
            "GET", "/credits/entries", query=f"limit=2&cursor={first['next_cursor']}"
        )

        assert [entry["granted"] for entry in (*first["entries"], *second["entries"])] == [3, 2, 1]
        assert second["next_cursor"] is None

    @pytest.mark.parametrize("path", ["/jobs", "/credits/entries", "/accounts/web/ann/entries"])
    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=-1",
            "limit=101",
            "limit=many",
            "limit=1.5",
            "limit=",
            "limit=+5",
            "limit=05",
            "limit= 5",
            "limit=5 ",
            "limit=1_0",
            "limit=٥",
            "limit=1e1",
            "cursor=!",
            "cursor=Sk9CIw",
            "cursor=",
        ],
    )
    def test_a_bad_limit_or_cursor_is_named(self, path: str, query: str) -> None:
        status, problem, headers = call_api("GET", path, query=query, **ADMIN)

        assert status == 422
        assert_is_problem(status, problem, headers)
        assert fields(problem) == [query.partition("=")[0]]

    @pytest.mark.parametrize(
        ("path", "other"), [("/jobs", "/credits/entries"), ("/credits/entries", "/jobs")]
    )
    def test_a_cursor_of_one_list_is_none_of_another(self, path: str, other: str) -> None:
        open_account(100)
        for _ in range(2):
            submit()
        cursor = call_api("GET", path, query="limit=1")[1]["next_cursor"]

        assert call_api("GET", path, query=f"limit=1&cursor={cursor}")[0] == 200
        status, problem, _ = call_api("GET", other, query=f"limit=1&cursor={cursor}")

        assert (status, fields(problem)) == (422, ["cursor"])

    def test_writes_between_two_pages_neither_double_nor_hide_an_item(self) -> None:
        open_account(1_000)
        before = [submit()[1]["id"] for _ in range(6)]
        entries_before = [
            entry["id"] for entry in call_api("GET", "/credits/entries")[1]["entries"]
        ]

        def turned(path: str, name: str) -> list[str]:
            seen, query = list[str](), "limit=2"
            while query:
                page = call_api("GET", path, query=query)[1]
                seen += [item["id"] for item in page[name]]
                submit()
                query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
            return seen

        assert turned("/jobs", "jobs") == before[::-1]
        new_entries = turned("/credits/entries", "entries")
        assert [entry for entry in new_entries if entry in entries_before] == entries_before
        assert len(new_entries) == len(set(new_entries))

    def test_a_job_that_is_deleted_while_somebody_turns_the_pages_hides_no_other(self) -> None:
        open_account(1_000)
        ids = [submit()[1]["id"] for _ in range(4)]
        page = call_api("GET", "/jobs", query="limit=2")[1]
        # The very job whose place the cursor names.
        assert jobs.leave_open_jobs(ledger.resolve(ANN, ids[2], now=datetime.now(UTC)))
        assert call_api("DELETE", f"/jobs/{ids[2]}")[0] == 204

        assert [
            job["id"]
            for job in call_api("GET", "/jobs", query=f"cursor={page['next_cursor']}")[1]["jobs"]
        ] == [ids[1], ids[0]]

    @pytest.mark.parametrize("status_text", ["done", "PENDING", "", "pending,failed"])
    def test_a_bad_status_is_named(self, status_text: str) -> None:
        status, problem, _ = call_api("GET", "/jobs", query=f"status={status_text}")

        assert (status, fields(problem)) == (422, ["status"])

    def test_the_largest_page_is_taken(self) -> None:
        assert call_api("GET", "/jobs", query="limit=100")[0] == 200

    def test_a_cursor_leads_nowhere_but_in_ones_own_list(self) -> None:
        open_account(100)
        for _ in range(3):
            submit()
        cursor = call_api("GET", "/jobs", query="limit=1")[1]["next_cursor"]

        assert call_api("GET", "/jobs", query=f"cursor={cursor}", user="bob")[1]["jobs"] == []


class TestTemplates:
    def test_are_listed_with_the_schema_of_their_parameters(self) -> None:
        status, document, _ = call_api("GET", "/templates")

        assert status == 200
        assert [template["code"] for template in document["templates"]] == list(catalog.codes())
        for template in document["templates"]:
            assert template["parameters"]["additionalProperties"] is False
            assert call_api("GET", f"/templates/{template['code']}")[1] == template

    @pytest.mark.parametrize(
        ("path", "cache_control"),
        [("/templates", "private, max-age=300"), ("/openapi.json", "public, max-age=300")],
    )
    def test_what_seldom_changes_is_not_sent_again(self, path: str, cache_control: str) -> None:
        status, document, headers = call_api("GET", path)
        etag = headers["ETag"]

        assert (status, headers["Cache-Control"]) == (200, cache_control)
        assert re.fullmatch('"[0-9a-f]{32}"', etag)
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            assert call_api("GET", path, headers={"if-none-match": known}) == (
                304,
                None,
                {"ETag": etag, "Cache-Control": cache_control},
            )
        for other in ('"other"', etag.strip('"'), ""):
            assert call_api("GET", path, headers={"if-none-match": other})[:2] == (200, document)

    @pytest.mark.parametrize("version", ["0", "+1", "01", "x", ""])
    def test_a_version_that_is_none_is_named(self, version: str) -> None:
        status, problem, _ = call_api("GET", "/templates/flux-schnell", query=f"version={version}")

        assert (status, fields(problem)) == (422, ["version"])

    def test_an_unknown_one_is_not_found(self) -> None:
        status, problem, headers = call_api("GET", "/templates/flux-9")

        assert status == 404
        assert_is_problem(status, problem, headers)


class TestAccounts:
    def grant(
        self,
        amount: object = 50,
        *,
        reference: object = "order 1",
        path: str = "/accounts/web/ann/credits",
        **more: Any,
    ) -> tuple[int, Any]:
        status, document, _ = call_api(
            "POST",
            path,
            body={"amount": amount, "reason": "r", "reference": reference, **more},
            **ADMIN,
        )
        return status, document

    def test_a_grant_is_an_entry_and_its_repeat_the_same_one(self) -> None:
        status, entry = self.grant()

        assert status == 201
        assert (entry["kind"], entry["granted"], entry["reference"]) == ("grant", 50, "order 1")
        assert self.grant() == (200, entry)
        assert call_api("GET", "/accounts/web/ann", **ADMIN)[1] == {
            "available": 50,
            "held": 0,
            "spent": 0,
            "granted": 50,
            "in_flight": 0,
        }
        assert call_api("GET", "/accounts/web/ann/entries", **ADMIN)[1] == {
            "entries": [entry],
            "next_cursor": None,
        }

    def test_a_used_reference_with_another_amount_is_refused(self) -> None:
        self.grant()

        status, problem = self.grant(51)

        assert (status, fields(problem)) == (422, ["reference"])
        assert ledger.balance(ANN).granted == 50

    def test_a_correction_takes_back_but_never_more_than_is_available(self) -> None:
        self.grant()

        assert self.grant(-20, reference="mistake")[0] == 201
        status, problem = self.grant(-31, reference="greed")

        assert (status, fields(problem)) == (422, ["amount"])
        assert ledger.balance(ANN).available == 30

    @pytest.mark.parametrize(
        "amount", [0, 1_000_001, -1_000_001, 1.5, 0.0, True, "5", None, [], 10**30]
    )
    def test_what_is_no_amount_is_refused(self, amount: object) -> None:
        status, problem = self.grant(amount)

        assert (status, fields(problem)) == (422, ["amount"])
        assert ledger.balance(ANN).granted == 0

    def test_the_largest_amount_is_taken(self) -> None:
        assert self.grant(1_000_000)[0] == 201

    def test_a_whole_number_may_be_written_as_json_schema_takes_it(self) -> None:
        status, entry = self.grant(5.0)

        assert (status, entry["granted"], type(entry["granted"])) == (201, 5, int)

    @pytest.mark.parametrize(
        ("wrong", "field"),
        [
            ({"reference": ""}, "reference"),
            ({"reference": "x" * 201}, "reference"),
            ({"reason": ""}, "reason"),
            ({"free": 1}, "free"),
        ],
    )
    def test_other_wrong_fields_are_named(self, wrong: dict[str, Any], field: str) -> None:
        status, problem = self.grant(**wrong)

        assert (status, fields(problem)) == (422, [field])

    @pytest.mark.parametrize(
        ("written", "user"),
        [
            ("ann%40example.com", "ann@example.com"),
            ("ann@example.com", "ann@example.com"),
            ("auth0%7C7", "auth0|7"),
            ("auth0|7", "auth0|7"),
            ("a%3Ab", "a:b"),
            ("a%2Fb%2B==", "a/b+=="),
            ("a%252Fb", "a%2Fb"),
            ("50%25", "50%"),
            ("a%23b", "a#b"),
            ("a#b", "a#b"),
            ("é", "é"),
            ("a%20b", "a b"),
        ],
    )
    def test_user_ids_may_be_written_as_a_url_has_them(self, written: str, user: str) -> None:
        assert self.grant(path=f"/accounts/mobile/{written}/credits")[0] == 201
        assert ledger.balance(AccountId("mobile", user)).granted == 50
        assert call_api("GET", f"/accounts/mobile/{written}", **ADMIN)[1]["granted"] == 50

    @pytest.mark.parametrize(
        ("path", "field"),
        [
            ("/accounts/desktop/ann", "platform"),
            (f"/accounts/web/{'x' * 256}", "user"),
            ("/accounts/web/%ff", "user"),
            (f"/accounts/web/{'灯' * 86}", "user"),
            ("/accounts/wéb/a", "platform"),
        ],
    )
    def test_an_account_that_cannot_be_is_named(self, path: str, field: str) -> None:
        for method, suffix in (("GET", ""), ("GET", "/entries"), ("POST", "/credits")):
            body = {"amount": 1, "reason": "r", "reference": "r"} if method == "POST" else None
            status, problem, _ = call_api(method, path + suffix, body=body, **ADMIN)
            assert (status, fields(problem)) == (422, [field])


class TestCallbackSecret:
    def test_is_ones_own_stays_the_same_and_is_kept_by_nobody_in_between(self) -> None:
        status, first, headers = call_api("GET", "/callbacks/secret")

        assert (status, headers["Cache-Control"]) == (200, "no-store")
        assert first["secret"].startswith("whsec_")
        assert call_api("GET", "/callbacks/secret")[1] == first
        assert call_api("GET", "/callbacks/secret", user="bob")[1] != first
