"""Replicate's webhook: malformed headers and bodies change nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from darkroom.domain.jobs import Job
from tests.aws import CONTEXT, handler_of
from tests.builders import http_event, stored
from tests.integration.webhook.signed_webhooks import (
    post_signed,
    post_webhook,
    prediction_body,
    reference_of,
    signed_headers,
)

pytestmark = pytest.mark.usefixtures("aws")

HEADER_TEXT = st.text(st.characters(codec="utf-8"), max_size=80)
WRONG_SIGNATURES = ["v1,", "v1", ",", "v1,,", "v1,=", "v1,AAAA", "v2,AAAA", "v1,é", " ", "v1,AA AA"]
SIGNATURE = st.one_of(
    HEADER_TEXT, st.sampled_from(WRONG_SIGNATURES), HEADER_TEXT.map("v1,{}".format)
)
WRONG_TIMESTAMPS = [
    "nan",
    "inf",
    "-inf",
    "1e400",
    "-1",
    "0",
    "99999999999999999999",
    "１７００",
    "0x10",
    "",
]
TIMESTAMP = st.one_of(HEADER_TEXT, st.sampled_from(WRONG_TIMESTAMPS), st.integers().map(str))
MALFORMED_HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "webhook-id": HEADER_TEXT,
        "webhook-timestamp": TIMESTAMP,
        "webhook-signature": SIGNATURE,
    },
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["id", "status", "webhook", "output", "x"]), inner, max_size=4
        ),
    ),
    max_leaves=8,
)
BODIES_WITHOUT_A_PREDICTION = [
    b"",
    b"no json",
    b"[]",
    b"null",
    b"7",
    b"{}",
    b'{"id": "p"}',
    b'{"status": "succeeded"}',
    b'{"id": 7, "status": "succeeded"}',
    b'{"id": "", "status": "succeeded"}',
    b'{"id": "p", "status": null}',
    b'{"id": ["p"], "status": "succeeded"}',
    b"[" * 100_000,
    b'{"id": ' + b"9" * 5_000 + b', "status": "x"}',
    b'{"id": "\\ud800", "status": "succeeded"}',
    b'{"id": "' + b"p" * 500_000 + b'", "status": "processing"}',
]


def is_prediction(body: bytes) -> bool:
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and all(
        isinstance(document.get(name), str) for name in ("id", "status")
    )


class TestGeneratedRequests:
    @settings(
        max_examples=1_500,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(MALFORMED_HEADERS, st.binary(max_size=60))
    def test_refuses_malformed_headers(
        self, job: Job, headers: dict[str, str], body: bytes
    ) -> None:
        status, _ = post_webhook(reference_of(job), body, headers)

        assert status == 401

    @settings(
        max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(SIGNATURE, TIMESTAMP)
    def test_refuses_a_wrong_signature_with_other_valid_headers(
        self, job: Job, signature: str, timestamp: str
    ) -> None:
        body = prediction_body()
        valid = signed_headers(body)

        for wrong in ({"webhook-signature": signature}, {"webhook-timestamp": timestamp}):
            assert post_webhook(reference_of(job), body, valid | wrong)[0] == 401
        assert stored(job) == job

    @settings(
        max_examples=1_000,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.one_of(JSON.map(json.dumps), st.text(max_size=80)).map(str.encode))
    def test_signed_body_without_a_prediction_changes_nothing(self, job: Job, body: bytes) -> None:
        assume(not is_prediction(body))
        status, _ = post_signed(job, body)

        assert status in (415, 422)
        assert stored(job) == job


class TestBodies:
    def test_refuses_a_signed_body_without_a_prediction(self, job: Job) -> None:
        statuses = {body[:40]: post_signed(job, body)[0] for body in BODIES_WITHOUT_A_PREDICTION}

        assert len(statuses) == len(BODIES_WITHOUT_A_PREDICTION)
        assert {body: status for body, status in statuses.items() if status != 422} == {}
        assert stored(job) == job

    def test_refuses_a_body_that_is_not_utf_8(self, job: Job) -> None:
        assert post_signed(job, b'{"id": "\xff"}')[0] == 401

    def test_accepts_a_body_without_base64(self, job: Job) -> None:
        body = prediction_body("processing", logs="灯塔 🏮")
        event = http_event(
            "POST",
            "/webhooks/replicate",
            body=body.decode(),
            user=None,
            headers=signed_headers(body),
        )
        event["queryStringParameters"] = {"job": reference_of(job)}

        assert handler_of("receive_prediction")(event, CONTEXT)["statusCode"] == 200

    def test_accepts_the_largest_body_and_refuses_one_more_byte(self, job: Job) -> None:
        empty = prediction_body("processing", logs="")
        largest = prediction_body("processing", logs="x" * (5_000_000 - len(empty)))

        assert post_signed(job, largest + b" ")[0] == 413
        assert stored(job) == job
        assert post_signed(job, largest)[0] == 200

    def test_ignores_the_content_type(self, job: Job) -> None:
        body = prediction_body("processing")
        content_types = (
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
        )

        statuses = {
            content_type: post_webhook(
                reference_of(job), body, signed_headers(body) | {"content-type": content_type}
            )[0]
            for content_type in content_types
        }

        assert statuses == dict.fromkeys(content_types, 200)
