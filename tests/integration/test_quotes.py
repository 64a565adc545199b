"""Quotes: a job holds the quoted credits, and its charge never exceeds the quote."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from uuid6 import uuid7

from darkroom import catalog
from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.accounts import AccountId
from darkroom.domain.jobs import Job
from darkroom.domain.parameters import check_parameters
from darkroom.domain.templates import Template, new_job
from darkroom.settings import settings
from darkroom.storage import ledger
from tests.builders import ANN, call_api, open_account, stored
from tests.integration.steps import with_setting

pytestmark = pytest.mark.usefixtures("aws")

URL = "https://example.com/image.png"
OFFERS: list[tuple[str, dict[str, Any]]] = [
    ("flux-schnell", {"num_outputs": 3}),
    ("flux-schnell", {"quality": "high", "num_outputs": 4}),
    ("flux-1.1-pro", {}),
    ("real-esrgan", {"image": URL, "resolution": "2k"}),
    ("real-esrgan", {"image": URL, "resolution": "4k"}),
    ("hailuo-02", {"duration": 10, "resolution": "768p"}),
    ("hailuo-02", {}),
    ("veo-3.1-fast", {"duration": 4}),
    ("veo-3.1-fast", {"duration": 8}),
]


@pytest.fixture(autouse=True)
def no_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no executions: each job stays as it was submitted."""
    monkeypatch.setattr(workflow_adapter, "start", lambda _: None)


def quote(code: str, parameters: object, **event: Any) -> tuple[int, Any]:
    status, document, _ = call_api(
        "POST", f"/templates/{code}/quote", body={"parameters": parameters}, **event
    )
    return status, document


