"""A retired template: requests are refused with its successor, and its jobs stay readable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from uuid6 import uuid7

from darkroom import catalog
from darkroom.aws import step_functions as workflow_adapter
from darkroom.domain.jobs import Job
from darkroom.domain.templates import new_job
from darkroom.settings import settings
from darkroom.storage import idempotency, ledger, spend
from tests.builders import ANN, call_api, open_account
from tests.integration.api.calls import ADMIN, assert_is_problem
from tests.integration.steps import with_setting
from tests.retired_template import RETIRED, SUCCESSOR, clear, retire
from tests.unit.catalog_samples import check

REFUSAL = f"The template {RETIRED} is retired. Use {SUCCESSOR} instead."


@pytest.fixture(autouse=True)
def retired(aws: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Retire a template, and start no executions."""
    monkeypatch.setattr(workflow_adapter, "start", lambda _: None)
    retire(tmp_path, monkeypatch)
    open_account(100)
    yield
    clear()


def earlier_job(*, key: idempotency.IdempotencyKey | None = None) -> Job:
    """Hold the credits of a job that was accepted before its template was retired."""
    template = catalog.template(RETIRED, 2)
    job = new_job(
        template,
        check(template, {"prompt": "a"}),
        account=ANN,
        job_id=str(uuid7()),
        prices=settings().prices,
        queue_seconds_max=settings().queue_seconds_max,
        now=datetime.now(UTC),
    )
    return ledger.hold(job, key=key, now=job.created_at)[0]


def refusals(path: str, body: object, **event: Any) -> list[tuple[str, str]]:
    status, problem, headers = call_api("POST", path, body=body, **event)
    assert status == 422
    assert_is_problem(status, problem, headers)
    return [(error["field"], error["message"]) for error in problem["errors"]]


def test_submit_and_quote_name_the_successor_and_hold_nothing() -> None:
    parameters = {"prompt": "a"}

    found = refusals("/jobs", {"template": RETIRED, "parameters": parameters})
    quoted = refusals(f"/templates/{RETIRED}/quote", {"parameters": parameters})

    assert found == [("template", REFUSAL)]
    assert quoted == [("code", REFUSAL)]
    assert ledger.balance(ANN).held == 0


def test_a_rerun_of_an_old_job_names_the_successor() -> None:
    job = earlier_job()
    ledger.resolve(ANN, job.job_id, now=job.created_at)

    assert refusals("/jobs", {"rerun_of": job.job_id}) == [("rerun_of", REFUSAL)]


def test_the_old_job_and_its_version_of_the_template_stay_readable() -> None:
    job = earlier_job()

    status, document, _ = call_api("GET", f"/jobs/{job.job_id}")
    listed = call_api("GET", "/jobs", query=f"template={RETIRED}")[1]["jobs"]
    template = call_api("GET", f"/templates/{RETIRED}", query="version=2")[1]

    assert (status, document["template"]["code"], document["template"]["version"]) == (
        200,
        RETIRED,
        2,
    )
    assert document["credits"]["quoted"] == job.quoted == 10
    assert [each["id"] for each in listed] == [job.job_id]
    assert (template["code"], template["version"]) == (RETIRED, 2)


def test_a_repeated_request_returns_its_job_after_the_template_is_retired() -> None:
    body = b'{"template": "old-schnell", "parameters": {"prompt": "a"}}'
    job = earlier_job(key=idempotency.IdempotencyKey.of("order-17", body))

    status, document, headers = call_api(
        "POST", "/jobs", body=body.decode(), headers={"Idempotency-Key": "order-17"}
    )

    assert (status, document["id"], headers["Idempotency-Replayed"]) == (202, job.job_id, "true")


def test_the_list_has_no_retired_template_and_the_code_is_not_found() -> None:
    listed = call_api("GET", "/templates")[1]["templates"]

    assert [template["code"] for template in listed] == [SUCCESSOR]
    assert call_api("GET", f"/templates/{RETIRED}")[0] == 404
    assert call_api("GET", f"/templates/{RETIRED}", query="version=3")[0] == 404


def test_a_successor_that_is_not_available_here_is_not_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_setting(monkeypatch, "PROVIDERS", "runway")

    ((field, message),) = refusals("/jobs", {"template": RETIRED, "parameters": {"prompt": "a"}})

    assert field == "template"
    assert message == (
        f"The template {RETIRED} is retired. GET /templates lists the available ones."
    )


def test_the_spend_of_a_retired_template_keeps_its_kind_of_cost() -> None:
    spend.add_prediction("replicate", RETIRED, 3_000, now=datetime.now(UTC))

    (row,) = call_api("GET", "/admin/usage", **ADMIN)[1]["days"]

    assert (row["template"], row["estimated"]) == (RETIRED, False)
