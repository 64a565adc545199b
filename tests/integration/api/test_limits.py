"""The limits of an account over the HTTP API: the edge of each limit, and what does not count."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest
from uuid6 import uuid7

from darkroom.aws import step_functions
from darkroom.domain.accounts import AccountId
from darkroom.domain.limits import LIMITS, Act
from darkroom.storage import ledger
from darkroom.storage.table import LimitRow
from darkroom.storage.upload_rows import UploadRow
from tests.aws import CONTEXT, handler_of
from tests.builders import (
    ANN,
    NOON,
    call_api,
    held_job,
    http_event,
    image_job,
    open_account,
    stored,
)
from tests.integration.steps import BUCKET, at, with_setting

pytestmark = pytest.mark.usefixtures("aws")

type Answer = tuple[int, Any, Mapping[str, str]]

# One black pixel.
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
NEW_UPLOAD = {"content_type": "image/png", "bytes": 100}


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all requests arrive at noon, and start or resume no execution."""
    at(monkeypatch, NOON)
    monkeypatch.setattr(step_functions, "start", lambda _: None)


def quote(user: str) -> Answer:
    body = {"parameters": {"prompt": "a lighthouse"}}
    return call_api("POST", "/templates/flux-schnell/quote", body=body, user=user)


def announce(user: str) -> Answer:
    return call_api("POST", "/uploads", body=NEW_UPLOAD, user=user)


def complete(upload_id: str, user: str) -> Answer:
    event = http_event("POST", f"/uploads/{upload_id}/complete", user=user)
    response = handler_of("prepare_upload")(event, CONTEXT)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def announce_and_complete(user: str) -> Answer:
    """Complete an upload whose file has not arrived. The check for the file is counted."""
    return complete(announce(user)[1]["upload_id"], user)


def cancel(job_id: str, user: str) -> Answer:
    return call_api("POST", f"/jobs/{job_id}/cancel", user=user)


def hold_and_cancel(user: str) -> Answer:
    account = open_account(100, AccountId("web", user))
    job = image_job(account=account)
    ledger.hold(job, key=None, now=NOON)
    return cancel(job.job_id, user)


@dataclass(frozen=True)
class Case:
    """One act over HTTP, its limit in the test, and the status of an accepted act.

    The limit accepts two acts and refuses the third.
    """

    do: Callable[[str], Answer]
    status: int
    problem: str
    limit: int = 2


CASES: Mapping[Act, Case] = {
    Act.QUOTES: Case(quote, 200, "too-many-requests"),
    Act.UPLOADS: Case(announce, 201, "too-many-uploads"),
    Act.UPLOAD_BYTES: Case(announce, 201, "too-many-uploads", limit=299),
    Act.COMPLETES: Case(announce_and_complete, 422, "too-many-uploads"),
    Act.CANCELS: Case(hold_and_cancel, 202, "too-many-cancels"),
}
# The limits whose edges other tests check: the hold of a job, test callbacks, repeated callbacks.
ELSEWHERE = {Act.JOBS, Act.CALLBACK_TESTS, Act.CALLBACK_RESENDS}


def used(act: Act, user: str = "ann") -> int:
    """Return how much of an act is counted in all windows."""
    rows = LimitRow.query(f"LIMIT#web#{user}", LimitRow.sk.startswith(f"{act}#"))
    return sum(int(row.used) for row in rows)


def test_each_limit_of_the_table_has_a_case() -> None:
    assert CASES.keys() == LIMITS.keys() - ELSEWHERE


@pytest.mark.parametrize("act", CASES)
class TestEachLimit:
    @pytest.fixture(autouse=True)
    def _small_limit(self, act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
        with_setting(monkeypatch, LIMITS[act].setting.upper(), CASES[act].limit)

    def test_accepts_acts_up_to_the_limit_and_refuses_one_more_until_the_window_ends(
        self, act: Act, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case, late = CASES[act], NOON + timedelta(seconds=10.5)
        at(monkeypatch, late)
        assert [case.do("ann")[0] for _ in range(2)] == [case.status] * 2
        counted = used(act)

        status, problem, headers = case.do("ann")

        assert (status, problem["type"]) == (429, f"/problems/{case.problem}")
        assert (problem["retryable"], problem["charged"]) == (True, 0)
        assert f"{case.limit} {act}" in problem["detail"]
        assert headers["Retry-After"] == ("43190" if act is Act.UPLOAD_BYTES else "3590")
        assert used(act) == counted
        at(monkeypatch, late + timedelta(seconds=int(headers["Retry-After"])))
        assert case.do("ann")[0] == case.status

    def test_another_account_has_its_own_limit(self, act: Act) -> None:
        assert [CASES[act].do("ann")[0] for _ in range(3)] == [CASES[act].status] * 2 + [429]

        assert CASES[act].do("bob")[0] == CASES[act].status

    def test_a_refusal_is_one_line_with_the_account_and_the_act_and_a_metric(
        self, act: Act, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for _ in range(3):
            CASES[act].do("ann")

        lines = [vars(line) for line in caplog.records if "act" in vars(line)]
        assert [{name: line[name] for name in ("account", "act", "problem")} for line in lines] == [
            {"account": "web/ann", "act": act, "problem": CASES[act].problem}
        ]
        assert lines[0]["message"] == "request refused"
        assert capsys.readouterr().out.count('"LimitsReached":[1.0]') == 1


class TestUploads:
    def test_a_refused_announcement_creates_no_upload(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "UPLOAD_BYTES_PER_DAY_MAX", 250)

        assert [announce("ann")[0] for _ in range(3)] == [201, 201, 429]

        assert (used(Act.UPLOADS), used(Act.UPLOAD_BYTES)) == (2, 200)
        assert len(list(UploadRow.query("ACCOUNT#web#ann", UploadRow.sk.startswith("UPL")))) == 2

    def test_a_decided_upload_is_answered_although_the_limit_is_reached(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "COMPLETES_PER_HOUR_MAX", 2)
        answers = []
        for body in (b"a text file", PNG):
            upload_id = announce("ann")[1]["upload_id"]
            boto3.client("s3").put_object(
                Bucket=BUCKET, Key=f"uploads/web/ann/{upload_id}.original", Body=body
            )
            answers.append((upload_id, complete(upload_id, "ann")[0]))

        for upload_id, status in answers:
            assert complete(upload_id, "ann")[0] == status
        assert [status for _, status in answers] == [422, 200]
        assert announce_and_complete("ann")[0] == 429


class TestCancels:
    def test_a_repeated_cancel_does_not_count_and_is_not_refused(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with_setting(monkeypatch, "CANCELS_PER_HOUR_MAX", 1)
        first, second = held_job(), held_job()

        assert [cancel(first.job_id, "ann")[0] for _ in range(3)] == [202, 202, 202]
        assert used(Act.CANCELS) == 1
        assert cancel(second.job_id, "ann")[0] == 429
        assert stored(second).cancel_requested_at is None

    def test_a_final_or_unknown_job_does_not_count(self) -> None:
        job = held_job()
        ledger.resolve(ANN, job.job_id, now=NOON)

        assert cancel(job.job_id, "ann")[0] == 409
        assert cancel(str(uuid7()), "ann")[0] == 404
        assert used(Act.CANCELS) == 0