def with_prompt(code: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Add a prompt if the template requires one."""
    if "prompt" not in catalog.template(code).required:
        return parameters
    return {"prompt": "a lighthouse", **parameters}


def test_job_holds_the_quoted_credits(subtests: pytest.Subtests) -> None:
    open_account(10_000)

    for code, offer in OFFERS:
        with subtests.test(template=code, offer=offer):
            held_before = ledger.balance(ANN).held
            parameters = with_prompt(code, offer)

            status, quoted = quote(code, parameters)
            _, job, _ = call_api("POST", "/jobs", body={"template": code, "parameters": parameters})

            quoted_credits = quoted["credits"]
            assert (status, quoted) == (200, {"credits": quoted_credits})
            assert job["credits"] == {
                "quoted": quoted_credits,
                "held": quoted_credits,
                "charged": 0,
                "refunded": 0,
            }
            assert ledger.balance(ANN).held == held_before + quoted_credits


@given(st.integers(min_value=0, max_value=4))
@hypothesis_settings(
    max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_charge_never_exceeds_the_quote(delivered_count: int) -> None:
    account = AccountId("web", f"u{uuid7().hex}")
    open_account(1_000, account)
    parameters = {"prompt": "a", "quality": "high", "num_outputs": 4}
    quoted = quote("flux-schnell", parameters, user=account.user)[1]["credits"]
    job_id = call_api(
        "POST",
        "/jobs",
        body={"template": "flux-schnell", "parameters": parameters},
        user=account.user,
    )[1]["id"]

    charged = (
        ledger.resolve(account, job_id, now=datetime.now(UTC)).charged
        if not delivered_count
        else quoted * delivered_count // 4
    )

    assert 0 <= charged <= quoted == 60


def test_quote_needs_no_credits_and_creates_no_job() -> None:
    assert quote("flux-schnell", {"prompt": "a"}) == (200, {"credits": 10})
    assert call_api("GET", "/jobs")[1] == {"jobs": [], "next_cursor": None, "total": 0}


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({}, "parameters.prompt"),
        ({"prompt": "a", "wings": 2}, "parameters.wings"),
        ({"prompt": "a", "num_outputs": 5}, "parameters.num_outputs"),
        ({"prompt": "a", "quality": "high", "go_fast": True}, "parameters.go_fast"),
        ("a", "parameters"),
        (None, "parameters"),
    ],
)
def test_quote_and_job_refuse_the_same_parameters(parameters: object, field: str) -> None:
    open_account(100)

    for status, problem in (
        quote("flux-schnell", parameters),
        call_api("POST", "/jobs", body={"template": "flux-schnell", "parameters": parameters})[:2],
    ):
        assert status == 422
        assert [error["field"] for error in problem["errors"]] == [field]


def test_quote_and_job_refuse_a_prompt_that_is_too_long_in_utf16_units() -> None:
    open_account(100)
    parameters = {"prompt": "\U0001f98a" * 501}

    for status, problem in (
        quote("runway-gen4.5", parameters),
        call_api("POST", "/jobs", body={"template": "runway-gen4.5", "parameters": parameters})[:2],
    ):
        assert status == 422
        assert [error["field"] for error in problem["errors"]] == ["parameters.prompt"]
    assert ledger.balance(ANN).held == 0
    assert quote("runway-gen4.5", {"prompt": "\U0001f98a" * 500})[0] == 200


def test_refuses_unknown_template_and_unsigned_caller() -> None:
    assert quote("no-such", {"prompt": "a"})[0] == 404
    assert quote("flux-schnell", {"prompt": "a"}, user=None)[0] == 401


def test_quote_uses_the_prices_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DEFAULT_IMAGE_CREDIT_COST": 7,
        "DEFAULT_VIDEO_CREDIT_COST": 31,
        "HIGH_QUALITY_MULTIPLIER": "1.25",
    }.items():
        with_setting(monkeypatch, name, value)

    assert quote("flux-schnell", {"prompt": "a", "quality": "high", "num_outputs": 2}) == (
        200,
        {"credits": 18},
    )
    assert quote("wan-2.2-t2v-fast", {"prompt": "a", "resolution": "720p"}) == (
        200,
        {"credits": 62},
    )


def accepted_job(template: Template, parameters: dict[str, Any]) -> Job:
    """Accept a job of a template, which may be a past version."""
    job = new_job(
        template,
        parameters,
        account=ANN,
        job_id=str(uuid7()),
        prices=settings().prices,
        queue_seconds_max=settings().queue_seconds_max,
        now=datetime.now(UTC),
    )
    open_account(100)
    ledger.hold(job, key=None, now=job.created_at)
    return job


class TestTemplateVersions:
    def test_old_template_version_stays_readable(self) -> None:
        _, available, _ = call_api("GET", "/templates/flux-schnell")
        _, old, _ = call_api("GET", "/templates/flux-schnell", query="version=1")

        assert (available["version"], old["version"]) == (2, 1)
        assert "quality" in available["parameters"]["properties"]
        assert "quality" not in old["parameters"]["properties"]
        assert call_api("GET", "/templates/flux-schnell", query="version=3")[0] == 404
        assert call_api("GET", "/templates/flux-schnell", query="version=0")[0] == 422

    def test_job_keeps_its_template_version_and_model_input(self) -> None:
        old = catalog.template("flux-schnell", 1)
        parameters = check_parameters(old, {"prompt": "a"}, prompt_characters_max=100)
        job = accepted_job(old, parameters)

        assert call_api("GET", f"/jobs/{job.job_id}")[1]["template"]["version"] == 1
        assert stored(job).model_input == old.model_input(parameters)

    def test_accepted_job_keeps_its_price_and_cost_after_a_change(self) -> None:
        parameters = {"prompt": "a", "start_image": URL, "mode": "pro"}
        old = catalog.template("kling-v2.1", 1)
        job = accepted_job(old, check_parameters(old, parameters, prompt_characters_max=100))

        assert quote("kling-v2.1", parameters) == (200, {"credits": 90})
        assert call_api("GET", f"/jobs/{job.job_id}")[1]["credits"]["quoted"] == 75
        assert ledger.balance(ANN).held == 75
        assert stored(job).cost_micro_usd == 450_000
